//! Whether a setup code is the unit's, and how often that may be asked.

use std::path::Path;

use edge_protocol::enrolment::{MOST_TRIES, SetupCode, StoredCode, Tries};
use edge_protocol::time::WallTime;
use edge_store::disk::{Disk, read, replace};
use serde::{Deserialize, Serialize};

use super::{EnrolError, at};

/// Where wrong tries are counted, beside the identity.
const FILE: &str = "setup-tries.toml";

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Kept {
    wrong: u32,
    locked_until_us: Option<i64>,
}

/// Looks at a setup code. A try is counted on the disk before it is judged, so that pulling the plug wins none.
///
/// # Errors
/// Where it is wrong, or nothing is tried now.
pub fn check_code(
    disk: &dyn Disk,
    folder: &Path,
    right: &StoredCode,
    code: &SetupCode,
    now: WallTime,
) -> Result<(), EnrolError> {
    let path = folder.join(FILE);
    let before = tries(disk, &path)?;
    if let Some(until) = before.locked(now) {
        return Err(EnrolError::Locked { until });
    }
    let after = before.after_wrong(now);
    note(disk, &path, after)?;
    if right.is(code) {
        return note(disk, &path, Tries::default());
    }
    match after.locked(now) {
        Some(until) => Err(EnrolError::Locked { until }),
        None => Err(EnrolError::WrongCode { left: MOST_TRIES.saturating_sub(after.wrong) }),
    }
}

fn tries(disk: &dyn Disk, path: &Path) -> Result<Tries, EnrolError> {
    let bytes = match read(disk, path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Tries::default()),
        Err(error) => return Err(at("read", path)(error)),
    };
    // It is replaced whole; where it cannot be read somebody has written it by hand, and has the disk anyway.
    let kept: Kept = toml::from_str(&String::from_utf8_lossy(&bytes)).unwrap_or_default();
    Ok(Tries { wrong: kept.wrong, locked_until: kept.locked_until_us.map(WallTime::from_micros) })
}

fn note(disk: &dyn Disk, path: &Path, tries: Tries) -> Result<(), EnrolError> {
    let kept = Kept { wrong: tries.wrong, locked_until_us: tries.locked_until.map(WallTime::as_micros) };
    let text = toml::to_string(&kept).unwrap_or_default();
    replace(disk, path, text.as_bytes()).map_err(at("write", path))
}
