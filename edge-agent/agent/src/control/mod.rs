//! Command to authorisation to action to audit.
//!
//! Belongs here: who may ask for what, and that nothing is done that is not written down first. Does not belong here:
//! how a clip is made or how an answer travels.
//!
//! The way of a command: rate and size before any cryptography; signature, chain and issuer
//! ([`edge_protocol::command::Command::open`]); then unit, challenge, time, role, purpose, case and scope
//! (`authorise`); then the audit log's "intent", on disk together with the command's id, which
//! is what makes a replay fail; then the act; then "outcome" and answer. If the audit log cannot be written, the
//! command is refused and everything else goes on.

mod authorise;
mod challenge;
mod delivery;
mod limit;
mod seams;
mod station;

pub use authorise::Policy;
pub use challenge::Challenges;
pub use seams::{ActionFault, Actions, AuditFault, AuditLog, Clip, MadeClip, Outlet, Recalled, UpdateAsked};
pub use station::{Control, Ends, answered, draft};

#[cfg(test)]
mod tests;
