//! One unit in a test's hands: real keys and certificates, and a log, a camera and an outbox that are small and real in
//! memory.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use edge_protocol::command::{Challenge, ClipScope, Command, MAX_COMMAND_LIFE, Operation, Refusal, Role};
use edge_protocol::hash::Hash256;
use edge_protocol::id::{CommandId, RequestId};
use edge_protocol::record::{AuditKind, AuditRecord, ClipChunk, ClipOffer, ClipPart, Record, Span, Verdict};
use edge_protocol::sign::{Chain, Root, SigningKey};
use edge_protocol::time::{ClockQuality, MonoTime, WallStamp, WallTime};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};

use super::super::*;
use crate::supervise::queue::{self, Bounds, Overflow};
use crate::supervise::{Clock, Heartbeats};

pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

pub(super) struct Person {
    pub(super) key: SigningKey,
    pub(super) chain: Chain,
}

impl Authority {
    pub(super) fn new() -> Self {
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap())
    }

    fn root(&self) -> Root {
        Root::from_pem(self.0.pem().as_bytes()).unwrap()
    }

    pub(super) fn person(&self, role: Role) -> Person {
        let mut parameters = CertificateParams::default();
        let uri = format!("edge://springfield/person/ada?role={}", role.as_str());
        parameters.subject_alt_names = vec![SanType::URI(uri.try_into().unwrap())];
        parameters.not_before = rcgen::date_time_ymd(2026, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(2026, 12, 31);
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &self.0).unwrap();
        Person {
            key: SigningKey::from_pem(key.serialize_pem().as_bytes()).unwrap(),
            chain: Chain::from_pem(certificate.pem().as_bytes()).unwrap(),
        }
    }
}

/// What the fakes of one unit share with the test.
#[derive(Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fault of its own")]
pub(super) struct Seen {
    pub(super) log: Vec<AuditRecord>,
    begun: HashSet<CommandId>,
    pub(super) log_fails: bool,
    /// How many clips were made.
    clips: usize,
    pub(super) updates: Vec<UpdateAsked>,
    pub(super) ring_is_empty: bool,
    pub(super) disk_fails: bool,
    /// The line takes no pieces.
    pub(super) pieces_wait: bool,
    /// Nobody takes records any more.
    pub(super) outbox_stopped: bool,
    pub(super) sent: Vec<Record>,
    pub(super) challenge: Option<Challenge>,
}

type Shared = Arc<Mutex<Seen>>;

struct Log(Shared);

impl AuditLog for Log {
    fn begin(&mut self, draft: AuditRecord, command: CommandId) -> Result<Option<Box<AuditRecord>>, AuditFault> {
        if self.0.lock().unwrap().begun.contains(&command) {
            return Ok(None);
        }
        let written = self.append(draft)?;
        self.0.lock().unwrap().begun.insert(command);
        Ok(Some(written))
    }

    fn append(&mut self, draft: AuditRecord) -> Result<Box<AuditRecord>, AuditFault> {
        let mut seen = self.0.lock().unwrap();
        if seen.log_fails {
            return Err(AuditFault("disk full".to_owned()));
        }
        let written = AuditRecord { entry: seen.log.len() as u64 + 1, ..draft };
        seen.log.push(written.clone());
        Ok(Box::new(written))
    }

    fn unfinished(&mut self) -> Result<Vec<AuditRecord>, AuditFault> {
        let seen = self.0.lock().unwrap();
        let ended = |intent: &AuditRecord| {
            seen.log.iter().any(|entry| entry.kind == AuditKind::Outcome && entry.command == intent.command)
        };
        Ok(seen.log.iter().filter(|entry| entry.kind == AuditKind::Intent && !ended(entry)).cloned().collect())
    }
}

struct Camera(Shared);

impl Actions for Camera {
    fn clip(&mut self, request: RequestId, asked: &ClipScope) -> Result<Clip, ActionFault> {
        let mut seen = self.0.lock().unwrap();
        assert!(matches!(seen.log.last(), Some(entry) if entry.kind == AuditKind::Intent), "written before the act");
        if seen.ring_is_empty {
            return Ok(Clip::Nothing("the ring begins later".to_owned()));
        }
        seen.clips += 1;
        let span = Span { from: asked.from.into(), to: asked.to.into() };
        let offer = ClipOffer {
            camera: asked.camera.clone(),
            asked: span,
            actual: span,
            gaps: Vec::new(),
            media_bytes: 6,
            media_hash: Hash256::of(b"movie!"),
            manifest_bytes: 0,
            manifest_hash: Hash256::of(b""),
        };
        let disk_fails = seen.disk_fails;
        let chunk = move |(offset, bytes): (u64, &[u8])| {
            if disk_fails && offset > 0 {
                return Err(ActionFault("the disk cannot be read".to_owned()));
            }
            Ok(ClipChunk { request, part: ClipPart::Media, offset, bytes: bytes.to_vec(), last: offset > 0 })
        };
        let chunks = Box::new([(0, &b"mov"[..]), (3, b"ie!")].into_iter().map(chunk));
        Ok(Clip::Made(MadeClip { offer, chunks }))
    }

    fn health(&mut self) -> Result<(), ActionFault> {
        Ok(())
    }

