//! Where one lane stands: what is committed, sent, delivered to the broker, settled by the center.

use std::collections::VecDeque;
use std::time::Duration;

use edge_protocol::id::Sequence;
use edge_protocol::lane::Lane;
use edge_protocol::time::MonoTime;
use edge_store::outbox::Backlog;

/// A batch waits this long for company. What was made at the same time is committed at the same time, so that longer
/// would bring delay and hardly more company.
const PATIENCE: Duration = Duration::from_millis(50);
/// Records in a batch while there is a backlog.
pub(super) const BATCH_RECORDS: u32 = 20;
/// Bytes of payload in a batch; JSON doubles pictures and pieces, and the message must stay within its bound.
pub(super) const BATCH_BYTES: usize = 100 * 1024;
/// Batches that may wait for the center's acknowledgement; far fewer than a broker drops (Mosquitto: 1,000).
const WINDOW: usize = 200;
/// With no progress for this long, what was sent is sent again, since brokers drop messages silently.
const FIRST_RESEND: Duration = Duration::from_secs(30);
const LAST_RESEND: Duration = Duration::from_mins(10);
/// After a break, pictures and video wait this long for the center to say what it has of what was sent before. It does
/// so when it hears the unit's birth, a round trip and a commit after the connection.
const WORD: Duration = Duration::from_secs(3);
/// Batches of pictures and video that may wait for the center's acknowledgement while it has not spoken since the
/// break.
const UNSURE_WINDOW: usize = 1;
/// A lane that cannot be read is tried again after this time.
const UNREADABLE: Duration = Duration::from_secs(30);

/// A batch that was sent.
#[derive(Debug, Clone, Copy)]
struct Sent {
    message: u64,
    last: Sequence,
    delivered: bool,
}

/// What an acknowledgement did to a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The outbox may forget up to there.
    Settle(Sequence),
    /// Nothing new.
    Old,
    /// It may speak of an earlier run of the agent; what it says will be said again.
    Early,
    /// It speaks of records that nobody has sent.
    Impossible,
}

/// One lane's cursors.
#[derive(Debug, Clone)]
pub(super) struct LaneState {
    lane: Lane,
    committed: Sequence,
    settled: Sequence,
    /// Up to here in this connection.
    sent: Sequence,
    /// Up to here ever.
    highest: Sequence,
    /// What was committed when the agent started, some of which an earlier run may have sent.
    inherited: Sequence,
    waiting_since: Option<MonoTime>,
    window: VecDeque<Sent>,
    progress: MonoTime,
    resend_after: Duration,
    /// When a break left open what the center has of what was sent, which it has not said since.
    unsure_since: Option<MonoTime>,
    /// When to try again, while what waits cannot be read.
    unreadable_until: Option<MonoTime>,
}

impl LaneState {
    pub(super) fn new(lane: Lane, backlog: Backlog, now: MonoTime) -> Self {
        Self {
            lane,
            committed: backlog.last,
            settled: backlog.settled,
            sent: backlog.settled,
            highest: backlog.settled,
            inherited: backlog.last,
            waiting_since: (backlog.last > backlog.settled).then_some(now),
            window: VecDeque::new(),
            progress: now,
            resend_after: FIRST_RESEND,
            unsure_since: None,
            unreadable_until: None,
        }
    }

    /// Where to read on.
    pub(super) const fn sent(&self) -> Sequence {
        self.sent
    }

    /// Up to where the outbox may forget.
    pub(super) const fn settled(&self) -> Sequence {
        self.settled
    }

    #[cfg(test)]
    pub(super) const fn last_committed(&self) -> Sequence {
        self.committed
    }

    pub(super) fn committed(&mut self, last: Sequence, now: MonoTime) {
        if last > self.committed {
            self.committed = last;
            self.waiting_since.get_or_insert(now);
        }
    }

    /// Sends again from the outbox's cursor: a new connection, or the broker has lost something.
    pub(super) fn rewind(&mut self, now: MonoTime) {
        self.sent = self.settled;
        self.window.clear();
        self.progress = now;
        self.waiting_since = (self.committed > self.sent).then_some(now);
    }

    /// Sends again, but what is large not before the center has said what it has: where it keeps silent, one batch asks
    /// it, since it acknowledges a batch that it has as well. Thus a break costs one batch at most, however many were
    /// on their way, and a broker that lost them costs nothing, since only the center's word moves the cursor.
    pub(super) fn rewind_unsure(&mut self, now: MonoTime) {
        self.rewind(now);
        self.unsure_since = (self.lane.is_bulk() && self.highest > self.settled).then_some(now);
    }

    /// Takes what was on its way for stored. Only a sabotage does so.
    pub(super) fn forget_in_flight(&mut self) {
        self.settled = self.sent;
        self.window.clear();
    }

