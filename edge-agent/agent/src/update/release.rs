//! The agent as an artefact of its own: a signed release, which the image's agent checks and starts in its own place.
//!
//! The image's agent stays the first that runs, since nothing else that is executed is covered by the image's
//! signature. A release names the images that it was tested with and is left alone by any other, so that an image that
//! falls back takes its own agent back with it.

use std::fs::File;
use std::io;
use std::path::Path;

use edge_protocol::agent_release::{AgentRelease, NotGenuine};
use edge_protocol::sign::Root;
use edge_protocol::time::WallTime;

use super::artefact::{Artefact, ArtefactFault, Artefacts, InUse, Part};
use super::{Evidence, KeepFault, Version};
use crate::supervise::program::Sealed;

/// A unit's releases of the agent.
pub type Releases<'d> = Artefacts<'d, AgentRelease>;

/// The file of the program in the folder of a release.
const PROGRAM: &str = "edge-agent";

/// The roots of whoever makes images: those that RAUC verifies bundles with.
#[derive(Debug)]
pub struct Keyring(Vec<Root>);

impl Keyring {
    /// Reads the keyring of the image.
    ///
    /// # Errors
    /// When it cannot be read, or holds no root.
    pub fn read(path: &Path) -> io::Result<Self> {
        let roots = Root::all_from_pem(&std::fs::read(path)?).map_err(io::Error::other)?;
        Ok(Self(roots))
    }
}

/// What an image's agent has to do at its start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Keep its place: there is no release, or none that this image has not left out.
    Keep,
    /// Keep it: the release in use is not for this image, and why.
    NotFor(Version, String),
    /// Keep it: the release in use cannot be read, and why.
    Damaged(Version, String),
    /// Give it to this release.
    Give(InUse<Version>),
}

impl Releases<'_> {
    /// What the agent of an image has to do that is of this version.
    ///
    /// # Errors
    /// When the disk cannot be read.
    pub fn place(&self, own: &Version) -> Result<Place, KeepFault> {
        let Some(one) = self.to_try(&self.standing()?, own) else { return Ok(Place::Keep) };
        let manifest = self.sealed(&one.folder).and_then(|sealed| Ok(AgentRelease::peek(&sealed)?));
        Ok(match manifest.map(|manifest| manifest.suits(own)) {
            Ok(Ok(())) => Place::Give(one),
            Ok(Err(fault)) => Place::NotFor(one.revision, fault.to_string()),
            Err(fault) => Place::Damaged(one.revision, fault.to_string()),
        })
    }

    /// The program of the release in a folder, if it is still what the image's keyring vouches for, and is for an image
    /// of this version. Whether its signer's certificate had not ended was judged when it came.
    ///
    /// # Errors
    /// Why it is not to be started.
    pub fn program(
        &self,
        folder: &Path,
        own: &Version,
        keyring: &Keyring,
    ) -> Result<(AgentRelease, Sealed), ArtefactFault> {
        let release = <AgentRelease as Artefact>::open(&self.sealed(folder)?, keyring, None)?;
        release.suits(own)?;
        let path = folder.join(PROGRAM);
        let copied = File::open(&path).and_then(|mut file| Sealed::copy(&mut file, release.bytes, release.hash));
        Ok((release, copied.map_err(|source| ArtefactFault::Disk { path, source })?))
    }
}

impl Artefact for AgentRelease {
    type Revision = Version;
    type Trust = Keyring;

    const FOLDER: &'static str = "agents";
    const STANDING: &'static str = "edge-agents 1";
    const NEEDS_LINE: bool = true;

    fn manifest_length(first: [u8; 12]) -> Result<usize, ArtefactFault> {
        Ok(Self::manifest_length(first)?)
    }

    fn open(sealed: &[u8], trust: &Keyring, at: Option<WallTime>) -> Result<Self, ArtefactFault> {
        let mut refused = NotGenuine::Signature("the keyring of the image is empty".to_owned());
        for root in &trust.0 {
            match Self::open(sealed, root, at) {
                Ok(release) => return Ok(release),
                Err(error) => refused = error,
            }
        }
        Err(refused.into())
    }

    fn peek(sealed: &[u8]) -> Result<Self, ArtefactFault> {
        Ok(Self::peek(sealed)?)
    }

    fn revision(&self) -> Version {
        self.software.clone()
    }

    fn built(&self) -> WallTime {
        self.built
    }

    fn parts(&self) -> Vec<Part<'_>> {
        vec![Part { path: PROGRAM, bytes: self.bytes, hash: self.hash }]
    }

    fn suits(&self, software: &Version) -> Result<(), ArtefactFault> {
        if !self.images.contains(software) {
            let images: Vec<String> = self.images.iter().map(Version::to_string).collect();
            return Err(ArtefactFault::OtherImage { images: images.join(", "), is: software.clone() });
        }
        if self.software > *software {
            return Ok(());
        }
        Err(ArtefactFault::NotNewer { found: self.software.clone(), own: software.clone() })
    }

    /// All that is asked of an image, of this very program.
    fn seen(evidence: &Evidence, revision: &Version) -> Option<Evidence> {
        (evidence.release.as_ref() == Some(revision)).then(|| evidence.clone())
    }
}

#[cfg(test)]
pub(crate) mod tests;
