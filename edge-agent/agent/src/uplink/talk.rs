//! One connection to the broker, as long as it lasts: what the client says goes into [`Core`], what [`Core`] wants is
//! read from the outbox and handed to the client.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use edge_protocol::ack::Ack;
use edge_protocol::batch::Batch;
use edge_protocol::command::{Command, MAX_COMMAND_BYTES, Refusal};
use edge_protocol::id::Sequence;
use edge_protocol::lane::Lane;
use edge_protocol::record::{Alert, AlertKind, Answer, LaneCount, LossCause, Record, Refused, Sentence, Verdict, Word};
use edge_protocol::state::{AckMode, State};
use edge_protocol::time::MonoTime;
use edge_protocol::topic::{self, Topic};
use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, PubAckReason, SubscribeReasonCode};
use rumqttc::v5::{AsyncClient, Event};

use super::link::{BEAT, Settings, Uplink};
use super::plan::{self, OutboxFault, Plan};
use super::state::{Core, Effect, Input, Wanted};
use crate::supervise::queue::SendError;

/// That the unit's identity is in use twice is told once in this time.
const COPIED_EVERY: Duration = Duration::from_hours(1);

/// How often the day's bytes are kept: what a stop or a power cut may give out twice.
const NOTE_EVERY: Duration = Duration::from_secs(10);

/// One connection.
pub(super) struct Talk<'a> {
    uplink: &'a mut Uplink,
    core: Core,
    client: AsyncClient,
    /// What was handed to the client and not yet given a packet id; the client keeps their order.
    handed: VecDeque<Option<u64>>,
    /// Packet ids in flight; those of state messages stand for nothing.
    packets: HashMap<u16, Option<u64>>,
    edition: u64,
    reported: Option<MonoTime>,
    /// Whether the question for the next certificate went out on this connection.
    asked: Option<Bytes>,
    is_leaving: bool,
    is_over: bool,
}

impl<'a> Talk<'a> {
    pub(super) fn new(uplink: &'a mut Uplink, core: Core, client: AsyncClient) -> Self {
        let (handed, packets) = (VecDeque::new(), HashMap::new());
        Self {
            uplink,
            core,
            client,
            handed,
            packets,
            edition: 0,
            reported: None,
            asked: None,
            is_leaving: false,
            is_over: false,
        }
    }

    /// What is known when the connection has ended.
    pub(super) fn end(self) -> Core {
        self.core
    }

    fn now(&self) -> MonoTime {
        self.uplink.ends.clock.mono()
    }

    pub(super) fn begin(&mut self, allowed: usize) -> Result<(), OutboxFault> {
        let now = self.now();
        self.core.apply(&Input::Connected { allowed }, now);
        let Settings { agency, unit, .. } = &self.uplink.settings;
        if self.client.try_subscribe(topic::unit_filter(agency, unit), QoS::AtLeastOnce).is_err() {
            self.is_over = true;
        }
        self.step().map(drop)
    }

    /// Announces, ticks and sends what is due. Returns how long to wait; none when the connection is to be given up.
    pub(super) fn step(&mut self) -> Result<Option<Duration>, OutboxFault> {
        let now = self.now();
        self.uplink.ends.pulse.beat(now);
        if self.core.epoch() != self.uplink.outbox.epoch() {
            // Everything that is counted here is of a file that was set aside.
            return Ok(None);
        }
        if self.leaves() {
            return Ok(Some(BEAT));
        }
        self.announce();
        self.ask_for_the_next_certificate();
        for lane in Lane::ALL {
            let last = self.uplink.ends.bell.last(lane);
            self.core.apply(&Input::Committed(lane, last), now);
        }
        let day = self.uplink.calendar.today(self.uplink.ends.clock.wall(), now);
        let effects = self.core.apply(&Input::Tick { day }, now);
        self.carry_out(effects);
        self.send_all();
        self.report(now)?;
        if self.is_over {
            return Ok(None);
        }
        let now = self.now();
        Ok(Some(
            self.core.wake_at(now).map_or(BEAT, |at| at.saturating_since(now)).clamp(Duration::from_millis(1), BEAT),
        ))
    }

