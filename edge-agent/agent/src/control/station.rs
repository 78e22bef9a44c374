//! The station: takes sealed commands one after the other.

use std::time::Duration;

use bytes::Bytes;
use edge_protocol::command::{Challenge, Command, MAX_COMMAND_BYTES, Operation, Refusal};
use edge_protocol::hash::Hash256;
use edge_protocol::id::{CommandId, RequestId};
use edge_protocol::record::{Answer, AuditKind, AuditRecord, Record, Refused as RefusedAnswer, Sentence, Verdict};
use edge_protocol::sign::Root;
use edge_protocol::time::{ClockQuality, MonoTime, WallStamp};

use super::authorise::{Refused, authorise};
use super::delivery::{Deliveries, Step};
use super::limit::Limit;
use super::seams::{ActionFault, Actions, AuditLog, Clip, MadeClip, Outlet, Recalled, UpdateAsked};
use super::{Challenges, Policy};
use crate::supervise::queue::{ReceiveError, Receiver};
use crate::supervise::{Clock, Fault, Pulse, Stop};

/// How long the station waits before it looks at challenge and pulse again.
const BEAT: Duration = Duration::from_secs(1);
/// Commands looked at in a burst, and how soon another may follow.
const BURST: u32 = 20;
const EVERY: Duration = Duration::from_secs(3);

/// What control is connected to.
pub struct Ends {
    /// Sealed commands, as they came.
    pub commands: Receiver<Bytes>,
    /// The audit log.
    pub audit: Box<dyn AuditLog>,
    /// What commands can have done.
    pub actions: Box<dyn Actions>,
    /// Where answers and pieces go.
    pub outlet: Box<dyn Outlet>,
    /// Publishes a new challenge with its number.
    pub publish_challenge: Box<dyn FnMut(Challenge, u64) + Send>,
    /// Reads time.
    pub clock: Clock,
    /// Shows progress to the watchdog.
    pub pulse: Pulse,
}

impl std::fmt::Debug for Ends {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ends").field("commands", &self.commands).finish_non_exhaustive()
    }
}

/// Command to authorisation to action to audit.
pub struct Control {
    policy: Policy,
    root: Root,
    challenges: Challenges,
    limit: Limit,
    deliveries: Deliveries,
    ends: Ends,
}

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Control({}/{})", self.policy.agency, self.policy.unit)
    }
}

/// What became of a command.
enum Done {
    /// It is done; what was done, in words.
    Said(String),
    /// A clip is made, and its pieces follow.
    Underway(MadeClip),
}

impl Control {
    /// A station that trusts `root` alone. The unit has told its first challenge when it says that it is there.
    pub fn new(policy: Policy, root: Root, challenges: Challenges, ends: Ends) -> Self {
        let limit = Limit::new(BURST, EVERY, ends.clock.mono());
        Self { policy, root, challenges, limit, deliveries: Deliveries::default(), ends }
    }

    /// Runs until `stop` is set or nobody can send commands any more.
    ///
    /// # Errors
    /// When the system gives no random bytes for a challenge.
    pub fn run(&mut self, stop: &Stop) -> Result<(), Fault> {
        self.conclude_interrupted(self.ends.clock.wall());
        let ended = self.serve(stop);
        self.deliveries.leave();
        ended
    }

    fn serve(&mut self, stop: &Stop) -> Result<(), Fault> {
        while !stop.is_set() {
            let wait = self.beat(self.ends.clock.mono())?;
            match self.ends.commands.receive_timeout(wait) {
                Ok(sealed) => self.handle(&sealed, self.ends.clock.mono(), self.ends.clock.wall()),
                Err(ReceiveError::Timeout) => {}
                Err(ReceiveError::Closed) => return Ok(()),
            }
        }
        Ok(())
    }

    /// What is to be done between commands. Returns how long to wait for one.
    pub(super) fn beat(&mut self, now: MonoTime) -> Result<Duration, Fault> {
        self.ends.pulse.beat(now);
        if self.challenges.is_stale(now) {
            self.challenges.redraw(now)?;
            let (challenge, number) = self.challenges.current();
            (self.ends.publish_challenge)(challenge, number);
        }
        Ok(self.deliver().unwrap_or(BEAT))
    }

    /// Goes one piece on with the clips under way; how long until the next, none without any.
    pub(super) fn deliver(&mut self) -> Option<Duration> {
        match self.deliveries.step(self.ends.outlet.as_mut())? {
            Step::Wait(time) => Some(time),
            Step::Ended(command, outcome) => {
                self.conclude(&command, outcome, self.ends.clock.wall());
                Some(Duration::ZERO)
            }
        }
    }

