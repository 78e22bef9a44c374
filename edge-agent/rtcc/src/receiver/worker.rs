//! The receiver's thread: takes what has arrived, applies it in one transaction, and tells.
//!
//! Whatever waits is applied together, so one sync of the disk serves many messages under load and a single message is
//! not delayed when there is none.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use edge_protocol::id::AgencyId;
use tokio::sync::{mpsc, watch};

use super::apply::{ApplyError, Received, Settled, apply, settled_now};
use super::clips::Files;
use super::message::Message;
use crate::broker::{Arrival, Departure, Receipt};
use crate::database::Database;
use crate::enrolment::{Desk, Lives};
use crate::wire;

/// The most messages of one transaction.
const TOGETHER: usize = 256;
/// How long to wait after a failed transaction, first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What the receiver says about itself.
#[derive(Debug, Default)]
pub struct ReceiverStatus {
    messages: AtomicU64,
    failures: AtomicU64,
    trouble: Mutex<Option<String>>,
}

impl ReceiverStatus {
    /// How many messages this receiver has committed.
    pub fn messages(&self) -> u64 {
        self.messages.load(Ordering::Relaxed)
    }

    /// How many transactions failed.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// What is wrong now, in words.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_trouble(&self, words: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = words;
    }
}

/// A receiver and everything it is connected to.
#[derive(Debug)]
pub struct Worker {
    /// The agency whose units are received.
    pub agency: AgencyId,
    /// Who enrols units.
    pub desk: Arc<Desk>,
    /// Which programs were heard under each unit's name.
    pub lives: Lives,
    /// The database it writes.
    pub database: Database,
    /// The folder for clips and pictures.
    pub files: Files,
    /// What comes from the broker.
    pub arrivals: mpsc::Receiver<Arrival>,
    /// What goes to the broker.
    pub departures: mpsc::Sender<Departure>,
    /// Is raised by one after every commit.
    pub news: watch::Sender<u64>,
    /// What it says about itself.
    pub status: Arc<ReceiverStatus>,
    /// Becomes true when it shall end, also in the middle of trouble.
    pub stop: watch::Receiver<bool>,
    /// Reads the wall clock, microseconds since 1970.
    pub now_us: fn() -> i64,
}

impl Worker {
    /// Works until the arrivals end or `stop`. What was not committed was not acknowledged either.
    pub fn run(mut self) {
        let mut waiting = Vec::with_capacity(TOGETHER);
        while !*self.stop.borrow() && self.arrivals.blocking_recv_many(&mut waiting, TOGETHER) > 0 {
            let mut received = Vec::with_capacity(waiting.len());
            let mut receipts = Vec::with_capacity(waiting.len());
            let mut connected = false;
            for arrival in waiting.drain(..) {
                match arrival {
                    Arrival::Connected => {
                        connected = true;
                        self.lives.forget();
                    }
                    Arrival::Message { topic, payload, receipt, .. } if Desk::is_for_desk(&topic) => {
                        if !self.enrol(&topic, &payload) {
                            return;
                        }
                        receipts.push(receipt);
                    }
                    Arrival::Message { topic, payload, received_us, receipt } => {
                        let message = wire::read_message(&self.agency, &self.desk.root, &topic, &payload);
                        self.look_for_copies(&message);
                        received.push(Received { message, received_us });
                        receipts.push(receipt);
                    }
                }
            }
            #[cfg(feature = "sabotage-ack-before-commit")]
            self.tell_too_early(&received);
            let Some(settled) = self.commit(&received) else { return };
            if !self.tell(receipts, &settled) {
                return;
            }
            if connected && !self.tell_everything() {
                return;
            }
        }
    }

    /// Enrolments and renewals are few and each is a transaction of its own; false when nothing can be sent any more.
    fn enrol(&mut self, topic: &[u8], payload: &[u8]) -> bool {
        let departures = self.desk.receive(&mut self.database, (topic, payload), (self.now_us)());
        self.news.send_modify(|count| *count += 1);
        departures.into_iter().all(|departure| self.departures.blocking_send(departure).is_ok())
    }

    fn look_for_copies(&mut self, message: &Message) {
        let Message::State { unit, birth: Some(birth), .. } = message else { return };
        let Ok(birth) = serde_json::from_str(birth) else { return };
        if self.lives.note(unit, &birth) {
            self.desk.cloned(&mut self.database, unit, (self.now_us)());
            self.news.send_modify(|count| *count += 1);
        }
    }

    /// Claims that everything is settled before it is, and takes its time.
    #[cfg(feature = "sabotage-ack-before-commit")]
    fn tell_too_early(&self, received: &[Received]) {
        let claims = received.iter().filter_map(|received| match &received.message {
            Message::Batch(batch) => Some(Settled {
                unit: batch.unit.clone(),
                epoch: batch.epoch,
                lane: batch.lane.to_owned(),
                sequence: batch.items.last()?.sequence,
            }),
            Message::State { .. } | Message::Refused { .. } => None,
        });
        self.tell(Vec::new(), &claims.collect::<Vec<_>>());
        std::thread::sleep(Duration::from_millis(30));
    }

    /// Applies until it succeeds; none when it shall stop before that.
    fn commit(&mut self, received: &[Received]) -> Option<Vec<Settled>> {
        if received.is_empty() {
            return Some(Vec::new());
        }
        let mut pause = FIRST_PAUSE;
        loop {
            match apply(&mut self.database, &mut self.files, received, (self.now_us)()) {
                Ok(settled) => {
                    self.status.set_trouble(None);
                    let count = u64::try_from(received.len()).unwrap_or(u64::MAX);
                    self.status.messages.fetch_add(count, Ordering::Relaxed);
                    self.news.send_modify(|count| *count += 1);
                    return Some(settled);
                }
                Err(error) => self.failed(&error),
            }
            if *self.stop.borrow() {
                return None;
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn failed(&self, error: &ApplyError) {
        self.status.failures.fetch_add(1, Ordering::Relaxed);
        if self.status.trouble().is_none() {
            tracing::error!(?error, "cannot commit what arrived; nothing is acknowledged until it works again");
        }
        self.status.set_trouble(Some(error.to_string()));
    }

    fn tell(&self, receipts: Vec<Receipt>, settled: &[Settled]) -> bool {
        let done = receipts.into_iter().map(Departure::Done);
        let acknowledged = settled.iter().map(|settled| wire::acknowledgement(&self.agency, settled));
        done.chain(acknowledged.flatten()).all(|departure| self.departures.blocking_send(departure).is_ok())
    }

    fn tell_everything(&self) -> bool {
        match settled_now(&self.database) {
            Ok(settled) => self.tell(Vec::new(), &settled),
            Err(error) => {
                // Units send again what is not acknowledged, so this costs time and loses nothing.
                tracing::warn!(?error, "cannot read what to acknowledge after connecting");
                true
            }
        }
    }
}