    /// Whether the next connection is to be made with another certificate: then this one is ended in order, so that the
    /// broker tells nobody of a death, and nothing more is sent on it.
    fn leaves(&mut self) -> bool {
        if !self.is_leaving && self.uplink.ends.renewals.is_switched() {
            self.is_leaving = true;
            if self.client.try_disconnect().is_err() {
                self.is_over = true;
            }
        }
        self.is_leaving && !self.is_over
    }

    /// The connection ends; health says why until there is another one.
    pub(super) fn ended(&mut self, why: &str) {
        self.uplink.trouble = Some(Sentence::cut(why));
    }

    fn ask_for_the_next_certificate(&mut self) {
        let question = self.uplink.ends.renewals.question();
        if question.is_none() || question == self.asked {
            return;
        }
        let Settings { agency, unit, .. } = &self.uplink.settings;
        let topic = Topic::RenewRequest(agency.clone(), unit.clone()).to_string();
        let message = question.clone().unwrap_or_default();
        match self.client.try_publish(topic, QoS::AtLeastOnce, false, message) {
            Ok(()) => self.handed.push_back(None),
            Err(_) => self.is_over = true,
        }
        self.asked = question;
    }

    /// Somebody else has connected under the unit's name. Taking turns would be an alert every few seconds.
    pub(super) fn taken_over(&mut self) {
        let now = self.now();
        if self.uplink.copied.is_some_and(|at| now.saturating_since(at) < COPIED_EVERY) {
            return;
        }
        self.uplink.copied = Some(now);
        tracing::error!("another connection was made under this unit's name: its identity is in use twice");
        let wall = self.uplink.ends.clock.wall();
        self.uplink.outbox.append(Record::Alert(Box::new(Alert {
            at: wall.time.into(),
            clock: wall.quality,
            camera: None,
            kind: AlertKind::Fault(Word::cut("cloned-identity")),
            over: false,
            text: Sentence::cut("another connection was made under this unit's name: its identity is in use twice"),
        })));
    }

    fn announce(&mut self) {
        let (birth, edition) = self.uplink.ends.announcement.current();
        if edition == self.edition {
            return;
        }
        self.edition = edition;
        self.publish_state(&State::Birth(birth));
    }

    fn publish_state(&mut self, state: &State) {
        let Settings { agency, unit, encoding, .. } = &self.uplink.settings;
        let topic = Topic::State(agency.clone(), unit.clone()).to_string();
        match self.client.try_publish(topic, QoS::AtLeastOnce, true, state.encode(*encoding)) {
            Ok(()) => self.handed.push_back(None),
            Err(_) => self.is_over = true,
        }
    }

    pub(super) fn say_goodbye(&self) {
        let Settings { agency, unit, encoding, .. } = &self.uplink.settings;
        let topic = Topic::State(agency.clone(), unit.clone()).to_string();
        let death = State::Death(self.uplink.ends.announcement.death(true)).encode(*encoding);
        let said = self.client.try_publish(topic, QoS::AtLeastOnce, true, death);
        if said.is_err() || self.client.try_disconnect().is_err() {
            tracing::debug!("the client takes no goodbye");
        }
    }

    fn send_all(&mut self) {
        while !self.is_over && !self.is_leaving {
            let now = self.now();
            let Some(wanted) = self.core.wanted(now) else { return };
            self.send(wanted, now);
        }
    }

