//! Files that must be whole or absent: written beside the target, synced, renamed over it, and the folder synced.
//!
//! Belongs here: how the center replaces a file. Does not belong here: what is in it.

use std::fs::{DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

/// Who may read a file that is written here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// The owner alone (mode 0600): keys, clips, pictures, the database.
    Owner,
    /// Everybody (mode 0644): certificates and plain configuration.
    Everybody,
}

impl Access {
    fn mode(self) -> u32 {
        match self {
            Self::Owner => 0o600,
            Self::Everybody => 0o644,
        }
    }
}

/// Replaces `path` with `bytes` so that a power cut leaves either the old file or the new one.
///
/// # Errors
/// Returns the first failure of the file system; the target is then untouched.
pub fn replace(path: &Path, bytes: &[u8], access: Access) -> io::Result<()> {
    put(path, bytes, access, None)
}

/// As [`replace`], for a file that another program reads as another user: the new one has owner, group and mode of the
/// one that is there. Where the name is a link, what it leads to is replaced, since that is what is read.
///
/// # Errors
/// Says where the file could not be given to its owner or group, and returns the first failure of the file system. The
/// target is then untouched.
pub fn replace_as_it_is(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let path = path.canonicalize()?;
    put(&path, bytes, Access::Owner, Some(&std::fs::metadata(&path)?))
}

fn put(path: &Path, bytes: &[u8], access: Access, former: Option<&Metadata>) -> io::Result<()> {
    let temporary = temporary_name(path);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(access.mode()).open(&temporary)?;
    let given = former.map_or(Ok(()), |former| give(&file, former));
    let written = given.and_then(|()| file.write_all(bytes)).and_then(|()| file.sync_all());
    written.inspect_err(|_| drop(std::fs::remove_file(&temporary)))?;
    drop(file);
    rename(&temporary, path)
}

/// Gives a file owner, group and mode of another.
fn give(file: &File, former: &Metadata) -> io::Result<()> {
    let (owner, group) = (former.uid(), former.gid());
    let made = file.metadata()?;
    if (made.uid(), made.gid()) != (owner, group) {
        fchown(file, Some(owner), Some(group)).map_err(|error| {
            let words = format!("it is user {owner}'s and group {group}'s and would not stay so: do this as root");
            io::Error::new(error.kind(), format!("{words} ({error})"))
        })?;
    }
    file.set_permissions(Permissions::from_mode(former.mode() & 0o7777))
}

/// Makes a file that its owner alone may read and that was not there; one that cannot be written whole goes again.
///
/// # Errors
/// Returns the first failure of the file system, `AlreadyExists` where something has that name; what has it stays.
pub fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(Access::Owner.mode()).open(path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| sync_folder(path));
    written.inspect_err(|_| drop(std::fs::remove_file(path)))
}

/// Moves `from` over `to` and makes the move durable.
///
/// # Errors
/// Returns the failure of the rename or of syncing the folder.
#[expect(clippy::disallowed_methods, reason = "this is the center's one place that renames, and it syncs the folder")]
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::rename(from, to)?;
    sync_folder(to)
}

/// Makes a new or removed entry of the folder that holds `path` durable.
///
/// # Errors
/// Returns the failure of opening or syncing the folder.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

/// Makes a folder that its owner alone may enter (mode 0700), with those above it; one that is there stays as it is.
///
/// # Errors
/// Returns the failure of the file system.
pub fn private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Makes an empty file that its owner alone may read, before a library makes one that everybody may. One that is there
/// becomes the owner's alone.
///
/// A file that is there is not opened: closing it again would take away the locks that this process has on it.
///
/// # Errors
/// Returns the failure of the file system.
pub fn claim(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(Access::Owner.mode()).open(path) {
        Ok(_) => sync_folder(path),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => restrict(path),
        Err(error) => Err(error),
    }
}

/// Takes a file away from everybody but its owner; one that is not there is no failure.
///
/// # Errors
/// Returns the failure of the file system.
pub fn restrict(path: &Path) -> io::Result<()> {
    let restricted = std::fs::metadata(path).and_then(|file| {
        let mode = file.permissions().mode() & 0o777;
        let owners = mode & 0o700;
        if mode == owners { Ok(()) } else { std::fs::set_permissions(path, Permissions::from_mode(owners)) }
    });
    match restricted {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn temporary_name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_with_the_asked_mode_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        replace(&path, b"a long first version", Access::Owner).unwrap();
        replace(&path, b"second", Access::Owner).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"second");
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_is_replaced_as_it_is_keeps_its_owner_group_and_mode_also_behind_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("acl"), folder.path().join("link"));
        replace(&path, b"first", Access::Owner).unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        if nix::unistd::geteuid().is_root() {
            std::os::unix::fs::chown(&path, Some(12_345), Some(23_456)).unwrap();
        }
        std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let whose = || std::fs::metadata(&path).map(|file| (file.uid(), file.gid(), file.mode() & 0o7777)).unwrap();
        let before = whose();
        for (name, bytes) in [(&path, b"second"), (&link, b"third!")] {
            replace_as_it_is(name, bytes).unwrap();
            assert_eq!((whose(), &*std::fs::read(&path).unwrap()), (before, &bytes[..]), "{}", name.display());
        }
        assert_eq!(before.2, 0o640);
        assert!(link.is_symlink());
        assert!(replace_as_it_is(&folder.path().join("absent"), b"x").is_err());
    }

    #[test]
    fn a_private_folder_is_the_owners_alone_and_so_is_every_new_one_above_it() {
        let folder = tempfile::tempdir().unwrap();
        let clips = folder.path().join("center/clips");
        private_folder(&clips).unwrap();
        private_folder(&clips).unwrap();
        for path in [&clips, &folder.path().join("center")] {
            assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o700, "{}", path.display());
        }
    }

    #[test]
    fn a_folder_that_is_missing_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("absent/key");
        assert!(replace(&path, b"x", Access::Everybody).is_err());
    }
}
