//! Models as an artefact of their own: a signed set is unpacked beside the one in use, tested where it lies, put to
//! use, and watched; one that does not prove itself goes, and the former one is in use again.
//!
//! In the folder `models` of the data folder: `sets/REVISION/` holds a set as it was signed, `standing` says which one
//! is in use and which was before. The agent follows that file: its vision worker ends and begins again with the set
//! that it names, and nothing else of the agent does. A set that is not whole is named by nobody, and is removed when
//! the next one is unpacked.

mod fit;
mod standing;
mod unpack;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use edge_protocol::id::AgencyId;
use edge_protocol::model_set::{ModelSet, NotGenuine};
use edge_protocol::sign::Root;
use edge_protocol::time::{MonoTime, WallStamp, WallTime};
use edge_store::disk::Disk;

use super::bundle::{is_set, known_time};
use super::keep::{self, Found, KeepFault, Kind};
use super::{BUNDLE_LIFE, Before, Evidence, Patience, Verdict, Version, Watch};

use standing::MOST_TRIES;

pub use standing::{ModelsTold, PassedOver, Standing, Swap};

const STANDING: &str = "standing";
const KIND: Kind = Kind { first_line: "edge-models 1" };
const SETS: &str = "sets";
/// The signed manifest of an unpacked set.
const MANIFEST: &str = "set.cose";

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
    /// What is known of the sets cannot be kept.
    #[error(transparent)]
    Keep(#[from] KeepFault),
    /// Another set than was ordered.
    #[error("it is revision {found}, and {wanted} was wanted; nothing of it is used")]
    OtherRevision {
        /// The set's.
        found: u64,
        /// The one wanted.
        wanted: u64,
    },
    /// A model does not do what it did where it was made.
    #[error("a model fails its self-test here: {0}")]
    SelfTest(String),
    /// Each attempt took its process with it, or the power failed in it.
    #[error(
        "it was begun {0} times, and no attempt came to an end; the unit may have too little memory for its self-test"
    )]
    NeverEnds(u8),
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
    /// The latest moment that is known to have been, whatever the clock says.
    pub latest: WallTime,
    /// The revision that was asked for, where one was.
    pub wanted: Option<u64>,
}

