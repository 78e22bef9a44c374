//! The tables of the file other than the cameras.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use edge_analytics::hotlist::normalise;
use edge_protocol::record::PlateText;

use super::fields::Fields;
use super::{Profile, default_metrics};
use crate::keys::TokenPlace;

/// `[uplink]`: the broker and what is spent on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uplink {
    /// The broker's name or address; its certificate must carry it.
    pub host: String,
    /// The broker's port.
    pub port: u16,
    /// The authority that signed the broker's certificate (PEM).
    pub ca: PathBuf,
    /// The unit's certificate (PEM).
    pub certificate: PathBuf,
    /// The unit's key (PEM, PKCS#8).
    pub key: PathBuf,
    /// How records are written.
    pub encoding: Encoding,
    /// Whose word lets the outbox forget.
    pub acknowledgement: Acknowledgement,
    /// Bytes a day that may go up; thumbnails and object events give way first.
    pub daily_bytes: Option<u64>,
}

/// `uplink.encoding`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Deterministic CBOR, the compact default.
    Cbor,
    /// JSON of the same schema, for centers that prefer to read it.
    Json,
}

/// `uplink.ack`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acknowledgement {
    /// Only the center's own acknowledgement after its commit.
    Center,
    /// The broker's PUBACK. A broker drops queued messages silently, so records can be lost.
    Broker,
}

/// `[control]`: who may ask the unit for something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    /// The agency's root certificate (PEM), the only trust in commands.
    pub agency_root: PathBuf,
    /// Purposes that a request for video may name.
    pub purposes: Vec<String>,
}

/// `[update]`: what the center may have downloaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// Hosts that bundles may come from; the broker's where none are named.
    pub hosts: Vec<String>,
    /// The authority that signed their certificates (PEM); the broker's where none is named.
    pub ca: PathBuf,
    /// Bytes a day that downloads may take; as many as may go up where nothing is said.
    pub daily_bytes: Option<u64>,
    /// The largest bundle.
    pub disk_bytes: u64,
}

/// `[reads]`: what becomes of plate reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reads {
    /// What of them leaves the unit.
    pub publish: Publish,
    /// How long they, and the objects seen, are kept on the unit.
    pub keep: Duration,
}

/// `[reads] publish`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Publish {
    /// Plate texts without a hit stay on the unit; only counts go up.
    Counts,
    /// Every read goes up; the unit's state announces it.
    All,
}

/// `[hotlist]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hotlist {
    /// Plates that make hits; accepted only with `profile = "dev"`.
    pub test_plates: Vec<PlateText>,
}

/// `[models]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Models {
    /// The folder that holds one folder per model.
    pub dir: PathBuf,
    /// Folder of the object detector.
    pub objects: String,
    /// Folder of the plate detector.
    pub plates: String,
    /// Folder of the plate reader.
    pub plate_text: String,
    /// Execution providers, best first; one that is absent is named in health and the next one serves.
    pub providers: Vec<String>,
    /// GStreamer's decoder elements to try before the others, best first; the rest go by the rank of what the board
    /// has.
    pub decoders: Vec<String>,
    /// ONNX Runtime's shared library, where it is not found beside the program.
    pub library: Option<PathBuf>,
}

/// `[health]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// How often a health record goes up.
    pub every: Duration,
    /// Where metrics are served; loopback only.
    pub metrics: Option<SocketAddr>,
}

/// `[page]`: the technician's page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Where it listens while it is open.
    pub listen: SocketAddr,
    /// The one port of the box at which it can be reached; any without it.
    pub interface: Option<String>,
    /// The folder that the factory made, with the page's certificate and the setup code's hash.
    pub claim: PathBuf,
    /// Whether the page of an enrolled unit is open; that of a new one is.
    pub armed: bool,
}

impl Page {
    /// None where the file says nothing of a page.
    pub(super) fn read(fields: &Fields<'_>) -> Option<Self> {
        let listen = fields.optional_parsed("listen", "an address such as 0.0.0.0:8443");
        let interface = fields.optional_text("interface", "a network interface such as \"service0\"");
        let is_no_name =
            |name: &str| name.len() > 15 || name.contains(|sign: char| sign == '/' || sign.is_whitespace());
        if interface.as_deref().is_some_and(is_no_name) {
            fields.mistake("interface", "is no interface: a name has at most 15 letters, and neither / nor spaces");
        }
        let claim = fields.optional_text("claim", "the folder that the factory made").map(PathBuf::from);
        let armed = fields.boolean("armed", false);
        fields.finish();
        fields.is_present().then(|| Self {
            listen: listen.unwrap_or(SocketAddr::from(([0, 0, 0, 0], 8443))),
            interface,
            claim: claim.unwrap_or_else(|| PathBuf::from("/persist/claim")),
            armed,
        })
    }
}

/// `[token]`: where the unit's key is made and kept, if not in a file.
pub(super) fn token(fields: &Fields<'_>) -> Option<TokenPlace> {
    if !fields.is_present() {
        return None;
    }
    let module = fields.text("module", "the token's PKCS#11 library, as /usr/lib/…/libtpm2_pkcs11.so");
    let label = fields.text("label", "the token's label, at most 32 bytes");
    if label.as_ref().is_some_and(|label| label.len() > 32) {
        fields.mistake("label", "is longer than a token's label can be: 32 bytes");
    }
    let pin_file = fields.text("pin_file", "a 0600 file that holds the user's PIN");
    fields.finish();
    Some(TokenPlace { module: module?.into(), label: label?, pin_file: pin_file?.into() })
}

