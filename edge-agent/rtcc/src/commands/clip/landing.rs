//! Where a clip and its manifest are put: under names of their own until they are verified, and never over anything.
//!
//! What lies under FILE may be evidence that somebody was given before, so nothing is written there that was not checked.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use rtcc::files;

use crate::commands::verify;

/// The names of a clip's two files, before and after they are verified.
#[derive(Debug)]
pub(super) struct Landing {
    file: PathBuf,
    manifest: PathBuf,
    /// The MP4 file until it is verified.
    pub(super) unverified: PathBuf,
    /// The manifest until it is verified.
    pub(super) unverified_manifest: PathBuf,
}

impl Landing {
    /// Checks that the clip can be put under `file`, before a unit is asked for it.
    pub(super) fn at(file: &Path) -> anyhow::Result<Self> {
        let manifest = verify::manifest_beside(file);
        let landing = Self {
            unverified: file.with_added_extension("unverified"),
            unverified_manifest: manifest.with_added_extension("unverified"),
            file: file.to_owned(),
            manifest,
        };
        landing.is_free()?;
        landing.can_be_written()?;
        Ok(landing)
    }

    /// Gives both files their names. The manifest comes first: where FILE is, its manifest lies beside it.
    pub(super) fn verified(&self) -> anyhow::Result<()> {
        // The wait may have been long.
        self.is_free()?;
        for (from, to) in [(&self.unverified_manifest, &self.manifest), (&self.unverified, &self.file)] {
            files::rename(from, to).with_context(|| format!("cannot write {}", to.display()))?;
        }
        Ok(())
    }

    fn is_free(&self) -> anyhow::Result<()> {
        for path in [&self.file, &self.manifest] {
            let there = path.symlink_metadata().is_ok();
            ensure!(!there, "{} is there already and is not overwritten: give another name with -o", path.display());
        }
        Ok(())
    }

    fn can_be_written(&self) -> anyhow::Result<()> {
        let opened = OpenOptions::new().append(true).create(true).mode(0o600).open(&self.unverified);
        let file = opened.with_context(|| format!("cannot write {}", self.unverified.display()))?;
        if file.metadata().is_ok_and(|file| file.len() == 0) {
            std::fs::remove_file(&self.unverified)
                .with_context(|| format!("cannot write {}", self.unverified.display()))?;
        }
        Ok(())
    }
}
