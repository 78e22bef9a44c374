//! A bench for RAUC: keys, images, bundles, two slots in files, and a bootloader that is a script.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use edge_agent::update::{SlotName, Slots, rauc::Rauc};
use edge_tests::process::Process;

/// No step takes as long, even on a machine with other things to do.
const DEADLINE: Duration = Duration::from_mins(1);
const SLOT_BYTES: u64 = 4 << 20;

/// Counts as a bootloader does: three attempts for the slot that boots, given back by `good`.
const BOOTLOADER: &str = r#"#!/bin/sh
set -eu
cd "$(dirname "$0")/boot"
case "$1" in
    get-primary) cat primary ;;
    set-primary) echo "$2" >primary; echo 3 >"left.$2" ;;
    get-state) if [ "$(cat "left.$2")" -gt 0 ]; then echo good; else echo bad; fi ;;
    set-state) if [ "$3" = good ]; then echo 3 >"left.$2"; else echo 0 >"left.$2"; fi ;;
    boot)
        slot=$(cat primary)
        if [ "$(cat "left.$slot")" = 0 ]; then
            if [ "$slot" = A ]; then slot=B; else slot=A; fi
            echo "$slot" >primary
        fi
        [ "$(cat "left.$slot")" -gt 0 ]
        echo $(($(cat "left.$slot") - 1)) >"left.$slot"
        echo "$slot"
        ;;
esac
"#;

/// Who signs a bundle.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Signer {
    Agency,
    Stranger,
}

/// The bench; dropping it ends RAUC's service.
pub(crate) struct Bench {
    service: RefCell<Option<Process>>,
    folder: tempfile::TempDir,
}

/// What this machine lacks for it, if anything.
fn lacks() -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("mounting a bundle needs root".into());
    }
    if !Path::new("/dev/loop-control").exists() {
        return Some("mounting a bundle needs loop devices".into());
    }
    let programs = ["rauc", "dbus-run-session", "mksquashfs", "openssl", "mkfs.ext4"];
    let missing = |program: &&str| Command::new(program).arg("--version").output().is_err();
    programs.iter().find(|program| missing(program)).map(|program| format!("{program} is not installed"))
}

/// Runs an ignored test of the same program on a bus of its own, or says aloud why it is skipped.
pub(crate) fn on_a_bus_of_its_own(test: &str) {
    if let Some(why) = lacks() {
        return eprintln!("SKIPPED: {why}");
    }
    let own = std::env::current_exe().expect("the test's own path");
    let mut command = Command::new("dbus-run-session");
    // RAUC's service goes to the bus that it believes to have been started by.
    command.args(["--", "env", "DBUS_STARTER_BUS_TYPE=session"]).arg(own);
    command.args(["--exact", test, "--include-ignored", "--nocapture"]);
    let output = command.output().expect("run dbus-run-session");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{said}");
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8(output.stdout).expect("text")
}

impl Bench {
    /// Keys, and an image 1.0.0 in slot A.
    pub(crate) fn new() -> Bench {
        let folder = tempfile::Builder::new().prefix("edge-rauc-").tempdir_in("/var/tmp").expect("a folder");
        let bench = Bench { service: RefCell::new(None), folder };
        for inner in ["boot", "mnt"] {
            std::fs::create_dir(bench.path(inner)).expect("a folder");
        }
        bench.write("bootloader", BOOTLOADER);
        run(Command::new("chmod").arg("+x").arg(bench.path("bootloader")));
        bench.write("boot/primary", "A\n");
        bench.write("boot/left.A", "3\n");
        bench.write("boot/left.B", "3\n");
        bench.make_keys();
        let image = bench.image("1.0.0");
        std::fs::write(bench.path("a.img"), image).expect("slot A");
        let b = std::fs::File::create(bench.path("b.img")).expect("slot B");
        b.set_len(SLOT_BYTES).expect("room in slot B");
        bench.write_configuration();
        bench
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("a written file");
    }

    fn make_keys(&self) {
        let openssl = |arguments: &str| {
            run(Command::new("openssl").args(arguments.split_whitespace()).current_dir(self.folder.path()))
        };
        for (name, who) in [("agency", "/CN=Agency"), ("stranger", "/CN=Stranger")] {
            openssl(&format!(
                "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -keyout {name}.key \
                 -out {name}.pem -subj {who}"
            ));
        }
    }

    fn write_configuration(&self) {
        let place = self.folder.path().display();
        let slot = |number: u32, file: &str, name: &str| {
            format!("[slot.rootfs.{number}]\ndevice={place}/{file}\ntype=ext4\nbootname={name}\n")
        };
        let text = format!(
            "[system]\ncompatible=edge-test\nbootloader=custom\nstatusfile={place}/status\nmountprefix={place}/mnt\n\
             bundle-formats=plain\n[handlers]\nbootloader-custom-backend={place}/bootloader\n\
             [keyring]\npath={place}/agency.pem\n{}{}",
            slot(0, "a.img", "A"),
            slot(1, "b.img", "B")
        );
        self.write("system.conf", &text);
    }

