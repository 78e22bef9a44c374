//! The only way stages hand work to each other: bounded by count and bytes, with a stated policy for "full", counted.
//!
//! A queue outlives neither end: a receiver drains what is left after the last sender is gone and then gets `Closed`;
//! a sender whose receiver is gone gets its item back.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

/// What happens to an item that finds the queue full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overflow {
    /// The sender waits: back pressure. Only for stages that may be slowed.
    Wait,
    /// The newest item replaces the oldest: for frames, where only the present counts.
    DropOldest,
    /// The new item is refused and handed back: for packets (the sender writes a gap) and commands ("busy").
    Refuse,
}

/// The bounds of a queue and its name in health and metrics.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The counter's name, e.g. `packets.recorder`.
    pub name: &'static str,
    /// Most items held.
    pub items: usize,
    /// Most bytes held, as the senders state them. A single item larger than this is still taken when the queue is
    /// empty.
    pub bytes: usize,
    /// What to do when either bound is reached.
    pub overflow: Overflow,
}

impl Bounds {
    /// Bounds by count alone.
    pub const fn items(name: &'static str, items: usize, overflow: Overflow) -> Self {
        Self { name, items, bytes: usize::MAX, overflow }
    }
}

/// Why an item was not taken; it is handed back.
#[derive(Debug, PartialEq, Eq)]
pub enum SendError<T> {
    /// The queue is full and its policy is [`Overflow::Refuse`].
    Full(T),
    /// The receiver is gone.
    Closed(T),
}

/// Why nothing was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiveError {
    /// Nothing came in time.
    Timeout,
    /// All senders are gone and the queue is drained.
    Closed,
}

/// What a queue has seen since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Items taken in.
    pub sent: u64,
    /// Items replaced or refused because the queue was full.
    pub dropped: u64,
    /// Items waiting now.
    pub waiting: usize,
}

/// The sending end; clones feed the same queue.
#[derive(Debug)]
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
}

/// The receiving end.
#[derive(Debug)]
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
}

/// A view of a queue's counters that keeps neither end alive, nor what waits; the same for queues of anything.
#[derive(Debug, Clone)]
pub struct Gauge {
    name: &'static str,
    tally: Arc<Tally>,
}

/// What is counted: written under the queue's lock, read without it.
#[derive(Debug, Default)]
struct Tally {
    sent: AtomicU64,
    dropped: AtomicU64,
    waiting: AtomicUsize,
}

#[derive(Debug)]
struct Shared<T> {
    bounds: Bounds,
    tally: Arc<Tally>,
    state: Mutex<State<T>>,
    item_came: Condvar,
    item_came_async: Notify,
    room_came: Condvar,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<(T, usize)>,
    bytes: usize,
    senders: usize,
    receiver_gone: bool,
}

