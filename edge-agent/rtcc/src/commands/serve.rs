//! `rtcc serve`: the receiver with its interface.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use edge_protocol::enrolment::BrokerAddress;
use edge_protocol::record::Word;
use rtcc::http::tls::InterfaceIdentity;
use rtcc::serve::{Plan, serve};

/// Receive what the units send, acknowledge it after the commit, and answer questions over HTTP.
///
/// Several receivers may share one --data folder on one machine; each needs its own certificate and its own --listen.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rtcc serve --agency metro --data center --root pki/root.pem \\
             --cert pki/center-1.pem --key pki/center-1.key
  rtcc serve --config center.toml
  rtcc serve --config center.toml --issuer pki --broker-pid pki/mosquitto.pid \\
             --unit-broker broker.example.org:8883       enrols units
  rtcc serve --config center.toml --listen 0.0.0.0:8480 \\
             --tls-cert interface.pem --tls-key interface.key
  rtcc serve --config center.toml --listen 127.0.0.1:8481 \\
             --cert pki/center-2.pem --key pki/center-2.key

A configuration file has the same names:
  agency = \"metro\"
  data = \"/var/lib/rtcc\"
  broker = \"broker.example.org:8883\"
  root = \"/etc/rtcc/root.pem\"
  cert = \"/etc/rtcc/center-1.pem\"
  key = \"/etc/rtcc/center-1.key\"
  listen = \"127.0.0.1:8480\"")]
pub(crate) struct Serve {
    /// A TOML file with these settings; what is given here as well counts more.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

/// What can be given as argument or in the file.
#[derive(Debug, Default, Args, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The agency whose units are received.
    #[arg(long, value_name = "NAME")]
    agency: Option<String>,
    /// The folder for database, clips and pictures.
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// The broker as host:port; the host as its certificate has it [default: localhost:8883].
    #[arg(long, value_name = "HOST:PORT")]
    broker: Option<BrokerAddress>,
    /// The agency's root certificate.
    #[arg(long, value_name = "FILE")]
    root: Option<PathBuf>,
    /// This receiver's certificate.
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// This receiver's private key.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// The address of the interface [default: 127.0.0.1:8480].
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// The interface's certificate: needed for an address that other machines reach. Persons alone are let in.
    #[arg(long, value_name = "FILE")]
    #[serde(rename = "tls-cert")]
    tls_cert: Option<PathBuf>,
    /// The interface's private key.
    #[arg(long, value_name = "FILE")]
    #[serde(rename = "tls-key")]
    tls_key: Option<PathBuf>,
    /// The folder with the key that issues certificates to units; without it this receiver enrols nobody.
    #[arg(long, value_name = "FOLDER")]
    issuer: Option<PathBuf>,
    /// The broker as units are told to reach it, host:port [default: the same as --broker].
    #[arg(long, value_name = "HOST:PORT")]
    #[serde(rename = "unit-broker")]
    unit_broker: Option<BrokerAddress>,
    /// The file with the process id of a broker on this machine: it is told when certificates are revoked.
    #[arg(long, value_name = "FILE")]
    #[serde(rename = "broker-pid")]
    broker_pid: Option<PathBuf>,
    /// A purpose for which video of newly enrolled units may be asked; repeatable [default: the usual five].
    #[arg(long = "purpose", value_name = "WORD")]
    #[serde(default)]
    purposes: Vec<String>,
}

impl Serve {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let file = match &self.config {
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| anyhow::anyhow!("cannot read {}: {error}", path.display()))?;
                toml::from_str(&text).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?
            }
            None => Settings::default(),
        };
        let plan = self.settings.over(file).plan()?;
        start_log();
        serve(plan)?;
        Ok(())
    }
}

impl Settings {
    fn over(self, file: Self) -> Self {
        Self {
            agency: self.agency.or(file.agency),
            data: self.data.or(file.data),
            broker: self.broker.or(file.broker),
            root: self.root.or(file.root),
            cert: self.cert.or(file.cert),
            key: self.key.or(file.key),
            listen: self.listen.or(file.listen),
            tls_cert: self.tls_cert.or(file.tls_cert),
            tls_key: self.tls_key.or(file.tls_key),
            issuer: self.issuer.or(file.issuer),
            unit_broker: self.unit_broker.or(file.unit_broker),
            broker_pid: self.broker_pid.or(file.broker_pid),
            purposes: if self.purposes.is_empty() { file.purposes } else { self.purposes },
        }
    }

    /// All that is missing is said at once.
    fn plan(self) -> anyhow::Result<Plan> {
        let missing: Vec<&str> = [
            ("--agency", self.agency.is_none()),
            ("--data", self.data.is_none()),
            ("--root", self.root.is_none()),
            ("--cert", self.cert.is_none()),
            ("--key", self.key.is_none()),
        ]
        .into_iter()
        .filter_map(|(name, missing)| missing.then_some(name))
        .collect();
        let (Some(agency), Some(data), Some(root), Some(certificate), Some(key)) =
            (self.agency, self.data, self.root, self.cert, self.key)
        else {
            anyhow::bail!("missing: {} (as arguments or in --config)", missing.join(", "));
        };
        let interface = match (self.tls_cert, self.tls_key) {
            (Some(certificate), Some(key)) => Some(InterfaceIdentity { root: root.clone(), certificate, key }),
            (None, None) => None,
            _ => anyhow::bail!("--tls-cert and --tls-key go together"),
        };
        let broker = self.broker.unwrap_or_else(|| BrokerAddress { host: "localhost".to_owned(), port: 8883 });
        let told = self.unit_broker.unwrap_or_else(|| broker.clone());
        let purposes = purposes(self.purposes)?;
        Ok(Plan {
            agency: agency.parse().map_err(|error| anyhow::anyhow!("--agency: {error}"))?,
            folder: data,
            host: broker.host,
            port: broker.port,
            identity: rtcc::broker::tls::Identity { root, certificate, key },
            listen: self.listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8480))),
            interface,
            issuer: self.issuer,
            told: rtcc::enrolment::Told { broker_host: told.host, broker_port: told.port, purposes },
            broker_pid: self.broker_pid,
        })
    }
}

fn purposes(given: Vec<String>) -> anyhow::Result<Vec<Word>> {
    let usual = ["investigation", "missing-person", "stolen-vehicle", "traffic-collision", "audit"];
    let words = if given.is_empty() { usual.map(str::to_owned).to_vec() } else { given };
    words.iter().map(|word| word.parse().map_err(|error| anyhow::anyhow!("--purpose {word:?}: {error}"))).collect()
}

fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("RTCC_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let colour = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colour).with_writer(std::io::stderr).init();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_count_more_than_the_file_and_everything_missing_is_said_at_once() {
        let file: Settings = toml::from_str("agency = \"metro\"\nkey = \"a.key\"").unwrap();
        let given = Settings { key: Some("b.key".into()), ..Settings::default() };
        let both = given.over(file);
        assert_eq!(both.key, Some(PathBuf::from("b.key")));
        let words = both.plan().unwrap_err().to_string();
        assert_eq!(words, "missing: --data, --root, --cert (as arguments or in --config)");
        assert!(toml::from_str::<Settings>("agancy = \"metro\"").is_err(), "unknown keys are refused");
    }
}
