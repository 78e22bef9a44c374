//! The confined worker: access units to sightings, and the main process's end of its socket.
//!
//! Decoding hostile bitstreams and running models happen in a process that has nothing to lose: no network, no keys,
//! no disk, not even the right to open a file. A tour in the order of the data: [`client`] in the main process starts
//! it and feeds it; [`worker`] is its life; [`confine`] what it gives up; [`decode`] access units to frames; one slot
//! per camera, newest wins; analytics; crops as JPEG; and back over the socket. [`engine`] is the seam to whoever runs
//! the models.

pub mod client;
pub mod confine;
mod crop;
pub mod decode;
pub mod engine;
mod numbers;
mod slots;
mod wire;
pub mod worker;

pub use crop::compress;
pub use numbers::Numbers;
pub use wire::{CameraProgress, ModelStanding, Progress, Ready, RunTimes, Snapshot, read_any};