    /// The image of a version, made once.
    pub(crate) fn image(&self, version: &str) -> Vec<u8> {
        let image = self.path(&format!("image-{version}"));
        if !image.exists() {
            let tree = self.path(&format!("tree-{version}"));
            std::fs::create_dir_all(tree.join("etc")).expect("a folder");
            std::fs::write(tree.join("etc/os-release"), format!("VERSION={version}\n")).expect("a file");
            std::fs::File::create(&image).and_then(|file| file.set_len(SLOT_BYTES)).expect("an image");
            run(Command::new("mkfs.ext4").args(["-q", "-F", "-d"]).arg(tree).arg(&image));
        }
        std::fs::read(image).expect("the image")
    }

    /// Makes a bundle that says `[version, compatible, build]` of itself.
    pub(crate) fn bundle(&self, name: &str, says: [&str; 3], signer: Signer) {
        let [version, compatible, build] = says;
        let content = self.path(&format!("in-{name}"));
        std::fs::create_dir(&content).expect("a folder");
        std::fs::write(content.join("root.ext4"), self.image(version)).expect("the image");
        let build = if build.is_empty() { String::new() } else { format!("build={build}\n") };
        let manifest = format!(
            "[update]\ncompatible={compatible}\nversion={version}\n{build}[bundle]\nformat=plain\n\
             [image.rootfs]\nfilename=root.ext4\n"
        );
        std::fs::write(content.join("manifest.raucm"), manifest).expect("the manifest");
        let who = match signer {
            Signer::Agency => "agency",
            Signer::Stranger => "stranger",
        };
        let mut bundle = Command::new("rauc");
        bundle.arg("bundle").arg(format!("--cert={}", self.path(&format!("{who}.pem")).display()));
        bundle.arg(format!("--key={}", self.path(&format!("{who}.key")).display()));
        run(bundle.arg(content).arg(self.path(name)));
    }

    pub(crate) fn change_a_byte(&self, from: &str, to: &str) {
        let mut bytes = std::fs::read(self.path(from)).expect("a bundle");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(self.path(to), bytes).expect("another bundle");
    }

    pub(crate) fn cut_short(&self, from: &str, to: &str) {
        let bytes = std::fs::read(self.path(from)).expect("a bundle");
        std::fs::write(self.path(to), &bytes[..bytes.len() / 2]).expect("half a bundle");
    }

    /// What is in both slots.
    pub(crate) fn slots(&self) -> (Vec<u8>, Vec<u8>) {
        let read = |name| std::fs::read(self.path(name)).expect("a slot");
        (read("a.img"), read("b.img"))
    }

    pub(crate) fn primary(&self) -> String {
        std::fs::read_to_string(self.path("boot/primary")).expect("primary").trim().to_owned()
    }

    /// Puts the bootloader's state right after RAUC was used past the agent.
    pub(crate) fn set_primary(&self, slot: &str) {
        run(Command::new(self.path("bootloader")).args(["set-primary", slot]));
    }

    /// The bootloader chooses a slot, and RAUC's service of that boot starts.
    pub(crate) fn power_on(&self) -> SlotName {
        drop(self.service.borrow_mut().take());
        let booted = run(Command::new(self.path("bootloader")).arg("boot"));
        let booted = if booted.trim() == "A" { SlotName::A } else { SlotName::B };
        let conf = self.path("system.conf");
        let mut service = Command::new("rauc");
        service.arg(format!("--conf={}", conf.display()));
        service.arg(format!("--override-boot-slot={}", booted.as_str())).arg("service");
        *self.service.borrow_mut() = Some(Process::spawn("rauc service", &mut service));
        let until = Instant::now() + DEADLINE;
        let mut rauc = Rauc::with_configuration(&conf);
        loop {
            match rauc.status() {
                Ok(standing) if standing.booted == booted => return booted,
                other => assert!(Instant::now() < until, "RAUC's service does not answer: {other:?}"),
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A configuration for the agent's own commands.
    pub(crate) fn agent_configuration(&self) -> PathBuf {
        let place = self.folder.path().display();
        let text = format!(
            "data_dir = \"{place}\"\n[unit]\nagency = \"demo-city\"\nid = \"pole-1\"\n\
             [uplink]\nhost = \"localhost\"\nca = \"ca\"\ncertificate = \"c\"\nkey = \"k\"\n\
             [control]\nagency_root = \"root\"\n[models]\ndir = \"models\"\n\
             [[camera]]\nid = \"yard\"\nname = \"Yard\"\n[camera.source]\nkind = \"test\"\n"
        );
        self.write("edge-agent.toml", &text);
        self.path("edge-agent.toml")
    }
}
