use std::collections::BTreeMap;
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
pub(crate) struct World {
    keyring: Keyring,
    key: SigningKey,
    chain: Chain,
    pub(crate) data: tempfile::TempDir,
}

impl World {
    pub(crate) fn new() -> World {
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

    pub(crate) fn releases(&self) -> Releases<'static> {
        Releases::new(&RealDisk, self.data.path())
    }

    /// The file of a release whose program is this.
    pub(crate) fn file(&self, software: &str, program: &[u8], change: impl FnOnce(&mut AgentRelease)) -> Vec<u8> {
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
        self.install_on("1.4.0", file, before)
    }

    pub(crate) fn install_on(&self, image: &str, file: &[u8], before: Option<Before>) -> Result<bool, ArtefactFault> {
        let quality = ClockQuality::Synchronised { bound_ms: 500 };
        let now = WallStamp { time: "2026-11-29T12:00:00Z".parse().unwrap(), quality };
        let (trust, software) = (&self.keyring, &version(image));
        let terms = Terms { trust, software, now, latest: WallTime::default(), wanted: None };
        self.releases().install(&mut &*file, &terms, before, &mut |_| Ok(()))
    }

    fn place(&self, image: &str) -> Place {
        self.releases().place(&version(image)).unwrap()
    }

    /// The release that an image of this version starts.
    fn started_by(&self, image: &str) -> Option<String> {
        let Place::Give(release) = self.place(image) else { return None };
        Some(release.revision.to_string())
    }
}

fn version(text: &str) -> Version {
    text.parse().unwrap()
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
    assert_eq!(world.place("1.4.0"), Place::Keep, "there is none");
    world.install(&world.file("1.4.1", b"one", |_| {}), None).unwrap();
    for (image, starts) in [("1.4.0", true), ("1.3.9", true), ("1.5.0", false), ("1.4.1", false), ("1.4.0", true)] {
        assert_eq!(world.started_by(image).is_some(), starts, "{image}");
    }
    let not_for = "it is for images 1.3.9, 1.4.0, and this is 1.5.0; take the release that is for this image";
    assert_eq!(world.place("1.5.0"), Place::NotFor(version("1.4.1"), not_for.to_owned()));
}

#[test]
fn an_image_that_a_release_is_not_for_puts_it_aside_and_the_former_one_takes_it_up() {
    let world = World::new();
    world.install(&world.file("1.4.1", b"one", |_| {}), None).unwrap();
    let (releases, new) = (world.releases(), version("1.5.0"));
    releases.put_aside(&version("1.4.1"), &new, "not for it".to_owned()).unwrap();
    assert_eq!((world.place("1.5.0"), releases.in_use()), (Place::Keep, None));
    let swap = Swap { from: None, to: version("1.4.1") };
    assert_eq!(
        releases.standing().unwrap().untold.last(),
        Some(&Told::PutAside(swap.clone(), "not for it".to_owned()))
    );
    assert_eq!(world.started_by("1.4.0").as_deref(), Some("1.4.1"), "the bootloader fell back");
    releases.take_up(&version("1.4.1")).unwrap();
    assert_eq!(releases.in_use().map(|release| release.revision), Some(version("1.4.1")));
    assert_eq!(releases.standing().unwrap().untold.last(), Some(&Told::Taken(swap)));
    // What the new image gets of its own has the image's agent as its way back.
    releases.put_aside(&version("1.4.1"), &new, "not for it".to_owned()).unwrap();
    let file = world.file("1.5.1", b"next", |release| release.images = vec![version("1.5.0")]);
    world.install_on("1.5.0", &file, Some(Before::default())).unwrap();
    releases.give_up("it crashed".to_owned()).unwrap();
    let standing = releases.standing().unwrap();
    let swap = Swap { from: None, to: version("1.5.1") };
    assert_eq!(standing.untold.last(), Some(&Told::GoneBack(swap, "it crashed".to_owned())));
    assert_eq!((standing.current, world.place("1.5.0")), (None, Place::Keep));
}