impl Uplink {
    pub(super) fn read(fields: &Fields<'_>) -> Option<Self> {
        let host = fields.text("host", "the broker's name or address");
        let port = fields.integer("port", 1..=65_535, 8883);
        let ca = path(fields, "ca", "the broker's authority as a PEM file");
        let certificate = path(fields, "certificate", "the unit's certificate as a PEM file");
        let key = path(fields, "key", "the unit's key as a PEM file");
        let encoding = fields.choice("encoding", &[("cbor", Encoding::Cbor), ("json", Encoding::Json)], Encoding::Cbor);
        let words = [("center", Acknowledgement::Center), ("broker", Acknowledgement::Broker)];
        let acknowledgement = fields.choice("ack", &words, Acknowledgement::Center);
        let daily_bytes = fields.optional_integer("daily_bytes", 100_000..=1 << 50);
        fields.finish();
        let port = u16::try_from(port).unwrap_or(8883);
        Some(Self {
            host: host?,
            port,
            ca: ca?,
            certificate: certificate?,
            key: key?,
            encoding,
            acknowledgement,
            daily_bytes,
        })
    }
}

impl Control {
    pub(super) fn read(fields: &Fields<'_>) -> Option<Self> {
        let agency_root = path(fields, "agency_root", "the agency's root certificate as a PEM file");
        let mut purposes = fields.texts("purposes", "a list of purpose codes");
        if purposes.is_empty() {
            purposes = ["investigation", "missing-person", "stolen-vehicle", "traffic-collision", "audit"]
                .map(str::to_owned)
                .to_vec();
        }
        fields.finish();
        Some(Self { agency_root: agency_root?, purposes })
    }
}

impl Update {
    pub(super) fn read(fields: &Fields<'_>, uplink: &Uplink) -> Self {
        let mut hosts = fields.texts("hosts", "a list of host names, e.g. [\"updates.example\"]");
        if hosts.is_empty() {
            hosts.push(uplink.host.clone());
        }
        let ca = fields.optional_text("ca", "the authority of these hosts as a PEM file").map(PathBuf::from);
        let daily_bytes = fields.optional_integer("daily_bytes", 100_000..=1 << 50).or(uplink.daily_bytes);
        let disk_bytes = fields.integer("disk_bytes", 1 << 20..=1 << 40, 2 << 30);
        fields.finish();
        Self { hosts, ca: ca.unwrap_or_else(|| uplink.ca.clone()), daily_bytes, disk_bytes }
    }
}

impl Reads {
    pub(super) fn read(fields: &Fields<'_>) -> Self {
        let publish = fields.choice("publish", &[("counts", Publish::Counts), ("all", Publish::All)], Publish::Counts);
        let keep = Duration::from_hours(fields.integer("keep_hours", 1..=720, 24));
        fields.finish();
        Self { publish, keep }
    }
}

impl Hotlist {
    pub(super) fn read(fields: &Fields<'_>, profile: Profile) -> Self {
        let what = "a list of plates, A-Z and 0-9";
        let given = fields.texts("test_plates", what);
        if profile == Profile::Field && !given.is_empty() {
            fields.mistake(
                "test_plates",
                "is for tests; remove it, or set profile = \"dev\" on a unit that is not in the field",
            );
        }
        let (test_plates, wrong): (Vec<_>, Vec<_>) = given.iter().map(|text| normalise(text)).partition(Result::is_ok);
        if !wrong.is_empty() {
            fields.mistake("test_plates", format!("has {} text(s) that are no plate; give {what}", wrong.len()));
        }
        fields.finish();
        Self { test_plates: test_plates.into_iter().flatten().collect() }
    }
}

impl Models {
    pub(super) fn read(fields: &Fields<'_>) -> Option<Self> {
        let dir = path(fields, "dir", "the folder with the models");
        let name = |key, default: &str| {
            fields.optional_text(key, "the name of a folder in models.dir").unwrap_or_else(|| default.to_owned())
        };
        let (objects, plates) = (name("objects", "road-objects"), name("plates", "plates"));
        let plate_text = name("plate_text", "plate-text");
        let mut providers =
            fields.texts("providers", "a list of execution providers, e.g. [\"tensorrt\", \"cuda\", \"cpu\"]");
        if providers.is_empty() {
            providers.push("cpu".to_owned());
        }
        let decoders = fields.texts("decoders", "a list of GStreamer decoder elements, e.g. [\"avdec_h264\"]");
        let library = fields.optional_text("library", "ONNX Runtime's shared library").map(PathBuf::from);
        fields.finish();
        Some(Self { dir: dir?, objects, plates, plate_text, providers, decoders, library })
    }
}

impl Health {
    pub(super) fn read(fields: &Fields<'_>) -> Self {
        let every = Duration::from_secs(fields.integer("every_s", 1..=3600, 60));
        let metrics = fields.optional_parsed("metrics", "an address such as 127.0.0.1:9464");
        let metrics = metrics.unwrap_or_else(default_metrics);
        if !metrics.ip().is_loopback() {
            fields.mistake("metrics", "is not a loopback address; metrics are for this box alone, e.g. 127.0.0.1:9464");
        }
        let metrics = fields.boolean("metrics_enabled", true).then_some(metrics);
        fields.finish();
        Self { every, metrics }
    }
}

fn path(fields: &Fields<'_>, key: &'static str, what: &str) -> Option<PathBuf> {
    fields.text(key, what).map(PathBuf::from)
}
