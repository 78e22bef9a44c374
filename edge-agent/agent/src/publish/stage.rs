//! The stage itself: takes entries, makes their groups durable, tells the uplink.

use std::path::PathBuf;
use std::time::Duration;

use super::group::Group;
use super::loss;
use crate::supervise::queue::{ReceiveError, Receiver};
use crate::supervise::{Clock, Fault, Pulse, Stop};
use edge_protocol::id::{Epoch, Sequence};
use edge_protocol::lane::{Lane, PerLane};
use edge_protocol::record::{LossCause, Record};
use edge_protocol::time::MonoTime;
use edge_store::outbox::{Budget, OpenedOutbox, Outbox, OutboxError, Settled, Spent};

/// The longest the stage goes without showing that it lives.
const TICK: Duration = Duration::from_secs(1);

/// Between two statements of losses: each costs bytes of its own, and where the day's bytes are short records are given
/// up many times a second. Shorter than the wait after which a lane without progress is sent again.
const STATE_EVERY: Duration = Duration::from_secs(20);

/// What the stage is asked to do.
#[derive(Debug)]
pub enum Entry {
    /// Tell this.
    Record(Record),
    /// The center has settled a lane up to a sequence.
    Settle(Settlement),
    /// These will never be sent.
    GiveUp {
        /// Which outbox file they are in.
        epoch: Epoch,
        /// Their lane.
        lane: Lane,
        /// Which.
        sequences: Vec<Sequence>,
        /// Why.
        cause: LossCause,
    },
    /// So much has gone out today.
    Spent(Spent),
    /// The outbox file of this life cannot be read in places.
    Damaged(Epoch),
}

/// The center's acknowledgement, or the broker's where that is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settlement {
    /// Which outbox file it is about.
    pub epoch: Epoch,
    /// Which lane.
    pub lane: Lane,
    /// Up to and with which record.
    pub up_to: Sequence,
}

/// Told after every commit, lane by lane: the file's life and the last record that is now durable.
pub type Announce = Box<dyn FnMut(Epoch, Lane, Sequence) + Send>;

/// Where the outbox lives and what it may take.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The file.
    pub path: PathBuf,
    /// Its share of the disk.
    pub budget: Budget,
}

/// What the stage is connected to.
pub struct Ends {
    /// What is to be told.
    pub entries: Receiver<Entry>,
    /// Who waits for commits.
    pub announce: Announce,
    /// Reads time.
    pub clock: Clock,
    /// Shows progress to the watchdog.
    pub pulse: Pulse,
}

impl std::fmt::Debug for Ends {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ends").finish_non_exhaustive()
    }
}

/// Whether a commit states losses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stating {
    /// There are none.
    Nothing,
    /// All of them.
    Done,
    /// It is too soon after the last time.
    Later,
}

/// The stage that owns the outbox.
#[derive(Debug)]
pub struct Publisher {
    plan: Plan,
    outbox: Outbox,
    ends: Ends,
    group: Group,
    /// Where a damaged file went, until there is another one.
    left: Option<PathBuf>,
    /// What the day has cost, for a file that is begun anew.
    spent: Option<Spent>,
    /// When losses were stated last.
    stated: Option<MonoTime>,
    /// Whether there are some that are not.
    owes_statement: bool,
    /// What the log was last told of each lane.
    said: PerLane<Sequence>,
}

impl Publisher {
    /// Opens the outbox and announces what it holds.
    ///
    /// # Errors
    /// When the disk cannot be used at all. A damaged file is set aside and stated as a gap instead.
    pub fn open(plan: Plan, ends: Ends) -> Result<Self, OutboxError> {
        let OpenedOutbox { outbox, set_aside, .. } = Outbox::open(&plan.path, plan.budget)?;
        let mut group = Group::default();
        if let Some(path) = set_aside {
            group.push(Entry::Record(loss::set_aside(&path, ends.clock.wall())), ends.clock.mono());
        }
        let said = PerLane(Lane::ALL.map(|lane| outbox.last_committed(lane)));
        let mut publisher =
            Self { plan, outbox, ends, group, left: None, spent: None, stated: None, owes_statement: false, said };
        publisher.announce();
        Ok(publisher)
    }

    /// The life of the outbox's file.
    pub fn epoch(&self) -> Epoch {
        self.outbox.epoch()
    }

    /// Takes entries until told to stop and nobody sends any more, or until all senders are gone.
    ///
    /// # Errors
    /// Never by itself: what the disk refuses is tried again.
    pub fn run(&mut self, stop: &Stop) -> Result<(), Fault> {
        loop {
            let now = self.ends.clock.mono();
            self.ends.pulse.beat(now);
            let wait = if stop.is_set() { Duration::ZERO } else { self.group.wait(now).unwrap_or(TICK) };
            match self.ends.entries.receive_timeout(wait) {
                Ok(entry) => self.group.push(entry, self.ends.clock.mono()),
                Err(ReceiveError::Timeout) if !stop.is_set() => {}
                Err(ReceiveError::Timeout | ReceiveError::Closed) => return self.flush(),
            }
            let now = self.ends.clock.mono();
            if self.is_due(now) {
                self.commit();
            }
        }
    }

    /// A group that waits takes along what is owed, and one that the disk has refused is not tried sooner for it.
    fn is_due(&self, now: MonoTime) -> bool {
        self.group.wait(now).map_or(self.owes_statement && self.may_state(now), |wait| wait.is_zero())
    }

