//! The unit's key: made on the unit, never handed out.

use edge_protocol::hash::Hash256;
use edge_store::disk::{Disk, read};

use super::identity::Place;
use super::{EnrolError, at};
use crate::keys::{KeyError, Keys, NewKey};

/// What marks this place's keys in a token. It lies with the files that name them: whoever has lost them, or holds
/// another unit's token, destroys nothing there.
const MARK: &str = "token.mark";

/// What files of a key are called, by its public half.
pub(super) fn name(public: &[u8]) -> String {
    Hash256::of(public).to_string().chars().take(12).collect()
}

/// Makes a key for this place.
pub(super) fn make(keys: &Keys, place: &Place, disk: &dyn Disk) -> Result<NewKey, EnrolError> {
    let mark = if keys.token().is_none() {
        String::new()
    } else if let Some(mark) = mark(place, disk)? {
        mark
    } else {
        let mut bytes = [0; 12];
        aws_lc_rs::rand::fill(&mut bytes)
            .map_err(|_| EnrolError::Question("the system gives no random bytes".to_owned()))?;
        let mark = format!("edge-agent {}", hex::encode(bytes));
        place.write(MARK, mark.as_bytes(), disk)?;
        mark
    };
    match keys.make(&mark) {
        // Of keys that an interruption left.
        Err(KeyError::Full) => {
            tidy(keys, place, disk)?;
            Ok(keys.make(&mark)?)
        }
        made => Ok(made?),
    }
}

/// Has the token forget what no key's file of this place names: a former key, or one whose file a cut of power has
/// forestalled. A file that cannot be read leaves all as it is.
pub(super) fn tidy(keys: &Keys, place: &Place, disk: &dyn Disk) -> Result<(), EnrolError> {
    let Some(mark) = mark(place, disk)? else { return Ok(()) };
    let folder = place.folder();
    let mut files = Vec::new();
    for entry in disk.list(folder).map_err(at("list", folder))? {
        let path = folder.join(&entry.name);
        if entry.name.starts_with("unit-") && path.extension().is_some_and(|kind| kind == "key") {
            files.push(read(disk, &path).map_err(at("read", &path))?);
        }
    }
    Ok(keys.keep_only(&mark, &files)?)
}

fn mark(place: &Place, disk: &dyn Disk) -> Result<Option<String>, EnrolError> {
    match place.read(MARK, disk) {
        Ok(mark) => Ok(String::from_utf8(mark).ok().filter(|mark| !mark.is_empty())),
        Err(EnrolError::File { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
