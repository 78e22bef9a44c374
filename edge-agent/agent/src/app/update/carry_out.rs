//! `edge-agent update carry-out`: does what the center ordered, one step after the other, until the order has ended.
//!
//! The download needs nobody's leave and takes as long as the line takes. Only then does the lock say that this process
//! owns the update's state, and the same state machine installs that a technician's command drives. The boot waits for
//! its hours and for clips. A set of models and a release of the agent go another way from there ([`Trial`]). What a
//! restart or a power cut interrupts goes on from the order and the state on the disk.

use std::path::Path;
use std::time::Duration;

use anyhow::anyhow;
use edge_protocol::agent_release::AgentRelease;
use edge_protocol::lane::Lane;
use edge_protocol::model_set::ModelSet;
use edge_protocol::record::{Sentence, UpdateStage, UpdateStep};
use edge_protocol::time::MonoTime;
use edge_store::disk::RealDisk;
use edge_store::outbox::OutboxReader;

use super::artefacts::Ours;
use super::lock::Lock;
use super::outside::Unit;
use super::trial::Trial;
use super::web::Https;
use super::{Here, LOOK};
use crate::app::run::commands::Log;
use crate::config::{self, Config};
use crate::control::AuditLog as _;
use crate::supervise::Backoff;
use crate::update::{Came, Event, Fetch, Limits, Order, Ordered, Orders, Phase, Refusal, Version, Wanted};

/// After a line that broke off: soon at first, then ever later.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(5);
/// The center hears of each so many percent.
const STEP_PERCENT: u8 = 10;

/// One order on its way.
pub(super) struct Errand<'h> {
    here: &'h Here,
    settings: config::Update,
    unit: Unit,
    trial: Trial,
    /// When this process began to wait for what it waits for.
    since: MonoTime,
    backoff: Backoff,
    /// What the center heard last of the download.
    said: Option<UpdateStep>,
}

/// What to do next.
enum Next {
    /// The order has ended.
    End,
    /// Go on after this time.
    After(Duration),
}

impl<'h> Errand<'h> {
    pub(super) fn new(here: &'h Here, config: Config) -> Self {
        let (settings, trial) = (config.update.clone(), Trial::new(config));
        let backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        Self { here, settings, unit: here.unit(), trial, since: here.clock.mono(), backoff, said: None }
    }

    /// Until there is no order any more.
    pub(super) fn run(&mut self) -> anyhow::Result<()> {
        let folder = self.here.folder();
        loop {
            let Some(order) = Orders::new(&RealDisk, &folder).read()? else { return self.clear() };
            let next = match (order.handed, &order.what) {
                (false, _) => self.bring(&order, &folder)?,
                (true, Ordered::Image { version }) => self.see_through(&order, version)?,
                (true, Ordered::Models { revision }) => self.try_out::<ModelSet>(&order, revision)?,
                (true, Ordered::Agent { agent }) => self.try_out::<AgentRelease>(&order, agent)?,
            };
            match next {
                Next::End => return Ok(()),
                Next::After(pause) => std::thread::sleep(pause),
            }
        }
    }

    fn try_out<A: Ours>(&mut self, order: &Order, revision: &A::Revision) -> anyhow::Result<Next> {
        let (here, waited) = (self.here, self.waited());
        Ok(Next::After(self.trial.step::<A>(here, &mut self.unit, (order, revision), waited)?))
    }

    /// Removes what was downloaded for an order that was refused or called back.
    fn clear(&self) -> anyhow::Result<()> {
        // Where the order is lost, and with it whoever watched.
        self.here.on_trial()?;
        if self.here.peek()?.phase.is_open() {
            let limits = Limits { daily_bytes: self.settings.daily_bytes, disk_bytes: self.settings.disk_bytes };
            Fetch::open(&RealDisk, &self.here.folder(), limits)?.discard()?;
        }
        Ok(())
    }

    fn waited(&self) -> Duration {
        self.here.clock.mono().saturating_since(self.since)
    }

