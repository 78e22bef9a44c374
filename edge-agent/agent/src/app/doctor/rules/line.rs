//! Rules for the line to the center: certificates, broker, acknowledgements.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use edge_protocol::time::WallTime;

use crate::app::named::Lack;
use crate::config::Network;
use crate::keys::{KeyError, TokenPlace};
use crate::uplink::probe::Distrust;
use edge_protocol::commissioning::Finding;

/// A certificate that ends within this should have been renewed.
const ENDS_SOON: Duration = Duration::from_hours(30 * 24);
/// A record that waits longer than this while the unit is connected is not being acknowledged.
const OVERDUE: Duration = Duration::from_mins(5);

/// A certificate's time; `whose` in words.
pub(in crate::app::doctor) fn certificate(whose: &str, until: WallTime, now: WallTime) -> Finding {
    let days = until.saturating_since(now).as_secs() / 86_400;
    if until < now {
        let advice = format!("renew {whose}: nothing is sent or received with it; check the clock first");
        Finding::failed("certificate", format!("{whose} ended {until}"), advice)
    } else if until.saturating_since(now) < ENDS_SOON {
        let advice = format!("renew {whose}");
        Finding::warning("certificate", format!("{whose} ends {until}, in {days} days"), advice)
    } else {
        Finding::ok("certificate", format!("{whose} is good until {until}, {days} days"))
    }
}

/// What the unit's key does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::app::doctor) enum KeyFacts {
    /// Something was signed, and the unit's certificate bears it out. The token's label, where the key lies in one.
    Signs(Option<String>),
    /// It signs, and the certificate is of another key.
    OfAnother,
    /// It does not sign.
    Fails(KeyError),
    /// Its file, or the certificate's, cannot be read.
    Unread(String),
}

/// The unit's key; `token` is where the next one is made.
pub(in crate::app::doctor) fn key(token: Option<&TokenPlace>, facts: KeyFacts) -> Finding {
    let error = match facts {
        KeyFacts::Signs(Some(label)) => {
            return Finding::ok("unit key", format!("in the token \"{label}\": signs, and fits the certificate"));
        }
        KeyFacts::Signs(None) if token.is_some() => {
            let advice = "the next one is made in the token, when the certificate is renewed; at once with edge-agent enroll --again";
            return Finding::warning(
                "unit key",
                "in a file: signs, and fits the certificate; [token] names a token",
                advice,
            );
        }
        KeyFacts::Signs(None) => return Finding::ok("unit key", "in a file: signs, and fits the certificate"),
        KeyFacts::OfAnother => {
            let advice = "put the key beside [uplink] certificate that belongs to it, or enrol the unit anew";
            return Finding::failed("unit key", "signs, and the certificate is of another key", advice);
        }
        KeyFacts::Unread(why) => {
            let advice =
                "put key and certificate where [uplink] names them; run this as root if it is the reading that fails";
            return Finding::failed("unit key", why, advice);
        }
        KeyFacts::Fails(error) => error,
    };
    let advice = match &error {
        KeyError::File(_) | KeyError::Software(_) => "restore the key's file, or enrol the unit anew",
        KeyError::Elsewhere(_) => "write [token] with that label into the configuration",
        KeyError::Library { .. } => {
            "install the token's library, or correct [token] module; where it is there, what it needs is away: its \
             device, its store, or the variable that names it (docs/enrolment.md)"
        }
        KeyError::Away { .. } => {
            "connect the token, or correct [token] label; for a TPM see that /dev/tpmrm0 is there, and run this as the \
             service's user with its TPM2_PKCS11_STORE (docs/enrolment.md)"
        }
        KeyError::PinFile { .. } => "put the PIN where [token] pin_file names it, readable by the agent's user",
        KeyError::Pin(_) => "correct the PIN in that file; every wrong one counts, and the token locks",
        KeyError::PinLocked => "have the token's security officer set a new PIN, and write it into [token] pin_file",
        KeyError::Missing(_) => "enrol the unit anew: edge-agent enroll --help",
        KeyError::Extractable | KeyError::Full | KeyError::Token { .. } => {
            "see what the token's maker says of it; meanwhile nothing is sent, and records are kept on the unit"
        }
    };
    Finding::failed("unit key", error.to_string(), advice)
}

/// Something that `[token]` names and that is not as it should be. Where others may read the PIN all works the same.
pub(in crate::app::doctor) fn token(lack: &Lack) -> Finding {
    let found = if lack.is_absent() { Finding::failed } else { Finding::warning };
    found("token", lack.measured(), lack.advice())
}

/// How far the way to the broker was gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::app::doctor) enum Reached {
    /// Its name is unknown, or nothing answers.
    NoConnection(String),
    /// It does not prove who it is.
    Untrusted(String, Distrust),
    /// The unit's own files do not make a TLS client.
    OwnFiles(String),
    /// It does not take the unit.
    Refused(String),
    /// TLS stands; MQTT was left to the running agent, which says whether it is connected.
    ByAgent(bool),
    /// TLS stands; MQTT was not tried, because it would end the connection of an agent that cannot be asked.
    NotTried,
    /// MQTT stands; milliseconds for all of it.
    Connected(u64),
}

