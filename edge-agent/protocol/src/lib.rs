//! What a unit and a center say to each other: names, times, records, commands, manifests; their encoding, signatures
//! and verification. No I/O, no clock, no threads.
//!
//! A tour in the order of the data: a unit and its cameras have names ([`id`]); what was seen becomes a record on a
//! lane ([`lane`], [`topic`]); moments are stated with the quality of the clock that stated them ([`time`]).

pub mod ack;
pub mod batch;
pub mod command;
pub mod hash;
pub mod id;
pub mod lane;
pub mod media;
pub mod record;
pub mod time;
pub mod topic;
pub mod wire;
