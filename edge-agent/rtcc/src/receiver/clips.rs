//! Files of clips and pictures. Bytes are on disk before the database says so.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::database::requests::Part;
use crate::files::{self, Access};

/// The folders for clips and pictures, and the files that wait for being synced.
#[derive(Debug)]
pub struct Files {
    folder: PathBuf,
    open: BTreeMap<PathBuf, File>,
}

/// A file could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {path}")]
pub struct FilesError {
    path: PathBuf,
    source: io::Error,
}

impl Files {
    /// Uses `folder/clips` and `folder/thumbs`, which are made if they are missing; their owner alone may enter them.
    ///
    /// # Errors
    /// Returns what the file system says.
    pub fn open(folder: &Path) -> Result<Self, FilesError> {
        for name in ["clips", "thumbs"] {
            let path = folder.join(name);
            files::private_folder(&path).map_err(|source| FilesError { path, source })?;
        }
        Ok(Self { folder: folder.to_owned(), open: BTreeMap::new() })
    }

    /// Writes bytes of a clip at their offset; they are durable after [`Files::sync`].
    ///
    /// # Errors
    /// Returns what the file system says.
    pub fn write_clip(&mut self, request: &str, part: Part, (offset, bytes): (u64, &[u8])) -> Result<(), FilesError> {
        self.change_clip(request, part, |file| file.write_all_at(bytes, offset))
    }

    /// Ends a clip's file after so many bytes: one that was made anew may be shorter than what came of the first.
    ///
    /// # Errors
    /// Returns what the file system says.
    pub fn end_clip(&mut self, request: &str, part: Part, bytes: u64) -> Result<(), FilesError> {
        self.change_clip(request, part, |file| file.set_len(bytes))
    }

    fn change_clip(
        &mut self,
        request: &str,
        part: Part,
        change: impl FnOnce(&File) -> io::Result<()>,
    ) -> Result<(), FilesError> {
        let path = clip(&self.folder, request, part);
        let wrong = |source| FilesError { path: path.clone(), source };
        if !self.open.contains_key(&path) {
            let file =
                OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(wrong)?;
            files::sync_folder(&path).map_err(wrong)?;
            self.open.insert(path.clone(), file);
        }
        match self.open.get(&path) {
            Some(file) => change(file).map_err(wrong),
            None => Err(wrong(io::ErrorKind::NotFound.into())),
        }
    }

    /// Makes everything written so far durable.
    ///
    /// # Errors
    /// Returns what the file system says. Nothing may then be trusted: after a failed sync the next one of the same
    /// file may succeed without the bytes, so all files are forgotten and must be written again.
    pub fn sync(&mut self) -> Result<(), FilesError> {
        for (path, file) in std::mem::take(&mut self.open) {
            file.sync_data().map_err(|source| FilesError { path, source })?;
        }
        Ok(())
    }

    /// Keeps a picture under its hash.
    ///
    /// # Errors
    /// Returns what the file system says.
    pub fn write_thumb(&self, hash: &str, bytes: &[u8]) -> Result<(), FilesError> {
        let path = thumb(&self.folder, hash);
        files::replace(&path, bytes, Access::Owner).map_err(|source| FilesError { path, source })
    }
}

/// A file of a clip: complete when its request is.
pub fn clip(folder: &Path, request: &str, part: Part) -> PathBuf {
    let ending = match part {
        Part::Manifest => "manifest",
        Part::Media => "mp4",
    };
    folder.join("clips").join(format!("{request}.{ending}"))
}

/// The file of a picture.
pub fn thumb(folder: &Path, hash: &str) -> PathBuf {
    folder.join("thumbs").join(format!("{hash}.jpg"))
}
