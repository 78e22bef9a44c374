//! What a new unit is told before it is anybody's: its configuration, what is fitted to it, whom to ask for the time.

use std::net::IpAddr;
use std::path::Path;
use std::str::FromStr;

use edge_protocol::enrolment::Serial;

use super::FactoryError;

const TEMPLATE: &str = include_str!("edge-agent.toml");
/// The table that names the board file, as the unit finds it.
const BOARD: &str = "[board]\nfile = \"/etc/edge-agent/board.toml\"\n\n";
/// A host's name has at most so many signs (RFC 1035, 2.3.4).
const LONGEST_HOST: usize = 253;

/// The unit's `edge-agent.toml`.
pub(super) fn configuration(serial: &Serial, has_board: bool, allow: &[Network]) -> String {
    let allow = allow.iter().map(|network| format!("\"{}\"", network.0)).collect::<Vec<_>>().join(", ");
    let board = if has_board { BOARD } else { "" };
    TEMPLATE.replace("@SERIAL@", serial.as_str()).replace("@BOARD@", board).replace("@ALLOW@", &allow)
}

/// A network, or a single address, that the unit may talk to. Whether it begins where it says is judged on the unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network(String);

/// A text that is no network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no network, such as 198.51.100.0/24, and no address")]
pub struct NoNetwork;

impl FromStr for Network {
    type Err = NoNetwork;

    fn from_str(text: &str) -> Result<Self, NoNetwork> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.parse().map_err(|_| NoNetwork)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let fits = prefix.is_none_or(|prefix| prefix.parse::<u8>().is_ok_and(|bits| bits <= most));
        if fits { Ok(Self(text.to_owned())) } else { Err(NoNetwork) }
    }
}

/// A server that tells the time: a host's name or address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeServer(String);

/// A text that is no host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no name or address of a host, such as ntp.example.org")]
pub struct NoHost;

impl FromStr for TimeServer {
    type Err = NoHost;

    /// Takes what cannot be a second word of chrony's line.
    fn from_str(text: &str) -> Result<Self, NoHost> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':');
        let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b':');
        let good = begins && text.len() <= LONGEST_HOST && text.bytes().all(plain);
        if good { Ok(Self(text.to_owned())) } else { Err(NoHost) }
    }
}

/// `agency.sources`, as chrony reads it.
pub(super) fn time_sources(servers: &[TimeServer]) -> String {
    servers.iter().flat_map(|server| ["server ", server.0.as_str(), " iburst\n"]).collect()
}

/// A board file's text. It must be TOML; what it says is judged on the unit.
pub(super) fn board(path: &Path) -> Result<String, FactoryError> {
    let unfit = |why: String| FactoryError::Board { path: path.to_owned(), why };
    let text = std::fs::read_to_string(path).map_err(|error| unfit(error.to_string()))?;
    text.parse::<toml::Table>().map_err(|error| unfit(error.message().to_owned()))?;
    Ok(text)
}
