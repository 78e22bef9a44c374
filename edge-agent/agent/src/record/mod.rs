//! Access units to the video ring.
//!
//! Belongs here: gathering access units into groups and giving them to the ring in time. Does not belong here:
//! decoding (nothing is decoded to be recorded) and the ring's own format (`edge_store::ring`).

mod feed;
mod groups;
mod stage;

pub use feed::{Fed, Feed, feed};
pub use stage::{Ends, Recorded, Recorder};
