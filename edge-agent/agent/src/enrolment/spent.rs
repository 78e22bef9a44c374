//! The claim's key, once it has made the unit one of the agency's.
//!
//! Which key that was, and for which key of the unit it was given up, is written down before `identity.toml` is. It is
//! erased after the broker has taken a connection under that identity, by whoever makes that first: the enrolment, or
//! the agent where there was no line until then. A next claim, put there for an enrolment to come, is another key and
//! stays.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

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

/// `spent-claim.toml`.
#[derive(Debug, Serialize, Deserialize)]
struct Spent {
    unit_key: PathBuf,
    claim: ClaimKey,
}

impl ClaimKey {
    pub(super) fn new(file: PathBuf, text: &[u8]) -> Self {
        Self { file, sha256: Hash256::of(text) }
    }

    /// The one that was given up for the identity that the unit has.
    pub(super) fn spent(place: &Place, disk: &dyn Disk) -> Result<Option<Self>, EnrolError> {
        let text = match place.read(SPENT, disk) {
            Err(EnrolError::File { source, .. }) if source.kind() == ErrorKind::NotFound => return Ok(None),
            read => read?,
        };
        let unfit = |why: String| EnrolError::Unfit { path: place.file(SPENT), why };
        let text = String::from_utf8(text).map_err(|error| unfit(error.to_string()))?;
        let spent: Spent = toml::from_str(&text).map_err(|error| unfit(error.to_string()))?;
        let [_, _, unit_key] = place.files(disk)?;
        Ok((spent.unit_key == unit_key).then_some(spent.claim))
    }

    /// Writes down for which key of the unit this one is given up.
    pub(super) fn note(&self, unit_key: &Path, place: &Place, disk: &dyn Disk) -> Result<(), EnrolError> {
        let spent = Spent { unit_key: unit_key.to_owned(), claim: self.clone() };
        let text = toml::to_string(&spent).map_err(|error| EnrolError::Grant(error.to_string()))?;
        place.write(SPENT, text.as_bytes(), disk).map(drop)
    }

    /// Erases it: it enrols nothing any more, wherever it is found. False where it is gone already, or where another
    /// claim has taken its place.
    pub(super) fn erase(&self, place: &Place, disk: &dyn Disk) -> Result<bool, EnrolError> {
        let (file, folder) = (&self.file, self.file.parent().unwrap_or(&self.file));
        let is_there = match read(disk, file) {
            Ok(text) => Hash256::of(&text) == self.sha256,
            // A partition that is not mounted now is no key that is gone.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                disk.list(folder).map(|_| false).map_err(at("list", folder))?
            }
            Err(error) => return Err(at("read", file)(error)),
        };
        if is_there {
            disk.remove(file).and_then(|()| disk.sync_folder(folder)).map_err(at("remove", file))?;
        }
        place.remove(SPENT, disk)?;
        Ok(is_there)
    }
}

/// Erases the key of the claim that made the unit what it is. False where there is none to erase.
///
/// # Errors
/// The system's.
pub fn erase_claim(place: &Place, disk: &dyn Disk) -> Result<bool, EnrolError> {
    ClaimKey::spent(place, disk)?.map_or(Ok(false), |key| key.erase(place, disk))
}
