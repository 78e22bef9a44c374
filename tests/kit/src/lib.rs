//! The test kit: small real counterparts of what a unit meets in the field.
//!
//! - [`pki`] an agency's certificates, made on the spot
//! - [`broker`] a real Mosquitto on a free port, which can be killed, wiped and started again
//! - [`browser`] Chromium without a window, steered as a person would
//! - [`files`] a file server over HTTPS that can begin in the middle of a file
//! - [`gate`] a drawn video of vehicles and plates of known texts
//! - [`label`] what a person reads off a unit's label
//! - [`port`] a port that nobody listens on
//! - [`proxy`] a TCP proxy that cuts at exact bytes, throttles, holds and refuses
//! - [`ration`] a quarter of one core for a program
//! - [`release`] a build of the agent that calls itself by another version, signed as a release
//! - [`rtsp`] an RTSP camera in this process, scripted to misbehave
//! - [`process`] a program under test: its lines, its end, and that nothing of it stays behind
//! - [`token`] a token that holds keys and signs with them, which can be taken away
//! - [`world`] broker, link, center and agent of one agency, each the real program
//!
//! What belongs here: counterparts and means that more than one story needs. What does not: checks of one story,
//! which stay in that story. Nothing here uses a fixed port or the network beyond the loopback interface.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "the kit is test code: a counterpart that cannot be set up is a failed test, said with its cause"
)]
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "the kit is not supervised by the product: it starts its own threads, reads the clock for deadlines and writes plain files"
)]

pub mod broker;
pub mod browser;
pub mod files;
pub mod gate;
pub mod label;
pub mod pki;
pub mod port;
pub mod process;
pub mod proxy;
pub mod ration;
pub mod release;
pub mod rtsp;
pub mod token;
pub mod world;
