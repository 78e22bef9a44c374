//! What the running agent says of itself for an update, and what the update has to say through it.
//!
//! The watch over a new image is another process ([`crate::app::update`]): an image that cannot start its agent must be
//! given up too. This one says in the service's runtime folder, which a boot empties, what it does; and it sends on
//! what the other left in the data folder, since it alone writes to the outbox.

use std::path::{Path, PathBuf};
use std::time::Duration;

use edge_protocol::id::Sequence;
use edge_protocol::lane::Lane;
use edge_protocol::record::Record;
use edge_protocol::time::{ClockQuality, MonoTime, WallStamp};
use edge_store::audit::Audit;
use edge_store::disk::{self, RealDisk};
use edge_store::outbox::OutboxReader;

use super::vitals::Vitals;
use crate::publish::Entry;
use crate::supervise::program;
use crate::supervise::queue::Sender;
use crate::update::{Evidence, own_version};

/// How often evidence is written.
const EVERY: Duration = Duration::from_secs(5);
const EVIDENCE: &str = "evidence";
/// What an update has to tell lies here, in the data folder, one record a file.
const TELL: &str = "update/tell";

/// The folder that the service manager keeps for the agent until the next boot.
pub(in crate::app) fn runtime_folder() -> Option<PathBuf> {
    let folders = std::env::var_os("RUNTIME_DIRECTORY")?;
    let first = folders.to_string_lossy().split(':').next().map(PathBuf::from);
    first.filter(|folder| folder.is_absolute())
}

/// The evidence as it was last written.
pub(in crate::app) fn read(folder: &Path) -> Option<Evidence> {
    serde_json::from_slice(&std::fs::read(folder.join(EVIDENCE)).ok()?).ok()
}

/// Leaves a record for the agent to send; on the disk when it returns. The file's name says lane and order, its bytes
/// are the record's as the outbox would have them.
pub(in crate::app) fn leave(data_dir: &Path, number: u64, record: &Record) -> std::io::Result<()> {
    let folder = data_dir.join(TELL);
    std::fs::create_dir_all(&folder)?;
    let name = format!("{number:020}.{}", record.lane().as_str());
    disk::replace(&RealDisk, &folder.join(name), &record.to_payload())
}

/// Gathers and writes the evidence.
#[derive(Debug)]
pub(super) struct Witness {
    runtime: Option<PathBuf>,
    data_dir: PathBuf,
    life: String,
    /// The newest health record before this life.
    before: Option<Sequence>,
    seen: Evidence,
    last: Option<MonoTime>,
    /// Files whose records the outbox's queue has; removed at the next look, when they are in the outbox.
    handed_over: Vec<PathBuf>,
}

impl Witness {
    pub(super) fn new(data_dir: &Path, now: WallStamp) -> Self {
        let life = format!("{}-{}", std::process::id(), now.time.as_micros());
        let (runtime, data_dir) = (runtime_folder(), data_dir.to_owned());
        let before = Some(newest(&data_dir).map_or(Sequence::ZERO, |(last, _)| last));
        Self { runtime, data_dir, life, before, seen: Evidence::default(), last: None, handed_over: Vec::new() }
    }

    /// Looks, if it is time to.
    pub(super) fn look(
        &mut self,
        vitals: &Vitals,
        fed: bool,
        entries: &Sender<Entry>,
        (mono, wall): (MonoTime, WallStamp),
    ) {
        if self.last.is_some_and(|last| mono.saturating_since(last) < EVERY) {
            return;
        }
        self.last = Some(mono);
        for file in self.handed_over.drain(..) {
            if let Err(error) = std::fs::remove_file(&file) {
                tracing::error!(%error, file = %file.display(), "it will be told again");
            }
        }
        self.handed_over = send_on(&self.data_dir.join(TELL), entries);
        let Some(folder) = self.runtime.clone() else { return };
        self.gather(vitals.evidence(mono), fed, wall);
        let written = serde_json::to_vec(&self.seen).map_err(std::io::Error::other);
        let written = written.and_then(|bytes| disk::replace(&RealDisk, &folder.join(EVIDENCE), &bytes));
        if let Err(error) = written {
            tracing::warn!(%error, folder = %folder.display(), "an update cannot see how the agent is");
        }
    }

    /// What was true once in this life stays so; whether the watchdog is fed, heat, and whose frames come are of now.
    fn gather(&mut self, now: Evidence, fed: bool, wall: WallStamp) {
        let seen = std::mem::take(&mut self.seen);
        let newest = newest(&self.data_dir);
        let after = |sequence: Option<Sequence>| sequence > self.before;
        let mut cameras = seen.cameras;
        cameras.extend(now.cameras);
        cameras.sort();
        cameras.dedup();
        self.seen = Evidence {
            at: wall.time,
            life: self.life.clone(),
            ready: now.ready,
            fed,
            cameras,
            lately: now.lately,
            inferred: seen.inferred || now.inferred,
            outbox: seen.outbox || after(newest.map(|(last, _)| last)),
            audit: seen.audit || audit_is_writable(&self.data_dir),
            clock: wall.quality != ClockQuality::Unknown,
            reached: seen.reached || now.reached,
            acknowledged: seen.acknowledged || after(newest.map(|(_, settled)| settled)),
            spared: now.spared,
            worker: now.worker,
            release: program::first().map(|_| own_version()),
        };
    }
}

/// The newest health record in the outbox, and the newest that the center has.
fn newest(data_dir: &Path) -> Option<(Sequence, Sequence)> {
    let backlog = OutboxReader::open(&data_dir.join("outbox.sqlite")).and_then(|reader| reader.backlog(Lane::Health));
    backlog.ok().map(|backlog| (backlog.last, backlog.settled))
}

fn audit_is_writable(data_dir: &Path) -> bool {
    let opened = Audit::open(&data_dir.join("audit.sqlite"));
    opened
        .and_then(|opened| {
            let mut audit = opened.audit;
            audit.prove_writable()
        })
        .is_ok()
}

/// Hands over what was left to be told. Should the agent end right then, it is told twice rather than never.
fn send_on(folder: &Path, entries: &Sender<Entry>) -> Vec<PathBuf> {
    let Ok(files) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> = files.filter_map(|file| Some(file.ok()?.path())).collect();
    files.sort();
    let mut handed_over = Vec::new();
    for file in files {
        // What is being written has another ending.
        let lane = file.extension().and_then(|extension| extension.to_str()?.parse::<Lane>().ok());
        let Some(lane) = lane else { continue };
        let record = std::fs::read(&file).ok().and_then(|bytes| Record::from_payload(lane, &bytes).ok());
        let Some(record) = record else {
            tracing::error!(file = %file.display(), "what an update had to tell cannot be read and is dropped");
            handed_over.push(file);
            continue;
        };
        if entries.send(Entry::Record(record)).is_ok() {
            handed_over.push(file);
        }
    }
    handed_over
}
