//! The file of an update: what it is, by its first bytes, and what names it.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, ensure};
use aws_lc_rs::digest;
use edge_protocol::command::Artefact;
use edge_protocol::hash::Hash256;
use edge_protocol::model_set::{MAGIC, ModelSet};
use edge_protocol::record::Word;

/// A file is hashed in pieces of this size.
const PIECE: usize = 1 << 16;

/// What is said of a file to whoever shall download it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) hash: Hash256,
    pub(super) bytes: u64,
    /// A bundle's version as it was given, a set's revision as it says itself.
    pub(super) version: Word,
    pub(super) artefact: Option<Artefact>,
}

impl Named {
    /// Reads a file. A version that is given must be that of a set of models.
    pub(super) fn read(path: &Path, version: Option<Word>) -> anyhow::Result<Self> {
        let name = || path.display().to_string();
        let (hash, bytes) = hash_of(path).with_context(name)?;
        if let Some(set) = set(path).with_context(name)? {
            let revision = Word::cut(&set.revision.to_string());
            let other = version.filter(|version| *version != revision);
            ensure!(other.is_none(), "{} is revision {revision} of the models, whatever --version says", name());
            return Ok(Self { hash, bytes, version: revision, artefact: Some(Artefact::Models) });
        }
        let version = version.context("--version is missing: a bundle does not say it to everybody")?;
        Ok(Self { hash, bytes, version, artefact: None })
    }
}

/// The manifest of a set of models, if it is one.
fn set(path: &Path) -> anyhow::Result<Option<ModelSet>> {
    let mut file = File::open(path)?;
    let mut first = [0; 12];
    if file.read_exact(&mut first).is_err() || !first.starts_with(&MAGIC) {
        return Ok(None);
    }
    let mut sealed = vec![0; ModelSet::manifest_length(first)?];
    file.read_exact(&mut sealed).context("it ends within its head")?;
    Ok(Some(ModelSet::peek(&sealed)?))
}

fn hash_of(path: &Path) -> std::io::Result<(Hash256, u64)> {
    let (mut file, mut piece) = (File::open(path)?, vec![0; PIECE]);
    let (mut context, mut bytes) = (digest::Context::new(&digest::SHA256), 0);
    loop {
        let read = file.read(&mut piece)?;
        match piece.get(..read) {
            Some([]) | None => return Ok((Hash256::from_digest(&context.finish()), bytes)),
            Some(read) => {
                context.update(read);
                bytes += read.len() as u64;
            }
        }
    }
}