#[test]
fn what_is_started_is_what_was_signed_whatever_became_of_the_file() {
    let world = World::new();
    world.install(&world.file("1.4.1", b"program", |_| {}), None).unwrap();
    let (releases, program) = (world.releases(), world.data.path().join("agents/sets/1.4.1/edge-agent"));
    let folder = program.parent().unwrap();
    let own = version("1.4.0");
    releases.program(folder, &own, &world.keyring).unwrap();
    let other = releases.program(folder, &version("1.5.0"), &world.keyring).unwrap_err().to_string();
    assert!(other.contains("it is for images 1.3.9, 1.4.0, and this is 1.5.0"), "{other}");
    let stranger = releases.program(folder, &own, &World::new().keyring).unwrap_err().to_string();
    assert!(stranger.contains("not signed by a key that this unit takes images from"), "{stranger}");
    for bytes in [&b"Program"[..], b"progra", b"program!"] {
        replace(&RealDisk, &program, bytes).unwrap();
        let refused = releases.program(folder, &own, &world.keyring).unwrap_err().to_string();
        assert!(refused.contains("it is not what was signed"), "{refused}");
    }
    std::fs::remove_file(&program).unwrap();
    releases.program(folder, &own, &world.keyring).unwrap_err();
    let manifest = program.with_file_name("set.cose");
    let mut bytes = std::fs::read(&manifest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    replace(&RealDisk, &manifest, &bytes).unwrap();
    assert!(matches!(world.place("1.4.0"), Place::Damaged(..)), "a manifest that rotted");
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

/// A unit with 1.4.1, and 1.4.2 on trial after it; what is known after these looks at minutes of the boots' clocks.
fn tried(before: Before, looks: &[(u64, u64, Evidence)]) -> Standing<Version> {
    let world = World::new();
    world.install(&world.file("1.4.1", b"one", |_| {}), None).unwrap();
    world.install(&world.file("1.4.2", b"two", |_| {}), Some(before)).unwrap();
    let (releases, mut watches) = (world.releases(), BTreeMap::<u64, Watch>::new());
    for (boot, minute, evidence) in looks {
        let now = (MonoTime::from_duration(Duration::from_mins(*minute)), boot.to_string());
        let watch = watches.entry(*boot).or_default();
        releases.look(watch, Some(evidence), Patience::default(), (now.0, &now.1)).unwrap();
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
        let standing = tried(before(), &[(0, 0, evidence.clone()), (0, 60, evidence)]);
        assert_eq!((standing.trial.is_some(), standing.current), (false, Some(version(ends))), "{what}");
        assert_eq!(standing.floor, Some(version(ends)), "{what}");
        if let Some(Told::GoneBack(_, why)) = standing.untold.last() {
            assert_eq!(why == "another one runs in its place", what.contains("runs"), "{what}: {why}");
        }
    }
}

/// One that takes the machine down is counted before it runs, where nobody comes to look.
#[test]
fn a_release_on_trial_that_has_had_its_boots_is_not_started_again() {
    let world = World::new();
    world.install(&world.file("1.4.1", b"one", |_| {}), None).unwrap();
    world.install(&world.file("1.4.2", b"two", |_| {}), Some(Before::default())).unwrap();
    let releases = world.releases();
    for boot in ["first", "first", "second", "third", "third"] {
        assert!(releases.meet(boot).unwrap(), "{boot}");
    }
    assert!(!releases.meet("fourth").unwrap());
    assert_eq!(world.started_by("1.4.0").as_deref(), Some("1.4.1"));
    assert!(releases.meet("fifth").unwrap(), "it proved itself long ago");
}

#[test]
fn a_line_that_dies_in_the_very_update_is_waited_for_through_boots_and_for_a_day() {
    let cut = || Evidence { acknowledged: false, ..seen(Some("1.4.2")) };
    let before = || Before::from(&healthy());
    let dead = Before { reached: false, ..before() };
    let standing = tried(dead, &[(0, 0, cut()), (0, 5, cut())]);
    assert!(standing.trial.is_none() && standing.current == Some(version("1.4.2")), "it was dead before");

    // Of each boot two whole hours count.
    let boot = |boot: u64| (0..=130).map(move |minute| (boot, minute, cut()));
    let looks = |boots: u64| (0..boots).flat_map(boot).collect::<Vec<_>>();
    let standing = tried(before(), &looks(11));
    assert!(standing.trial.is_some() && standing.awaits_line.is_some_and(|hours| hours >= 20), "{standing:?}");
    let back = [(99, 0, seen(Some("1.4.2"))), (99, 5, seen(Some("1.4.2")))];
    let standing = tried(before(), &[looks(11), back.to_vec()].concat());
    assert!(standing.trial.is_none() && standing.current == Some(version("1.4.2")), "the line is back: {standing:?}");

    let standing = tried(before(), &looks(13));
    let Some(Told::GoneBack(swap, why)) = standing.untold.last() else { panic!("{standing:?}") };
    assert_eq!((swap.from.as_ref(), standing.current.as_ref()), (Some(&version("1.4.1")), Some(&version("1.4.1"))));
    assert!(why.contains("did not reach the center for a day"), "{why}");
}
