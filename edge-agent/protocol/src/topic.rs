//! Every MQTT topic of the contract, built and read in one place.
//!
//! ```text
//! rtcc/v1/{agency}/{unit}/up/{lane}                unit -> center
//! rtcc/v1/{agency}/{unit}/down/{ack|cmd}           center -> unit
//! rtcc/v1/{agency}/{unit}/{up|down}/renew          the unit's next certificate: asked for, answered
//! rtcc/v1/{agency}/{unit}/state                    retained birth, last will as death
//! rtcc/v1/{agency}/all/{hotlist|hold}              signed broadcasts
//! rtcc/v1/enroll/{serial}/{request|response}       claim certificates alone
//! ```

use std::fmt;

use crate::enrolment::Serial;
use crate::id::{AgencyId, UnitId};
use crate::lane::Lane;

/// What every topic begins with; the number is the version of the contract.
const ROOT: &str = "rtcc/v1";

/// A topic of the contract.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Topic {
    /// Records of one lane.
    Up(AgencyId, UnitId, Lane),
    /// Acknowledgements.
    Ack(AgencyId, UnitId),
    /// Commands.
    Command(AgencyId, UnitId),
    /// What the unit is and whether it is there.
    State(AgencyId, UnitId),
    /// A unit asks for its next certificate.
    RenewRequest(AgencyId, UnitId),
    /// The answer to it.
    RenewResponse(AgencyId, UnitId),
    /// The agency's signed hotlist.
    Hotlist(AgencyId),
    /// The agency's signed legal holds.
    Hold(AgencyId),
    /// A unit that has only its claim certificate asks for a name.
    EnrollRequest(Serial),
    /// The answer to it.
    EnrollResponse(Serial),
}

impl Topic {
    /// Reads a topic; none where it is not one of the contract's.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(ROOT)?.strip_prefix('/')?;
        let mut words = rest.split('/');
        // No topic has more than four words after the root.
        let words = [words.next(), words.next(), words.next(), words.next(), words.next()];
        match words {
            [Some("enroll"), Some(serial), Some(end), None, None] => Self::parse_enroll(serial, end),
            [Some(agency), Some("all"), Some(end), None, None] => {
                let agency = AgencyId::new(agency).ok()?;
                match end {
                    "hotlist" => Some(Self::Hotlist(agency)),
                    "hold" => Some(Self::Hold(agency)),
                    _ => None,
                }
            }
            [Some(agency), Some(unit), Some("state"), None, None] => {
                Some(Self::State(AgencyId::new(agency).ok()?, UnitId::new(unit).ok()?))
            }
            [Some(agency), Some(unit), Some(way), Some(end), None] => {
                let (agency, unit) = (AgencyId::new(agency).ok()?, UnitId::new(unit).ok()?);
                match (way, end) {
                    ("up", "renew") => Some(Self::RenewRequest(agency, unit)),
                    ("down", "renew") => Some(Self::RenewResponse(agency, unit)),
                    ("up", lane) => Some(Self::Up(agency, unit, lane.parse().ok()?)),
                    ("down", "ack") => Some(Self::Ack(agency, unit)),
                    ("down", "cmd") => Some(Self::Command(agency, unit)),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn parse_enroll(serial: &str, end: &str) -> Option<Self> {
        let serial = serial.parse().ok()?;
        match end {
            "request" => Some(Self::EnrollRequest(serial)),
            "response" => Some(Self::EnrollResponse(serial)),
            _ => None,
        }
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Up(agency, unit, lane) => write!(f, "{ROOT}/{agency}/{unit}/up/{lane}"),
            Self::Ack(agency, unit) => write!(f, "{ROOT}/{agency}/{unit}/down/ack"),
            Self::Command(agency, unit) => write!(f, "{ROOT}/{agency}/{unit}/down/cmd"),
            Self::State(agency, unit) => write!(f, "{ROOT}/{agency}/{unit}/state"),
            Self::RenewRequest(agency, unit) => write!(f, "{ROOT}/{agency}/{unit}/up/renew"),
            Self::RenewResponse(agency, unit) => write!(f, "{ROOT}/{agency}/{unit}/down/renew"),
            Self::Hotlist(agency) => write!(f, "{ROOT}/{agency}/all/hotlist"),
            Self::Hold(agency) => write!(f, "{ROOT}/{agency}/all/hold"),
            Self::EnrollRequest(serial) => write!(f, "{ROOT}/enroll/{serial}/request"),
            Self::EnrollResponse(serial) => write!(f, "{ROOT}/enroll/{serial}/response"),
        }
    }
}

/// What a unit subscribes to: everything said to it alone.
pub fn unit_filter(agency: &AgencyId, unit: &UnitId) -> String {
    format!("{ROOT}/{agency}/{unit}/down/#")
}

/// What a center's receivers share: every record of the agency's units.
pub fn records_filter(agency: &AgencyId) -> String {
    format!("{ROOT}/{agency}/+/up/#")
}

/// What every receiver of a center listens to: the state of the agency's units.
pub fn state_filter(agency: &AgencyId) -> String {
    format!("{ROOT}/{agency}/+/state")
}

/// What a center's receivers share besides: requests of units that enrol.
pub fn enrolment_filter() -> String {
    format!("{ROOT}/enroll/+/request")
}

/// The name in a unit's or a center's certificate, which the broker takes as user name and client id.
pub fn client_name(agency: &AgencyId, unit: &str) -> String {
    format!("{agency}/{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agency() -> AgencyId {
        AgencyId::new("springfield").unwrap()
    }

    #[test]
    fn every_topic_is_read_as_it_is_written() {
        let unit = UnitId::new("pole-7").unwrap();
        let mut topics: Vec<_> = Lane::ALL.into_iter().map(|lane| Topic::Up(agency(), unit.clone(), lane)).collect();
        topics.extend([
            Topic::Ack(agency(), unit.clone()),
            Topic::Command(agency(), unit.clone()),
            Topic::State(agency(), unit.clone()),
            Topic::RenewRequest(agency(), unit.clone()),
            Topic::RenewResponse(agency(), unit),
            Topic::Hotlist(agency()),
            Topic::Hold(agency()),
            Topic::EnrollRequest("SN.0042_a".parse().unwrap()),
            Topic::EnrollResponse("SN.0042_a".parse().unwrap()),
        ]);
        for topic in topics {
            assert_eq!(Topic::parse(&topic.to_string()), Some(topic));
        }
    }

    #[test]
    fn other_topics_are_none_of_ours() {
        for bad in [
            "",
            "rtcc/v1",
            "rtcc/v2/springfield/pole-7/state",
            "rtcc/v1x/springfield/pole-7/state",
            "rtcc/v1/springfield/pole-7/up/video",
            "rtcc/v1/springfield/pole-7/up/hit/more",
            "rtcc/v1/springfield/pole-7/up",
            "rtcc/v1/springfield/all/state",
            "rtcc/v1/springfield/enroll/state",
            "rtcc/v1/springfield/+/state",
            "rtcc/v1/enroll/#/request",
            "/rtcc/v1/springfield/pole-7/state",
        ] {
            assert_eq!(Topic::parse(bad), None, "{bad}");
        }
    }
}
