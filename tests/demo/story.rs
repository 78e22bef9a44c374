//! What happens in the demo, in order.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use nix::sys::statvfs::statvfs;

use crate::Arguments;
use crate::cameras::Cameras;
use crate::center::Center;
use crate::diagnosis;
use crate::errand;
use crate::interruption::Interruption;
use crate::ledger;
use crate::report::{self, Watched};
use crate::scene::{self, Scene};
use crate::steps::Steps;
use crate::summary::Summary;
use crate::visit;
use crate::world::{Places, World, end};

/// When the link is cut, and for how long.
const CUT_AFTER: Duration = Duration::from_secs(20);
const CUT_FOR: Duration = Duration::from_secs(10);
/// How long what was kept may take to arrive: after 10 s of refusals the unit may pause for up to 32 s between tries.
const ARRIVAL: Duration = Duration::from_secs(40);
/// How long the agent may take to stop.
const STOP: Duration = Duration::from_secs(30);
/// What the demo needs on the disk: video of both cameras, and what agent and center reserve.
const ROOM_BYTES: u64 = 2 << 30;
/// Every how many passes of the gate a plate is on the unit's list.
const LISTED_EVERY: usize = 5;

/// Plays the whole demo.
pub(crate) fn play(arguments: &Arguments, interruption: &Interruption) -> Result<Summary> {
    let steps = Steps::begin();
    let places = places(&arguments.folder)?;
    let server = Cameras::start()?;
    let scene = scene::set(&arguments.source, &places, &server, &steps)?;
    interruption.check()?;
    let mut world = World::start(&places, &scene.cameras, &listed(&scene), &|words| steps.say(words))?;
    let center = Center::at(world.center_port);
    steps.say("what the center receives (rtcc watch):");
    let watch = watch(&places, &center)?;
    let stage = Stage { places: &places, center: &center, steps, interruption, began: Instant::now() };
    let mut summary = Summary::default();
    let end_after = if arguments.seconds == 0 { Duration::MAX } else { Duration::from_secs(arguments.seconds) };
    let cut = stage.cut_and_heal(&mut world, end_after, &mut summary);
    stage.clip(&mut world, &scene, end_after, &mut summary);
    if arguments.seconds == 0 && !stage.over(&mut world) {
        // Whoever interrupts does not wait for a visit.
        stage.commission(&mut world, &mut summary);
        steps.say("that was the story; it goes on until ^C");
    }
    stage.wait(&mut world, end_after);
    if let Some((name, status)) = world.ended() {
        summary.broken.push(format!("every program runs to the end ({name} ended with {status})"));
    }
    if arguments.seconds != 0 {
        stage.commission(&mut world, &mut summary);
    }
    // The unit says what it has still to say when it stops; the center takes it before it is asked.
    let watched = Watched { seconds: stage.began.elapsed().as_secs_f64(), ended: SystemTime::now(), cut };
    steps.say("the agent stops, in the order of the data");
    world.agent.signal(Signal::SIGTERM);
    ensure!(end(&mut world.agent, STOP).is_some(), "the agent did not stop within {} s", STOP.as_secs());
    report::gather(&mut summary, &center, &scene, &watched, &places.outbox())?;
    drop(watch);
    world.stop()?;
    report::judge(&mut summary, arguments.seconds);
    report::show(&summary, &places.folder)?;
    Ok(summary)
}

/// Plates of the gate that the unit's list holds.
fn listed(scene: &Scene) -> Vec<String> {
    let passes = scene.gate.iter().flat_map(|(gate, _)| &gate.passes);
    passes.step_by(LISTED_EVERY).map(|pass| pass.plate.clone()).collect()
}

/// What the acts of the story share.
struct Stage<'a> {
    places: &'a Places,
    center: &'a Center,
    steps: Steps,
    interruption: &'a Interruption,
    began: Instant,
}

