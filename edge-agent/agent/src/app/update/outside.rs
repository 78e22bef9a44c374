//! What an update needs of this unit: files, the audit log, the agent's outbox, and the next boot.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use edge_protocol::agent_release::AgentRelease;
use edge_protocol::hash::Hash256;
use edge_protocol::model_set::ModelSet;
use edge_protocol::record::{AuditRecord, Record, UpdateStep, Verdict};
use edge_protocol::time::WallStamp;
use edge_store::disk::RealDisk;

use super::news::News;
use crate::app::run::auditing::sealed;
use crate::app::run::commands::Log;
use crate::app::run::witness;
use crate::config::Config;
use crate::control::{AuditLog as _, answered};
use crate::supervise::{Clock, program};
use crate::update::{Order, Ordered, Orders, Outside, Refusal, Told, Wanted};

/// Made in the runtime folder to have the unit boot; `edge-reboot.path` looks for it.
const REBOOT: &str = "reboot";

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
    pub(super) fn write_down(&mut self, news: &News, order: Option<&Order>) -> Result<(), String> {
        let now = self.clock.wall();
        let mut log = Log::open(&self.data_dir.join("audit.sqlite")).map_err(|error| error.to_string())?;
        let entry = log.append(news.entry(now)).map_err(|error| error.to_string())?;
        let mut records: Vec<Record> = news.alert(now).into_iter().collect();
        records.push(Record::Audit(Box::new(self.sealed(*entry))));
        records.extend(order.map(|order| answer(order, news.verdict.clone(), now)));
        records.iter().try_for_each(|record| self.leave(record, now)).map_err(|error| error.to_string())
    }

    /// With the unit's seal.
    fn sealed(&self, entry: AuditRecord) -> AuditRecord {
        if let Some(config) = &self.config {
            return sealed(config, entry);
        }
        tracing::error!(
            entry = entry.entry,
            "without a configuration an entry of the audit log is told without a seal"
        );
        entry
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
        let told = match &order.what {
            Ordered::Image { .. } => News::of_image(&Told::Refused(why.to_string())),
            Ordered::Models { revision } => News::not_taken::<ModelSet>(revision, why),
            Ordered::Agent { agent } => News::not_taken::<AgentRelease>(agent, why),
        };
        self.end(order, &told)
    }

    /// Writes down how an order ended, and ends it.
    pub(super) fn end(&mut self, order: &Order, news: &News) -> Result<(), String> {
        self.write_down(news, Some(order))?;
        self.orders(&RealDisk).remove().map_err(|error| error.to_string())
    }

    fn orders<'d>(&self, disk: &'d RealDisk) -> Orders<'d> {
        Orders::new(disk, &self.data_dir.join("update"))
    }

    /// Writes down what became of the update that is under way, and ends the order that it came from with it.
    fn conclude(&mut self, told: &Told) -> Result<(), String> {
        let orders = self.orders(&RealDisk);
        let order = orders.read().map_err(|error| error.to_string())?.filter(|order| order.handed && order.is_image());
        self.write_down(&News::of_image(told), order.as_ref())?;
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

pub(super) fn hash_of(path: &Path) -> io::Result<Hash256> {
    program::hash_of(&mut File::open(path)?)
}

pub(in crate::app) fn answer(order: &Order, verdict: Verdict, now: WallStamp) -> Record {
    answered(Some(order.request), Some(order.command), verdict, now)
}

#[cfg(test)]
pub(in crate::app) use tests::{certified, left};

#[cfg(test)]
mod tests {
    use edge_protocol::command::UpdateScope;
    use edge_protocol::id::{CommandId, RequestId};
    use edge_protocol::lane::Lane;
    use edge_protocol::sign::Root;
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

    use edge_protocol::record::{AlertKind, Change as Versions, UpdateStage, Word};

    use super::*;
    use crate::update::{Before, Change, SlotName};

    /// A unit that has neither key nor certificate yet.
    fn unit(folder: &Path) -> Unit {
        Unit::new(folder.to_owned(), Some(config(folder)), Clock::system())
    }

    fn config(folder: &Path) -> Config {
        let mut config = Config::parse(include_str!("../../../../docs/edge-agent.example.toml")).unwrap();
        config.uplink.key = folder.join("unit.key");
        config.uplink.certificate = folder.join("unit.pem");
        config
    }

    /// A unit with key and certificate in this folder; the root that vouches for them.
    pub(in crate::app) fn certified(folder: &Path) -> (Config, Root) {
        let config = config(folder);
        let mut root = CertificateParams::new(Vec::new()).unwrap();
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = CertifiedIssuer::self_signed(root, KeyPair::generate().unwrap()).unwrap();
        let (key, mut subject) = (KeyPair::generate().unwrap(), CertificateParams::new(Vec::new()).unwrap());
        subject.distinguished_name.push(DnType::CommonName, format!("{}/{}", config.agency, config.unit));
        let certificate = subject.signed_by(&key, &root).unwrap().pem();
        for (path, pem) in [(&config.uplink.key, key.serialize_pem()), (&config.uplink.certificate, certificate)] {
            edge_store::disk::replace(&RealDisk, path, pem.as_bytes()).unwrap();
        }
        (config, Root::from_pem(root.pem().as_bytes()).unwrap())
    }

    fn change() -> Change {
        let (old, new, boot) = ("1.0.0".parse().ok(), "2.0.0".parse().unwrap(), "first".to_owned());
        Change { from: SlotName::A, old, new, before: Before::default(), boot }
    }

    /// What was left for the agent to send, in its order.
    pub(in crate::app) fn left(folder: &Path) -> Vec<Record> {
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
            artefact: None,
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
        let (config, root) = certified(folder.path());
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
