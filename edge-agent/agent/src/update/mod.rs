//! Updates that cannot brick: what is wanted, what was written, whether it works, and the way back.
//!
//! Belongs here: the state of an update, what may be installed, when an image is good. Does not belong here: how RAUC
//! writes a slot, how a bootloader counts or how HTTPS is spoken; nor cameras, broker and models, of which only
//! evidence is seen.
//!
//! The words are RAUC's: a *bundle* is installed into the *slot* that is not *booted*; that slot becomes *primary* and
//! boots next; until it is *marked good* the bootloader counts its attempts and then goes back.
//!
//! [`apply`] decides, without clock, disk or RAUC; [`Updater`] keeps the state on the disk before it does anything, so
//! that a power cut at any step finds what was under way. [`Slots`] is the seam to RAUC. What the center asks for is an
//! [`Order`]; its bundle is brought here by a [`Fetch`] before the rest begins.
//!
//! What changes more often than an image lies beside it as an [`artefact`]: [`models`], and the agent itself as a
//! [`release`].

pub mod artefact;
mod bundle;
mod decide;
mod evidence;
mod fetch;
mod keep;
pub mod models;
mod order;
pub mod rauc;
pub mod release;
mod slots;
mod state;
mod updater;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod power_cuts;

pub use edge_protocol::version::{BadVersion, Version};

pub use bundle::{BUNDLE_LIFE, Bundle, Refusal, Wanted};
pub use decide::{Effect, Event, Step, apply};
pub use evidence::{
    Before, Evidence, HOLD, LINE_PATIENCE, Missing, Patience, Verdict, WITHIN, Watch, Worker, line_holds, missing,
};
pub use fetch::{Came, Fetch, Limits, Opened, Web, WebFault};
pub use keep::KeepFault;
pub use order::{Order, Ordered, Orders};
pub use slots::{BootState, BundleInfo, Slot, SlotName, Slots, SlotsFault, Standing};
pub use state::{Change, Confirmed, Phase, State, Told};
#[cfg(test)]
pub(crate) use updater::write_phase;
pub use updater::{FETCHED, Outside, UpdateFault, Updater, image_is_on_trial};

/// The version of this agent, which is that of the image that brings it unless it runs as a release.
pub fn own_version() -> Version {
    env!("CARGO_PKG_VERSION").parse().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_agent_knows_its_version() {
        assert_eq!(super::own_version().to_string(), env!("CARGO_PKG_VERSION"));
    }
}
