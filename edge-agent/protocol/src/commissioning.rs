//! What a technician leaves behind: a report on how the unit was left, signed by the unit itself.
//!
//! It travels in an entry of the audit log ([`crate::record::AuditRecord::report`]), so that it is numbered and chained
//! like everything else that was done. Of each camera it holds one small picture, black where the camera is masked, so
//! that whoever reads it sees what was aimed at.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::batch::{CONTRACT_VERSION, encode_cbor};
use crate::hash::Hash256;
use crate::id::{AgencyId, CameraId, UnitId};
use crate::record::{Sentence, Word, words};
use crate::sign::{Chain, Kind, Root, SignatureError, Signed, SigningKey, Subject};
use crate::state::Place;
use crate::time::{WallStamp, WallTime};
use crate::wire::blob;

/// The largest picture in a report, and all of a report's together: beside the checks they fit what is read.
pub const MAX_PICTURE_BYTES: usize = 20 * 1024;
/// See [`MAX_PICTURE_BYTES`].
pub const MAX_PICTURES_BYTES: usize = 40 * 1024;
/// The largest signed report that is read.
pub const MAX_REPORT_BYTES: usize = 64 * 1024;

words!(
    /// What a check came to.
    Verdict {
        /// As it should be.
        Ok = 0 "ok",
        /// It works, and something should be done about it.
        Warning = 1 "warning",
        /// It does not work.
        Failed = 2 "failed",
        /// Nothing was checked: it is not on this board, or nothing here tells of it.
        Unchecked = 3 "unchecked",
    }
);

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
pub struct Finding {
    /// What was checked.
    #[n(0)]
    pub check: String,
    /// Of which part, where there are several: a camera's id, a sensor's name.
    #[n(1)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// What it came to.
    #[n(2)]
    pub verdict: Verdict,
    /// What was measured.
    #[n(3)]
    pub measured: String,
    /// What to do; none where nothing is to be done.
    #[n(4)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

impl Finding {
    /// As it should be.
    pub fn ok(check: &str, measured: impl Into<String>) -> Self {
        Self { check: check.to_owned(), of: None, verdict: Verdict::Ok, measured: measured.into(), advice: None }
    }

    /// Works, and something should be done.
    pub fn warning(check: &str, measured: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { verdict: Verdict::Warning, advice: Some(advice.into()), ..Self::ok(check, measured) }
    }

    /// Does not work.
    pub fn failed(check: &str, measured: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { verdict: Verdict::Failed, advice: Some(advice.into()), ..Self::ok(check, measured) }
    }

    /// Not on this board, or not told by it: neither good nor bad.
    pub fn unchecked(check: &str, why: impl Into<String>) -> Self {
        Self { verdict: Verdict::Unchecked, ..Self::ok(check, why) }
    }

    /// The same of one of several parts.
    #[must_use]
    pub fn of(self, part: impl Into<String>) -> Self {
        Self { of: Some(part.into()), ..self }
    }
}

/// A small picture as a JPEG file. There is no `Debug` that shows it.
#[derive(Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(transparent)]
#[serde(transparent)]
pub struct Jpeg(
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    #[serde(with = "blob")]
    Vec<u8>,
);

impl Jpeg {
    /// How every JPEG file begins (ITU-T T.81, annex B: start of image, then a marker).
    const BEGIN: [u8; 3] = [0xff, 0xd8, 0xff];

    /// A file that is one, and no larger than a report takes.
    pub fn new(file: Vec<u8>) -> Option<Self> {
        Some(Self(file)).filter(Self::is_good)
    }

    fn is_good(&self) -> bool {
        self.0.starts_with(&Self::BEGIN) && self.0.len() <= MAX_PICTURE_BYTES
    }

    /// The file.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Its hash, by which people name it.
    pub fn hash(&self) -> Hash256 {
        Hash256::of(&self.0)
    }
}

impl std::fmt::Debug for Jpeg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Jpeg({} bytes)", self.0.len())
    }
}

/// A camera as it was left.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
pub struct Aimed {
    /// Its id.
    #[n(0)]
    pub camera: CameraId,
    /// Its name in words.
    #[n(1)]
    pub name: Word,
    /// Where it hangs.
    #[n(2)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Width and height of its picture.
    #[n(3)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<(u32, u32)>,
    /// How sharp its picture was: 100 for clean edges.
    #[n(4)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub focus: Option<u16>,
    /// The height of the plate that was seen last, pixels.
    #[n(5)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plate_px: Option<u32>,
    /// Names of its zones and lines.
    #[n(6)]
    pub drawn: Vec<Word>,
    /// What it saw then, black where it is masked; none where no picture came.
    #[n(7)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<Jpeg>,
}

/// A certificate that the unit had.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
pub struct Held {
    /// What it is for.
    #[n(0)]
    pub of: Word,
    /// Its serial number, hexadecimal.
    #[n(1)]
    pub serial: String,
    /// Until when it is good.
    #[n(2)]
    pub until: WallTime,
}

/// How a unit was left.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
pub struct Report {
    /// Version of the contract.
    #[n(0)]
    pub version: u32,
    /// When.
    #[n(1)]
    pub made: WallStamp,
    /// Whose unit.
    #[n(2)]
    pub agency: AgencyId,
    /// Which unit.
    #[n(3)]
    pub unit: UnitId,
    /// The serial number on its label.
    #[n(4)]
    pub serial: Word,
    /// Who was there, by the name given on the page.
    #[n(5)]
    pub technician: Word,
    /// Where it hangs, in words.
    #[n(6)]
    pub site: Sentence,
    /// The agent's version.
    #[n(7)]
    pub software: Word,
    /// Each model's name and version.
    #[n(8)]
    pub models: Vec<Word>,
    /// The cameras.
    #[n(9)]
    pub cameras: Vec<Aimed>,
    /// Every check.
    #[n(10)]
    pub findings: Vec<Finding>,
    /// The unit's certificates.
    #[n(11)]
    pub certificates: Vec<Held>,
}

