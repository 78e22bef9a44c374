use edge_protocol::time::{ClockQuality, WallTime};

use super::*;
use crate::disk::RealDisk;
use crate::disk::faulty::{FaultyDisk, Plan};

const SECOND: Duration = Duration::from_secs(1);
const MOST: u32 = 10_000;

/// A ring on a disk in memory, its index in a folder of its own.
struct Bench {
    disk: FaultyDisk,
    place: RingPlace,
    _folder: tempfile::TempDir,
}

impl Bench {
    fn new(quota_bytes: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = place(PathBuf::from("/ring/gate"), Some(folder.path().join("index.sqlite")), quota_bytes);
        Self { disk: FaultyDisk::new(Plan::none()), place, _folder: folder }
    }

    fn open(&self) -> (Ring, Repair) {
        Ring::open(Arc::new(self.disk.clone()), self.place.clone()).unwrap()
    }

    fn reader(&self) -> RingReader {
        RingReader::open(Arc::new(self.disk.clone()), self.place.clone()).unwrap()
    }
}

fn place(folder: PathBuf, index: Option<PathBuf>, quota_bytes: u64) -> RingPlace {
    let (unit, camera) = (UnitId::new("pole-017").unwrap(), CameraId::new("gate").unwrap());
    RingPlace { folder, index, unit, camera, quota_bytes }
}

fn wall(second: u64) -> WallTime {
    WallTime::from_micros(1_790_000_000_000_000).saturating_add(SECOND * u32::try_from(second).unwrap())
}

