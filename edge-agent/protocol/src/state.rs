//! What a unit is and whether it is there: retained by the broker, so that whoever comes later knows too.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::batch::{self, CONTRACT_VERSION, Encoding, Unreadable};
use crate::command::Challenge;
use crate::id::{AgencyId, CameraId, Epoch, UnitId};
use crate::record::{OutOfBounds, Word, words};
use crate::time::WallStamp;

/// The most cameras of one unit.
pub const MAX_CAMERAS: usize = 64;

/// What stands retained under a unit's `state` topic.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(flat)]
#[serde(tag = "state")]
pub enum State {
    /// The unit is connected.
    #[n(0)]
    #[serde(rename = "online")]
    Birth(#[n(0)] Birth),
    /// The unit is gone; the broker says so in its name, or the unit itself when it is stopped.
    #[n(1)]
    #[serde(rename = "offline")]
    Death(#[n(0)] Death),
}

/// What a unit is.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
pub struct Birth {
    /// Version of the contract.
    #[n(0)]
    pub version: u32,
    /// Whose it is.
    #[n(1)]
    pub agency: AgencyId,
    /// Which unit.
    #[n(2)]
    pub unit: UnitId,
    /// Life of its outbox.
    #[n(3)]
    pub epoch: Epoch,
    /// Since when the agent runs.
    #[n(4)]
    pub started: WallStamp,
    /// The agent's version.
    #[n(5)]
    pub software: Word,
    /// Its cameras.
    #[n(6)]
    pub cameras: Vec<CameraCard>,
    /// What of plate reads leaves the unit.
    #[n(7)]
    pub reads: ReadsPublished,
    /// How it writes its messages.
    #[n(8)]
    pub encoding: Encoding,
    /// What a command must carry now.
    #[n(9)]
    pub challenge: Challenge,
    /// Number of the challenge since the agent started, from 1.
    #[n(10)]
    pub challenge_id: u64,
    /// What makes the unit forget a record.
    #[n(11)]
    pub ack: AckMode,
}

/// That a unit is gone.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
pub struct Death {
    /// Version of the contract.
    #[n(0)]
    pub version: u32,
    /// Life of its outbox, so that a late death of an earlier life is known as such.
    #[n(1)]
    pub epoch: Epoch,
    /// Whether it was stopped on purpose.
    #[n(2)]
    pub stopped: bool,
}

words!(
    /// What of plate reads leaves the unit.
    ReadsPublished {
        /// How many there were, and hits.
        Counts = 0 "counts",
        /// All of them.
        All = 1 "all",
    }
);

words!(
    /// What makes the unit forget a record.
    AckMode {
        /// The center's acknowledgement after its commit.
        Center = 0 "center",
        /// The broker's PUBACK: what the broker loses is lost.
        Broker = 1 "broker",
    }
);

/// What a camera is, and where.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
pub struct CameraCard {
    /// Its id.
    #[n(0)]
    pub id: CameraId,
    /// Its name for people.
    #[n(1)]
    pub name: Word,
    /// Whose it is.
    #[n(2)]
    pub owner: AgencyId,
    /// Where it is; none where nobody has said.
    #[n(3)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Where it looks, degrees clockwise from north.
    #[n(4)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heading_deg: Option<u16>,
    /// How wide it looks, degrees.
    #[n(5)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field_of_view_deg: Option<u16>,
}

/// Where something is (WGS 84).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
pub struct Place {
    /// Latitude in ten-millionths of a degree.
    #[n(0)]
    pub latitude_e7: i32,
    /// Longitude in ten-millionths of a degree.
    #[n(1)]
    pub longitude_e7: i32,
    /// Who says so.
    #[n(2)]
    pub source: PlaceSource,
}

impl Place {
    /// Latitude and longitude in degrees.
    pub fn degrees(&self) -> (f64, f64) {
        (f64::from(self.latitude_e7) / 1e7, f64::from(self.longitude_e7) / 1e7)
    }

    /// Whether it is on the globe.
    pub fn is_sound(&self) -> bool {
        self.latitude_e7.unsigned_abs() <= 900_000_000 && self.longitude_e7.unsigned_abs() <= 1_800_000_000
    }
}

words!(
    /// Where a position comes from.
    PlaceSource {
        /// Somebody wrote it into the configuration.
        Configured = 0 "configured",
        /// The unit's satellite receiver.
        Gnss = 1 "gnss",
        /// It was surveyed.
        Surveyed = 2 "surveyed",
    }
);

impl State {
    /// The message.
    pub fn encode(&self, encoding: Encoding) -> Vec<u8> {
        batch::encode_message(self, encoding)
    }

    /// Reads a message in either encoding.
    ///
    /// # Errors
    /// If it is too large, of another version, or not as the contract says.
    pub fn decode(message: &[u8]) -> Result<Self, Unreadable> {
        let state: Self = batch::decode_message(message)?;
        let (version, sound) = match &state {
            Self::Birth(birth) => {
                let placed = |card: &CameraCard| card.place.is_none_or(|place| place.is_sound());
                (birth.version, birth.cameras.len() <= MAX_CAMERAS && birth.cameras.iter().all(placed))
            }
            Self::Death(death) => (death.version, true),
        };
        if version != CONTRACT_VERSION {
            return Err(Unreadable::Version(version));
        }
        if sound { Ok(state) } else { Err(OutOfBounds::new("cameras of a unit, or the place of one").into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn birth() -> Birth {
        let place = Place { latitude_e7: 525_200_000, longitude_e7: 134_050_000, source: PlaceSource::Configured };
        let camera = CameraCard {
            id: "gate".parse().unwrap(),
            name: "Gate north".parse().unwrap(),
            owner: "springfield".parse().unwrap(),
            place: Some(place),
            heading_deg: Some(270),
            field_of_view_deg: None,
        };
        Birth {
            version: CONTRACT_VERSION,
            agency: "springfield".parse().unwrap(),
            unit: "pole-7".parse().unwrap(),
            epoch: Epoch::new(42),
            started: WallStamp::default(),
            software: "0.1.0".parse().unwrap(),
            cameras: vec![camera],
            reads: ReadsPublished::Counts,
            encoding: Encoding::Cbor,
            challenge: Challenge::from_bytes([3; 16]),
            challenge_id: 1,
            ack: AckMode::Center,
        }
    }

    #[test]
    fn state_is_read_as_it_was_written() {
        let death = Death { version: CONTRACT_VERSION, epoch: Epoch::new(42), stopped: false };
        for state in [State::Birth(birth()), State::Death(death)] {
            for encoding in [Encoding::Cbor, Encoding::Json] {
                assert_eq!(State::decode(&state.encode(encoding)).unwrap(), state);
            }
        }
    }

    #[test]
    fn a_place_off_the_globe_and_another_version_are_refused() {
        let mut lost = birth();
        lost.cameras[0].place = Some(Place { latitude_e7: i32::MIN, longitude_e7: 0, source: PlaceSource::Gnss });
        let message = State::Birth(lost).encode(Encoding::Cbor);
        assert!(matches!(State::decode(&message), Err(Unreadable::Bounds(_))));
        let newer = State::Birth(Birth { version: 2, ..birth() }).encode(Encoding::Json);
        assert!(matches!(State::decode(&newer), Err(Unreadable::Version(2))));
    }
}