    fn send(&mut self, wanted: Wanted, now: MonoTime) {
        let Wanted { lane, after, records, bytes, permit } = wanted;
        let read = self.uplink.outbox.read(lane, after, records, bytes);
        if self.core.epoch() != self.uplink.outbox.epoch() {
            self.is_over = true;
            return;
        }
        self.core.set_readable(lane, read.is_ok(), now);
        let read = match read {
            Ok(read) => read,
            Err(fault) => return tracing::error!(%lane, %fault, "what waits in a lane cannot be read"),
        };
        match plan::plan(lane, &read, permit) {
            Plan::Nothing => self.core.nothing_left(lane),
            Plan::Withhold(sequences) => self.give_up(lane, &sequences, LossCause::Budget, now),
            Plan::Unreadable(sequences) => self.give_up(lane, &sequences, LossCause::Damage, now),
            Plan::Send(first, records) => {
                let batch = Batch::new(self.core.epoch(), first, records);
                match batch.and_then(|batch| batch.with_settled(self.core.settled(lane))) {
                    Ok(batch) => self.send_batch(&batch, now),
                    Err(error) => {
                        tracing::error!(%lane, %error, "records make no batch");
                        self.core.nothing_left(lane);
                    }
                }
            }
        }
    }

    fn give_up(&mut self, lane: Lane, sequences: &[Sequence], cause: LossCause, now: MonoTime) {
        self.uplink.outbox.give_up(self.core.epoch(), lane, sequences, cause);
        self.core.given_up(lane, sequences, cause, now);
    }

    fn send_batch(&mut self, batch: &Batch, now: MonoTime) {
        let Settings { agency, unit, encoding, .. } = &self.uplink.settings;
        let topic = Topic::Up(agency.clone(), unit.clone(), batch.lane()).to_string();
        let message = batch.encode(*encoding);
        let bytes = message.len();
        match self.client.try_publish(topic, QoS::AtLeastOnce, false, message) {
            Ok(()) => {
                let number = self.core.sent(batch.lane(), batch.last(), bytes, now);
                self.handed.push_back(Some(number));
            }
            Err(_) => self.is_over = true,
        }
    }

    /// Takes in what the client says, then sends what that makes room for.
    pub(super) fn event(&mut self, event: Event) {
        match event {
            Event::Outgoing(Outgoing::Publish(packet)) => {
                if let Some(handed) = self.handed.pop_front() {
                    self.packets.insert(packet, handed);
                }
                return;
            }
            Event::Incoming(Packet::PubAck(ack)) => self.delivered(ack.pkid, ack.reason),
            Event::Incoming(Packet::Publish(publish)) => self.arrived(&publish.topic, publish.payload),
            Event::Incoming(Packet::SubAck(ack)) => {
                if !ack.return_codes.iter().all(|code| matches!(code, SubscribeReasonCode::Success(_))) {
                    tracing::error!("the broker refuses the unit its own topics");
                    self.ended("the broker refuses the unit its own topics");
                    self.is_over = true;
                }
            }
            Event::Incoming(_) | Event::Outgoing(_) => return,
        }
        self.send_all();
        if self.is_over {
            self.uplink.ends.bell.wake();
        }
    }

    fn delivered(&mut self, packet: u16, reason: PubAckReason) {
        let Some(Some(message)) = self.packets.remove(&packet) else { return };
        // A broker without a subscriber has dropped it. The center's acknowledgement will be missing then; where the
        // broker's word is all there is, this is not the word to forget a record on.
        let is_kept = match reason {
            PubAckReason::Success => true,
            PubAckReason::NoMatchingSubscribers => self.uplink.settings.ack == AckMode::Center,
            PubAckReason::UnspecifiedError
            | PubAckReason::ImplementationSpecificError
            | PubAckReason::NotAuthorized
            | PubAckReason::TopicNameInvalid
            | PubAckReason::PacketIdentifierInUse
            | PubAckReason::QuotaExceeded
            | PubAckReason::PayloadFormatInvalid => false,
        };
        if !is_kept {
            tracing::error!(?reason, "the broker does not keep a record");
            self.ended(&format!("the broker does not keep a record: {reason:?}"));
            self.is_over = true;
            return;
        }
        let now = self.now();
        let effects = self.core.apply(&Input::Delivered(message), now);
        self.carry_out(effects);
    }

