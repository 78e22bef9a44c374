//! The key out of a TPM 2.0 that is Debian's `swtpm`: the one that a board has, or that an emulated board is given.
#![cfg(test)]
#![allow(clippy::print_stderr, reason = "a test says aloud what it skips")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

/// A TPM whose secrets lie in a folder, powered as long as this lives.
struct Tpm {
    process: Child,
    socket: PathBuf,
}

impl Tpm {
    /// None where there is no such program.
    fn power_on(state: &Path) -> Option<Self> {
        let socket = state.join("socket");
        drop(std::fs::remove_file(&socket));
        let mut swtpm = Command::new("swtpm");
        swtpm.args(["socket", "--tpm2", "--flags", "not-need-init,startup-clear", "--server"]);
        swtpm.arg(format!("type=unixio,path={}", socket.display()));
        swtpm.arg("--tpmstate").arg(format!("dir={}", state.display()));
        match swtpm.stdout(Stdio::null()).stderr(Stdio::null()).spawn() {
            Ok(process) => Some(Self { process, socket }),
            Err(error) => {
                eprintln!("SKIPPED: swtpm cannot be run: {error}");
                None
            }
        }
    }

    /// What the program prints, and how it ends. A TPM that is just being powered is asked again.
    fn key(&mut self) -> (String, ExitStatus) {
        loop {
            let (key, said, status) = ask(&self.socket);
            let is_coming = said.contains("No such file") || said.contains("Connection refused");
            if status.success() || !is_coming {
                return (key, status);
            }
            assert!(self.process.try_wait().unwrap().is_none(), "swtpm has ended: {said}");
            std::thread::yield_now();
        }
    }
}

impl Drop for Tpm {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn ask(tpm: &Path) -> (String, String, ExitStatus) {
    let output = Command::new(env!("CARGO_BIN_EXE_edge-data-key")).arg(tpm).output().unwrap();
    (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr).into_owned(), output.status)
}

#[test]
fn a_board_gives_the_same_key_at_every_boot_and_another_board_another() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let Some(mut board) = Tpm::power_on(one.path()) else { return };
    let (key, status) = board.key();
    assert!(status.success());
    assert!(key.len() == 64 && key.bytes().all(|b| b.is_ascii_hexdigit()), "{key:?}");
    assert!(key.bytes().any(|b| b != b'0'), "an empty key is everybody's");
    drop(board);
    let mut again = Tpm::power_on(one.path()).unwrap();
    // More often than a TPM has room for keys: what was made is given back.
    for _ in 0..5 {
        assert_eq!(again.key().0, key);
    }
    drop(again);
    assert_ne!(Tpm::power_on(other.path()).unwrap().key().0, key);
}

#[test]
fn a_board_without_a_tpm_prints_nothing_and_says_why() {
    let (key, said, status) = ask(Path::new("/nonexistent/tpmrm0"));
    assert!(!status.success() && key.is_empty());
    assert!(said.contains("the data partition stays locked: /nonexistent/tpmrm0"), "{said}");
    let (key, said, status) = ask(Path::new("/dev/null"));
    assert!(!status.success() && key.is_empty() && said.contains("makes no sense"), "{said}");
}
