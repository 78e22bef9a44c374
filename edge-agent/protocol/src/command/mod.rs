//! What a person asks of a unit, and why it may be refused.

mod role;

pub use role::{Refusal, Role};
