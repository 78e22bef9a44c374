//! What an update needs of this unit: files, the audit log, the agent's outbox, and the next boot.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use edge_protocol::hash::Hash256;
use edge_protocol::record::{
    AlertKind, AuditKind, AuditRecord, Change as Versions, Record, Sentence, UpdateStage, UpdateStep, Verdict, Word,
};
use edge_protocol::time::WallStamp;
use edge_store::disk::RealDisk;

use crate::app::run::commands::{Log, signer};
use crate::app::run::{self, witness};
use crate::clip::Signer;
use crate::config::Config;
use crate::control::{Appended, AuditLog as _, answered, draft};
use crate::supervise::Clock;
use crate::update::{Change, Order, Orders, Outside, Refusal, Told, Version, Wanted};

/// Made in the runtime folder to have the unit boot; `edge-reboot.path` looks for it.
const REBOOT: &str = "reboot";
/// A file is hashed in pieces of this size.
const PIECE: usize = 1 << 16;

/// This unit.
#[derive(Debug)]
pub(super) struct Unit {
    data_dir: PathBuf,
    /// What names the unit and its key; none where it cannot be used.
    config: Option<Config>,
    clock: Clock,
    /// What was told in this run; numbers must rise within one microsecond too.
    told: u64,
}

impl Unit {
    pub(super) const fn new(data_dir: PathBuf, config: Option<Config>, clock: Clock) -> Self {
        Self { data_dir, config, clock, told: 0 }
    }

    /// Writes an entry into the audit log and leaves it, an alert, and the answer to an order for the agent to send.
    fn write_down(&mut self, told: &Told, order: Option<&Order>) -> Result<(), String> {
        let now = self.clock.wall();
        let mut log = Log::open(&self.data_dir.join("audit.sqlite")).map_err(|error| error.to_string())?;
        let entry = log.append(entry(told, now), None).map_err(|error| error.to_string())?;
        let mut records: Vec<Record> = alert(told, now).into_iter().collect();
        if let Appended::Written(entry) = entry {
            records.push(Record::Audit(Box::new(self.sealed(*entry))));
        }
        records.extend(order.map(|order| answer(order, verdict(told), now)));
        records.iter().try_for_each(|record| self.leave(record, now)).map_err(|error| error.to_string())
    }

    /// With the unit's seal. What became of an update is told in any case, without one where the key cannot be used.
    fn sealed(&self, entry: AuditRecord) -> AuditRecord {
        let config = self.config.as_ref().ok_or_else(|| "no configuration can be used".to_owned());
        let sealed = config.and_then(|config| {
            let Signer { key, chain, .. } = signer(config).map_err(|error| error.to_string())?;
            let unit = (&config.agency, &config.unit);
            entry.clone().sealed(unit, &key, &chain).map_err(|error| error.to_string())
        });
        sealed.unwrap_or_else(|error| {
            tracing::error!(error, entry = entry.entry, "an entry of the audit log is told without a seal");
            entry
        })
    }

    fn leave(&mut self, record: &Record, now: WallStamp) -> io::Result<()> {
        self.told += 1;
        let number = now.time.as_micros().unsigned_abs().saturating_add(self.told);
        witness::leave(&self.data_dir, number, record)
    }

    /// Tells whoever gave the order how far it is.
    pub(super) fn progress(&mut self, order: &Order, step: UpdateStep) -> io::Result<()> {
        let now = self.clock.wall();
        self.leave(&answer(order, Verdict::Update(step), now), now)
    }

    /// Gives up an order that the update's state machine has not got yet.
    pub(super) fn give_up(&mut self, order: &Order, why: &Refusal) -> Result<(), String> {
        self.write_down(&Told::Refused(why.to_string()), Some(order))?;
        self.orders(&RealDisk).remove().map_err(|error| error.to_string())
    }

    fn orders<'d>(&self, disk: &'d RealDisk) -> Orders<'d> {
        Orders::new(disk, &self.data_dir.join("update"))
    }

    /// Writes down what became of the update that is under way, and ends the order that it came from with it.
    fn conclude(&mut self, told: &Told) -> Result<(), String> {
        let orders = self.orders(&RealDisk);
        let order = orders.read().map_err(|error| error.to_string())?.filter(|order| order.handed);
        self.write_down(told, order.as_ref())?;
        match told {
            Told::Refused(_) | Told::Good(_) | Told::RolledBack(..) if order.is_some() => {
                orders.remove().map_err(|error| error.to_string())
            }
            Told::Installed(_) | Told::Refused(_) | Told::Good(_) | Told::RolledBack(..) => Ok(()),
        }
    }
}

