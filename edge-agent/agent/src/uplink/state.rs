//! What the uplink decides: what is sent next, what is settled, when to give a connection up. Pure: no clock, no
//! network, no disk. [`super::link`] turns everything that happens into an [`Input`] and carries out the [`Effect`]s.

use std::collections::HashMap;
use std::time::Duration;

use edge_protocol::ack::Ack;
use edge_protocol::id::{Epoch, Sequence};
use edge_protocol::lane::{Lane, PerLane};
use edge_protocol::record::{LaneCount, LossCause, Sentence, UplinkHealth};
use edge_protocol::state::AckMode;
use edge_protocol::time::MonoTime;
use edge_store::outbox::{Backlog, Spent};

use super::budget::{Budget, Permit};
use super::lane::{BATCH_BYTES, LaneState, Verdict};
use super::rate::Rate;

/// Messages in flight at most, whatever the broker allows: more would only wait in its buffers.
const MAX_IN_FLIGHT: usize = 32;
/// Of these, kept free for what is not pictures or video.
const RESERVED: usize = 4;
/// So many messages with pictures or video have to arrive on a connection before one more of them may be on its way at
/// once: where it breaks, at most one and a sixteenth of what it carried were on their way for nothing.
const PROOF: usize = 16;
/// A broker that takes this long over a message is gone, whatever TCP believes.
const STALL: Duration = Duration::from_secs(25);

/// Everything that can happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Input {
    /// The broker took the connection, and allows this many messages in flight.
    Connected {
        /// The broker's receive maximum.
        allowed: usize,
    },
    /// The connection is gone.
    Lost,
    /// A lane was committed up to here.
    Committed(Lane, Sequence),
    /// The broker has a message.
    Delivered(u64),
    /// The center has stored records.
    Acknowledged(Ack),
    /// Time has passed; the day since 1970.
    Tick {
        /// The day.
        day: i64,
    },
}

/// What is to be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Effect {
    /// The outbox may forget a lane up to here.
    Settle(Lane, Sequence),
    /// Give the connection up.
    Reconnect(&'static str),
    /// Somebody acknowledges what was never sent.
    BadAck(Ack),
    /// A lane made no progress, and is sent again.
    Resending(Lane),
}

/// What to read from the outbox and send next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) lane: Lane,
    pub(super) after: Sequence,
    pub(super) records: u32,
    pub(super) bytes: usize,
    pub(super) permit: Permit,
}

#[derive(Debug, Clone, Copy)]
struct InFlight {
    lane: Lane,
    bytes: u64,
    sent: MonoTime,
}

/// The state of the uplink.
#[derive(Debug)]
pub(super) struct Core {
    epoch: Epoch,
    ack: AckMode,
    lanes: PerLane<LaneState>,
    /// Messages in flight at most; zero while there is no connection.
    allowed: usize,
    in_flight: HashMap<u64, InFlight>,
    /// Messages with pictures or video that arrived on this connection.
    bulk_arrived: usize,
    next_message: u64,
    rate: Rate,
    budget: Budget,
    bad_acks: u64,
    connections: u64,
    deliveries: u64,
}

impl Core {
    /// Begins from where the outbox's lanes stand.
    pub(super) fn new(epoch: Epoch, ack: AckMode, budget: Budget, backlog: &PerLane<Backlog>, now: MonoTime) -> Self {
        Self {
            epoch,
            ack,
            lanes: PerLane(Lane::ALL.map(|lane| LaneState::new(lane, backlog[lane], now))),
            allowed: 0,
            in_flight: HashMap::new(),
            bulk_arrived: 0,
            next_message: 0,
            rate: Rate::new(),
            budget,
            bad_acks: 0,
            connections: 0,
            deliveries: 0,
        }
    }

    pub(super) const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// What today has cost so far.
    pub(super) const fn spent(&self) -> Spent {
        self.budget.spent()
    }

    /// How many messages brokers have taken.
    pub(super) const fn deliveries(&self) -> u64 {
        self.deliveries
    }

