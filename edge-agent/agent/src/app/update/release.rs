//! Releases of the agent, on this unit: who may sign them, and what tests them.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use edge_protocol::agent_release::AgentRelease;
use edge_store::disk::RealDisk;

use super::Here;
use super::artefacts::Ours;
use super::news::Words;
use crate::config::Config;
use crate::update::release::{Keyring, Releases};
use crate::update::{Order, Ordered, Version, own_version};

/// Where an image keeps the roots that its bundles are verified with. Not a matter of the configuration, which lies
/// where whoever has got hold of the agent can write.
const KEYRING: &str = "/usr/lib/rauc/keyring.pem";
/// Names another one, for a machine without an image.
const KEYRING_ELSEWHERE: &str = "EDGE_AGENT_KEYRING";

/// What a release does when it is tested takes no minute.
const STEP: Duration = Duration::from_millis(50);
const STEPS: u32 = 1200;

/// Whoever makes the images.
///
/// # Errors
/// In words, when the keyring cannot be read.
pub(in crate::app) fn keyring() -> anyhow::Result<Keyring> {
    let path = keyring_file();
    Keyring::read(&path).with_context(|| format!("cannot read the keyring {}", path.display()))
}

fn keyring_file() -> PathBuf {
    std::env::var_os(KEYRING_ELSEWHERE).map_or_else(|| KEYRING.into(), PathBuf::from)
}

impl Ours for AgentRelease {
    const WORDS: Words = Words {
        noun: "agent",
        own: "the image's agent",
        one: "a release of the agent",
        is: "is",
        was: "was",
        is_being: "release of the agent is being",
        stays: "the agent in use stays",
    };

    const ENDS_THE_AGENT: bool = true;

    fn ordered(order: &Order) -> Option<Version> {
        if let Ordered::Agent { agent } = &order.what { Some(agent.clone()) } else { None }
    }

    fn voucher(_: &Config) -> PathBuf {
        keyring_file()
    }

    fn trust(_: &Config) -> anyhow::Result<Keyring> {
        keyring()
    }

    /// That of the image's own agent, since this program is the image's.
    fn suited(_: &Path) -> Version {
        own_version()
    }

    /// Starts it twice, as it will be started: it must say its own version, and be able to use this unit's
    /// configuration.
    fn self_test(here: &Here, _: &Config, folder: &Path) -> Result<(), String> {
        let keyring = keyring().map_err(|error| format!("{error:#}"))?;
        let releases = Releases::new(&RealDisk, &here.data_dir);
        let found = releases.program(folder, &own_version(), &keyring);
        let (manifest, program) = found.map_err(|fault| fault.to_string())?;
        let said = said_by(program.command().arg("--version"))?;
        let wanted = format!("edge-agent {}", manifest.software);
        if said.trim() != wanted {
            return Err(format!("it calls itself `{}` and not `{wanted}`", said.trim()));
        }
        said_by(program.command().arg("check-config").arg(&here.config_file)).map(drop)
    }
}

/// What a command that must succeed says.
fn said_by(command: &mut Command) -> Result<String, String> {
    let words = |error: io::Error| format!("it cannot be started: {error}");
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(words)?;
    let mut steps = 0;
    while child.try_wait().map_err(words)?.is_none() {
        if steps == STEPS {
            // It may have ended just now, which is as good.
            drop(child.kill());
            drop(child.wait());
            return Err("it does not end within a minute".to_owned());
        }
        steps += 1;
        std::thread::sleep(STEP);
    }
    // What it says is a line or two, which the pipes hold until now.
    let output = child.wait_with_output().map_err(words)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let why = String::from_utf8_lossy(&output.stderr);
    Err(format!("it ends with {}: {}", output.status, why.trim().lines().last().unwrap_or_default()))
}
