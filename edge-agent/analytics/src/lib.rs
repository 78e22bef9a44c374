//! Frames to tensors to detections to tracks to plate reads to sightings to events: pure, no I/O, no clock, no threads.
//!
//! A tour in the order of the data: [`picture`] is a decoded frame as the decoder left it; [`preprocess`] makes a
//! network's input of it; [`infer`] is the seam to whatever runs the models, and [`manifest`] says what each expects
//! and means; [`detect`] turns outputs into boxes; [`track`] follows road users; [`zone`] says where they are and
//! counts them; [`paint`] names a vehicle's colour; [`plate`] finds, reads and votes; [`gate`] decides which frames are
//! worth the models and how much was really looked at. [`camera`] puts all this in order for one camera, [`care`] says
//! whether its picture can be trusted, and a [`sighting`] is what comes out. [`event`] makes the contract's records of
//! sightings, with the [`hotlist`] in force. [`settings`] is what one camera is told, and a [`mask`] what it does not
//! look at.

pub mod camera;
pub mod care;
pub mod class;
pub mod detect;
pub mod event;
pub mod gate;
pub mod geometry;
pub mod hotlist;
pub mod infer;
pub mod manifest;
pub mod mask;
pub mod paint;
pub mod picture;
pub mod plate;
pub mod preprocess;
pub mod settings;
pub mod sighting;
pub mod time;
pub mod track;
pub mod zone;
