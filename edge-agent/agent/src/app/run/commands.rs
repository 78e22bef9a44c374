//! What commands need: the audit log, the clips, and the way back through the outbox.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use edge_protocol::command::ClipScope;
use edge_protocol::id::{CameraId, CommandId, RequestId};
use edge_protocol::lane::Lane;
use edge_protocol::record::{AlertKind, AuditKind, AuditRecord, Record, Sentence, Verdict, Word};
use edge_protocol::sign::{Chain, Root};
use edge_protocol::time::WallStamp;
use edge_store::audit::{Audit, Entry as Written, Intended};
use edge_store::database::DatabaseError;
use edge_store::disk::RealDisk;
use edge_store::ring::{RingPlace, RingReader};

use super::alert::alert;
use super::outbox::Bridge;
use super::vitals::Vitals;
use super::{Assembly, RunError, ring_place, software};
use crate::app::locked;
use crate::app::update::lock::Lock;
use crate::app::update::outside::answer;
use crate::app::update::recall::recall;
use crate::clip::{self, ClipError, Signer};
use crate::config::Config;
use crate::control::{
    ActionFault, Actions, AuditFault, AuditLog, Challenges, Clip, Control, Ends, MadeClip, Outlet, Policy, Recalled,
    UpdateAsked,
};
use crate::enrolment::Place;
use crate::keys::Keys;
use crate::publish::Entry;
use crate::supervise::queue::{Receiver, Sender};
use crate::supervise::{Clock, Station};
use crate::update::rauc::Rauc;
use crate::update::{Order, Orders};
use crate::uplink::{Announcement, Outbox as _};

/// The longest clip of one request.
const LONGEST_CLIP: Duration = Duration::from_hours(1);

/// What the station is connected to.
pub(super) struct Wires {
    pub(super) asked: Receiver<bytes::Bytes>,
    pub(super) challenges: Challenges,
    pub(super) announcement: Announcement,
    pub(super) bridge: Bridge,
    pub(super) entries: Sender<Entry>,
}

/// Starts the station that takes commands.
pub(super) fn start(assembly: &mut Assembly<'_>, wires: Wires, vitals: &Vitals) -> Result<(), RunError> {
    let config = assembly.config;
    // What cannot be used is said at the start, not when somebody asks for a clip.
    signer(config)?;
    let rings = config.cameras.iter().map(|camera| ring_place(config, camera)).collect();
    let Wires { asked, challenges, announcement, bridge, entries } = wires;
    let log = Log::open(&config.data_dir.join("audit.sqlite"))?;
    if log.is_another && entries.send(Entry::Record(damaged(assembly.clock.wall()))).is_err() {
        tracing::debug!("the outbox has stopped; the log says that the audit log was damaged");
    }
    let ends = Ends {
        commands: asked,
        audit: Box::new(log),
        actions: Box::new(Doer {
            rings,
            config: config.clone(),
            locked: assembly.locked.map(str::to_owned),
            vitals: vitals.clone(),
            clock: assembly.clock.clone(),
            data_dir: config.data_dir.clone(),
            most_bytes: config.update.disk_bytes,
            entries: entries.clone(),
        }),
        outlet: Box::new(Outgoing { bridge, entries, pieces: Pieces::default() }),
        publish_challenge: Box::new(move |challenge, number| {
            announcement.update(|birth| {
                birth.challenge = challenge;
                birth.challenge_id = number;
            });
        }),
        clock: assembly.clock.clone(),
        pulse: assembly.pulse("control"),
    };
    let policy = Policy {
        agency: config.agency.clone(),
        unit: config.unit.clone(),
        cameras: config.cameras.iter().map(|camera| camera.id.clone()).collect(),
        purposes: config.control.purposes.iter().map(|purpose| Word::cut(purpose)).collect(),
        longest_clip: LONGEST_CLIP,
        bundle_hosts: config.update.hosts.clone(),
    };
    let root = Root::from_pem(&read(&config.control.agency_root)?)
        .map_err(|error| unfit(&config.control.agency_root, &error))?;
    let mut control = Control::new(policy, root, challenges, ends);
    assembly.start("control", Station::Control, move |stop| control.run(stop))
}

