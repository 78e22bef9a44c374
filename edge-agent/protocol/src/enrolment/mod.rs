//! How a unit that has only what the factory gave it becomes a unit of an agency, and how it renews its certificate.
//!
//! Factory: a [`Serial`], a claim certificate, and a [`SetupCode`] on the label. The unit makes its key and asks with
//! a [`Request`]; the center answers with an [`Answer`]. Both prove that they know the setup code, so that neither a
//! stolen claim key nor a hostile broker enrols anything. Later the unit asks for its next certificate with a
//! [`Renewal`], signed with the key that it has.

mod broker;
mod code;
mod messages;
mod renewal;
mod serial;
mod tries;

pub use broker::{BadBroker, BrokerAddress};
pub use code::{BadCode, ProofKey, SetupCode, StoredCode};
pub use messages::{Answer, BadAnswer, Grant, Outcome, Refusal, Refused, Request, SealedRequest};
pub use renewal::{Renewal, RenewalAnswer};
pub use serial::{BadSerial, LONGEST_SERIAL, Serial};
pub use tries::{LOCKED_FOR, MOST_TRIES, Tries};

/// The largest message of an enrolment, in bytes: a request with its certificates, or a grant.
pub const MAX_ENROLMENT_BYTES: usize = 16 * 1024;