    /// Writes an outcome for what was begun and never ended, and tells who asked, so that they can ask again.
    pub(super) fn conclude_interrupted(&mut self, wall: WallStamp) {
        let intents = match self.ends.audit.unfinished() {
            Ok(intents) => intents,
            Err(error) => return tracing::error!(%error, "commands that were interrupted are not concluded"),
        };
        for intent in intents {
            let (request, command) = (intent.request, intent.command);
            let text = Sentence::cut("interrupted by a restart of the unit");
            self.audit(AuditRecord {
                at: wall.time.into(),
                clock: wall.quality,
                kind: AuditKind::Outcome,
                text,
                ..intent
            });
            self.send(answered(request, command, refused(Refusal::Interrupted, ""), wall));
        }
    }

    /// Takes one sealed command all the way; a clip's pieces follow.
    pub(super) fn handle(&mut self, sealed: &[u8], now: MonoTime, wall: WallStamp) {
        if !self.limit.take(now) {
            // Neither looked at nor written down, or a flood would fill the log.
            return self.answer(None, refused(Refusal::RateLimited, ""), wall);
        }
        let command = match self.admit(sealed, wall) {
            Ok(command) => command,
            Err((asked, refused)) => return self.refuse(asked.as_deref(), &refused, wall),
        };
        let intent = draft(AuditKind::Intent, Some(&command), &describe(&command.operation), wall);
        match self.ends.audit.begin(intent, command.id) {
            Ok(Some(entry)) => self.send(Record::Audit(entry)),
            Ok(None) => {
                let refused = Refused { reason: Refusal::Replayed, detail: "carried out before".to_owned() };
                return self.refuse(Some(&command), &refused, wall);
            }
            Err(error) => {
                tracing::error!(%error, "a command is refused");
                return self.answer(Some(&command), refused(Refusal::AuditUnavailable, ""), wall);
            }
        }
        self.answer(Some(&command), Verdict::Accepted, wall);
        match self.act(&command, wall) {
            Ok(Done::Underway(made)) => self.deliveries.push(command, made),
            Ok(Done::Said(text)) => self.conclude(&command, Ok(text), wall),
            Err(fault) => self.conclude(&command, Err(fault), wall),
        }
    }

    /// Writes down how a command ended; a failure is told whoever gave it.
    fn conclude(&mut self, command: &Command, outcome: Result<String, ActionFault>, wall: WallStamp) {
        match outcome {
            Ok(text) => self.audit(draft(AuditKind::Outcome, Some(command), &text, wall)),
            Err(ActionFault(text)) => {
                tracing::error!(command = %command.id, text, "a command failed");
                self.audit(draft(AuditKind::Outcome, Some(command), &format!("failed: {text}"), wall));
                self.answer(Some(command), Verdict::Failed(Sentence::cut(&text)), wall);
            }
        }
    }

    /// Everything that is judged before the audit log is asked. The command comes back with a refusal as soon as it is
    /// known whose it is.
    fn admit(&self, sealed: &[u8], wall: WallStamp) -> Result<Command, (Option<Box<Command>>, Refused)> {
        if sealed.len() > MAX_COMMAND_BYTES {
            let detail = format!("{} bytes", sealed.len());
            return Err((None, Refused { reason: Refusal::Oversized, detail }));
        }
        let at = match wall.quality {
            ClockQuality::Synchronised { .. } => Some(wall.time),
            ClockQuality::Free | ClockQuality::Unknown => None,
        };
        let authentic = Command::open(sealed, &self.root, at)
            .map_err(|error| (None, Refused { reason: error.reason, detail: error.detail }))?;
        let command = authentic.command().clone();
        let admitted =
            authorise(&command, &self.policy, &self.challenges, wall).and_then(|()| match command.operation {
                Operation::Clip(_) => self.deliveries.admit(&command),
                Operation::Health | Operation::Update(_) | Operation::Recall(_) => Ok(()),
            });
        match admitted {
            Ok(()) => Ok(command),
            Err(refused) => Err((Some(Box::new(command)), refused)),
        }
    }

