//! The key as a TPM 2.0 derives it, in the three commands that this takes (TPM 2.0 Library, part 3).
//!
//! The TPM makes an HMAC key out of the secret seed of its owner hierarchy, the same one for the same template at every
//! boot, and signs a fixed message with it. Nothing is stored, in the TPM or elsewhere; another TPM, or this one after
//! its owner hierarchy was cleared, gives another key. A sealed object was the other choice: its blob has to survive on
//! an unencrypted partition, and protects no better while it is bound to no measured boot.

use std::io::{self, Read, Write};

/// What the key is for: another use of the same TPM is another message.
const PURPOSE: &[u8] = b"edge-agent data partition 1";

const NO_SESSIONS: u16 = 0x8001;
const SESSIONS: u16 = 0x8002;
const CREATE_PRIMARY: u32 = 0x131;
const HMAC: u32 = 0x155;
const FLUSH_CONTEXT: u32 = 0x165;
const OWNER: u32 = 0x4000_0001;
/// Handle of the password session, no nonce, no attributes, and the empty password.
const EMPTY_PASSWORD: [u8; 9] = [0x40, 0, 0, 9, 0, 0, 0, 0, 0];
const SHA256: u16 = 0x000b;
const ALG_HMAC: u16 = 0x0005;
const KEYED_HASH: u16 = 0x0008;
/// fixedTPM, fixedParent, sensitiveDataOrigin, userWithAuth, noDA, sign: made by this TPM, and never to leave it.
const ATTRIBUTES: u32 = 0x0004_0472;
/// Before everything that a TPM says: tag, length of all, response code.
const HEADER: usize = 10;
const LONGEST: usize = 4096;

/// Why a TPM gives no key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TpmError {
    /// It cannot be spoken to.
    #[error("the TPM cannot be spoken to: {0}")]
    Line(#[from] io::Error),
    /// It refuses a command; the code is the library's part 2, section 6.6.
    #[error("the TPM refuses {command}: response code {code:#x}")]
    Refused {
        /// What was asked.
        command: &'static str,
        /// What it said.
        code: u32,
    },
    /// What it answers is no answer to what was asked.
    #[error("the TPM's answer to {0} makes no sense")]
    Answer(&'static str),
}

/// The key, as 64 hexadecimal digits.
///
/// # Errors
/// See [`TpmError`].
pub(crate) fn key(tpm: &mut (impl Read + Write)) -> Result<String, TpmError> {
    let primary = create_primary(tpm)?;
    let key = hmac(tpm, primary);
    // A TPM without a resource manager before it has room for three.
    ask(tpm, "FlushContext", &command(NO_SESSIONS, FLUSH_CONTEXT, &[&primary.to_be_bytes()]))?;
    let nibbles = key?.into_iter().flat_map(|byte| [byte >> 4, byte & 15]);
    Ok(nibbles.filter_map(|nibble| char::from_digit(u32::from(nibble), 16)).collect())
}

fn create_primary(tpm: &mut (impl Read + Write)) -> Result<u32, TpmError> {
    let mut public = Vec::new();
    public.extend(KEYED_HASH.to_be_bytes());
    public.extend(SHA256.to_be_bytes());
    public.extend(ATTRIBUTES.to_be_bytes());
    public.extend([0, 0]); // no policy
    public.extend(ALG_HMAC.to_be_bytes());
    public.extend(SHA256.to_be_bytes());
    public.extend([0, 0]); // nothing that makes it another than the template says
    let parts: [&[u8]; 6] = [
        &OWNER.to_be_bytes(),
        &sized32(&EMPTY_PASSWORD),
        &sized16(&[0; 4]), // it has no password and no data from outside
        &sized16(&public),
        &[0; 2], // nothing to be certified
        &[0; 4], // no registers
    ];
    let answer = ask(tpm, "CreatePrimary", &command(SESSIONS, CREATE_PRIMARY, &parts))?;
    let handle = answer.first_chunk::<4>().ok_or(TpmError::Answer("CreatePrimary"))?;
    Ok(u32::from_be_bytes(*handle))
}

fn hmac(tpm: &mut (impl Read + Write), key: u32) -> Result<[u8; 32], TpmError> {
    let parts: [&[u8]; 4] = [&key.to_be_bytes(), &sized32(&EMPTY_PASSWORD), &sized16(PURPOSE), &SHA256.to_be_bytes()];
    let answer = ask(tpm, "HMAC", &command(SESSIONS, HMAC, &parts))?;
    // The length of the parameters, then the digest behind its own.
    let digest = answer.get(4..).and_then(|parameters| parameters.strip_prefix(&[0, 32]));
    digest.and_then(|digest| digest.first_chunk::<32>()).copied().ok_or(TpmError::Answer("HMAC"))
}

/// A field behind its length. All lengths here are those of this file's own constants.
#[allow(clippy::cast_possible_truncation, reason = "a few dozen bytes")]
fn sized16(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes(), bytes].concat()
}

