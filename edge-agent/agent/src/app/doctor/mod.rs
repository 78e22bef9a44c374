//! `edge-agent doctor`: what works on this unit, what does not, and what to do about it.
//!
//! Every check is measured (`watch`, `storage`, `line`, `board`) and then judged by a pure rule (`rules`). It works
//! beside a running agent, which it asks where two cannot measure at once, and without one. The technician's page runs
//! this same program.

mod board;
mod line;
mod machine;
mod report;
mod rules;
mod smart;
mod storage;
mod watch;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use edge_protocol::record::{CameraCondition, Health, Sentence};
use edge_protocol::time::{WallStamp, WallTime};

pub use edge_protocol::commissioning::{Finding, Verdict};
pub use machine::Machine;
pub use report::Report;
pub use rules::{focus_score, light_advice, light_measured};

use super::{locked, named};
use crate::config::{self, Config, ConfigError, Source};
use crate::peripherals::simulated::Bench;
use crate::supervise::{Clock, Fault, program};
use line::Agent;
use watch::Watched;

/// What to do about storage that stayed locked.
const UNLOCK: &str = "look for what gave no key or opens no disk (journalctl -b -u 'systemd-cryptsetup@*' -u \
                      'edge-data-key@*'), switch the unit off and on; a disk of another board stays shut: fit its own, \
                      or have the unit replaced";

/// Arguments of `edge-agent doctor`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sudo edge-agent doctor                      with what the service reads
  edge-agent doctor --config edge-agent.toml --json       for a program

Ends with 0 when all is well, 1 with warnings, 2 when something does not work, a configuration that \
cannot be used included. It takes about ten seconds and works beside a running agent: cameras must \
allow a second viewer.")]
pub struct DoctorArgs {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = "/etc/edge-agent/edge-agent.toml")]
    config: PathBuf,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// What the checks are made with, other than the configuration.
#[derive(Debug, Clone)]
pub struct Around {
    /// The time, with what it is worth.
    pub now: WallStamp,
    /// The agent itself, which is started again as vision worker.
    pub program: PathBuf,
    /// What a simulated board reads.
    pub bench: Bench,
    /// Where the board and its image tell what they have.
    pub machine: Machine,
    /// How the agent is that makes the checks itself; where there is none, one that runs is asked.
    pub running: Option<Box<Health>>,
}

