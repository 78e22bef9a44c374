//! Starting after things went wrong: a configuration that cannot be used, and an agent that keeps crashing.
//!
//! The last good configuration is a copy of the file with which the agent ran for five minutes or ended in order. It
//! lies in the folder that the service manager keeps for the agent (`STATE_DIRECTORY`), whatever `data_dir` the broken
//! one would have named. Without a service manager nobody starts the agent again, so nothing is counted or kept.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use edge_protocol::record::{AlertKind, AuditKind, Record, Word};
use edge_protocol::time::WallStamp;
use edge_store::database::set_aside;
use edge_store::disk::{self, RealDisk};

use super::alert::alert;
use super::auditing;
use crate::app::locked;
use crate::config::{Config, ConfigError, DATA_DIR, PassedOver, data_place, read_text};
use crate::control::draft;
use crate::publish::Entry;
use crate::supervise::queue::Sender;
use crate::supervise::{Clock, Fault, Life, Mode, Stop, program};
use crate::update::{Version, own_version};

/// A configuration with which the agent has run for so long is good.
pub(super) const PROVED: Duration = Duration::from_mins(5);
const LAST_GOOD: &str = "last-good.toml";
const LIVES: &str = "lives";
const SAFE_MODE: &str = "safe mode after three crashes within five minutes: it records and reports and looks at \
                         nothing; it ends with the next restart in order or boot";

/// How the agent starts.
pub(super) struct Start {
    pub(super) config: Config,
    pub(super) mode: Mode,
    /// What people have to know of this start, in words.
    pub(super) words: Vec<String>,
    /// Only a unit that is nobody's yet has this.
    pub(super) awaited: Option<Awaited>,
    /// Why the storage is locked.
    pub(super) locked: Option<String>,
    life: Option<Life>,
    proof: Option<Proof>,
}

/// What a unit waits for that is nobody's yet; clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Awaited {
    /// Set once it is enrolled.
    pub(super) enrolled: Stop,
    /// Whether somebody enrols it on its page just now.
    pub(super) under_way: Arc<AtomicBool>,
}

/// A configuration that may become the last good one.
struct Proof {
    file: PathBuf,
    text: String,
    copy: PathBuf,
}

/// The folder that the service manager keeps for the agent, whatever its configuration says.
fn state_folder() -> Option<PathBuf> {
    let folders = std::env::var_os("STATE_DIRECTORY")?;
    // systemd names several with colons; the first is ours.
    let first = folders.to_string_lossy().split(':').next().map(PathBuf::from);
    first.filter(|folder| folder.is_absolute())
}

/// Whether somebody starts the agent again when it ends.
pub(super) fn is_managed() -> bool {
    state_folder().is_some()
}

/// The folder that the service manager keeps; none where nobody starts the agent again when it ends.
pub(super) fn home() -> Option<PathBuf> {
    let home = state_folder()?;
    // Should it not be there and not be made, the count says so.
    drop(std::fs::create_dir_all(&home));
    Some(home)
}

/// Where the lives of a release are counted, or those of the image's own agent: one is not to blame for another's.
pub(super) fn lives(home: &Path, release: Option<&Version>) -> PathBuf {
    home.join(release.map_or_else(|| LIVES.to_owned(), |release| format!("{LIVES}-{release}")))
}

/// Another release begins: what became of the lives of others says nothing any more.
pub(super) fn forget_lives_of_others(home: &Path, release: &Version) {
    let (own, begin) = (lives(home, Some(release)), format!("{LIVES}-"));
    let of_releases = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&begin));
    for path in std::fs::read_dir(home).into_iter().flatten().flatten().map(|entry| entry.path()) {
        if of_releases(&path) && path != own {
            // What stays is a crash too many, and nothing else.
            drop(std::fs::remove_file(&path));
        }
    }
}

/// A configuration that can be used.
pub(in crate::app) struct Usable {
    pub(in crate::app) config: Config,
    /// The file's text; none where the last good configuration stands in for it.
    text: Option<String>,
    /// Why that is so, in words.
    why: Option<String>,
}

