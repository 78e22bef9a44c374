//! Artefacts beside the image: each is signed, is unpacked beside the one in use, is tested where it lies, put to use,
//! and watched; one that does not prove itself goes, and the former one is in use again.
//!
//! In a folder of the data folder: `sets/REVISION/` holds one as it was signed, `standing` says which one is in use and
//! which was before. The agent follows that file. One that is not whole is named by nobody, and is removed when the
//! next one is unpacked.

mod fault;
mod fit;
mod judge;
mod standing;
mod unpack;

use std::collections::BTreeSet;
use std::fmt::{Debug, Display};
use std::io::Read;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use edge_protocol::time::{MonoTime, WallStamp, WallTime};
use edge_store::disk::Disk;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::keep::{self, Found, KeepFault, Kind};
use super::{Before, Evidence, Patience, Verdict, Version, Watch};

use standing::MOST_TRIES;

pub use fault::ArtefactFault;
pub use fit::Part;
pub use judge::open;
pub use standing::{PassedOver, Standing, Swap, Told};

const HOUR: Duration = Duration::from_hours(1);
const STANDING: &str = "standing";
const SETS: &str = "sets";
/// The signed manifest of an unpacked artefact.
const MANIFEST: &str = "set.cose";

/// A kind of artefact, as its signed manifest describes one of it.
pub trait Artefact: Sized {
    /// What numbers them: it rises, and a unit never goes back.
    type Revision: Clone + Debug + Display + FromStr + Ord + Serialize + DeserializeOwned;
    /// Who may sign one.
    type Trust;

    /// The folder in the data folder.
    const FOLDER: &'static str;
    /// The first line of what is known of them.
    const STANDING: &'static str;

    /// The length of the signed manifest that follows these first bytes of a file.
    ///
    /// # Errors
    /// If they are not those of such an artefact.
    fn manifest_length(first: [u8; 12]) -> Result<usize, ArtefactFault>;

    /// Reads a signed manifest whose signer may sign it.
    ///
    /// # Errors
    /// Why it is not to be used.
    fn open(sealed: &[u8], trust: &Self::Trust, at: Option<WallTime>) -> Result<Self, ArtefactFault>;

    /// What a signed manifest says, whoever signed it.
    ///
    /// # Errors
    /// If it is none, or not as whoever signed it left it.
    fn peek(sealed: &[u8]) -> Result<Self, ArtefactFault>;

    /// Which one it is.
    fn revision(&self) -> Self::Revision;

    /// When it was made.
    fn built(&self) -> WallTime;

    /// Its files, in the order of their bytes.
    fn parts(&self) -> Vec<Part<'_>>;

    /// Whether it is of use to an agent of this version.
    ///
    /// # Errors
    /// Why it is not.
    fn suits(&self, software: &Version) -> Result<(), ArtefactFault>;

    /// What of the agent's evidence speaks for one on trial; none where it speaks of another.
    fn seen(evidence: &Evidence, revision: &Self::Revision) -> Option<Evidence>;

    /// Whether one that does all else has to reach the center as well, where the former one did.
    const NEEDS_LINE: bool;
}

/// Whose artefacts are taken, and when.
#[derive(Debug)]
pub struct Terms<'t, A: Artefact> {
    /// Who may sign.
    pub trust: &'t A::Trust,
    /// The version of the agent that it has to suit.
    pub software: &'t Version,
    /// What the clock says.
    pub now: WallStamp,
    /// The latest moment that is known to have been, whatever the clock says.
    pub latest: WallTime,
    /// The revision that was asked for, where one was.
    pub wanted: Option<A::Revision>,
}

/// The one that is in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InUse<R> {
    /// Which.
    pub revision: R,
    /// Where its files are.
    pub folder: PathBuf,
}

/// A unit's artefacts of one kind.
#[derive(Debug)]
pub struct Artefacts<'d, A> {
    disk: &'d dyn Disk,
    folder: PathBuf,
    kind: PhantomData<A>,
}

impl<'d, A: Artefact> Artefacts<'d, A> {
    const KIND: Kind = Kind { first_line: A::STANDING };

    /// Those in a data folder.
    pub fn new(disk: &'d dyn Disk, data_dir: &Path) -> Self {
        Self { disk, folder: data_dir.join(A::FOLDER), kind: PhantomData }
    }

    /// The one in use; none where the image's own is.
    pub fn in_use(&self) -> Option<InUse<A::Revision>> {
        let own = |error: &KeepFault| tracing::error!(%error, folder = A::FOLDER, "the image's own is used");
        Some(self.named(self.standing().inspect_err(own).ok()?.used()?.clone()))
    }

