use bytes::Bytes;
use edge_protocol::time::{ClockQuality, MediaTime, WallStamp};
use edge_store::disk::RealDisk;
use edge_store::ring::RingReader;

use super::*;
use crate::media::AccessUnit;
use crate::record::{Feed, feed};
use crate::supervise::Heartbeats;

const START_US: i64 = 1_800_000_000_000_000;

struct Bench {
    folder: tempfile::TempDir,
    clock: Clock,
}

impl Bench {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), clock: Clock::system() }
    }

    fn place(&self) -> RingPlace {
        RingPlace {
            folder: self.folder.path().join("street"),
            index: None,
            unit: "pole-1".parse().unwrap(),
            camera: "street".parse().unwrap(),
            quota_bytes: 1 << 30,
        }
    }

    fn record(&self, units: impl FnOnce(&mut Feed)) -> RingReader {
        let (mut feed, receiver) = feed();
        let pulse = Heartbeats::default().register("record", TICK, self.clock.mono());
        let ends = Ends { feed: receiver, clock: self.clock.clone(), pulse };
        let mut recorder = Recorder::open(Arc::new(RealDisk), self.place(), ends).unwrap();
        units(&mut feed);
        drop(feed);
        recorder.run(&Stop::new()).unwrap();
        drop(recorder);
        RingReader::open(Arc::new(RealDisk), self.place()).unwrap()
    }
}

/// A picture with a number in it, and parameter sets where it is a key.
fn unit(number: i64) -> AccessUnit {
    let key = number % 10 == 0;
    let mut bytes = Vec::new();
    if key {
        crate::media::nal::push(&mut bytes, &[0x67, 1, 2, 3]);
        crate::media::nal::push(&mut bytes, &[0x68, 4]);
    }
    crate::media::nal::push(&mut bytes, &[if key { 0x65 } else { 0x41 }, number.to_le_bytes()[0]]);
    let media = MediaTime::from_nanos(number * 100_000_000);
    AccessUnit {
        camera: "street".parse().unwrap(),
        codec: Codec::H264,
        media,
        decode: media,
        arrival: MonoTime::ZERO,
        wall: WallStamp {
            time: WallTime::from_micros(START_US + number * 100_000),
            quality: ClockQuality::Synchronised { bound_ms: 5 },
        },
        key,
        size: Some((64, 48)),
        bytes: Bytes::from(bytes),
    }
}

fn everything(reader: &RingReader) -> edge_store::ring::Selection {
    let at = |seconds: i64| WallTime::from_micros(START_US + seconds * 1_000_000);
    reader.select(at(-10), at(100), 1_000).unwrap()
}

#[test]
fn what_the_camera_sent_is_in_the_ring_byte_for_byte() {
    let bench = Bench::new();
    let reader = bench.record(|feed| (0..45).for_each(|number| feed.offer(unit(number))));
    let selection = everything(&reader);
    assert_eq!(selection.groups.iter().map(|group| group.frames).collect::<Vec<_>>(), [10, 10, 10, 10, 5]);
    let stored: Vec<u8> =
        selection.groups.iter().flat_map(|group| reader.read(group).unwrap().unwrap().video).collect();
    let sent: Vec<u8> = (0..45).flat_map(|number| unit(number).bytes).collect();
    assert_eq!(stored, sent);
}

#[test]
fn pictures_dropped_for_a_slow_disk_are_a_gap_with_its_reason() {
    let bench = Bench::new();
    // More than the queue holds while nobody takes from it: units are dropped up to a key picture.
    let reader = bench.record(|feed| (0..300).for_each(|number| feed.offer(unit(number))));
    let frames: u32 = everything(&reader).groups.iter().map(|group| group.frames).sum();
    assert_eq!(frames, 256, "what found room is there");
}

#[test]
fn other_parameter_sets_begin_another_segment() {
    let bench = Bench::new();
    let reader = bench.record(|feed| {
        (0..10).for_each(|number| feed.offer(unit(number)));
        (10..20).for_each(|number| {
            let mut other = unit(number);
            let mut bytes = other.bytes.to_vec();
            if other.key {
                bytes[5] = 9;
            }
            other.bytes = Bytes::from(bytes);
            feed.offer(other);
        });
    });
    let segments: Vec<u64> = everything(&reader).groups.iter().map(|group| group.segment).collect();
    assert_eq!(segments.len(), 2);
    assert_ne!(segments[0], segments[1]);
}
