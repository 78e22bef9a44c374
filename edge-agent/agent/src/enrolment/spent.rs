//! The claim's key, once it has made the unit one of the agency's.
//!
//! Which key that was is written down before `identity.toml` is, and it is erased after the broker has taken a
//! connection under the unit's new name, by whoever makes that first: the enrolment, or the agent where there was no
//! line until then. A next claim, put there for an enrolment to come, is another key and stays.

use std::io::ErrorKind;
use std::path::PathBuf;

use edge_protocol::hash::Hash256;
use edge_store::disk::{Disk, read};
use serde::{Deserialize, Serialize};

use super::identity::Place;
use super::{EnrolError, at};

/// Beside `identity.toml`, until the key is erased.
const SPENT: &str = "spent-claim.toml";

/// A claim's key: where it lies, and which one it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ClaimKey {
    file: PathBuf,
    sha256: Hash256,
}

impl ClaimKey {
    pub(super) fn new(file: PathBuf, text: &[u8]) -> Self {
        Self { file, sha256: Hash256::of(text) }
    }

    /// Writes down that this key has done what it is for.
    pub(super) fn note(&self, place: &Place, disk: &dyn Disk) -> Result<(), EnrolError> {
        let text = toml::to_string(self).map_err(|error| EnrolError::Grant(error.to_string()))?;
        place.write(SPENT, text.as_bytes(), disk).map(drop)
    }

    fn noted(place: &Place, disk: &dyn Disk) -> Option<Self> {
        let text = place.read(SPENT, disk).ok()?;
        toml::from_str(std::str::from_utf8(&text).ok()?).ok()
    }
}

/// Erases the key of the claim that enrolled this unit: it enrols nothing any more, wherever it is found. False where
/// there is none to erase.
///
/// # Errors
/// The system's.
pub fn erase_claim(place: &Place, disk: &dyn Disk) -> Result<bool, EnrolError> {
    let Some(spent) = ClaimKey::noted(place, disk) else { return Ok(false) };
    let file = &spent.file;
    let is_there = match read(disk, file) {
        Ok(text) => Hash256::of(&text) == spent.sha256,
        Err(error) if error.kind() == ErrorKind::NotFound => false,
        Err(error) => return Err(at("read", file)(error)),
    };
    if is_there {
        let folder = file.parent().unwrap_or(file);
        disk.remove(file).and_then(|()| disk.sync_folder(folder)).map_err(at("remove", file))?;
    }
    place.remove(SPENT, disk)?;
    Ok(is_there)
}
