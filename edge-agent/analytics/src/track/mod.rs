//! Detections of single frames to road users followed over time.

pub use edge_protocol::id::TrackId;
