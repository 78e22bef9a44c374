//! The box around the agent: its station's thread, and what is made of it: health, alerts, held video, less analysis.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use edge_protocol::id::CameraId;
use edge_protocol::record::{
    Alert, AlertKind, BoardHealth, Confidence, Gap, GapOf, Record, Sentence, Tamper, Temperature, Word,
};
use edge_protocol::time::{Moment, MonoTime, WallTime};
use edge_store::disk::RealDisk;

use super::alert::alert;
use super::auditing::{Alarms, tell};
use super::fitting::{Fittings, fittings};
use super::holding::Holding;
use super::opening::Opening;
use super::vitals::Vitals;
use super::{Assembly, RunError, ring_place};
use crate::config::Trigger;
use crate::peripherals::simulated::Bench;
use crate::peripherals::{Celsius, Edge, Effort, Noticed, Readings, Station, reset, zone};
use crate::publish::Entry;
use crate::supervise::queue::Sender;
use crate::supervise::{Clock, Fault, Pulse, Station as Place, Stop};
use crate::vision::client::Throttle;

/// How often contacts are looked at: well below the time that a bouncing spring takes to settle.
const LOOK: Duration = Duration::from_millis(20);
/// How often readings go to health and held video is looked after.
const TELL: Duration = Duration::from_secs(1);
/// Left by a life of the agent, and taken away when it ends in order.
const MARK: &str = "alive.mark";

/// What the thread works with.
struct Housing {
    station: Station,
    triggers: Vec<Trigger>,
    holding: Holding,
    cameras: Vec<CameraId>,
    entries: Sender<Entry>,
    vitals: Vitals,
    throttle: Throttle,
    alarms: Option<Alarms>,
    clock: Clock,
    pulse: Pulse,
    last_reset: Sentence,
    /// What opens the technician's page; none where there is no page.
    page: Option<Opening>,
    /// Since when nothing is analysed.
    blind_since: Option<WallTime>,
}

/// Starts the station; a board file that is wrong costs the board and nothing else.
pub(super) fn start(
    assembly: &mut Assembly<'_>,
    entries: &Sender<Entry>,
    vitals: &Vitals,
    throttle: Throttle,
) -> Result<(), RunError> {
    let config = assembly.config;
    let mark = config.data_dir.join(MARK);
    let last_reset = Sentence::cut(&last_reset(&mark, assembly.clock.boot().id()));
    tracing::info!(cause = last_reset.as_str(), "started");
    let (found, wrong) = match fittings(&config.board, Bench::default(), Path::new(zone::FOLDER)) {
        Ok(found) => (found, None),
        Err(error) => {
            tracing::error!(%error, "the board file cannot be used; the agent works on without the board");
            (None, Some(Sentence::cut(&format!("board file: {error}"))))
        }
    };
    let board = BoardHealth {
        analysis: Confidence::ONE,
        last_reset: last_reset.clone(),
        failing: wrong.into_iter().collect(),
        ..BoardHealth::default()
    };
    vitals.note_board(board, Vec::new());
    let Some(Fittings { parts, triggers, bench }) = found else { return keep_mark(assembly, mark) };
    // What is not recorded cannot be held.
    let recorded = config.cameras.iter().filter(|_| assembly.keeps());
    let rings = recorded.map(|camera| ring_place(config, camera)).collect();
    let mut housing = Housing {
        station: Station::new(parts),
        triggers,
        holding: Holding::new(rings),
        cameras: config.cameras.iter().map(|camera| camera.id.clone()).collect(),
        entries: entries.clone(),
        vitals: vitals.clone(),
        throttle,
        alarms: assembly.alarms(),
        clock: assembly.clock.clone(),
        pulse: assembly.pulse("peripherals"),
        last_reset,
        page: config.page.as_ref().map(|_| Opening::of(&config.data_dir)),
        blind_since: None,
    };
    let body = move |stop: &Stop| housing.run(stop, bench.as_deref());
    assembly.start("peripherals", Place::Analytics, body)?;
    keep_mark(assembly, mark)
}

/// Why the unit started in this boot, and the mark for the next start to find.
fn last_reset(mark: &Path, boot: Option<&str>) -> String {
    let cause = reset::cause(reset::watchdog_status(), reset::read_mark(mark).as_ref(), boot);
    let written = edge_store::disk::replace(&RealDisk, mark, boot.unwrap_or_default().as_bytes());
    if let Err(error) = written {
        tracing::warn!(%error, "the next start will not know how this life ended");
    }
    cause
}

