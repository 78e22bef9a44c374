use std::sync::Mutex;

use bytes::Bytes;
use edge_protocol::id::UnitId;
use edge_protocol::media::Codec;
use edge_protocol::time::{MediaTime, WallStamp};
use edge_store::disk::RealDisk;
use edge_store::disk::faulty::{FaultyDisk, Plan};
use edge_store::ring::RingReader;

use super::*;
use crate::record::{Feed, feed};
use crate::supervise::Heartbeats;

struct Bench {
    disk: FaultyDisk,
    place: RingPlace,
    told: Arc<Mutex<Vec<Told>>>,
    feed: Feed,
    recorder: Recorder,
    _folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = RingPlace {
            folder: "/ring".into(),
            index: Some(folder.path().join("index.sqlite")),
            unit: UnitId::new("pole-017").unwrap(),
            camera: "street".parse().unwrap(),
            quota_bytes: 1 << 30,
        };
        let disk = FaultyDisk::new(Plan::none());
        let (feed, units) = feed();
        let told: Arc<Mutex<Vec<Told>>> = Arc::default();
        let (tell, clock) = (Arc::clone(&told), Clock::system());
        let tell = Box::new(move |what| tell.lock().unwrap().push(what));
        let pulse = Heartbeats::default().register("record", Duration::from_secs(5), clock.mono());
        let ends = Ends { feed: units, clock, pulse };
        let mut recorder = Recorder::new(Arc::new(disk.clone()), place.clone(), ends, tell);
        recorder.open().unwrap();
        Self { disk, place, told, feed, recorder, _folder: folder }
    }

    /// Offers pictures of a stream of ten a second with a key frame each second, and records them.
    fn record(&mut self, tenths: std::ops::Range<i64>) {
        for tenth in tenths {
            self.feed.offer(unit(tenth));
            self.drain();
        }
    }

    fn drain(&mut self) {
        while let Ok(fed) = self.recorder.ends.feed.try_receive() {
            self.recorder.take(fed);
        }
    }

    fn video(&self) -> Vec<u8> {
        let reader = RingReader::open(Arc::new(self.disk.clone()), self.place.clone()).unwrap();
        let found = reader.select(wall(0), wall(10_000), 1_000).unwrap();
        found.groups.iter().flat_map(|group| reader.read(group).unwrap().unwrap().video).collect()
    }
}

fn wall(tenth: i64) -> WallTime {
    WallTime::from_micros(1_790_000_000_000_000 + tenth * 100_000)
}

fn unit(tenth: i64) -> AccessUnit {
    let media = MediaTime::from_nanos(tenth * 100_000_000);
    AccessUnit {
        camera: "street".parse().unwrap(),
        codec: Codec::H264,
        media,
        decode: media,
        arrival: MonoTime::ZERO.saturating_add(Duration::from_millis(100) * u32::try_from(tenth).unwrap()),
        wall: WallStamp { time: wall(tenth), ..WallStamp::default() },
        key: tenth % 10 == 0,
        size: Some((640, 360)),
        bytes: Bytes::from(vec![u8::try_from(tenth % 256).unwrap(); 50]),
    }
}

fn bytes(tenths: impl Iterator<Item = i64>) -> Vec<u8> {
    tenths.flat_map(|tenth| unit(tenth).bytes).collect()
}

#[test]
fn the_ring_holds_exactly_the_cameras_bytes() {
    let mut bench = Bench::new();
    bench.record(0..45);
    assert_eq!(bench.video(), bytes(0..40), "the fifth second has not ended");
    bench.recorder.flush();
    assert_eq!(bench.video(), bytes(0..45));
    assert!(bench.told.lock().unwrap().is_empty());
    let recorded = bench.recorder.recorded();
    assert_eq!((recorded.stored(), recorded.failed()), (5, 0));
    assert!(recorded.bytes() > 45 * 50);
}

#[test]
fn a_camera_that_falls_silent_is_stored_within_three_seconds_and_its_gap_stated() {
    let mut bench = Bench::new();
    bench.record(0..15);
    let at = |seconds| MonoTime::ZERO.saturating_add(Duration::from_secs(seconds));
    bench.recorder.flush_if_late(at(3));
    assert_eq!(bench.video(), bytes(0..10));
    bench.recorder.flush_if_late(at(4));
    assert_eq!(bench.video(), bytes(0..15));
    bench.record(100..111);
    let gap = Gap { from: wall(15), to: wall(100), reason: GapReason::Camera };
    let camera = bench.place.camera.clone();
    assert_eq!(*bench.told.lock().unwrap(), [Told::Missing(camera, gap)]);
}

#[test]
fn a_clock_that_is_set_forward_is_not_told_as_the_cameras_silence() {
    let mut bench = Bench::new();
    bench.record(0..30);
    for tenth in 30..41 {
        let moved = WallStamp { time: wall(tenth + 36_000), ..WallStamp::default() };
        bench.feed.offer(AccessUnit { wall: moved, ..unit(tenth) });
        bench.drain();
    }
    let gap = Gap { from: wall(30), to: wall(36_030), reason: GapReason::Clock };
    assert_eq!(*bench.told.lock().unwrap(), [Told::Missing(bench.place.camera.clone(), gap)]);
}