/// Why there is no diagnosis.
#[derive(Debug, thiserror::Error)]
pub enum DoctorError {
    /// The program does not find itself.
    #[error("cannot find the agent's own program")]
    Program(#[source] std::io::Error),
    /// The report cannot be written.
    #[error("cannot write the report")]
    Write(#[from] std::io::Error),
    /// The report has no JSON.
    #[error("cannot write the report as JSON")]
    Json(#[from] serde_json::Error),
}

/// Runs every check and tells what it came to.
///
/// # Errors
/// When the report cannot be told; what is wrong with the unit is in the report.
pub fn run(arguments: &DoctorArgs) -> Result<ExitCode, DoctorError> {
    let program = program::itself().map_err(DoctorError::Program)?;
    let around = Around {
        now: Clock::system().wall(),
        program,
        bench: Bench::default(),
        machine: Machine::default(),
        running: None,
    };
    let report = examine(&arguments.config, &around);
    let mut out = std::io::stdout();
    if arguments.json {
        writeln!(out, "{}", serde_json::to_string(&report)?)?;
    } else {
        writeln!(out, "{report}")?;
    }
    Ok(report.exit_code())
}

/// Makes every check of a configuration; of a unit that is nobody's yet those that need no center.
pub fn examine(path: &Path, around: &Around) -> Report {
    let clock = rules::clock(&around.now);
    let (config, first, is_new) = match Config::read(path) {
        Ok(config) => {
            let first = configuration(&config, path);
            (Ok(config), first, false)
        }
        Err(error @ ConfigError::NotEnrolled { .. }) => {
            // Whether it is enrolled cannot be known while its identity is locked away.
            let config = config::read_text(path).and_then(|text| Config::before_enrolment(&text));
            (config, unreadable(path, &error), true)
        }
        Err(error) => {
            let first = unreadable(path, &error);
            (Err(error), first, false)
        }
    };
    let mut findings = vec![first, clock];
    findings.extend(config.into_iter().flat_map(|config| {
        let mut findings = all(&config, is_new, around);
        findings.extend(unit(&config, path, around));
        findings
    }));
    Report::new(findings)
}

fn configuration(config: &Config, path: &Path) -> Finding {
    let (agency, unit, count) = (&config.agency, &config.unit, config.cameras.len());
    let good = format!("{}: unit {agency}/{unit}, {count} camera(s)", path.display());
    let Some(passed_over) = &config.passed_over else { return Finding::ok("configuration", good) };
    let measured = format!("{good}; what was put on the page is not in force: {}", passed_over.why);
    Finding::warning(
        "configuration",
        measured,
        "restart the agent, and put zones, lines, positions and camera addresses on its page anew",
    )
}

fn unreadable(path: &Path, error: &ConfigError) -> Finding {
    let advice = match error {
        ConfigError::Read { source, .. } => unread_advice(source),
        ConfigError::Named { why, .. } => {
            if let ConfigError::Read { source, .. } = why.as_ref() {
                unread_advice(source)
            } else {
                "restore that file from a copy, or enrol the unit anew: edge-agent enroll --help"
            }
        }
        ConfigError::NotEnrolled { folder } if locked::why(folder).is_some() => UNLOCK,
        ConfigError::NotEnrolled { .. } => "enrol the unit: edge-agent enroll --help",
        ConfigError::Syntax { .. }
        | ConfigError::Mistakes(_)
        | ConfigError::NoPlace { .. }
        | ConfigError::NoStandIn { .. } => "correct the lines named above; nothing else can be checked before",
    };
    let words = Fault::from_error(error).to_string();
    // That names the file itself.
    let measured =
        if matches!(error, ConfigError::Read { .. }) { words } else { format!("{}: {words}", path.display()) };
    Finding::failed("configuration", measured, advice)
}

/// What to do about a file that the system does not give.
fn unread_advice(source: &io::Error) -> &'static str {
    if source.kind() == io::ErrorKind::NotFound {
        "name the file with --config; a unit without one begins with docs/edge-agent.example.toml"
    } else if source.kind() == io::ErrorKind::PermissionDenied {
        "run this as root, or as the agent's user: sudo -u edge edge-agent doctor"
    } else if source.kind() == io::ErrorKind::InvalidData {
        "that file is no text: name another one with --config, or put the unit's configuration there"
    } else {
        "see what the system says of that disk or folder (dmesg); name another file with --config"
    }
}

fn all(config: &Config, is_new: bool, around: &Around) -> Vec<Finding> {
    let agent = match &around.running {
        Some(health) => Agent::Runs(health.clone()),
        None => line::agent(config.health.metrics),
    };
    let running = match &agent {
        Agent::Runs(health) => Some(health.as_ref()),
        Agent::Absent | Agent::Unknown => None,
    };
    let mut findings = vec![agent_itself(&agent)];
    findings.extend(seen(config, around, running));
    if let Some(why) = locked::why(&config.data_dir) {
        findings.push(Finding::failed("storage", locked::words(&why), UNLOCK));
    }
    let disk = storage::disk(&config.data_dir);
    findings.push(rules::disk(&disk));
    // Nothing is recorded or sent before it is known for whom.
    if is_new {
        findings.extend(config.token.iter().flat_map(named::token).map(|lack| rules::token(&lack)));
    } else {
        let recorded = config.cameras.iter().filter(|_| locked::why(&config.data_dir).is_none());
        let rings = recorded.map(|camera| (camera, storage::ring(config, camera)));
        findings.extend(rings.map(|(camera, ring)| rules::ring(&ring, disk.total).of(camera.id.as_str())));
        findings.extend(line::broker(config, &agent, around.now.time));
        findings.push(rules::center(&storage::outbox(&config.data_dir), around.now.time));
    }
    let places = config.cameras.iter().map(|camera| (camera, camera.place.as_ref()));
    findings.extend(places.map(|(camera, place)| rules::position(place).of(camera.id.as_str())));
    findings.extend(board::board(&config.board, &around.bench, running));
    findings
}

/// What the board and its image have of their own.
fn unit(config: &Config, path: &Path, around: &Around) -> [Finding; 4] {
    let machine = &around.machine;
    [
        disk_wear(machine, &config.data_dir, around.now.time),
        rules::seal(&machine.seal(&config.data_dir)),
        rules::watchdog(machine.watchdog().as_ref()),
        rules::slots(machine.slots(&around.program, path).as_ref()),
    ]
}

/// How worn the drive under a folder is, as far as it is known `now`.
pub fn disk_wear(machine: &Machine, folder: &Path, now: WallTime) -> Finding {
    rules::wear(&machine.wear(folder, now))
}

fn agent_itself(agent: &Agent) -> Finding {
    match agent {
        Agent::Runs(health) if health.problems.is_empty() => {
            Finding::ok("agent", format!("{} runs for {} min", health.software, health.uptime_s / 60))
        }
        Agent::Runs(health) => {
            let problems: Vec<&str> = health.problems.iter().map(Sentence::as_str).collect();
            Finding::warning("agent", problems.join("\n"), "the checks below say what to do")
        }
        Agent::Absent => Finding::ok("agent", "does not run; everything is measured without it"),
        Agent::Unknown => Finding::ok("agent", "cannot be asked: [health] metrics_enabled is false"),
    }
}

/// Cameras, pictures, models: what is watched together.
fn seen(config: &Config, around: &Around, running: Option<&Health>) -> Vec<Finding> {
    // A device on the box has one user.
    let taken = |camera: &&config::Camera| running.is_some() && matches!(camera.source, Source::V4l2 { .. });
    let watched: Vec<&config::Camera> = config.cameras.iter().filter(|camera| !taken(camera)).collect();
    let mut findings = Vec::new();
    let told = config.cameras.iter().filter(taken).filter_map(|camera| Some((camera, running?)));
    findings.extend(told.map(|(camera, health)| camera_as_told(camera, health)));
    let library = storage::runtime(config);
    let models = storage::models(config);
    match watch::watch(config, around.program.clone(), &watched) {
        Ok(watched) => findings.extend(cameras(config, &watched)),
        Err(fault) => {
            findings.push(Finding::failed("camera", fault.to_string(), "restart the unit: it has no threads left"));
        }
    }
    let place = findings.iter().position(|finding| finding.check == "self-test").unwrap_or(findings.len());
    let files = std::iter::once(rules::runtime(&library)).chain(models.iter().map(rules::model));
    findings.splice(place..place, files);
    findings
}

fn cameras(config: &Config, watched: &Watched) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (id, facts) in &watched.cameras {
        findings.push(rules::camera(facts).of(id.as_str()));
        let why = match &watched.worker {
            _ if facts.pictures == 0 => "no picture came",
            Ok(_) => "pictures came and none was decoded",
            Err(_) => "not decoded: the vision worker does not start",
        };
        let appearance = watched.pictures.get(id).map(|picture| &picture.appearance).ok_or(why);
        let limits = config.cameras.iter().find(|camera| camera.id == *id).map(config::Camera::care_limits);
        findings.push(rules::picture(appearance, &limits.unwrap_or_default()).of(id.as_str()));
    }
    findings.push(rules::self_test(&watched.worker));
    if watched.worker.is_ok() {
        findings.push(rules::speed(&watched.work));
    }
    findings
}

/// A camera that only the running agent can see.
fn camera_as_told(camera: &config::Camera, health: &Health) -> Finding {
    let told = health.cameras.iter().find(|told| told.camera == camera.id);
    let found = match told {
        Some(told) if told.condition == CameraCondition::Streaming => {
            Finding::ok("camera", format!("the agent receives {} pictures in 10 s", told.received_mfps / 100))
        }
        Some(told) => Finding::failed("camera", told.text.as_str(), "look at the camera's plug; correct source.device"),
        None => Finding::failed(
            "camera",
            "the running agent does not know it",
            "restart the agent: systemctl restart edge-agent",
        ),
    };
    found.of(camera.id.as_str())
}

#[cfg(test)]
mod tests {
    use edge_store::disk::{RealDisk, replace};

