//! Time inside analytics is the media's own: it orders frames and is never read from a clock.

pub use edge_protocol::time::MediaTime;
