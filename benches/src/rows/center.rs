//! The other side of the link: a real Mosquitto with TLS and the real `rtcc serve`, asked over its HTTP interface.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use edge_tests::broker::Broker;
use edge_tests::pki::Pki;
use edge_tests::port;
use edge_tests::process::Process;
use serde_json::Value;
use tempfile::TempDir;

use super::Surroundings;
use super::unit::AGENCY;

const DEADLINE: Duration = Duration::from_mins(1);

/// Broker and center; dropping them ends them.
#[derive(Debug)]
pub(super) struct Center {
    /// Whose certificates everybody has.
    pub(super) pki: Pki,
    /// The broker.
    pub(super) broker: Broker,
    _serve: Process,
    address: String,
    http: ureq::Agent,
    _folder: TempDir,
}

impl Center {
    /// Starts both and waits until the center hears the broker.
    pub(super) fn start(around: &Surroundings) -> Result<Self> {
        let pki = Pki::new(AGENCY);
        let identity = pki.center("center-1");
        let broker = Broker::start(&pki, &[&identity]);
        let folder = tempfile::tempdir_in(&around.folder)?;
        let port = port::free();
        let mut serve = Command::new(around.programs.join("rtcc"));
        serve.args(["serve", "--agency", AGENCY, "--broker", &format!("localhost:{}", broker.port())]);
        serve.arg("--data").arg(folder.path().join("center")).arg("--root").arg(pki.root_path());
        serve.arg("--cert").arg(&identity.certificate_path).arg("--key").arg(&identity.key_path);
        serve.args(["--listen", &format!("127.0.0.1:{port}")]);
        let serve = Process::spawn("rtcc serve", &mut serve);
        let http = ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(20))).build().new_agent();
        let address = format!("http://127.0.0.1:{port}");
        let center = Self { pki, broker, _serve: serve, address, http, _folder: folder };
        let connected = |center: &Self| {
            center.ask("/api/health").is_some_and(|health| health["center"]["broker_connected"] == true)
        };
        center.wait("the center is connected", DEADLINE, connected)?;
        Ok(center)
    }

    /// What it answers; none while it does not.
    pub(super) fn ask(&self, question: &str) -> Option<Value> {
        let mut answer = self.http.get(format!("{}{question}", self.address)).call().ok()?;
        answer.body_mut().with_config().limit(1 << 30).read_json().ok()
    }

    /// Looks ten times a second until something holds; seconds that it took.
    pub(super) fn wait(&self, what: &str, at_most: Duration, holds: impl Fn(&Self) -> bool) -> Result<f64> {
        let began = Instant::now();
        while !holds(self) {
            if began.elapsed() > at_most {
                bail!("not within {at_most:?}: {what}");
            }
            thread::sleep(Duration::from_millis(100));
        }
        Ok(began.elapsed().as_secs_f64())
    }

    /// How many records of a lane it keeps.
    pub(super) fn kept(&self, lane: &str) -> u64 {
        self.ask("/api/statistics").and_then(|said| said["records"][lane].as_u64()).unwrap_or(0)
    }
}
