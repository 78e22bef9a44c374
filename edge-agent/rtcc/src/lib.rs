//! The center's side: what receives, acknowledges, keeps and shows what the units send, and asks them for video.
//!
//! The way of a message: the broker hands it to a receiver, which reads and checks it, commits it to the database
//! together with everything else that arrived meanwhile, and only then tells the broker and the unit. People reach the
//! database through the HTTP interface alone; only the receiver talks to the broker.

pub mod asking;
pub mod broker;
pub mod clock;
pub mod database;
pub mod enrolment;
pub mod factory;
pub mod files;
pub mod http;
pub mod pki;
pub mod receiver;
pub mod rollout;
pub mod serve;
pub mod show;
pub mod wire;