    /// The last group before the end; a disk that refuses it gets one more chance.
    fn flush(&mut self) -> Result<(), Fault> {
        for _ in 0..2 {
            if self.group.is_empty() {
                return Ok(());
            }
            self.commit();
        }
        let left = self.group.entries().len();
        if left == 0 { Ok(()) } else { Err(Fault(format!("the disk refused the last {left} records"))) }
    }

    /// Makes the group durable. A group that the disk refuses stays and is tried again.
    fn commit(&mut self) {
        let mut group = std::mem::take(&mut self.group);
        let is_damaged = self.left.is_some() || group.tells_of_damage(self.outbox.epoch());
        if is_damaged && !self.start_over(&mut group) {
            self.group = group.refused(self.ends.clock.mono());
            return;
        }
        match self.write(&group) {
            Ok(stating) => {
                self.owes_statement = stating == Stating::Later;
                if stating == Stating::Done {
                    self.stated = Some(self.ends.clock.mono());
                }
                self.announce();
            }
            Err(error) => {
                let records = group.entries().len();
                tracing::error!(error = %Fault::from_error(&error), records, "the outbox cannot be written");
                if cfg!(feature = "sabotage-disk-error-swallowed") {
                    return;
                }
                if error.is_damage() {
                    self.start_over(&mut group);
                }
                self.group = group.refused(self.ends.clock.mono());
            }
        }
    }

    fn announce(&mut self) {
        for (lane, said) in self.said.iter_mut() {
            let (epoch, last) = (self.outbox.epoch(), self.outbox.last_committed(lane));
            (self.ends.announce)(epoch, lane, last);
            // Whoever reads this knows what must survive whatever comes next.
            if std::mem::replace(said, last) != last {
                tracing::debug!(%epoch, %lane, last = last.get(), "committed");
            }
        }
    }

    fn write(&mut self, group: &Group) -> Result<Stating, OutboxError> {
        for entry in group.entries() {
            match entry {
                Entry::Record(record) => {
                    if let Err(error) = record.check() {
                        // The center refuses it and all that is sent with it: it would stop its lane for ever.
                        tracing::error!(lane = %record.lane(), %error, "a record breaks the contract and is not sent");
                        continue;
                    }
                    self.outbox.append(record.lane(), &record.to_payload())?;
                }
                Entry::Settle(settlement) => self.settle(*settlement)?,
                Entry::GiveUp { epoch, lane, sequences, cause } if *epoch == self.outbox.epoch() => {
                    self.outbox.give_up(*lane, sequences, *cause)?;
                }
                Entry::GiveUp { lane, .. } => tracing::debug!(%lane, "what is given up is of another outbox; ignored"),
                Entry::Spent(spent) => {
                    self.spent = Some(*spent);
                    self.outbox.note_spent(*spent)?;
                }
                // Of a file before this one, or it would have been left by now.
                Entry::Damaged(_) => {}
            }
        }
        if let Some(record) = loss::never_written(group.given_up(), self.ends.clock.wall()) {
            self.outbox.append(record.lane(), &record.to_payload())?;
        }
        let stating = self.state_losses()?;
        self.outbox.commit()?;
        Ok(stating)
    }

    fn may_state(&self, now: MonoTime) -> bool {
        self.stated.is_none_or(|at| now.saturating_since(at) >= STATE_EVERY)
    }

    fn state_losses(&mut self) -> Result<Stating, OutboxError> {
        let losses = self.outbox.losses()?;
        if losses.is_empty() {
            return Ok(Stating::Nothing);
        }
        if !self.may_state(self.ends.clock.mono()) {
            return Ok(Stating::Later);
        }
        let statements = loss::statements(&losses, self.outbox.epoch(), self.ends.clock.wall());
        self.outbox.append_statements(&statements)?;
        Ok(Stating::Done)
    }

    fn settle(&mut self, Settlement { epoch, lane, up_to }: Settlement) -> Result<(), OutboxError> {
        match self.outbox.settle(epoch, lane, up_to)? {
            Settled::Forgot(_) | Settled::Already => {}
            Settled::OtherEpoch => tracing::debug!(%lane, "an acknowledgement names another outbox; ignored"),
            Settled::Beyond => tracing::warn!(%lane, "an acknowledgement names records that were never sent; ignored"),
        }
        Ok(())
    }

    /// The file is damaged: set it aside, begin an empty one, say so. What fails is tried again with the next commit.
    fn start_over(&mut self, group: &mut Group) -> bool {
        let opened = match self.left.take() {
            Some(left) => Ok(left),
            None => Outbox::set_aside(&self.plan.path),
        };
        let opened = opened.and_then(|left| {
            let opened = Outbox::open(&self.plan.path, self.plan.budget);
            self.left = opened.is_err().then(|| left.clone());
            Ok((opened?.outbox, left))
        });
        match opened {
            Ok((outbox, left)) => {
                self.outbox = outbox;
                group.leave_the_file();
                let now = self.ends.clock.mono();
                group.push(Entry::Record(loss::set_aside(&left, self.ends.clock.wall())), now);
                if let Some(spent) = self.spent {
                    group.push(Entry::Spent(spent), now);
                }
                self.announce();
                true
            }
            Err(error) => {
                tracing::error!(error = %Fault::from_error(&error), "a fresh outbox cannot be made");
                false
            }
        }
    }
}

#[cfg(test)]
mod tests;
