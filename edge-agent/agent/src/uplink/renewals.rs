//! The unit's next certificate, as far as the line is concerned: a question up, an answer down, and with whose
//! certificate the next connection is made.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use rustls::ClientConfig;

use super::Bell;

/// What whoever renews and the uplink share. Clones are the same.
#[derive(Debug, Clone)]
pub struct Renewals {
    shared: Arc<Mutex<Held>>,
    bell: Bell,
}

#[derive(Debug, Default)]
struct Held {
    question: Option<Bytes>,
    answer: Option<Bytes>,
    next: Option<Arc<ClientConfig>>,
    in_use: bool,
}

impl Renewals {
    /// Nothing is asked; news ring `bell`.
    pub fn new(bell: &Bell) -> Self {
        Self { shared: Arc::default(), bell: bell.clone() }
    }

    /// Asks: on this connection, and on every further one until there is an answer.
    pub fn ask(&self, question: Vec<u8>) {
        self.with(|held| {
            held.question = Some(question.into());
            held.answer = None;
        });
        self.bell.wake();
    }

    /// The answer, once.
    pub fn answer(&self) -> Option<Bytes> {
        self.with(|held| held.answer.take())
    }

    /// Ends the present connection in order, and makes every further one with this certificate. What was sent and not
    /// acknowledged is sent again from the outbox.
    pub fn switch(&self, tls: Arc<ClientConfig>) {
        self.with(|held| {
            held.next = Some(tls);
            held.in_use = false;
        });
        self.bell.wake();
    }

    /// Whether the broker has taken a connection with the certificate that was switched to last.
    pub fn is_in_use(&self) -> bool {
        self.with(|held| held.in_use)
    }

    pub(super) fn question(&self) -> Option<Bytes> {
        self.with(|held| held.question.clone())
    }

    pub(super) fn answered(&self, answer: Bytes) {
        self.with(|held| {
            if held.question.take().is_some() {
                held.answer = Some(answer);
            }
        });
    }

    pub(super) fn is_switched(&self) -> bool {
        self.with(|held| held.next.is_some())
    }

    pub(super) fn take_next(&self) -> Option<Arc<ClientConfig>> {
        self.with(|held| held.next.take())
    }

    pub(super) fn connected(&self) {
        self.with(|held| held.in_use = held.next.is_none());
    }

    fn with<T>(&self, work: impl FnOnce(&mut Held) -> T) -> T {
        work(&mut self.shared.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
