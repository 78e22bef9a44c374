//! Whole updates on a fake board, with the power failing at any step: what boots is the old image or the new one, never
//! neither and never half of one, and in the end the state says which.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use edge_protocol::time::{ClockQuality, MonoTime, WallStamp, WallTime};

use super::evidence::tests::healthy;
use super::fake::{FakeBoard, Image, Sabotage};
use super::*;

const OLD: &str = "1.0.0";
const NEW: &str = "2.0.0";
/// Boots after which a sequence must have come to rest.
const MOST_BOOTS: u32 = 60;
/// How far time goes on between two looks.
const LOOK: Duration = Duration::from_mins(1);

/// What the new image is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Worth {
    /// It does everything.
    Works,
    /// It runs, and no camera gives a frame.
    Blind,
    /// It does everything, and the line is dead since the update.
    DeadLine,
    /// It hangs until the watchdog has it boot.
    Dead,
}

/// Where the power fails: before so many operations of the disk, or of the board.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    Disk(u64),
    Board(u64),
}

#[derive(Debug, Clone)]
struct Sequence {
    seed: u64,
    worth: Worth,
    sabotage: Sabotage,
    /// One for each of the first boots.
    cuts: Vec<Option<Cut>>,
    other: Image,
}

/// How a sequence ended, and how many operations of disk and board the longest boot took.
#[derive(Debug)]
struct Ended {
    runs: Version,
    phase: Phase,
    floor: Option<Version>,
    told: Vec<Told>,
    disk_operations: u64,
    board_operations: u64,
}

#[derive(Debug, Clone, Default)]
struct Around {
    told: Arc<Mutex<Vec<Told>>>,
    reboot: Arc<AtomicBool>,
    boot: Arc<AtomicU64>,
}

#[derive(Debug)]
struct FakeOutside {
    around: Around,
    board: FakeBoard,
}

impl Outside for FakeOutside {
    fn check(&mut self, _: &Wanted) -> Result<(), Refusal> {
        Ok(())
    }

    fn tell(&mut self, told: &Told) -> bool {
        if self.board.is_off() {
            return false;
        }
        self.around.told.lock().unwrap().push(told.clone());
        true
    }

    fn reboot(&mut self) {
        if !self.board.is_off() {
            self.around.reboot.store(true, Ordering::Relaxed);
        }
    }

    fn boot(&self) -> String {
        self.around.boot.load(Ordering::Relaxed).to_string()
    }
}

fn wall() -> WallStamp {
    let time: WallTime = "2026-11-25T12:00:00Z".parse().unwrap();
    WallStamp { time, quality: ClockQuality::Synchronised { bound_ms: 500 } }
}

fn at(minutes: u32) -> MonoTime {
    MonoTime::from_duration(LOOK * minutes)
}

/// Who owns the update's state in this boot.
fn open(board: &FakeBoard, around: &Around) -> Result<Updater, String> {
    let outside = FakeOutside { around: around.clone(), board: board.clone() };
    let (disk, folder) = (Arc::new(board.disk()), PathBuf::from("/data/update"));
    let opened = Updater::open(disk, folder, Box::new(board.clone()), Box::new(outside));
    opened.map_err(|fault| fault.to_string())
}

fn asked() -> Event {
    let wanted = Wanted { file: PathBuf::from("/media/new.raucb"), hash: None, version: None };
    Event::Asked(wanted, Before::from(&healthy()))
}

impl Sequence {
    fn quiet(worth: Worth) -> Self {
        let other = Image::Whole("0.9.0".parse().unwrap());
        Self { seed: 0, worth, sabotage: Sabotage::None, cuts: Vec::new(), other }
    }

    fn run(&self) -> Result<Ended, String> {
        let board = FakeBoard::new(OLD, self.other.clone(), NEW, self.sabotage);
        let around = Around::default();
        let (mut disk_operations, mut board_operations) = (0, 0);
        let (old, new): (Version, Version) = (OLD.parse().unwrap(), NEW.parse().unwrap());
        for boot in 0..MOST_BOOTS {
            let runs = board.power_on(self.seed.wrapping_add(u64::from(boot)))?;
            if runs != old && runs != new {
                return Err(format!("boot {boot}: {runs} runs, which is neither the old image nor the new one"));
            }
            around.boot.fetch_add(1, Ordering::Relaxed);
            around.reboot.store(false, Ordering::Relaxed);
            let before = board.operations();
            self.plan_cut(&board, boot);
            if runs == new && self.worth == Worth::Dead {
                continue;
            }
            let rest = self.live(&board, &around, runs == new);
            disk_operations = disk_operations.max(board.disk().operations());
            board_operations = board_operations.max(board.operations() - before);
            if let Some((phase, floor)) = rest? {
                let told = around.told.lock().unwrap().clone();
                return Ok(Ended { runs, phase, floor, told, disk_operations, board_operations });
            }
        }
        Err(format!("no rest after {MOST_BOOTS} boots"))
    }

