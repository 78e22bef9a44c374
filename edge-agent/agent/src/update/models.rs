//! Models as an artefact of their own: a signed set of all that look, whole or nothing.
//!
//! The agent's vision worker ends and begins again with the set that is in use; nothing else of the agent does.

use edge_protocol::id::AgencyId;
use edge_protocol::model_set::ModelSet;
use edge_protocol::sign::Root;
use edge_protocol::time::WallTime;

use super::artefact::{Artefact, ArtefactFault, Artefacts, Part};
use super::{Evidence, Version};

/// A unit's sets of models.
pub type ModelSets<'d> = Artefacts<'d, ModelSet>;

/// Whose policy administrators may sign sets.
#[derive(Debug)]
pub struct Agency {
    /// The agency.
    pub id: AgencyId,
    /// Its root.
    pub root: Root,
}

impl Artefact for ModelSet {
    type Revision = u64;
    type Trust = Agency;

    const FOLDER: &'static str = "models";
    const STANDING: &'static str = "edge-models 1";
    /// Models say nothing to the center.
    const NEEDS_LINE: bool = false;

    fn manifest_length(first: [u8; 12]) -> Result<usize, ArtefactFault> {
        Ok(Self::manifest_length(first)?)
    }

    fn open(sealed: &[u8], trust: &Agency, at: Option<WallTime>) -> Result<Self, ArtefactFault> {
        Ok(Self::open(sealed, &trust.id, &trust.root, at)?)
    }

    fn peek(sealed: &[u8]) -> Result<Self, ArtefactFault> {
        Ok(Self::peek(sealed)?)
    }

    fn revision(&self) -> u64 {
        self.revision
    }

    fn built(&self) -> WallTime {
        self.built
    }

    fn parts(&self) -> Vec<Part<'_>> {
        self.files.iter().map(|file| Part { path: &file.path, bytes: file.bytes, hash: file.hash }).collect()
    }

    fn suits(&self, software: &Version) -> Result<(), ArtefactFault> {
        let needs: Option<Version> = self.least_software.as_str().parse().ok();
        if needs.is_some_and(|needs| needs <= *software) {
            return Ok(());
        }
        Err(ArtefactFault::NeedsAgent { needs: self.least_software.to_string(), is: software.clone() })
    }

    /// What its own vision worker does, in one life of that worker. Disk, clock and center are not asked for, since no
    /// model can harm them.
    fn seen(evidence: &Evidence, revision: &u64) -> Option<Evidence> {
        let worker = evidence.worker.as_ref().filter(|worker| worker.set == Some(*revision));
        Some(Evidence {
            life: format!("{} {}", evidence.life, worker.map_or(0, |worker| worker.life)),
            inferred: worker.is_some(),
            cameras: worker.map(|worker| worker.cameras.clone()).unwrap_or_default(),
            outbox: true,
            audit: true,
            clock: true,
            ..evidence.clone()
        })
    }
}

#[cfg(test)]
mod later;
#[cfg(test)]
mod power_cuts;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod world;
