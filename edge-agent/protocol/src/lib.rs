//! What a unit and a center say to each other.

pub mod id;
pub mod media;
pub mod time;
