//! The product on a whole machine that is emulated: Debian's kernel and systemd, the agent's Debian package, the
//! image's units where the recipes put them, a disk with two slots, a TPM, a watchdog, a service port.
//!
//! It is not the board's image: another kernel, another systemd, another processor. What it shows is that the units do
//! what they say under a systemd that runs. Runs where `EDGE_MACHINE=1` asks for it, after `make deb`: it needs root
//! and the distribution's package servers, and takes long.
#![cfg(test)]
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a story writes plain files and says aloud what it skips"
)]

#[path = "machine/life.rs"]
mod life;
#[path = "machine/town.rs"]
mod town;
#[path = "machine/vm.rs"]
mod vm;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use edge_tests::process::program;

/// One machine at a time: each takes the processors of the one that it runs on.
static ALONE: Mutex<()> = Mutex::new(());
/// What every machine is made of.
static MADE: OnceLock<PathBuf> = OnceLock::new();

/// Why this machine cannot tell, if it cannot.
fn lacking() -> Option<String> {
    if std::env::var_os("EDGE_MACHINE").is_none() {
        return Some("takes long and a network; EDGE_MACHINE=1 asks for it".to_owned());
    }
    if !nix::unistd::geteuid().is_root() {
        return Some("a disk and a network of its own need root".to_owned());
    }
    if !Path::new("/dev/net/tun").exists() {
        return Some("this kernel has no /dev/net/tun for the machine's cables".to_owned());
    }
    let programs = ["qemu-system-x86_64", "swtpm", "mmdebstrap", "sfdisk", "dnsmasq", "nft", "mksquashfs", "rauc"];
    let missing = |program: &&str| Command::new(program).arg("--version").output().is_err();
    programs.iter().find(|program| missing(program)).map(|program| format!("{program} is not installed"))
}

fn target() -> PathBuf {
    std::env::current_exe().expect("the test's own path").ancestors().nth(3).expect("a target folder").to_owned()
}

/// The package that `make deb` made last.
fn package() -> PathBuf {
    let files = std::fs::read_dir(target().join("debian")).into_iter().flatten();
    let debs = files
        .filter_map(|file| Some(file.ok()?.path()).filter(|path| path.extension().is_some_and(|end| end == "deb")));
    let newest = debs.max_by_key(|path| path.metadata().and_then(|data| data.modified()).ok());
    newest.expect("no package in target/debian: run `make deb`")
}

/// What every machine is made of, made once for all parts of the story.
fn images() -> PathBuf {
    let folder = target().join("machine");
    let keys = folder.join("keys");
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    vm::must(Command::new(repository.join("yocto/development-keys")).arg(&keys));
    let mut image = Command::new(repository.join("tests/stories/machine/image"));
    image.arg(&folder).arg(package()).arg(program("edge-data-key")).arg(keys.join("keyring.pem"));
    vm::must(&mut image);
    folder
}

/// The agent's account on the image.
fn account(images: &Path) -> (u32, u32) {
    let line = std::fs::read_to_string(images.join("account")).expect("the agent's account");
    let numbers: Vec<u32> = line.split(':').filter_map(|field| field.parse().ok()).collect();
    (numbers[0], numbers[1])
}

/// Runs an ignored test of this program in a network of its own, or says aloud why it is skipped.
fn in_a_network_of_its_own(test: &str) {
    if let Some(why) = lacking() {
        return eprintln!("SKIPPED: {why}");
    }
    let _alone: MutexGuard<'_, ()> = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let images = MADE.get_or_init(images);
    let own = std::env::current_exe().expect("the test's own path");
    let mut command = Command::new("unshare");
    command.args(["--net", "--"]).arg(own).args(["--exact", test, "--include-ignored", "--nocapture"]);
    let output = command.env("EDGE_MACHINE_IMAGES", images).output().expect("run unshare");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{said}");
}

/// What a part of the story begins with, in its own network.
fn begin() -> (PathBuf, town::Town) {
    let images = PathBuf::from(std::env::var_os("EDGE_MACHINE_IMAGES").expect("started by its outer test"));
    (images, town::Town::new())
}
