//! A unit that is nobody's yet: it looks, so that its cameras can be aimed, and keeps and tells nothing.
//!
//! Once it is enrolled this life ends, and the service manager begins the next one, which is a unit's.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::opening::Opening;
use super::surviving::Awaited;
use super::vitals::Vitals;
use super::{Assembly, RunError};
use crate::enrolment::IDENTITY;
use crate::publish::{self, Entry};
use crate::supervise::queue::{ReceiveError, Sender, bounded};
use crate::supervise::{Station, Stop};

const LOOK: Duration = Duration::from_secs(1);

/// Stands where outbox and uplink are otherwise: what is to be told is dropped. Sees when there is an identity.
pub(super) fn start(assembly: &mut Assembly<'_>, awaited: Awaited, vitals: &Vitals) -> Result<Sender<Entry>, RunError> {
    let (entries, told) = bounded(publish::QUEUE);
    vitals.watch_queue(entries.gauge());
    vitals.note_new();
    if assembly.locked.is_none() {
        tracing::warn!(
            "this unit is not enrolled: it looks, and keeps and tells nothing; its page waits for a technician"
        );
        // A technician is at work here: the page stays open once the unit is enrolled.
        Opening::of(&assembly.config.data_dir).leave();
    }
    let identity = assembly.config.enrolment.as_ref().map(|folder| folder.join(IDENTITY));
    let (clock, pulse) = (assembly.clock.clone(), assembly.pulse("nobody"));
    let body = move |stop: &Stop| {
        while !stop.is_set() {
            pulse.beat(clock.mono());
            match told.receive_timeout(LOOK) {
                Ok(_) | Err(ReceiveError::Timeout) => {}
                Err(ReceiveError::Closed) => return Ok(()),
            }
            // Who enrols it here has more to do after that: the first connection, and the claim's end.
            let under_way = awaited.under_way.load(Ordering::Acquire);
            if !under_way && identity.as_ref().is_some_and(|identity| identity.exists()) {
                tracing::info!("this unit is enrolled: it begins anew");
                awaited.enrolled.set();
            }
        }
        Ok(())
    };
    assembly.start("nobody", Station::Publish, body)?;
    Ok(entries)
}
