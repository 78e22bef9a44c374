//! The ring beside a model of it, on a disk that fails and loses power anywhere.
//!
//! What must hold: a group that was stored is read back byte for byte, or was evicted in its turn, and nothing that is
//! pinned ever is; in the index as a power cut leaves it, no row is without its bytes.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestError, TestRunner};

use edge_protocol::time::WallTime;

use super::*;
use crate::disk::faulty::{FaultyDisk, Plan};

const QUOTA: u64 = 60_000;
const ALL: u32 = 100_000;

#[derive(Debug, Clone)]
enum Action {
    Store { pictures: usize, bytes: usize, seconds: u64, key: bool, new_coding: bool, after_gap: bool },
    Pin { from: u64, to: u64 },
    Release,
    BreakDisk { after: u64 },
    FillDisk { room: u64 },
    Reopen,
    LoseIndex,
    CutPower { after: u64, seed: u64 },
}

fn action() -> impl Strategy<Value = Action> {
    let stored =
        (1..6_usize, 1..900_usize, 1..25_u64, any::<bool>(), prop::bool::weighted(0.1), prop::bool::weighted(0.1));
    prop_oneof![
        12 => stored.prop_map(|(pictures, bytes, seconds, key, new_coding, after_gap)| {
            Action::Store { pictures, bytes, seconds, key, new_coding, after_gap }
        }),
        1 => (0..200_u64, 0..200_u64).prop_map(|(from, to)| Action::Pin { from, to }),
        1 => Just(Action::Release),
        1 => (1..8_u64).prop_map(|after| Action::BreakDisk { after }),
        1 => (0..20_000_u64).prop_map(|room| Action::FillDisk { room }),
        1 => Just(Action::Reopen),
        1 => Just(Action::LoseIndex),
        3 => (1..12_u64, any::<u64>()).prop_map(|(after, seed)| Action::CutPower { after, seed }),
    ]
}

struct Harness {
    disk: FaultyDisk,
    place: RingPlace,
    _folder: tempfile::TempDir,
    ring: Option<Ring>,
    stored: Vec<(Group, Vec<u8>)>,
    pinned: Vec<u64>,
    coding: u8,
    seconds: u64,
    /// Whether there was ever more than fits.
    may_evict: bool,
    /// The power fails with what the unsynced bytes become.
    cut: Option<u64>,
}

