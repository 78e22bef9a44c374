//! A real unit to measure: `edge-agent run` on a configuration, with a broker or with none in reach.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use edge_tests::pki::Pki;
use edge_tests::process::Process;
use tempfile::TempDir;

use super::Surroundings;

/// The agency of every measurement.
pub(super) const AGENCY: &str = "bench";
/// The name of the unit.
pub(super) const UNIT: &str = "pole-1";

/// A unit that has its configuration and does not run yet.
#[derive(Debug)]
pub(super) struct Prepared {
    folder: TempDir,
    config: PathBuf,
}

/// A unit that runs; dropping it ends it.
#[derive(Debug)]
pub(super) struct Unit {
    /// The agent.
    pub(super) agent: Process,
    /// Its data.
    pub(super) folder: TempDir,
    /// Whose certificates it reads, where nobody else keeps them.
    _pki: Option<Pki>,
}

/// What a unit is told.
#[derive(Debug)]
pub(super) struct Told<'t> {
    /// The folder of its models; one without any leaves it blind.
    pub(super) models: &'t Path,
    /// For each camera the lines of `[camera.source]`.
    pub(super) sources: &'t [String],
    /// The broker's port.
    pub(super) port: u16,
    /// Plates that make hits.
    pub(super) test_plates: &'t [String],
}

impl Prepared {
    /// Writes the unit's configuration.
    pub(super) fn new(around: &Surroundings, pki: &Pki, told: &Told<'_>) -> Result<Self> {
        let folder = tempfile::tempdir_in(&around.folder)?;
        let (place, tables) = (folder.path().display(), pki.agent_tables(UNIT, told.port));
        let mut text = format!(
            "profile = \"dev\"\ndata_dir = \"{place}/unit\"\n{tables}[models]\ndir = \"{models}\"\n[reads]\npublish = \"all\"\n\
             [hotlist]\ntest_plates = {plates:?}\n[health]\nmetrics_enabled = false\n",
            models = told.models.display(),
            plates = told.test_plates,
        );
        for (number, source) in told.sources.iter().enumerate() {
            write!(
                text,
                "[[camera]]\nid = \"c{number}\"\nname = \"Camera {number}\"\nplates = \"frame\"\n[camera.source]\n{source}\n"
            )?;
        }
        let config = folder.path().join("edge-agent.toml");
        std::fs::write(&config, text)?;
        std::fs::create_dir(folder.path().join("unit"))?;
        Ok(Self { folder, config })
    }

    /// The file of its outbox.
    pub(super) fn outbox(&self) -> PathBuf {
        self.folder.path().join("unit/outbox.sqlite")
    }

    /// Starts the agent.
    pub(super) fn start(self, around: &Surroundings) -> Unit {
        let mut run = Command::new(around.programs.join("edge-agent"));
        let agent = Process::spawn("edge-agent", run.arg("run").arg("--config").arg(&self.config).env("NO_COLOR", "1"));
        Unit { agent, folder: self.folder, _pki: None }
    }
}

impl Unit {
    /// Starts an agent whose broker is out of reach.
    pub(super) fn start(around: &Surroundings, models: &Path, sources: &[String]) -> Result<Self> {
        let pki = Pki::new(AGENCY);
        let told = Told { models, sources, port: 1, test_plates: &[] };
        let unit = Prepared::new(around, &pki, &told)?.start(around);
        Ok(Self { _pki: Some(pki), ..unit })
    }
}