/// The broker's address where the service may talk to none that its name stands for; the name where it stands for none
/// that is known and nothing but localhost is allowed.
pub(in crate::app::doctor) fn beyond(host: &str, addresses: &[IpAddr], allowed: &BTreeSet<Network>) -> Option<String> {
    let may = |address: &IpAddr| address.is_loopback() || allowed.iter().any(|network| network.contains(*address));
    match addresses.first() {
        None => allowed.is_empty().then(|| host.to_owned()),
        Some(first) => (!addresses.iter().any(may)).then(|| first.to_string()),
    }
}

/// How the way to the broker is. `beyond` is its address, or its name, where the service may not talk to it: its unit
/// lets it reach localhost and what the configuration names, which nothing holds this program to.
pub(in crate::app::doctor) fn broker(place: &str, reached: &Reached, beyond: Option<&str>) -> Finding {
    let beside = |advice: &str| match beyond {
        None => advice.to_owned(),
        Some(beyond) => format!(
            "the service may not talk to {beyond}: add its network to [network] allow and restart edge-agent; {advice}"
        ),
    };
    match reached {
        Reached::NoConnection(why) => {
            let advice =
                "check [uplink] host and port, the unit's network and the site's firewall; the broker may be down";
            Finding::failed("broker", format!("{place}: no connection: {why}"), beside(advice))
        }
        Reached::Untrusted(why, distrust) => {
            let advice = match distrust {
                Distrust::Authority => {
                    "the broker shows a certificate of another authority: put its authority into [uplink] ca, or find out who answers there"
                }
                Distrust::Time => {
                    "the broker's certificate is not valid at this time: check the unit's clock, then have the broker's certificate renewed"
                }
                Distrust::Name => "write [uplink] host as the broker's certificate has it",
                Distrust::Other => "the broker must speak TLS 1.3; ask the center what listens at this port",
            };
            Finding::failed("broker", format!("{place}: {why}"), advice)
        }
        Reached::OwnFiles(why) => {
            let advice = "put the unit's certificate, key and the broker's authority where [uplink] names them; run this as root if it is the reading that fails";
            Finding::failed("broker", why, advice)
        }
        Reached::Refused(why) => {
            let advice = "the broker answers but does not take this unit: its certificate may be revoked or of another agency; ask the center";
            Finding::failed("broker", format!("{place}: {why}"), advice)
        }
        Reached::ByAgent(true) => Finding::ok("broker", format!("{place}: TLS 1.3 good, the agent is connected")),
        Reached::ByAgent(false) => {
            let advice = "the agent is not connected although TLS works: see journalctl -u edge-agent; ask the center whether the unit is revoked";
            Finding::failed("broker", format!("{place}: TLS 1.3 good, the agent is not connected"), beside(advice))
        }
        Reached::NotTried => {
            let advice = "allow [health] metrics, so that this can ask the agent whether it is connected";
            Finding::warning("broker", format!("{place}: TLS 1.3 good, MQTT not tried"), advice)
        }
        Reached::Connected(millis) => Finding::ok("broker", format!("{place}: TCP, TLS 1.3 and MQTT in {millis} ms")),
    }
}

/// What the outbox knows of the center.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::app::doctor) struct OutboxFacts {
    /// Records ever made, over all lanes.
    pub(in crate::app::doctor) made: u64,
    /// Records that the center has settled.
    pub(in crate::app::doctor) settled: u64,
    /// Records that wait.
    pub(in crate::app::doctor) waiting: u64,
    /// When the oldest waiting health record was made.
    pub(in crate::app::doctor) oldest: Option<WallTime>,
}

pub(in crate::app::doctor) fn center(outbox: &Result<Option<OutboxFacts>, String>, now: WallTime) -> Finding {
    let start = "start the agent and run this again after two minutes";
    let facts = match outbox {
        Err(why) => {
            return Finding::failed(
                "center",
                why,
                "the outbox cannot be read: see the check of the disk; run this as root",
            );
        }
        Ok(None) => return Finding::warning("center", "nothing was told yet", start),
        Ok(Some(facts)) if facts.made == 0 => return Finding::warning("center", "nothing was told yet", start),
        Ok(Some(facts)) => facts,
    };
    let OutboxFacts { settled, waiting, .. } = *facts;
    let measured = format!("{settled} records acknowledged, {waiting} wait");
    let late = facts.oldest.map(|oldest| now.saturating_since(oldest)).filter(|late| *late > OVERDUE);
    match late {
        None if settled == 0 => Finding::warning(
            "center",
            format!("no record acknowledged yet, {waiting} wait"),
            "wait two minutes; then ask the center whether it knows this unit",
        ),
        None => Finding::ok("center", measured),
        Some(late) => {
            let words = format!("{measured}, the oldest for {} min", late.as_secs() / 60);
            let advice = "see the check of the broker; if it is well, the center's receiver does not run or does not know this unit: ask the center";
            Finding::failed("center", words, advice)
        }
    }
}
