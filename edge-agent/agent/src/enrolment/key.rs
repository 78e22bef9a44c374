//! The unit's key: made on the unit, never handed out.

use edge_protocol::hash::Hash256;
use edge_store::disk::{Disk, read};

use super::identity::Place;
use super::{EnrolError, at};
use crate::keys::Keys;

/// What files of a key are called, by its public half.
pub(super) fn name(public: &[u8]) -> String {
    Hash256::of(public).to_string().chars().take(12).collect()
}

/// Has a token forget what no key's file of this place names: a former key, or one whose file a cut of power has
/// forestalled. A file that cannot be read leaves all as it is.
pub(super) fn tidy(keys: &Keys, place: &Place, disk: &dyn Disk) -> Result<(), EnrolError> {
    let folder = place.folder();
    let mut files = Vec::new();
    for entry in disk.list(folder).map_err(at("list", folder))? {
        let path = folder.join(&entry.name);
        if entry.name.starts_with("unit-") && path.extension().is_some_and(|kind| kind == "key") {
            files.push(read(disk, &path).map_err(at("read", &path))?);
        }
    }
    keys.keep_only(folder, &files).map_err(EnrolError::from)
}
