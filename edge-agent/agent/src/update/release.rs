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
use super::{Evidence, Version};
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

impl Releases<'_> {
    /// The release that an image's agent of this version has to start in its own place; none where it runs itself.
    pub fn to_start(&self, own: &Version) -> Option<InUse<Version>> {
        let one = self.to_try(&self.standing().ok()?, own)?;
        let suits = AgentRelease::peek(&self.sealed(&one).ok()?).is_ok_and(|release| release.suits(own).is_ok());
        suits.then_some(one)
    }

    /// The program of a release that is here, if it is still what the image's keyring vouches for. Whether its signer's
    /// certificate had not ended was judged when it came.
    ///
    /// # Errors
    /// Why it is not to be started.
    pub fn program(&self, one: &InUse<Version>, keyring: &Keyring) -> Result<(AgentRelease, Sealed), ArtefactFault> {
        let release = <AgentRelease as Artefact>::open(&self.sealed(one)?, keyring, None)?;
        let path = one.folder.join(PROGRAM);
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
mod tests;
