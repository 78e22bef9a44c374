//! `[network]`: whom the service may talk to.
//!
//! The agent enforces nothing of this: its unit lets it talk to localhost alone, and `systemd/edge-site` widens that by
//! what [`Config::networks`] says, before the agent starts.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::fields::Fields;
use super::{Config, Source};

/// Where cameras listen to who looks for them (WS-Discovery 1.1, section 2.4).
const CAMERAS: Ipv4Addr = Ipv4Addr::new(239, 255, 255, 250);

/// All addresses that begin with the same bits; one address is a network of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Network {
    /// Its bits beyond the prefix are zero.
    address: IpAddr,
    prefix: u8,
}

/// Why a text is no network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// What stands before the slash, or all of it, is no address.
    #[error("which holds no address")]
    Address,
    /// What stands behind the slash is no number, or more than an address has bits.
    #[error("whose prefix is not a number from 0 to {most}")]
    Prefix {
        /// The bits of such an address.
        most: u8,
    },
    /// Bits beyond the prefix are set, so that either the address or the prefix is not what was meant.
    #[error("where the network of that prefix is {0}")]
    Beyond(Network),
}

/// The bits of an address of this family.
fn bits_of(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The address with nothing but zeroes beyond the prefix.
fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    let beyond = u32::from(bits_of(address).saturating_sub(prefix));
    match address {
        IpAddr::V4(address) => {
            Ipv4Addr::from_bits(address.to_bits() & u32::MAX.checked_shl(beyond).unwrap_or(0)).into()
        }
        IpAddr::V6(address) => {
            Ipv6Addr::from_bits(address.to_bits() & u128::MAX.checked_shl(beyond).unwrap_or(0)).into()
        }
    }
}

impl Network {
    /// The network that holds this address alone.
    pub fn of_one(address: IpAddr) -> Self {
        Self { address, prefix: bits_of(address) }
    }

    /// Whether the address belongs to it.
    pub fn contains(self, address: IpAddr) -> bool {
        masked(address, self.prefix) == self.address
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.prefix == bits_of(self.address) {
            write!(f, "{}", self.address)
        } else {
            write!(f, "{}/{}", self.address, self.prefix)
        }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(before, behind)| (before, Some(behind)));
        let address: IpAddr = address.parse().map_err(|_| NetworkError::Address)?;
        let most = bits_of(address);
        let prefix = prefix.map_or(Some(most), |prefix| prefix.parse().ok());
        let prefix = prefix.filter(|prefix| *prefix <= most).ok_or(NetworkError::Prefix { most })?;
        let network = Self { address: masked(address, prefix), prefix };
        if network.address == address { Ok(network) } else { Err(NetworkError::Beyond(network)) }
    }
}

/// Reads `[network]`.
pub(super) fn read(fields: &Fields<'_>) -> Vec<Network> {
    let allow = fields.parsed_texts("allow", "networks such as 192.0.2.0/24, 2001:db8::/32 or 192.0.2.7");
    fields.finish();
    allow
}

/// The address in `HOST`, `HOST:PORT` or `[HOST]:PORT`; none where the host is a name.
pub(crate) fn literal(authority: &str) -> Option<IpAddr> {
    let bracketed = || Some(authority.strip_prefix('[')?.split_once(']')?.0);
    let before_port = || Some(authority.split_once(':')?.0);
    let parsed = |host: &str| host.parse().ok();
    parsed(authority).or_else(|| bracketed().and_then(parsed)).or_else(|| before_port().and_then(parsed))
}

/// The host of a camera's address, with its port.
fn authority(source: &Source) -> Option<&str> {
    let Source::Rtsp { url, .. } = source else { return None };
    host_and_port(url)
}

/// What stands between the scheme of an address and its path.
pub(crate) fn host_and_port(url: &str) -> Option<&str> {
    url.split_once("://")?.1.split(['/', '?']).next()
}

impl Config {
    /// Whom the service has to reach beside the box itself: `[network] allow`, and cameras, broker and hosts of bundles
    /// that are given by address; where there is a technician's page, the address at which it asks for cameras, too.
    /// Names are not looked up: what they stand for may change while the service runs.
    pub fn networks(&self) -> BTreeSet<Network> {
        let cameras = self.cameras.iter().filter_map(|camera| authority(&camera.source));
        let hosts = self.update.hosts.iter().map(String::as_str).chain([self.uplink.host.as_str()]);
        let named = cameras.chain(hosts).filter_map(literal).filter(|address| !address.is_loopback());
        let everybody = self.page.as_ref().map(|_| IpAddr::V4(CAMERAS));
        self.allow.iter().copied().chain(named.chain(everybody).map(Network::of_one)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_is_told_as_it_was_written_and_holds_what_begins_as_it_does() {
        for (text, inside, outside) in [
            ("192.0.2.0/24", "192.0.2.255", "192.0.3.0"),
            ("192.0.2.128/25", "192.0.2.129", "192.0.2.127"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("0.0.0.0/0", "203.0.113.9", "2001:db8::1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"),
            ("::/0", "2001:db8::1", "192.0.2.7"),
        ] {
            let network = network(text);
            assert_eq!(network.to_string(), text);
            assert!(network.contains(inside.parse().unwrap()), "{inside} in {text}");
            assert!(!network.contains(outside.parse().unwrap()), "{outside} not in {text}");
        }
        assert_eq!(network("192.0.2.7/32").to_string(), "192.0.2.7");
    }

    #[test]
    fn what_is_no_network_is_told_why() {
        let why = |text: &str| text.parse::<Network>().unwrap_err();
        for text in ["", "broker.example", "192.0.2", "192.0.2.0.0/24", "192.0.2.0-24"] {
            assert_eq!(why(text), NetworkError::Address, "{text:?}");
        }
        for text in ["192.0.2.0/33", "192.0.2.0/", "192.0.2.0/-1", "192.0.2.0/24/8", "192.0.2.0/300"] {
            assert_eq!(why(text), NetworkError::Prefix { most: 32 }, "{text:?}");
        }
        assert_eq!(why("2001:db8::/129"), NetworkError::Prefix { most: 128 });
        assert_eq!(why("192.0.2.7/24"), NetworkError::Beyond(network("192.0.2.0/24")));
    }

    #[test]
    fn an_address_is_found_with_and_without_a_port_and_a_name_is_none() {
        for (text, address) in [
            ("192.0.2.7", Some("192.0.2.7")),
            ("192.0.2.7:8883", Some("192.0.2.7")),
            ("2001:db8::7", Some("2001:db8::7")),
            ("[2001:db8::7]", Some("2001:db8::7")),
            ("[2001:db8::7]:554", Some("2001:db8::7")),
            ("broker.example", None),
            ("broker.example:8883", None),
        ] {
            assert_eq!(literal(text), address.map(|address| address.parse().unwrap()), "{text}");
        }
    }
}
