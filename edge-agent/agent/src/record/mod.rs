//! Access units to the video ring.
//!
//! Belongs here: gathering access units into groups and giving them to the ring in time. Does not belong here:
//! decoding (nothing is decoded to be recorded) and the ring's own format (`edge_store::ring`).
//!
//! What waits in memory is at most two seconds of video and what the feed's queue holds; a group is on the disk before
//! the next is looked at. So a power cut costs no more than four seconds.

mod feed;
mod groups;
mod stage;

pub use feed::{Fed, Feed, feed};
pub use stage::{Ends, Recorded, Recorder, Tell, Told};
