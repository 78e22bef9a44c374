//! Detections of single frames to road users followed over time, in the way of `ByteTrack`: sure detections are matched
//! first, doubtful ones then keep alive what they continue, and a road user out of sight is waited for.
//!
//! Belongs here: identity. Does not belong here: what a track means (zones, plates, events).

mod assign;
mod kalman;
mod tracker;

pub use edge_protocol::id::TrackId;
pub use tracker::{SURE_SCORE, Seen, Step, Tracker, TrackerSettings};
