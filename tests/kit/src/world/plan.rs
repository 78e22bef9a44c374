//! What a story's unit is made of: its cameras, its settings, its disk and how its program is started.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{CAMERA, UNIT, program};
use crate::pki::Pki;

/// A camera of the unit.
#[derive(Debug, Clone)]
pub struct CameraPlan {
    /// Its id.
    pub id: String,
    /// The lines of its table other than the id, for example `plates = "frame"`.
    pub settings: String,
    /// The lines of its `[camera.source]`.
    pub source: String,
}

/// How a unit is set up; [`Plan::default`] is a unit with one drawn test picture.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Its cameras.
    pub cameras: Vec<CameraPlan>,
    /// Lines at the head of the configuration, for example `board = "sim"`.
    pub head: String,
    /// Further tables of the configuration, for example `[reads]`.
    pub settings: String,
    /// Where it keeps its data, where that is not in the story's own folder.
    pub data_dir: Option<PathBuf>,
    /// Where it serves its metrics; nowhere unless this is set.
    pub metrics: Option<u16>,
    /// What its log and the center's say, as `RUST_LOG` has it.
    pub log: &'static str,
    /// The program that starts the agent and what that is given first, for example `strace -f`.
    pub started_by: Vec<String>,
    /// The same for the center.
    pub center_started_by: Vec<String>,
}

impl Default for Plan {
    fn default() -> Self {
        Plan {
            cameras: vec![CameraPlan::test(CAMERA)],
            head: String::new(),
            settings: String::new(),
            data_dir: None,
            metrics: None,
            log: "info",
            started_by: Vec::new(),
            center_started_by: Vec::new(),
        }
    }
}

impl CameraPlan {
    /// A drawn test picture, looked at twice a second.
    pub fn test(id: &str) -> CameraPlan {
        let settings = "plates = \"off\"\nanalysed_fps = 2.0\nquota_bytes = 1073741824\n".to_owned();
        CameraPlan { id: id.to_owned(), settings, source: "kind = \"test\"\n".to_owned() }
    }

    /// A camera over RTSP, looked at twice a second.
    pub fn rtsp(id: &str, url: &str) -> CameraPlan {
        CameraPlan { source: format!("kind = \"rtsp\"\nurl = \"{url}\"\n"), ..CameraPlan::test(id) }
    }
}

impl Plan {
    /// The command that runs the agent.
    pub(super) fn command(&self, configuration: &Path) -> Command {
        let mut command = started(&self.started_by, &program("edge-agent"));
        command.arg("run").arg("--config").arg(configuration).env("NO_COLOR", "1").env("RUST_LOG", self.log);
        command
    }

    /// The agent's configuration: a health record every second, one agency's certificates.
    pub(super) fn configuration(&self, pki: &Pki, port: u16, data: &Path) -> String {
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
        let mut text = format!(
            "profile = \"dev\"\n{head}data_dir = \"{data}\"\n{tables}\
             [models]\ndir = \"{models}\"\n{library}\
             [health]\nevery_s = 1\n{metrics}\n{settings}",
            data = data.display(),
            tables = pki.agent_tables(UNIT, port),
            models = models.display(),
            library = library(),
            metrics = self
                .metrics
                .map_or_else(|| "metrics_enabled = false".to_owned(), |port| format!("metrics = \"127.0.0.1:{port}\"")),
            settings = self.settings,
            head = self.head,
        );
        for CameraPlan { id, settings, source } in &self.cameras {
            write!(text, "[[camera]]\nid = \"{id}\"\n{settings}[camera.source]\n{source}").expect("write to a string");
        }
        text
    }
}

/// The command that runs a program, or has another program run it.
pub(super) fn started(by: &[String], program: &Path) -> Command {
    let Some((first, others)) = by.split_first() else { return Command::new(program) };
    let mut command = Command::new(first);
    command.args(others).arg(program);
    command
}

/// The line of `[models]` that names ONNX Runtime's library where it does not lie beside the agent.
pub fn library() -> String {
    if program("edge-agent").with_file_name("libonnxruntime.so").exists() {
        return String::new();
    }
    let setup = Path::new(env!("CARGO_MANIFEST_DIR")).join("../edge-agent/setup/onnxruntime");
    let output = Command::new(setup).output().expect("run edge-agent/setup/onnxruntime");
    assert!(output.status.success(), "ONNX Runtime: {}", String::from_utf8_lossy(&output.stderr));
    format!("library = \"{}\"\n", String::from_utf8_lossy(&output.stdout).trim())
}