impl Stage<'_> {
    /// Whether somebody interrupts or a program has ended.
    fn over(&self, world: &mut World) -> bool {
        self.interruption.is_there() || world.ended().is_some()
    }

    /// Waits until `until` after the beginning, or until the story is over.
    fn wait(&self, world: &mut World, until: Duration) {
        while self.began.elapsed() < until && !self.over(world) {
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Cuts the link and heals it; when, and shows that everything arrives.
    fn cut_and_heal(
        &self,
        world: &mut World,
        end_after: Duration,
        summary: &mut Summary,
    ) -> Option<(SystemTime, SystemTime)> {
        self.wait(world, CUT_AFTER.min(end_after));
        if end_after < CUT_AFTER + CUT_FOR || self.over(world) {
            summary.broken.push("the link is cut and healed (the demo ended before)".to_owned());
            return None;
        }
        let cut = SystemTime::now();
        self.steps.say("*** the link to the broker is cut: the unit goes on alone ***");
        world.set_link(false);
        self.wait(world, CUT_AFTER + CUT_FOR);
        world.set_link(true);
        let healed = Instant::now();
        let kept = ledger::read(&self.places.outbox()).map_or(0, |lanes| lanes.waiting());
        self.steps.say(&format!("*** the link is healed: {kept} records were kept and now go out ***"));
        match self.arrival(world, healed) {
            Ok(true) => self.steps.say(&format!(
                "everything arrived {:.1} s after: the center has acknowledged all of them, 0 are missing",
                healed.elapsed().as_secs_f64()
            )),
            Ok(false) => summary.broken.push(format!("all arrives within {} s of the healing", ARRIVAL.as_secs())),
            Err(error) => summary.broken.push(format!("all arrives after the healing: {error:#}")),
        }
        Some((cut, SystemTime::now()))
    }

    /// Whether the center acknowledges, in time, everything that the unit had made when the link was healed.
    fn arrival(&self, world: &mut World, healed: Instant) -> Result<bool> {
        let kept = ledger::read(&self.places.outbox())?;
        while healed.elapsed() < ARRIVAL && !self.over(world) {
            if ledger::read(&self.places.outbox())?.have_settled(&kept) {
                return Ok(self.center.statistics()?["missing"].as_u64() == Some(0));
            }
            thread::sleep(Duration::from_millis(100));
        }
        Ok(false)
    }

    /// A technician's visit, when everything else is measured: the checks look at the cameras once more beside the
    /// agent. Then the same in a terminal.
    fn commission(&self, world: &mut World, summary: &mut Summary) {
        if self.over(world) {
            summary.broken.push("a commissioning report (the demo ended before)".to_owned());
            return;
        }
        match visit::commission(self.places, &world.page, self.center, &self.steps) {
            Ok(report) => summary.commissioning = Some(report),
            Err(error) => summary.broken.push(format!("a commissioning report: {error:#}")),
        }
        match diagnosis::examine(self.places, &self.steps) {
            Ok(diagnosis) => summary.doctor = Some(diagnosis),
            Err(error) => summary.broken.push(format!("edge-agent doctor: {error:#}")),
        }
    }

    /// Asks for the clip.
    fn clip(&self, world: &mut World, scene: &Scene, end_after: Duration, summary: &mut Summary) {
        let Some(camera) = scene.cameras.first() else { return };
        // A short demo has less video than a clip is long.
        self.wait(world, CUT_AFTER.min(end_after));
        if self.over(world) {
            summary.broken.push("a verified clip (the demo ended before)".to_owned());
            return;
        }
        match errand::clip(self.places, self.center, camera.id, &self.steps) {
            Ok(clip) => summary.clip = Some(clip),
            Err(error) => summary.broken.push(format!("a verified clip: {error:#}")),
        }
    }
}

fn places(folder: &Path) -> Result<Places> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let room = statvfs(folder)?;
    let free = room.blocks_available() * room.fragment_size();
    ensure!(
        free >= ROOM_BYTES,
        "the disk is nearly full: {} MiB free at {}, the demo needs {}; free some, or name another --folder",
        free >> 20,
        folder.display(),
        ROOM_BYTES >> 20
    );
    let programs = std::env::current_exe()?.parent().map(Path::to_owned).context("where am I?")?;
    let models = Path::new("models").canonicalize().context("the demo runs in the repository's root")?;
    Ok(Places { programs, folder: folder.canonicalize()?, models })
}

/// A program that ends with this, however the demo ends.
struct Companion(Child);

impl Drop for Companion {
    fn drop(&mut self) {
        if let Err(error) = self.0.kill().and_then(|()| self.0.wait().map(drop)) {
            eprintln!("demo: rtcc watch did not end: {error}");
        }
    }
}

/// Shows live what the center receives.
fn watch(places: &Places, center: &Center) -> Result<Companion> {
    let mut watch = Command::new(places.programs.join("rtcc"))
        .args(["watch", "--center", center.address()])
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start rtcc watch")?;
    let lines = watch.stdout.take().context("no output of rtcc watch")?;
    thread::Builder::new().name("watch".to_owned()).spawn(move || {
        for line in BufReader::new(lines).lines().map_while(std::result::Result::ok) {
            println!("    {line}");
        }
    })?;
    Ok(Companion(watch))
}
