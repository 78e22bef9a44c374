//! What must hold for any bytes, one function a format. The fuzz targets call these, and so does the replay of the
//! corpora that runs with the ordinary tests.

#[path = "orders.rs"]
pub mod orders;

use std::io::Cursor;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use edge_agent::capture::assemble::Assembler;
use edge_agent::config::Config;
use edge_agent::media::nal;
use edge_agent::onvif;
use edge_agent::vision::read_any;
use edge_analytics::hotlist::normalise;
use edge_analytics::manifest::ModelSpec;
use edge_protocol::agent_release::{AgentRelease, MAX_PROGRAM_BYTES};
use edge_protocol::command::Command;
use edge_protocol::enrolment::{Answer, Renewal, RenewalAnswer, SealedRequest, SetupCode};
use edge_protocol::evidence::verify_clip;
use edge_protocol::media::Codec;
use edge_protocol::model_set::ModelSet;
use edge_protocol::sign::{Chain, Kind, Root, Signed, SigningKey};
use edge_protocol::time::WallTime;
use edge_protocol::topic::Topic;
use edge_store::disk::RealDisk;
use edge_store::ring::{Ring, RingPlace, RingReader};
use edge_tests::pki::{Identity, Pki};
use rcgen::{CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};

/// What must hold for any bytes.
pub type Check = fn(&[u8]);

/// Everything there is a check for, by the name of its corpus.
pub const ALL: &[(&str, Check)] = &[
    ("envelope", envelope),
    ("request", request),
    ("model", model),
    ("config", config),
    ("ring", ring),
    ("nal", nal_units),
    ("worker", worker),
    ("verify", verify),
    ("topic", topic),
    ("enrolment", enrolment),
    ("models", models),
    ("release", release),
    ("orders", orders),
    ("onvif", camera_answers),
];

/// An agency with a person and a unit, made anew in each process.
pub struct Signers {
    /// The agency's root.
    pub root: Root,
    /// An investigator.
    pub person: (SigningKey, Chain),
    /// A unit.
    pub unit: (SigningKey, Chain),
    /// Who signs sets of models and orders updates.
    pub administrator: (SigningKey, Chain),
    /// Who asks for a health record.
    pub technician: (SigningKey, Chain),
    /// An investigator of the same name in an agency that calls itself the same.
    pub stranger: (SigningKey, Chain),
}

impl Signers {
    /// The certificates that the root has signed, in DER.
    pub fn certificates(&self) -> impl Iterator<Item = &[u8]> {
        let all = [&self.person, &self.unit, &self.administrator, &self.technician];
        all.into_iter().flat_map(|(_, chain)| chain.certificates())
    }
}

/// Whoever signs what should get past the signature.
pub static SIGNERS: LazyLock<Signers> = LazyLock::new(|| {
    let pki = Pki::new("springfield");
    let keys = |of: &Identity| {
        let key = SigningKey::from_pem(of.key_pem.as_bytes()).expect("a key");
        (key, Chain::from_pem(of.certificate_pem.as_bytes()).expect("a certificate"))
    };
    Signers {
        root: Root::from_pem(pki.root_pem().as_bytes()).expect("a root"),
        person: keys(&pki.person("ada", "investigator")),
        unit: keys(&pki.unit("pole-7")),
        administrator: keys(&pki.person("kim", "policy-admin")),
        technician: keys(&pki.person("bo", "technician")),
        stranger: keys(&Pki::new("springfield").person("ada", "investigator")),
    }
});

/// Whoever makes images: the root in their keyring, and what signs bundles and releases of the agent under it.
pub static MAKER: LazyLock<(Root, SigningKey, Chain)> = LazyLock::new(|| {
    let new_key = || KeyPair::generate().expect("a key");
    let mut root = CertificateParams::default();
    root.is_ca = IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
    let root = CertifiedIssuer::self_signed(root, new_key()).expect("a root");
    let mut signing = CertificateParams::default();
    signing.extended_key_usages = vec![ExtendedKeyUsagePurpose::EmailProtection];
    let key = new_key();
    let certificate = signing.signed_by(&key, &root).expect("a certificate");
    (
        Root::from_pem(root.pem().as_bytes()).expect("a root"),
        SigningKey::from_pem(key.serialize_pem().as_bytes()).expect("a key"),
        Chain::from_der(certificate.der().to_vec()),
    )
});

/// What a camera with a harmless token is asked.
static PLAIN_QUESTION: LazyLock<String> = LazyLock::new(|| {
    let answer = b"<a><GetProfilesResponse><Profiles token=\"main\"/></GetProfilesResponse></a>";
    onvif::read_any(answer, "http://192.0.2.1/").questions.pop().expect("a question for the profile")
});

/// A command in its envelope: the bytes as they come, and as the payload of an honest signature.
pub fn envelope(bytes: &[u8]) {
    let judge = |sealed: &[u8]| {
        drop(Command::peek(sealed));
        drop(Command::open(sealed, &SIGNERS.root, None));
        drop(Command::open(sealed, &SIGNERS.root, Some(WallTime::from_micros(1_790_000_000_000_000))));
    };
    judge(bytes);
    let (key, chain) = &SIGNERS.person;
    judge(&Signed::seal(Kind::Command, bytes.to_vec(), key, chain).expect("a seal"));
}

