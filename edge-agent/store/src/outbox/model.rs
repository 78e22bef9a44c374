//! The outbox beside a model of it, under random use with kills and power cuts.
//!
//! A power cut leaves both files as they were synced by the last commit, and of what was written to the log since then
//! any part, or noise in its place.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use edge_protocol::lane::PerLane;
use edge_protocol::record::LossCause;

use super::*;
use crate::disk::{Disk, RealDisk};

const LANES: [Lane; 4] = [Lane::Hit, Lane::Alert, Lane::Read, Lane::Object];
/// Small enough that dropping is an everyday thing.
const BUDGET: Budget =
    Budget { total: 6_000, lanes: PerLane([6_000, 6_000, 6_000, 6_000, 6_000, 3_000, 2_000, 1_000, 1_000]) };

#[derive(Debug, Clone)]
enum Action {
    Append { lane: usize, bytes: usize },
    Commit,
    Settle { lane: usize, share: u8 },
    GiveUp { lane: usize, share: u8 },
    StateLosses,
    Kill,
    CutPower { tail: usize, noise: bool },
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        8 => (0..LANES.len(), 0..600_usize).prop_map(|(lane, bytes)| Action::Append { lane, bytes }),
        4 => Just(Action::Commit),
        2 => (0..LANES.len(), any::<u8>()).prop_map(|(lane, share)| Action::Settle { lane, share }),
        1 => (0..LANES.len(), any::<u8>()).prop_map(|(lane, share)| Action::GiveUp { lane, share }),
        1 => Just(Action::StateLosses),
        1 => Just(Action::Kill),
        1 => (0..9_000_usize, any::<bool>()).prop_map(|(tail, noise)| Action::CutPower { tail, noise }),
    ]
}

/// What must be found again.
#[derive(Debug, Clone, Default)]
struct Model {
    records: BTreeMap<(Lane, Sequence), Vec<u8>>,
    last: BTreeMap<Lane, Sequence>,
    settled: BTreeMap<Lane, Sequence>,
    losses: BTreeMap<(Lane, Sequence), Option<Sequence>>,
}

impl Model {
    fn lane_bytes(&self, lane: Lane) -> u64 {
        let of_lane = self.records.iter().filter(|((of, _), _)| *of == lane);
        of_lane.map(|(_, payload)| payload.len() as u64 + RECORD_OVERHEAD_BYTES).sum()
    }

    fn append(&mut self, lane: Lane, payload: Vec<u8>) -> Sequence {
        let sequence = self.last.get(&lane).map_or(Sequence::new(1), |last| last.next());
        self.last.insert(lane, sequence);
        self.records.insert((lane, sequence), payload);
        let over_lane = |model: &Self| model.lane_bytes(lane) > BUDGET.lanes[lane];
        while lane.may_be_dropped() && over_lane(self) {
            self.drop_oldest(lane);
        }
        while Lane::ALL.into_iter().map(|lane| self.lane_bytes(lane)).sum::<u64>() > BUDGET.total {
            let least = Lane::ALL.into_iter().rev().find(|lane| lane.may_be_dropped() && self.lane_bytes(*lane) > 0);
            let Some(least) = least else { break };
            self.drop_oldest(least);
        }
        sequence
    }

    fn drop_oldest(&mut self, lane: Lane) {
        let oldest = *self.records.keys().find(|(of, _)| *of == lane).unwrap();
        self.drop_one(oldest);
    }

    /// Nothing where it was dropped or settled before.
    fn drop_one(&mut self, (lane, sequence): (Lane, Sequence)) {
        if self.records.remove(&(lane, sequence)).is_none() {
            return;
        }
        self.losses.insert((lane, sequence), None);
        if lane == Lane::Alert {
            let stated = self.losses.values_mut().filter(|reported| **reported == Some(sequence));
            stated.for_each(|reported| *reported = None);
        }
    }

