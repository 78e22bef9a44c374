//! An update that the center asked for, as it lies on this unit until its end.
//!
//! The agent writes it, and `edge-agent update carry-out`, a process beside it, carries it out: the download first,
//! since nothing of the unit's state is concerned by it, then the state machine of every update. Who asked hears of
//! each step.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use edge_protocol::command::{Artefact, QuietHours, UpdateScope};
use edge_protocol::hash::Hash256;
use edge_protocol::id::{CommandId, RequestId};
use edge_protocol::time::{WallStamp, WallTime};
use edge_store::disk::Disk;
use serde::{Deserialize, Serialize};

use super::bundle::is_set;
use super::keep::{self, Found, KeepFault, Kind};
use super::{Refusal, Version};

/// The file of the order in the update's folder; `edge-update.path` looks for it.
const ORDER: &str = "order";
const KIND: Kind = Kind { first_line: "edge-update-order 1" };
/// A bundle that has not come within this time is given up.
const LIFE: Duration = Duration::from_hours(7 * 24);
/// For how long a clip that is being sent, or a clock that nobody sets, may put a reboot off.
const PUT_OFF: Duration = Duration::from_hours(24);

/// What is ordered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Ordered {
    /// An image, for the other slot.
    Image {
        /// The version that the bundle says to be.
        version: Version,
    },
    /// A set of models.
    Models {
        /// Its revision.
        revision: u64,
    },
    /// A release of the agent.
    Agent {
        /// Its version.
        agent: Version,
    },
}

impl fmt::Display for Ordered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image { version } => version.fmt(f),
            Self::Models { revision } => write!(f, "models {revision}"),
            Self::Agent { agent } => write!(f, "agent {agent}"),
        }
    }
}

impl Ordered {
    fn read(scope: &UpdateScope) -> Result<Self, String> {
        let text = scope.version.as_str();
        let version = || text.parse().map_err(|_| format!("`{text}` is no version such as 1.5.0"));
        match scope.artefact {
            None | Some(Artefact::Image) => Ok(Self::Image { version: version()? }),
            Some(Artefact::Agent) => Ok(Self::Agent { agent: version()? }),
            Some(Artefact::Models) => match text.parse() {
                Ok(revision) => Ok(Self::Models { revision }),
                Err(_) => Err(format!("`{text}` is no revision such as 7")),
            },
        }
    }
}

/// An update that the center asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// For which request; names the answers.
    pub request: RequestId,
    /// By which command.
    pub command: CommandId,
    /// Where the file is.
    pub url: String,
    /// The file's SHA-256.
    pub hash: Hash256,
    /// How long the file is.
    pub bytes: u64,
    /// What is in it. On the disk its fields stand beside these, as before there were sets of models: an order outlives
    /// the image that wrote it.
    #[serde(flatten)]
    pub what: Ordered,
    /// When the unit may boot into it, look with other models, or start another agent.
    pub quiet: Option<QuietHours>,
    /// When it was given; none where the clock was not set.
    pub given: Option<WallTime>,
    /// Whether the file was here, and whoever puts it to use has it or is about to get it.
    pub handed: bool,
}

impl Order {
    /// The order that a command gives.
    ///
    /// # Errors
    /// In words, where the version or revision is none.
    pub fn new(request: RequestId, command: CommandId, scope: &UpdateScope, now: WallStamp) -> Result<Self, String> {
        let what = Ordered::read(scope)?;
        let given = is_set(now).then_some(now.time);
        let UpdateScope { url, hash, bytes, quiet, .. } = scope.clone();
        Ok(Self { request, command, url, hash, bytes, what, quiet, given, handed: false })
    }

    /// Whether it is an image, for the other slot.
    pub const fn is_image(&self) -> bool {
        matches!(self.what, Ordered::Image { .. })
    }

