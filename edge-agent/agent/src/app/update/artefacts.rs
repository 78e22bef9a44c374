//! Artefacts beside the image, on this unit: judged, unpacked, tested with what this unit has, put to use, and told of.
//! What they have in common; [`super::models`] and [`super::release`] say what each kind needs.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use edge_store::disk::RealDisk;

use super::Here;
use super::lock::Lock;
use super::news::{News, Words};
use super::outside::Unit;
use crate::config::Config;
use crate::supervise::Clock;
use crate::update::artefact::{Artefact, ArtefactFault, Artefacts, Terms, open};
use crate::update::{Before, KeepFault, Order, Orders, Version};

/// What a kind of artefact needs of this unit.
pub(in crate::app) trait Ours: Artefact {
    /// How people speak of it.
    const WORDS: Words;

    /// Which one an order is of; none where it is of something else.
    fn ordered(order: &Order) -> Option<Self::Revision>;

    /// The file that says who may sign one.
    fn voucher(config: &Config) -> PathBuf;

    /// Who may sign one.
    ///
    /// # Errors
    /// When the file that says it cannot be read.
    fn trust(config: &Config) -> anyhow::Result<Self::Trust>;

    /// The version of the agent that it has to suit.
    fn suited(data_dir: &Path) -> Version;

    /// Whether the agent ends to take it up, and with it a clip that is being sent.
    const ENDS_THE_AGENT: bool;

    /// Tests the one in a folder where it lies.
    fn self_test(here: &Here, config: &Config, folder: &Path) -> Result<(), String>;
}

/// Puts to use what a technician brought; the one in use stays where it is refused. Nobody watches it afterwards.
pub(super) fn install<A: Ours>(here: &Here, config: &Config, file: &Path) -> anyhow::Result<()> {
    let folder = here.owned_folder()?;
    let words = A::WORDS;
    let _lock =
        Lock::artefact(&folder, A::FOLDER)?.with_context(|| format!("another {} put to use", words.is_being))?;
    let ordered = Orders::new(&RealDisk, &folder).read()?.filter(|order| order.handed);
    if let Some(order) = ordered {
        ensure!(order.is_image(), "the center's order of {} is under way", order.what);
    }
    // With two things new at once nobody could say which of them a fault is of.
    let phase = here.peek()?.phase;
    ensure!(phase.is_open(), "an image is on its way ({}): wait until it is good or rolled back", phase.as_str());
    let taken = put_to_use::<A>(here, config, file, None, None)?;
    let taken = taken.with_context(|| format!("{} is refused, {}", file.display(), words.stays))?;
    let artefacts = Artefacts::<A>::new(&RealDisk, &here.data_dir);
    tell(&mut here.unit(), &artefacts, &folder)?;
    let name = words.name(artefacts.in_use().map(|one| one.revision).as_ref());
    let said = if taken { format!("{} tested and in use", words.is) } else { format!("{} in use already", words.was) };
    writeln!(std::io::stdout(), "{name} {said}")?;
    Ok(())
}

/// Whose artefacts the agent itself has changed.
#[derive(Debug, Clone, Copy)]
pub(in crate::app) struct Home<'h> {
    pub(in crate::app) data_dir: &'h Path,
    /// None where no configuration can be used; then what is told has no seal.
    pub(in crate::app) config: Option<&'h Config>,
    pub(in crate::app) clock: &'h Clock,
    /// Whether another process that owns the artefacts is waited for, for some seconds.
    pub(in crate::app) waits: bool,
}

impl Home<'_> {
    /// Has something written down and told. False where another process owns the artefacts.
    pub(in crate::app) fn change<A: Ours>(
        &self,
        change: impl FnOnce(&Artefacts<'_, A>) -> Result<(), KeepFault>,
    ) -> anyhow::Result<bool> {
        let folder = self.data_dir.join("update");
        let lock = if self.waits { Lock::artefact_soon } else { Lock::artefact };
        let Some(_lock) = lock(&folder, A::FOLDER)? else { return Ok(false) };
        let artefacts = Artefacts::new(&RealDisk, self.data_dir);
        change(&artefacts)?;
        let mut unit = Unit::new(self.data_dir.to_owned(), self.config.cloned(), self.clock.clone());
        tell(&mut unit, &artefacts, &folder)?;
        Ok(true)
    }
}

/// Whether one is on trial. One whose order is lost, so that nobody watches it, is given up.
pub(super) fn settle<A: Ours>(here: &Here) -> anyhow::Result<bool> {
    let artefacts = Artefacts::<A>::new(&RealDisk, &here.data_dir);
    let standing = artefacts.standing()?;
    if standing.trial.is_none() && standing.untold.is_empty() {
        return Ok(false);
    }
    let folder = here.owned_folder()?;
    let Some(_lock) = Lock::artefact(&folder, A::FOLDER)? else { return Ok(standing.trial.is_some()) };
    let watched = Orders::new(&RealDisk, &folder).read()?.and_then(|order| A::ordered(&order));
    if watched.is_some() && watched == artefacts.standing()?.current {
        return Ok(standing.trial.is_some());
    }
    artefacts.give_up("its order is lost, so nobody watched whether it works".to_owned())?;
    tell(&mut here.unit(), &artefacts, &folder)?;
    Ok(false)
}

/// Tells what nobody has been told, to nobody in particular. What became of an ordered one is left to whoever carries
/// the order out: who asked for it hears of it there.
fn tell<A: Ours>(unit: &mut Unit, artefacts: &Artefacts<'_, A>, folder: &Path) -> anyhow::Result<()> {
    let order = Orders::new(&RealDisk, folder).read()?.filter(|order| order.handed);
    let ordered = order.and_then(|order| A::ordered(&order));
    for told in artefacts.standing()?.untold {
        if ordered.as_ref() == Some(&told.swap().to) {
            break;
        }
        unit.write_down(&News::of_artefact::<A>(&told), None).map_err(|words| anyhow::anyhow!(words))?;
        artefacts.told(1)?;
    }
    Ok(())
}

/// Judges, unpacks and tests one, and puts it to use; false where it was already. On trial where `before` says what the
/// one in use can do.
pub(super) fn put_to_use<A: Ours>(
    here: &Here,
    config: &Config,
    file: &Path,
    wanted: Option<A::Revision>,
    before: Option<Before>,
) -> anyhow::Result<Result<bool, ArtefactFault>> {
    let (trust, software) = (A::trust(config)?, A::suited(&here.data_dir));
    // The state that bundles of images are judged by too.
    let latest = here.peek()?.latest;
    let terms = Terms { trust: &trust, software: &software, now: here.clock.wall(), latest, wanted };
    let artefacts = Artefacts::<A>::new(&RealDisk, &here.data_dir);
    let mut test = |folder: &Path| A::self_test(here, config, folder);
    Ok(open(file).and_then(|mut file| artefacts.install(&mut file, &terms, before, &mut test)))
}
