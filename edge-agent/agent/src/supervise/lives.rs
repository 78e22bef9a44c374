//! Whether the agent crashed lately, counted on the disk, because who crashes cannot count.
//!
//! A life that began and did not end in order is a crash. Three within five minutes make the next life one in safe
//! mode: it records and reports, with the configuration that worked last, and looks at nothing. A boot in between
//! starts the count anew: a power cut is no crash, and an image that keeps failing is the bootloader's to give up.
//!
//! The file, replaced whole: one line `edge-lives 1 BOOT STATE SECONDS...`, where BOOT is the kernel's id of the boot,
//! STATE `alive` or `ended`, and SECONDS the crashes of the last hour, counted from that boot. A file that is not so
//! counts as none.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use edge_store::disk::{self, Disk};

/// So many crashes ...
const CRASHES: usize = 3;
/// ... within this time.
const WITHIN: Duration = Duration::from_mins(5);
/// How long a crash is remembered: who never gets ready dies too seldom for the rule above.
const REMEMBERED: Duration = Duration::from_hours(1);
/// The file is one short line.
const MOST_BYTES: u64 = 4096;

/// How a life is to be lived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// As configured.
    Normal,
    /// Recording and reporting alone.
    Safe,
}

/// A moment of a boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootTime {
    /// The kernel's id of the boot, or [`BootTime::UNKNOWN`].
    pub boot: String,
    /// Time since that boot.
    pub since: Duration,
}

impl BootTime {
    /// Stands for the id where the system hides it.
    pub const UNKNOWN: &'static str = "unknown";

    /// The kernel's id of the boot; none where the system hides it.
    pub fn id(&self) -> Option<&str> {
        Some(self.boot.as_str()).filter(|id| *id != Self::UNKNOWN)
    }
}

/// What is counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Count {
    boot: String,
    alive: bool,
    crashes: Vec<u64>,
}

/// The life that has begun.
#[derive(Debug)]
pub struct Life {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    count: Count,
}

/// Decides: what is counted from now on, and how to live.
fn begin(before: Count, now: &BootTime) -> (Count, Mode) {
    let mut crashes = if before.boot == now.boot { before.crashes } else { Vec::new() };
    let seconds = now.since.as_secs();
    if before.alive && before.boot == now.boot {
        crashes.push(seconds);
    }
    let lately = |at: &u64, within: Duration| seconds.saturating_sub(*at) <= within.as_secs();
    crashes.retain(|at| lately(at, REMEMBERED));
    let mode =
        if crashes.iter().filter(|at| lately(at, WITHIN)).count() >= CRASHES { Mode::Safe } else { Mode::Normal };
    (Count { boot: now.boot.clone(), alive: true, crashes }, mode)
}

impl Life {
    /// Begins a life; what comes back says how to live it. Where the disk does not take the count, the life is an
    /// ordinary one: not to start would be worse.
    pub fn begin(disk: Arc<dyn Disk>, path: PathBuf, now: &BootTime) -> (Self, Mode) {
        let before = read(disk.as_ref(), &path).unwrap_or_default();
        let (count, mode) = begin(before, now);
        let life = Self { disk, path, count };
        life.keep();
        (life, mode)
    }

    /// How many lives before this one ended in a crash within the last hour of this boot, since one ended in order.
    pub const fn crashes(&self) -> usize {
        self.count.crashes.len()
    }

    /// Goes on with the life that another program began in this very process.
    pub fn go_on(disk: Arc<dyn Disk>, path: PathBuf) -> Self {
        let count = read(disk.as_ref(), &path).unwrap_or_default();
        Self { disk, path, count }
    }

    /// Ends it in order.
    pub fn end(mut self) {
        self.count = Count { alive: false, crashes: Vec::new(), ..self.count };
        self.keep();
    }

    fn keep(&self) {
        let state = if self.count.alive { "alive" } else { "ended" };
        let crashes = self.count.crashes.iter().map(u64::to_string);
        let words: Vec<String> = [self.count.boot.clone(), state.to_owned()].into_iter().chain(crashes).collect();
        let line = format!("edge-lives 1 {}\n", words.join(" "));
        if let Err(error) = disk::replace(self.disk.as_ref(), &self.path, line.as_bytes()) {
            tracing::error!(%error, path = %self.path.display(), "crashes cannot be counted");
        }
    }
}

