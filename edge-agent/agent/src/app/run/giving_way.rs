//! The image's agent gives way to a signed release of itself, which then runs in this very process.
//!
//! What was signed is checked at each start, copied into memory that nobody can change, and started from there. The
//! image's agent counts the life before it does so: a release that crashes three times within five minutes or six times
//! within an hour, that cannot be started, or that has had its boots is left out from then on, and the former release
//! or the image's own agent runs. It needs no configuration for that: a release may know one that its image does not.

use std::path::Path;
use std::sync::Arc;

use edge_store::disk::RealDisk;

use super::surviving;
use crate::app::update::artefacts::Home;
use crate::app::update::release::keyring;
use crate::config::Config;
use crate::supervise::{BootTime, Clock, Life, Mode, program};
use crate::update::artefact::InUse;
use crate::update::release::{Place, Releases};
use crate::update::{KeepFault, Version, image_is_on_trial, own_version};

/// So many crashes within an hour are too many for a release: one that never gets ready dies too seldom for safe mode.
const MOST_CRASHES: usize = 6;

/// Has the release that is in use run instead of this program, if there is one. Returns where the image's own agent is
/// to run, and in a release itself: with what was left out though nobody could write that down.
pub(super) fn give_way(config: Option<&Config>, data_dir: &Path, clock: &Clock) -> Option<Version> {
    program::keep_name();
    if program::first().is_some() || !data_dir.is_dir() {
        return None;
    }
    let own = own_version();
    let releases = Releases::new(&RealDisk, data_dir);
    let Some(home) = surviving::home() else {
        if let Ok(Place::Give(release)) = releases.place(&own) {
            tracing::warn!("agent {} does not run: there is no service manager (STATE_DIRECTORY)", release.revision);
        }
        return None;
    };
    let execute = |release: &InUse<Version>| take_the_place(&releases, release, &own);
    let unit = Home { data_dir, config, clock, waits: true };
    Start { unit, home: &home, boot: clock.boot(), own: &own, execute: &execute }.begin()
}

/// Why a release does not run.
enum Failed {
    /// It is no fault of it: the next start tries again.
    Now(String),
    /// It will not run.
    ForGood(String),
}

/// Checks a release once more and runs it in this process's place; returns why that cannot be.
fn take_the_place(releases: &Releases<'_>, release: &InUse<Version>, own: &Version) -> Failed {
    let keyring = match keyring() {
        Ok(keyring) => keyring,
        Err(error) => return Failed::Now(format!("{error:#}")),
    };
    let program = match releases.program(&release.folder, own, &keyring) {
        Ok((manifest, program)) if manifest.software == release.revision => program,
        Ok((manifest, _)) => return Failed::ForGood(format!("it is {} by what was signed", manifest.software)),
        Err(fault) => return Failed::ForGood(fault.to_string()),
    };
    tracing::info!("agent {} runs in place of the image's {own}", release.revision);
    let Err(error) = program.take_the_place(std::env::args_os().skip(1));
    Failed::ForGood(format!("it cannot be started: {error}"))
}

/// One start of the image's agent.
struct Start<'c> {
    unit: Home<'c>,
    /// What the service manager keeps: where lives are counted.
    home: &'c Path,
    boot: BootTime,
    own: &'c Version,
    /// Runs a release instead of this program; returns why that cannot be.
    execute: &'c dyn Fn(&InUse<Version>) -> Failed,
}