    fn state(&mut self, statements: &[Statement]) {
        let mut sequence = self.last.get(&Lane::Alert).copied().unwrap_or(Sequence::ZERO);
        for told in statements {
            sequence = sequence.next();
            let of = |(lane, at): &(Lane, Sequence)| *lane == told.lane && *at >= told.first && *at <= told.last;
            let unstated = self.losses.iter_mut().filter(|(name, reported)| reported.is_none() && of(name));
            unstated.for_each(|(_, reported)| *reported = Some(sequence));
        }
        for told in statements {
            self.append(Lane::Alert, told.payload.clone());
        }
    }

    fn settle(&mut self, lane: Lane, sequence: Sequence) {
        self.settled.insert(lane, sequence);
        self.records.retain(|(of, at), _| *of != lane || *at > sequence);
        if lane == Lane::Alert {
            self.losses.retain(|_, reported| reported.is_none_or(|reported| reported > sequence));
        }
    }
}

struct Harness {
    folder: tempfile::TempDir,
    lives: u32,
    path: PathBuf,
    outbox: Option<Outbox>,
    /// Bytes of the log that the last commit made durable.
    durable_log: u64,
    now: Model,
    committed: Model,
}

impl Harness {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outbox.sqlite");
        let outbox = Outbox::open(&path, BUDGET).unwrap().outbox;
        let durable_log = log_bytes(&path);
        let (now, committed) = (Model::default(), Model::default());
        Self { folder, lives: 0, path, outbox: Some(outbox), durable_log, now, committed }
    }

    fn outbox(&mut self) -> &mut Outbox {
        self.outbox.as_mut().unwrap()
    }

    fn apply(&mut self, action: &Action) -> Result<(), TestCaseError> {
        match *action {
            Action::Append { lane, bytes } => {
                let lane = LANES[lane];
                let payload = vec![u8::try_from(bytes % 251).unwrap(); bytes];
                let sequence = self.outbox().append(lane, &payload).unwrap();
                prop_assert_eq!(sequence, self.now.append(lane, payload));
            }
            Action::Commit => {
                self.outbox().commit().unwrap();
                self.committed = self.now.clone();
                self.durable_log = log_bytes(&self.path);
                self.check_reader()?;
            }
            Action::Settle { lane, share } => self.settle(LANES[lane], share)?,
            Action::GiveUp { lane, share } => {
                let lane = LANES[lane];
                let last = self.now.last.get(&lane).map_or(0, |last| last.get());
                let sequence = Sequence::new(last * u64::from(share) / 255);
                // Twice, as a reader does that comes again before the first time is committed.
                for _ in 0..2 {
                    self.outbox().give_up(lane, &[sequence], LossCause::Disk).unwrap();
                }
                self.now.drop_one((lane, sequence));
            }
            Action::StateLosses => {
                let statements = statements(&self.outbox().losses().unwrap());
                self.outbox().append_statements(&statements).unwrap();
                self.now.state(&statements);
            }
            Action::Kill => {
                self.outbox = None;
                self.reopen(self.path.clone())?;
            }
            Action::CutPower { tail, noise } => {
                let path = self.copy_as_after_a_cut(tail, noise);
                self.outbox = None;
                self.reopen(path)?;
            }
        }
        self.check_losses()
    }

    fn settle(&mut self, lane: Lane, share: u8) -> Result<(), TestCaseError> {
        let last = self.committed.last.get(&lane).copied().unwrap_or(Sequence::ZERO);
        let sequence = Sequence::new(last.get() * (u64::from(share) + 1) / 200);
        let epoch = self.outbox().epoch();
        let settled = self.outbox().settle(epoch, lane, sequence).unwrap();
        let before = self.now.settled.get(&lane).copied().unwrap_or(Sequence::ZERO);
        if sequence > last {
            prop_assert_eq!(settled, Settled::Beyond);
        } else if sequence <= before {
            prop_assert_eq!(settled, Settled::Already);
        } else {
            let had = self.now.records.len() as u64;
            self.now.settle(lane, sequence);
            prop_assert_eq!(settled, Settled::Forgot(had - self.now.records.len() as u64));
        }
        Ok(())
    }

    fn copy_as_after_a_cut(&mut self, tail: usize, noise: bool) -> PathBuf {
        self.lives += 1;
        let life = self.folder.path().join(self.lives.to_string());
        RealDisk.make_folder(&life).unwrap();
        let path = life.join("outbox.sqlite");
        std::fs::copy(&self.path, &path).unwrap();
        let mut log = std::fs::read(log_of(&self.path)).unwrap_or_default();
        let durable = usize::try_from(self.durable_log).unwrap();
        if noise {
            log.truncate(durable);
            log.extend((0..tail).map(|at| u8::try_from(at * 31 % 256).unwrap()));
        } else {
            log.truncate(durable + tail);
        }
        RealDisk.create(&log_of(&path)).unwrap().write_all_at(&log, 0).unwrap();
        path
    }

    fn reopen(&mut self, path: PathBuf) -> Result<(), TestCaseError> {
        let opened = Outbox::open(&path, BUDGET).unwrap();
        prop_assert!(!opened.fresh && opened.set_aside.is_none(), "a cut is no damage");
        self.outbox = Some(opened.outbox);
        self.durable_log = log_bytes(&path);
        self.path = path;
        self.now = self.committed.clone();
        self.check_reader()
    }

    fn check_reader(&mut self) -> Result<(), TestCaseError> {
        let reader = OutboxReader::open(&self.path).unwrap();
        for lane in LANES {
            let limit = Limit { records: 1_000, bytes: usize::MAX };
            let found = reader.unsettled(lane, Sequence::ZERO, limit).unwrap();
            prop_assert!(found.rotten.is_empty());
            let found: Vec<_> = found.records.into_iter().map(|stored| (stored.sequence, stored.payload)).collect();
            let expected = self.committed.records.iter().filter(|((of, _), _)| *of == lane);
            let expected: Vec<_> = expected.map(|((_, sequence), payload)| (*sequence, payload.clone())).collect();
            prop_assert_eq!(found, expected, "{}", lane);
            prop_assert_eq!(reader.backlog(lane).unwrap().bytes, self.committed.lane_bytes(lane));
        }
        Ok(())
    }

    fn check_losses(&mut self) -> Result<(), TestCaseError> {
        let mut stated = Vec::new();
        for loss in self.outbox().losses().unwrap() {
            stated.extend((loss.first.get()..=loss.last.get()).map(|at| (loss.lane, Sequence::new(at))));
        }
        let expected = self.now.losses.iter().filter(|(_, reported)| reported.is_none());
        prop_assert_eq!(stated, expected.map(|(name, _)| *name).collect::<Vec<_>>());
        Ok(())
    }
}