/// The set that is in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InUse {
    /// Which.
    pub revision: u64,
    /// Where its models are.
    pub folder: PathBuf,
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

    /// The set in use; none where the image's own models are.
    pub fn in_use(&self) -> Option<InUse> {
        let standing = self.standing().inspect_err(|error| tracing::error!(%error, "the image's own models are used"));
        Some(self.named(standing.ok()?.used()?))
    }

    /// The set that this agent should try: the one in use, or one that an agent of another version could not use.
    pub fn to_try(&self, standing: &Standing, software: &Version) -> Option<InUse> {
        let passed_over = standing.passed_over.as_ref().filter(|set| set.software == *software);
        let revision = standing.current.filter(|current| passed_over.is_none_or(|set| set.revision != *current))?;
        Some(self.named(revision))
    }

    /// Whether a set is still what was signed, and of use to an agent of this version.
    ///
    /// # Errors
    /// Why it is not.
    pub fn fits(&self, set: &InUse, software: &Version) -> Result<(), ModelsFault> {
        fit::check(self.disk, &set.folder, software)
    }

    /// The set in use is of no use to this agent, so the image's own models are in use. Does nothing on a trial.
    ///
    /// # Errors
    /// When that cannot be written down.
    pub fn pass_over(&self, revision: u64, software: &Version, why: String) -> Result<(), KeepFault> {
        self.change(|standing| standing.pass_over(revision, software, why))
    }

    /// A set that was passed over can be used after all.
    ///
    /// # Errors
    /// When that cannot be written down.
    pub fn take_up(&self, revision: u64) -> Result<(), KeepFault> {
        self.change(|standing| standing.take_up(revision))
    }

    /// The set on trial is given up, if there is one: nobody watches it.
    ///
    /// # Errors
    /// When that cannot be written down.
    pub fn give_up(&self, why: String) -> Result<(), KeepFault> {
        self.change(|standing| standing.go_back(why))
    }

    /// What is known of the sets. A file that rotted is set aside: the image's own models are in use then, and nothing
    /// below the highest set that is there is taken.
    ///
    /// # Errors
    /// When the disk cannot be read.
    pub fn standing(&self) -> Result<Standing, KeepFault> {
        Ok(match KIND.read(self.disk, &self.folder.join(STANDING))? {
            Found::Nothing => self.lost(),
            Found::Kept(standing) => standing,
            Found::SetAside(path) => {
                let path = path.display();
                tracing::error!("what was known of the sets of models was damaged and is set aside as {path}");
                self.lost()
            }
        })
    }

    /// What the sets themselves say. Where there never was one, that is nothing.
    fn lost(&self) -> Standing {
        let sets = self.folder.join(SETS);
        let folders = self.disk.folders(&sets).inspect_err(|error| tracing::error!(%error, "{}", sets.display()));
        let folders: BTreeSet<u64> = folders.unwrap_or_default().iter().filter_map(|name| name.parse().ok()).collect();
        let named = |revision: &u64| fit::manifest(self.disk, &self.set(*revision)).ok().map(|set| set.revision);
        let highest = folders.iter().filter_map(named).max();
        Standing::lost(folders, highest)
    }

    fn named(&self, revision: u64) -> InUse {
        InUse { revision, folder: self.set(revision) }
    }

    fn change(&self, change: impl FnOnce(&mut Standing)) -> Result<(), KeepFault> {
        let mut standing = self.standing()?;
        let before = standing.clone();
        change(&mut standing);
        if standing == before { Ok(()) } else { self.write(&standing) }
    }

    /// Unpacks a set, has it tested where it lies, and puts it to use: on trial where `before` says what the models in
    /// use can do, for good where nobody will watch. False where it was in use already.
    ///
    /// # Errors
    /// See [`ModelsFault`]; the set in use is then the one before.
    pub fn install(
        &self,
        set: &mut dyn Read,
        terms: &Terms<'_>,
        before: Option<Before>,
        test: &mut dyn FnMut(&Path) -> Result<(), String>,
    ) -> Result<bool, ModelsFault> {
        let mut standing = self.standing()?;
        // Whoever watched it is gone, or this would not be asked.
        standing.go_back("another set was asked for before it had proved itself".to_owned());
        let (sealed, manifest) = judge(set, terms, &standing)?;
        let revision = manifest.revision;
        let folder = self.set(revision);
        if standing.current == Some(revision) && standing.used().is_none() {
            // It was passed over, so it comes as if it had never been here.
            standing.current = None;
        }
        if standing.current == Some(revision) {
            let same = keep::whole(self.disk, &folder.join(MANIFEST)).is_ok_and(|kept| kept == sealed);
            return if same { Ok(false) } else { Err(ModelsFault::SameRevision(revision)) };
        }
        // Who installs by hand sees for himself that it never ends.
        let may_begin = before.is_none() || standing.begin(revision);
        standing.loose.extend(standing.former.take());
        standing.loose.insert(revision);
        self.write(&standing)?;
        self.clear(&standing)?;
        if !may_begin {
            return Err(ModelsFault::NeverEnds(MOST_TRIES));
        }
        let unpacked = unpack::unpack(self.disk, set, (&manifest, &sealed), &folder);
        unpacked.and_then(|()| test(&folder).map_err(ModelsFault::SelfTest)).inspect_err(|_| {
            // It is loose: what is left of it now is removed before the next one.
            drop(self.disk.remove_folder(&folder));
            // It ended, so the next order of it has all its attempts; where this is not written down, fewer.
            drop(self.write(&Standing { begun: None, ..standing.clone() }));
        })?;
        standing.take(revision, before);
        Ok(self.write(&standing).map(|()| true)?)
    }

    /// Looks at the agent, in this boot, while a set is on trial; true once that has ended.
    ///
    /// # Errors
    /// When what follows cannot be written down; nothing follows then.
    pub fn look(
        &self,
        watch: &mut Watch,
        evidence: Option<&Evidence>,
        patience: Patience,
        (now, boot): (MonoTime, &str),
    ) -> Result<bool, KeepFault> {
        let mut standing = self.standing()?;
        let is_new = standing.meet(boot);
        let (Some(before), Some(revision)) = (&standing.trial, standing.current) else { return Ok(true) };
        let seen = evidence.map(|seen| of_set(seen, revision));
        let spent = standing.has_had_its_boots().map(Verdict::Fails);
        match spent.unwrap_or_else(|| watch.look(seen.as_ref(), before, patience, now)) {
            // At once: it may be this boot that the set cuts short.
            Verdict::Wait if is_new => return self.write(&standing).map(|()| false),
            Verdict::Wait => return Ok(false),
            // Models say nothing to the center: the line is no matter of theirs.
            Verdict::Holds | Verdict::HoldsWithoutLine => standing.hold(),
            Verdict::Fails(why) => standing.go_back(why),
        }
        self.write(&standing)?;
        Ok(true)
    }

    /// The first so many of the untold were told.
    ///
    /// # Errors
    /// When that cannot be written down; they are told again.
    pub fn told(&self, count: usize) -> Result<(), KeepFault> {
        self.change(|standing| drop(standing.untold.drain(..count.min(standing.untold.len()))))
    }

    fn set(&self, revision: u64) -> PathBuf {
        self.folder.join(SETS).join(revision.to_string())
    }

    fn write(&self, standing: &Standing) -> Result<(), KeepFault> {
        // The first time there is no folder yet; where it cannot be made, the writing says so.
        drop(self.disk.make_folder(&self.folder));
        keep::write(self.disk, &self.folder.join(STANDING), &KIND.bytes(standing))
    }

    /// Removes the sets that nobody needs, and makes the place for another.
    fn clear(&self, standing: &Standing) -> Result<(), ModelsFault> {
        let sets = self.folder.join(SETS);
        let fault = |source| ModelsFault::Disk { path: sets.clone(), source };
        self.disk.make_folder(&sets).map_err(fault)?;
        standing.loose.iter().try_for_each(|loose| self.disk.remove_folder(&self.set(*loose))).map_err(fault)
    }
}

