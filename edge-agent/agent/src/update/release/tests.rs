use std::time::Duration;

use edge_protocol::batch::CONTRACT_VERSION;
use edge_protocol::hash::Hash256;
use edge_protocol::sign::{Chain, SigningKey};
use edge_protocol::time::{ClockQuality, MonoTime, WallStamp};
use edge_store::disk::{RealDisk, replace};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};

use super::super::artefact::{Standing, Swap, Terms, Told};
use super::super::evidence::tests::healthy;
use super::super::{Before, Patience, Watch};
use super::*;

/// Whoever makes images, and a unit whose image is 1.4.0.
struct World {
    keyring: Keyring,
    key: SigningKey,
    chain: Chain,
    data: tempfile::TempDir,
}

impl World {
    fn new() -> World {
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(DnType::CommonName, "maker of images");
        let root = CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap();
        let mut parameters = CertificateParams::default();
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::EmailProtection];
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &root).unwrap();
        let data = tempfile::tempdir().unwrap();
        // A keyring may hold more than one root, while one follows the other.
        let (other, keyring) =
            (rcgen::generate_simple_self_signed(["other".to_owned()]).unwrap(), data.path().join("k"));
        replace(&RealDisk, &keyring, (other.cert.pem() + &root.pem()).as_bytes()).unwrap();
        World {
            keyring: Keyring::read(&keyring).unwrap(),
            key: SigningKey::from_pem(key.serialize_pem().as_bytes()).unwrap(),
            chain: Chain::from_pem(certificate.pem().as_bytes()).unwrap(),
            data,
        }
    }

    fn releases(&self) -> Releases<'static> {
        Releases::new(&RealDisk, self.data.path())
    }

    /// The file of a release whose program is this.
    fn file(&self, software: &str, program: &[u8], change: impl FnOnce(&mut AgentRelease)) -> Vec<u8> {
        let mut release = AgentRelease {
            version: CONTRACT_VERSION,
            software: version(software),
            built: "2026-11-01T00:00:00Z".parse().unwrap(),
            images: vec![version("1.3.9"), version("1.4.0")],
            bytes: program.len() as u64,
            hash: Hash256::of(program),
        };
        change(&mut release);
        [release.head(&self.key, &self.chain).unwrap(), program.to_vec()].concat()
    }

    fn install(&self, file: &[u8], before: Option<Before>) -> Result<bool, ArtefactFault> {
        let quality = ClockQuality::Synchronised { bound_ms: 500 };
        let now = WallStamp { time: "2026-11-29T12:00:00Z".parse().unwrap(), quality };
        let (trust, software) = (&self.keyring, &version("1.4.0"));
        let terms = Terms { trust, software, now, latest: WallTime::default(), wanted: None };
        self.releases().install(&mut &*file, &terms, before, &mut |_| Ok(()))
    }

    /// The release that an image of this version starts.
    fn started_by(&self, image: &str) -> Option<String> {
        self.releases().to_start(&version(image)).map(|release| release.revision.to_string())
    }
}

fn version(text: &str) -> Version {
    text.parse().unwrap()
}

fn at(hours: u64) -> MonoTime {
    MonoTime::from_duration(Duration::from_hours(hours))
}

/// What an agent that does everything says of itself.
fn seen(release: Option<&str>) -> Evidence {
    Evidence { release: release.map(version), ..healthy() }
}

#[test]
fn each_release_that_does_not_belong_here_is_refused_and_the_agent_in_use_stays() {
    let world = World::new();
    world.install(&world.file("1.4.2", b"two", |_| {}), None).unwrap();
    let mut torn = world.file("1.4.3", b"three", |_| {});
    let end = torn.len() - 1;
    torn[end] ^= 1;
    let longer = [world.file("1.4.3", b"three", |_| {}), vec![0]].concat();
    let cases = [
        (torn, "edge-agent is not what was signed"),
        (longer, "what follows the last file"),
        (World::new().file("1.4.3", b"three", |_| {}), "not signed by a key that this unit takes images from"),
        (world.file("1.4.1", b"one", |_| {}), "1.4.1 is below 1.4.2"),
        (world.file("1.4.2", b"other", |_| {}), "1.4.2 is in use already, with other contents"),
        (world.file("1.4.0", b"as old", |_| {}), "1.4.0 is below 1.4.2"),
        (
            world.file("1.4.3", b"three", |release| release.images.truncate(1)),
            "it is for images 1.3.9, and this is 1.4.0",
        ),
        (
            world.file("1.4.3", b"three", |release| release.built = "2026-01-01T00:00:00Z".parse().unwrap()),
            "half a year",
        ),
    ];
    for (file, words) in cases {
        let refused = world.install(&file, None).unwrap_err().to_string();
        assert!(refused.contains(words), "{refused} does not say {words}");
        assert_eq!(world.started_by("1.4.0").as_deref(), Some("1.4.2"), "{words}");
    }
    let refused = World::new();
    let refused = refused.install(&refused.file("1.4.0", b"as old", |_| {}), None).unwrap_err().to_string();
    assert!(refused.contains("1.4.0 is not above 1.4.0, which the image brings"), "{refused}");
}