    /// How many batches may wait for the center's acknowledgement.
    fn most_waiting(&self) -> usize {
        if self.unsure_since.is_some() { UNSURE_WINDOW } else { WINDOW }
    }

    /// How many records a batch may have, if one is due.
    pub(super) fn due(&self, now: MonoTime) -> Option<u32> {
        if self.committed <= self.sent || self.window.len() >= self.most_waiting() {
            return None;
        }
        if self.unsure_since.is_some_and(|since| now.saturating_since(since) < WORD)
            || self.unreadable_until.is_some_and(|until| now < until)
        {
            return None;
        }
        match self.lane {
            // One message each, at once: somebody waits for it, or it is large.
            Lane::Hit | Lane::Answer | Lane::Clip => return Some(1),
            Lane::Alert | Lane::Health | Lane::Audit | Lane::Read | Lane::Object | Lane::Thumb => {}
        }
        let waiting = self.committed.get().saturating_sub(self.sent.get());
        let waited = self.waiting_since.is_none_or(|since| now.saturating_since(since) >= PATIENCE);
        (waiting >= u64::from(BATCH_RECORDS) || waited).then_some(BATCH_RECORDS)
    }

    /// When a batch that is not due yet will be.
    pub(super) fn due_at(&self) -> Option<MonoTime> {
        if self.committed <= self.sent || self.window.len() >= self.most_waiting() {
            return None;
        }
        let batched = self.waiting_since.map(|since| since.saturating_add(PATIENCE));
        batched.max(self.unsure_since.map(|since| since.saturating_add(WORD))).max(self.unreadable_until)
    }

    /// When what was sent is to be sent again, if nothing happens until then.
    pub(super) fn resend_at(&self) -> Option<MonoTime> {
        (self.sent > self.settled).then(|| self.progress.saturating_add(self.resend_after))
    }

    /// Everything up to here was sent, or is not there.
    pub(super) fn advance(&mut self, last: Sequence, now: MonoTime) {
        if self.sent == self.settled {
            self.progress = now;
        }
        self.sent = self.sent.max(last);
        self.highest = self.highest.max(last);
        // What is left came later than what went, so it waits anew.
        self.waiting_since = (self.committed > self.sent).then_some(now);
    }

    /// A batch was handed to the client.
    pub(super) fn sent_batch(&mut self, message: u64, last: Sequence, now: MonoTime) {
        self.advance(last, now);
        self.window.push_back(Sent { message, last, delivered: false });
    }

    /// Whether what waits can be read. Where it cannot, nothing after it is sent, or the broker's word on that would
    /// settle it.
    pub(super) fn set_readable(&mut self, readable: bool, now: MonoTime) {
        self.unreadable_until = (!readable).then(|| now.saturating_add(UNREADABLE));
    }

    pub(super) const fn is_readable(&self) -> bool {
        self.unreadable_until.is_none()
    }

    /// There is nothing to read after what was sent.
    pub(super) fn nothing_left(&mut self) {
        self.sent = self.committed;
        self.waiting_since = None;
    }

    /// The broker has a batch. Returns up to where the broker has everything.
    pub(super) fn delivered(&mut self, message: u64) -> Option<Sequence> {
        if let Some(sent) = self.window.iter_mut().find(|sent| sent.message == message) {
            sent.delivered = true;
        }
        self.window.iter().take_while(|sent| sent.delivered).last().map(|sent| sent.last)
    }

    /// The center has stored everything up to here, or the broker has and that is enough.
    pub(super) fn acknowledged(&mut self, up_to: Sequence, now: MonoTime) -> Verdict {
        if up_to > self.highest.max(self.inherited) {
            return Verdict::Impossible;
        }
        // Whatever it says: what it does not have needs to be sent.
        self.unsure_since = None;
        if up_to <= self.settled {
            return Verdict::Old;
        }
        // What an earlier run has sent is believed as far as this one has sent it again. To believe none of it would
        // leave the lane where it is for ever, once the center is further than the window.
        let up_to = up_to.min(self.highest);
        if up_to <= self.settled {
            return Verdict::Early;
        }
        self.settled = up_to;
        self.sent = self.sent.max(up_to);
        while self.window.front().is_some_and(|sent| sent.last <= up_to) {
            self.window.pop_front();
        }
        self.progress = now;
        self.resend_after = FIRST_RESEND;
        Verdict::Settle(up_to)
    }

    /// Sends again if there was no progress for too long; returns whether it did.
    pub(super) fn resend_if_stuck(&mut self, now: MonoTime) -> bool {
        if self.resend_at().is_none_or(|at| now < at) {
            return false;
        }
        self.rewind_unsure(now);
        self.resend_after = (self.resend_after * 2).min(LAST_RESEND);
        true
    }
}
