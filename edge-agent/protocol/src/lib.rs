//! What a unit and a center say to each other: names, times, records, commands, manifests; their encoding, signatures
//! and verification. No I/O, no clock, no threads.
//!
//! A tour in the order of the data: a unit and its cameras have names ([`id`]) and say what they are ([`state`]). What
//! was seen becomes a [`record`] on a [`lane`], at a moment that is stated with the quality of its clock ([`time`]).
//! Records of a lane travel in a [`batch`] under a [`topic`], sharing what they have in common ([`wire`]), until the
//! center says that it has stored them ([`ack`]). A person asks by a signed [`command`] ([`sign`]) and gets a clip of
//! the camera's own [`media`] that anybody can verify ([`evidence`], [`hash`]). Before any of this a unit gets its name
//! and certificate by [`enrolment`], and a technician's report on how it hangs ([`commissioning`]). What it did stands
//! in its [`audit`] log. Models travel apart from the rest, as a signed [`model_set`], and so does the agent itself, as
//! an [`agent_release`] with a [`version`].

pub mod ack;
pub mod agent_release;
pub mod audit;
pub mod batch;
pub mod command;
pub mod commissioning;
pub mod enrolment;
pub mod evidence;
pub mod hash;
mod head;
pub mod id;
pub mod lane;
pub mod media;
pub mod model_set;
pub mod record;
pub mod sign;
pub mod state;
pub mod time;
pub mod topic;
pub mod version;
pub mod wire;