    /// Takes in what happened.
    pub(super) fn apply(&mut self, input: &Input, now: MonoTime) -> Vec<Effect> {
        match *input {
            Input::Connected { allowed } => {
                self.allowed = allowed.clamp(1, MAX_IN_FLIGHT);
                self.connections += 1;
                self.start_over(now);
                Vec::new()
            }
            Input::Lost => {
                self.allowed = 0;
                self.start_over(now);
                Vec::new()
            }
            Input::Committed(lane, last) => {
                self.lanes[lane].committed(last, now);
                Vec::new()
            }
            Input::Delivered(message) => self.delivered(message, now),
            Input::Acknowledged(ack) => self.acknowledged(ack, now),
            Input::Tick { day } => self.tick(day, now),
        }
    }

    fn start_over(&mut self, now: MonoTime) {
        self.in_flight.clear();
        self.bulk_arrived = 0;
        for (_, lane) in self.lanes.iter_mut() {
            if cfg!(feature = "sabotage-forget-in-flight") {
                lane.forget_in_flight();
                continue;
            }
            match self.ack {
                AckMode::Center if cfg!(feature = "sabotage-clip-sent-blindly") => lane.rewind(now),
                AckMode::Center => lane.rewind_unsure(now),
                // Nobody will say.
                AckMode::Broker => lane.rewind(now),
            }
        }
    }

    fn delivered(&mut self, message: u64, now: MonoTime) -> Vec<Effect> {
        let Some(taken) = self.in_flight.remove(&message) else { return Vec::new() };
        self.deliveries += 1;
        self.bulk_arrived += usize::from(taken.lane.is_bulk());
        self.rate.delivered(taken.bytes, taken.sent, now);
        let up_to = self.lanes[taken.lane].delivered(message);
        match (self.ack, up_to) {
            (AckMode::Broker, Some(up_to)) => self.settle(taken.lane, up_to, now),
            (AckMode::Broker, None) | (AckMode::Center, _) => Vec::new(),
        }
    }

    fn settle(&mut self, lane: Lane, up_to: Sequence, now: MonoTime) -> Vec<Effect> {
        match self.lanes[lane].acknowledged(up_to, now) {
            Verdict::Settle(up_to) => vec![Effect::Settle(lane, up_to)],
            Verdict::Old | Verdict::Early | Verdict::Impossible => Vec::new(),
        }
    }

    fn acknowledged(&mut self, ack: Ack, now: MonoTime) -> Vec<Effect> {
        if ack.epoch != self.epoch || self.ack == AckMode::Broker {
            // Of an earlier life of the outbox, or of no meaning here.
            return Vec::new();
        }
        match self.lanes[ack.lane].acknowledged(ack.settled, now) {
            Verdict::Settle(up_to) => vec![Effect::Settle(ack.lane, up_to)],
            Verdict::Old | Verdict::Early => Vec::new(),
            Verdict::Impossible => {
                self.bad_acks += 1;
                vec![Effect::BadAck(ack)]
            }
        }
    }

    fn tick(&mut self, day: i64, now: MonoTime) -> Vec<Effect> {
        self.budget.today(day);
        if self.allowed == 0 {
            return Vec::new();
        }
        let stalled = self.in_flight.values().any(|message| now.saturating_since(message.sent) >= STALL);
        if stalled {
            return vec![Effect::Reconnect("the broker does not take what was sent")];
        }
        if self.ack == AckMode::Broker {
            return Vec::new();
        }
        let stuck = self.lanes.iter_mut().filter_map(|(lane, state)| state.resend_if_stuck(now).then_some(lane));
        stuck.map(Effect::Resending).collect()
    }

    /// What to send next, most urgent lane first; none while nothing is due or nothing more may be in flight.
    pub(super) fn wanted(&self, now: MonoTime) -> Option<Wanted> {
        let free = self.allowed.saturating_sub(self.in_flight.len());
        let reserved = RESERVED.min(self.allowed.saturating_sub(1));
        Lane::ALL.into_iter().find_map(|lane| {
            let records = self.lanes[lane].due(now)?;
            let permit = self.budget.permit(lane);
            let room = if lane.is_bulk() { free > reserved && self.bulk_has_room() } else { free > 0 };
            let sends = room && permit != Permit::Wait;
            let wanted = Wanted { lane, after: self.lanes[lane].sent(), records, bytes: BATCH_BYTES, permit };
            sends.then_some(wanted)
        })
    }

