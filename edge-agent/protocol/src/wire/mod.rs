//! How records share what they have in common on the wire.
//!
//! A record alone (in the outbox's file) spells everything out. In a batch, words, clock qualities and versions are
//! numbers into the batch's tables, and moments are milliseconds from the batch's base. Both are the same encoding
//! with a different [`Context`]; a decoder takes either form of a word.

mod bytes;
mod tables;

pub(crate) use bytes::blob;
pub use tables::{Context, Tables};
pub(crate) use tables::{MAX_WORD_BYTES, TablesOnWire};
pub(crate) use tables::{clock, versions, word};