/// Reads the head and judges it before a byte is written.
fn judge(set: &mut dyn Read, terms: &Terms<'_>, standing: &Standing) -> Result<(Vec<u8>, ModelSet), ModelsFault> {
    let mut first = [0; 12];
    let short = |_| ModelsFault::Damaged("its head".to_owned());
    set.read_exact(&mut first).map_err(short)?;
    let mut sealed = vec![0; ModelSet::manifest_length(first)?];
    set.read_exact(&mut sealed).map_err(short)?;
    // Of a clock that nobody has set only this is known: it is later than that. An earlier moment would say nothing of
    // a signer whose certificate begins after it.
    let known = known_time(terms.latest, terms.now);
    let is_known = is_set(terms.now) || known >= ModelSet::peek(&sealed)?.built;
    let manifest = ModelSet::open(&sealed, terms.agency, terms.root, is_known.then_some(known))?;
    if let Some(wanted) = terms.wanted.filter(|wanted| manifest.revision != *wanted) {
        return Err(ModelsFault::OtherRevision { found: manifest.revision, wanted });
    }
    if let Some(floor) = standing.floor.filter(|floor| manifest.revision < *floor) {
        return Err(ModelsFault::BelowFloor { revision: manifest.revision, floor });
    }
    if known > manifest.built.saturating_add(BUNDLE_LIFE) {
        return Err(ModelsFault::Expired(manifest.built.to_string()));
    }
    fit::is_new_enough(terms.software, &manifest)?;
    Ok((sealed, manifest))
}

/// What is seen of a set: what its own vision worker does, in one life of that worker. Disk, clock and center are not
/// asked for, since no model can harm them.
fn of_set(seen: &Evidence, revision: u64) -> Evidence {
    let worker = seen.worker.as_ref().filter(|worker| worker.set == Some(revision));
    Evidence {
        life: format!("{} {}", seen.life, worker.map_or(0, |worker| worker.life)),
        inferred: worker.is_some(),
        cameras: worker.map(|worker| worker.cameras.clone()).unwrap_or_default(),
        outbox: true,
        audit: true,
        clock: true,
        ..seen.clone()
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
mod later;
#[cfg(test)]
mod power_cuts;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod world;