    /// Whether the time for its download is over. `waited` is how long whoever asks has waited itself.
    pub fn is_late(&self, now: WallStamp, waited: Duration) -> Option<Refusal> {
        let age = self.given.filter(|_| is_set(now)).map(|given| now.time.saturating_since(given));
        let late = age.unwrap_or(waited) > LIFE;
        late.then(|| Refusal::NotFetched("a week is over".to_owned()))
    }

    /// Whether the unit may boot now, having waited for it so long. Hours are kept to the minute where the time is
    /// known; a clip that never ends, and a clock that nobody sets, put the boot off for a day.
    pub fn may_boot(&self, now: WallStamp, waited: Duration, clip_is_sent: bool) -> bool {
        let is_over = waited >= PUT_OFF;
        let is_quiet = self.quiet.is_none_or(|hours| if is_set(now) { hours.contains(now.time) } else { is_over });
        is_quiet && (is_over || !clip_is_sent)
    }
}

/// Where the order lies.
#[derive(Debug)]
pub struct Orders<'d> {
    disk: &'d dyn Disk,
    path: PathBuf,
}

impl<'d> Orders<'d> {
    /// The order in the update's folder.
    pub fn new(disk: &'d dyn Disk, folder: &Path) -> Self {
        Self { disk, path: folder.join(ORDER) }
    }

    /// The order, if there is one. One that rotted is set aside: whoever asked hears nothing more of it, and asks
    /// again.
    ///
    /// # Errors
    /// When the disk cannot be read.
    pub fn read(&self) -> Result<Option<Order>, KeepFault> {
        Ok(match KIND.read(self.disk, &self.path)? {
            Found::Nothing => None,
            Found::Kept(order) => Some(order),
            Found::SetAside(path) => {
                tracing::error!("the order of an update was damaged and is set aside as {}", path.display());
                None
            }
        })
    }

