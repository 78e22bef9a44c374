//! Byte strings: base64 is not worth a dependency, so JSON carries them as hexadecimal digits.

/// For fields of type `Vec<u8>` under `#[serde(with)]`.
pub(crate) mod blob {
    use std::borrow::Cow;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        hex::decode(text.as_ref()).map_err(|_| D::Error::custom("need hexadecimal digits"))
    }
}
