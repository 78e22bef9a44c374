//! The setup code: what stands on the label, proves that somebody is at the unit, and opens its page.
//!
//! The code is never stored in clear. The unit keeps a salted hash ([`StoredCode`]) with which it can tell a right code
//! from a wrong one; the center keeps, for as long as it expects the unit, a key made from the code ([`ProofKey`]).
//! Neither can be computed from the other without the code: what lies on a stolen unit's disk enrols nothing.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use aws_lc_rs::{constant_time, hmac, pbkdf2};
use serde::{Deserialize, Serialize};

use super::Serial;
use crate::hash::Hash256;
use crate::wire::blob;

/// The signs of a code: no two of them are taken for each other on a dirty label (no 0 O Q, 1 I L, 2 Z, 5 S, 8 B, U).
/// With 12 of them there are 2^53 codes.
const SIGNS: &[u8; 22] = b"34679ACDEFGHJKMNPRTVWX";
/// Signs in a code.
const LENGTH: usize = 12;
/// Signs between two dashes on the label.
const GROUP: usize = 4;
/// Rounds of PBKDF2: each guess at a code costs as many hashes, whoever makes it.
const ITERATIONS: NonZeroU32 = NonZeroU32::new(100_000).unwrap();
const STRETCH: pbkdf2::Algorithm = pbkdf2::PBKDF2_HMAC_SHA256;

/// A setup code as somebody typed it. Not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct SetupCode(String);

/// A text that is no setup code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a setup code has 12 signs, as XXXX-XXXX-XXXX on the label: 3 4 6 7 9 and letters without B I L O Q S U Y Z")]
pub struct BadCode;

impl SetupCode {
    /// Bytes that [`SetupCode::draw`] needs.
    pub const RANDOM_BYTES: usize = 4 * LENGTH;

    /// A code from bytes that the caller drew at random: four for each sign, so that none is likelier than another by
    /// more than one part in 2^27.
    pub fn draw(random: &[u8; Self::RANDOM_BYTES]) -> Self {
        let count = u32::try_from(SIGNS.len()).unwrap_or(1);
        let sign = |bytes: &[u8; 4]| usize::try_from(u32::from_le_bytes(*bytes) % count).ok();
        let (quads, _) = random.as_chunks();
        Self(quads.iter().filter_map(|quad| SIGNS.get(sign(quad)?)).map(|&sign| char::from(sign)).collect())
    }

    /// As it stands on the label: `XXXX-XXXX-XXXX`.
    pub fn on_the_label(&self) -> String {
        let signs: Vec<char> = self.0.chars().collect();
        signs.chunks(GROUP).map(String::from_iter).collect::<Vec<_>>().join("-")
    }

    /// What the unit keeps of it.
    pub fn stored(&self, salt: [u8; 16]) -> StoredCode {
        let mut hash = vec![0; 32];
        pbkdf2::derive(STRETCH, ITERATIONS, &salt, self.0.as_bytes(), &mut hash);
        StoredCode { salt: salt.to_vec(), iterations: ITERATIONS, hash }
    }

    /// The key with which unit and center prove to each other that they know the code.
    pub fn proof_key(&self, serial: &Serial) -> ProofKey {
        let mut key = [0; 32];
        let salt = format!("edge setup code v1 {serial}");
        pbkdf2::derive(STRETCH, ITERATIONS, salt.as_bytes(), self.0.as_bytes(), &mut key);
        ProofKey(key)
    }
}

impl FromStr for SetupCode {
    type Err = BadCode;

    /// Reads what a person typed: small letters, spaces and dashes do not matter.
    fn from_str(text: &str) -> Result<Self, BadCode> {
        let signs = text.chars().filter(|sign| !sign.is_whitespace() && *sign != '-');
        let code: String = signs.map(|sign| sign.to_ascii_uppercase()).collect();
        let fits = code.len() == LENGTH && code.bytes().all(|sign| SIGNS.contains(&sign));
        if fits { Ok(Self(code)) } else { Err(BadCode) }
    }
}