    /// Brings the bundle here and hands it over.
    fn bring(&mut self, order: &Order, folder: &Path) -> anyhow::Result<Next> {
        let now = self.here.clock.wall();
        let phase = self.here.peek()?.phase;
        if !phase.is_open() {
            return self.give_up(order, &Refusal::Busy(phase.as_str().to_owned()));
        }
        if let Some(late) = order.is_late(now, self.waited()) {
            return self.give_up(order, &late);
        }
        let limits = Limits { daily_bytes: self.settings.daily_bytes, disk_bytes: self.settings.disk_bytes };
        let mut fetch = Fetch::open(&RealDisk, folder, limits)?;
        let before = fetch.have(order);
        let day = now.time.as_micros().div_euclid(86_400_000_000);
        let mut web = Https::new(&self.settings.ca)?;
        let came = fetch.go_on(order, &mut web, day, &mut |percent| self.look(order, percent));
        match came {
            Err(refusal) => {
                fetch.discard()?;
                self.give_up(order, &refusal)
            }
            Ok(Came::Spent) => {
                self.say(order, fetch.percent(order), "the day's bytes are spent; it goes on tomorrow")?;
                Ok(Next::After(LONGEST_PAUSE))
            }
            Ok(Came::Broken(_)) if Orders::new(&RealDisk, folder).read()?.is_none() => {
                fetch.discard()?;
                Ok(Next::End)
            }
            Ok(Came::Broken(why)) => {
                let percent = fetch.percent(order);
                if fetch.have(order) > before {
                    self.backoff.succeeded();
                }
                self.say(order, percent, &format!("it broke off and goes on: {why}"))?;
                Ok(Next::After(self.backoff.failed(u32::MAX)))
            }
            Ok(Came::Whole(file)) => match &order.what {
                Ordered::Image { version } => self.hand_over(order, (&file, version)),
                Ordered::Models { .. } | Ordered::Agent { .. } => self.hand_on(order),
            },
        }
    }

    /// Marks an artefact as here; the trial goes on with it.
    fn hand_on(&mut self, order: &Order) -> anyhow::Result<Next> {
        let folder = self.here.folder();
        let _changing = Lock::order(&folder)?;
        let orders = Orders::new(&RealDisk, &folder);
        if orders.read()?.as_ref() == Some(order) {
            orders.write(&Order { handed: true, ..order.clone() })?;
            self.since = self.here.clock.mono();
        }
        Ok(Next::After(Duration::ZERO))
    }

    /// Looks while bytes arrive: tells the center, and whether the order is still this one.
    fn look(&mut self, order: &Order, percent: u8) -> bool {
        let told = self.said.as_ref().map_or(0, |said| said.percent);
        if percent < told.saturating_add(STEP_PERCENT) {
            return true;
        }
        if let Err(error) = self.say(order, percent, &format!("{percent} % is here")) {
            tracing::warn!(%error, "nobody hears how far the download is");
        }
        let folder = self.here.folder();
        matches!(Orders::new(&RealDisk, &folder).read(), Ok(Some(now)) if now == *order)
    }

    fn say(&mut self, order: &Order, percent: u8, words: &str) -> std::io::Result<()> {
        let step = UpdateStep { stage: UpdateStage::Downloading, percent, text: Sentence::cut(words) };
        if self.said.as_ref() == Some(&step) {
            return Ok(());
        }
        tracing::info!(percent, "update: {words}");
        self.said = Some(step.clone());
        self.unit.progress(order, step)
    }

