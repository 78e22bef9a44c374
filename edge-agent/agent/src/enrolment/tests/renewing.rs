//! Renewals, by a center in memory that hears what it is asked and answers when the test says so.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use edge_protocol::enrolment::{Renewal, RenewalAnswer};
use edge_protocol::sign::Root;
use edge_protocol::time::{MonoTime, WallTime};

use super::*;
use crate::supervise::{Clock, Heartbeats, Stop};

const HOUR: Duration = Duration::from_hours(1);

/// The line to a center: what was asked, what is answered, and with which key the unit goes on.
#[derive(Debug, Clone, Default)]
struct Center {
    /// Whether the broker has not taken the unit yet.
    silent: Arc<AtomicBool>,
    asked: Arc<Mutex<Vec<Vec<u8>>>>,
    answer: Arc<Mutex<Option<Vec<u8>>>>,
    key: Arc<Mutex<Option<PathBuf>>>,
}

impl Line for Center {
    fn ask(&self, sealed: Vec<u8>) {
        self.asked.lock().unwrap().push(sealed);
    }

    fn answer(&self) -> Option<Vec<u8>> {
        self.answer.lock().unwrap().take()
    }

    fn switch(&self, [_, _, key]: [PathBuf; 3]) -> Result<(), String> {
        *self.key.lock().unwrap() = Some(key);
        Ok(())
    }

    fn is_in_use(&self) -> bool {
        !self.silent.load(Ordering::Relaxed)
    }

    fn refused(&self, _: Refusal) {}
}

/// A unit that was enrolled, its disk, and whoever renews its certificate.
struct Enrolled {
    agency: Agency,
    place: Place,
    disk: Arc<FaultyDisk>,
    center: Center,
}

impl Enrolled {
    fn new() -> Self {
        let agency = Agency::new();
        let disk = disk(&agency);
        let (place, _, asking) = begin(&disk).unwrap();
        asking.keep(&agency.grant(&asked(&asking).certificate_request, "pole-7"), &place, &disk).unwrap();
        Self { agency, place, disk: Arc::new(disk), center: Center::default() }
    }

    fn renewer(&self) -> Renewer {
        let (disk, line, clock) = (Arc::clone(&self.disk), Box::new(self.center.clone()), Clock::system());
        let pulse = Heartbeats::default().register("renewal", HOUR, MonoTime::ZERO);
        Renewer::new(Ends { place: self.place.clone(), keys: Keys::default(), disk, line, clock, pulse })
    }

    /// What the center was asked last, and how often it was asked.
    fn request(&self) -> (Vec<u8>, usize) {
        let sealed = self.center.asked.lock().unwrap();
        let (agency, unit) = ("metro".parse().unwrap(), "pole-7".parse().unwrap());
        let root = Root::from_pem(self.agency.issuer.pem().as_bytes()).unwrap();
        let opened = Renewal::open(sealed.last().unwrap(), (&agency, &unit), &root, now().time).unwrap();
        (opened.0.certificate_request, sealed.len())
    }

    fn answer(&self, answer: &RenewalAnswer) {
        *self.center.answer.lock().unwrap() = Some(answer.encode());
    }

    /// The files of keys, in the order of their names.
    fn key_files(&self) -> Vec<String> {
        let entries = self.disk.list(Path::new(IDENTITY_FOLDER)).unwrap().into_iter().map(|entry| entry.name);
        let mut keys: Vec<String> =
            entries.filter(|name| Path::new(name).extension().is_some_and(|kind| kind == "key")).collect();
        keys.sort();
        keys
    }
}

