//! Models as an artefact of their own: a signed set is unpacked beside the current one, tested where it lies, and then
//! becomes the current one by the rename of a link.
//!
//! In the folder `models` of the data folder: `sets/REVISION/` holds a set as it was signed, `current` is a link to one of
//! them. A power cut leaves the link as it was or as it was to be; a set that is not whole has no link to it, and is
//! removed when the next one is unpacked. The set before stays, as the way back.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use edge_protocol::hash::Hash256;
use edge_protocol::id::AgencyId;
use edge_protocol::model_set::{ModelFile, ModelSet, NotGenuine};
use edge_protocol::sign::Root;
use edge_protocol::time::WallStamp;
use edge_store::disk::Disk;

use super::bundle::{is_set, known_time};
use super::{BUNDLE_LIFE, Version};

const CURRENT: &str = "current";
const SETS: &str = "sets";
/// The signed manifest of an unpacked set.
const MANIFEST: &str = "set.cose";
/// Files are copied in pieces of this size.
const PIECE: usize = 1 << 16;

/// Why a set does not become the current one; the current one stays.
#[derive(Debug, thiserror::Error)]
pub enum ModelsFault {
    /// It is not this agency's.
    #[error(transparent)]
    NotGenuine(#[from] NotGenuine),
    /// It ends too early, or a file is not what the manifest says.
    #[error("{0} is not what was signed; copy or download the set again")]
    Damaged(String),
    /// It is older than what was in use.
    #[error("revision {revision} is below {floor}, which this unit has already used; it never goes back")]
    BelowFloor {
        /// The set's.
        revision: u64,
        /// The unit's.
        floor: u64,
    },
    /// Two sets claim the same place.
    #[error("revision {0} is in use already, with other models; the next set needs a higher one")]
    SameRevision(u64),
    /// Its time is over.
    #[error("it was made {0}, more than half a year ago; take a newer one")]
    Expired(String),
    /// The agent is too old for it.
    #[error("it needs version {needs} of the agent, and this is {is}; update the image first")]
    NeedsAgent {
        /// What it needs.
        needs: String,
        /// What runs.
        is: Version,
    },
    /// There is no room for it.
    #[error("{needs} bytes are needed and {free} are free")]
    DiskFull {
        /// What it takes.
        needs: u64,
        /// What there is.
        free: u64,
    },
    /// A model does not do what it did where it was made.
    #[error("a model fails its self-test here: {0}")]
    SelfTest(String),
    /// The disk does not do it.
    #[error("{path}: {source}")]
    Disk {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Whose sets are taken, and when.
#[derive(Debug)]
pub struct Terms<'t> {
    /// The agency.
    pub agency: &'t AgencyId,
    /// Its root.
    pub root: &'t Root,
    /// The agent's own version.
    pub software: &'t Version,
    /// What the clock says.
    pub now: WallStamp,
}

/// The models' folder of a unit.
#[derive(Debug)]
pub struct ModelSets<'d> {
    disk: &'d dyn Disk,
    folder: PathBuf,
}

impl<'d> ModelSets<'d> {
    /// The sets in a data folder.
    pub fn new(disk: &'d dyn Disk, data_dir: &Path) -> Self {
        Self { disk, folder: data_dir.join("models") }
    }

    /// The folder of the current set; none where the image's own models are in use.
    pub fn current(&self) -> Option<PathBuf> {
        let link = self.folder.join(CURRENT);
        link.is_dir().then_some(link)
    }

    /// The revision of the current set.
    pub fn revision(&self) -> Option<u64> {
        let target = std::fs::read_link(self.folder.join(CURRENT)).ok()?;
        target.file_name()?.to_str()?.parse().ok()
    }

    /// Unpacks a set, has it tested where it lies, and makes it the current one. Returns its revision.
    ///
    /// # Errors
    /// See [`ModelsFault`]; the current set is then the one before.
    pub fn install(
        &self,
        set: &mut dyn Read,
        terms: &Terms<'_>,
        test: &mut dyn FnMut(&Path) -> Result<(), String>,
    ) -> Result<u64, ModelsFault> {
        let (sealed, set_manifest) = self.judge(set, terms)?;
        let revision = set_manifest.revision;
        let folder = self.folder.join(SETS).join(revision.to_string());
        if self.revision() == Some(revision) {
            let same = std::fs::read(folder.join(MANIFEST)).is_ok_and(|kept| kept == sealed);
            return if same { Ok(revision) } else { Err(ModelsFault::SameRevision(revision)) };
        }
        self.clear()?;
        let unpacked = self.unpack(set, &set_manifest, &sealed, &folder);
        unpacked.and_then(|()| test(&folder).map_err(ModelsFault::SelfTest)).inspect_err(|_| {
            // Nothing points to it; what is left of it is removed at the next try.
            drop(std::fs::remove_dir_all(&folder));
        })?;
        self.switch(revision)?;
        Ok(revision)
    }

