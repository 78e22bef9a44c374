//! An agency that signs sets of models, and a unit that takes them.

use std::path::Path;

use edge_protocol::batch::CONTRACT_VERSION;
use edge_protocol::hash::Hash256;
use edge_protocol::model_set::ModelFile;
use edge_protocol::record::Word;
use edge_protocol::sign::{Chain, SigningKey};
use edge_protocol::time::{ClockQuality, WallStamp};
use edge_store::disk::RealDisk;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};

use super::super::Before;
use super::super::artefact::{ArtefactFault, Terms};
use super::*;

const NOW: &str = "2026-11-25T12:00:00Z";

/// An agency with its policy administrator, and a unit's data folder.
pub(crate) struct World {
    trust: Agency,
    key: SigningKey,
    chain: Chain,
    pub(crate) data: tempfile::TempDir,
}

impl World {
    pub(crate) fn new() -> World {
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(DnType::CommonName, "springfield root");
        let issuer = CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap();
        let mut parameters = CertificateParams::default();
        let uri = "edge://springfield/person/pat?role=policy-admin";
        parameters.subject_alt_names = vec![SanType::URI(uri.try_into().unwrap())];
        parameters.not_after = rcgen::date_time_ymd(2027, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &issuer).unwrap();
        World {
            trust: Agency {
                id: "springfield".parse().unwrap(),
                root: Root::from_pem(issuer.pem().as_bytes()).unwrap(),
            },
            key: SigningKey::from_pem(key.serialize_pem().as_bytes()).unwrap(),
            chain: Chain::from_pem(certificate.pem().as_bytes()).unwrap(),
            data: tempfile::tempdir().unwrap(),
        }
    }

    /// The file of a set whose only model says `text`.
    pub(crate) fn set(&self, revision: u64, text: &str, change: impl FnOnce(&mut ModelSet)) -> Vec<u8> {
        let files = [("plates/model.onnx", text.into()), ("plates/golden/input.f32", b"golden".to_vec())];
        self.set_of(revision, &files.map(|(path, bytes)| (path.to_owned(), bytes)), change)
    }

    /// The file of a set with these files.
    pub(crate) fn set_of(
        &self,
        revision: u64,
        files: &[(String, Vec<u8>)],
        change: impl FnOnce(&mut ModelSet),
    ) -> Vec<u8> {
        let file = |(path, bytes): &(String, Vec<u8>)| ModelFile {
            path: path.clone(),
            bytes: bytes.len() as u64,
            hash: Hash256::of(bytes),
        };
        let mut set = ModelSet {
            version: CONTRACT_VERSION,
            agency: "springfield".parse().unwrap(),
            revision,
            built: "2026-11-01T00:00:00Z".parse().unwrap(),
            least_software: Word::cut("0.1.0"),
            files: files.iter().map(file).collect(),
        };
        change(&mut set);
        let head = set.head(&self.key, &self.chain).unwrap();
        files.iter().fold(head, |set, (_, bytes)| [set, bytes.clone()].concat())
    }

    pub(crate) fn sets(&self) -> ModelSets<'static> {
        ModelSets::new(&RealDisk, self.data.path())
    }

    pub(crate) fn install(
        &self,
        set: &[u8],
        test: &mut dyn FnMut(&Path) -> Result<(), String>,
    ) -> Result<bool, ArtefactFault> {
        self.install_on(&self.sets(), set, None, test)
    }

    /// On any disk; on trial where `before` is given.
    pub(crate) fn install_on(
        &self,
        sets: &ModelSets<'_>,
        set: &[u8],
        before: Option<Before>,
        test: &mut dyn FnMut(&Path) -> Result<(), String>,
    ) -> Result<bool, ArtefactFault> {
        self.with_terms(|_| {}, |terms| sets.install(&mut &*set, terms, before, test))
    }

    /// With other terms than usual, and a self-test that passes.
    pub(crate) fn judged(
        &self,
        set: &[u8],
        change: impl FnOnce(&mut Terms<'_, ModelSet>),
    ) -> Result<bool, ArtefactFault> {
        self.with_terms(change, |terms| self.sets().install(&mut &*set, terms, None, &mut passes))
    }

    /// By an agent of another version.
    pub(crate) fn judged_by(&self, software: &Version, set: &[u8]) -> Result<bool, ArtefactFault> {
        self.with_terms(
            |_| {},
            |terms| self.sets().install(&mut &*set, &Terms { software, ..*terms }, None, &mut passes),
        )
    }

    fn with_terms<T>(
        &self,
        change: impl FnOnce(&mut Terms<'_, ModelSet>),
        install: impl FnOnce(&Terms<'_, ModelSet>) -> T,
    ) -> T {
        let software = "0.1.0".parse().unwrap();
        let quality = ClockQuality::Synchronised { bound_ms: 500 };
        let now = WallStamp { time: NOW.parse::<WallTime>().unwrap(), quality };
        let latest = WallTime::default();
        let mut terms = Terms { trust: &self.trust, software: &software, now, latest, wanted: None };
        change(&mut terms);
        install(&terms)
    }

    /// What the model in use says.
    pub(crate) fn current(&self) -> Option<String> {
        std::fs::read_to_string(self.sets().in_use()?.folder.join("plates/model.onnx")).ok()
    }

    pub(crate) fn revision(&self) -> Option<u64> {
        self.sets().in_use().map(|set| set.revision)
    }
}

#[allow(clippy::unnecessary_wraps, reason = "stands for a test that may fail")]
pub(crate) fn passes(_: &Path) -> Result<(), String> {
    Ok(())
}
