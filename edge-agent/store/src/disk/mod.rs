//! The seam between what is stored and the disk: few operations, each with a stated durability.
//!
//! Belongs here: the operations and what they promise. Does not belong here: what is in the files.
//!
//! - Bytes written survive a power cut once [`DiskFile::sync`] has returned; before, any part of them may.
//! - A file's presence, absence or new name survives once [`Disk::sync_folder`] has returned.
//! - After a failed sync nothing is known of the file's unsynced bytes and a second sync proves nothing: the caller
//!   gives the file up.

#[cfg(any(test, feature = "faulty-disk"))]
pub mod faulty;
mod real;

use std::fmt::Debug;
use std::io;
use std::path::Path;

pub use real::RealDisk;

/// A file in a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Its name without the folder.
    pub name: String,
    /// Its length.
    pub bytes: u64,
}

/// How much a file system holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Room {
    /// Bytes that can still be written.
    pub free: u64,
    /// Bytes in all.
    pub total: u64,
}

impl Room {
    /// Whether less than a fiftieth is left, so that somebody should see to it.
    pub const fn is_nearly_full(&self) -> bool {
        self.free < self.total / 50
    }
}

/// Folders and files.
pub trait Disk: Debug + Send + Sync {
    /// Makes a folder and those above it; one that is there is left as it is.
    ///
    /// # Errors
    /// The system's.
    fn make_folder(&self, folder: &Path) -> io::Result<()>;

    /// The files in a folder, by name. Names that are not UTF-8 are none of ours and left out.
    ///
    /// # Errors
    /// The system's.
    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>>;

    /// The folders in a folder, by name; none where it is not there.
    ///
    /// # Errors
    /// The system's.
    fn folders(&self, folder: &Path) -> io::Result<Vec<String>>;

    /// Makes an empty file that was not there; nobody but its owner may read it.
    ///
    /// # Errors
    /// The system's; [`io::ErrorKind::AlreadyExists`] where it was.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file that is there.
    ///
    /// # Errors
    /// The system's.
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Removes a file.
    ///
    /// # Errors
    /// The system's.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Removes a folder with everything in it, if it is there; a power cut meanwhile leaves any part of it.
    ///
    /// # Errors
    /// The system's.
    fn remove_folder(&self, folder: &Path) -> io::Result<()>;

    /// Gives a file another name, replacing what has it.
    ///
    /// # Errors
    /// The system's.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Makes the folder's entries durable.
    ///
    /// # Errors
    /// The system's.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;

    /// How much the folder's file system holds.
    ///
    /// # Errors
    /// The system's.
    fn room(&self, folder: &Path) -> io::Result<Room>;
}

/// One open file.
pub trait DiskFile: Debug + Send {
    /// Its length.
    ///
    /// # Errors
    /// The system's.
    fn length(&self) -> io::Result<u64>;

    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    /// The system's; a part may have been written.
    fn write_all_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Fills `buffer` from `offset` on.
    ///
    /// # Errors
    /// The system's; [`io::ErrorKind::UnexpectedEof`] where the file ends before.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// Cuts or extends the file.
    ///
    /// # Errors
    /// The system's.
    fn truncate(&mut self, length: u64) -> io::Result<()>;

    /// Makes the file's bytes and length durable.
    ///
    /// # Errors
    /// The system's.
    fn sync(&mut self) -> io::Result<()>;
}

/// Replaces a file so that after a power cut there is the old one or the new one, whole.
///
/// # Errors
/// The system's; the old file is then still there.
pub fn replace(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let temporary = path.with_extension("new");
    match disk.remove(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = disk.create(&temporary)?;
    file.write_all_at(bytes, 0)?;
    file.sync()?;
    disk.rename(&temporary, path)?;
    disk.sync_folder(folder)
}

/// Reads a whole file.
///
/// # Errors
/// The system's; [`io::ErrorKind::NotFound`] where there is none.
pub fn read(disk: &dyn Disk, path: &Path) -> io::Result<Vec<u8>> {
    let file = disk.open(path)?;
    let length = usize::try_from(file.length()?).map_err(|_| io::ErrorKind::FileTooLarge)?;
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use super::faulty::{FaultyDisk, Plan};
    use super::*;

    #[test]
    fn a_replaced_file_is_the_old_or_the_new_one_after_a_cut_anywhere() {
        for cut_at in 1..12 {
            for seed in 0..8 {
                let disk = FaultyDisk::new(Plan::none());
                let path = PathBuf::from("/data/state");
                disk.make_folder(Path::new("/data")).unwrap();
                replace(&disk, &path, b"old").unwrap();
                disk.plan(Plan { crash_at: Some(disk.operations() + cut_at), ..Plan::none() });
                let replaced = replace(&disk, &path, b"newer");
                let after = disk.after_power_cut(seed);
                let found = read(&after, &path).unwrap();
                let expected: &[&[u8]] = if replaced.is_ok() { &[b"newer"] } else { &[b"old", b"newer"] };
                assert!(expected.contains(&&*found), "cut at {cut_at}, seed {seed}: {found:?}");
            }
        }
    }

    #[test]
    fn the_real_disk_does_what_the_seam_says() {
        let folder = tempfile::tempdir().unwrap();
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let (inner, path) = (folder.path().join("a/b"), folder.path().join("a/b/file"));
        disk.make_folder(&inner).unwrap();
        let mut file = disk.create(&path).unwrap();
        assert_eq!(disk.create(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        file.write_all_at(b"0123456789", 0).unwrap();
        file.truncate(6).unwrap();
        file.sync().unwrap();
        let mut end = [0; 3];
        disk.open(&path).unwrap().read_exact_at(&mut end, 3).unwrap();
        assert_eq!(&end, b"345");
        assert_eq!(file.read_exact_at(&mut end, 4).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600, "its owner's alone");
        disk.rename(&path, &inner.join("other")).unwrap();
        disk.sync_folder(&inner).unwrap();
        assert_eq!(disk.folders(folder.path()).unwrap(), ["a"]);
        assert_eq!(disk.folders(&folder.path().join("nowhere")).unwrap(), Vec::<String>::new());
        assert_eq!(disk.list(&inner).unwrap(), [Entry { name: "other".to_owned(), bytes: 6 }]);
        disk.remove(&inner.join("other")).unwrap();
        assert!(disk.list(&inner).unwrap().is_empty());
    }
}
