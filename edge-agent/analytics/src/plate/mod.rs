//! Plates: found, read, and voted on over a pass, so that one vehicle that goes by gives one read.
//!
//! Belongs here: everything between a frame and the text of a plate. Does not belong here: lists of plates (`hotlist`)
//! and what may be published (`event`).

mod align;
mod finder;
mod pass;
mod passes;
mod text;
mod vote;

pub(crate) use align::distance;
pub use finder::{PlateFinder, PlateInPicture};
pub use passes::{Look, Passes, Vehicle};
pub use text::{Guess, RawRead};
pub use vote::{Verdict, tally};
