//! What the commands that look at a video say of a file that ends early.

use std::io::Write as _;
use std::path::Path;

use crate::vision::decode::is_cut_off;

/// Whether a video that was looked at is there to its end; where it is not, that is said on standard error.
pub(super) fn is_whole(path: &Path, frames: u64) -> bool {
    // It was read a moment ago; what cannot be asked of it any more is no news of how long it is.
    let is_whole = !is_cut_off(path).unwrap_or(false);
    if !is_whole {
        let path = path.display();
        // Without a standard error there is nobody to tell; the status says it too.
        drop(writeln!(
            std::io::stderr(),
            "edge-agent: {path}: the file is cut off: what followed its {frames} frame(s) is missing"
        ));
    }
    is_whole
}