/// The body of `POST /api/requests`: what the center looks at before it passes a command on.
pub fn request(bytes: &[u8]) {
    if let Ok(described) = rtcc::wire::describe_command(bytes) {
        assert!(Topic::parse(&described.topic).is_some(), "a command goes to a topic of the contract");
    }
}

/// A model's manifest.
pub fn model(bytes: &[u8]) {
    if let Ok(spec) = ModelSpec::parse(bytes) {
        assert!(spec.input_shape().iter().all(|&side| side > 0), "a model that is taken has an input");
    }
}

/// A configuration, and the same text as a plate of a list.
pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Err(error) = Config::parse(text) {
        assert!(!error.to_string().is_empty(), "a refusal says why");
    }
    drop(normalise(text));
}

/// A segment file found when a ring is opened: repaired, selected from and read.
pub fn ring(bytes: &[u8]) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("0000000000000001.seg"), bytes).expect("a segment");
    let place = ring_place(folder.path());
    let Ok((_ring, _)) = Ring::open(Arc::new(RealDisk), place.clone()) else { return };
    let reader = RingReader::open(Arc::new(RealDisk), place).expect("a reader of an open ring");
    let all = (WallTime::from_micros(i64::MIN), WallTime::from_micros(i64::MAX));
    let Ok(selection) = reader.select(all.0, all.1, 100) else { return };
    for group in &selection.groups {
        if let Ok(Some(contents)) = reader.read(group) {
            assert_eq!(contents.video.len() as u64, group.bytes, "a group is what its head says");
        }
    }
}

/// Where the check of a ring has its files.
pub fn ring_place(folder: &Path) -> RingPlace {
    let (unit, camera) = ("pole-7".parse().expect("an id"), "gate".parse().expect("an id"));
    RingPlace { folder: folder.to_owned(), index: None, unit, camera, quota_bytes: 1 << 30 }
}

/// A stream's samples, cut into NAL units and made into pictures.
pub fn nal_units(bytes: &[u8]) {
    let kept = nal::to_length_prefixed(bytes);
    let mut back = kept.clone();
    nal::to_annex_b(&mut back).expect("what was made is whole");
    assert_eq!(nal::to_length_prefixed(&back), kept, "every NAL unit survives both ways");
    let refused = nal::to_annex_b(&mut bytes.to_vec()).is_err();
    let damaged = nal::nal_units(bytes).any(|nal| !nal.is_ok_and(|nal| !nal.is_empty()));
    assert_eq!(refused, damaged, "what is damaged is refused, and nothing else");
    for codec in [Codec::H264, Codec::H265, Codec::Mjpeg] {
        drop(nal::parameter_sets(codec, bytes));
        let mut stream = Assembler::new(codec);
        for sample in bytes.chunks(64).chain([bytes]) {
            let Some(picture) = stream.picture(sample) else { continue };
            let whole = codec == Codec::Mjpeg || nal::nal_units(&picture.bytes).all(|nal| nal.is_ok());
            assert!(whole, "a picture that is kept is whole");
        }
    }
}

/// The socket between the agent and its vision worker, from both ends.
pub fn worker(bytes: &[u8]) {
    let (to, from) = read_any(bytes);
    assert!(to <= bytes.len() / 8 && from <= bytes.len() / 8, "every frame has a head");
}

/// A clip for `rtcc verify`: length of the manifest (`u32` LE), manifest, file. The manifest as it is, and signed.
pub fn verify(bytes: &[u8]) {
    let Some((length, rest)) = bytes.split_first_chunk::<4>() else { return };
    let length = (u32::from_le_bytes(*length) as usize).min(rest.len());
    let (manifest, media) = rest.split_at(length);
    drop(verify_clip(&mut Cursor::new(media), manifest, &SIGNERS.root));
    let (key, chain) = &SIGNERS.unit;
    let sealed = Signed::seal(Kind::ClipManifest, manifest.to_vec(), key, chain).expect("a seal");
    if let Ok(verified) = verify_clip(&mut Cursor::new(media), &sealed, &SIGNERS.root) {
        assert_eq!(verified.manifest.media_bytes, media.len() as u64, "what is verified has its length");
    }
}

/// A topic of the broker.
pub fn topic(bytes: &[u8]) {
    if let Some(topic) = std::str::from_utf8(bytes).ok().and_then(Topic::parse) {
        assert_eq!(Topic::parse(&topic.to_string()), Some(topic));
    }
}