    /// Carries a command out, or begins to.
    fn act(&mut self, command: &Command, wall: WallStamp) -> Result<Done, ActionFault> {
        match &command.operation {
            Operation::Health => {
                self.ends.actions.health()?;
                self.answer(Some(command), Verdict::Done(Sentence::cut("a health record is on its way")), wall);
                Ok(Done::Said("a health record was sent".to_owned()))
            }
            Operation::Clip(scope) => match self.ends.actions.clip(command.request, scope)? {
                Clip::Nothing(reason) => {
                    self.answer(Some(command), Verdict::Nothing(Sentence::cut(&reason)), wall);
                    Ok(Done::Said(format!("nothing of it is there: {reason}")))
                }
                Clip::Made(made) => {
                    self.answer(Some(command), Verdict::Clip(made.offer.clone()), wall);
                    Ok(Done::Underway(made))
                }
            },
            Operation::Update(scope) => {
                let (request, scope) = (command.request, scope.clone());
                self.ends.actions.update(&UpdateAsked { request, command: command.id, scope })?;
                Ok(Done::Said("the update is left for the process that carries it out".to_owned()))
            }
            Operation::Recall(request) => {
                let recalled = self.ends.actions.recall(*request)?;
                let text = Sentence::cut(&recalled.to_string());
                let verdict = match recalled {
                    Recalled::Ended(_) => Verdict::Done(text.clone()),
                    Recalled::NotThere => Verdict::Nothing(text.clone()),
                    Recalled::TooLate(_) => Verdict::Failed(text.clone()),
                };
                self.answer(Some(command), verdict, wall);
                Ok(Done::Said(text.to_string()))
            }
        }
    }

    fn refuse(&mut self, asked: Option<&Command>, refused: &Refused, wall: WallStamp) {
        tracing::warn!(reason = refused.reason.as_str(), detail = refused.detail, "a command is refused");
        let mut entry = draft(AuditKind::Refusal, asked, &refused.detail, wall);
        entry.refusal = Some(refused.reason);
        self.audit(entry);
        // Whoever is not known hears no more than the reason.
        let detail = asked.map_or("", |_| &refused.detail);
        self.answer(asked, self::refused(refused.reason, detail), wall);
    }

    fn answer(&mut self, asked: Option<&Command>, verdict: Verdict, wall: WallStamp) {
        self.send(answered(asked.map(|asked| asked.request), asked.map(|asked| asked.id), verdict, wall));
    }

    /// Writes down what has happened already; that it cannot be written changes nothing of it.
    fn audit(&mut self, entry: AuditRecord) {
        match self.ends.audit.append(entry) {
            Ok(entry) => self.send(Record::Audit(entry)),
            Err(error) => tracing::error!(%error, "what was done is not in the audit log"),
        }
    }

    fn send(&mut self, record: Record) {
        if !self.ends.outlet.append(record) {
            tracing::warn!("no outbox takes what control has to say");
        }
    }
}

/// A refusal in words; the detail says what of the command it is about, where it may be said. Of the many things that a
/// scope can get wrong it is the one that is.
fn refused(reason: Refusal, detail: &str) -> Verdict {
    let sentence = reason.sentence();
    let text = match (reason, detail) {
        (_, "") => sentence.to_owned(),
        (Refusal::Scope, detail) => detail.to_owned(),
        (_, detail) => format!("{sentence} ({detail})"),
    };
    Verdict::Refused(RefusedAnswer { reason, text: Sentence::cut(&text) })
}

/// The answer to a command, as far as it is known which.
pub fn answered(request: Option<RequestId>, command: Option<CommandId>, verdict: Verdict, wall: WallStamp) -> Record {
    Record::Answer(Box::new(Answer { at: wall.time.into(), clock: wall.quality, request, command, verdict }))
}

/// An entry of the audit log that is not numbered and chained yet; of something that happened without a command where
/// none is given.
pub fn draft(kind: AuditKind, asked: Option<&Command>, text: &str, wall: WallStamp) -> AuditRecord {
    AuditRecord {
        at: wall.time.into(),
        clock: wall.quality,
        entry: 0,
        previous: Hash256::from_bytes([0; 32]),
        kind,
        request: asked.map(|command| command.request),
        command: asked.map(|command| command.id),
        person: asked.map(|command| command.issuer.clone()),
        role: asked.map(|command| command.role),
        purpose: asked.map(|command| command.purpose.clone()),
        case: asked.map(|command| command.case.clone()),
        refusal: None,
        text: Sentence::cut(text),
        report: None,
        seal: None,
    }
}

fn describe(operation: &Operation) -> String {
    match operation {
        Operation::Clip(scope) => format!("video of {} from {} to {}", scope.camera, scope.from, scope.to),
        Operation::Health => "a health record".to_owned(),
        Operation::Recall(request) => format!("the end of what was asked under {request}"),
        Operation::Update(scope) => format!("update to {} from {}", scope.label(), scope.url),
    }
}