/// Reads the unit's key and certificates as they are now: a renewal replaces both while the agent runs.
pub(in crate::app) fn signer(config: &Config) -> Result<Signer, RunError> {
    let [certificate, key] = match &config.enrolment {
        None => [config.uplink.certificate.clone(), config.uplink.key.clone()],
        Some(folder) => {
            let files = Place::open(&RealDisk, folder).and_then(|place| place.files(&RealDisk));
            let [_, certificate, key] = files.map_err(|error| unfit(folder, &error))?;
            [certificate, key]
        }
    };
    let keys = Keys::of(config.token.as_ref());
    Ok(Signer {
        agency: config.agency.clone(),
        unit: config.unit.clone(),
        key: Arc::new(keys.open(&read(&key)?).map_err(|error| unfit(&key, &error))?),
        chain: Chain::from_pem(&read(&certificate)?).map_err(|error| unfit(&certificate, &error))?,
        software: software(),
    })
}

fn read(path: &Path) -> Result<Vec<u8>, RunError> {
    std::fs::read(path).map_err(|source| RunError::File { path: path.to_owned(), source })
}

fn unfit(path: &Path, error: &dyn std::error::Error) -> RunError {
    RunError::Unfit { path: path.to_owned(), why: error.to_string() }
}

/// The alert that the audit log begins anew.
fn damaged(now: WallStamp) -> Record {
    let text =
        "the audit log was damaged and set aside, and a new one begins; what was told of the old one is at the center";
    Record::Alert(Box::new(alert(AlertKind::Fault(Word::cut("audit")), true, text, now)))
}

/// The audit log on the disk.
pub(in crate::app) struct Log {
    audit: Audit,
    /// Whether it was begun anew because the one before was damaged.
    is_another: bool,
}

impl Log {
    pub(in crate::app) fn open(path: &Path) -> Result<Self, RunError> {
        let opened = Audit::open(path)?;
        if let Some(path) = &opened.set_aside {
            tracing::error!(path = %path.display(), "the audit log was damaged and is set aside; a new one begins");
        }
        Ok(Self { audit: opened.audit, is_another: opened.set_aside.is_some() })
    }

    /// The record with what only the log knows: its number and the hash of the entry before.
    fn complete(&self, draft: AuditRecord, written: &Written) -> Result<Box<AuditRecord>, AuditFault> {
        let before = match written.number.checked_sub(2) {
            Some(after) => self.audit.entries(after, 1)?.first().map(|entry| entry.hash),
            None => None,
        };
        Ok(Box::new(AuditRecord { entry: written.number, previous: before.unwrap_or(draft.previous), ..draft }))
    }
}

impl AuditLog for Log {
    fn begin(&mut self, draft: AuditRecord, command: CommandId) -> Result<Option<Box<AuditRecord>>, AuditFault> {
        let body = Record::Audit(Box::new(draft.clone())).to_payload();
        match self.audit.intend(command, &body)? {
            Intended::Recorded(written) => self.complete(draft, &written).map(Some),
            Intended::Replayed => Ok(None),
        }
    }

    fn append(&mut self, draft: AuditRecord) -> Result<Box<AuditRecord>, AuditFault> {
        let body = Record::Audit(Box::new(draft.clone())).to_payload();
        let written = match (draft.kind, draft.command) {
            (AuditKind::Outcome, Some(command)) => self.audit.conclude(command, &body)?,
            (_, command) => self.audit.note(command, &body)?,
        };
        self.complete(draft, &written)
    }

