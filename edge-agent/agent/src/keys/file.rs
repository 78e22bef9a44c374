//! What a key's file holds: the key, or where it lies.

use serde::{Deserialize, Serialize};

use super::KeyError;
use super::token::KeyId;

/// A key's file.
pub(super) enum KeyFile {
    /// It holds the key itself.
    Pem,
    /// It names a key in a token.
    InToken(InToken),
}

/// Where a key lies in a token.
pub(super) struct InToken {
    /// The token's label.
    pub(super) token: String,
    /// The key's own name in it.
    pub(super) id: KeyId,
    /// Its public half, an uncompressed point.
    pub(super) public: [u8; 65],
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    token: String,
    id: String,
    public: String,
}

impl KeyFile {
    pub(super) fn read(file: &[u8]) -> Result<Self, KeyError> {
        let unfit = |why: &dyn std::fmt::Display| KeyError::File(why.to_string());
        let text = std::str::from_utf8(file).map_err(|error| unfit(&error))?;
        if text.contains("-----BEGIN") {
            return Ok(Self::Pem);
        }
        // Its own words would repeat the line, which may be a damaged private key.
        let written: Written = toml::from_str(text).map_err(|_| unfit(&"it is something else, or damaged"))?;
        let mut public = [0; 65];
        hex::decode_to_slice(&written.public, &mut public).map_err(|error| unfit(&format!("public: {error}")))?;
        let id = hex::decode(&written.id).map_err(|error| unfit(&format!("id: {error}")))?;
        Ok(Self::InToken(InToken { token: written.token, id: KeyId::from_bytes(id), public }))
    }
}

impl InToken {
    pub(super) fn written(&self) -> Vec<u8> {
        let Self { token, id, public } = self;
        // The label is a string of TOML, whatever stands in it.
        let token = toml::Value::String(token.clone());
        format!(
            "# Written by edge-agent: the private key lies in this token and never leaves it. Do not change it by hand.\n\
             token = {token}\nid = \"{}\"\npublic = \"{}\"\n",
            id.to_hex(),
            hex::encode(public)
        )
        .into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again_whatever_the_token_is_called() {
        for token in ["gate-1", "a \"quoted\" one \\ with\nlines", "Straße 4"] {
            let key = InToken { token: token.to_owned(), id: KeyId::from_bytes(vec![0, 7, 255]), public: [4; 65] };
            let Ok(KeyFile::InToken(read)) = KeyFile::read(&key.written()) else { panic!("{token}") };
            assert_eq!((read.token.as_str(), read.id, read.public), (token, key.id, key.public));
        }
    }

    #[test]
    fn a_file_that_is_cut_or_something_else_is_refused_without_being_repeated() {
        let key = InToken { token: "gate-1".to_owned(), id: KeyId::from_bytes(vec![7; 16]), public: [4; 65] };
        let whole = key.written();
        let cut = whole.len() - 20;
        for bad in [&whole[..cut], b"", b"\xff\xfe", b"MIGHAgEAMBMGByqGSM49", b"token = 1", b"id = \"zz\""] {
            let Err(error) = KeyFile::read(bad) else { panic!("{bad:?} was taken") };
            assert!(!error.to_string().contains("MIGH"), "{error}");
        }
    }
}
