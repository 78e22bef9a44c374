//! A unit that judges orders: control as it is, with a log, actions and an outbox that only note what they are told.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use edge_agent::control::{
    ActionFault, Actions, AuditFault, AuditLog, Challenges, Clip, Control, Ends, Outlet, Policy, Recalled, UpdateAsked,
};
use edge_agent::supervise::queue::{self, Bounds, Overflow, Sender};
use edge_agent::supervise::{Clock, Heartbeats, Stop};
use edge_protocol::command::{Challenge, ClipScope, Command, Operation};
use edge_protocol::id::{CommandId, RequestId};
use edge_protocol::record::{AuditKind, AuditRecord, Record, Verdict};
use edge_protocol::sign::{Chain, Kind, Signed, SigningKey};
use edge_protocol::time::{MonoTime, WallTime};

use super::SIGNERS;

/// A key and whose it is.
pub type Signer = (SigningKey, Chain);

/// When the commands of the corpus were given.
const GIVEN: WallTime = WallTime::from_micros(1_790_000_000_000_000);
const LONGEST_CLIP: Duration = Duration::from_hours(1);
const BUNDLE_HOST: &str = "center.example";

/// What became of the orders.
#[derive(Debug, Default)]
pub struct Seen {
    log: Vec<AuditRecord>,
    begun: HashSet<CommandId>,
    /// How many orders were carried out.
    pub acts: usize,
    answers: Vec<Verdict>,
}

#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Seen>>);

impl Notes {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().expect("nobody panics with it")
    }

    /// What an act must find written down.
    fn act(&self) {
        let mut seen = self.seen();
        let intent = seen.log.last().expect("an act is written down first");
        assert_eq!(intent.kind, AuditKind::Intent, "an act is written down first");
        assert!(
            intent.command.is_some() && intent.person.is_some() && intent.case.is_some(),
            "with whose it is, and why"
        );
        seen.acts += 1;
    }
}

impl AuditLog for Notes {
    fn begin(&mut self, draft: AuditRecord, command: CommandId) -> Result<Option<Box<AuditRecord>>, AuditFault> {
        if !self.seen().begun.insert(command) {
            return Ok(None);
        }
        AuditLog::append(self, draft).map(Some)
    }

    fn append(&mut self, draft: AuditRecord) -> Result<Box<AuditRecord>, AuditFault> {
        self.seen().log.push(draft.clone());
        Ok(Box::new(draft))
    }

    fn unfinished(&mut self) -> Result<Vec<AuditRecord>, AuditFault> {
        Ok(Vec::new())
    }
}

impl Actions for Notes {
    fn clip(&mut self, _: RequestId, asked: &ClipScope) -> Result<Clip, ActionFault> {
        assert_eq!(asked.camera.as_str(), "gate", "a camera of this unit");
        let length = asked.to.saturating_since(asked.from);
        assert!(!length.is_zero() && length <= LONGEST_CLIP, "as long as a clip may be");
        self.act();
        Ok(Clip::Nothing("the ring is empty".to_owned()))
    }

    fn health(&mut self) -> Result<(), ActionFault> {
        self.act();
        Ok(())
    }

    fn update(&mut self, asked: &UpdateAsked) -> Result<(), ActionFault> {
        let begins = |end: &str| asked.scope.url.starts_with(&format!("https://{BUNDLE_HOST}{end}"));
        assert!(begins("/") || begins(":"), "from the center's own host: {}", asked.scope.url);
        assert!(asked.scope.is_sound());
        self.act();
        Ok(())
    }

    fn recall(&mut self, _: RequestId) -> Result<Recalled, ActionFault> {
        self.act();
        Ok(Recalled::NotThere)
    }
}

impl Outlet for Notes {
    fn append(&mut self, record: Record) -> bool {
        if let Record::Answer(answer) = record {
            self.seen().answers.push(answer.verdict);
        }
        true
    }

    fn pieces_waiting(&mut self) -> u64 {
        0
    }
}

/// Has a unit judge what `sealed` makes of its challenge, each twice, and looks at what it may have done.
pub fn judged(sealed: impl FnOnce(Challenge) -> Option<Vec<u8>>) -> Seen {
    let notes = Notes::default();
    let (sender, commands) = queue::bounded(Bounds::items("commands", 8, Overflow::Refuse));
    let challenges = Challenges::draw(MonoTime::ZERO).expect("random bytes");
    let (challenge, _) = challenges.current();
    let ends = Ends {
        commands,
        audit: Box::new(notes.clone()),
        actions: Box::new(notes.clone()),
        outlet: Box::new(notes.clone()),
        publish_challenge: Box::new(|_, _| {}),
        clock: Clock::system(),
        pulse: Heartbeats::default().register("control", Duration::from_mins(1), MonoTime::ZERO),
    };
    let mut control = Control::new(policy(), SIGNERS.root.clone(), challenges, ends);
    let given = sealed(challenge).map_or(0, |sealed| give(&sender, &sealed));
    drop(sender);
    control.run(&Stop::new()).expect("it ends when nobody can send any more");
    drop(control);
    let seen = std::mem::take(&mut *notes.seen());
    let refused = seen.answers.iter().filter(|answer| matches!(answer, Verdict::Refused(_))).count();
    assert!(seen.acts <= 1, "an order is carried out once");
    assert_eq!(refused, given - seen.acts, "what is not carried out is refused: {:?}", seen.answers);
    seen
}

fn give(sender: &Sender<bytes::Bytes>, sealed: &[u8]) -> usize {
    for _ in 0..2 {
        sender.send(bytes::Bytes::copy_from_slice(sealed)).expect("the queue has room");
    }
    2
}

fn policy() -> Policy {
    Policy {
        agency: "springfield".parse().expect("an id"),
        unit: "pole-7".parse().expect("an id"),
        cameras: vec!["gate".parse().expect("an id")],
        purposes: vec!["investigation".parse().expect("a word")],
        longest_clip: LONGEST_CLIP,
        bundle_hosts: vec![BUNDLE_HOST.to_owned()],
    }
}

/// Whoever may order what a payload asks for.
pub fn entitled(operation: &Operation) -> &'static Signer {
    match operation {
        Operation::Clip(_) => &SIGNERS.person,
        Operation::Health => &SIGNERS.technician,
        Operation::Update(_) | Operation::Recall(_) => &SIGNERS.administrator,
    }
}

/// A payload sealed as an order to this unit: with the times and the challenge of now where it is a command at all.
pub fn given_now(payload: &[u8], challenge: Challenge, by: impl Fn(&Operation) -> &'static Signer) -> Option<Vec<u8>> {
    let (key, chain) = &SIGNERS.person;
    let as_it_is = Signed::seal(Kind::Command, payload.to_vec(), key, chain).ok()?;
    let Ok(mut command) = Command::peek(&as_it_is) else { return Some(as_it_is) };
    let since = Clock::system().wall().time.as_micros().saturating_sub(GIVEN.as_micros());
    let now = |time: WallTime| WallTime::from_micros(time.as_micros().saturating_add(since));
    (command.issued, command.expires, command.challenge) = (now(command.issued), now(command.expires), challenge);
    let (key, chain) = by(&command.operation);
    command.seal(key, chain).ok()
}