impl fmt::Debug for SetupCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SetupCode(…)")
    }
}

/// What a unit keeps of its setup code: enough to check one, not enough to know it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredCode {
    #[serde(with = "blob")]
    salt: Vec<u8>,
    iterations: NonZeroU32,
    #[serde(with = "blob")]
    hash: Vec<u8>,
}

impl StoredCode {
    /// Whether it is this code.
    pub fn is(&self, code: &SetupCode) -> bool {
        pbkdf2::verify(STRETCH, self.iterations, &self.salt, code.0.as_bytes(), &self.hash).is_ok()
    }
}

impl fmt::Debug for StoredCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoredCode(…)")
    }
}

/// A key made from a setup code and a serial number. Not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct ProofKey([u8; 32]);

impl ProofKey {
    /// From where the center kept it.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// For where the center keeps it.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The proof over parts, each of which is hashed first, so that where one ends is no question.
    pub(super) fn prove(&self, kind: &[u8], parts: [&[u8]; 3]) -> Hash256 {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        let mut context = hmac::Context::with_key(&key);
        context.update(kind);
        for part in parts {
            context.update(Hash256::of(part).as_bytes());
        }
        let mut proof = [0; 32];
        proof.iter_mut().zip(context.sign().as_ref()).for_each(|(to, from)| *to = *from);
        Hash256::from_bytes(proof)
    }

    pub(super) fn proves(&self, kind: &[u8], parts: [&[u8]; 3], proof: &Hash256) -> bool {
        let expected = self.prove(kind, parts);
        constant_time::verify_slices_are_equal(expected.as_bytes(), proof.as_bytes()).is_ok()
    }
}

impl fmt::Debug for ProofKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProofKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code() -> SetupCode {
        "3469-ACDE-FGHJ".parse().unwrap()
    }

    #[test]
    fn a_code_is_read_however_it_is_typed_and_never_shown_by_debug() {
        for typed in ["3469ACDEFGHJ", "3469-acde-fghj", " 3469 ACDE FGHJ\n"] {
            assert_eq!(typed.parse(), Ok(code()), "{typed:?}");
        }
        for bad in ["", "3469-ACDE-FGH", "3469-ACDE-FGHJ3", "3469-ACDE-FGH0", "3469-ACDE-FGHÄ"] {
            assert_eq!(bad.parse::<SetupCode>(), Err(BadCode), "{bad:?}");
        }
        assert_eq!(code().on_the_label(), "3469-ACDE-FGHJ");
        let shown =
            format!("{:?} {:?} {:?}", code(), code().stored([1; 16]), code().proof_key(&"SN1".parse().unwrap()));
        assert!(!shown.contains("3469") && !shown.contains("ACDE"), "{shown}");
    }

    #[test]
    fn a_drawn_code_is_one_that_can_be_typed() {
        for first in 0..=255 {
            let code =
                SetupCode::draw(&std::array::from_fn(|place| first ^ u8::try_from(place).unwrap().rotate_left(3)));
            assert_eq!(code.on_the_label().parse(), Ok(code));
        }
    }

    #[test]
    fn what_the_unit_keeps_knows_the_code_and_tells_nothing_of_the_centers_key() {
        let serial: Serial = "SN42".parse().unwrap();
        let stored = code().stored([7; 16]);
        assert!(stored.is(&code()));
        assert!(!stored.is(&"3469-ACDE-FGHK".parse().unwrap()));
        let text = serde_json::to_string(&stored).unwrap();
        assert!(!text.contains(&hex::encode(code().proof_key(&serial).as_bytes())));
        assert_eq!(serde_json::from_str::<StoredCode>(&text).unwrap(), stored);
        assert_ne!(code().proof_key(&serial), code().proof_key(&"SN43".parse().unwrap()));
    }
}
