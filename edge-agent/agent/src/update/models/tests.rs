use edge_protocol::batch::CONTRACT_VERSION;
use edge_protocol::record::Word;
use edge_protocol::sign::{Chain, SigningKey};
use edge_protocol::time::{ClockQuality, WallTime};
use edge_store::disk::RealDisk;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};

use super::*;

const NOW: &str = "2026-11-25T12:00:00Z";

/// An agency with its policy administrator, and a unit's data folder.
struct World {
    root: Root,
    key: SigningKey,
    chain: Chain,
    data: tempfile::TempDir,
}

impl World {
    fn new() -> World {
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(DnType::CommonName, "springfield root");
        let issuer = CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap();
        let mut parameters = CertificateParams::default();
        let uri = "edge://springfield/person/pat?role=policy-admin";
        parameters.subject_alt_names = vec![SanType::URI(uri.try_into().unwrap())];
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &issuer).unwrap();
        World {
            root: Root::from_pem(issuer.pem().as_bytes()).unwrap(),
            key: SigningKey::from_pem(key.serialize_pem().as_bytes()).unwrap(),
            chain: Chain::from_pem(certificate.pem().as_bytes()).unwrap(),
            data: tempfile::tempdir().unwrap(),
        }
    }

    /// The file of a set whose only model says `text`.
    fn set(&self, revision: u64, text: &str, change: impl FnOnce(&mut ModelSet)) -> Vec<u8> {
        let file = |path: &str, bytes: &[u8]| ModelFile {
            path: path.to_owned(),
            bytes: bytes.len() as u64,
            hash: Hash256::of(bytes),
        };
        let mut set = ModelSet {
            version: CONTRACT_VERSION,
            agency: "springfield".parse().unwrap(),
            revision,
            built: "2026-11-01T00:00:00Z".parse().unwrap(),
            least_software: Word::cut("0.1.0"),
            files: vec![file("plates/model.onnx", text.as_bytes()), file("plates/golden/input.f32", b"golden")],
        };
        change(&mut set);
        [set.head(&self.key, &self.chain).unwrap().as_slice(), text.as_bytes(), b"golden"].concat()
    }

    fn sets(&self) -> ModelSets<'static> {
        ModelSets::new(&RealDisk, self.data.path())
    }

    fn install(&self, set: &[u8], test: &mut dyn FnMut(&Path) -> Result<(), String>) -> Result<u64, ModelsFault> {
        let (agency, software) = ("springfield".parse().unwrap(), "0.1.0".parse().unwrap());
        let quality = ClockQuality::Synchronised { bound_ms: 500 };
        let now = WallStamp { time: NOW.parse::<WallTime>().unwrap(), quality };
        let terms = Terms { agency: &agency, root: &self.root, software: &software, now };
        self.sets().install(&mut &*set, &terms, test)
    }

    /// What the current model says.
    fn current(&self) -> Option<String> {
        std::fs::read_to_string(self.sets().current()?.join("plates/model.onnx")).ok()
    }
}

#[allow(clippy::unnecessary_wraps, reason = "stands for a test that may fail")]
fn passes(_: &Path) -> Result<(), String> {
    Ok(())
}

#[test]
fn a_set_becomes_the_current_one_only_after_its_self_test() {
    let world = World::new();
    assert_eq!(world.current(), None);
    assert_eq!(world.install(&world.set(1, "one", |_| {}), &mut passes).unwrap(), 1);
    assert_eq!(world.current().as_deref(), Some("one"));
    let mut seen = None;
    let mut fails = |folder: &Path| {
        seen = std::fs::read_to_string(folder.join("plates/model.onnx")).ok();
        Err("plates: golden outputs differ".to_owned())
    };
    let failed = world.install(&world.set(2, "two", |_| {}), &mut fails).unwrap_err();
    assert!(failed.to_string().contains("golden outputs differ"), "{failed}");
    assert_eq!(seen.as_deref(), Some("two"), "tested where it lies");
    assert_eq!((world.current().as_deref(), world.sets().revision()), (Some("one"), Some(1)));
    assert_eq!(world.install(&world.set(2, "two", |_| {}), &mut passes).unwrap(), 2);
    assert_eq!(world.current().as_deref(), Some("two"));
    assert!(world.data.path().join("models/sets/1").is_dir(), "the way back");
}

#[test]
fn each_set_that_does_not_belong_here_is_refused_and_the_current_one_stays() {
    let world = World::new();
    world.install(&world.set(5, "five", |_| {}), &mut passes).unwrap();
    let mut torn = world.set(6, "six", |_| {});
    let end = torn.len() - 1;
    torn[end] ^= 1;
    let mut longer = world.set(6, "six", |_| {});
    longer.push(0);
    let short = world.set(6, "six", |_| {})[..end].to_vec();
    let stranger = World::new().set(6, "six", |_| {});
    let cases = [
        (torn, "plates/golden/input.f32 is not what was signed"),
        (longer, "what follows the last file"),
        (short, "plates/golden/input.f32 is not what was signed"),
        (b"edgemod1".to_vec(), "its head is not what was signed"),
        (stranger, "not signed by a policy administrator"),
        (world.set(4, "four", |_| {}), "revision 4 is below 5"),
        (world.set(5, "other", |_| {}), "revision 5 is in use already"),
        (world.set(6, "six", |set| set.built = "2026-01-01T00:00:00Z".parse().unwrap()), "half a year ago"),
        (world.set(6, "six", |set| set.least_software = Word::cut("9.0.0")), "needs version 9.0.0 of the agent"),
    ];
    for (set, words) in cases {
        let mut never = |_: &Path| panic!("{words}: tested");
        let refused = world.install(&set, &mut never).unwrap_err().to_string();
        assert!(refused.contains(words), "{refused} does not say {words}");
        assert_eq!((world.current().as_deref(), world.sets().revision()), (Some("five"), Some(5)));
        assert!(!world.data.path().join("models/sets/6").exists(), "{words}: something is left");
    }
}

#[test]
fn what_a_power_cut_left_of_a_set_is_in_nobodys_way() {
    let world = World::new();
    world.install(&world.set(1, "one", |_| {}), &mut passes).unwrap();
    let half = world.data.path().join("models/sets/2/plates");
    std::fs::create_dir_all(&half).unwrap();
    symlink("sets/2", world.data.path().join("models/current.new")).unwrap();
    assert_eq!(world.current().as_deref(), Some("one"));
    assert_eq!(world.install(&world.set(2, "two", |_| {}), &mut passes).unwrap(), 2);
    assert_eq!(world.current().as_deref(), Some("two"));
}