    /// Reads the head and judges it before a byte is written.
    fn judge(&self, set: &mut dyn Read, terms: &Terms<'_>) -> Result<(Vec<u8>, ModelSet), ModelsFault> {
        let mut first = [0; 12];
        let short = |_| ModelsFault::Damaged("its head".to_owned());
        set.read_exact(&mut first).map_err(short)?;
        let mut sealed = vec![0; ModelSet::manifest_length(first)?];
        set.read_exact(&mut sealed).map_err(short)?;
        let at = is_set(terms.now).then_some(terms.now.time);
        let manifest = ModelSet::open(&sealed, terms.agency, terms.root, at)?;
        if let Some(floor) = self.revision().filter(|floor| manifest.revision < *floor) {
            return Err(ModelsFault::BelowFloor { revision: manifest.revision, floor });
        }
        if known_time(manifest.built, terms.now) > manifest.built.saturating_add(BUNDLE_LIFE) {
            return Err(ModelsFault::Expired(manifest.built.to_string()));
        }
        let needs: Option<Version> = manifest.least_software.as_str().parse().ok();
        if needs.is_none_or(|needs| needs > *terms.software) {
            let needs = manifest.least_software.to_string();
            return Err(ModelsFault::NeedsAgent { needs, is: terms.software.clone() });
        }
        Ok((sealed, manifest))
    }

    /// Removes every set but the current one, and makes the place for another.
    fn clear(&self) -> Result<(), ModelsFault> {
        let sets = self.folder.join(SETS);
        let fault = |source| ModelsFault::Disk { path: sets.clone(), source };
        self.disk.make_folder(&sets).map_err(fault)?;
        let current = self.revision();
        for set in std::fs::read_dir(&sets).map_err(fault)? {
            let set = set.map_err(fault)?;
            let number = set.file_name().to_str().and_then(|name| name.parse::<u64>().ok());
            if number.is_none() || number != current {
                std::fs::remove_dir_all(set.path()).map_err(fault)?;
            }
        }
        Ok(())
    }

    fn unpack(&self, set: &mut dyn Read, manifest: &ModelSet, sealed: &[u8], folder: &Path) -> Result<(), ModelsFault> {
        let fault = |source| ModelsFault::Disk { path: folder.to_owned(), source };
        self.disk.make_folder(folder).map_err(fault)?;
        let (needs, free) = (manifest.bytes(), self.disk.room(folder).map_err(fault)?.free);
        if needs > free {
            return Err(ModelsFault::DiskFull { needs, free });
        }
        let mut folders = vec![folder.to_owned(), self.folder.join(SETS)];
        for file in &manifest.files {
            let path = folder.join(&file.path);
            let inside = path.parent().unwrap_or(folder).to_owned();
            self.disk.make_folder(&inside).map_err(fault)?;
            self.copy(set, file, &path)?;
            folders.extend([inside.clone(), inside.parent().unwrap_or(folder).to_owned()]);
        }
        let mut after = [0];
        if set.read(&mut after).map_err(fault)? != 0 {
            return Err(ModelsFault::Damaged("what follows the last file".to_owned()));
        }
        let mut file = self.disk.create(&folder.join(MANIFEST)).map_err(fault)?;
        file.write_all_at(sealed, 0).and_then(|()| file.sync()).map_err(fault)?;
        folders.sort();
        folders.dedup();
        folders.iter().try_for_each(|folder| self.disk.sync_folder(folder)).map_err(fault)
    }

    /// Copies one file and compares it with what was signed.
    fn copy(&self, set: &mut dyn Read, named: &ModelFile, path: &Path) -> Result<(), ModelsFault> {
        let fault = |source| ModelsFault::Disk { path: path.to_owned(), source };
        let mut file = self.disk.create(path).map_err(fault)?;
        let mut context = digest::Context::new(&digest::SHA256);
        let (mut offset, mut piece) = (0, vec![0; PIECE]);
        while offset < named.bytes {
            let left = usize::try_from(named.bytes - offset).unwrap_or(PIECE).min(PIECE);
            let Some(piece) = piece.get_mut(..left) else { break };
            set.read_exact(piece).map_err(|_| ModelsFault::Damaged(named.path.clone()))?;
            file.write_all_at(piece, offset).map_err(fault)?;
            context.update(piece);
            offset += left as u64;
        }
        file.sync().map_err(fault)?;
        if Hash256::from_digest(&context.finish()) == named.hash {
            Ok(())
        } else {
            Err(ModelsFault::Damaged(named.path.clone()))
        }
    }

    /// The one step that counts: the link's rename.
    fn switch(&self, revision: u64) -> Result<(), ModelsFault> {
        let (link, new) = (self.folder.join(CURRENT), self.folder.join("current.new"));
        let fault = |source| ModelsFault::Disk { path: link.clone(), source };
        // Left by a power cut, or not there at all.
        drop(std::fs::remove_file(&new));
        symlink(Path::new(SETS).join(revision.to_string()), &new).map_err(fault)?;
        self.disk.rename(&new, &link).map_err(fault)?;
        self.disk.sync_folder(&self.folder).map_err(fault)
    }
}

/// Opens a set's file.
///
/// # Errors
/// The system's, with the path.
pub fn open(path: &Path) -> Result<File, ModelsFault> {
    File::open(path).map_err(|source| ModelsFault::Disk { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests;
