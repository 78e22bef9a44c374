//! The demo's small world: certificates, broker, link, center and agent, each a real program.

use std::fmt::Write as _;
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use edge_tests::process::Process;
use edge_tests::proxy::{Link, Proxy};

/// The agency and the unit of the demo.
const AGENCY: &str = "demo-city";
/// The unit of the demo.
pub(crate) const UNIT: &str = "pole-1";
const DEADLINE: Duration = Duration::from_secs(30);

/// Where the programs are and where everything of the demo lives.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    /// The folder with `edge-agent` and `rtcc`.
    pub(crate) programs: PathBuf,
    /// `target/demo`.
    pub(crate) folder: PathBuf,
    /// The project's models.
    pub(crate) models: PathBuf,
}

/// One camera of the agent's configuration.
#[derive(Debug)]
pub(crate) struct CameraLine {
    /// Its id.
    pub(crate) id: &'static str,
    /// Its name in words.
    pub(crate) name: &'static str,
    /// The lines of its `[camera.source]`.
    pub(crate) source: String,
    /// `off`, `vehicles` or `frame`.
    pub(crate) plates: &'static str,
}

/// Everything that runs; dropping it ends everything, the agent first.
#[derive(Debug)]
pub(crate) struct World {
    /// The agent.
    pub(crate) agent: Process,
    /// The center's receiver.
    pub(crate) center: Process,
    /// The link between agent and broker.
    link: Proxy,
    broker: Process,
    /// Where the center answers.
    pub(crate) center_port: u16,
    places: Places,
}

impl World {
    /// Starts everything, in the order in which each needs the one before.
    pub(crate) fn start(
        places: &Places,
        cameras: &[CameraLine],
        test_plate: Option<&str>,
        say: &dyn Fn(&str),
    ) -> Result<Self> {
        for fresh in ["unit", "center"] {
            let folder = places.folder.join(fresh);
            if folder.exists() {
                fs::remove_dir_all(&folder)?;
            }
            fs::create_dir_all(&folder)?;
        }
        let (broker_port, center_port) = (free_port()?, free_port()?);
        certificates(places, broker_port)?;
        say("certificates made: one agency, one unit, one center, one investigator");
        let pki = places.folder.join("pki");
        let broker = Process::spawn("mosquitto", Command::new("mosquitto").arg("-c").arg(pki.join("mosquitto.conf")));
        wait_for_port(broker_port)?;
        say(&format!("broker: Mosquitto on 127.0.0.1:{broker_port}, TLS 1.3, access by certificate"));
        let link = Proxy::to(SocketAddr::from(([127, 0, 0, 1], broker_port)));
        let center = Process::spawn("rtcc serve", &mut serve(places, broker_port, center_port));
        wait_for_port(center_port)?;
        say(&format!("center: rtcc serve, http://127.0.0.1:{center_port}/api/events"));
        let config = places.folder.join("edge-agent.toml");
        fs::write(&config, configuration(places, link.port(), cameras, test_plate)?)?;
        let mut run = Command::new(places.programs.join("edge-agent"));
        let agent = Process::spawn("edge-agent", run.arg("run").arg("--config").arg(&config).env("NO_COLOR", "1"));
        ensure!(
            agent.find_line(DEADLINE, |line| line.contains("ready")).is_some(),
            "the agent is not ready after {} s:\n{}",
            DEADLINE.as_secs(),
            agent.lines().join("\n")
        );
        say("agent: ready (models loaded, self-test passed)");
        Ok(Self { agent, center, link, broker, center_port, places: places.clone() })
    }

    /// Cuts the link between agent and broker, or heals it.
    pub(crate) fn set_link(&self, open: bool) {
        self.link.set(if open { Link::Open } else { Link::Refusing });
    }

    /// Ends everything in the order of the data and keeps what each said.
    pub(crate) fn stop(mut self) -> Result<()> {
        self.agent.terminate(DEADLINE);
        self.center.terminate(DEADLINE);
        self.broker.terminate(DEADLINE);
        for (name, process) in [("agent", &self.agent), ("center", &self.center), ("broker", &self.broker)] {
            fs::write(self.places.folder.join(format!("{name}.log")), process.lines().join("\n"))?;
        }
        Ok(())
    }
}

fn certificates(places: &Places, broker_port: u16) -> Result<()> {
    let output = Command::new(places.programs.join("rtcc"))
        .args(["pki", "dev", "--agency", AGENCY, "--unit", UNIT, "--port", &broker_port.to_string(), "--dir"])
        .arg(places.folder.join("pki"))
        .output()?;
    ensure!(output.status.success(), "rtcc pki dev: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

fn serve(places: &Places, broker_port: u16, center_port: u16) -> Command {
    let pki = places.folder.join("pki");
    let mut command = Command::new(places.programs.join("rtcc"));
    command.args(["serve", "--agency", AGENCY, "--broker", &format!("localhost:{broker_port}")]);
    command.arg("--data").arg(places.folder.join("center"));
    command.arg("--root").arg(pki.join("root.pem"));
    command.arg("--cert").arg(pki.join("center-1.pem")).arg("--key").arg(pki.join("center-1.key"));
    command.args(["--listen", &format!("127.0.0.1:{center_port}")]);
    command
}

/// The agent's configuration, written so that a visitor can read it and start from it.
fn configuration(
    places: &Places,
    broker_port: u16,
    cameras: &[CameraLine],
    test_plate: Option<&str>,
) -> Result<String> {
    let (folder, models) = (places.folder.display(), places.models.display());
    let hotlist = test_plate.map(|plate| format!("test_plates = [\"{plate}\"]")).unwrap_or_default();
    let mut text = format!(
        "# Written by the demo. Every setting is explained in edge-agent/docs/edge-agent.example.toml.\n\
         profile = \"dev\"\n\
         data_dir = \"{folder}/unit\"\n\n\
         [unit]\nagency = \"{AGENCY}\"\nid = \"{UNIT}\"\n\n\
         [uplink]\nhost = \"localhost\"\nport = {broker_port}\nca = \"{folder}/pki/root.pem\"\n\
         certificate = \"{folder}/pki/unit-{UNIT}.pem\"\nkey = \"{folder}/pki/unit-{UNIT}.key\"\n\n\
         [control]\nagency_root = \"{folder}/pki/root.pem\"\n\n\
         # The default is \"counts\": plate texts without a hit stay on the unit. The demo shows all of them.\n\
         [reads]\npublish = \"all\"\n\n\
         [hotlist]\n{hotlist}\n\n\
         [models]\ndir = \"{models}\"\n\n\
         [health]\nevery_s = 10\nmetrics_enabled = false\n"
    );
    for CameraLine { id, name, source, plates } in cameras {
        write!(
            text,
            "\n[[camera]]\nid = \"{id}\"\nname = \"{name}\"\nplates = \"{plates}\"\nquota_bytes = 1073741824\n\n\
             [camera.source]\n{source}\n"
        )?;
    }
    Ok(text)
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

fn wait_for_port(port: u16) -> Result<()> {
    let until = Instant::now() + DEADLINE;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if Instant::now() > until {
            bail!("nothing listens on 127.0.0.1:{port} after {} s", DEADLINE.as_secs());
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Runs a program of the demo to its end and gives what it said on standard output.
pub(crate) fn output_of(program: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).output()?;
    ensure!(
        output.status.success(),
        "{} {}: {}{}",
        program.display(),
        arguments.join(" "),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}
