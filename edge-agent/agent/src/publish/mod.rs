//! Records to the outbox: the one stage that writes it.
//!
//! Everything the unit has to tell passes here, is numbered and made durable in groups: a group is committed
//! [`GROUP`] after its first record, or at once when it holds something urgent. Only then does the uplink learn of it.
//! What cannot be written is kept and tried again; senders wait meanwhile, since the queue is bounded.

mod group;
mod loss;
mod stage;

pub use stage::{Announce, Ends, Entry, Plan, Publisher, Settlement};

use std::time::Duration;

use crate::supervise::queue::{Bounds, Overflow};

/// The longest a record waits for company before it is made durable.
pub const GROUP: Duration = Duration::from_millis(100);
/// Waiting records; beyond them senders wait.
pub const QUEUE: Bounds = Bounds::items("events.outbox", 64, Overflow::Wait);