#[test]
fn an_image_starts_a_release_that_names_it_and_no_other() {
    let world = World::new();
    assert_eq!(world.started_by("1.4.0"), None, "there is none");
    world.install(&world.file("1.4.1", b"one", |_| {}), None).unwrap();
    for (image, starts) in [("1.4.0", true), ("1.3.9", true), ("1.5.0", false), ("1.4.1", false), ("1.4.0", true)] {
        assert_eq!(world.started_by(image).is_some(), starts, "{image}");
    }
}

#[test]
fn what_is_started_is_what_was_signed_whatever_became_of_the_file() {
    let world = World::new();
    world.install(&world.file("1.4.1", b"program", |_| {}), None).unwrap();
    let (releases, program) = (world.releases(), world.data.path().join("agents/sets/1.4.1/edge-agent"));
    let release = releases.to_start(&version("1.4.0")).unwrap();
    releases.program(&release, &world.keyring).unwrap();
    let stranger = releases.program(&release, &World::new().keyring).unwrap_err().to_string();
    assert!(stranger.contains("not signed by a key that this unit takes images from"), "{stranger}");
    for bytes in [&b"Program"[..], b"progra", b"program!"] {
        replace(&RealDisk, &program, bytes).unwrap();
        let refused = releases.program(&release, &world.keyring).unwrap_err().to_string();
        assert!(refused.contains("it is not what was signed"), "{refused}");
    }
    std::fs::remove_file(&program).unwrap();
    releases.program(&release, &world.keyring).unwrap_err();
    let manifest = program.with_file_name("set.cose");
    let mut bytes = std::fs::read(&manifest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    replace(&RealDisk, &manifest, &bytes).unwrap();
    assert_eq!(world.started_by("1.4.0"), None, "a manifest that rotted");
}

#[test]
fn one_that_is_passed_over_by_an_image_is_tried_by_another() {
    let world = World::new();
    world.install(&world.file("1.4.1", b"one", |_| {}), None).unwrap();
    world.releases().pass_over(&version("1.4.1"), &version("1.4.0"), "it crashed".to_owned()).unwrap();
    assert_eq!((world.started_by("1.4.0"), world.started_by("1.3.9")), (None, Some("1.4.1".to_owned())));
    let standing = world.releases().standing().unwrap();
    let swap = Swap { from: None, to: version("1.4.1") };
    assert_eq!(standing.untold.last(), Some(&Told::GoneBack(swap, "it crashed".to_owned())));
}

/// A unit with 1.4.1, and 1.4.2 on trial after it; what is known after these looks, a boot for each hour.
fn tried(before: Before, looks: &[(u64, Evidence)]) -> Standing<Version> {
    let world = World::new();
    world.install(&world.file("1.4.1", b"one", |_| {}), None).unwrap();
    world.install(&world.file("1.4.2", b"two", |_| {}), Some(before)).unwrap();
    let (releases, mut watch) = (world.releases(), Watch::default());
    for (hour, evidence) in looks {
        let boot = hour.to_string();
        releases.look(&mut watch, Some(evidence), Patience::default(), (at(*hour), &boot)).unwrap();
    }
    releases.standing().unwrap()
}

#[test]
fn a_release_on_trial_is_kept_when_that_very_program_did_all_that_an_image_must_and_goes_when_not() {
    let before = || Before::from(&healthy());
    let deaf = Evidence { outbox: false, ..seen(Some("1.4.2")) };
    let cases: [(&str, Evidence, &str); 4] = [
        ("works", seen(Some("1.4.2")), "1.4.2"),
        ("the former one still runs", seen(Some("1.4.1")), "1.4.1"),
        ("the image's own runs", seen(None), "1.4.1"),
        ("its outbox takes nothing", deaf, "1.4.1"),
    ];
    for (what, evidence, ends) in cases {
        let standing = tried(before(), &[(0, evidence.clone()), (1, evidence)]);
        assert_eq!((standing.trial.is_some(), standing.current), (false, Some(version(ends))), "{what}");
        assert_eq!(standing.floor, Some(version(ends)), "{what}");
    }
}

#[test]
fn a_line_that_dies_in_the_very_update_is_waited_for_through_boots_and_for_a_day() {
    let cut = || Evidence { acknowledged: false, ..seen(Some("1.4.2")) };
    let dead = Before { reached: false, ..Before::from(&healthy()) };
    let standing = tried(dead, &[(0, cut()), (1, cut())]);
    assert!(standing.trial.is_none() && standing.current == Some(version("1.4.2")), "it was dead before");

    let looks: Vec<(u64, Evidence)> = (0..24).map(|hour| (hour, cut())).collect();
    let before = || Before::from(&healthy());
    let standing = tried(before(), &looks);
    assert!(standing.trial.is_some() && standing.awaits_line, "{standing:?}");
    let holds = [looks[..5].to_vec(), vec![(6, seen(Some("1.4.2")))]].concat();
    let standing = tried(before(), &holds);
    assert!(standing.trial.is_none() && standing.current == Some(version("1.4.2")), "the line is back: {standing:?}");

    let standing = tried(before(), &[looks, vec![(24, cut())]].concat());
    let Some(Told::GoneBack(swap, why)) = standing.untold.last() else { panic!("{standing:?}") };
    assert_eq!((swap.from.as_ref(), standing.current.as_ref()), (Some(&version("1.4.1")), Some(&version("1.4.1"))));
    assert!(why.contains("did not reach the center for a day"), "{why}");
}