    use super::*;

    #[test]
    fn a_configuration_that_cannot_be_read_is_told_with_the_systems_reason_and_advice_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("edge-agent.toml");
        let of = || unreadable(&file, &Config::read(&file).unwrap_err());
        let (measured, advice) = (of().measured, of().advice.unwrap());
        assert!(measured.ends_with("No such file or directory (os error 2)"), "{measured}");
        assert_eq!(measured.matches("edge-agent.toml").count(), 1, "{measured}");
        assert!(advice.contains("--config"), "{advice}");
        replace(&RealDisk, &file, b"\xff\xfe").unwrap();
        let (measured, advice) = (of().measured, of().advice.unwrap());
        assert!(measured.contains("valid UTF-8") && advice.contains("is no text"), "{measured}: {advice}");
        let denied = unread_advice(&io::ErrorKind::PermissionDenied.into());
        assert!(denied.contains("sudo -u edge"), "{denied}");
        let identity = folder.path().join("identity.toml");
        replace(&RealDisk, &file, format!("enrolment = {:?}\n", folder.path()).as_bytes()).unwrap();
        replace(&RealDisk, &identity, b"[unit\n").unwrap();
        let (measured, advice) = (of().measured, of().advice.unwrap());
        assert!(
            measured.contains("the identity ") && measured.contains("identity.toml is not valid TOML"),
            "{measured}"
        );
        assert!(advice.contains("enrol the unit anew"), "{advice}");
    }
}
