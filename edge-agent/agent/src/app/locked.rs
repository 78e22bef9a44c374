//! Storage that stayed locked: the folder for data is a little memory, and a stamp in it says so and why.
//!
//! Whoever mounts that folder leaves the stamp, on the image `mount.edge-data`. The agent does not guess: a folder on a
//! plain machine need not be a mount, and memory that nobody marked may be what somebody wants.

use std::path::Path;

use edge_store::outbox::Budget;

/// Lies at the root of the memory that stands in for the storage.
const STAMP: &str = "storage.locked";
/// What waiting records may take of that memory, which is 64 MiB on the image; records that never give way take more.
pub(in crate::app) const BUDGET: Budget = Budget::shared(24 << 20);

/// Why the storage that a path lies in is locked; none where it is not.
pub(in crate::app) fn why(path: &Path) -> Option<String> {
    let stamp = path.ancestors().find_map(|folder| std::fs::read_to_string(folder.join(STAMP)).ok())?;
    let why = stamp.lines().next().unwrap_or_default().trim();
    Some(if why.is_empty() { "nobody said why".to_owned() } else { why.to_owned() })
}

/// What people are told of it.
pub(in crate::app) fn words(why: &str) -> String {
    format!(
        "storage: locked ({why}): nothing is recorded or kept on this unit; what it sees is told live, and what waits is \
         lost at the next start"
    )
}

/// What who wants something of the storage hears.
pub(in crate::app) fn refusal(why: &str, what: &str) -> String {
    format!("storage: locked ({why}): {what}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_locks_what_lies_beneath_it_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let identity = folder.path().join("state/identity");
        assert_eq!(why(&identity), None, "a folder that is not there yet");
        std::fs::create_dir_all(folder.path().join("state")).unwrap();
        assert_eq!(why(&identity), None);
        std::fs::File::create(folder.path().join("state").join(STAMP)).unwrap();
        assert_eq!(why(&identity).as_deref(), Some("nobody said why"));
        edge_store::disk::replace(
            &edge_store::disk::RealDisk,
            &folder.path().join("state").join(STAMP),
            b"the board gave no key\nmore\n",
        )
        .unwrap();
        assert_eq!(why(&identity).as_deref(), Some("the board gave no key"));
        assert_eq!(why(&folder.path().join("other")), None);
    }
}
