//! What is known of an update on the disk: small files, each replaced whole.
//!
//! Byte by byte: a line that says what is kept and in which version, a line with the SHA-256 of everything after it as
//! 64 hexadecimal digits, then JSON. A file that is not so is set aside, never deleted: what it said of the floor is
//! lost, and the version that runs then stands in for it.

use std::io;
use std::path::{Path, PathBuf};

use edge_protocol::hash::Hash256;
use edge_store::disk::{self, Disk};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// No such file is longer.
const MOST_BYTES: u64 = 1 << 20;

/// What is known of an update cannot be kept.
#[derive(Debug, thiserror::Error)]
#[error("the state of the update cannot be kept in {path}: {source}")]
pub struct KeepFault {
    /// The file.
    path: PathBuf,
    /// What the system said.
    source: io::Error,
}

/// One kind of file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    /// Its first line.
    pub(super) first_line: &'static str,
}

/// What was found.
#[derive(Debug)]
pub(super) enum Found<T> {
    /// No file.
    Nothing,
    /// What was kept.
    Kept(T),
    /// A damaged file, set aside.
    SetAside(PathBuf),
}

impl Kind {
    /// Reads what was kept.
    pub(super) fn read<T: DeserializeOwned>(self, disk: &dyn Disk, path: &Path) -> Result<Found<T>, KeepFault> {
        let fault = |source| KeepFault { path: path.to_owned(), source };
        let bytes = match whole(disk, path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
            Err(error) => return Err(fault(error)),
        };
        if let Some(kept) = self.parse(&bytes) {
            return Ok(Found::Kept(kept));
        }
        let aside = path.with_extension("damaged");
        disk.rename(path, &aside).map_err(fault)?;
        Ok(Found::SetAside(aside))
    }

    /// What is kept, for whoever only looks: a damaged file stays where it is.
    pub(super) fn peek<T: DeserializeOwned>(self, disk: &dyn Disk, path: &Path) -> Option<T> {
        self.parse(&whole(disk, path).ok()?)
    }

    fn parse<T: DeserializeOwned>(self, bytes: &[u8]) -> Option<T> {
        let (first, rest) = std::str::from_utf8(bytes).ok()?.split_once('\n')?;
        let (hash, body) = rest.split_once('\n')?;
        let sound = first == self.first_line && hash == Hash256::of(body.as_bytes()).to_string();
        sound.then(|| serde_json::from_str(body).ok())?
    }

    /// The bytes that are kept.
    pub(super) fn bytes<T: Serialize>(self, kept: &T) -> Vec<u8> {
        // It is made of words and numbers; there is nothing in it that JSON cannot say.
        let body = serde_json::to_string(kept).unwrap_or_default();
        format!("{}\n{}\n{body}", self.first_line, Hash256::of(body.as_bytes())).into_bytes()
    }
}

/// A small file's bytes.
pub(super) fn whole(disk: &dyn Disk, path: &Path) -> io::Result<Vec<u8>> {
    let file = disk.open(path)?;
    let length = file.length()?.min(MOST_BYTES);
    let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

/// Writes bytes; they are on the disk when this returns.
pub(super) fn write(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> Result<(), KeepFault> {
    disk::replace(disk, path, bytes).map_err(|source| KeepFault { path: path.to_owned(), source })
}

/// Removes a file that may not be there; it stays away when this returns.
pub(super) fn remove(disk: &dyn Disk, path: &Path) -> Result<(), KeepFault> {
    let fault = |source| KeepFault { path: path.to_owned(), source };
    match disk.remove(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(fault(error)),
        Ok(()) => path.parent().map_or(Ok(()), |folder| disk.sync_folder(folder)).map_err(fault),
    }
}

#[cfg(test)]
mod tests {
    use edge_store::disk::faulty::{FaultyDisk, Plan};

    use super::super::State;
    use super::*;

    #[test]
    fn a_state_that_rotted_is_set_aside_and_never_believed() {
        let disk = FaultyDisk::new(Plan::none());
        let path = Path::new("/data/update/state");
        let kind = Kind { first_line: "edge-update 1" };
        let read = || kind.read::<State>(&disk, path).unwrap();
        assert!(matches!(read(), Found::Nothing));
        let state = State { floor: Some("1.4.0".parse().unwrap()), ..State::default() };
        let bytes = kind.bytes(&state);
        for offset in 0..bytes.len() {
            write(&disk, path, &bytes).unwrap();
            assert!(matches!(read(), Found::Kept(found) if found == state));
            disk.rot(path, offset);
            assert!(matches!(read(), Found::SetAside(_)), "byte {offset}");
            assert!(matches!(read(), Found::Nothing));
        }
    }
}
