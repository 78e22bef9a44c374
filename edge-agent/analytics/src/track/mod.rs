//! Detections of single frames to road users followed over time.

use minicbor::{Decode, Encode};

/// One road user followed by one camera; unique within a run of the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct TrackId(#[n(0)] pub u64);