/// The mark stays until the agent is told to stop, as the last thing.
fn keep_mark(assembly: &mut Assembly<'_>, mark: PathBuf) -> Result<(), RunError> {
    let body = move |stop: &Stop| {
        while !stop.wait_timeout(Duration::from_hours(1)) {}
        std::fs::remove_file(&mark).map_err(|error| Fault::from_error(&error))
    };
    assembly.start("mark", Place::Control, body)
}

/// A simulated day of four minutes, so that the page and the demo show something that lives.
fn sway(bench: &mut Bench, now: MonoTime) {
    let turn = now.as_duration().as_secs_f32() / 240.0 * std::f32::consts::TAU;
    bench.celsius = Some(31.0 + 6.0 * turn.sin());
    bench.lux = 420.0 * (1.0 + turn.cos()) / 2.0;
}

impl Housing {
    fn run(&mut self, stop: &Stop, bench: Option<&Mutex<Bench>>) -> Result<(), Fault> {
        let mut due = MonoTime::ZERO;
        while !stop.wait_timeout(LOOK) {
            let now = self.clock.mono();
            self.pulse.beat(now);
            let wall = self.clock.wall().time;
            let indication = self.vitals.indication(now);
            for noticed in self.station.step(now, minute_of_day(wall), indication) {
                for record in self.make_of(noticed, now) {
                    tell(&self.entries, self.alarms.as_ref(), record, self.clock.wall())?;
                }
            }
            if now >= due {
                due = now.saturating_add(TELL);
                if let Some(bench) = bench {
                    sway(&mut bench.lock().unwrap_or_else(PoisonError::into_inner), now);
                }
                self.holding.tend(now, wall);
                let readings = self.station.readings();
                self.vitals.note_board(board_health(readings, &self.last_reset), temperatures(readings));
            }
        }
        self.station.rest(self.clock.mono());
        Ok(())
    }

    /// What is done about something, and the alerts that say so.
    fn make_of(&mut self, noticed: Noticed, now: MonoTime) -> Vec<Record> {
        match noticed {
            Noticed::Button => self.page.iter().filter_map(|page| page.open(self.clock.wall())).collect(),
            Noticed::Trigger(place, at) => vec![self.trigger(place, now.saturating_since(at), now)],
            Noticed::Enclosure(edge) => {
                let (over, words) = match edge {
                    Edge::Opened => (false, "the enclosure was opened"),
                    Edge::Closed => (true, "the enclosure is shut again"),
                };
                vec![self.alert(AlertKind::Tamper(Tamper::Opened), over, words)]
            }
            Noticed::Struck => vec![self.alert(AlertKind::Tamper(Tamper::Struck), false, "the box was struck")],
            Noticed::Tilted(angle, edge) => {
                let over = edge == Edge::Closed;
                let words = if over { "hangs as mounted again" } else { "does not hang as it was mounted" };
                let words = format!("the box {words}: {:.1}° from it", angle.0);
                vec![self.alert(AlertKind::Tamper(Tamper::Struck), over, &words)]
            }
            Noticed::Effort(effort, why) => self.shed(effort, &why),
        }
    }

    fn trigger(&mut self, place: usize, ago: Duration, now: MonoTime) -> Record {
        let at = self.clock.wall().time.saturating_sub(ago);
        let name = self.station.trigger(place).to_owned();
        let words = match self.triggers.get(place) {
            Some(trigger) => {
                let cameras = self.holding.hold(trigger, at, now);
                let (lead, tail, hours) =
                    (trigger.before.as_secs(), trigger.after.as_secs(), trigger.hold.as_secs() / 3600);
                format!(
                    "{name} closed: {lead} s before and {tail} s after it of {cameras} camera(s) are held for {hours} h"
                )
            }
            None => format!("{name} closed"),
        };
        let mut alert = self.draft(AlertKind::Trigger(Word::cut(&name)), false, &words);
        alert.at = Moment::from(at);
        Record::Alert(Box::new(alert))
    }