    fn unfinished(&mut self) -> Result<Vec<AuditRecord>, AuditFault> {
        let entries = self.audit.unfinished()?;
        let record = |entry: Written| {
            if let Ok(Record::Audit(record)) = Record::from_payload(Lane::Audit, &entry.body) {
                return Some(*record);
            }
            tracing::error!(number = entry.number, "an unfinished entry of the audit log cannot be read");
            None
        };
        Ok(entries.into_iter().filter_map(record).collect())
    }
}

impl From<DatabaseError> for AuditFault {
    fn from(error: DatabaseError) -> Self {
        Self(error.to_string())
    }
}

/// Carries commands out.
struct Doer {
    rings: Vec<RingPlace>,
    /// Names the unit's key.
    config: Config,
    /// Why the storage is locked.
    locked: Option<String>,
    vitals: Vitals,
    clock: Clock,
    data_dir: PathBuf,
    /// The largest bundle.
    most_bytes: u64,
    entries: Sender<Entry>,
}

impl Doer {
    fn tell(&self, record: Record) {
        if self.entries.send(Entry::Record(record)).is_err() {
            tracing::debug!("the outbox has stopped; whoever gave an order hears nothing of it");
        }
    }

    /// Nothing of the storage is to be had while it is locked.
    fn unlocked(&self, what: &str) -> Result<(), ActionFault> {
        self.locked.as_deref().map_or(Ok(()), |why| Err(ActionFault(locked::refusal(why, what))))
    }

    fn ring(&self, camera: &CameraId) -> Result<RingReader, ActionFault> {
        let place = self.rings.iter().find(|place| place.camera == *camera);
        let place = place.ok_or_else(|| ActionFault(format!("there is no camera {camera}")))?;
        RingReader::open(Arc::new(RealDisk), place.clone()).map_err(|error| ActionFault(error.to_string()))
    }
}

impl Actions for Doer {
    fn clip(&mut self, request: RequestId, asked: &ClipScope) -> Result<Clip, ActionFault> {
        self.unlocked("no video is recorded on this unit, and what it recorded before cannot be read")?;
        let reader = self.ring(&asked.camera)?;
        let signer = signer(&self.config).map_err(|error| ActionFault(error.to_string()))?;
        match clip::make(reader, request, asked, &signer, self.clock.wall()) {
            Ok(package) => {
                let offer = package.offer().clone();
                let pieces = package.into_pieces().map(|piece| piece.map_err(|error| ActionFault(error.to_string())));
                Ok(Clip::Made(MadeClip { offer, chunks: Box::new(pieces) }))
            }
            Err(error @ ClipError::Nothing(_)) => Ok(Clip::Nothing(error.to_string())),
            Err(error) => Err(ActionFault(error.to_string())),
        }
    }

    fn health(&mut self) -> Result<(), ActionFault> {
        self.vitals.tell_now();
        Ok(())
    }

    fn update(&mut self, asked: &UpdateAsked) -> Result<(), ActionFault> {
        let fault = |error: &dyn std::fmt::Display| ActionFault(error.to_string());
        self.unlocked("there is no room for a bundle, and no way back from it could be written down")?;
        if !Rauc::default().is_here() {
            return Err(ActionFault(
                "this unit has no slots (RAUC is not installed); it is updated by its package and by hand".to_owned(),
            ));
        }
        let order = Order::new(asked.request, asked.command, &asked.scope, self.clock.wall()).map_err(ActionFault)?;
        if order.bytes > self.most_bytes {
            return Err(ActionFault(format!(
                "a download has up to {} bytes here ([update] disk_bytes)",
                self.most_bytes
            )));
        }
        let updates = self.data_dir.join("update");
        let _changing = Lock::order(&updates).map_err(|error| fault(&error))?;
        let orders = Orders::new(&RealDisk, &updates);
        let before = orders.read().map_err(|error| fault(&error))?;
        // A request that is repeated after a restart is the same order.
        let (same, other): (Vec<_>, Vec<_>) = before.into_iter().partition(|before| before.request == order.request);
        if same.iter().any(|same| same.handed) {
            return Ok(());
        }
        if let Some(other) = other.iter().find(|other| other.handed) {
            return Err(ActionFault(format!("the update to {} is under way", other.what)));
        }
        orders.write(&order).map_err(|error| fault(&error))?;
        for before in other {
            let verdict = Verdict::Failed(Sentence::cut("another order took its place before its bundle was here"));
            self.tell(answer(&before, verdict, self.clock.wall()));
        }
        Ok(())
    }

