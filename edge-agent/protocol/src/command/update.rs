//! The update that a command asks for.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::hash::Hash256;
use crate::record::{Word, words};
use crate::time::WallTime;

/// The longest address of a bundle, in bytes.
pub const MAX_URL_BYTES: usize = 500;

const MINUTES_OF_A_DAY: i64 = 24 * 60;
/// No place on earth is further from UTC.
const MOST_OFFSET_MIN: u16 = 14 * 60;

words!(
    /// What an update replaces.
    Artefact {
        /// The whole image with the agent in it: a bundle for the other slot.
        Image = 0 "image",
        /// The models alone: a signed set, beside the one in use.
        Models = 1 "models",
        /// The agent alone: a signed release, which the image's agent checks and starts in its own place.
        Agent = 2 "agent",
    }
);

/// Which bundle or set of models, and when the unit may boot into it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
pub struct UpdateScope {
    /// Where the file is, `https://` and a host that the unit's configuration names.
    #[n(0)]
    pub url: String,
    /// The file's SHA-256.
    #[n(1)]
    pub hash: Hash256,
    /// How long the file is.
    #[n(2)]
    pub bytes: u64,
    /// The version that the bundle or the release says to be, or the revision of the set.
    #[n(3)]
    pub version: Word,
    /// The hours in which the unit may boot; as soon as it is installed where none are given.
    #[n(4)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quiet: Option<QuietHours>,
    /// What it is that is replaced; the image where nothing is said.
    #[n(5)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artefact: Option<Artefact>,
}

/// Hours of every day, by the clock of whoever asks: a unit knows UTC alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
pub struct QuietHours {
    /// Their first minute, counted from midnight.
    #[n(0)]
    pub from_min: u16,
    /// The minute after their last; before the first where they span midnight.
    #[n(1)]
    pub to_min: u16,
    /// How many minutes the asker's clock is ahead of UTC.
    #[n(2)]
    pub offset_min: i16,
}

impl UpdateScope {
    /// The host that the bundle is on, where the address is one of `https://host[:port]/path` and nothing more: no
    /// user, no second reading by another parser.
    pub fn host(&self) -> Option<&str> {
        let (authority, _) = self.url.strip_prefix("https://")?.split_once('/')?;
        if !self.url.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
            return None;
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !authority.ends_with(']') => (host, Some(port)),
            Some(_) | None => (authority, None),
        };
        let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
        let is_name = |name: &str| {
            let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
            !name.is_empty() && name.bytes().all(plain)
        };
        let six = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_host = six.map_or_else(|| is_name(host), |six| six.parse::<core::net::Ipv6Addr>().is_ok());
        (is_host && port.is_none_or(is_port)).then_some(host)
    }

    /// What it brings, in a word or two: `1.5.0`, `models 7`, `agent 1.5.1`.
    pub fn label(&self) -> String {
        match self.artefact {
            None | Some(Artefact::Image) => self.version.to_string(),
            Some(Artefact::Models) => format!("models {}", self.version),
            Some(Artefact::Agent) => format!("agent {}", self.version),
        }
    }

    /// Whether it can be meant: an address that is not too long, a file that is not empty, hours that a day has.
    pub fn is_sound(&self) -> bool {
        self.url.len() <= MAX_URL_BYTES && self.bytes > 0 && self.quiet.is_none_or(QuietHours::is_sound)
    }
}

impl QuietHours {
    fn is_sound(self) -> bool {
        let within = |minute: u16| i64::from(minute) < MINUTES_OF_A_DAY;
        let apart = self.from_min != self.to_min;
        within(self.from_min) && within(self.to_min) && apart && self.offset_min.unsigned_abs() <= MOST_OFFSET_MIN
    }

    /// Whether a moment is in them.
    pub fn contains(self, moment: WallTime) -> bool {
        let minute = moment.as_micros().div_euclid(60_000_000).saturating_add(i64::from(self.offset_min));
        let minute = minute.rem_euclid(MINUTES_OF_A_DAY);
        let (from, to) = (i64::from(self.from_min), i64::from(self.to_min));
        if from < to { (from..to).contains(&minute) } else { minute >= from || minute < to }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> WallTime {
        text.parse().unwrap()
    }

    #[test]
    fn quiet_hours_are_the_askers_and_may_span_midnight() {
        let pacific = QuietHours { from_min: 2 * 60, to_min: 4 * 60, offset_min: -8 * 60 };
        assert!(!pacific.contains(at("2026-11-29T09:59:59Z")));
        assert!(pacific.contains(at("2026-11-29T10:00:00Z")));
        assert!(pacific.contains(at("2026-11-29T11:59:59Z")));
        assert!(!pacific.contains(at("2026-11-29T12:00:00Z")));
        let night = QuietHours { from_min: 23 * 60, to_min: 60, offset_min: 60 };
        assert!(night.contains(at("2026-11-29T22:30:00Z")) && night.contains(at("2026-11-29T23:59:59Z")));
        assert!(!night.contains(at("2026-11-29T00:00:00Z")) && !night.contains(at("2026-11-29T21:59:59Z")));
        assert!(night.contains(at("1969-12-31T23:30:00Z")), "a clock before 1970 has hours too");
    }

    #[test]
    fn an_address_that_could_be_read_in_two_ways_has_no_host() {
        let of = |url: &str| UpdateScope {
            url: url.to_owned(),
            hash: Hash256::of(b"bundle"),
            bytes: 6,
            version: "1.5.0".parse().unwrap(),
            quiet: None,
            artefact: None,
        };
        for (url, host) in [
            ("https://center.example/b", "center.example"),
            ("https://center.example:8443/b?x=1", "center.example"),
            ("https://192.0.2.1/b", "192.0.2.1"),
            ("https://[2001:db8::1]:8443/b", "[2001:db8::1]"),
            ("https://[2001:db8::1]/b", "[2001:db8::1]"),
        ] {
            assert_eq!(of(url).host(), Some(host), "{url}");
        }
        for url in [
            "http://center/b",
            "https://center",
            "https:///b",
            "https://user@center/b",
            "https://center#@evil/b",
            "https://center?/b",
            "https://evil\\@center/b",
            "https://CENTER/b",
            "https://center:/x y",
            "https://center:port/b",
            "https://center:70000/b",
            "https://[::1/b",
            "file:///b",
        ] {
            assert_eq!(of(url).host(), None, "{url}");
        }
    }

    #[test]
    fn hours_that_no_day_has_and_bundles_of_nothing_are_not_sound() {
        let hours = |from_min, to_min, offset_min| Some(QuietHours { from_min, to_min, offset_min });
        let scope = |quiet| UpdateScope {
            url: "https://center/b.raucb".to_owned(),
            hash: Hash256::of(b"bundle"),
            bytes: 6,
            version: "1.5.0".parse().unwrap(),
            quiet,
            artefact: None,
        };
        assert!(scope(None).is_sound() && scope(hours(1380, 60, -840)).is_sound());
        for quiet in [hours(1440, 0, 0), hours(0, 1440, 0), hours(60, 60, 0), hours(0, 60, 841), hours(0, 60, i16::MIN)]
        {
            assert!(!scope(quiet).is_sound(), "{quiet:?}");
        }
        assert!(!UpdateScope { bytes: 0, ..scope(None) }.is_sound());
        assert!(!UpdateScope { url: "x".repeat(501), ..scope(None) }.is_sound());
    }
}