fn read(disk: &dyn Disk, path: &Path) -> io::Result<Count> {
    let file = disk.open(path)?;
    let length = usize::try_from(file.length()?.min(MOST_BYTES)).map_err(io::Error::other)?;
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, 0)?;
    let text = String::from_utf8(bytes).map_err(io::Error::other)?;
    Ok(parse(&text).unwrap_or_default())
}

fn parse(text: &str) -> Option<Count> {
    let mut words = text.strip_prefix("edge-lives 1 ")?.split_whitespace();
    let boot = words.next()?.to_owned();
    let alive = match words.next()? {
        "alive" => true,
        "ended" => false,
        _ => return None,
    };
    let crashes = words.map(str::parse).collect::<Result<_, _>>().ok()?;
    Some(Count { boot, alive, crashes })
}

#[cfg(test)]
mod tests {
    use edge_store::disk::faulty::{FaultyDisk, Plan};

    use super::*;

    fn at(boot: &str, seconds: u64) -> BootTime {
        BootTime { boot: boot.to_owned(), since: Duration::from_secs(seconds) }
    }

    fn live(disk: &Arc<dyn Disk>, now: &BootTime) -> (Life, Mode) {
        Life::begin(Arc::clone(disk), PathBuf::from("/data/lives"), now)
    }

    /// Lives that crash at these moments of one boot; how the one after them is lived.
    fn after(crashes: &[u64]) -> Mode {
        let disk: Arc<dyn Disk> = Arc::new(FaultyDisk::new(Plan::none()));
        drop(live(&disk, &at("a", 0)));
        let lived: Vec<Mode> = crashes.iter().map(|seconds| live(&disk, &at("a", *seconds)).1).collect();
        lived[lived.len() - 1]
    }

    #[test]
    fn three_crashes_within_five_minutes_make_a_life_in_safe_mode() {
        assert_eq!(after(&[10, 20]), Mode::Normal);
        assert_eq!(after(&[10, 20, 30]), Mode::Safe);
        assert_eq!(after(&[10, 20, 310]), Mode::Safe);
        assert_eq!(after(&[10, 20, 311]), Mode::Normal);
    }

    #[test]
    fn crashes_are_counted_for_an_hour_and_go_on_in_the_program_that_takes_the_place() {
        let disk: Arc<dyn Disk> = Arc::new(FaultyDisk::new(Plan::none()));
        for seconds in [0, 302, 604, 906] {
            let (_, mode) = live(&disk, &at("a", seconds));
            assert_eq!(mode, Mode::Normal, "never three within five minutes");
        }
        assert_eq!(live(&disk, &at("a", 1208)).0.crashes(), 4);
        assert_eq!(Life::go_on(Arc::clone(&disk), PathBuf::from("/data/lives")).crashes(), 4, "it counts nothing");
        assert_eq!(live(&disk, &at("a", 302 + 3601)).0.crashes(), 4, "the first is forgotten, the last one is new");
        live(&disk, &at("a", 4000)).0.end();
        assert_eq!(live(&disk, &at("a", 4001)).0.crashes(), 0);
    }

    #[test]
    fn a_boot_that_the_system_hides_has_no_id() {
        assert_eq!((at("a", 1).id(), at(BootTime::UNKNOWN, 1).id()), (Some("a"), None));
    }

    #[test]
    fn an_end_in_order_and_a_boot_begin_the_count_anew() {
        let disk: Arc<dyn Disk> = Arc::new(FaultyDisk::new(Plan::none()));
        for seconds in [0, 10, 20] {
            drop(live(&disk, &at("a", seconds)));
        }
        let (life, mode) = live(&disk, &at("a", 30));
        assert_eq!(mode, Mode::Safe);
        life.end();
        assert_eq!(live(&disk, &at("a", 31)).1, Mode::Normal);
        for seconds in [40, 50] {
            drop(live(&disk, &at("a", seconds)));
        }
        assert_eq!(live(&disk, &at("b", 5)).1, Mode::Normal, "the power was cut, nothing crashed");
    }

    #[test]
    fn a_count_that_cannot_be_read_or_written_does_not_keep_the_agent_from_living() {
        let disk = FaultyDisk::new(Plan::none());
        disk::replace(&disk, Path::new("/data/lives"), b"edge-lives 1 a alive 1 x").unwrap();
        let seam: Arc<dyn Disk> = Arc::new(disk.clone());
        assert_eq!(live(&seam, &at("a", 1)).1, Mode::Normal);
        disk.plan(Plan { broken_at: Some(disk.operations() + 1), ..Plan::none() });
        assert_eq!(live(&seam, &at("a", 2)).1, Mode::Normal);
    }
}