/// What the center takes from whoever holds a claim certificate or a unit's, and a unit from the broker before it has
/// an identity: the bytes as they come, and as the payload of an honest signature.
pub fn enrolment(bytes: &[u8]) {
    let now = WallTime::from_micros(1_790_000_000_000_000);
    let name = ("springfield".parse().expect("an id"), "pole-7".parse().expect("an id"));
    let (key, chain) = &SIGNERS.unit;
    let sealed = |kind| Signed::seal(kind, bytes.to_vec(), key, chain).expect("a seal");
    let proof = SetupCode::draw(&[7; SetupCode::RANDOM_BYTES]).proof_key(&"EV-0001".parse().expect("a serial"));
    for message in [bytes, &sealed(Kind::Enrolment)] {
        if let Ok(asked) = SealedRequest::open(message) {
            assert!(asked.check_claim(&SIGNERS.root, now).is_err(), "a unit's certificate is no claim");
            asked.request.is_proved_by(&proof);
        }
    }
    for message in [bytes, &sealed(Kind::Renewal)] {
        drop(Renewal::open(message, (&name.0, &name.1), &SIGNERS.root, now));
    }
    drop(Answer::read(bytes, [0; 16], &proof));
    drop(RenewalAnswer::decode(bytes));
}

/// A set of models as it lies on a stick: the head of the file, and a manifest that its administrator has signed.
pub fn models(bytes: &[u8]) {
    if let Some(head) = bytes.first_chunk::<12>() {
        drop(ModelSet::manifest_length(*head));
    }
    let agency = "springfield".parse().expect("an id");
    let (key, chain) = &SIGNERS.administrator;
    let sealed = Signed::seal(Kind::ModelSet, bytes.to_vec(), key, chain).expect("a seal");
    for manifest in [bytes, &sealed] {
        if let Ok(set) = ModelSet::open(manifest, &agency, &SIGNERS.root, None) {
            let leaves = |path: &str| path.starts_with('/') || path.split('/').any(|part| part == "..");
            assert!(!set.files.iter().any(|file| leaves(&file.path)), "no file goes outside the folder of models");
        }
    }
}

/// A release of the agent as it is downloaded: the head of the file, and a manifest signed by whoever makes images.
pub fn release(bytes: &[u8]) {
    if let Some(head) = bytes.first_chunk::<12>() {
        drop(AgentRelease::manifest_length(*head));
    }
    let (root, key, chain) = &*MAKER;
    let sealed = |key, chain| Signed::seal(Kind::AgentRelease, bytes.to_vec(), key, chain).expect("a seal");
    for manifest in [bytes, &sealed(key, chain)] {
        if let Ok(release) = AgentRelease::open(manifest, root, None) {
            assert!((1..=MAX_PROGRAM_BYTES).contains(&release.bytes), "a program that is taken has a length");
            assert!(!release.images.is_empty(), "a release is for an image");
        }
    }
    let (key, chain) = &SIGNERS.administrator;
    let theirs = sealed(key, chain);
    assert!(AgentRelease::open(&theirs, root, None).is_err(), "the agency makes no releases");
    assert!(AgentRelease::open(&theirs, &SIGNERS.root, None).is_err(), "a person's certificate signs no release");
}

/// An order to a unit, all the way through its judgement: the bytes as they come, and as the payload of a signature for
/// this unit and this moment, by who may not and by who may; and as a signer's certificate.
pub fn orders(bytes: &[u8]) {
    assert_eq!(orders::judged(|_| Some(bytes.to_vec())).acts, 0, "nobody has signed it for this moment");
    for forger in [&SIGNERS.stranger, &SIGNERS.unit] {
        let seen = orders::judged(|challenge| orders::given_now(bytes, challenge, |_| forger));
        assert_eq!(seen.acts, 0, "nobody of the agency has signed it");
    }
    orders::judged(|challenge| orders::given_now(bytes, challenge, orders::entitled));
    let chain = Chain::from_der(bytes.to_vec());
    let is_ours = SIGNERS.certificates().any(|der| der == bytes);
    assert_eq!(SIGNERS.root.check(&chain, None).is_ok(), is_ours, "who the agency has not vouched for");
    drop((chain.subject(), chain.validity(), chain.serial(), chain.public_key()));
}

/// What a camera answers to ONVIF's questions and to the probe for cameras: what is shown of it disturbs no terminal,
/// and it leads nowhere else and puts nothing into the next question.
pub fn camera_answers(bytes: &[u8]) {
    let told = onvif::read_any(bytes, "http://192.0.2.1/onvif/device_service");
    let found = told.found.iter().flat_map(|camera| {
        let words = [Some(&camera.id), camera.name.as_ref(), camera.hardware.as_ref()];
        words.into_iter().flatten().chain(&camera.addresses)
    });
    let streams = told.streams.iter().flat_map(|stream| [&stream.name, &stream.codec, &stream.url]);
    for shown in found.chain(streams).chain(&told.media).chain(&told.proof).chain(&told.refusal) {
        assert!(!shown.chars().any(char::is_control), "{shown:?} is shown or sent");
    }
    assert!(told.media.is_none_or(|address| address.starts_with("http://192.0.2.1/")), "another host is asked");
    for stream in &told.streams {
        let authority = stream.url.split_once("://").and_then(|(_, rest)| rest.split('/').next());
        assert!(!authority.is_some_and(|authority| authority.contains('@')), "a password is shown: {}", stream.url);
    }
    let elements = |question: &String| question.matches(['<', '>']).count();
    let plain = elements(&PLAIN_QUESTION);
    assert!(told.questions.iter().all(|question| elements(question) == plain), "a profile's token adds elements");
}
