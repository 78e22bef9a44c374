//! The demo's small world: certificates, broker, link, center and agent, each a real program.

use std::fmt::Write as _;
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use edge_tests::port;
use edge_tests::process::Process;
use edge_tests::proxy::{Link, Proxy};
use nix::sys::signal::Signal;

use crate::visit::Page;

/// The agency of the demo.
pub(crate) const AGENCY: &str = "demo-city";
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

impl Places {
    /// The unit's outbox.
    pub(crate) fn outbox(&self) -> PathBuf {
        self.folder.join("unit/outbox.sqlite")
    }
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
    /// The technician's page.
    pub(crate) page: Page,
    places: Places,
}

impl World {
    /// Starts everything, in the order in which each needs the one before.
    pub(crate) fn start(
        places: &Places,
        cameras: &[CameraLine],
        test_plates: &[String],
        say: &dyn Fn(&str),
    ) -> Result<Self> {
        for fresh in ["unit", "center"] {
            let folder = places.folder.join(fresh);
            if folder.exists() {
                fs::remove_dir_all(&folder)?;
            }
            fs::create_dir_all(&folder)?;
        }
        // `rtcc clip` and `rtcc report` overwrite nothing, and these are of the demo before.
        for left in fs::read_dir(&places.folder)? {
            let left = left?;
            let name = left.file_name();
            if name.to_str().is_some_and(|name| name.starts_with("clip.mp4") || name.starts_with("commissioning")) {
                fs::remove_file(left.path())?;
            }
        }
        let (broker_port, center_port) = (port::free(), port::free());
        certificates(places, broker_port)?;
        say("certificates made: one agency, one unit, one center, one investigator");
        let mut mosquitto = Command::new("mosquitto");
        mosquitto.arg("-c").arg(places.folder.join("pki/mosquitto.conf"));
        let mut broker = start("mosquitto", &mut mosquitto)?;
        wait_for_port(broker_port, &mut broker, "mosquitto")?;
        say(&format!("broker: Mosquitto on 127.0.0.1:{broker_port}, TLS 1.3, access by certificate"));
        let link = Proxy::to(SocketAddr::from(([127, 0, 0, 1], broker_port)));
        let mut center = start("rtcc serve", &mut serve(places, broker_port, center_port))?;
        wait_for_port(center_port, &mut center, "rtcc serve")?;
        say(&format!("center: rtcc serve, http://127.0.0.1:{center_port}/api/events"));
        let config = places.folder.join("edge-agent.toml");
        let page = Page::make(places, port::free())?;
        fs::write(&config, configuration(places, (link.port(), &page), cameras, test_plates)?)?;
        let mut run = Command::new(places.programs.join("edge-agent"));
        let agent = start("edge-agent", run.arg("run").arg("--config").arg(&config).env("NO_COLOR", "1"))?;
        ensure!(
            agent.find_line(DEADLINE, |line| line.contains("ready")).is_some(),
            "the agent does not become ready; it said:\n{}",
            agent.lines().join("\n")
        );
        say("agent: edge-agent run is ready (models loaded, self-test passed), on a simulated board");
        say("the demo sends every plate (reads.publish = \"all\"); by default only hits and counts leave a unit");
        say(&page.words());
        Ok(Self { agent, center, link, broker, center_port, page, places: places.clone() })
    }

    /// Cuts the link between agent and broker, or heals it.
    pub(crate) fn set_link(&self, open: bool) {
        self.link.set(if open { Link::Open } else { Link::Refusing });
    }

    /// The first program that has ended by itself, and how.
    pub(crate) fn ended(&mut self) -> Option<(&'static str, ExitStatus)> {
        let all = [("the agent", &mut self.agent), ("rtcc serve", &mut self.center), ("mosquitto", &mut self.broker)];
        all.into_iter().find_map(|(name, process)| Some((name, process.try_wait()?)))
    }