impl Outside for Unit {
    fn check(&mut self, wanted: &Wanted) -> Result<(), Refusal> {
        let Wanted { file, hash, .. } = wanted;
        let Some(hash) = *hash else { return Ok(()) };
        let unreadable = |error: io::Error| Refusal::Unreadable { path: file.clone(), why: error.to_string() };
        let found = hash_of(file).map_err(unreadable)?;
        if found == hash { Ok(()) } else { Err(Refusal::OtherHash { found, wanted: hash }) }
    }

    fn tell(&mut self, told: &Told) -> bool {
        let written = self.conclude(told);
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

/// What became of an order, for whoever gave it.
fn verdict(told: &Told) -> Verdict {
    let text = Sentence::cut(&words(told));
    match told {
        Told::Installed(_) => Verdict::Update(UpdateStep { stage: UpdateStage::Installed, percent: 100, text }),
        Told::Good(_) => Verdict::Done(text),
        Told::Refused(_) | Told::RolledBack(..) => Verdict::Failed(text),
    }
}

pub(in crate::app) fn answer(order: &Order, verdict: Verdict, now: WallStamp) -> Record {
    answered(Some(order.request), Some(order.command), verdict, now)
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
    use edge_protocol::command::UpdateScope;
    use edge_protocol::id::{CommandId, RequestId};
    use edge_protocol::lane::Lane;
    use edge_protocol::sign::Root;
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

    use super::*;
    use crate::update::{Before, SlotName};

    const EXAMPLE: &str = include_str!("../../../../docs/edge-agent.example.toml");

    /// A unit that has neither key nor certificate yet.
    fn unit(folder: &Path) -> Unit {
        let mut config = Config::parse(EXAMPLE).unwrap();
        config.uplink.key = folder.join("unit.key");
        config.uplink.certificate = folder.join("unit.pem");
        Unit::new(folder.to_owned(), Some(config), Clock::system())
    }

    /// Gives it both; the root that vouches for them.
    fn certify(unit: &Unit) -> Root {
        let Config { agency, unit: name, uplink, .. } = unit.config.as_ref().unwrap();
        let mut root = CertificateParams::new(Vec::new()).unwrap();
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = CertifiedIssuer::self_signed(root, KeyPair::generate().unwrap()).unwrap();
        let (key, mut subject) = (KeyPair::generate().unwrap(), CertificateParams::new(Vec::new()).unwrap());
        subject.distinguished_name.push(DnType::CommonName, format!("{agency}/{name}"));
        let certificate = subject.signed_by(&key, &root).unwrap().pem();
        for (path, pem) in [(&uplink.key, key.serialize_pem()), (&uplink.certificate, certificate)] {
            edge_store::disk::replace(&RealDisk, path, pem.as_bytes()).unwrap();
        }
        Root::from_pem(root.pem().as_bytes()).unwrap()
    }

    fn change() -> Change {
        let (old, new, boot) = ("1.0.0".parse().ok(), "2.0.0".parse().unwrap(), "first".to_owned());
        Change { from: SlotName::A, old, new, before: Before::default(), boot }
    }

    /// What was left for the agent to send, in its order.
    fn left(folder: &Path) -> Vec<Record> {
        let files = std::fs::read_dir(folder.join("update/tell")).unwrap().map(|file| file.unwrap().path());
        let mut files: Vec<PathBuf> = files.collect();
        files.sort();
        let lane = |file: &Path| file.extension().unwrap().to_str().unwrap().parse::<Lane>().unwrap();
        files.iter().map(|file| Record::from_payload(lane(file), &std::fs::read(file).unwrap()).unwrap()).collect()
    }

    fn order(folder: &Path, handed: bool) -> Order {
        let scope = UpdateScope {
            url: "https://center/b".to_owned(),
            hash: Hash256::of(b"bundle"),
            bytes: 6,
            version: "2.0.0".parse().unwrap(),
            quiet: None,
        };
        let (request, command) = (RequestId::from_bytes([1; 16]), CommandId::from_bytes([2; 16]));
        let order = Order::new(request, command, &scope, WallStamp::default()).unwrap();
        let order = Order { handed, ..order };
        std::fs::create_dir_all(folder.join("update")).unwrap();
        Orders::new(&RealDisk, &folder.join("update")).write(&order).unwrap();
        order
    }

    #[test]
    fn whoever_ordered_an_update_hears_of_each_step_and_its_end_ends_the_order() {
        let ends: [(Told, bool); 3] = [
            (Told::Good(change()), true),
            (Told::RolledBack(change(), "no frame of camera north".into()), false),
            (Told::Refused("it is for another board".into()), false),
        ];
        for (end, is_good) in ends {
            let folder = tempfile::tempdir().unwrap();
            let order = order(folder.path(), true);
            let mut unit = unit(folder.path());
            assert!(unit.tell(&Told::Installed(change())));
            let orders = Orders::new(&RealDisk, &folder.path().join("update"));
            assert_eq!(orders.read().unwrap(), Some(order.clone()), "its end is still to come");
            assert!(unit.tell(&end));
            assert_eq!(orders.read().unwrap(), None, "{end:?}");
            let mut answers = Vec::new();
            for record in left(folder.path()) {
                let Record::Answer(answer) = record else { continue };
                answers.push(answer);
            }
            assert!(answers.iter().all(|answer| answer.request == Some(order.request)), "{answers:?}");
            let verdicts: Vec<&Verdict> = answers.iter().map(|answer| &answer.verdict).collect();
            let [Verdict::Update(step), last] = verdicts[..] else { panic!("{verdicts:?}") };
            assert_eq!(step.stage, UpdateStage::Installed);
            assert!(matches!((last, is_good), (Verdict::Done(_), true) | (Verdict::Failed(_), false)), "{last:?}");
        }
    }

    #[test]
    fn what_a_technician_installs_says_nothing_to_whoever_ordered_another() {
        let folder = tempfile::tempdir().unwrap();
        let order = order(folder.path(), false);
        let mut unit = unit(folder.path());
        assert!(unit.tell(&Told::Refused("it is no whole bundle".into())));
        assert!(left(folder.path()).iter().all(|record| !matches!(record, Record::Answer(_))));
        let orders = Orders::new(&RealDisk, &folder.path().join("update"));
        assert_eq!(orders.read().unwrap().as_ref(), Some(&order));
        unit.give_up(&order, &Refusal::NotFetched("a week is over".into())).unwrap();
        assert!(matches!(left(folder.path()).last(), Some(Record::Answer(_))));
        assert_eq!(orders.read().unwrap(), None);
    }

    #[test]
    fn a_rollback_is_in_the_audit_log_and_left_for_the_agent_to_send() {
        let folder = tempfile::tempdir().unwrap();
        let mut unit = unit(folder.path());
        assert!(unit.tell(&Told::RolledBack(change(), "no frame of camera north".into())));
        let left = left(folder.path());
        let [Record::Alert(alert), Record::Audit(entry)] = &left[..] else { panic!("{left:?}") };
        let versions = Versions { from: Word::cut("2.0.0"), to: Word::cut("1.0.0") };
        assert_eq!(alert.kind, AlertKind::Rollback(versions));
        assert_eq!(entry.text.as_str(), "slot A with 1.0.0 is back, 2.0.0 was given up: no frame of camera north");
        assert_eq!((entry.entry, &entry.seal), (1, &None), "told although there is no key");
    }

    #[test]
    fn what_became_of_an_update_is_sealed_with_the_units_key_as_the_log_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut unit = unit(folder.path());
        let (root, config) = (certify(&unit), unit.config.clone().unwrap());
        for told in [Told::Installed(change()), Told::Good(change()), Told::RolledBack(change(), "no frame".into())] {
            assert!(unit.tell(&told));
        }
        let log = edge_store::audit::Audit::open(&folder.path().join("audit.sqlite")).unwrap().audit;
        let hashes: Vec<Hash256> = log.entries(0, 10).unwrap().iter().map(|entry| entry.hash).collect();
        let mut sealed = Vec::new();
        for record in left(folder.path()) {
            let Record::Audit(entry) = record else { continue };
            assert!(entry.check_seal(&config.agency, &config.unit, &root).unwrap().is_ok(), "{entry:?}");
            sealed.push(entry.hash());
        }
        assert_eq!((sealed.len(), sealed), (3, hashes));
    }

    #[test]
    fn another_file_than_was_wanted_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b.raucb");
        edge_store::disk::replace(&edge_store::disk::RealDisk, &path, b"abc").unwrap();
        let mut unit = unit(folder.path());
        let mut wanted = |hash| unit.check(&Wanted { file: path.clone(), hash: Some(hash), version: None });
        assert_eq!(wanted(Hash256::of(b"abc")), Ok(()));
        assert!(matches!(wanted(Hash256::of(b"abd")), Err(Refusal::OtherHash { .. })));
    }
}
