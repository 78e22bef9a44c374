//! `rtcc agent`: a signed release of the agent alone, for units whose image it was tested with.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail, ensure};
use clap::Args;
use edge_protocol::agent_release::{AgentRelease, MAX_IMAGES, MAX_PROGRAM_BYTES, NotGenuine};
use edge_protocol::batch::CONTRACT_VERSION;
use edge_protocol::hash::Hash256;
use edge_protocol::sign::Subject;
use edge_protocol::time::WallTime;
use edge_protocol::version::Version;
use rtcc::clock::wall_us;
use rtcc::files::{self, Access};

use super::signer::pair;

/// What every program of the unit's system begins with.
const ELF: &[u8] = b"\x7fELF";

/// Sign the agent's program as a release, which `rtcc update` gives to units in place of a whole image.
///
/// It is signed by whoever signs images, not by a person of the agency: a unit verifies it with its image's keyring. It
/// runs where that image is one of --images, and older than the release.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rtcc agent --program edge-agent --software 1.4.1 --images 1.4.0 \\
             --key signing.key --cert signing.pem -o agent-1.4.1.release
  rtcc agent --program edge-agent --software 1.5.0-rc.1 --images 1.4.0,1.4.1 \\
             --key target/keys/signing.key --cert target/keys/signing.pem \\
             -o agent-1.5.0-rc.1.release

Key and certificate are those that bundles are signed with; `make image` leaves \
those for a desk in target/keys. `rtcc update` gives the release to units, and so \
does `edge-agent update agent` on the unit itself.")]
pub(crate) struct Agent {
    /// The agent's program, an ELF file for the units' processor.
    #[arg(long, value_name = "FILE")]
    program: PathBuf,
    /// What the program says with --version; the unit compares.
    #[arg(long, value_name = "VERSION")]
    software: Version,
    /// The versions of the images it was tested with; it runs on no other.
    #[arg(long, value_delimiter = ',', required = true, value_name = "VERSIONS")]
    images: Vec<Version>,
    /// The private key that signs images, PEM.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Its certificate, and those between it and the root of the images' keyring, PEM.
    #[arg(long, value_name = "FILE")]
    cert: PathBuf,
    /// Where the release goes.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

impl Agent {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let (key, chain) = pair(&self.key, &self.cert)?;
        if let Ok(Subject::Person(_, who, _)) = chain.subject() {
            bail!("{} is {who}'s certificate: releases are signed by whoever signs images", self.cert.display());
        }
        ensure!(self.images.len() <= MAX_IMAGES, "--images names more than {MAX_IMAGES}");
        if let Some(image) = self.images.iter().find(|image| **image >= self.software) {
            bail!("image {image} brings an agent that is as new as {} or newer, and would refuse it", self.software);
        }
        let program = program(&self.program)?;
        let release = AgentRelease {
            version: CONTRACT_VERSION,
            software: self.software,
            built: WallTime::from_micros(wall_us()),
            images: self.images,
            bytes: program.len() as u64,
            hash: Hash256::of(&program),
        };
        let head = release.head(&key, &chain).map_err(|error| match error {
            NotGenuine::Malformed(why) => anyhow!("cannot sign: {why}"),
            NotGenuine::Signature(_) => anyhow!("cannot sign: does the key belong to the certificate?"),
        })?;
        files::replace(&self.output, &[head, program].concat(), Access::Everybody)
            .with_context(|| format!("cannot write {}", self.output.display()))?;
        let images: Vec<String> = release.images.iter().map(Version::to_string).collect();
        let (software, images, bytes) = (&release.software, images.join(", "), release.bytes);
        writeln!(std::io::stdout(), "agent {software} for images {images}: {bytes} bytes")?;
        Ok(())
    }
}

/// Reads the program, where it can be one.
fn program(path: &Path) -> anyhow::Result<Vec<u8>> {
    let unread = || format!("cannot read {}", path.display());
    let bytes = std::fs::metadata(path).with_context(unread)?.len();
    ensure!(
        bytes <= MAX_PROGRAM_BYTES,
        "{} has {bytes} bytes, and a unit takes {MAX_PROGRAM_BYTES} at most: is it stripped?",
        path.display()
    );
    let program = std::fs::read(path).with_context(unread)?;
    ensure!(program.starts_with(ELF), "{} is no ELF file: name the agent's program itself", path.display());
    Ok(program)
}

#[cfg(test)]
mod tests;