/// Why a report is not believed.
#[derive(Debug, thiserror::Error)]
pub enum NoReport {
    /// It cannot be read.
    #[error("no report of this contract: {0}")]
    Malformed(String),
    /// Its signature is not good.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// It was signed by somebody other than the unit that it is about.
    #[error("signed by another than {0}")]
    Stranger(UnitId),
}

impl Report {
    /// Signs it with the unit's key.
    ///
    /// # Errors
    /// If the key does not belong to the chain, or does not sign.
    pub fn seal(&self, key: &SigningKey, chain: &Chain) -> Result<SealedReport, SignatureError> {
        Signed::seal(Kind::Commissioning, encode_cbor(self), key, chain).map(SealedReport)
    }

    /// How many checks came to a verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.findings.iter().filter(|finding| finding.verdict == verdict).count()
    }
}

/// A report as [`Report::seal`] signed it: a `COSE_Sign1`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(transparent)]
#[serde(transparent)]
pub struct SealedReport(
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    #[serde(with = "blob")]
    Vec<u8>,
);

impl SealedReport {
    /// From where it was kept. Nothing is checked yet.
    pub const fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Reads it, and checks that its unit has signed it under the agency's root. The certificate may have expired
    /// since.
    ///
    /// # Errors
    /// Why it is not believed.
    pub fn open(&self, root: &Root) -> Result<Report, NoReport> {
        let malformed = |error: &dyn std::fmt::Display| NoReport::Malformed(error.to_string());
        if self.0.len() > MAX_REPORT_BYTES {
            return Err(malformed(&format!("{} bytes", self.0.len())));
        }
        let signed = Signed::open(Kind::Commissioning, &self.0)?;
        let subject = root.check(&signed.chain, None)?;
        let report: Report = minicbor::decode(&signed.payload).map_err(|error| malformed(&error))?;
        if report.version != CONTRACT_VERSION {
            return Err(malformed(&format!("version {}", report.version)));
        }
        if report.cameras.iter().filter_map(|camera| camera.picture.as_ref()).any(|picture| !picture.is_good()) {
            return Err(malformed(&"a picture that is no small JPEG file"));
        }
        if subject != Subject::Unit(report.agency.clone(), report.unit.clone()) {
            return Err(NoReport::Stranger(report.unit));
        }
        Ok(report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sign::testing::Authority;

    fn report(unit: &str) -> Report {
        Report {
            version: CONTRACT_VERSION,
            made: WallStamp::default(),
            agency: "springfield".parse().unwrap(),
            unit: unit.parse().unwrap(),
            serial: Word::cut("SN42"),
            technician: Word::cut("Kim"),
            site: Sentence::cut("Main St / 3rd Ave"),
            software: Word::cut("edge-agent 0"),
            models: vec![Word::cut("plates 1")],
            cameras: vec![Aimed {
                camera: "gate".parse().unwrap(),
                name: Word::cut("Depot gate"),
                place: None,
                size: Some((1920, 1080)),
                focus: Some(93),
                plate_px: Some(31),
                drawn: vec![Word::cut("lane")],
                picture: Jpeg::new(vec![0xff, 0xd8, 0xff, 0xe0]),
            }],
            findings: vec![Finding::ok("clock", "good"), Finding::failed("tilt", "9°", "straighten it").of("box")],
            certificates: vec![Held { of: Word::cut("unit"), serial: "0a".to_owned(), until: WallTime::default() }],
        }
    }

    #[test]
    fn a_report_is_its_units_alone_and_one_changed_bit_anywhere_is_found() {
        let authority = Authority::new("springfield");
        let (unit, other) = (authority.unit("gate-1"), authority.unit("gate-2"));
        let sealed = report("gate-1").seal(&unit.key, &unit.chain).unwrap();
        assert_eq!(sealed.open(&authority.root()).unwrap(), report("gate-1"));
        assert!(sealed.open(&Authority::new("springfield").root()).is_err(), "another root of that name");
        let lent = report("gate-1").seal(&other.key, &other.chain).unwrap();
        assert!(matches!(lent.open(&authority.root()), Err(NoReport::Stranger(_))));
        for place in 0..sealed.as_bytes().len() {
            let mut changed = sealed.as_bytes().to_vec();
            changed[place] ^= 1;
            assert!(SealedReport::from_bytes(changed).open(&authority.root()).is_err(), "byte {place}");
        }
        assert_eq!(
            (sealed.open(&authority.root()).unwrap().count(Verdict::Failed), report("a").count(Verdict::Ok)),
            (1, 1)
        );
    }

    #[test]
    fn what_is_no_small_jpeg_file_is_no_picture_of_a_report() {
        let large = [Jpeg::BEGIN.to_vec(), vec![0; MAX_PICTURE_BYTES]].concat();
        for file in [Vec::new(), b"<script>".to_vec(), large] {
            assert_eq!(Jpeg::new(file.clone()), None);
            let authority = Authority::new("springfield");
            let unit = authority.unit("gate-1");
            let mut report = report("gate-1");
            report.cameras[0].picture = Some(Jpeg(file));
            let sealed = report.seal(&unit.key, &unit.chain).unwrap();
            assert!(matches!(sealed.open(&authority.root()), Err(NoReport::Malformed(_))), "signed or not");
        }
    }
}