    /// Takes from analysis, or gives back.
    fn shed(&mut self, effort: Effort, why: &str) -> Vec<Record> {
        self.throttle.set(percent(effort));
        let rate = match effort {
            Effort::Full => "analysis runs at its full rate again",
            Effort::Half => "analysis runs at half its rate, recording goes on",
            Effort::Quarter => "analysis runs at a quarter of its rate, recording goes on",
            Effort::RecordingAlone => "nothing is analysed, recording goes on",
        };
        let kind = AlertKind::Fault(Word::cut("heat-or-power"));
        let mut records = vec![self.alert(kind, effort == Effort::Full, &format!("{rate}: {why}"))];
        let now = self.clock.wall().time;
        match (effort, self.blind_since) {
            (Effort::RecordingAlone, None) => {
                self.blind_since = Some(now);
                records.extend(self.not_looked(now, None));
            }
            (Effort::RecordingAlone, Some(_)) | (_, None) => {}
            (Effort::Full | Effort::Half | Effort::Quarter, Some(since)) => {
                self.blind_since = None;
                records.extend(self.not_looked(since, Some(now)));
            }
        }
        records
    }

    /// One gap of analysis a camera: silence must not read as "nothing happened".
    fn not_looked(&self, from: WallTime, to: Option<WallTime>) -> Vec<Record> {
        let gap = || Gap { of: GapOf::Analysis, from: from.into(), to: to.map(Moment::from) };
        let one = |camera: &CameraId| {
            let words = "heat or a weak supply left nothing for analysis; the video was recorded";
            let alert = self.draft(AlertKind::Gap(gap()), to.is_some(), words);
            Record::Alert(Box::new(Alert { camera: Some(camera.clone()), ..alert }))
        };
        self.cameras.iter().map(one).collect()
    }

    fn alert(&self, kind: AlertKind, over: bool, words: &str) -> Record {
        Record::Alert(Box::new(self.draft(kind, over, words)))
    }

    fn draft(&self, kind: AlertKind, over: bool, words: &str) -> Alert {
        alert(kind, over, words, self.clock.wall())
    }
}

fn percent(effort: Effort) -> u8 {
    match effort {
        Effort::Full => 100,
        Effort::Half => 50,
        Effort::Quarter => 25,
        Effort::RecordingAlone => 0,
    }
}

fn minute_of_day(wall: WallTime) -> u16 {
    u16::try_from(wall.as_millis().div_euclid(60_000).rem_euclid(24 * 60)).unwrap_or(0)
}

#[allow(clippy::cast_possible_truncation, reason = "saturates; no reading comes near")]
fn thousandths(value: f32) -> i32 {
    (value * 1000.0).round() as i32
}

fn temperatures(readings: &Readings) -> Vec<Temperature> {
    let one =
        |(of, celsius): &(String, Celsius)| Temperature { of: Word::cut(of), millicelsius: thousandths(celsius.0) };
    readings.temperatures.iter().map(one).collect()
}

fn board_health(readings: &Readings, last_reset: &Sentence) -> BoardHealth {
    let positive = |value: f32| thousandths(value).max(0).unsigned_abs();
    BoardHealth {
        supply_mv: readings.power.map(|power| positive(power.voltage.0)),
        supply_ma: readings.power.map(|power| thousandths(power.current.0)),
        tilt_mdeg: readings.tilt.map(|tilt| positive(tilt.0)),
        light_mlx: readings.light.map(|light| positive(light.0)),
        opened: readings.opened,
        heater: readings.heater,
        fan: readings.fan,
        illuminator: readings.illuminator.map(|share| Confidence::from_ratio(share.get())),
        analysis: Confidence::from_ratio(readings.effort.share().get()),
        last_reset: last_reset.clone(),
        failing: readings.failing.iter().map(|words| Sentence::cut(words)).collect(),
    }
}

/// What is wrong with the box, in words.
pub(super) fn problems(board: &BoardHealth) -> Vec<Sentence> {
    let mut words: Vec<Sentence> = Vec::new();
    if board.analysis < Confidence::ONE {
        let percent = (board.analysis.ratio() * 100.0).round();
        words.push(Sentence::cut(&format!("heat or a weak supply: {percent} % of the configured analysis")));
    }
    if board.opened == Some(true) {
        words.push(Sentence::cut("the enclosure is open"));
    }
    words.extend(board.failing.iter().cloned());
    words
}

#[cfg(test)]
mod tests;
