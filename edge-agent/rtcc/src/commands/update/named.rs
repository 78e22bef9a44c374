//! The file of an update: what it is, by its first bytes, and what names it.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, ensure};
use aws_lc_rs::digest;
use edge_protocol::agent_release::{self, AgentRelease};
use edge_protocol::command::Artefact;
use edge_protocol::hash::Hash256;
use edge_protocol::model_set::{self, ModelSet};
use edge_protocol::record::Word;

/// A file is hashed in pieces of this size.
const PIECE: usize = 1 << 16;

/// What is said of a file to whoever shall download it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) hash: Hash256,
    pub(super) bytes: u64,
    /// A bundle's version as it was given; a set's revision and a release's version as they say themselves.
    pub(super) version: Word,
    pub(super) artefact: Option<Artefact>,
}

impl Named {
    /// Reads a file. A version that is given must be the one that the file says itself, where it says one.
    pub(super) fn read(path: &Path, version: Option<Word>) -> anyhow::Result<Self> {
        let name = || path.display().to_string();
        let (hash, bytes) = hash_of(path).with_context(name)?;
        if let Some(own) = Own::read(path).with_context(name)? {
            let other = version.filter(|version| *version != own.version);
            ensure!(other.is_none(), "{} is {}, whatever --version says", name(), own.words());
            return Ok(Self { hash, bytes, version: own.version, artefact: Some(own.artefact) });
        }
        let version = version.context("--version is missing: a bundle does not say it to everybody")?;
        Ok(Self { hash, bytes, version, artefact: None })
    }
}

/// What a file with a signed head says of itself.
struct Own {
    artefact: Artefact,
    version: Word,
}

impl Own {
    /// Reads the head; none where the file has no such.
    fn read(path: &Path) -> anyhow::Result<Option<Self>> {
        let mut file = File::open(path)?;
        let mut first = [0; 12];
        if file.read_exact(&mut first).is_err() {
            return Ok(None);
        }
        if first.starts_with(&model_set::MAGIC) {
            let set = ModelSet::peek(&sealed(&mut file, ModelSet::manifest_length(first)?)?)?;
            return Ok(Some(Self { artefact: Artefact::Models, version: Word::cut(&set.revision.to_string()) }));
        }
        if first.starts_with(&agent_release::MAGIC) {
            let release = AgentRelease::peek(&sealed(&mut file, AgentRelease::manifest_length(first)?)?)?;
            return Ok(Some(Self { artefact: Artefact::Agent, version: Word::cut(&release.software.to_string()) }));
        }
        Ok(None)
    }

    fn words(&self) -> String {
        match self.artefact {
            Artefact::Image => format!("image {}", self.version),
            Artefact::Models => format!("revision {} of the models", self.version),
            Artefact::Agent => format!("version {} of the agent", self.version),
        }
    }
}

/// The signed manifest that follows a file's first bytes.
fn sealed(file: &mut File, length: usize) -> anyhow::Result<Vec<u8>> {
    let mut sealed = vec![0; length];
    file.read_exact(&mut sealed).context("it ends within its head")?;
    Ok(sealed)
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