    /// Ends everything in the order of the data and keeps what each said.
    pub(crate) fn stop(mut self) -> Result<()> {
        let all = [("agent", &mut self.agent), ("center", &mut self.center), ("broker", &mut self.broker)];
        for (name, process) in all {
            process.signal(Signal::SIGTERM);
            let ended = end(process, DEADLINE);
            fs::write(self.places.folder.join(format!("{name}.log")), process.lines().join("\n"))?;
            ensure!(ended.is_some(), "the {name} did not stop within {} s and was killed", DEADLINE.as_secs());
        }
        Ok(())
    }
}

/// Starts a program of the demo. In a process group of its own: ^C reaches the demo alone, which then ends what it
/// started in the order of the data.
fn start(name: &str, command: &mut Command) -> Result<Process> {
    let there = command.get_program().to_owned();
    let probe = Command::new(&there).arg("--help").stdin(Stdio::null()).output();
    probe.with_context(|| format!("{name} cannot be started: `make demo` installs what is missing"))?;
    Ok(Process::spawn(name, command.process_group(0)))
}

/// Waits for a program to end; kills it at the deadline, which gives `None`.
pub(crate) fn end(process: &mut Process, deadline: Duration) -> Option<ExitStatus> {
    let until = Instant::now() + deadline;
    while process.try_wait().is_none() && Instant::now() < until {
        thread::sleep(Duration::from_millis(20));
    }
    let in_time = process.try_wait().is_some();
    let status = process.kill();
    in_time.then_some(status)
}

fn certificates(places: &Places, broker_port: u16) -> Result<()> {
    let mut pki = Command::new(places.programs.join("rtcc"));
    pki.args(["pki", "dev", "--agency", AGENCY, "--unit", UNIT, "--port", &broker_port.to_string(), "--dir"]);
    output_of(pki.arg(places.folder.join("pki"))).map(drop)
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
    (broker_port, page): (u16, &Page),
    cameras: &[CameraLine],
    test_plates: &[String],
) -> Result<String> {
    let (port, claim) = (page.port, page.claim.display());
    let (folder, models) = (places.folder.display(), places.models.display());
    // Where `edge-agent doctor` asks the agent how it is.
    let numbers = port::free();
    let hotlist = format!("test_plates = {}", serde_json::Value::from(test_plates));
    let mut text = format!(
        "# Written by the demo. Every setting is explained in edge-agent/docs/edge-agent.example.toml.\n\
         profile = \"dev\"\n\
         data_dir = \"{folder}/unit\"\n\
         board = \"sim\"\n\n\
         [unit]\nagency = \"{AGENCY}\"\nid = \"{UNIT}\"\n\n\
         [uplink]\nhost = \"localhost\"\nport = {broker_port}\nca = \"{folder}/pki/root.pem\"\n\
         certificate = \"{folder}/pki/unit-{UNIT}.pem\"\nkey = \"{folder}/pki/unit-{UNIT}.key\"\n\n\
         [control]\nagency_root = \"{folder}/pki/root.pem\"\n\n\
         # The default is \"counts\": plate texts without a hit stay on the unit. The demo shows all of them.\n\
         [reads]\npublish = \"all\"\n\n\
         [hotlist]\n{hotlist}\n\n\
         [models]\ndir = \"{models}\"\n\n\
         [health]\nevery_s = 10\nmetrics = \"127.0.0.1:{numbers}\"\n\n\
         # The technician's page, open all the time. On a unit it is open only while the unit is commissioned.\n\
         [page]\nlisten = \"127.0.0.1:{port}\"\nclaim = \"{claim}\"\narmed = true\n"
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

/// Waits until the program listens; its own words if it ends instead.
fn wait_for_port(port: u16, process: &mut Process, name: &str) -> Result<()> {
    let until = Instant::now() + DEADLINE;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if let Some(status) = process.try_wait() {
            bail!("{name} ended with {status} instead of listening on port {port}:\n{}", process.lines().join("\n"));
        }
        if Instant::now() > until {
            bail!("{name} does not listen on 127.0.0.1:{port} after {} s", DEADLINE.as_secs());
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Runs a program of the demo to its end and gives what it said on standard output; what it says of its progress goes
/// to the terminal.
pub(crate) fn output_of(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.with_context(|| format!("cannot start {name}"))?;
    ensure!(output.status.success(), "{name} ended with {}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}