    fn plan_cut(&self, board: &FakeBoard, boot: u32) {
        match self.cuts.get(boot as usize).copied().flatten() {
            Some(Cut::Disk(at)) => {
                board.disk().plan(edge_store::disk::faulty::Plan {
                    crash_at: Some(at),
                    ..edge_store::disk::faulty::Plan::none()
                });
            }
            Some(Cut::Board(at)) => board.cut_at(at),
            None => {}
        }
    }

    /// One boot of an image that runs: none where it ended with the power or by a reboot.
    fn live(
        &self,
        board: &FakeBoard,
        around: &Around,
        is_new: bool,
    ) -> Result<Option<(Phase, Option<Version>)>, String> {
        let mut updater = open(board, around)?;
        if updater.state().untold.iter().any(|told| matches!(told, Told::Refused(words) if words.contains("damaged"))) {
            return Err("the state was damaged by a power cut".into());
        }
        let mut seen = healthy();
        if is_new && self.worth == Worth::Blind {
            seen.cameras.clear();
        }
        if is_new && self.worth == Worth::DeadLine {
            (seen.reached, seen.acknowledged) = (false, false);
        }
        let _maybe_cut = updater.start(at(0), wall());
        if updater.state().phase == Phase::Idle {
            let _maybe_cut = updater.handle(asked(), at(0), wall());
        }
        let _maybe_cut = updater.handle(Event::RebootAllowed, at(0), wall());
        for minute in 1..=60 * 30 {
            if board.is_off() || around.reboot.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let _maybe_cut = updater.look(Some(seen.clone()), at(minute), wall());
            let resting = matches!(updater.state().phase, Phase::Good { .. } | Phase::RolledBack { .. });
            if resting && updater.state().untold.is_empty() && !board.is_off() {
                return Ok(Some((updater.state().phase.clone(), updater.state().floor.clone())));
            }
        }
        Err(format!("nothing happens any more in {:?}", updater.state().phase))
    }
}

/// What must be so in the end, whatever happened on the way.
fn judge(sequence: &Sequence, ended: &Ended) -> Result<(), String> {
    let is_new = ended.runs.to_string() == NEW;
    let matches = match (&ended.phase, is_new) {
        (Phase::Good { .. }, true) => ended.told.iter().any(|told| matches!(told, Told::Good(_))),
        (Phase::RolledBack { .. }, false) => ended.told.iter().any(|told| matches!(told, Told::RolledBack(..))),
        _ => false,
    };
    if !matches {
        return Err(format!("{} runs, and the state says {:?}, told {:?}", ended.runs, ended.phase, ended.told));
    }
    let floor = ended.floor.as_ref().map(ToString::to_string);
    if floor.as_deref() != Some(if is_new { NEW } else { OLD }) {
        return Err(format!("{} runs, and the floor is {floor:?}", ended.runs));
    }
    match (sequence.worth, is_new) {
        (Worth::Works, true) | (Worth::Blind | Worth::Dead | Worth::DeadLine, false) => Ok(()),
        (worth, _) => Err(format!("an image that is {worth:?} was met with {:?}", ended.phase)),
    }
}

fn checked(sequence: &Sequence) -> Result<Ended, String> {
    let ended = sequence.run().and_then(|ended| judge(sequence, &ended).map(|()| ended));
    ended.map_err(|why| format!("{why}\n{sequence:?}"))
}

/// splitmix64, so that a seed means the same everywhere.
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % end
    }

    /// One or two power cuts, in the first boots.
    fn sequence(&mut self, sabotage: Sabotage, quiet: &Ended) -> Sequence {
        let worth = [Worth::Works, Worth::Blind, Worth::DeadLine, Worth::Dead];
        let worth = worth[usize::try_from(self.below(4)).unwrap()];
        let other = [Image::Torn, Image::Whole("0.9.0".parse().unwrap())];
        let other = other[usize::try_from(self.below(2)).unwrap()].clone();
        let mut cuts = vec![None, None, None];
        for _ in 0..=self.below(2) {
            let boot = usize::try_from(self.below(3)).unwrap();
            cuts[boot] = Some(match self.below(2) {
                0 => Cut::Disk(1 + self.below(quiet.disk_operations)),
                _ => Cut::Board(1 + self.below(quiet.board_operations)),
            });
        }
        Sequence { seed: self.below(u64::MAX), worth, sabotage, cuts, other }
    }
}

