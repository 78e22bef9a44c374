//! What somebody puts in force for a camera on the technician's page: read, judged, written down, kept. In this order,
//! and nowhere else, so that nothing is written down that is not as it may be, or kept that is not written down.

use std::path::Path;

use edge_protocol::id::CameraId;
use edge_store::disk::{self, RealDisk};

use crate::config::{self, Camera, Config, ConfigError, Redrawn};
use crate::page::Refusal;

/// What is put in force: `judge` makes it out of the configuration's text, `note` writes it down. The camera as it is
/// then, and the configuration with it.
///
/// # Errors
/// Where it is not as it may be, or cannot be kept.
pub(super) fn put(
    (file, camera): (&Path, &CameraId),
    judge: impl FnOnce(&str) -> Result<Redrawn, Refusal>,
    note: impl FnOnce() -> Result<(), Refusal>,
) -> Result<(Camera, Config), Refusal> {
    let text = config::read_text(file).map_err(|error| Refusal::of(&error))?;
    let Redrawn { config, path, text } = judge(&text)?;
    let found = config.cameras.iter().find(|known| known.id == *camera).cloned();
    let found = found.ok_or_else(|| Refusal(format!("the configuration has no camera {camera}")))?;
    note()?;
    disk::replace(&RealDisk, &path, text.as_bytes()).map_err(|error| Refusal(format!("it cannot be kept: {error}")))?;
    Ok((found, config))
}

/// What is wrong with a part of a camera, `place.` or `source.`, without the words for whoever writes a file.
pub(super) fn in_words(error: &ConfigError, part: &str) -> Refusal {
    let ConfigError::Mistakes(mistakes) = error else { return Refusal::of(error) };
    let words = mistakes.iter().map(|mistake| match mistake.key.rsplit_once(part) {
        Some((_, "url")) => format!("the address {}", mistake.words),
        Some((_, field)) => format!("{field} {}", mistake.words),
        None => mistake.to_string(),
    });
    Refusal(words.collect::<Vec<_>>().join("; "))
}
