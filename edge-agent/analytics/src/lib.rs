//! Frames to tensors to detections to tracks to plate reads to sightings to events: pure, no I/O, no clock, no threads.
//!
//! A tour in the order of the data: [`picture`] is a decoded frame as the decoder left it; [`infer`] is the seam
//! to whatever runs the models; [`track`] follows road users; a [`sighting`] is what the vision worker says about
//! all this. [`settings`] is what one camera's analytics are told.

pub mod class;
pub mod detect;
pub mod geometry;
pub mod infer;
pub mod manifest;
pub mod picture;
pub mod preprocess;
pub mod settings;
pub mod sighting;
pub mod time;
pub mod track;