impl Start<'_> {
    /// Leaves out one release after the other until one runs, or none is left.
    fn begin(&self) -> Option<Version> {
        let mut left_out = None;
        loop {
            let place = place(self.unit.data_dir, self.own);
            let place = place.inspect_err(|error| tracing::error!(%error, "which release is in use is not known"));
            let revision = match place.unwrap_or(Place::Keep) {
                Place::Keep => return self.keep(),
                // Never the same again, where the disk takes nothing.
                Place::Give(InUse { revision, .. }) | Place::Damaged(revision, _) | Place::NotFor(revision, _)
                    if left_out.as_ref() == Some(&revision) =>
                {
                    return left_out;
                }
                Place::Give(release) => self.give(release),
                Place::Damaged(revision, why) => self.leave_out(revision, &why),
                Place::NotFor(revision, why) => self.put_aside(revision, &why),
            };
            left_out = Some(revision);
        }
    }

    /// The image's own agent runs. What became of a release may not have been told, since the state was lost or the
    /// disk was full.
    fn keep(&self) -> Option<Version> {
        let standing = Releases::new(&RealDisk, self.unit.data_dir).standing().unwrap_or_default();
        if let Some(over) = &standing.passed_over {
            tracing::warn!("agent {} is left out, as was said before: the image's own runs", over.revision);
        }
        if !standing.untold.is_empty() {
            self.change(|_| Ok(()));
        }
        None
    }

    /// Runs a release, and leaves it out where that cannot be, or it has had its boots or its crashes.
    fn give(&self, release: InUse<Version>) -> Version {
        let mut may_begin = true;
        self.change(|releases| {
            // Of one on trial each boot counts, of one that another image had left out people hear.
            may_begin = releases.meet(&self.boot.boot)?;
            releases.take_up(&release.revision)
        });
        if !may_begin {
            return release.revision;
        }
        surviving::forget_lives_of_others(self.home, &release.revision);
        let lives = surviving::lives(self.home, Some(&release.revision));
        let (life, mode) = Life::begin(Arc::new(RealDisk), lives, &self.boot);
        let failed = match (mode, life.crashes()) {
            (Mode::Safe, _) => Failed::ForGood("it crashed three times within five minutes".to_owned()),
            (Mode::Normal, MOST_CRASHES..) => {
                Failed::ForGood(format!("it crashed {MOST_CRASHES} times within an hour"))
            }
            (Mode::Normal, _) => (self.execute)(&release),
        };
        life.end();
        match failed {
            Failed::ForGood(why) => self.leave_out(release.revision, &why),
            Failed::Now(why) => {
                tracing::error!("agent {} does not run this time: {why}", release.revision);
                release.revision
            }
        }
    }

    /// On trial it is given up; one that had proved itself is passed over by this image.
    fn leave_out(&self, revision: Version, why: &str) -> Version {
        tracing::error!("agent {revision} is left out: {why}");
        self.change(|releases| {
            releases.give_up(why.to_owned())?;
            releases.pass_over(&revision, self.own, why.to_owned())
        });
        revision
    }

    /// It is not for this image, which is no fault of it; on trial it cannot go on.
    fn put_aside(&self, revision: Version, why: &str) -> Version {
        tracing::info!("agent {revision} is left alone: {why}");
        self.change(|releases| {
            releases.give_up(why.to_owned())?;
            releases.put_aside(&revision, self.own, why.to_owned())
        });
        revision
    }

    fn change(&self, change: impl FnOnce(&Releases<'_>) -> Result<(), KeepFault>) {
        match self.unit.change(change) {
            Ok(true) => {}
            Ok(false) => tracing::warn!("a release is being put to use; what becomes of the former is not written"),
            Err(error) => tracing::error!(error = format!("{error:#}"), "which agent runs is told to nobody"),
        }
    }
}

/// An image has to prove itself with the agent that it brings.
pub(super) fn place(data_dir: &Path, own: &Version) -> Result<Place, KeepFault> {
    if image_is_on_trial(&RealDisk, &data_dir.join("update")) {
        return Ok(Place::Keep);
    }
    Releases::new(&RealDisk, data_dir).place(own)
}

#[cfg(test)]
pub(super) mod tests {
    use std::cell::RefCell;
    use std::time::Duration;

    use super::*;
    use crate::update::release::tests::World;
    use crate::update::{Before, Change, Phase, SlotName, Watch, write_phase};

    pub(in crate::app::run) fn next() -> Version {
        "99.0.0".parse().unwrap()
    }

    /// A unit whose image is this build, with a release for it.
    pub(in crate::app::run) fn unit() -> World {
        let (world, own) = (World::new(), own_version());
        let file = world.file(&next().to_string(), b"next", |release| release.images = vec![own.clone()]);
        world.install_on(&own.to_string(), &file, None).unwrap();
        world
    }

    /// Starts of the image's agent on a unit, each in a boot and at a second of it: which release was begun at the last
    /// one, and what was left out though it could not be written down. Whatever is begun crashes.
    fn start(world: &World, own: &Version, at: &[(&str, u64)]) -> (Vec<String>, Option<Version>) {
        let (clock, mut last) = (Clock::system(), (Vec::new(), None));
        for (boot, seconds) in at {
            let begun = RefCell::new(Vec::new());
            // What takes the place does not come back: here it does, and is as good as a program that cannot run.
            let execute = |release: &InUse<Version>| {
                begun.borrow_mut().push(release.revision.to_string());
                Failed::ForGood("it cannot be started: here".to_owned())
            };
            let boot = BootTime { boot: (*boot).to_owned(), since: Duration::from_secs(*seconds) };
            let unit = Home { data_dir: world.data.path(), config: None, clock: &clock, waits: false };
            let left_out = Start { unit, home: world.data.path(), boot, own, execute: &execute }.begin();
            last = (begun.into_inner(), left_out);
        }
        last
    }

    /// Lives of a release that crashed at these seconds of a boot.
    fn crashed(world: &World, seconds: &[u64]) {
        for seconds in seconds {
            let at = BootTime { boot: "boot".to_owned(), since: Duration::from_secs(*seconds) };
            drop(Life::begin(Arc::new(RealDisk), surviving::lives(world.data.path(), Some(&next())), &at));
        }
    }

