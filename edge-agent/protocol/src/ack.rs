//! What a center has safely stored.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::batch::{self, CONTRACT_VERSION, Encoding, Unreadable};
use crate::id::{Epoch, Sequence};
use crate::lane::Lane;

/// Everything of a lane up to and including `settled` is stored, or was named as lost. Only this lets the unit forget.
/// An acknowledgement that arrives late or twice does no harm, because it says no more than a later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
pub struct Ack {
    /// Version of the contract.
    #[n(0)]
    version: u32,
    /// Life of the outbox that is meant; a unit ignores others.
    #[n(1)]
    pub epoch: Epoch,
    /// The lane.
    #[n(2)]
    pub lane: Lane,
    /// The last sequence of the settled prefix.
    #[n(3)]
    pub settled: Sequence,
}

impl Ack {
    /// An acknowledgement in the version that this code speaks.
    pub const fn new(epoch: Epoch, lane: Lane, settled: Sequence) -> Self {
        Self { version: CONTRACT_VERSION, epoch, lane, settled }
    }

    /// The message.
    pub fn encode(&self, encoding: Encoding) -> Vec<u8> {
        batch::encode_message(self, encoding)
    }

    /// Reads a message in either encoding.
    ///
    /// # Errors
    /// If it is too large, of another version, or not as the contract says.
    pub fn decode(message: &[u8]) -> Result<Self, Unreadable> {
        let ack: Self = batch::decode_message(message)?;
        if ack.version == CONTRACT_VERSION { Ok(ack) } else { Err(Unreadable::Version(ack.version)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acknowledgement_of_another_version_is_told_from_one_that_is_malformed() {
        let ack = Ack::new(Epoch::new(1), Lane::Hit, Sequence::new(9));
        for encoding in [Encoding::Cbor, Encoding::Json] {
            let newer = Ack { version: 2, ..ack }.encode(encoding);
            assert!(matches!(Ack::decode(&newer), Err(Unreadable::Version(2))));
            assert_eq!(Ack::decode(&ack.encode(encoding)).unwrap(), ack);
        }
    }
}
