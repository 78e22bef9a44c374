//! An alert as the unit itself makes it: dated now, and of no camera unless one is put in.

use edge_protocol::record::{Alert, AlertKind, Sentence};
use edge_protocol::time::{Moment, WallStamp};

/// What happened, whether it is over, and the same in words.
pub(in crate::app) fn alert(kind: AlertKind, over: bool, words: &str, now: WallStamp) -> Alert {
    Alert { at: Moment::from(now.time), clock: now.quality, camera: None, kind, over, text: Sentence::cut(words) }
}
