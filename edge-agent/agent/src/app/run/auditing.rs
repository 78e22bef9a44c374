//! What goes into the audit log without a command, and from there to the center.

use std::path::{Path, PathBuf};

use edge_protocol::record::{AlertKind, AuditKind, AuditRecord, Record};
use edge_protocol::time::WallStamp;

use super::RunError;
use super::commands::{Log, signer};
use crate::clip::Signer;
use crate::config::Config;
use crate::control::{AuditFault, AuditLog as _, draft};
use crate::publish::Entry;
use crate::supervise::Fault;
use crate::supervise::queue::Sender;

/// Why an entry is not in the audit log.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unwritten {
    /// The log cannot be opened.
    #[error(transparent)]
    Open(#[from] RunError),
    /// The log takes nothing.
    #[error(transparent)]
    Fault(#[from] AuditFault),
}

/// Writes an entry that no command begins; what the center is told of it comes back.
pub(super) fn write(log: &Path, draft: AuditRecord) -> Result<Box<AuditRecord>, Unwritten> {
    Ok(Log::open(log)?.append(draft)?)
}

/// An entry of the log with the unit's seal. What happened is told in any case, without one where the key cannot be
/// used, which the center alerts of.
pub(in crate::app) fn sealed(config: &Config, entry: AuditRecord) -> AuditRecord {
    let sealed = signer(config).map_err(|error| error.to_string()).and_then(|signer| {
        let Signer { key, chain, .. } = signer;
        let unit = (&config.agency, &config.unit);
        entry.clone().sealed(unit, &key, &chain).map_err(|error| error.to_string())
    });
    sealed.unwrap_or_else(|error| {
        tracing::error!(error, entry = entry.entry, "an entry of the audit log is told without a seal");
        entry
    })
}

/// Hands a record to the outbox and, where it is such an alarm, its entry with it.
pub(super) fn tell(
    entries: &Sender<Entry>,
    alarms: Option<&Alarms>,
    record: Record,
    now: WallStamp,
) -> Result<(), Fault> {
    let alarm = alarms.and_then(|alarms| alarms.entry(&record, now));
    let mut records = std::iter::once(record).chain(alarm);
    records.try_for_each(|record| {
        entries.send(Entry::Record(record)).map_err(|_| Fault("the outbox has stopped".to_owned()))
    })
}

/// Puts alarms of tampering, with box or camera, into the audit log besides, under the unit's seal: nobody between here
/// and whoever reads can make one, change one or take one out.
#[derive(Debug)]
pub(super) struct Alarms {
    config: Config,
    log: PathBuf,
}

impl Alarms {
    /// For a unit that has an audit log and a key.
    pub(super) fn new(config: &Config) -> Self {
        Self { config: config.clone(), log: config.data_dir.join("audit.sqlite") }
    }

    /// The entry to tell beside a record; none where it is no such alarm.
    pub(super) fn entry(&self, record: &Record, now: WallStamp) -> Option<Record> {
        let Record::Alert(alert) = record else { return None };
        let AlertKind::Tamper(_) = alert.kind else { return None };
        let whose = alert.camera.as_ref().map_or_else(|| "the box".to_owned(), |camera| format!("camera {camera}"));
        let words = format!("{whose}: {}", alert.text.as_str());
        match write(&self.log, draft(AuditKind::Alarm, None, &words, now)) {
            Ok(entry) => Some(Record::Audit(Box::new(sealed(&self.config, *entry)))),
            Err(error) => {
                tracing::error!(%error, words, "an alarm is not in the audit log; it is told without it");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use edge_protocol::id::{AgencyId, UnitId};
    use edge_protocol::record::Tamper;
    use edge_store::disk::{self, RealDisk};

    use super::super::alert::alert;
    use super::*;
    use crate::app::update::outside::certified;

    #[test]
    fn an_alarm_of_tampering_is_in_the_audit_log_under_the_units_seal_and_other_alerts_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let (config, root) = certified(folder.path());
        let (agency, unit): (AgencyId, UnitId) = (config.agency.clone(), config.unit.clone());
        let alarms = Alarms::new(&Config { data_dir: folder.path().to_owned(), ..config });
        let now = WallStamp::default();
        let of = |kind, words| Record::Alert(Box::new(alert(kind, false, words, now)));
        let opened = of(AlertKind::Tamper(Tamper::Opened), "the enclosure was opened");
        let Some(Record::Audit(entry)) = alarms.entry(&opened, now) else { panic!("no entry") };
        assert_eq!((entry.kind, entry.text.as_str()), (AuditKind::Alarm, "the box: the enclosure was opened"));
        assert!(entry.check_seal(&agency, &unit, &root).unwrap().is_ok());
        let log = edge_store::audit::Audit::open(&folder.path().join("audit.sqlite")).unwrap().audit;
        assert_eq!(log.entries(0, 10).unwrap().last().map(|kept| kept.hash), Some(entry.hash()));
        let fault = of(AlertKind::Fault(edge_protocol::record::Word::cut("audit")), "it does not work");
        assert_eq!(alarms.entry(&fault, now), None);
    }

    /// A renewal writes another pair, and takes the one away that was there when the agent started.
    #[test]
    fn an_alarm_after_a_renewal_is_sealed_with_the_key_that_the_unit_has_by_then() {
        let folder = tempfile::tempdir().unwrap();
        let (config, root) = certified(folder.path());
        let (agency, unit) = (config.agency.clone(), config.unit.clone());
        let name_pair = |name: &str| {
            let [key, certificate] = ["key", "pem"].map(|kind| folder.path().join(name).with_extension(kind));
            let text = format!(
                "[unit]\nagency = \"{agency}\"\nid = \"{unit}\"\n[uplink]\nhost = \"b\"\nport = 8883\nca = \"/r\"\n\
                 certificate = {certificate:?}\nkey = {key:?}\n[control]\nagency_root = \"/r\"\npurposes = []\n"
            );
            disk::replace(&RealDisk, &folder.path().join("identity.toml"), text.as_bytes()).unwrap();
        };
        name_pair("unit");
        let (data_dir, enrolment) = (folder.path().to_owned(), Some(folder.path().to_owned()));
        let alarms = Alarms::new(&Config { data_dir, enrolment, ..config });
        for kind in ["key", "pem"] {
            let [former, next] = ["unit", "next"].map(|name| folder.path().join(name).with_extension(kind));
            disk::replace(&RealDisk, &next, &std::fs::read(&former).unwrap()).unwrap();
            std::fs::remove_file(former).unwrap();
        }
        name_pair("next");
        let now = WallStamp::default();
        let opened = alert(AlertKind::Tamper(Tamper::Opened), false, "the enclosure was opened", now);
        let Some(Record::Audit(entry)) = alarms.entry(&Record::Alert(Box::new(opened)), now) else {
            panic!("no entry")
        };
        assert!(entry.check_seal(&agency, &unit, &root).is_some_and(|seal| seal.is_ok()));
    }
}