/// One for each loss, large enough that several of them need room.
fn statements(losses: &[Loss]) -> Vec<Statement> {
    let state = |loss: &Loss| {
        let Loss { lane, cause, first, last } = *loss;
        Statement { lane, cause, first, last, payload: vec![7; 200] }
    };
    losses.iter().map(state).collect()
}

fn log_of(path: &Path) -> PathBuf {
    path.with_extension("sqlite-wal")
}

fn log_bytes(path: &Path) -> u64 {
    log_of(path).metadata().map_or(0, |facts| facts.len())
}

fn run() -> Result<(), proptest::test_runner::TestError<Vec<Action>>> {
    let mut runner =
        TestRunner::new(Config { cases: crate::cases(40), failure_persistence: None, ..Config::default() });
    runner.run(&proptest::collection::vec(action(), 1..60), |actions| {
        let mut harness = Harness::new();
        actions.iter().try_for_each(|action| harness.apply(action))
    })
}

#[test]
#[cfg(not(feature = "sabotage-ack-before-commit"))]
fn what_was_committed_is_found_again_after_kills_and_power_cuts() {
    if let Err(found) = run() {
        panic!("{found}");
    }
}

#[test]
#[cfg(feature = "sabotage-ack-before-commit")]
fn the_model_sees_an_outbox_that_says_committed_too_early() {
    assert!(run().is_err());
}