/// Draws so many sequences; the first that fails.
fn draw(sequences: u64, seed: u64, sabotage: Sabotage) -> Result<u64, String> {
    let quiet = Sequence::quiet(Worth::Works).run()?;
    let mut draw = Draw(seed);
    let mut cuts = 0;
    for number in 0..sequences {
        let sequence = draw.sequence(sabotage, &quiet);
        cuts += sequence.cuts.iter().flatten().count() as u64;
        checked(&sequence).map_err(|why| format!("sequence {number} of seed {seed}: {why}"))?;
    }
    Ok(cuts)
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[test]
fn without_a_cut_an_image_that_works_stays_and_any_other_goes() {
    for worth in [Worth::Works, Worth::Blind, Worth::DeadLine, Worth::Dead] {
        checked(&Sequence::quiet(worth)).unwrap();
    }
}

#[test]
fn a_cut_at_every_step_of_every_boot_leaves_the_old_image_or_the_new_one() {
    let mut cuts = 0;
    for worth in [Worth::Works, Worth::Blind, Worth::Dead] {
        let quiet = checked(&Sequence::quiet(worth)).unwrap();
        let disk = (1..=quiet.disk_operations).map(Cut::Disk);
        for cut in disk.chain((1..=quiet.board_operations).map(Cut::Board)) {
            for boot in 0..3 {
                let mut planned = vec![None; boot];
                planned.push(Some(cut));
                let seed = cuts;
                checked(&Sequence { seed, cuts: planned, ..Sequence::quiet(worth) }).unwrap();
                cuts += 1;
            }
        }
    }
    println!("{cuts} cuts, one at every step");
    assert!(cuts >= 200, "{cuts}");
}

/// On a full disk the state cannot be written down, and nothing is begun that is not written down: not the
/// installation, not the boot, not the mark. With room again it goes on, as often as it is tried.
#[test]
fn on_a_full_disk_no_step_is_taken_and_with_room_again_it_goes_on() {
    let fill = |board: &FakeBoard, capacity| {
        board.disk().plan(edge_store::disk::faulty::Plan { capacity, ..edge_store::disk::faulty::Plan::none() });
    };
    let mut board = FakeBoard::new(OLD, Image::Whole("0.9.0".parse().unwrap()), NEW, Sabotage::None);
    let around = Around::default();
    board.power_on(0).unwrap();
    let mut updater = open(&board, &around).unwrap();
    updater.start(at(0), wall()).unwrap();

    fill(&board, Some(0));
    for _ in 0..3 {
        let told = updater.handle(asked(), at(0), wall()).unwrap_err().to_string();
        assert!(told.contains("/data/update/state"), "{told}");
    }
    let standing = board.status().unwrap();
    assert_eq!(
        (standing.primary, standing.b.version),
        (Some(SlotName::A), Some("0.9.0".parse().unwrap())),
        "as it was"
    );
    fill(&board, None);
    assert_eq!(updater.handle(asked(), at(0), wall()).unwrap(), None);

    fill(&board, Some(0));
    updater.handle(Event::RebootAllowed, at(0), wall()).unwrap_err();
    assert!(!around.reboot.load(Ordering::Relaxed), "no boot that is not written down");
    fill(&board, None);
    updater.handle(Event::RebootAllowed, at(0), wall()).unwrap();
    assert!(around.reboot.load(Ordering::Relaxed));

    assert_eq!(board.power_on(1).unwrap().to_string(), NEW);
    around.boot.fetch_add(1, Ordering::Relaxed);
    fill(&board, Some(0));
    let mut updater = open(&board, &around).unwrap();
    updater.start(at(0), wall()).unwrap_err();
    fill(&board, None);
    // The process that could not write has ended, and the next one goes on.
    let mut updater = open(&board, &around).unwrap();
    updater.start(at(0), wall()).unwrap();
    updater.look(Some(healthy()), at(0), wall()).unwrap();
    fill(&board, Some(0));
    let tried = (1..=30).map(|minute| updater.look(Some(healthy()), at(minute), wall()));
    assert!(tried.filter(Result::is_err).count() > 20, "what it would confirm cannot be written down");
    let told = around.told.lock().unwrap().clone();
    assert!(!told.iter().any(|told| matches!(told, Told::Good(_))), "nor is it told: {told:?}");
    fill(&board, None);
    updater.look(Some(healthy()), at(31), wall()).unwrap();
    assert!(matches!(updater.state().phase, Phase::Good { .. }), "{:?}", updater.state().phase);
    assert_eq!(updater.state().floor, Some(NEW.parse().unwrap()));
}

#[test]
fn two_hundred_drawn_sequences_never_brick() {
    let seed = number("UPDATE_CUTS_SEED").unwrap_or(20_261_125);
    let sequences = number("UPDATE_CUTS").unwrap_or(200);
    println!("UPDATE_CUTS={sequences} UPDATE_CUTS_SEED={seed}");
    let cuts = draw(sequences, seed, Sabotage::None).unwrap();
    println!("{cuts} power cuts in {sequences} updates");
}

#[test]
fn a_primary_that_is_switched_before_its_slot_is_written_is_found() {
    let found = draw(200, 1, Sabotage::PrimaryBeforeWrite).unwrap_err();
    // Half of the new one, or whatever was in that slot before.
    assert!(found.contains("half written") || found.contains("which is neither"), "{found}");
}

#[test]
fn a_bootloader_that_does_not_count_is_found() {
    let found = draw(200, 1, Sabotage::NothingCounts).unwrap_err();
    assert!(found.contains("no rest"), "{found}");
}