/// Makes a queue.
pub fn bounded<T>(bounds: Bounds) -> (Sender<T>, Receiver<T>) {
    let state = State { items: VecDeque::new(), bytes: 0, senders: 1, receiver_gone: false };
    let shared = Arc::new(Shared {
        bounds,
        tally: Arc::default(),
        state: Mutex::new(state),
        item_came: Condvar::new(),
        item_came_async: Notify::new(),
        room_came: Condvar::new(),
    });
    (Sender { shared: Arc::clone(&shared) }, Receiver { shared })
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_full(&self, state: &State<T>, more: usize) -> bool {
        let over_bytes = state.bytes.saturating_add(more) > self.bounds.bytes && !state.items.is_empty();
        state.items.len() >= self.bounds.items || over_bytes
    }

    fn push(&self, state: &mut State<T>, item: T, size: usize) {
        state.items.push_back((item, size));
        state.bytes += size;
        self.tally.sent.fetch_add(1, Ordering::Relaxed);
        self.tally.waiting.store(state.items.len(), Ordering::Relaxed);
    }

    fn pop(&self, state: &mut State<T>) -> Option<T> {
        let (item, size) = state.items.pop_front()?;
        state.bytes -= size;
        self.tally.waiting.store(state.items.len(), Ordering::Relaxed);
        Some(item)
    }

    fn count_dropped(&self) {
        self.tally.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

// === impl Sender ===

impl<T> Sender<T> {
    /// Hands over an item that counts as no bytes.
    ///
    /// # Errors
    /// Gives the item back when the queue is full and refuses, or when the receiver is gone.
    pub fn send(&self, item: T) -> Result<(), SendError<T>> {
        self.send_sized(item, 0)
    }

    /// Hands over an item that holds `size` bytes.
    ///
    /// # Errors
    /// Gives the item back when the queue is full and refuses, or when the receiver is gone.
    pub fn send_sized(&self, item: T, size: usize) -> Result<(), SendError<T>> {
        let shared = &self.shared;
        let mut state = shared.lock();
        while !state.receiver_gone && shared.is_full(&state, size) {
            match shared.bounds.overflow {
                Overflow::Wait => {
                    state = shared.room_came.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                Overflow::DropOldest => {
                    shared.pop(&mut state);
                    shared.count_dropped();
                }
                Overflow::Refuse => {
                    shared.count_dropped();
                    return Err(SendError::Full(item));
                }
            }
        }
        if state.receiver_gone {
            return Err(SendError::Closed(item));
        }
        shared.push(&mut state, item, size);
        drop(state);
        shared.item_came.notify_one();
        shared.item_came_async.notify_one();
        Ok(())
    }

    /// A view of the counters for health.
    pub fn gauge(&self) -> Gauge {
        Gauge { name: self.shared.bounds.name, tally: Arc::clone(&self.shared.tally) }
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.shared.lock().senders += 1;
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.shared.lock().senders -= 1;
        self.shared.item_came.notify_all();
        self.shared.item_came_async.notify_one();
    }
}

// === impl Receiver ===

impl<T> Receiver<T> {
    /// Takes the oldest item, waiting for at most `at_most`.
    ///
    /// # Errors
    /// [`ReceiveError::Timeout`] when nothing came, [`ReceiveError::Closed`] when nothing can come any more.
    pub fn receive_timeout(&self, at_most: Duration) -> Result<T, ReceiveError> {
        let state = self.shared.lock();
        let (mut state, _) = self
            .shared
            .item_came
            .wait_timeout_while(state, at_most, |state| state.items.is_empty() && state.senders > 0)
            .unwrap_or_else(PoisonError::into_inner);
        let item = self.shared.pop(&mut state);
        let closed = state.senders == 0;
        drop(state);
        match item {
            Some(item) => {
                self.shared.room_came.notify_one();
                Ok(item)
            }
            None if closed => Err(ReceiveError::Closed),
            None => Err(ReceiveError::Timeout),
        }
    }

    /// Takes the oldest item if there is one now.
    ///
    /// # Errors
    /// As [`Receiver::receive_timeout`], with [`ReceiveError::Timeout`] for an empty queue.
    pub fn try_receive(&self) -> Result<T, ReceiveError> {
        self.receive_timeout(Duration::ZERO)
    }

    /// Takes the oldest item from within a task.
    ///
    /// # Errors
    /// [`ReceiveError::Closed`] when nothing can come any more.
    pub async fn receive(&self) -> Result<T, ReceiveError> {
        loop {
            // Registered before the look, so that an item in between still wakes it.
            let came = self.shared.item_came_async.notified();
            match self.try_receive() {
                Err(ReceiveError::Timeout) => came.await,
                done => return done,
            }
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.shared.lock().receiver_gone = true;
        self.shared.room_came.notify_all();
    }
}

// === impl Gauge ===

impl Gauge {
    /// The queue's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What the queue has seen so far.
    pub fn counts(&self) -> Counts {
        Counts {
            sent: self.tally.sent.load(Ordering::Relaxed),
            dropped: self.tally.dropped.load(Ordering::Relaxed),
            waiting: self.tally.waiting.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests;
