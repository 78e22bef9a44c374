use std::sync::{Arc, Mutex};

use edge_protocol::lane::Lane;
use edge_protocol::time::WallTime;
use edge_store::index::Query;

use super::*;
use crate::supervise::Heartbeats;
use crate::supervise::queue::{Sender, bounded};

const DAY: Duration = Duration::from_hours(24);

struct Bench {
    folder: tempfile::TempDir,
    seen: Sender<Detection>,
    told: Arc<Mutex<Vec<Told>>>,
    keeper: Keeper,
}

fn bench() -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let ((seen, queued), told) = (bounded(QUEUE), Arc::<Mutex<Vec<Told>>>::default());
    let (heard, clock) = (Arc::clone(&told), Clock::system());
    let pulse = Heartbeats::default().register("index", Duration::from_mins(1), clock.mono());
    let tell = Box::new(move |what| heard.lock().unwrap().push(what));
    let ends = Ends { seen: queued, tell, clock, pulse };
    let keeper = Keeper::new(folder.path().join("index.sqlite"), DAY, ends);
    Bench { folder, seen, told, keeper }
}

fn at(seconds: u64) -> WallTime {
    WallTime::from_micros(0).saturating_add(Duration::from_secs(seconds))
}

fn plate(text: &str, seconds: u64) -> Detection {
    let (camera, plate) = ("gate".parse().unwrap(), Some(text.to_owned()));
    Detection { camera, at: at(seconds), lane: Lane::Read, plate, body: text.as_bytes().to_vec() }
}

fn synchronised(seconds: u64) -> WallStamp {
    WallStamp { time: at(seconds), quality: ClockQuality::Synchronised { bound_ms: 5 } }
}

fn mono(minutes: u64) -> MonoTime {
    MonoTime::ZERO.saturating_add(Duration::from_mins(minutes))
}

impl Bench {
    /// Stores what is sent, to the end.
    fn store(mut self, detections: Vec<Detection>) -> Self {
        for seen in detections {
            self.seen.send(seen).unwrap();
        }
        let stop = Stop::new();
        stop.set();
        self.keeper.run(&stop).unwrap();
        self
    }

    fn found(&mut self) -> Vec<String> {
        let (from, to) = (WallTime::from_micros(i64::MIN), WallTime::from_micros(i64::MAX));
        let all = Query { from, to, camera: None, plate: None, most: 100 };
        self.keeper.index().unwrap().find(&all).unwrap().into_iter().filter_map(|seen| seen.plate).collect()
    }
}

#[test]
fn what_waits_at_a_stop_is_stored() {
    let mut bench = bench().store(vec![plate("AB123CD", 10), plate("XY987ZW", 20)]);
    assert_eq!(bench.found(), ["XY987ZW", "AB123CD"]);
}

#[test]
fn a_day_later_it_is_gone_and_this_is_told_with_the_count() {
    let mut bench = bench().store(vec![plate("AB123CD", 10), plate("XY987ZW", 90_000)]);
    let now = synchronised(90_000);
    bench.keeper.purge_if_due(mono(0), now).unwrap();
    bench.keeper.purge_if_due(mono(9), now).unwrap();
    assert_eq!(bench.found().len(), 2, "the clock has followed its source for nine minutes only");
    bench.keeper.purge_if_due(mono(10), now).unwrap();
    assert_eq!(bench.found(), ["XY987ZW"]);
    bench.keeper.purge_if_due(mono(20), now).unwrap();
    assert_eq!(*bench.told.lock().unwrap(), [Told::Purged(1)]);
}

#[test]
fn a_clock_that_loses_its_source_has_to_earn_trust_again() {
    let mut bench = bench().store(vec![plate("AB123CD", 10)]);
    let later = synchronised(10_000_000);
    bench.keeper.purge_if_due(mono(0), later).unwrap();
    bench.keeper.purge_if_due(mono(9), WallStamp { quality: ClockQuality::Free, ..later }).unwrap();
    bench.keeper.purge_if_due(mono(11), later).unwrap();
    assert_eq!(bench.found(), ["AB123CD"]);
}

#[test]
fn a_damaged_file_is_set_aside_and_keeping_goes_on() {
    let bench = bench();
    let path = bench.folder.path().join("index.sqlite");
    std::io::Write::write_all(&mut std::fs::File::create(path).unwrap(), &[7; 8192]).unwrap();
    let mut bench = bench.store(vec![plate("AB123CD", 10)]);
    assert_eq!(bench.found(), ["AB123CD"]);
    assert!(matches!(bench.told.lock().unwrap()[..], [Told::SetAside(_)]));
}