/// Stores one second of video that began at `second`.
fn store(ring: &mut Ring, second: u64, change: impl FnOnce(&mut NewGroup<'_>)) -> Result<Group, RingError> {
    let start = MediaTime::from_nanos(i64::try_from(second).unwrap() * 1_000_000_000);
    let bytes = vec![u8::try_from(second % 251).unwrap(); 1_000];
    let picture = |at: u32| {
        let media = start.saturating_add(Duration::from_millis(100) * at);
        NewPicture { bytes: &bytes, key: at == 0, decode: media, media }
    };
    let pictures: Vec<_> = (0..10).map(picture).collect();
    let mut group = NewGroup {
        codec: Codec::H264,
        parameters: Hash256::of(b"p"),
        size: Some((640, 360)),
        discontinuity: false,
        wall: WallStamp { time: wall(second), quality: ClockQuality::Synchronised { bound_ms: 40 } },
        duration: SECOND,
        pictures: &pictures,
    };
    change(&mut group);
    ring.append(&group)
}

fn fill(ring: &mut Ring, seconds: std::ops::Range<u64>) {
    for second in seconds {
        store(ring, second, |_| {}).unwrap();
    }
}

#[test]
fn what_is_read_is_what_was_stored_and_its_leaf_is_over_these_bytes() {
    let bench = Bench::new(1 << 30);
    let (mut ring, _) = bench.open();
    fill(&mut ring, 0..3);
    let reader = bench.reader();
    let found = reader.select(wall(1), wall(2), MOST).unwrap();
    assert_eq!((found.groups.len(), found.gaps.len()), (1, 0));
    let group = &found.groups[0];
    let contents = reader.read(group).unwrap().unwrap();
    assert_eq!(contents.video, vec![1; 10_000]);
    assert_eq!(contents.pictures.len(), 10);
    let head = GroupHead {
        unit: bench.place.unit.clone(),
        camera: bench.place.camera.clone(),
        codec: Codec::H264,
        segment: group.segment,
        group: group.number,
        first: group.first,
        last: group.last,
        wall: group.wall,
        frames: 10,
        length: 10_000,
    };
    assert_eq!(LeafHasher::leaf(&contents.video, &head), group.leaf);
    assert_eq!(reader.coding(group).unwrap().unwrap().parameters, Hash256::of(b"p"));
}

#[test]
fn a_segment_lasts_a_minute_at_most_and_ends_with_its_coding() {
    let bench = Bench::new(1 << 30);
    let (mut ring, _) = bench.open();
    fill(&mut ring, 0..61);
    let other = store(&mut ring, 61, |group| group.parameters = Hash256::of(b"q")).unwrap();
    let after_gap = store(&mut ring, 70, |group| {
        group.parameters = Hash256::of(b"q");
        group.discontinuity = true;
    });
    assert_eq!((other.segment, after_gap.unwrap().segment), (3, 4));
    let groups = bench.reader().select(wall(0), wall(62), MOST).unwrap().groups;
    assert_eq!(groups.iter().filter(|group| group.segment == 1).count(), 60);
    assert_eq!(bench.reader().gaps(9).unwrap().len(), 1, "62 to 70");
}

#[test]
fn the_oldest_goes_first_and_what_is_held_stays() {
    let bench = Bench::new(3 * 620_000);
    let (mut ring, _) = bench.open();
    fill(&mut ring, 0..120);
    let held = bench.reader().pin("request-1", wall(5), wall(6), MOST).unwrap();
    assert_eq!(held.groups.len(), 1);
    fill(&mut ring, 120..600);
    let reader = bench.reader();
    assert!(ring.usage().bytes <= ring.usage().quota_bytes);
    assert!(reader.read(&held.groups[0]).unwrap().is_some(), "held");
    assert!(reader.select(wall(60), wall(120), MOST).unwrap().groups.is_empty(), "the oldest that nobody holds");
    assert_eq!(reader.select(wall(599), wall(600), MOST).unwrap().groups.len(), 1);
    assert!(reader.release("request-1").unwrap());
    fill(&mut ring, 600..700);
    assert!(bench.reader().select(wall(0), wall(60), MOST).unwrap().groups.is_empty(), "let go");
}

#[test]
fn a_range_that_is_wholly_held_does_not_stop_recording() {
    let bench = Bench::new(1_300_000);
    let (mut ring, _) = bench.open();
    fill(&mut ring, 0..120);
    bench.reader().pin("hold", wall(0), wall(120), MOST).unwrap();
    fill(&mut ring, 120..300);
    assert_eq!(bench.reader().select(wall(0), wall(120), MOST).unwrap().groups.len(), 120);
    assert_eq!(bench.reader().select(wall(299), wall(300), MOST).unwrap().groups.len(), 1);
}

#[test]
fn gaps_are_stated_with_their_reason_and_a_range_begins_at_a_key_frame() {
    let bench = Bench::new(1 << 30);
    let (mut ring, _) = bench.open();
    fill(&mut ring, 0..5);
    ring.note_gap(&Gap { from: wall(5), to: wall(8), reason: GapReason::Camera }).unwrap();
    store(&mut ring, 8, |group| group.discontinuity = true).unwrap();
    let no_key = |group: &mut NewGroup<'_>| {
        let pictures: Vec<_> = group.pictures.iter().map(|picture| NewPicture { key: false, ..*picture }).collect();
        group.pictures = pictures.leak();
    };
    store(&mut ring, 9, no_key).unwrap();
    store(&mut ring, 10, no_key).unwrap();
    let reader = bench.reader();
    let found = reader.select(wall(3), wall(12), MOST).unwrap();
    let camera = Gap { from: wall(5), to: wall(8), reason: GapReason::Camera };
    let end = Gap { from: wall(11), to: wall(12), reason: GapReason::Unknown };
    assert_eq!(found.gaps, [camera, end]);
    let found = reader.select(wall(10), wall(11), MOST).unwrap();
    assert_eq!(found.groups.iter().map(|group| group.wall.time).collect::<Vec<_>>(), [wall(8), wall(9), wall(10)]);
    let found = reader.select(wall(20), wall(30), MOST).unwrap();
    assert!(found.groups.is_empty());
    assert_eq!(found.gaps, [Gap { from: wall(20), to: wall(30), reason: GapReason::Unknown }]);
}

#[test]
fn a_full_disk_makes_the_oldest_go_and_recording_goes_on() {
    let bench = Bench::new(1 << 30);
    let (mut ring, _) = bench.open();
    bench.disk.plan(Plan { capacity: Some(1_500_000), ..Plan::none() });
    fill(&mut ring, 0..400);
    let reader = bench.reader();
    assert_eq!(reader.select(wall(399), wall(400), MOST).unwrap().groups.len(), 1);
    assert!(reader.span().unwrap().unwrap().0 > wall(100));
}

#[test]
fn video_leaves_a_tenth_of_a_small_disk_to_others() {
    let bench = Bench::new(1 << 30);
    let (mut ring, _) = bench.open();
    bench.disk.plan(Plan { stated: Some(3_000_000), capacity: Some(3_000_000), ..Plan::none() });
    fill(&mut ring, 0..600);
    assert!(ring.usage().bytes <= 2_700_000, "{}", ring.usage().bytes);
    assert!(ring.usage().bytes > 1_900_000, "{}", ring.usage().bytes);
    assert_eq!(bench.reader().select(wall(599), wall(600), MOST).unwrap().groups.len(), 1);
}