    /// Installs it, if nobody else owns the update's state.
    fn hand_over(&mut self, order: &Order, (file, version): (&Path, &Version)) -> anyhow::Result<Next> {
        let Some((mut updater, _lock)) = self.here.try_updater()? else { return Ok(Next::After(LOOK)) };
        // With two things new at once nobody could say which of them a fault is of.
        if let Some(on_trial) = self.here.on_trial()? {
            return self.give_up(order, &Refusal::Busy(on_trial));
        }
        updater.start(self.here.clock.mono(), self.here.clock.wall())?;
        if !updater.state().phase.is_open() {
            return self.give_up(order, &Refusal::Busy(updater.state().phase.as_str().to_owned()));
        }
        let folder = self.here.folder();
        let changing = Lock::order(&folder)?;
        let orders = Orders::new(&RealDisk, &folder);
        if orders.read()?.as_ref() != Some(order) {
            return Ok(Next::After(Duration::ZERO));
        }
        orders.write(&Order { handed: true, ..order.clone() })?;
        drop(changing);
        self.here.ask(&mut updater, wanted(order, file, version))?;
        self.since = self.here.clock.mono();
        Ok(Next::After(Duration::ZERO))
    }

    /// Goes on with what the update's state machine has.
    fn see_through(&mut self, order: &Order, version: &Version) -> anyhow::Result<Next> {
        let clock = &self.here.clock;
        let may_boot = || order.may_boot(clock.wall(), self.waited(), clip_is_sent(&self.here.data_dir));
        if !is_mine(&self.here.peek()?.phase, may_boot) {
            return Ok(Next::After(LOOK));
        }
        let Some((mut updater, _lock)) = self.here.try_updater()? else { return Ok(Next::After(LOOK)) };
        updater.start(clock.mono(), clock.wall())?;
        if Orders::new(&RealDisk, &self.here.folder()).read()?.is_none() {
            return Ok(Next::End);
        }
        let state = updater.state();
        if matches!(state.phase, Phase::Installed { .. }) {
            let text = Sentence::cut("the unit boots into the new slot");
            self.unit.progress(order, UpdateStep { stage: UpdateStage::Rebooting, percent: 100, text })?;
            updater.handle(Event::RebootAllowed, clock.mono(), clock.wall())?;
        } else if state.phase.is_open() && state.untold.is_empty() {
            // Handed over, and the power failed before the state machine had it.
            self.here.ask(&mut updater, wanted(order, &self.here.downloaded(), version))?;
        }
        Ok(Next::After(LOOK))
    }

    /// Ends an order that nothing was done for; one that took its place meanwhile stays.
    fn give_up(&mut self, order: &Order, why: &Refusal) -> anyhow::Result<Next> {
        let folder = self.here.folder();
        let _changing = Lock::order(&folder)?;
        if Orders::new(&RealDisk, &folder).read()?.as_ref() == Some(order) {
            tracing::warn!("the ordered update is given up: {why}");
            self.unit.give_up(order, why).map_err(|words| anyhow!(words))?;
        }
        Ok(Next::After(Duration::ZERO))
    }
}

/// Whether this process has to do something about it now; what else there is others do, or the next boot.
fn is_mine(phase: &Phase, may_boot: impl Fn() -> bool) -> bool {
    match phase {
        Phase::Installed { .. } => may_boot(),
        // What an end of this process interrupted, or was not told.
        Phase::Idle
        | Phase::Checking { .. }
        | Phase::Verified { .. }
        | Phase::Rebooting { .. }
        | Phase::RollingBack { .. }
        | Phase::Good { .. }
        | Phase::RolledBack { .. } => true,
        // Watched by edge-mark-good.service, which ends the order too.
        Phase::Confirming { .. } | Phase::AwaitingLine { .. } => false,
    }
}

fn wanted(order: &Order, file: &Path, version: &Version) -> Wanted {
    Wanted { file: file.to_owned(), hash: Some(order.hash), version: Some(version.clone()) }
}

/// Whether pieces of a clip wait for the line, or a command is being carried out that may make some.
pub(super) fn clip_is_sent(data_dir: &Path) -> bool {
    let waiting = OutboxReader::open(&data_dir.join("outbox.sqlite")).and_then(|reader| reader.backlog(Lane::Clip));
    let unfinished = Log::open(&data_dir.join("audit.sqlite")).ok().and_then(|mut log| log.unfinished().ok());
    waiting.is_ok_and(|waiting| waiting.records > 0) || unfinished.is_some_and(|intents| !intents.is_empty())
}
