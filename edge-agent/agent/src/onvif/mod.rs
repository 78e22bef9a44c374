//! ONVIF, as far as a technician needs it: which cameras are there, where their streams are, how far their clocks are
//! off. Written here because the crates that speak more of it bring a runtime and generated types for hundreds of
//! calls, of which these are five.
//!
//! Belongs here: WS-Discovery, SOAP over HTTP with WS-UsernameToken and HTTP digest, the calls. Does not belong here:
//! what is printed of them (`app`). Cameras are untrusted: answers are bounded, and an address in an answer is
//! asked, and told, only where its host is the one that gave it.

mod any;
mod device;
mod discovery;
mod http;
mod soap;

pub use any::{Told, read_any};
pub use device::{Device, Stream};
pub use discovery::{DISCOVERY, Found, discover};
pub use http::Left;

use std::fmt;
use std::io;

/// A camera's user and password. There is no `Display`, and `Debug` shows neither.
#[derive(Clone)]
pub struct Login {
    user: String,
    password: String,
}

impl Login {
    /// A user and a password.
    pub fn new(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self { user: user.into(), password: password.into() }
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login")
    }
}

/// Why a camera gave no answer. No variant holds a password.
#[derive(Debug, thiserror::Error)]
pub enum OnvifError {
    /// The network did not let a question out.
    #[error("cannot ask the network for cameras")]
    Network(#[source] io::Error),
    /// The address is none.
    #[error("{0} is no address of a camera's device service; give one like http://192.0.2.10/onvif/device_service")]
    Address(String),
    /// No camera is there, or nobody knows where that is.
    #[error("give the camera's address by number; the unit itself and what is no single camera are not asked")]
    Place,
    /// The camera cannot be reached.
    #[error("{address} cannot be reached: {reason}")]
    Unreachable {
        /// What was asked.
        address: String,
        /// Why.
        reason: String,
    },
    /// It takes longer than whoever asks goes on.
    #[error("the camera has not answered everything in time")]
    Late,
    /// The camera refuses name or password, or wants some.
    #[error("the camera refuses name or password; check the credentials' file, and that the user may use ONVIF")]
    Refused,
    /// The camera wants an HTTP digest, which is of ASCII alone.
    #[error("this camera takes no user with letters such as ü: make one of a to z and 0 to 9 on it")]
    Letters,
    /// The camera says that something is wrong.
    #[error("the camera says: {0}")]
    Fault(String),
    /// The answer cannot be understood.
    #[error("the camera's answer to {call} cannot be understood: {what}")]
    Answer {
        /// The call.
        call: &'static str,
        /// What is missing or wrong.
        what: String,
    },
    /// The system gives no random bytes.
    #[error("the system gives no random bytes for the password's digest")]
    Random,
}

#[cfg(test)]
mod tests;