    fn why(world: &World) -> String {
        let audit = edge_store::audit::Audit::open(&world.data.path().join("audit.sqlite")).unwrap().audit;
        let last = audit.entries(0, 100).unwrap().pop().unwrap();
        String::from_utf8_lossy(&last.body).into_owned()
    }

    #[test]
    fn a_release_that_cannot_be_started_or_keeps_crashing_is_left_out_and_told_once() {
        let cases: [(&[u64], u64, bool, &str); 5] = [
            (&[], 0, true, "it cannot be started: here"),
            (&[0, 10], 20, true, "it cannot be started: here"),
            (&[0, 10, 20], 30, false, "it crashed three times within five minutes"),
            (&[0, 302, 604, 906, 1208], 1510, true, "it cannot be started: here"),
            (&[0, 302, 604, 906, 1208, 1510], 1812, false, "it crashed 6 times within an hour"),
        ];
        for (crashes, now, begins, words) in cases {
            let (world, own) = (unit(), own_version());
            crashed(&world, crashes);
            let (begun, left_out) = start(&world, &own, &[("boot", now)]);
            assert_eq!((begun.len(), left_out), (usize::from(begins), None), "{words}");
            assert!(why(&world).contains(words), "{} does not say {words}", why(&world));
            assert_eq!(start(&world, &own, &[("boot", now + 1)]).0.len(), 0, "{words}: begun again");
            assert!(world.releases().standing().unwrap().untold.is_empty(), "{words}: not told");
        }
    }

    #[test]
    fn what_is_no_fault_of_a_release_costs_it_one_start() {
        let (world, own, clock) = (unit(), own_version(), Clock::system());
        for seconds in [0, 1, 2, 3, 4] {
            let begun = RefCell::new(0);
            let execute = |_: &InUse<Version>| {
                *begun.borrow_mut() += 1;
                Failed::Now("cannot read the keyring".to_owned())
            };
            let boot = BootTime { boot: "boot".to_owned(), since: Duration::from_secs(seconds) };
            let unit = Home { data_dir: world.data.path(), config: None, clock: &clock, waits: false };
            let left_out = Start { unit, home: world.data.path(), boot, own: &own, execute: &execute }.begin();
            assert_eq!((begun.into_inner(), left_out), (1, Some(next())));
        }
    }

    #[test]
    fn a_release_is_put_aside_by_an_image_that_it_is_not_for_and_taken_up_by_its_own() {
        let (world, own, other) = (unit(), own_version(), "98.0.0".parse().unwrap());
        assert_eq!(start(&world, &other, &[("a", 0), ("b", 0)]), (Vec::new(), None));
        assert!(why(&world).contains("is left alone: it is for images"), "{}", why(&world));
        assert_eq!(start(&world, &own, &[("c", 0)]).0, [next().to_string()]);
        assert!(why(&world).contains("it cannot be started"), "{}", why(&world));
    }

    #[test]
    fn one_on_trial_gives_way_to_the_former_one_after_its_boots() {
        let (world, own) = (unit(), own_version());
        let newer = world.file("99.0.1", b"newer", |release| release.images = vec![own.clone()]);
        world.install_on(&own.to_string(), &newer, Some(Before::default())).unwrap();
        for boot in ["a", "b", "c"] {
            assert!(world.releases().meet(boot).unwrap());
        }
        assert_eq!(start(&world, &own, &[("d", 0)]).0, [next().to_string()], "the former one, which fails here too");
        assert_eq!(world.releases().in_use(), None);
    }

    #[test]
    fn where_nothing_can_be_written_down_it_is_tried_once_in_a_start_and_the_image_s_own_agent_runs() {
        let (world, own) = (unit(), own_version());
        // Nobody gets the lock, be it that the disk is full or that another process has it.
        std::fs::create_dir_all(world.data.path().join("update/agents.lock")).unwrap();
        for boot in ["a", "b"] {
            assert_eq!(start(&world, &own, &[(boot, 0)]), (vec![next().to_string()], Some(next())));
        }
    }

    #[test]
    fn an_image_proves_itself_with_the_agent_that_it_brings() {
        let world = unit();
        let change = || Change {
            from: SlotName::A,
            old: None,
            new: next(),
            before: Before::default(),
            boot: "first".to_owned(),
        };
        let of = |phase| {
            write_phase(&RealDisk, &world.data.path().join("update"), phase);
            place(world.data.path(), &own_version()).unwrap()
        };
        assert!(matches!(of(Phase::Installed { change: change() }), Place::Give(_)), "the former image still runs");
        for phase in [
            Phase::Rebooting { change: change() },
            Phase::Confirming { change: change(), watch: Watch::default() },
            Phase::AwaitingLine { change: change(), watch: Watch::default() },
            Phase::RollingBack { change: change(), why: "it does not work".to_owned() },
        ] {
            assert_eq!(of(phase), Place::Keep);
        }
        assert!(matches!(of(Phase::Good { change: change() }), Place::Give(_)));
    }
}