    fn arrived(&mut self, topic: &Bytes, payload: Bytes) {
        let topic = std::str::from_utf8(topic).ok().and_then(Topic::parse);
        let Settings { agency, unit, .. } = &self.uplink.settings;
        match topic {
            Some(Topic::Ack(to, whom)) if to == *agency && whom == *unit => match Ack::decode(&payload) {
                Ok(ack) => {
                    let now = self.now();
                    let effects = self.core.apply(&Input::Acknowledged(ack), now);
                    self.carry_out(effects);
                }
                Err(error) => tracing::warn!(%error, "an acknowledgement that cannot be read"),
            },
            Some(Topic::RenewResponse(to, whom)) if to == *agency && whom == *unit => {
                self.uplink.ends.renewals.answered(payload);
            }
            Some(Topic::Command(to, whom)) if to == *agency && whom == *unit => self.command(payload),
            _ => tracing::warn!("a message under a topic that is not the unit's"),
        }
    }

    fn command(&mut self, sealed: Bytes) {
        if sealed.len() > MAX_COMMAND_BYTES {
            tracing::warn!(bytes = sealed.len(), "a command larger than any");
            return self.refuse(None, Refusal::Oversized);
        }
        match self.uplink.ends.commands.send(sealed) {
            Ok(()) => {}
            Err(SendError::Full(sealed) | SendError::Closed(sealed)) => {
                let asked = Command::peek(&sealed).ok();
                self.refuse(asked.as_ref(), Refusal::Busy);
            }
        }
    }

    fn refuse(&mut self, asked: Option<&Command>, reason: Refusal) {
        let wall = self.uplink.ends.clock.wall();
        let refused = Refused { reason, text: Sentence::cut(reason.sentence()) };
        self.uplink.outbox.append(Record::Answer(Box::new(Answer {
            at: wall.time.into(),
            clock: wall.quality,
            request: asked.map(|command| command.request),
            command: asked.map(|command| command.id),
            verdict: Verdict::Refused(refused),
        })));
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Settle(lane, up_to) => self.uplink.outbox.settle(self.core.epoch(), lane, up_to),
                Effect::Reconnect(reason) => {
                    tracing::warn!(reason, "giving the connection up");
                    self.ended(reason);
                    self.is_over = true;
                }
                Effect::BadAck(ack) => {
                    tracing::error!(lane = %ack.lane, settled = ack.settled.get(), "an acknowledgement of what was never sent");
                }
                Effect::Resending(lane) => tracing::warn!(%lane, "no acknowledgement for long; sending again"),
            }
        }
    }

    /// Brings health up to date, once a beat: counting what waits reads the outbox's file.
    fn report(&mut self, now: MonoTime) -> Result<(), OutboxFault> {
        if self.reported.is_some_and(|at| now.saturating_since(at) < BEAT) {
            return Ok(());
        }
        self.reported = Some(now);
        let mut backlog = Vec::new();
        for lane in Lane::ALL {
            let count = self.uplink.outbox.backlog(lane)?.records;
            if count > 0 {
                backlog.push(LaneCount { lane, count });
            }
        }
        self.uplink.publish_health(&self.core, backlog);
        self.note_spent(now);
        Ok(())
    }

    /// Keeps the day's bytes on the disk, so that the next start goes on from there.
    fn note_spent(&mut self, now: MonoTime) {
        let (at, noted) = self.uplink.noted;
        let spent = self.core.spent();
        if spent != noted && now.saturating_since(at) >= NOTE_EVERY {
            self.uplink.noted = (now, spent);
            self.uplink.outbox.note_spent(spent);
        }
    }
}

#[cfg(test)]
mod tests;
