//! What was found about a clip, in words and as JSON.

use edge_protocol::evidence::{ClipManifest, ManifestSpan};
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::text::terminal;
use super::time;

/// The findings for a person, one a line.
pub fn words(manifest: &ClipManifest, zone: &TimeZone) -> String {
    let mut lines = vec![
        format!(
            "VERIFIED: every group of pictures is what {}/{} recorded on {}",
            manifest.agency, manifest.unit, manifest.camera
        ),
        format!("  asked:   {}", period(manifest.asked, zone)),
        format!("  actual:  {}", period(manifest.actual, zone)),
        format!(
            "  content: {} pictures in {} groups, {} bytes, {:?}",
            manifest.frames(),
            manifest.groups.len(),
            manifest.media_bytes,
            manifest.codec
        ),
    ];
    if manifest.gaps.is_empty() {
        lines.push("  gaps:    none".to_owned());
    }
    for gap in &manifest.gaps {
        lines.push(format!("  gap:     {}", period(*gap, zone)));
    }
    lines.push(format!(
        "  made:    {} by software {}; the unit's clock was {}",
        time::full(manifest.made.time.as_micros(), zone),
        terminal(manifest.software.as_str()),
        manifest.made.quality
    ));
    lines.push(format!("  SHA-256: {}", manifest.media_hash));
    lines.join("\n")
}

/// The findings for a program.
pub fn as_json(manifest: &ClipManifest) -> Value {
    json!({
        "verified": true,
        "agency": manifest.agency,
        "unit": manifest.unit,
        "camera": manifest.camera,
        "request": manifest.request,
        "asked": bounds(manifest.asked),
        "actual": bounds(manifest.actual),
        "gaps": manifest.gaps.iter().map(|gap| bounds(*gap)).collect::<Vec<_>>(),
        "frames": manifest.frames(),
        "groups": manifest.groups.len(),
        "bytes": manifest.media_bytes,
        "sha256": manifest.media_hash,
        "made": manifest.made.time,
    })
}

fn bounds(span: ManifestSpan) -> Value {
    json!({ "from": span.from, "to": span.to })
}

fn period(span: ManifestSpan, zone: &TimeZone) -> String {
    let seconds = span.to.saturating_since(span.from).as_secs_f64();
    let (from, to) = (time::full(span.from.as_micros(), zone), time::full(span.to.as_micros(), zone));
    format!("{from} to {to} ({seconds:.1} s)")
}
