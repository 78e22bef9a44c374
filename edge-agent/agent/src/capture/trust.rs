//! Whose certificate a camera under `rtsps://` must show.

use gstreamer as gst;
use gstreamer::prelude::*;

use super::{Trouble, Trust};

/// Tells `rtspsrc` what to trust.
pub(super) fn apply(source: &gst::Element, trust: &Trust) -> Result<(), Trouble> {
    let Trust::Certificate(path) = trust else { return Ok(()) };
    let missing = || Trouble::Missing(format!("certificate {}", path.display()));
    let anchors = gio::TlsFileDatabase::new(path).map_err(|_| missing())?;
    source.set_property("tls-database", &anchors);
    // Everything but the name: see `Trust::Certificate`.
    source.set_property(
        "tls-validation-flags",
        gio::TlsCertificateFlags::VALIDATE_ALL - gio::TlsCertificateFlags::BAD_IDENTITY,
    );
    Ok(())
}
