//! Outbox to MQTT: the one place with the MQTT client.
//!
//! Belongs here: connecting, what is sent next, what is in flight, acknowledgements, the byte budget. Does not belong
//! here: what records say, and how they are kept.
//!
//! The outbox owns delivery, and the MQTT client never holds the only copy: every connection begins from the outbox's
//! own cursor with a fresh client. `state::Core` decides and is pure; `link` does, on one thread with a runtime of
//! its own.

mod announcement;
mod bell;
mod budget;
mod claim;
mod lane;
mod link;
mod plan;
pub mod probe;
mod rate;
mod renewals;
mod state;
mod talk;
pub mod tls;
mod trouble;

pub use announcement::Announcement;
pub use bell::Bell;
pub use claim::{ClaimLine, Heard};
pub use link::{Ends, Settings, Uplink};
pub use plan::{Outbox, OutboxFault, Stored};
pub use renewals::Renewals;

#[cfg(test)]
mod tests;
