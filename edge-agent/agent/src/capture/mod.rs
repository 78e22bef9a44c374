//! Camera to access units.
//!
//! One [`Camera`] per camera, each with a GStreamer pipeline and a thread of its own, so that no camera notices another's
//! trouble. It connects, hands over the camera's coded pictures untouched, watches that they keep coming, says in words
//! what is wrong, and tries again with capped, jittered waits.
//!
//! Belongs here: getting coded pictures and their times. Does not belong here: decoding them (the vision worker does),
//! keeping them (the recorder does), and deciding which cameras there are.

pub mod assemble;
mod camera;
mod credentials;
mod health;
mod keys;
mod pipeline;
mod session;
mod settings;
mod switch;
mod timeline;
mod trouble;
mod trust;

pub use camera::Camera;
pub use credentials::{BadLogin, CredentialError, Credentials};
pub use health::{CameraHealth, CameraWatch, State};
pub use pipeline::list_plugins;
pub use settings::{Pace, Settings, Source, TestPicture, Transport, Trust, Watchdog};
pub use switch::SourceSwitch;
pub use trouble::Trouble;
