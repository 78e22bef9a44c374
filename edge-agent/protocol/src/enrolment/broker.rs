//! Where a broker is, as people type it and as files keep it.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A broker's name or address, and its port: `HOST:PORT`, an IPv6 address in brackets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Cow<'_, str>", into = "String")]
pub struct BrokerAddress {
    /// The name, which the broker's certificate carries, or the address without brackets.
    pub host: String,
    /// The port, not 0.
    pub port: u16,
}

/// A text that says no broker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no broker: write HOST:PORT, as broker.example.org:8883")]
pub struct BadBroker(String);

impl FromStr for BrokerAddress {
    type Err = BadBroker;

    fn from_str(text: &str) -> Result<Self, BadBroker> {
        let parse = || {
            let (host, port) = text.rsplit_once(':')?;
            let host = match host.strip_prefix('[') {
                Some(rest) => rest.strip_suffix(']').filter(|address| address.contains(':'))?,
                None => host,
            };
            let is_address =
                text.starts_with('[') && host.bytes().all(|b| b.is_ascii_hexdigit() || b == b':' || b == b'.');
            let is_name = host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
            let port = port.parse().ok().filter(|port| *port != 0)?;
            (!host.is_empty() && (is_address || is_name)).then(|| Self { host: host.to_owned(), port })
        };
        parse().ok_or_else(|| BadBroker(text.to_owned()))
    }
}

impl fmt::Display for BrokerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

impl TryFrom<Cow<'_, str>> for BrokerAddress {
    type Error = BadBroker;

    fn try_from(text: Cow<'_, str>) -> Result<Self, BadBroker> {
        text.parse()
    }
}

impl From<BrokerAddress> for String {
    fn from(broker: BrokerAddress) -> Self {
        broker.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_is_a_name_or_an_address_with_a_port_and_is_written_as_it_is_read() {
        for (text, host, port) in [
            ("broker.example.org:8883", "broker.example.org", 8883),
            ("192.0.2.7:1", "192.0.2.7", 1),
            ("[2001:db8::1]:8883", "2001:db8::1", 8883),
        ] {
            let broker: BrokerAddress = text.parse().unwrap();
            assert_eq!((broker.host.as_str(), broker.port, broker.to_string().as_str()), (host, port, text));
        }
    }

    #[test]
    fn what_is_none_is_refused_with_what_was_typed() {
        for text in [
            "",
            ":8883",
            "broker.example.org",
            "broker:",
            "broker:0",
            "broker:70000",
            "2001:db8::1:8883",
            "[broker]:1",
            "[2001:db8::1:8883",
            "mqtts://broker:8883",
            "bro ker:8883",
            "broker:8883 ",
        ] {
            let error = text.parse::<BrokerAddress>().unwrap_err().to_string();
            assert!(error.contains(&format!("{text:?}")) && error.contains("HOST:PORT"), "{error}");
        }
    }
}