    /// The one that this agent should try: the one in use, or one that an agent of another version could not use.
    pub fn to_try(&self, standing: &Standing<A::Revision>, software: &Version) -> Option<InUse<A::Revision>> {
        let passed_over = standing.passed_over.as_ref().filter(|over| over.software == *software);
        let current = standing.current.as_ref();
        let revision = current.filter(|current| passed_over.is_none_or(|over| over.revision != **current))?;
        Some(self.named(revision.clone()))
    }

    /// Whether one is still what was signed, and of use to an agent of this version.
    ///
    /// # Errors
    /// Why it is not.
    pub fn fits(&self, one: &InUse<A::Revision>, software: &Version) -> Result<(), ArtefactFault> {
        fit::check::<A>(self.disk, &one.folder, software)
    }

    /// The signed manifest of the one in a folder.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn sealed(&self, folder: &Path) -> Result<Vec<u8>, ArtefactFault> {
        fit::sealed(self.disk, folder)
    }

    /// The one in use is of no use to this agent, so the image's own is in use. Does nothing on a trial.
    ///
    /// # Errors
    /// When that cannot be written down.
    pub fn pass_over(&self, revision: &A::Revision, software: &Version, why: String) -> Result<(), KeepFault> {
        self.change(|standing| standing.pass_over(revision, software, why))
    }

    /// The one in use is not for this image, which runs its own. Does nothing on a trial.
    ///
    /// # Errors
    /// When that cannot be written down.
    pub fn put_aside(&self, revision: &A::Revision, software: &Version, why: String) -> Result<(), KeepFault> {
        self.change(|standing| standing.put_aside(revision, software, why))
    }

    /// One that was passed over can be used after all.
    ///
    /// # Errors
    /// When that cannot be written down.
    pub fn take_up(&self, revision: &A::Revision) -> Result<(), KeepFault> {
        self.change(|standing| standing.take_up(revision))
    }

    /// The one on trial is given up, if there is one: nobody watches it, or it ends whoever would.
    ///
    /// # Errors
    /// When that cannot be written down.
    pub fn give_up(&self, why: String) -> Result<(), KeepFault> {
        self.change(|standing| standing.go_back(why))
    }

    /// What is known of them. A file that rotted is set aside: the image's own is in use then, and nothing below the
    /// highest that is there is taken.
    ///
    /// # Errors
    /// When the disk cannot be read.
    pub fn standing(&self) -> Result<Standing<A::Revision>, KeepFault> {
        Ok(match Self::KIND.read(self.disk, &self.folder.join(STANDING))? {
            Found::Nothing => self.lost(),
            Found::Kept(standing) => standing,
            Found::SetAside(path) => {
                let path = path.display();
                tracing::error!("what was known of the {} was damaged and is set aside as {path}", A::FOLDER);
                self.lost()
            }
        })
    }

    /// What they themselves say. Where there never was one, that is nothing.
    fn lost(&self) -> Standing<A::Revision> {
        let sets = self.folder.join(SETS);
        let folders = self.disk.folders(&sets).inspect_err(|error| tracing::error!(%error, "{}", sets.display()));
        let folders: BTreeSet<A::Revision> =
            folders.unwrap_or_default().iter().filter_map(|name| name.parse().ok()).collect();
        let named = |revision: &A::Revision| Some(fit::manifest::<A>(self.disk, &self.set(revision)).ok()?.revision());
        let highest = folders.iter().filter_map(named).max();
        Standing::lost(folders, highest)
    }

    fn named(&self, revision: A::Revision) -> InUse<A::Revision> {
        let folder = self.set(&revision);
        InUse { revision, folder }
    }

    fn change(&self, change: impl FnOnce(&mut Standing<A::Revision>)) -> Result<(), KeepFault> {
        let mut standing = self.standing()?;
        let before = standing.clone();
        change(&mut standing);
        if standing == before { Ok(()) } else { self.write(&standing) }
    }

    /// Unpacks one, has it tested where it lies, and puts it to use: on trial where `before` says what the one in use
    /// can do, for good where nobody will watch. False where it was in use already.
    ///
    /// # Errors
    /// See [`ArtefactFault`]; the one in use is then the one before.
    pub fn install(
        &self,
        file: &mut dyn Read,
        terms: &Terms<'_, A>,
        before: Option<Before>,
        test: &mut dyn FnMut(&Path) -> Result<(), String>,
    ) -> Result<bool, ArtefactFault> {
        let mut standing = self.standing()?;
        // Whoever watched it is gone, or this would not be asked.
        standing.go_back("another was asked for before it had proved itself".to_owned());
        let (sealed, manifest) = judge::judge(file, terms, &standing)?;
        let revision = manifest.revision();
        let folder = self.set(&revision);
        if standing.current.as_ref() == Some(&revision) && standing.used().is_none() {
            // It was passed over, so it comes as if it had never been here.
            standing.current = None;
        }
        if standing.current.as_ref() == Some(&revision) {
            let same = keep::whole(self.disk, &folder.join(MANIFEST)).is_ok_and(|kept| kept == sealed);
            return if same { Ok(false) } else { Err(ArtefactFault::SameRevision(revision.to_string())) };
        }
        // Who installs by hand sees for himself that it never ends.
        let may_begin = before.is_none() || standing.begin(&revision);
        standing.loose.extend(standing.former.take());
        standing.loose.insert(revision.clone());
        self.write(&standing)?;
        self.clear(&standing)?;
        if !may_begin {
            return Err(ArtefactFault::NeverEnds(MOST_TRIES));
        }
        let unpacked = unpack::unpack(self.disk, file, (&manifest.parts(), &sealed), &folder);
        unpacked.and_then(|()| test(&folder).map_err(ArtefactFault::SelfTest)).inspect_err(|_| {
            // It is loose: what is left of it now is removed before the next one.
            drop(self.disk.remove_folder(&folder));
            // It ended, so the next order of it has all its attempts; where this is not written down, fewer.
            drop(self.write(&Standing { begun: None, ..standing.clone() }));
        })?;
        standing.take(revision, before);
        Ok(self.write(&standing).map(|()| true)?)
    }

    /// Looks at the agent, in this boot, while one is on trial; true once that has ended.
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
        let (Some(before), Some(revision)) = (&standing.trial, &standing.current) else { return Ok(true) };
        let seen = evidence.and_then(|evidence| A::seen(evidence, revision));
        let spent = standing.has_had_its_boots().map(Verdict::Fails);
        let verdict = spent.unwrap_or_else(|| watch.look(seen.as_ref(), before, patience, now));
        match (verdict, standing.awaits_line) {
            (Verdict::Fails(why), _) if standing.has_had_its_boots().is_some() => standing.go_back(why),
            (Verdict::Holds, _) => standing.hold(),
            (Verdict::HoldsWithoutLine, None) => {
                *watch = Watch::default();
                standing.hold_without_line(A::NEEDS_LINE);
            }
            (Verdict::Fails(_), None) if evidence.is_some() && seen.is_none() => {
                standing.go_back("another one runs in its place".to_owned());
            }
            (Verdict::Fails(why), None) => standing.go_back(why),
            // The watch is of this life of the process, the hours are kept.
            (_, Some(_)) if watch.age(now) >= HOUR => {
                *watch = Watch::default();
                if standing.waited_an_hour() {
                    standing.go_back("it did not reach the center for a day, which the former one did".to_owned());
                }
            }
            // At once where the boot is new: it may be this one that it cuts short.
            (Verdict::Wait, None) | (_, Some(_)) => {
                return if is_new { self.write(&standing).map(|()| false) } else { Ok(false) };
            }
        }
        self.write(&standing)?;
        Ok(standing.trial.is_none())
    }

    /// One on trial begins once more, in this boot; false, and given up, where it has had its boots. For whoever starts
    /// it before anybody looks.
    ///
    /// # Errors
    /// When that cannot be written down.
    pub fn meet(&self, boot: &str) -> Result<bool, KeepFault> {
        let mut may_begin = true;
        self.change(|standing| {
            standing.meet(boot);
            if let Some(why) = standing.has_had_its_boots() {
                standing.go_back(why);
                may_begin = false;
            }
        })?;
        Ok(may_begin)
    }

    /// The first so many of the untold were told.
    ///
    /// # Errors
    /// When that cannot be written down; they are told again.
    pub fn told(&self, count: usize) -> Result<(), KeepFault> {
        self.change(|standing| drop(standing.untold.drain(..count.min(standing.untold.len()))))
    }

    fn set(&self, revision: &A::Revision) -> PathBuf {
        self.folder.join(SETS).join(revision.to_string())
    }

    fn write(&self, standing: &Standing<A::Revision>) -> Result<(), KeepFault> {
        // The first time there is no folder yet; where it cannot be made, the writing says so.
        drop(self.disk.make_folder(&self.folder));
        keep::write(self.disk, &self.folder.join(STANDING), &Self::KIND.bytes(standing))
    }

    /// Removes those that nobody needs, and makes the place for another.
    fn clear(&self, standing: &Standing<A::Revision>) -> Result<(), ArtefactFault> {
        let sets = self.folder.join(SETS);
        let fault = |source| ArtefactFault::Disk { path: sets.clone(), source };
        self.disk.make_folder(&sets).map_err(fault)?;
        standing.loose.iter().try_for_each(|loose| self.disk.remove_folder(&self.set(loose))).map_err(fault)
    }
}
