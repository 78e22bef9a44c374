//! Releases of the agent: a build that calls itself by another version, signed by whoever makes the images.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::process::{Process, program};

/// The version of this build.
pub const OWN: &str = env!("CARGO_PKG_VERSION");
const DEADLINE: Duration = Duration::from_secs(90);

/// What signs images in development, in a folder that is made for it.
pub fn development_keys(folder: &Path) {
    let mut script = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../yocto/development-keys"));
    assert!(script.arg(folder).status().expect("run development-keys").success());
}

/// This build's program, without what only a debugger reads, calling itself by another version of as many letters.
pub fn called(build: &Path, version: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a folder");
    let stripped = folder.path().join("edge-agent");
    let mut strip = Command::new("strip");
    assert!(strip.arg("-o").arg(&stripped).arg(build).status().expect("run strip").success());
    with(&std::fs::read(stripped).expect("the stripped program"), OWN, version)
}

/// A program in which other letters stand for some, as many of them, wherever they are.
pub fn with(program: &[u8], letters: &str, others: &str) -> Vec<u8> {
    assert_eq!(others.len(), letters.len());
    let mut bytes = program.to_vec();
    let stands = |at: &usize| program[*at..].starts_with(letters.as_bytes());
    for place in (0..program.len().saturating_sub(letters.len())).filter(stands) {
        bytes[place..place + letters.len()].copy_from_slice(others.as_bytes());
    }
    bytes
}

/// Signs a program as a release of this version, for the image of this build, with the keys of a folder.
pub fn signed(bytes: &[u8], software: &str, keys: &Path, release: &Path) -> PathBuf {
    let elf = release.with_extension("elf");
    std::fs::write(&elf, bytes).expect("a written program");
    let mut agent = Command::new(program("rtcc"));
    agent.args(["agent", "--software", software, "--images", OWN]).arg("--program").arg(&elf).arg("-o").arg(release);
    agent.arg("--key").arg(keys.join("signing.key")).arg("--cert").arg(keys.join("signing.pem"));
    let mut process = Process::spawn("rtcc agent", &mut agent);
    assert!(process.wait(DEADLINE).success(), "{}", process.lines().join("\n"));
    release.to_owned()
}
