//! A real Mosquitto on a free port: TLS 1.3, certificates as identity, an access list by certificate.
//!
//! The rules are the product's: a unit writes its own `up/#` and `state`, reads its own `down/#` and its agency's
//! broadcasts; a center reads and writes everything of its agency. Identity and client id come from the certificate.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::pki::{Identity, Pki};
use crate::port;
use crate::process::Process;

/// How long Mosquitto may take to listen or to stop.
const DEADLINE: Duration = Duration::from_secs(20);

/// Mosquitto's own setting names the oldest version it takes, never the newest; OpenSSL's can.
const TLS12_ONLY: &str =
    "openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\nsystem_default = old\n[old]\nMaxProtocol = TLSv1.2\n";

/// What differs from the product's broker.
#[derive(Debug, Clone, Default)]
pub struct BrokerOptions {
    /// Accept TLS 1.2 and nothing newer, as an old broker does.
    pub tls12_only: bool,
    /// Further lines of the configuration, for example `max_queued_messages 10`.
    pub extra: Vec<String>,
}

/// A Mosquitto that is running, or stopped and ready to start again on the same port.
#[derive(Debug)]
pub struct Broker {
    folder: TempDir,
    port: u16,
    tls12_only: bool,
    process: Option<Process>,
}

impl Broker {
    /// Starts a broker for the agency of `pki`: units by pattern, `centers` by name (as in `{agency}/center`).
    pub fn start(pki: &Pki, centers: &[&Identity]) -> Broker {
        Broker::start_with(pki, centers, &BrokerOptions::default())
    }

    /// Starts a broker with options.
    pub fn start_with(pki: &Pki, centers: &[&Identity], options: &BrokerOptions) -> Broker {
        let folder = tempfile::Builder::new().prefix("edge-broker-").tempdir().expect("folder for the broker");
        std::fs::create_dir(folder.path().join("state")).expect("folder for the broker's state");
        std::fs::write(folder.path().join("acl"), access_list(pki.agency(), centers)).expect("write access list");
        std::fs::write(folder.path().join("openssl.cnf"), TLS12_ONLY).expect("write OpenSSL configuration");
        let server = pki.server();
        // A free port is known only by taking it; another program may be faster, then the next one is tried.
        for _attempt in 0..5 {
            let port = port::free();
            configure(folder.path(), port, (pki, &server), options);
            if let Ok(process) = launch(folder.path(), port, options.tls12_only) {
                return Broker { folder, port, tls12_only: options.tls12_only, process: Some(process) };
            }
        }
        panic!("no free port for the broker after five attempts");
    }

    /// The port, which stays the same over restarts.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address to connect to.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// Ends it as a power cut does: SIGKILL, nothing saved.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _status: std::process::ExitStatus = process.kill();
        }
    }

    /// Stops it in order: queued messages, retained messages and sessions are saved.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _status: std::process::ExitStatus = process.terminate(DEADLINE);
        }
    }

    /// Forgets every session, queued and retained message. The broker must be stopped.
    pub fn wipe(&mut self) {
        assert!(self.process.is_none(), "stop or kill the broker before wiping its state");
        let state = self.folder.path().join("state");
        std::fs::remove_dir_all(&state).and_then(|()| std::fs::create_dir(&state)).expect("wipe the broker's state");
    }

    /// Starts it again on the same port with the state that it has.
    pub fn restart(&mut self) {
        self.kill();
        let process = launch(self.folder.path(), self.port, self.tls12_only);
        self.process = Some(process.unwrap_or_else(|said| panic!("broker: {said}")));
    }

    /// The same with other options.
    pub fn restart_with(&mut self, pki: &Pki, options: &BrokerOptions) {
        configure(self.folder.path(), self.port, (pki, &pki.server()), options);
        self.tls12_only = options.tls12_only;
        self.restart();
    }

    /// What it has said since its last start.
    pub fn lines(&self) -> Vec<String> {
        self.process.as_ref().map(Process::lines).unwrap_or_default()
    }
}

fn launch(folder: &Path, port: u16, tls12_only: bool) -> Result<Process, String> {
    let program = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto", "/usr/bin/mosquitto"]
        .into_iter()
        .find(|path| Path::new(path).exists())
        .unwrap_or("mosquitto");
    let mut command = Command::new(program);
    command.arg("-v").arg("-c").arg(folder.join("mosquitto.conf"));
    if tls12_only {
        command.env("OPENSSL_CONF", folder.join("openssl.cnf"));
    }
    let mut process = Process::spawn("mosquitto", &mut command);
    let until = Instant::now() + DEADLINE;
    // Its last line before it listens; then the port answers.
    while process.find_line(Duration::from_millis(200), |line| line.contains("running")).is_none() {
        if process.try_wait().is_some() || Instant::now() > until {
            return Err(process.lines().join("\n"));
        }
    }
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).map(drop).map_err(|error| error.to_string())?;
    Ok(process)
}

fn configure(folder: &Path, port: u16, (pki, server): (&Pki, &Identity), options: &BrokerOptions) {
    let mut lines = vec![
        // Started as root it would give up its rights and then could not read the keys.
        format!("user {}", user()),
        format!("listener {port} 127.0.0.1"),
        format!("cafile {}", pki.root_path().display()),
        format!("certfile {}", server.certificate_path.display()),
        format!("keyfile {}", server.key_path.display()),
        format!("tls_version {}", if options.tls12_only { "tlsv1.2" } else { "tlsv1.3" }),
        "require_certificate true".to_owned(),
        "use_identity_as_username true".to_owned(),
        "use_username_as_clientid true".to_owned(),
        "allow_anonymous false".to_owned(),
        format!("acl_file {}", folder.join("acl").display()),
        "persistence true".to_owned(),
        format!("persistence_location {}/", folder.join("state").display()),
        "log_dest stderr".to_owned(),
    ];
    lines.extend(options.extra.iter().cloned());
    std::fs::write(folder.join("mosquitto.conf"), lines.join("\n") + "\n").expect("write broker configuration");
}

fn user() -> String {
    nix::unistd::User::from_uid(nix::unistd::geteuid())
        .ok()
        .flatten()
        .map_or_else(|| "root".to_owned(), |user| user.name)
}

fn access_list(agency: &str, centers: &[&Identity]) -> String {
    let mut list = String::new();
    for center in centers {
        write!(list, "user {}\ntopic readwrite rtcc/v1/{agency}/#\n\n", center.name).expect("write to a string");
    }
    list.push_str("pattern write rtcc/v1/%u/up/#\npattern write rtcc/v1/%u/state\npattern read rtcc/v1/%u/down/#\n");
    writeln!(list, "pattern read rtcc/v1/{agency}/all/+").expect("write to a string");
    list
}

#[cfg(test)]
mod tests;