    /// Pictures and video never have more in flight than the line takes in a second, so that a hit never waits longer
    /// behind them, nor more than the connection has proved good for; one message may always be under way.
    fn bulk_has_room(&self) -> bool {
        let bulk = self.in_flight.values().filter(|message| message.lane.is_bulk()).map(|message| message.bytes);
        let (count, sum, largest) = bulk.fold((0, 0_u64, 0), |(count, sum, largest), bytes| {
            (count + 1, sum.saturating_add(bytes), bytes.max(largest))
        });
        // The next one is taken to be as large as the largest of them.
        let fits = sum == 0 || sum.saturating_add(largest) <= self.rate.bytes_s();
        fits && (count <= self.bulk_arrived / PROOF || cfg!(feature = "sabotage-clip-sent-blindly"))
    }

    /// Up to where a center has said that a lane is stored, for one that knows less of it: that never comes again. A
    /// broker's word is not a center's.
    pub(super) fn settled(&self, lane: Lane) -> Sequence {
        match self.ack {
            AckMode::Center => self.lanes[lane].settled(),
            AckMode::Broker => Sequence::ZERO,
        }
    }

    /// A message of a lane, up to and including `last`, was handed to the client. Returns its number.
    pub(super) fn sent(&mut self, lane: Lane, last: Sequence, bytes: usize, now: MonoTime) -> u64 {
        self.next_message += 1;
        let (message, bytes) = (self.next_message, bytes as u64);
        self.in_flight.insert(message, InFlight { lane, bytes, sent: now });
        self.budget.spend(bytes);
        self.lanes[lane].sent_batch(message, last, now);
        message
    }

    /// Records of a lane were given up.
    pub(super) fn given_up(&mut self, lane: Lane, sequences: &[Sequence], cause: LossCause, now: MonoTime) {
        if let Some(last) = sequences.last() {
            self.lanes[lane].advance(*last, now);
        }
        if cause == LossCause::Budget {
            self.budget.withheld(lane, sequences.len() as u64);
        }
    }

    /// Whether what waits in a lane could be read.
    pub(super) fn set_readable(&mut self, lane: Lane, readable: bool, now: MonoTime) {
        self.lanes[lane].set_readable(readable, now);
    }

    /// What cannot be read, in words.
    fn unreadable(&self) -> Option<Sentence> {
        let lanes = self.lanes.iter().filter(|(_, state)| !state.is_readable()).map(|(lane, _)| lane.as_str());
        let lanes = lanes.collect::<Vec<_>>().join(", ");
        (!lanes.is_empty()).then(|| Sentence::cut(&format!("what waits to be sent cannot be read: {lanes}")))
    }

    /// A lane has nothing more to read.
    pub(super) fn nothing_left(&mut self, lane: Lane) {
        self.lanes[lane].nothing_left();
    }

    /// When to look again, if nothing happens until then. What is due already waits for room, which only a delivery
    /// makes.
    pub(super) fn wake_at(&self, now: MonoTime) -> Option<MonoTime> {
        if self.allowed == 0 {
            return None;
        }
        let batches = self.lanes.iter().filter_map(|(_, lane)| lane.due_at());
        let resends = self.lanes.iter().filter_map(|(_, lane)| lane.resend_at());
        let stalls = self.in_flight.values().map(|message| message.sent.saturating_add(STALL));
        batches.chain(resends).chain(stalls).filter(|at| *at > now).min()
    }

    /// What health says of the line; how much waits is the outbox's to say.
    pub(super) fn health(&self, backlog: Vec<LaneCount>, busy: u64) -> UplinkHealth {
        UplinkHealth {
            connected: self.allowed > 0,
            reconnects: self.connections.saturating_sub(1),
            backlog,
            withheld: self.budget.withheld_today(),
            sent_today_bytes: self.budget.spent().bytes,
            rate_bytes_s: self.rate.bytes_s(),
            bad_acks: self.bad_acks,
            busy,
            trouble: self.unreadable(),
        }
    }
}

#[cfg(test)]
mod tests;