    fn update(&mut self, asked: &UpdateAsked) -> Result<(), ActionFault> {
        let mut seen = self.0.lock().unwrap();
        assert!(matches!(seen.log.last(), Some(entry) if entry.kind == AuditKind::Intent), "written before the act");
        seen.updates.push(asked.clone());
        if seen.disk_fails { Err(ActionFault("the disk is full".to_owned())) } else { Ok(()) }
    }

    fn recall(&mut self, request: RequestId) -> Result<Recalled, ActionFault> {
        let mut seen = self.0.lock().unwrap();
        assert!(matches!(seen.log.last(), Some(entry) if entry.kind == AuditKind::Intent), "written before the act");
        let found = seen.updates.iter().position(|asked| asked.request == request);
        Ok(found.map_or(Recalled::NotThere, |place| Recalled::Ended(seen.updates.remove(place).scope.label())))
    }
}

struct Out(Shared);

impl Outlet for Out {
    fn append(&mut self, record: Record) -> bool {
        let mut seen = self.0.lock().unwrap();
        if !seen.outbox_stopped {
            seen.sent.push(record);
        }
        !seen.outbox_stopped
    }

    fn pieces_waiting(&mut self) -> u64 {
        if self.0.lock().unwrap().pieces_wait { u64::MAX } else { 0 }
    }
}

pub(super) struct Unit {
    pub(super) control: Control,
    pub(super) authority: Authority,
    pub(super) seen: Shared,
    _commands: queue::Sender<Bytes>,
}

pub(super) fn noon() -> WallTime {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

pub(super) fn synchronised(time: WallTime) -> WallStamp {
    WallStamp { time, quality: ClockQuality::Synchronised { bound_ms: 100 } }
}

impl Unit {
    pub(super) fn new() -> Self {
        let (authority, seen) = (Authority::new(), Shared::default());
        let (sender, commands) = queue::bounded(Bounds::items("commands", 8, Overflow::Refuse));
        let policy = Policy {
            agency: "springfield".parse().unwrap(),
            unit: "pole-7".parse().unwrap(),
            cameras: vec!["gate".parse().unwrap()],
            purposes: vec!["investigation".parse().unwrap()],
            longest_clip: Duration::from_hours(1),
            bundle_hosts: vec!["center".to_owned()],
        };
        let published = Arc::clone(&seen);
        let ends = Ends {
            commands,
            audit: Box::new(Log(Arc::clone(&seen))),
            actions: Box::new(Camera(Arc::clone(&seen))),
            outlet: Box::new(Out(Arc::clone(&seen))),
            publish_challenge: Box::new(move |challenge, _| published.lock().unwrap().challenge = Some(challenge)),
            clock: Clock::system(),
            pulse: Heartbeats::default().register("control", Duration::from_mins(1), MonoTime::ZERO),
        };
        let challenges = Challenges::draw(MonoTime::ZERO).unwrap();
        seen.lock().unwrap().challenge = Some(challenges.current().0);
        let control = Control::new(policy, authority.root(), challenges, ends);
        Self { control, authority, seen, _commands: sender }
    }

    pub(super) fn command(&self, role: Role, operation: Operation) -> Command {
        Command {
            version: 1,
            id: CommandId::from_bytes([1; 16]),
            request: RequestId::from_bytes([2; 16]),
            agency: "springfield".parse().unwrap(),
            unit: "pole-7".parse().unwrap(),
            issuer: "ada".parse().unwrap(),
            role,
            operation,
            purpose: "investigation".parse().unwrap(),
            case: "2026-0042".parse().unwrap(),
            policy: None,
            issued: noon(),
            expires: noon().saturating_add(MAX_COMMAND_LIFE),
            challenge: self.seen.lock().unwrap().challenge.unwrap(),
        }
    }

    pub(super) fn clip(&self) -> Command {
        self.command(Role::Investigator, a_clip())
    }

    pub(super) fn send(&mut self, sealed: &[u8], wall: WallStamp) -> Vec<Verdict> {
        self.control.handle(sealed, MonoTime::ZERO, wall);
        while self.control.deliver().is_some_and(|wait| wait.is_zero()) {}
        let answers = |record: Record| if let Record::Answer(answer) = record { Some(answer.verdict) } else { None };
        std::mem::take(&mut self.seen.lock().unwrap().sent).into_iter().filter_map(answers).collect()
    }

    /// Signs as a person of the command's role and sends it at noon.
    pub(super) fn ask(&mut self, command: &Command) -> Vec<Verdict> {
        let person = self.authority.person(command.role);
        let sealed = command.seal(&person.key, &person.chain).unwrap();
        self.send(&sealed, synchronised(noon()))
    }

    pub(super) fn log(&self) -> Vec<AuditKind> {
        self.seen.lock().unwrap().log.iter().map(|entry| entry.kind).collect()
    }

    pub(super) fn clips(&self) -> usize {
        self.seen.lock().unwrap().clips
    }
}

pub(super) fn a_clip() -> Operation {
    let (camera, from) = ("gate".parse().unwrap(), noon());
    Operation::Clip(ClipScope { camera, from, to: from.saturating_add(Duration::from_secs(15)) })
}

pub(super) fn refusal(verdicts: &[Verdict]) -> Option<Refusal> {
    match verdicts {
        [Verdict::Refused(refused)] => Some(refused.reason),
        _ => None,
    }
}