    /// Writes the order; it is on the disk when this returns.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn write(&self, order: &Order) -> Result<(), KeepFault> {
        keep::write(self.disk, &self.path, &KIND.bytes(order))
    }

    /// Ends the order.
    ///
    /// # Errors
    /// When the disk does not let it go.
    pub fn remove(&self) -> Result<(), KeepFault> {
        keep::remove(self.disk, &self.path)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use edge_protocol::time::ClockQuality;
    use edge_store::disk::faulty::{FaultyDisk, Plan};

    use super::*;

    /// The order of a bundle with these bytes.
    pub(in super::super) fn order(bundle: &[u8]) -> Order {
        let scope = UpdateScope {
            url: "https://center/b.raucb".to_owned(),
            hash: Hash256::of(bundle),
            bytes: bundle.len() as u64,
            version: "1.5.0".parse().unwrap(),
            quiet: Some(QuietHours { from_min: 120, to_min: 240, offset_min: 0 }),
            artefact: None,
        };
        let ids = (RequestId::from_bytes([1; 16]), CommandId::from_bytes([2; 16]));
        Order::new(ids.0, ids.1, &scope, at("2026-11-29T12:00:00Z")).unwrap()
    }

    fn at(text: &str) -> WallStamp {
        WallStamp { time: text.parse().unwrap(), quality: ClockQuality::Synchronised { bound_ms: 1 } }
    }

    const HOUR: Duration = Duration::from_hours(1);

    #[test]
    fn the_unit_boots_in_its_hours_and_not_while_a_clip_is_sent() {
        let order = order(b"bundle");
        assert!(!order.may_boot(at("2026-11-29T12:00:00Z"), HOUR, false));
        assert!(order.may_boot(at("2026-11-30T02:00:00Z"), HOUR, false));
        assert!(!order.may_boot(at("2026-11-30T02:00:00Z"), HOUR, true));
        assert!(order.may_boot(at("2026-12-01T02:00:00Z"), 25 * HOUR, true), "a clip that never ends");
        assert!(!order.may_boot(at("2026-12-01T04:00:00Z"), 25 * HOUR, false), "the hours hold for ever");
        let at_once = Order { quiet: None, ..order };
        assert!(at_once.may_boot(at("2026-11-29T12:00:00Z"), Duration::ZERO, false));
        assert!(!at_once.may_boot(at("2026-11-29T12:00:00Z"), Duration::ZERO, true));
    }

    #[test]
    fn a_unit_that_does_not_know_the_hour_waits_a_day() {
        let order = order(b"bundle");
        let unset = WallStamp { quality: ClockQuality::Free, ..at("1970-01-01T02:30:00Z") };
        assert!(!order.may_boot(unset, HOUR, false));
        assert!(order.may_boot(unset, 24 * HOUR, false));
    }

    #[test]
    fn a_bundle_that_has_not_come_within_a_week_is_given_up() {
        let order = order(b"bundle");
        assert_eq!(order.is_late(at("2026-12-06T12:00:00Z"), Duration::ZERO), None);
        assert!(order.is_late(at("2026-12-06T12:00:01Z"), Duration::ZERO).is_some());
        let unset = WallStamp { quality: ClockQuality::Free, ..at("2030-01-01T00:00:00Z") };
        assert_eq!(order.is_late(unset, HOUR), None);
        assert!(order.is_late(unset, 170 * HOUR).is_some());
    }

    #[test]
    fn an_order_is_whole_or_not_there() {
        let disk = FaultyDisk::new(Plan::none());
        let orders = Orders::new(&disk, Path::new("/data/update"));
        assert_eq!(orders.read().unwrap(), None);
        orders.remove().unwrap();
        orders.write(&order(b"bundle")).unwrap();
        assert_eq!(orders.read().unwrap(), Some(order(b"bundle")));
        disk.rot(Path::new("/data/update/order"), 100);
        assert_eq!(orders.read().unwrap(), None);
        orders.write(&order(b"bundle")).unwrap();
        orders.remove().unwrap();
        assert_eq!(orders.read().unwrap(), None);
    }

    #[test]
    fn a_version_that_is_none_is_said_at_once() {
        let scope = UpdateScope {
            url: "https://center/b".to_owned(),
            hash: Hash256::of(b""),
            bytes: 1,
            version: "today".parse().unwrap(),
            quiet: None,
            artefact: None,
        };
        let ids = (RequestId::from_bytes([1; 16]), CommandId::from_bytes([2; 16]));
        let words = Order::new(ids.0, ids.1, &scope, at("2026-11-29T12:00:00Z")).unwrap_err();
        assert!(words.contains("`today` is no version"), "{words}");
        let scope = UpdateScope { artefact: Some(Artefact::Models), version: "1.5.0".parse().unwrap(), ..scope };
        let words = Order::new(ids.0, ids.1, &scope, at("2026-11-29T12:00:00Z")).unwrap_err();
        assert!(words.contains("`1.5.0` is no revision"), "{words}");
    }

    /// The image that ends an order may be another than the one that took it.
    #[test]
    fn an_order_of_an_image_is_written_as_it_was_before_there_were_artefacts_beside_it() {
        let image = serde_json::to_value(order(b"bundle")).unwrap();
        assert_eq!((&image["version"], order(b"bundle").is_image()), (&"1.5.0".into(), true));
        let others: [(&str, serde_json::Value, Ordered); 2] = [
            ("revision", 7.into(), Ordered::Models { revision: 7 }),
            ("agent", "1.5.1".into(), Ordered::Agent { agent: "1.5.1".parse().unwrap() }),
        ];
        for (field, value, what) in others {
            let mut other = image.clone();
            other.as_object_mut().unwrap().remove("version");
            other[field] = value;
            let other: Order = serde_json::from_value(other).unwrap();
            assert_eq!((&other.what, other.is_image()), (&what, false));
            assert_eq!(serde_json::from_value::<Order>(serde_json::to_value(&other).unwrap()).unwrap(), other);
        }
    }
}