#[allow(clippy::cast_possible_truncation, reason = "a few dozen bytes")]
fn sized32(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes(), bytes].concat()
}

#[allow(clippy::cast_possible_truncation, reason = "a few hundred bytes")]
fn command(tag: u16, code: u32, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let length = (HEADER + body.len()) as u32;
    [&tag.to_be_bytes()[..], &length.to_be_bytes(), &code.to_be_bytes(), &body].concat()
}

/// Asks one thing; what comes back is the answer behind its header.
fn ask(tpm: &mut (impl Read + Write), what: &'static str, command: &[u8]) -> Result<Vec<u8>, TpmError> {
    tpm.write_all(command)?;
    let mut answer = vec![0; LONGEST];
    let mut have = 0;
    // The device gives an answer in one piece, a socket may not.
    loop {
        let room = answer.get_mut(have..).filter(|room| !room.is_empty()).ok_or(TpmError::Answer(what))?;
        match tpm.read(room)? {
            0 => return Err(TpmError::Answer(what)),
            read => have += read,
        }
        let length = answer.get(2..6).and_then(|length| length.first_chunk::<4>()).filter(|_| have >= HEADER);
        if length.is_some_and(|length| u32::from_be_bytes(*length) as usize <= have) {
            break;
        }
    }
    answer.truncate(have);
    let code = answer.get(6..HEADER).and_then(|code| code.first_chunk::<4>()).ok_or(TpmError::Answer(what))?;
    match u32::from_be_bytes(*code) {
        0 => Ok(answer.split_off(HEADER)),
        code => Err(TpmError::Refused { command: what, code }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A TPM that says what it was told to, byte by byte, and takes whatever it is asked.
    struct Scripted(Vec<u8>);

    impl Read for Scripted {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() || into.is_empty() {
                return Ok(0);
            }
            into[0] = self.0.remove(0);
            Ok(1)
        }
    }

    impl Write for Scripted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn answer(code: u32, body: &[u8]) -> Vec<u8> {
        command(SESSIONS, code, &[body])
    }

    #[test]
    fn an_answer_that_comes_in_pieces_is_put_together() {
        let digest = [&[0, 0, 0, 34, 0, 32], [0xab; 32].as_slice(), &[0; 5]].concat();
        let said = [answer(0, &[0x80, 0, 0, 1, 0, 0, 0, 0]), answer(0, &digest), answer(0, &[])].concat();
        assert_eq!(key(&mut Scripted(said)).unwrap(), "ab".repeat(32));
    }

    #[test]
    fn a_refusal_a_short_digest_and_a_line_that_ends_give_no_key() {
        let made = answer(0, &[0x80, 0, 0, 1]);
        let refused = key(&mut Scripted(answer(0x9a2, &[]))).unwrap_err().to_string();
        assert_eq!(refused, "the TPM refuses CreatePrimary: response code 0x9a2");
        let short = [made.clone(), answer(0, &[0, 0, 0, 4, 0, 2, 7, 7]), answer(0, &[])].concat();
        assert!(matches!(key(&mut Scripted(short)), Err(TpmError::Answer("HMAC"))));
        for end in 0..made.len() {
            let cut = made.get(..end).unwrap().to_vec();
            assert!(matches!(key(&mut Scripted(cut)), Err(TpmError::Answer("CreatePrimary"))), "cut at {end}");
        }
    }
}
