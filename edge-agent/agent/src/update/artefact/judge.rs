//! Whether an artefact may be taken, judged before a byte of it is written.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::{Artefact, ArtefactFault, Standing, Terms};
use crate::update::BUNDLE_LIFE;
use crate::update::bundle::{is_set, known_time};

/// Reads the head and judges it; the signed manifest's bytes and what they say.
pub(super) fn judge<A: Artefact>(
    file: &mut dyn Read,
    terms: &Terms<'_, A>,
    standing: &Standing<A::Revision>,
) -> Result<(Vec<u8>, A), ArtefactFault> {
    let mut first = [0; 12];
    let short = |_| ArtefactFault::Damaged("its head".to_owned());
    file.read_exact(&mut first).map_err(short)?;
    let mut sealed = vec![0; A::manifest_length(first)?];
    file.read_exact(&mut sealed).map_err(short)?;
    // Of a clock that nobody has set only this is known: it is later than that. An earlier moment would say nothing of
    // a signer whose certificate begins after it.
    let known = known_time(terms.latest, terms.now);
    let is_known = is_set(terms.now) || known >= A::peek(&sealed)?.built();
    let manifest = A::open(&sealed, terms.trust, is_known.then_some(known))?;
    let revision = manifest.revision();
    if let Some(wanted) = terms.wanted.as_ref().filter(|wanted| revision != **wanted) {
        return Err(ArtefactFault::OtherRevision { found: revision.to_string(), wanted: wanted.to_string() });
    }
    if let Some(floor) = standing.floor.as_ref().filter(|floor| revision < **floor) {
        return Err(ArtefactFault::BelowFloor { revision: revision.to_string(), floor: floor.to_string() });
    }
    if known > manifest.built().saturating_add(BUNDLE_LIFE) {
        return Err(ArtefactFault::Expired(manifest.built().to_string()));
    }
    manifest.suits(terms.software)?;
    Ok((sealed, manifest))
}

/// Opens an artefact's file.
///
/// # Errors
/// The system's, with the path.
pub fn open(path: &Path) -> Result<File, ArtefactFault> {
    File::open(path).map_err(|source| ArtefactFault::Disk { path: path.to_owned(), source })
}
