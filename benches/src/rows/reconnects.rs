//! Memory of a unit whose camera drops its connection again and again: what it grows by from the hundredth time on.
//!
//! The unit's side is the real capture station with the waits between tries taken out, in a process of its own, and so
//! is the camera. The rounds run side by side, since each takes long and does little but wait; what one keeps in memory
//! is not moved by the others.

use std::io::Write as _;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use edge_agent::capture::{Camera, CameraHealth, CameraWatch, Settings, Source, State, Transport, Trust};
use edge_agent::supervise::{Backoff, Clock, Heartbeats, Stop};
use edge_tests::process::Process;
use edge_tests::proxy::Proxy;
use edge_tests::rtsp::{Coding, Reel, RtspCamera};

use super::Surroundings;
use super::memory::resident;
use crate::cost::Spread;
use crate::table::Row;

/// Until here memory may grow: everything has been used once and the allocator has settled.
const WARM: u32 = 100;
const DEADLINE: Duration = Duration::from_mins(1);
/// The first word of what the unit's side says at its end.
const GREW: &str = "grew";
const KIB: f64 = 1024.0;

/// The camera: plays until the process that started it is gone.
///
/// # Errors
/// When its port cannot be said.
pub fn be_the_camera() -> Result<()> {
    let camera = RtspCamera::start(Reel::drawn(Coding::H264, (320, 240), 30, 30));
    writeln!(std::io::stdout(), "camera on port {}", camera.port())?;
    let parent = nix::unistd::getppid();
    while nix::unistd::getppid() == parent {
        thread::park_timeout(Duration::from_secs(1));
    }
    Ok(())
}

/// Looks until the camera's health is as wanted.
fn wait(watch: &CameraWatch, clock: &Clock, wanted: impl Fn(&CameraHealth) -> bool) -> Result<()> {
    let began = Instant::now();
    loop {
        let health = watch.health(clock.mono());
        if wanted(&health) {
            return Ok(());
        }
        ensure!(began.elapsed() < DEADLINE, "the camera does not come back: {health:?}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// The unit's side: captures from a camera at this port and has the connection cut so often; says by how much it grew.
///
/// # Errors
/// When the camera does not come back, or there were too few cuts to say anything.
pub fn be_the_unit(port: u16, count: u32) -> Result<()> {
    ensure!(count > WARM, "growth is measured from the {WARM}th reconnect on");
    let link = Proxy::to(([127, 0, 0, 1], port).into());
    let url = format!("rtsp://127.0.0.1:{}/stream", link.port());
    let source = Source::Rtsp { url, transport: Transport::Tcp, credentials: None, trust: Trust::System };
    let backoff = Backoff::new(Duration::from_millis(1), Duration::from_millis(1));
    let (clock, stop) = (Clock::system(), Stop::new());
    let mut camera = Camera::new(Settings { backoff, ..Settings::new("camera".parse()?, source) }, clock.clone());
    let watch = camera.watch();
    let captured = {
        let (stop, clock) = (stop.clone(), clock.clone());
        thread::spawn(move || {
            let pulse = Heartbeats::default().register("camera", DEADLINE, clock.mono());
            camera.run(&stop, &pulse, &mut drop);
        })
    };
    let mut warm = 0.0;
    for round in 0..count {
        let before = watch.health(clock.mono()).units;
        wait(&watch, &clock, |health| health.units > before && health.state == State::Receiving)?;
        if round == WARM {
            warm = resident(std::process::id())?;
        }
        link.cut_now();
        wait(&watch, &clock, |health| health.reconnects > u64::from(round))?;
    }
    let grown = (resident(std::process::id())? - warm) / KIB;
    stop.set();
    ensure!(captured.join().is_ok(), "the capture panicked");
    writeln!(std::io::stdout(), "{GREW} {grown:.0} KiB")?;
    Ok(())
}

/// Camera and unit of one round.
fn begin(count: u32) -> Result<(Process, Process)> {
    let own = std::env::current_exe()?;
    let camera = Process::spawn("camera", Command::new(&own).arg("--be-the-camera"));
    let said = camera.find_line(DEADLINE, |line| line.starts_with("camera on port")).context("no camera")?;
    let port = said.split_whitespace().nth(3).context("a port")?;
    let mut unit = Command::new(own);
    unit.args(["--be-the-unit", port, "--reconnects", &count.to_string()]);
    Ok((camera, Process::spawn("unit", &mut unit)))
}

pub(super) fn measure(around: &Surroundings) -> Result<Vec<Row>> {
    let count = if around.extent.short { WARM * 2 } else { around.extent.reconnects };
    let running: Vec<_> = (0..around.extent.rounds).map(|_| begin(count)).collect::<Result<_>>()?;
    let mut grown = Vec::new();
    for (_camera, unit) in &running {
        let said = unit.find_line(DEADLINE * count, |line| line.starts_with(GREW));
        let said = said.with_context(|| format!("it did not come to its end:\n{}", unit.lines().join("\n")))?;
        let kibibytes: f64 = said.split_whitespace().nth(1).context("a number")?.parse()?;
        grown.push(kibibytes / KIB);
    }
    let grown = Spread::of(grown);
    Ok(vec![Row {
        what: format!("memory: growth from the {WARM}th to the {count}th reconnect of a camera, MiB"),
        goal: "<= 2, to the 10,000th".to_owned(),
        measured: grown.show(2),
        reference: "VmRSS of the capture alone; waits between tries of 1 ms".to_owned(),
        met: Some(grown.most <= 2.0),
    }])
}
