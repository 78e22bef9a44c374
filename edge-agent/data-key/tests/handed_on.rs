//! A board's key on its way to a program that would take whatever it reads for one.
#![cfg(test)]

use std::io::Write as _;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const KEY: &str = "0123456789abcdef0123456789abcdef";

/// What comes of a board that says `answer`, and what the program then read; none where it never started.
fn handed(answer: &[u8]) -> (Output, Option<String>) {
    let folder = tempfile::tempdir().unwrap();
    let (socket, made) = (folder.path().join("socket"), folder.path().join("made"));
    let board = UnixListener::bind(&socket).unwrap();
    let asking = hand(&socket, &made).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Whoever asks may have gone before all is said.
    drop(board.accept().unwrap().0.write_all(answer));
    (asking.wait_with_output().unwrap(), std::fs::read_to_string(&made).ok())
}

/// With a stand-in for systemd-repart: opens its standard input by name, and makes something of whatever it reads.
fn hand(socket: &Path, made: &Path) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_edge-data-key"));
    program.arg("hand").arg(socket).args(["/bin/cp", "/dev/stdin"]).arg(made);
    program
}

#[test]
fn a_whole_key_is_what_the_program_reads() {
    for key in [KEY.to_owned(), KEY.repeat(2)] {
        let (output, made) = handed(key.as_bytes());
        assert!(output.status.success(), "{output:?}");
        assert_eq!(made.as_deref(), Some(key.as_str()));
    }
}

#[test]
fn without_a_whole_key_nothing_is_made() {
    for (what, answer) in [
        ("a board without a key", ""),
        ("half a key", "0123456789abcdef"),
        ("a key that was cut short", "0123456789abcdef0123456789abcdef01234567"),
        ("a key with its line's end", &format!("{KEY}\n")),
        ("a chip's complaint", "TEEC_InvokeCommand failed 0xffff0008 origin 0x3"),
        ("too much", &KEY.repeat(5)),
    ] {
        let (output, made) = handed(answer.as_bytes());
        assert!(!output.status.success() && made.is_none(), "{what}: {made:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("the board gives no key"), "{what}: {said}");
        assert!(answer.is_empty() || !said.contains(answer), "{what}: what may be a key stands in the journal");
    }
}

#[test]
fn a_board_without_the_socket_and_a_program_that_is_not_there_are_said() {
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("made");
    let output = hand(&folder.path().join("socket"), &made).output().unwrap();
    assert!(!output.status.success() && !made.exists());
    assert!(String::from_utf8_lossy(&output.stderr).contains("stays locked"));
    for arguments in [["hand"].as_slice(), &["hand", "/nonexistent"], &["/nonexistent", "a", "b"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_edge-data-key")).args(arguments).output().unwrap();
        assert!(!output.status.success() && output.stdout.is_empty(), "{arguments:?}");
    }
}
