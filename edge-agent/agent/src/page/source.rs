//! A camera's source on the page: what is typed, what is shown, what is found on the network.

use serde::{Deserialize, Serialize};

/// Where a camera's video comes from, as somebody typed it.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TypedSource {
    /// An address.
    pub address: String,
    /// The camera's user; empty with an empty password for nobody, or for who is in force at that camera.
    #[serde(default)]
    pub user: String,
    /// The password.
    #[serde(default)]
    pub password: String,
}

impl std::fmt::Debug for TypedSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // An address may hold a password by mistake.
        f.write_str("TypedSource(hidden)")
    }
}

/// What is shown of a camera's source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SourceGlance {
    /// Its address without what may hold a password; none where it is no network camera.
    pub address: Option<String>,
    /// Whether a user and password are kept for it.
    pub has_password: bool,
}

/// A search for cameras.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Search {
    /// Whether it is under way.
    pub running: bool,
    /// The cameras that answered; none before a search.
    pub found: Option<Vec<FoundCamera>>,
    /// The streams of the one that was asked; none before it answers.
    pub streams: Option<Vec<Offer>>,
    /// Why nothing came of it.
    pub failed: Option<String>,
}

/// A camera that answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FoundCamera {
    /// The maker's name for it.
    pub name: Option<String>,
    /// Which hardware it is.
    pub hardware: Option<String>,
    /// Where it can be asked for its streams.
    pub addresses: Vec<String>,
}

/// A stream that a camera offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Offer {
    /// Where it is, without what may hold a password.
    pub address: String,
    /// How it is coded.
    pub codec: String,
    /// Width and height.
    pub size: Option<(u32, u32)>,
    /// The camera's name for it.
    pub name: String,
}
