//! A server that breaks off anywhere, a disk that loses what was not synced.

use std::io::Cursor;
use std::path::Path;
use std::sync::LazyLock;

use edge_store::disk::faulty::{FaultyDisk, Plan};
use edge_store::disk::read;

use super::super::order::tests::order;
use super::*;

const FOLDER: &str = "/data/update";

/// A server that sends so many bytes with each answer.
#[derive(Debug)]
struct Server {
    file: Vec<u8>,
    piece: usize,
    asked: Vec<u64>,
    /// Whether it can begin within a file.
    ranges: bool,
}

impl Web for Server {
    fn open(&mut self, _: &str, from: u64) -> Result<Opened, WebFault> {
        self.asked.push(from);
        let from = if self.ranges { from } else { 0 };
        let rest = self.file.get(usize::try_from(from).unwrap()..).unwrap_or_default();
        let body = Box::new(Cursor::new(rest.iter().take(self.piece).copied().collect::<Vec<u8>>()));
        Ok(Opened { from, length: Some(self.file.len() as u64), body })
    }
}

/// Nobody there, for good or for the moment.
#[derive(Debug)]
struct Nobody(WebFault);

impl Web for Nobody {
    fn open(&mut self, _: &str, _: u64) -> Result<Opened, WebFault> {
        Err(self.0.clone())
    }
}

static BUNDLE: LazyLock<Vec<u8>> =
    LazyLock::new(|| (0..5_000_000_u32).map(|number| number.to_le_bytes()[0] ^ number.to_le_bytes()[1]).collect());

fn bundle() -> Vec<u8> {
    BUNDLE.clone()
}

fn server(piece: usize) -> Server {
    Server { file: bundle(), piece, asked: Vec::new(), ranges: true }
}

fn disk() -> FaultyDisk {
    let disk = FaultyDisk::new(Plan::none());
    disk.make_folder(Path::new(FOLDER)).unwrap();
    disk
}

const LIMITS: Limits = Limits { daily_bytes: None, disk_bytes: 1 << 30 };

fn go_on(disk: &FaultyDisk, limits: Limits, web: &mut dyn Web, day: i64) -> Result<Came, Refusal> {
    let mut fetch = Fetch::open(disk, Path::new(FOLDER), limits).unwrap();
    fetch.go_on(&order(&bundle()), web, day, &mut |_| true)
}

fn whole() -> Came {
    Came::Whole(Path::new(FOLDER).join("bundle.raucb"))
}

fn is_here(disk: &FaultyDisk) -> bool {
    read(disk, &Path::new(FOLDER).join("bundle.raucb")).unwrap() == bundle()
}

#[test]
fn what_broke_off_goes_on_where_it_broke_off() {
    let (disk, mut server) = (disk(), server(1_500_000));
    for _ in 0..3 {
        assert_eq!(go_on(&disk, LIMITS, &mut server, 1), Ok(Came::Broken("the connection ended".into())));
    }
    assert_eq!(go_on(&disk, LIMITS, &mut server, 1), Ok(whole()));
    assert_eq!(go_on(&disk, LIMITS, &mut server, 1), Ok(whole()), "a process that begins again finds it");
    assert_eq!(server.asked, [0, 1_500_000, 3_000_000, 4_500_000]);
    assert!(is_here(&disk));
}

#[test]
fn after_a_power_cut_only_what_was_synced_is_believed() {
    for cut_at in 1..60 {
        let (disk, mut whole_file) = (disk(), server(usize::MAX));
        disk.plan(Plan { crash_at: Some(disk.operations() + cut_at), ..Plan::none() });
        let came = go_on(&disk, LIMITS, &mut whole_file, 1);
        assert!(disk.crashed() || cut_at > 30, "nothing was cut at {cut_at}");
        let disk = disk.after_power_cut(cut_at);
        if came == Ok(whole()) {
            assert!(is_here(&disk), "cut at {cut_at}");
            continue;
        }
        assert_eq!(go_on(&disk, LIMITS, &mut whole_file, 1), Ok(whole()), "cut at {cut_at}");
        assert!(is_here(&disk), "cut at {cut_at}");
    }
}

#[test]
fn a_server_that_cannot_go_on_begins_anew() {
    let (disk, mut server) = (disk(), Server { ranges: false, ..server(4_500_000) });
    assert!(matches!(go_on(&disk, LIMITS, &mut server, 1), Ok(Came::Broken(_))));
    server.piece = usize::MAX;
    assert_eq!(go_on(&disk, LIMITS, &mut server, 1), Ok(whole()));
    assert!(is_here(&disk));
}

#[test]
fn a_day_has_so_many_bytes_and_the_next_one_as_many_again() {
    let (disk, mut server) = (disk(), server(usize::MAX));
    let limits = Limits { daily_bytes: Some(2_000_000), ..LIMITS };
    assert_eq!(go_on(&disk, limits, &mut server, 1), Ok(Came::Spent));
    assert_eq!(go_on(&disk, limits, &mut server, 1), Ok(Came::Spent));
    assert_eq!(server.asked, [0], "nobody is asked for what may not come");
    assert_eq!(go_on(&disk, limits, &mut server, 2), Ok(Came::Spent));
    assert_eq!(go_on(&disk, limits, &mut server, 3), Ok(whole()));
    assert_eq!(server.asked, [0, 2_000_000, 4_000_000]);
    assert!(is_here(&disk));
}