/// Reads the configuration, or the last good one where it cannot be used.
///
/// # Errors
/// What is wrong with it, where there is no other.
pub(in crate::app) fn usable(file: &Path) -> Result<Usable, ConfigError> {
    let error = match read_text(file).and_then(|text| Config::with_identity(&text).map(|config| (config, text))) {
        Ok((config, text)) => return Ok(Usable { config, text: Some(text), why: None }),
        Err(error) => error,
    };
    let Some(state) = state_folder() else { return Err(error) };
    let copy = state.join(LAST_GOOD);
    let config = match Config::read(&copy) {
        Ok(config) => config,
        // A unit that is nobody's yet waits for its enrolment, and one that never ran has no such copy. One that the
        // disk does not tell of may be there.
        Err(_) if matches!(error, ConfigError::NotEnrolled { .. }) || matches!(copy.try_exists(), Ok(false)) => {
            return Err(error);
        }
        Err(last) => return Err(ConfigError::NoStandIn { file: error.into(), last: last.into() }),
    };
    let why = format!(
        "{} cannot be used; the last good configuration is in force: {}",
        file.display(),
        Fault::from_error(&error)
    );
    Ok(Usable { config, text: None, why: Some(why) })
}

/// Where data lies by what there is of a configuration that cannot be used; none where nothing says it.
pub(in crate::app) fn data_dir_of_unusable(file: &Path) -> Option<PathBuf> {
    let state = state_folder();
    let said = data_place(file).or_else(|| data_place(&state.as_ref()?.join(LAST_GOOD)));
    said.or(state)
}

/// Where data lies by a configuration, be it one that can be used or not.
pub(super) fn data_dir(file: &Path, usable: &Result<Usable, ConfigError>) -> PathBuf {
    match usable {
        Ok(usable) => usable.config.data_dir.clone(),
        Err(_) => data_dir_of_unusable(file).unwrap_or_else(|| DATA_DIR.into()),
    }
}

/// Whether the image's own agent can use a configuration that this release cannot. Where it cannot either, nobody has
/// crashed: a person has to mend the file.
pub(super) fn image_can_use(file: &Path) -> bool {
    let Some(refusal) = refusal_of_the_image(file) else { return false };
    if refusal.is_err()
        && let Some(home) = home()
    {
        Life::go_on(Arc::new(RealDisk), lives(&home, Some(&own_version()))).end();
    }
    refusal.is_ok()
}

/// What the image's own agent says of a configuration; nothing where this is that agent.
fn refusal_of_the_image(file: &Path) -> Option<Result<(), String>> {
    let asked = Command::new(program::first()?).arg("check-config").arg(file).stdin(Stdio::null()).output();
    Some(match asked {
        Ok(asked) if asked.status.success() => Ok(()),
        Ok(asked) => Err(String::from_utf8_lossy(&asked.stderr).trim().to_owned()),
        Err(error) => Err(error.to_string()),
    })
}

/// Begins a life with the configuration that [`usable`] has read.
///
/// # Errors
/// As there.
pub(super) fn prepare(file: &Path, usable: Result<Usable, ConfigError>, clock: &Clock) -> Result<Start, ConfigError> {
    let Usable { config, text, why } = match usable {
        Ok(usable) => usable,
        Err(error) => return new_unit(file, error),
    };
    let locked = locked_storage(&config);
    let mut words: Vec<String> = locked.iter().map(|why| locked::words(why)).chain(why).collect();
    words.extend(config.passed_over.as_ref().map(put_away));
    let Some(home) = home() else {
        return Ok(Start { config, mode: Mode::Normal, words, awaited: None, locked, life: None, proof: None });
    };
    let copy = home.join(LAST_GOOD);
    let (life, mode) = begin_life(&home, clock);
    Ok(match mode {
        Mode::Normal => {
            let proof = text.map(|text| Proof { file: file.to_owned(), text, copy });
            Start { config, mode, words, awaited: None, locked, life: Some(life), proof }
        }
        Mode::Safe => {
            words.push(SAFE_MODE.to_owned());
            // What crashes may be what was configured last.
            let config = Config::read(&copy).unwrap_or(config);
            Start { config, mode, words, awaited: None, locked, life: Some(life), proof: None }
        }
    })
}

