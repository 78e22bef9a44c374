//! What an update needs of this unit: files, the audit log, the agent's outbox, and the next boot.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use edge_protocol::hash::Hash256;
use edge_protocol::record::{AlertKind, AuditKind, AuditRecord, Change as Versions, Record, Word};
use edge_protocol::time::WallStamp;

use crate::app::run::commands::Log;
use crate::app::run::{self, witness};
use crate::control::{Appended, AuditLog as _, draft};
use crate::supervise::Clock;
use crate::update::{Change, Outside, Refusal, Source, Told, Version, Wanted};

/// Made in the runtime folder to have the unit boot; `edge-reboot.path` looks for it.
const REBOOT: &str = "reboot";
/// A file is hashed in pieces of this size.
const PIECE: usize = 1 << 16;

/// This unit.
#[derive(Debug)]
pub(super) struct Unit {
    data_dir: PathBuf,
    clock: Clock,
    /// What was told in this run; numbers must rise within one microsecond too.
    told: u64,
}

impl Unit {
    pub(super) const fn new(data_dir: PathBuf, clock: Clock) -> Self {
        Self { data_dir, clock, told: 0 }
    }

    /// Writes an entry into the audit log and leaves it, and an alert, for the agent to send.
    fn write_down(&mut self, told: &Told) -> Result<(), String> {
        let now = self.clock.wall();
        let mut log = Log::open(&self.data_dir.join("audit.sqlite")).map_err(|error| error.to_string())?;
        let entry = log.append(entry(told, now), None).map_err(|error| error.to_string())?;
        let mut records: Vec<Record> = alert(told, now).into_iter().collect();
        if let Appended::Written(entry) = entry {
            records.push(Record::Audit(Box::new(entry)));
        }
        for record in records {
            self.told += 1;
            let number = now.time.as_micros().unsigned_abs().saturating_add(self.told);
            witness::leave(&self.data_dir, number, &record).map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}

impl Outside for Unit {
    fn fetch(&mut self, wanted: &Wanted, _: &Path) -> Result<PathBuf, Refusal> {
        let path = match &wanted.source {
            Source::File(path) => path.clone(),
            Source::Url { url, .. } => {
                return Err(Refusal::NotFetched(format!("{url}: this unit downloads nothing yet")));
            }
        };
        let Some(hash) = wanted.hash else { return Ok(path) };
        let found =
            hash_of(&path).map_err(|error| Refusal::Unreadable { path: path.clone(), why: error.to_string() })?;
        if found == hash { Ok(path) } else { Err(Refusal::OtherHash { found, wanted: hash }) }
    }

    fn tell(&mut self, told: &Told) -> bool {
        let written = self.write_down(told);
        if let Err(error) = &written {
            tracing::error!(error, ?told, "what became of an update is not written down; tried again");
        }
        written.is_ok()
    }

    fn reboot(&mut self) {
        let Some(folder) = witness::runtime_folder() else {
            return tracing::warn!("no RUNTIME_DIRECTORY: boot the unit by hand");
        };
        if let Err(error) = File::create(folder.join(REBOOT)) {
            tracing::error!(%error, folder = %folder.display(), "boot the unit by hand");
        }
    }

    fn boot(&self) -> String {
        self.clock.boot().boot
    }
}

fn hash_of(path: &Path) -> io::Result<Hash256> {
    let (mut file, mut piece) = (File::open(path)?, vec![0; PIECE]);
    let mut context = digest::Context::new(&digest::SHA256);
    loop {
        let read = file.read(&mut piece)?;
        match piece.get(..read) {
            Some([]) | None => return Ok(Hash256::from_digest(&context.finish())),
            Some(bytes) => context.update(bytes),
        }
    }
}

fn version(version: Option<&Version>) -> String {
    version.map_or_else(|| "an image of unknown version".to_owned(), ToString::to_string)
}

/// The same in words, for the audit log.
fn words(told: &Told) -> String {
    let to = |change: &Change| change.from.other().as_str();
    match told {
        Told::Refused(why) => format!("a bundle was refused, nothing was changed: {why}"),
        Told::Installed(change) => format!("{} was written to slot {}, which is now primary", change.new, to(change)),
        Told::Good(change) => {
            format!("slot {} with {} is marked good, after {}", to(change), change.new, version(change.old.as_ref()))
        }
        Told::RolledBack(change, why) => format!(
            "slot {} with {} is back, {} was given up: {why}",
            change.from.as_str(),
            version(change.old.as_ref()),
            change.new
        ),
    }
}

fn entry(told: &Told, now: WallStamp) -> AuditRecord {
    let kind = match told {
        Told::Refused(_) => AuditKind::Refusal,
        Told::Installed(_) | Told::Good(_) | Told::RolledBack(..) => AuditKind::Outcome,
    };
    draft(kind, None, &words(told), now)
}

/// What the center is told at once, beside the entry.
fn alert(told: &Told, now: WallStamp) -> Option<Record> {
    let word = |text: &str| Word::cut(text);
    let kind = match told {
        Told::Refused(_) => AlertKind::Fault(word("update")),
        Told::Installed(_) => return None,
        Told::Good(change) => {
            AlertKind::Update(Versions { from: word(&version(change.old.as_ref())), to: word(&change.new.to_string()) })
        }
        Told::RolledBack(change, _) => AlertKind::Rollback(Versions {
            from: word(&change.new.to_string()),
            to: word(&version(change.old.as_ref())),
        }),
    };
    Some(Record::Alert(Box::new(run::alert::alert(kind, false, &words(told), now))))
}

#[cfg(test)]
mod tests {
    use edge_protocol::lane::Lane;

    use super::*;
    use crate::update::{Before, SlotName};

    #[test]
    fn a_rollback_is_in_the_audit_log_and_left_for_the_agent_to_send() {
        let folder = tempfile::tempdir().unwrap();
        let mut unit = Unit::new(folder.path().to_owned(), Clock::system());
        let (old, new, boot) = ("1.0.0".parse().ok(), "2.0.0".parse().unwrap(), "first".to_owned());
        let change = Change { from: SlotName::A, old, new, before: Before::default(), boot };
        assert!(unit.tell(&Told::RolledBack(change, "no frame of camera north".into())));
        let mut left: Vec<PathBuf> =
            std::fs::read_dir(folder.path().join("update/tell")).unwrap().map(|file| file.unwrap().path()).collect();
        left.sort();
        let read = |path: &PathBuf, lane| Record::from_payload(lane, &std::fs::read(path).unwrap()).unwrap();
        let Record::Alert(alert) = read(&left[0], Lane::Alert) else { panic!("no alert") };
        let versions = Versions { from: Word::cut("2.0.0"), to: Word::cut("1.0.0") };
        assert_eq!(alert.kind, AlertKind::Rollback(versions));
        let Record::Audit(entry) = read(&left[1], Lane::Audit) else { panic!("no entry") };
        assert_eq!(entry.text.as_str(), "slot A with 1.0.0 is back, 2.0.0 was given up: no frame of camera north");
        assert_eq!(entry.entry, 1);
    }

    #[test]
    fn another_file_than_was_wanted_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b.raucb");
        edge_store::disk::replace(&edge_store::disk::RealDisk, &path, b"abc").unwrap();
        let mut unit = Unit::new(folder.path().to_owned(), Clock::system());
        let mut wanted = |hash| unit.fetch(&Wanted { source: Source::File(path.clone()), hash: Some(hash) }, &path);
        assert_eq!(wanted(Hash256::of(b"abc")), Ok(path.clone()));
        assert!(matches!(wanted(Hash256::of(b"abd")), Err(Refusal::OtherHash { .. })));
    }
}
