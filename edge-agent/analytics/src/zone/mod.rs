//! Zones and lines: who is where, since when, and who crossed. With hysteresis, so that a box that trembles on an edge
//! does not count twice.
//!
//! Belongs here: geometry and counting. A road user is where its foot is, the middle of the lower edge of its box.

mod line;
mod polygon;
mod tally;

pub use polygon::contains;
pub(crate) use polygon::share_of;
pub use tally::{Watch, Whereabouts};