    fn recall(&mut self, request: RequestId) -> Result<Recalled, ActionFault> {
        self.unlocked("what was ordered before lies in there, cannot be seen, and goes on once it is unlocked")?;
        let (recalled, order) = recall(&self.data_dir, request).map_err(ActionFault)?;
        if let Some(order) = order {
            let verdict = Verdict::Failed(Sentence::cut(&recalled.to_string()));
            self.tell(answer(&order, verdict, self.clock.wall()));
        }
        Ok(recalled)
    }
}

/// Answers and pieces on their way to the outbox.
struct Outgoing {
    bridge: Bridge,
    entries: Sender<Entry>,
    pieces: Pieces,
}

/// Pieces of clips that were handed over and are not committed yet: a slow disk must not let a clip pile up in memory.
#[derive(Debug, Default)]
struct Pieces {
    committed: u64,
    on_their_way: u64,
}

impl Pieces {
    /// Takes in up to where pieces are committed. A new outbox counts from the start again, and has all that was on its
    /// way.
    fn committed_to(&mut self, last: u64) {
        let committed = last.checked_sub(self.committed).unwrap_or(self.on_their_way);
        self.on_their_way = self.on_their_way.saturating_sub(committed);
        self.committed = last;
    }
}

impl Outlet for Outgoing {
    fn append(&mut self, record: Record) -> bool {
        self.pieces.on_their_way += u64::from(matches!(record, Record::Clip(_)));
        self.entries.send(Entry::Record(record)).is_ok()
    }

    fn pieces_waiting(&mut self) -> u64 {
        let Ok(backlog) = self.bridge.backlog(Lane::Clip) else { return self.pieces.on_their_way };
        self.pieces.committed_to(backlog.last.get());
        backlog.records + self.pieces.on_their_way
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::update::outside::certified;
    use crate::supervise::queue::bounded;

    /// "No such update is under way" would be the last word on an order that lives on in the partition.
    #[test]
    fn a_locked_unit_does_not_say_that_an_order_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let (config, _) = certified(folder.path());
        std::fs::create_dir(folder.path().join("update")).unwrap();
        let mut doer = Doer {
            rings: Vec::new(),
            config,
            locked: Some("the board gave no key".to_owned()),
            vitals: Vitals::default(),
            clock: Clock::system(),
            data_dir: folder.path().to_owned(),
            most_bytes: 1,
            entries: bounded(crate::publish::QUEUE).0,
        };
        let words = doer.recall(RequestId::from_bytes([1; 16])).unwrap_err().to_string();
        assert!(words.contains("storage: locked (the board gave no key)"), "{words}");
        doer.locked = None;
        assert_eq!(doer.recall(RequestId::from_bytes([1; 16])).unwrap(), Recalled::NotThere);
    }

    #[test]
    fn a_piece_is_on_its_way_until_it_is_committed() {
        let mut pieces = Pieces::default();
        pieces.committed_to(100);
        pieces.on_their_way += 3;
        pieces.committed_to(102);
        assert_eq!(pieces.on_their_way, 1);
        pieces.committed_to(102);
        assert_eq!(pieces.on_their_way, 1);
        pieces.committed_to(103);
        assert_eq!(pieces.on_their_way, 0);
    }

    #[test]
    fn a_new_outbox_keeps_nothing_waiting() {
        let mut pieces = Pieces { committed: 100, on_their_way: 5 };
        pieces.committed_to(4);
        assert_eq!((pieces.committed, pieces.on_their_way), (4, 0));
    }
}