#[test]
fn after_a_failed_write_or_sync_the_group_goes_to_a_new_file() {
    for operation in 1..4 {
        let bench = Bench::new(1 << 30);
        let (mut ring, _) = bench.open();
        fill(&mut ring, 0..2);
        bench.disk.plan(Plan { broken_at: Some(bench.disk.operations() + operation), ..Plan::none() });
        fill(&mut ring, 2..4);
        let groups = bench.reader().select(wall(0), wall(4), MOST).unwrap().groups;
        assert_eq!(groups.len(), 4, "operation {operation}");
        assert_eq!(groups[3].segment, if operation < 3 { 2 } else { groups[2].segment + 1 }, "operation {operation}");
        assert!(groups.iter().all(|group| bench.reader().read(group).unwrap().is_some()));
    }
}

#[test]
fn a_damaged_index_is_set_aside_and_built_anew_from_the_files() {
    let bench = Bench::new(1 << 30);
    let (mut ring, _) = bench.open();
    fill(&mut ring, 0..200);
    let before = bench.reader().select(wall(0), wall(200), MOST).unwrap();
    drop(ring);
    let index = bench.place.index_path();
    for ending in ["-wal", "-shm"] {
        let file = PathBuf::from(format!("{}{ending}", index.display()));
        if file.exists() {
            std::fs::remove_file(file).unwrap();
        }
    }
    let mut file = RealDisk.open(&index).unwrap();
    file.write_all_at(&[0xEE; 9_000], 0).unwrap();
    let (mut ring, repair) = bench.open();
    assert!(repair.set_aside.is_some());
    assert_eq!(repair.adopted, 200);
    assert_eq!(bench.reader().select(wall(0), wall(200), MOST).unwrap(), before);
    let next = store(&mut ring, 200, |_| {}).unwrap();
    assert!(next.segment > before.groups[199].segment, "a number names one segment for ever");
}

#[test]
fn rotten_video_is_never_handed_out() {
    let bench = Bench::new(1 << 30);
    let (mut ring, _) = bench.open();
    fill(&mut ring, 0..2);
    let groups = bench.reader().select(wall(0), wall(2), MOST).unwrap().groups;
    let at = usize::try_from(groups[1].video_offset()).unwrap() + 77;
    bench.disk.rot(&bench.place.folder.join(segment::file_name(1)), at);
    assert!(bench.reader().read(&groups[0]).unwrap().is_some());
    assert!(bench.reader().read(&groups[1]).unwrap().is_none());
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the test measures")]
fn ten_thousand_segments_are_opened_within_two_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let place = place(folder.path().join("gate"), None, u64::MAX);
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let (ring, _) = Ring::open(Arc::clone(&disk), place.clone()).unwrap();
    ring.index.begin().unwrap();
    for number in 1..=10_000 {
        let group = Group {
            segment: number,
            number: 0,
            offset: format::SEGMENT_HEAD_BYTES as u64,
            frames: 1,
            starts_with_key: true,
            discontinuity: true,
            size: None,
            bytes: 10,
            first: MediaTime::ZERO,
            last: MediaTime::ZERO,
            wall: WallStamp { time: wall(number * 60), ..WallStamp::default() },
            duration: SECOND * 60,
            leaf: Hash256::of(b"x"),
            crc: 0,
        };
        let groups: Vec<_> = (0..6).map(|number| Group { number, ..group.clone() }).collect();
        let head = SegmentHead {
            number,
            codec: Codec::H264,
            parameters: Hash256::of(b"p"),
            camera: place.camera.clone(),
            unit: place.unit.clone(),
        };
        ring.index.add_all(&head, &groups).unwrap();
        let mut file = disk.create(&place.folder.join(segment::file_name(number))).unwrap();
        file.write_all_at(&head.encode(), 0).unwrap();
        // The newest was torn by the power cut.
        file.truncate(group.end_offset() + u64::from(number == 10_000)).unwrap();
    }
    ring.index.end(true).unwrap();
    drop(ring);
    let began = std::time::Instant::now();
    let (ring, repair) = Ring::open(disk, place).unwrap();
    let took = began.elapsed();
    assert_eq!((ring.usage().segments, repair.cut_bytes), (10_000, 1));
    assert!(took < Duration::from_secs(2), "{took:?}");
    println!("opened 10,000 segments in {took:?}");
}