impl Harness {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = RingPlace {
            folder: PathBuf::from("/ring"),
            index: Some(folder.path().join("index.sqlite")),
            unit: UnitId::new("pole-017").unwrap(),
            camera: CameraId::new("gate").unwrap(),
            quota_bytes: QUOTA,
        };
        let disk = FaultyDisk::new(Plan::none());
        let ring = Ring::open(Arc::new(disk.clone()), place.clone()).unwrap().0;
        Self {
            disk,
            place,
            _folder: folder,
            ring: Some(ring),
            stored: Vec::new(),
            pinned: Vec::new(),
            coding: 0,
            seconds: 0,
            may_evict: false,
            cut: None,
        }
    }

    fn apply(&mut self, action: &Action) -> Result<(), TestCaseError> {
        let at = self.disk.operations();
        match *action {
            Action::Store { .. } => self.store(action),
            Action::Pin { from, to } => self.pin(from, to),
            Action::Release => {
                self.reader().release("pin").unwrap();
                self.pinned.clear();
            }
            Action::BreakDisk { after } => self.disk.plan(Plan { broken_at: Some(at + after), ..Plan::none() }),
            Action::FillDisk { room } => {
                self.may_evict = true;
                let used = self.ring.as_ref().unwrap().usage().bytes;
                self.disk.plan(Plan { capacity: Some(used + room), ..Plan::none() });
            }
            Action::Reopen => self.reopen(),
            Action::LoseIndex => {
                self.ring = None;
                crate::database::set_aside(&self.place.index_path()).unwrap();
                self.reopen();
            }
            Action::CutPower { after, seed } => {
                self.disk.plan(Plan { crash_at: Some(at + after), ..Plan::none() });
                self.cut = Some(seed);
            }
        }
        if self.disk.crashed() {
            self.after_the_cut()?;
        }
        self.check()
    }

    fn store(&mut self, action: &Action) {
        let Action::Store { pictures, bytes, seconds, key, new_coding, after_gap } = *action else { return };
        self.coding = self.coding.wrapping_add(u8::from(new_coding));
        let video = vec![u8::try_from(self.seconds % 256).unwrap(); bytes];
        let media = MediaTime::from_nanos(i64::try_from(self.seconds).unwrap());
        let picture = |at| NewPicture { bytes: &video, key: key && at == 0, decode: media, media };
        let pictures: Vec<_> = (0..pictures).map(picture).collect();
        let ring = self.ring.as_mut().unwrap();
        self.may_evict |= ring.usage().bytes + (bytes * pictures.len()) as u64 > QUOTA;
        let stored = ring.append(&NewGroup {
            codec: Codec::H264,
            parameters: Hash256::of(&[self.coding]),
            size: None,
            discontinuity: after_gap,
            wall: WallStamp { time: wall(self.seconds), ..WallStamp::default() },
            duration: Duration::from_secs(seconds),
            pictures: &pictures,
        });
        self.seconds += seconds;
        if let Ok(group) = stored {
            self.stored.push((group, video.repeat(pictures.len())));
        }
    }

    fn pin(&mut self, from: u64, to: u64) {
        let last = self.seconds.max(1);
        let (from, to) = (last * from / 200, last * to / 200);
        let pinned = self.reader().pin("pin", wall(from), wall(to), ALL).unwrap().groups;
        self.pinned.extend(pinned.iter().map(|group| group.segment));
    }

    fn reopen(&mut self) {
        self.ring = None;
        self.disk.plan(Plan::none());
        self.pinned.clear();
        self.ring = Some(Ring::open(Arc::new(self.disk.clone()), self.place.clone()).unwrap().0);
    }

    fn after_the_cut(&mut self) -> Result<(), TestCaseError> {
        self.ring = None;
        self.disk = self.disk.after_power_cut(self.cut.take().unwrap_or(0));
        for group in self.reader().index.groups_between(wall(0), WallTime::from_micros(i64::MAX), ALL).unwrap() {
            let found = segment::read(&self.disk, &self.place.folder, &group);
            prop_assert!(matches!(found, Ok(Some(_))), "a row without its bytes: {:?}", group);
        }
        self.reopen();
        Ok(())
    }

    fn reader(&self) -> RingReader {
        RingReader::open(Arc::new(self.disk.clone()), self.place.clone()).unwrap()
    }

    fn check(&mut self) -> Result<(), TestCaseError> {
        let reader = self.reader();
        let indexed = reader.index.groups_between(wall(0), WallTime::from_micros(i64::MAX), ALL).unwrap();
        let oldest_left = indexed.iter().map(|group| group.segment).find(|segment| !self.pinned.contains(segment));
        for (group, video) in &self.stored {
            if indexed.contains(group) {
                let contents = reader.read(group).unwrap();
                prop_assert!(contents.is_some_and(|contents| contents.video == *video), "not as stored: {:?}", group);
                continue;
            }
            prop_assert!(!self.pinned.contains(&group.segment), "pinned and gone: {:?}", group);
            let in_turn = oldest_left.is_none_or(|oldest| group.segment < oldest);
            prop_assert!(in_turn, "gone before its turn: {:?}", group);
        }
        let gone = self.stored.iter().any(|(group, _)| !indexed.contains(group));
        prop_assert!(!gone || self.may_evict, "evicted without need");
        self.stored.retain(|(group, _)| indexed.contains(group));
        Ok(())
    }
}

fn wall(second: u64) -> WallTime {
    WallTime::from_micros(1).saturating_add(Duration::from_secs(second))
}

fn run() -> Result<(), TestError<Vec<Action>>> {
    let mut runner =
        TestRunner::new(Config { cases: crate::cases(40), failure_persistence: None, ..Config::default() });
    runner.run(&proptest::collection::vec(action(), 1..50), |actions| {
        let mut harness = Harness::new();
        actions.iter().try_for_each(|action| harness.apply(action))
    })
}

#[test]
#[cfg(not(any(feature = "sabotage-fsync-off", feature = "sabotage-index-before-data")))]
fn what_was_stored_is_found_again_after_failures_and_power_cuts() {
    if let Err(found) = run() {
        panic!("{found}");
    }
}

#[test]
#[cfg(any(feature = "sabotage-fsync-off", feature = "sabotage-index-before-data"))]
fn the_model_sees_a_ring_that_does_not_sync_or_indexes_too_early() {
    assert!(run().is_err());
}
