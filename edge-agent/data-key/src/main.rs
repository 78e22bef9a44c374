//! `edge-data-key`: prints the data partition's key, 64 hexadecimal digits and no end of line, or says why it cannot.
//!
//!     edge-data-key [TPM]                             the key out of a TPM
//!     edge-data-key hand SOCKET PROGRAM [ARGUMENT]... the key that is given at SOCKET, by whatever board, on the
//!                                                     standard input of PROGRAM; without a whole key it never starts
//!
//! A program of its own, started as root before anything else of the product: it links neither media nor network.

mod hand;
mod tpm;

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, ExitCode};

/// The kernel's TPM with a resource manager of its own before it.
const TPM: &str = "/dev/tpmrm0";

/// The key by way of whatever `path` is: a TPM's device, or the socket of an emulated one.
fn key(path: &Path) -> Result<String, String> {
    let told = |error: &dyn std::error::Error| format!("{}: {error}", path.display());
    let kind = path.metadata().map_err(|error| told(&error))?.file_type();
    if kind.is_socket() {
        let mut tpm = UnixStream::connect(path).map_err(|error| told(&error))?;
        return tpm::key(&mut tpm).map_err(|error| told(&error));
    }
    let mut tpm = OpenOptions::new().read(true).write(true).open(path).map_err(|error| told(&error))?;
    tpm::key(&mut tpm).map_err(|error| told(&error))
}

fn say(mut to: impl io::Write, words: &str) -> ExitCode {
    match to.write_all(words.as_bytes()).and_then(|()| to.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn refuse(why: &str) -> ExitCode {
    say(io::stderr().lock(), &format!("edge-data-key: the data partition stays locked: {why}\n"));
    ExitCode::FAILURE
}

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    match arguments.as_slice() {
        [hand, socket, program, rest @ ..] if hand == "hand" => {
            let mut command = Command::new(program);
            command.args(rest);
            refuse(&hand::hand(Path::new(socket), command).to_string())
        }
        [] => print(Path::new(TPM)),
        [path] if path != "hand" => print(Path::new(path)),
        _ => refuse("edge-data-key [TPM], or edge-data-key hand SOCKET PROGRAM [ARGUMENT]..."),
    }
}

fn print(tpm: &Path) -> ExitCode {
    match key(tpm) {
        Ok(key) => say(io::stdout().lock(), &key),
        Err(why) => refuse(&why),
    }
}
