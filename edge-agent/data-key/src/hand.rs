//! Hands the key on to a program that would take whatever it reads for one: `systemd-repart` makes a partition with an
//! empty key where the board gives nothing, and everybody could open it.
//!
//! The key is asked for at the socket, looked at, and laid whole into a pipe that becomes the program's standard input.
//! Where it is none the program never starts.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Digits of a whole key: 128 bits from Jetson's service, 256 from the other boards.
const WHOLE: [usize; 2] = [32, 64];
/// Enough to tell that there is more than a key; a pipe takes as much without a reader.
const MOST: u64 = 65;
/// Longer than the service manager lets the board's program run.
const SILENCE: Duration = Duration::from_secs(30);

/// Why nothing was handed on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandError {
    /// Nobody answers at the socket.
    #[error("{path}: {source}")]
    Line {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What comes is no key. It is not repeated.
    #[error("the board gives no key: {0} bytes came, and 32 or 64 hexadecimal digits are one")]
    NoKey(usize),
    /// The key cannot be laid into a pipe.
    #[error("the key cannot be handed on: {0}")]
    Pipe(io::Error),
    /// The program cannot be started.
    #[error("{program}: {source}")]
    Start {
        /// The program.
        program: String,
        /// What the system said.
        source: io::Error,
    },
}

/// Becomes the program, which finds the key on its standard input. Returns only where it could not.
pub(crate) fn hand(socket: &Path, mut program: Command) -> HandError {
    let key = match key_at(socket) {
        Ok(key) => key,
        Err(error) => return error,
    };
    let (reader, mut writer) = match io::pipe() {
        Ok(ends) => ends,
        Err(error) => return HandError::Pipe(error),
    };
    if let Err(error) = writer.write_all(&key) {
        return HandError::Pipe(error);
    }
    // The program reads to the end, which comes once nobody can write any more.
    drop(writer);
    let source = program.stdin(reader).exec();
    HandError::Start { program: program.get_program().to_string_lossy().into_owned(), source }
}

fn key_at(socket: &Path) -> Result<Vec<u8>, HandError> {
    let told = |source| HandError::Line { path: socket.to_owned(), source };
    let board = UnixStream::connect(socket).map_err(told)?;
    board.set_read_timeout(Some(SILENCE)).map_err(told)?;
    let mut key = Vec::new();
    board.take(MOST).read_to_end(&mut key).map_err(told)?;
    if WHOLE.contains(&key.len()) && key.iter().all(u8::is_ascii_hexdigit) {
        return Ok(key);
    }
    Err(HandError::NoKey(key.len()))
}