#[test]
fn a_bundle_that_is_too_large_or_of_another_length_is_refused_in_words() {
    let (disk, mut server) = (disk(), server(usize::MAX));
    let words = |came: Result<Came, Refusal>| came.unwrap_err().to_string();
    let small = Limits { disk_bytes: 4_000_000, ..LIMITS };
    assert!(words(go_on(&disk, small, &mut server, 1)).contains("[update] disk_bytes allows 4000000"));
    server.file.pop();
    assert!(words(go_on(&disk, LIMITS, &mut server, 1)).contains("has 4999999 bytes, and 5000000 were ordered"));
    let mut gone = Nobody(WebFault::Never("the server answers 404".into()));
    assert!(words(go_on(&disk, LIMITS, &mut gone, 1)).contains("404"));
    let mut away = Nobody(WebFault::Later("no route".into()));
    assert_eq!(go_on(&disk, LIMITS, &mut away, 1), Ok(Came::Broken("no route".into())));
}

#[test]
fn a_bundle_that_there_is_no_room_for_is_refused_before_anybody_is_asked() {
    let (disk, mut server) = (disk(), server(usize::MAX));
    disk.plan(Plan { stated: Some(5_000_000), ..Plan::none() });
    // A fiftieth of the disk stays for the others.
    assert_eq!(go_on(&disk, LIMITS, &mut server, 1), Err(Refusal::DiskFull { needs: 5_100_000, free: 5_000_000 }));
    assert!(server.asked.is_empty());
    disk.plan(Plan { stated: Some(5_200_000), ..Plan::none() });
    assert_eq!(go_on(&disk, LIMITS, &mut server, 1), Ok(whole()));
}

#[test]
fn a_disk_that_others_fill_meanwhile_is_told_and_gets_its_room_back() {
    let (disk, mut server) = (disk(), server(usize::MAX));
    disk.plan(Plan { capacity: Some(2_000_000), ..Plan::none() });
    let mut fetch = Fetch::open(&disk, Path::new(FOLDER), LIMITS).unwrap();
    let refused = fetch.go_on(&order(&bundle()), &mut server, 1, &mut |_| true).unwrap_err();
    assert!(matches!(refused, Refusal::DiskFull { needs, .. } if needs > 3_000_000), "{refused}");
    assert!(
        read(&disk, &Path::new(FOLDER).join(PART)).is_ok_and(|part| part.len() == 2_000_000),
        "full to the last byte"
    );
    fetch.discard().unwrap();
    let left = disk.list(Path::new(FOLDER)).unwrap().iter().map(|entry| entry.bytes).sum::<u64>();
    assert!(left < 1_000, "{left} bytes are still taken");
    disk.plan(Plan::none());
    assert_eq!(go_on(&disk, LIMITS, &mut server, 1), Ok(whole()));
    assert!(is_here(&disk));
}

#[test]
fn a_bundle_given_up_leaves_nothing_that_is_believed_wherever_the_power_fails() {
    for cut_at in 1..20 {
        let (disk, mut server) = (disk(), server(4_500_000));
        assert!(matches!(go_on(&disk, LIMITS, &mut server, 1), Ok(Came::Broken(_))));
        let mut fetch = Fetch::open(&disk, Path::new(FOLDER), LIMITS).unwrap();
        disk.plan(Plan { crash_at: Some(disk.operations() + cut_at), ..Plan::none() });
        let _maybe_cut = fetch.discard();
        let disk = disk.after_power_cut(cut_at);
        server.piece = usize::MAX;
        assert_eq!(go_on(&disk, LIMITS, &mut server, 1), Ok(whole()), "cut at {cut_at}");
        assert!(is_here(&disk), "cut at {cut_at}");
    }
}

#[test]
fn what_came_whole_and_is_not_wanted_gives_its_room_back() {
    let disk = disk();
    assert_eq!(go_on(&disk, LIMITS, &mut server(usize::MAX), 1), Ok(whole()));
    Fetch::open(&disk, Path::new(FOLDER), LIMITS).unwrap().discard().unwrap();
    let left = disk.list(Path::new(FOLDER)).unwrap().iter().map(|entry| entry.bytes).sum::<u64>();
    assert!(left < 1_000, "{left} bytes are still taken");
}

#[test]
fn another_order_begins_with_nothing_and_what_was_spent_stays_spent() {
    let (disk, mut server) = (disk(), server(1_500_000));
    let limits = Limits { daily_bytes: Some(2_500_000), ..LIMITS };
    assert!(matches!(go_on(&disk, limits, &mut server, 1), Ok(Came::Broken(_))));
    let other = Order { hash: Hash256::of(b"another"), ..order(&bundle()) };
    let mut fetch = Fetch::open(&disk, Path::new(FOLDER), limits).unwrap();
    assert_eq!((fetch.percent(&order(&bundle())), fetch.percent(&other)), (30, 0));
    assert_eq!(fetch.go_on(&other, &mut server, 1, &mut |_| true), Ok(Came::Spent));
    assert_eq!(server.asked, [0, 0]);
    fetch.discard().unwrap();
    assert_eq!(fetch.percent(&other), 0);
}

#[test]
fn whoever_looks_can_stop_it() {
    let (disk, mut server) = (disk(), server(usize::MAX));
    let mut fetch = Fetch::open(&disk, Path::new(FOLDER), LIMITS).unwrap();
    let came = fetch.go_on(&order(&bundle()), &mut server, 1, &mut |percent| percent < 50);
    assert_eq!(came, Ok(Came::Broken("it was told to stop".into())));
    let here = fetch.percent(&order(&bundle()));
    assert!((50..60).contains(&here), "{here} %");
}
