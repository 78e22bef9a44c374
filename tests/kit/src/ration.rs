//! A ration of processor time for a program under test: a quarter of one core, as for a unit on which something else
//! has run away.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::process::Process;

/// Of every period, in microseconds, the program gets so much.
const PERIOD_US: u32 = 100_000;
const QUARTER_US: u32 = PERIOD_US / 4;
/// Programs that want all of the one core which the program is kept on where no group can be made.
const RIVALS: usize = 3;

/// The ration of what is started by it. To be dropped after that has ended.
#[derive(Debug)]
pub struct Ration {
    means: Means,
}

#[derive(Debug)]
enum Means {
    /// A group of processes, of the kernel's first or second kind.
    Group { folder: PathBuf, second: bool },
    /// One core, and who else wants it.
    OneCore(Vec<Process>),
}

impl Ration {
    /// No ration yet; none, with a word why, on a machine that can set none.
    pub fn new() -> Option<Ration> {
        if let Some(means) = group() {
            return Some(Ration { means });
        }
        let mut one_core = Command::new("taskset");
        one_core.args(["--cpu-list", "0", "true"]).stdout(Stdio::null()).stderr(Stdio::null());
        if one_core.status().is_ok_and(|status| status.success()) {
            eprintln!("no group of processes with a limit can be made here; one core with {RIVALS} rivals stands in");
            return Some(Ration { means: Means::OneCore(Vec::new()) });
        }
        eprintln!(
            "SKIPPED: neither a group of processes with a limit nor taskset can be had, so nobody can be starved"
        );
        None
    }

    /// What starts the program, for [`crate::world::Plan::started_by`].
    pub fn started_by(&self) -> Vec<String> {
        let words: &[&str] = match &self.means {
            Means::Group { folder, .. } => {
                let join = "echo $$ > \"$0/cgroup.procs\" && exec \"$@\"";
                &["sh", "-c", join, folder.to_str().expect("a name in plain letters")]
            }
            // Less weight than a rival has, since several threads of the program want the core at once.
            Means::OneCore(_) => &["nice", "-n", "5", "taskset", "--cpu-list", "0"],
        };
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    /// From now on it is a quarter of one core.
    pub fn cut(&mut self) {
        match &mut self.means {
            Means::Group { folder, second } => limit(folder, *second).expect("limit a group of one's own"),
            Means::OneCore(rivals) => rivals.resize_with(RIVALS, || {
                let mut rival = Command::new("taskset");
                Process::spawn("a rival", rival.args(["--cpu-list", "0", "sh", "-c", "while :; do :; done"]))
            }),
        }
    }
}

impl Drop for Ration {
    fn drop(&mut self) {
        if let Means::Group { folder, .. } = &self.means
            && let Err(error) = std::fs::remove_dir(folder)
        {
            eprintln!("{} stays behind: {error}", folder.display());
        }
    }
}

/// A group for this test where this machine lets one be made.
fn group() -> Option<Means> {
    let mounts = std::fs::read_to_string("/proc/mounts").ok()?;
    mounts.lines().find_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (at, kind, options) = (words.next()?, words.next()?, words.next()?);
        let (first, second) = (kind == "cgroup" && options.split(',').any(|option| option == "cpu"), kind == "cgroup2");
        if !first && !second {
            return None;
        }
        let folder = Path::new(at).join(format!("edge-story-{}", std::process::id()));
        std::fs::create_dir(&folder).ok()?;
        if folder.join(limited_by(second)).exists() {
            return Some(Means::Group { folder, second });
        }
        std::fs::remove_dir(&folder).expect("remove a group of one's own");
        None
    })
}

fn limited_by(second: bool) -> &'static str {
    if second { "cpu.max" } else { "cpu.cfs_quota_us" }
}

fn limit(folder: &Path, second: bool) -> std::io::Result<()> {
    let file = folder.join(limited_by(second));
    if second {
        return std::fs::write(file, format!("{QUARTER_US} {PERIOD_US}"));
    }
    std::fs::write(folder.join("cpu.cfs_period_us"), PERIOD_US.to_string())?;
    std::fs::write(file, QUARTER_US.to_string())
}
