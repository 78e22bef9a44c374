//! `edge-data-key`: prints the data partition's key, 64 hexadecimal digits and no end of line, or says why it cannot.
//!
//! A program of its own, started as root before anything else of the product: it links neither media nor network.

mod tpm;

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;

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

fn main() -> ExitCode {
    let path = std::env::args_os().nth(1).unwrap_or_else(|| TPM.into());
    match key(Path::new(&path)) {
        Ok(key) => say(io::stdout().lock(), &key),
        Err(why) => {
            say(io::stderr().lock(), &format!("edge-data-key: the data partition stays locked: {why}\n"));
            ExitCode::FAILURE
        }
    }
}
