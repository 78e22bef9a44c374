//! The line to the center: the unit's certificates, the broker, and the agent that may be running.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::path::Path;
use std::time::Duration;

use edge_protocol::record::Health;
use edge_protocol::sign::{Chain, Kind, SignatureError, Signed};
use edge_protocol::time::WallTime;

use super::rules::{self, KeyFacts, Reached};
use crate::app::named;
use crate::app::run::center::uplink_settings;
use crate::config::Config;
use crate::keys::Keys;
use crate::supervise::Clock;
use crate::uplink::probe::{self, ProbeError};
use edge_protocol::commissioning::Finding;

/// The agent answers from memory.
const PATIENCE: Duration = Duration::from_secs(3);
/// The largest answer taken.
const MOST_BYTES: u64 = 1 << 20;

/// What is known of an agent on this unit.
#[derive(Debug, Clone)]
pub(super) enum Agent {
    /// It runs, and says how it is.
    Runs(Box<Health>),
    /// None runs.
    Absent,
    /// Its port for numbers is switched off, so nobody can ask.
    Unknown,
}

/// Asks the agent at its port for numbers.
pub(super) fn agent(metrics: Option<SocketAddr>) -> Agent {
    let Some(address) = metrics else { return Agent::Unknown };
    ask(address).map_or(Agent::Absent, |health| Agent::Runs(Box::new(health)))
}

fn ask(address: SocketAddr) -> Option<Health> {
    let mut connection = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    connection.set_read_timeout(Some(PATIENCE)).ok()?;
    // HTTP/1.0, so that the end of the answer is the end of the connection.
    connection.write_all(b"GET /health HTTP/1.0\r\n\r\n").ok()?;
    let mut answer = Vec::new();
    connection.take(MOST_BYTES).read_to_end(&mut answer).ok()?;
    let body = answer.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
    serde_json::from_slice(answer.get(body..)?).ok()
}

/// The broker and the certificates on both ends.
pub(super) fn broker(config: &Config, agent: &Agent, now: WallTime) -> Vec<Finding> {
    let line = &config.uplink;
    let own = std::fs::read(&line.certificate).ok().and_then(|pem| Chain::from_pem(&pem).ok());
    let own = own.and_then(|chain| chain.validity().ok());
    let mut findings: Vec<Finding> =
        own.map(|(_, until)| rules::certificate("the unit's certificate", until, now)).into_iter().collect();
    let place = format!("{}:{}", line.host, line.port);
    let key = key(config);
    findings.extend(token(config, &key));
    if matches!(key, KeyFacts::Fails(_)) {
        // The broker is not to blame for what the unit cannot sign.
        let words = format!("{place}: not tried, since the unit's key does not sign");
        return [vec![Finding::unchecked("broker", words), rules::key(config.token.as_ref(), key)], findings].concat();
    }
    let (reached, shown) = reach(config, agent);
    findings.insert(0, rules::broker(&place, &reached, beyond(config).as_deref()));
    findings.insert(1, rules::key(config.token.as_ref(), key));
    let until = shown.and_then(|der| Chain::from_der(der).validity().ok());
    findings.extend(until.map(|(_, until)| rules::certificate("the broker's certificate", until, now)));
    findings
}

/// What is wrong with what `[token]` names, beyond what the unit's key says of it itself.
fn token(config: &Config, key: &KeyFacts) -> Vec<Finding> {
    let is_said = |lack: &named::Lack| lack.is_absent() && matches!(key, KeyFacts::Fails(_));
    let lacks = config.token.iter().flat_map(named::token);
    lacks.filter(|lack| !is_said(lack)).map(|lack| rules::token(&lack)).collect()
}

/// What the unit's key does; what it seals here goes nowhere.
fn key(config: &Config) -> KeyFacts {
    let line = &config.uplink;
    let unread = |path: &Path, why: &dyn std::fmt::Display| KeyFacts::Unread(format!("{}: {why}", path.display()));
    let read = |path: &Path| std::fs::read(path).map_err(|error| unread(path, &error));
    let seal = || {
        let (file, certificate) = (read(&line.key)?, read(&line.certificate)?);
        let keys = Keys::of(config.token.as_ref());
        keys.try_out(&file).map_err(KeyFacts::Fails)?;
        let key = keys.open(&file).map_err(KeyFacts::Fails)?;
        let chain = Chain::from_pem(&certificate).map_err(|error| unread(&line.certificate, &error))?;
        let sealed = Signed::seal(Kind::Commissioning, Vec::new(), &key, &chain);
        sealed.map(|_| Keys::token_of_file(&file)).map_err(|error| match error {
            SignatureError::Forged => KeyFacts::OfAnother,
            SignatureError::Malformed(_)
            | SignatureError::Certificate(_)
            | SignatureError::Untrusted(_)
            | SignatureError::Key(_) => unread(&line.certificate, &error),
        })
    };
    seal().map_or_else(|facts| facts, KeyFacts::Signs)
}

/// How far the way goes, and the certificate that the broker shows.
fn reach(config: &Config, agent: &Agent) -> (Reached, Option<Vec<u8>>) {
    let settings = match uplink_settings(config) {
        Ok(settings) => settings,
        Err(error) => return (Reached::OwnFiles(error.to_string()), None),
    };
    let clock = Clock::system();
    let began = clock.mono();
    let shown = match probe::tls(&settings) {
        Ok(shown) => Some(shown),
        Err(error) => return (ended(error), None),
    };
    let reached = match agent {
        Agent::Runs(health) => Reached::ByAgent(health.uplink.connected),
        Agent::Unknown => Reached::NotTried,
        Agent::Absent => match probe::mqtt(&settings) {
            Ok(()) => {
                let took = clock.mono().saturating_since(began).as_millis();
                Reached::Connected(u64::try_from(took).unwrap_or(u64::MAX))
            }
            Err(error) => ended(error),
        },
    };
    (reached, shown)
}

/// The broker's address, or where it has none its name, if the service may not talk to it.
fn beyond(config: &Config) -> Option<String> {
    let line = &config.uplink;
    let found = (line.host.as_str(), line.port).to_socket_addrs().into_iter().flatten();
    let addresses: Vec<IpAddr> = found.map(|found| found.ip()).collect();
    rules::beyond(&line.host, &addresses, &config.networks())
}

fn ended(error: ProbeError) -> Reached {
    match error {
        ProbeError::NoConnection(why) => Reached::NoConnection(why),
        ProbeError::Untrusted(why, distrust) => Reached::Untrusted(why, distrust),
        ProbeError::Refused(why) => Reached::Refused(why),
    }
}