/// Counts this life, where the image's own agent has not counted it already ([`super::giving_way`]).
fn begin_life(home: &Path, clock: &Clock) -> (Life, Mode) {
    match program::first() {
        Some(_) => (Life::go_on(Arc::new(RealDisk), lives(home, Some(&own_version()))), Mode::Normal),
        None => Life::begin(Arc::new(RealDisk), lives(home, None), &clock.boot()),
    }
}

/// The start of a unit that lacks nothing but its enrolment, and has a page for who enrols it.
fn new_unit(file: &Path, error: ConfigError) -> Result<Start, ConfigError> {
    let ConfigError::NotEnrolled { .. } = error else { return Err(error) };
    let config = read_text(file).and_then(|text| Config::before_enrolment(&text))?;
    let locked = locked_storage(&config);
    // An identity that cannot be read is none, and who enrols the unit anew would do so into memory.
    let lost = locked
        .iter()
        .map(|why| format!("{}; so is the unit's identity, and nothing is told to the center", locked::words(why)));
    let words: Vec<String> = lost.chain(config.passed_over.iter().map(put_away)).collect();
    if config.page.is_none() {
        for words in &words {
            tracing::error!("{words}");
        }
        return Err(error);
    }
    let awaited = Some(Awaited::default());
    Ok(Start { config, mode: Mode::Normal, words, awaited, locked, life: None, proof: None })
}

/// Why the storage is locked that data and identity lie in.
fn locked_storage(config: &Config) -> Option<String> {
    locked::why(&config.data_dir).or_else(|| locked::why(config.enrolment.as_ref()?))
}

/// Sets aside what was put on the page and cannot be used, so that it is said once and somebody can look. What becomes
/// of it in words.
fn put_away(passed_over: &PassedOver) -> String {
    let PassedOver { path, why, is_damaged } = passed_over;
    let begin =
        "zones, lines, positions and camera addresses of the page are not in force, as if nobody had put any there";
    if !is_damaged {
        return format!("{begin}: {why}");
    }
    match set_aside(path) {
        Ok(aside) => format!("{begin}; they are damaged and lie set aside as {}: {why}", aside.display()),
        Err(error) => format!("{begin}; they are damaged and cannot be set aside ({error}): {why}"),
    }
}

impl Proof {
    /// A release may know a configuration that its image does not, which is where the unit comes back to.
    fn is_good_for_the_image(&self) -> Result<(), String> {
        let Some(refusal) = refusal_of_the_image(&self.file) else { return Ok(()) };
        refusal?;
        let is_same = std::fs::read_to_string(&self.file).is_ok_and(|now| now == self.text);
        if is_same { Ok(()) } else { Err("the file has changed since".to_owned()) }
    }
}

impl Start {
    /// The agent ends in order.
    pub(super) fn end(mut self) {
        self.proved();
        if let Some(life) = self.life {
            life.end();
        }
    }

    /// The configuration has proved good: its copy is what a later start falls back to.
    pub(super) fn proved(&mut self) {
        let Some(proof) = self.proof.take() else { return };
        if std::fs::read_to_string(&proof.copy).is_ok_and(|kept| kept == proof.text) {
            return;
        }
        if let Err(why) = proof.is_good_for_the_image() {
            let words = "the image's own agent could not use this configuration: its last good one stays";
            return tracing::warn!(why, "{words}");
        }
        if let Err(error) = disk::replace(&RealDisk, &proof.copy, proof.text.as_bytes()) {
            tracing::error!(%error, path = %proof.copy.display(), "the last good configuration is not kept");
        }
    }
}

/// Writes into the audit log and tells the center how the agent started.
pub(super) fn tell(words: &[String], data_dir: &Path, entries: &Sender<Entry>, now: WallStamp) {
    for words in words {
        tracing::error!("{words}");
        let kind = AlertKind::Fault(Word::cut("start"));
        let mut records = vec![Record::Alert(Box::new(alert(kind, false, words, now)))];
        match auditing::write(&data_dir.join("audit.sqlite"), draft(AuditKind::Log, None, words, now)) {
            Ok(entry) => records.push(Record::Audit(entry)),
            Err(error) => tracing::error!(%error, "this start is not in the audit log"),
        }
        for record in records {
            if entries.send(Entry::Record(record)).is_err() {
                tracing::debug!("the outbox has stopped");
            }
        }
    }
}