#[test]
fn the_key_of_the_claim_goes_with_the_first_connection_and_that_of_a_next_claim_stays() {
    let key = Path::new(CLAIM).join("claim.key");
    let is_there = |unit: &Enrolled| edge_store::disk::read(&*unit.disk, &key).is_ok();
    let connects = |unit: &Enrolled| {
        let mut renewer = unit.renewer();
        renewer.begin().unwrap();
        renewer.step(after(0), now().time).unwrap();
    };
    let unit = Enrolled::new();
    unit.center.silent.store(true, Ordering::Relaxed);
    connects(&unit);
    assert!(is_there(&unit), "the broker has not taken the unit yet");
    unit.center.silent.store(false, Ordering::Relaxed);
    connects(&unit);
    assert!(!is_there(&unit));
    let unit = Enrolled::new();
    unit.agency.factory(&*unit.disk);
    connects(&unit);
    assert!(is_there(&unit), "the next claim is not spent");
    // Enrolled again, and cut off after the note: the unit is still who it was.
    let (place, claim, _) = begin(&*unit.disk).unwrap();
    claim.key_file.note(&place.file("unit-of-the-next.key"), &place, &*unit.disk).unwrap();
    connects(&unit);
    assert!(is_there(&unit), "that claim has enrolled nobody");
}

/// Past two thirds of the certificate's life.
fn late() -> WallTime {
    "2026-11-01T00:00:00Z".parse().unwrap()
}

fn after(hours: u32) -> MonoTime {
    MonoTime::ZERO.saturating_add(HOUR * hours)
}

#[test]
fn the_next_key_is_on_the_disk_before_anybody_is_asked_and_is_the_same_until_its_certificate_comes() {
    let unit = Enrolled::new();
    let former = unit.key_files();
    let mut renewer = unit.renewer();
    renewer.step(after(0), now().time).unwrap();
    assert!(unit.center.asked.lock().unwrap().is_empty(), "it is young");
    renewer.step(after(1), late()).unwrap();
    let (first, times) = unit.request();
    assert_eq!((times, unit.key_files().len()), (1, 2));
    // No answer for an hour, then a refusal: the same key is asked about, and none piles up.
    renewer.step(after(2), late()).unwrap();
    renewer.step(after(2), late()).unwrap();
    assert_eq!(unit.request(), (first.clone(), 2));
    unit.answer(&RenewalAnswer::Refused(Refusal::Unexpected));
    renewer.step(after(2), late()).unwrap();
    renewer.step(after(3), late()).unwrap();
    assert_eq!((unit.request(), unit.key_files().len()), ((first.clone(), 3), 2));
    let granted = unit.agency.grant(&first, "pole-7").certificate;
    unit.answer(&RenewalAnswer::Granted(granted));
    renewer.step(after(3), late()).unwrap();
    renewer.step(after(3), late()).unwrap();
    assert_eq!(unit.key_files().len(), 1);
    assert_ne!(unit.key_files(), former, "the next key is the present one now");
    assert_eq!(unit.center.key.lock().unwrap().clone().unwrap(), Path::new(IDENTITY_FOLDER).join(&unit.key_files()[0]));
    whole(&unit.place, &*unit.disk);
}

#[test]
fn a_stage_that_begins_again_asks_about_another_key_and_names_none_that_is_gone() {
    let unit = Enrolled::new();
    let mut renewer = unit.renewer();
    renewer.step(after(1), late()).unwrap();
    let (first, _) = unit.request();
    let stop = Stop::new();
    stop.set();
    // As the supervisor does after a fault.
    renewer.run(&stop).unwrap();
    let (second, times) = unit.request();
    assert!(times == 2 && first != second);
    for request in [first, second] {
        let granted = unit.agency.grant(&request, "pole-7").certificate;
        unit.answer(&RenewalAnswer::Granted(granted));
        renewer.step(after(1), late()).unwrap();
        whole(&unit.place, &*unit.disk);
    }
}

#[test]
fn an_enrolment_that_waits_keeps_its_key_when_the_agent_starts_beside_it() {
    let unit = Enrolled::new();
    // `enroll --again`: another question, while the present identity is in use.
    let (place, claim, asking) = begin(&*unit.disk).unwrap();
    unit.renewer().tidy().unwrap();
    let grant = unit.agency.grant(&asked(&asking).certificate_request, "pole-8");
    asking.check(&grant, &claim, &place, &*unit.disk).unwrap();
    asking.keep(&grant, &place, &*unit.disk).unwrap();
    whole(&place, &*unit.disk);
    // The former pair goes once nothing names it.
    unit.renewer().tidy().unwrap();
    assert_eq!(unit.key_files().len(), 1);
    whole(&place, &*unit.disk);
}
