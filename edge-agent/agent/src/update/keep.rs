//! The state on the disk: one file, replaced whole.
//!
//! Byte by byte: the line `edge-update 1`, a line with the SHA-256 of everything after it as 64 hexadecimal digits, then
//! the state as JSON. A file that is not so is set aside, never deleted: what it said of the floor is lost, and the
//! version that runs then stands in for it.

use std::io;
use std::path::{Path, PathBuf};

use edge_protocol::hash::Hash256;
use edge_store::disk::{self, Disk};

use super::State;

const FIRST_LINE: &str = "edge-update 1";
/// No state is longer.
const MOST_BYTES: u64 = 1 << 20;

/// The state cannot be kept.
#[derive(Debug, thiserror::Error)]
#[error("the state of the update cannot be kept in {path}: {source}")]
pub struct KeepFault {
    /// The file.
    path: PathBuf,
    /// What the system said.
    source: io::Error,
}

/// What was found.
#[derive(Debug)]
pub(super) enum Found {
    /// No file: nothing was ever updated.
    Nothing,
    /// A state.
    State(Box<State>),
    /// A damaged file, set aside.
    SetAside(PathBuf),
}

/// Reads the state.
pub(super) fn read(disk: &dyn Disk, path: &Path) -> Result<Found, KeepFault> {
    let fault = |source| KeepFault { path: path.to_owned(), source };
    let bytes = match whole(disk, path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(fault(error)),
    };
    if let Some(state) = parse(&bytes) {
        return Ok(Found::State(Box::new(state)));
    }
    let aside = path.with_extension("damaged");
    disk.rename(path, &aside).map_err(fault)?;
    Ok(Found::SetAside(aside))
}

fn whole(disk: &dyn Disk, path: &Path) -> io::Result<Vec<u8>> {
    let file = disk.open(path)?;
    let length = file.length()?.min(MOST_BYTES);
    let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

fn parse(bytes: &[u8]) -> Option<State> {
    let (first, rest) = std::str::from_utf8(bytes).ok()?.split_once('\n')?;
    let (hash, body) = rest.split_once('\n')?;
    let sound = first == FIRST_LINE && hash == Hash256::of(body.as_bytes()).to_string();
    sound.then(|| serde_json::from_str(body).ok())?
}

/// The bytes of a state.
pub(super) fn bytes(state: &State) -> Vec<u8> {
    // A state is made of words and numbers; there is nothing in it that JSON cannot say.
    let body = serde_json::to_string(state).unwrap_or_default();
    format!("{FIRST_LINE}\n{}\n{body}", Hash256::of(body.as_bytes())).into_bytes()
}

/// Writes the state; it is on the disk when this returns.
pub(super) fn write(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> Result<(), KeepFault> {
    disk::replace(disk, path, bytes).map_err(|source| KeepFault { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use edge_store::disk::faulty::{FaultyDisk, Plan};

    use super::*;

    #[test]
    fn a_state_that_rotted_is_set_aside_and_never_believed() {
        let disk = FaultyDisk::new(Plan::none());
        let path = Path::new("/data/update/state");
        assert!(matches!(read(&disk, path).unwrap(), Found::Nothing));
        let state = State { floor: Some("1.4.0".parse().unwrap()), ..State::default() };
        let bytes = bytes(&state);
        for offset in 0..bytes.len() {
            write(&disk, path, &bytes).unwrap();
            assert!(matches!(read(&disk, path).unwrap(), Found::State(found) if *found == state));
            disk.rot(path, offset);
            assert!(matches!(read(&disk, path).unwrap(), Found::SetAside(_)), "byte {offset}");
            assert!(matches!(read(&disk, path).unwrap(), Found::Nothing));
        }
    }
}
