//! Who keeps the unit's certificate young, where the unit was enrolled.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use edge_protocol::enrolment::Refusal;
use edge_protocol::record::{AlertKind, Record, Word};
use edge_store::disk::RealDisk;

use super::alert::alert;
use super::{Assembly, RunError};
use crate::enrolment::{Ends, Line, Place, Renewer};
use crate::keys::Keys;
use crate::publish::Entry;
use crate::supervise::queue::Sender;
use crate::supervise::{Clock, Station};
use crate::uplink::Renewals;
use crate::uplink::tls::client_config;

/// Starts renewing, where an enrolment says who the unit is. Certificates that are named one by one are somebody
/// else's to renew.
pub(super) fn start(assembly: &mut Assembly<'_>, renewals: &Renewals, entries: &Sender<Entry>) -> Result<(), RunError> {
    let Some(folder) = &assembly.config.enrolment else { return Ok(()) };
    let unfit = |error: crate::enrolment::EnrolError| RunError::Unfit { path: folder.clone(), why: error.to_string() };
    let place = Place::open(&RealDisk, Path::new(folder)).map_err(unfit)?;
    let (clock, keys) = (assembly.clock.clone(), Keys::of(assembly.config.token.as_ref()));
    let line = OverUplink { renewals: renewals.clone(), entries: entries.clone(), clock, keys: keys.clone() };
    let pulse = assembly.pulse("renewal");
    let (disk, line, clock) = (Arc::new(RealDisk), Box::new(line), assembly.clock.clone());
    let mut renewer = Renewer::new(Ends { place, keys, disk, line, clock, pulse });
    assembly.start("renewal", Station::Control, move |stop| renewer.run(stop))
}

struct OverUplink {
    renewals: Renewals,
    entries: Sender<Entry>,
    clock: Clock,
    keys: Keys,
}

impl Line for OverUplink {
    fn ask(&self, sealed: Vec<u8>) {
        self.renewals.ask(sealed);
    }

    fn answer(&self) -> Option<Vec<u8>> {
        self.renewals.answer().map(|answer| answer.to_vec())
    }

    fn switch(&self, [root, certificate, key]: [PathBuf; 3]) -> Result<(), String> {
        let tls = client_config(&root, &certificate, &key, &self.keys).map_err(|error| error.to_string())?;
        self.renewals.switch(tls);
        Ok(())
    }

    fn is_in_use(&self) -> bool {
        self.renewals.is_in_use()
    }

    fn refused(&self, reason: Refusal) {
        let words = format!("no further certificate: {}", reason.sentence());
        let alert = alert(AlertKind::Fault(Word::cut("renewal")), false, &words, self.clock.wall());
        if self.entries.send(Entry::Record(Record::Alert(Box::new(alert)))).is_err() {
            tracing::debug!("the outbox has stopped");
        }
    }
}