#[test]
fn a_camera_that_falls_behind_is_not_told_as_a_clock_that_was_set() {
    let mut bench = Bench::new();
    for tenth in 0..21 {
        let AccessUnit { arrival, wall, .. } = unit(3 * tenth);
        bench.feed.offer(AccessUnit { arrival, wall, ..unit(tenth) });
        bench.drain();
    }
    let gap = Gap { from: wall(10), to: wall(30), reason: GapReason::Camera };
    assert_eq!(*bench.told.lock().unwrap(), [Told::Missing(bench.place.camera.clone(), gap)]);
}

#[test]
fn a_camera_that_was_away_is_told_as_that_although_its_clock_differs() {
    let mut bench = Bench::new();
    bench.record(0..15);
    bench.recorder.flush();
    for tenth in 430..441 {
        let behind = WallStamp { time: wall(tenth + 15), ..WallStamp::default() };
        bench.feed.offer(AccessUnit { wall: behind, ..unit(tenth) });
        bench.drain();
    }
    let gap = Gap { from: wall(15), to: wall(445), reason: GapReason::Camera };
    assert_eq!(*bench.told.lock().unwrap(), [Told::Missing(bench.place.camera.clone(), gap)]);
}

#[test]
fn what_a_full_queue_dropped_is_stated_as_overload() {
    let mut bench = Bench::new();
    for tenth in 0..280 {
        bench.feed.offer(unit(tenth));
    }
    bench.drain();
    bench.record(280..291);
    let told = bench.told.lock().unwrap().clone();
    let [Told::Missing(_, gap)] = &told[..] else { panic!("{told:?}") };
    assert_eq!(*gap, Gap { from: wall(256), to: wall(280), reason: GapReason::Overload });
}

#[test]
fn a_full_disk_stops_neither_the_stage_nor_the_camera_and_is_stated() {
    let mut bench = Bench::new();
    bench.record(0..20);
    bench.disk.plan(Plan { capacity: Some(0), ..Plan::none() });
    bench.record(20..50);
    assert!(matches!(bench.told.lock().unwrap()[..], [Told::Failing(..)]), "said once, not for each group");
    bench.disk.plan(Plan::none());
    bench.record(50..71);
    let told = bench.told.lock().unwrap().clone();
    let [_, Told::Missing(_, gap)] = &told[..] else { panic!("{told:?}") };
    assert_eq!(gap.reason, GapReason::Disk);
    assert!(bench.video().ends_with(&bytes(50..70)));
}

#[test]
fn a_power_cut_costs_no_more_than_four_seconds() {
    for seed in 0..20 {
        let mut bench = Bench::new();
        bench.record(0..59);
        bench.disk = bench.disk.after_power_cut(seed);
        let (ring, _) = Ring::open(Arc::new(bench.disk.clone()), bench.place.clone()).unwrap();
        drop(ring);
        assert!(bench.video().starts_with(&bytes(0..50)), "seed {seed}");
    }
}

#[test]
fn at_the_end_the_feed_is_drained() {
    let mut bench = Bench::new();
    (0..45).for_each(|tenth| bench.feed.offer(unit(tenth)));
    let stop = Stop::new();
    stop.set();
    bench.recorder.run(&stop).unwrap();
    assert_eq!(bench.video(), bytes(0..45));
}

#[test]
fn a_ring_that_does_not_open_is_said_once_and_recorded_to_as_soon_as_it_does() {
    let folder = tempfile::tempdir().unwrap();
    let place = RingPlace { folder: folder.path().join("ring"), index: None, ..Bench::new().place };
    // Where the ring's folder should be there is a file, until its presence was said.
    std::fs::File::create(&place.folder).unwrap();
    let (mut feed, units) = feed();
    (0..10).for_each(|tenth| feed.offer(unit(tenth)));
    drop(feed);
    let failures: Arc<Mutex<u32>> = Arc::default();
    let (counted, obstacle) = (Arc::clone(&failures), place.folder.clone());
    let tell = Box::new(move |what| {
        if matches!(what, Told::Failing(..)) {
            *counted.lock().unwrap() += 1;
            std::fs::remove_file(&obstacle).unwrap();
        }
    });
    let clock = Clock::system();
    let pulse = Heartbeats::default().register("record", Duration::from_secs(5), clock.mono());
    let mut recorder = Recorder::new(Arc::new(RealDisk), place.clone(), Ends { feed: units, clock, pulse }, tell);
    recorder.run(&Stop::new()).unwrap();
    assert_eq!(*failures.lock().unwrap(), 1);
    let reader = RingReader::open(Arc::new(RealDisk), place).unwrap();
    let stored = reader.select(wall(0), wall(10_000), 1_000).unwrap().groups;
    assert_eq!(stored.len(), 1, "what waited in the feed is in the ring");
}
