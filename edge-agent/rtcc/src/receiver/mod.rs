//! What arrives from units: read, checked, committed, and only then acknowledged.
//!
//! Belongs here: the meaning of messages. Does not belong here: the broker (`broker`) and SQL (`database`).

pub mod apply;
pub mod clips;
pub mod message;
pub mod worker;

#[cfg(test)]
mod tests;
