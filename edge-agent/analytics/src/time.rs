//! Time inside analytics is the media's own: it orders frames and is never read from a clock.

use minicbor::{Decode, Encode};

/// A moment in a camera's stream, nanoseconds since the stream's own origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct MediaTime(#[n(0)] pub i64);
