//! The part of the configuration that `edge-agent enroll` writes: who the unit is, where the broker is, whom to trust.
//!
//! It is laid under the file that people write. What both say is a mistake: a certificate is for one name alone.

use std::path::Path;

use toml::{Table, Value};

use super::{ConfigError, Mistake};

/// The key that names the folder.
pub(super) const KEY: &str = "enrolment";

/// Reads the identity from its folder.
pub(super) fn read(folder: &Path) -> Result<Table, ConfigError> {
    let path = folder.join("identity.toml");
    super::read_text(&path).and_then(|text| super::parse(&text)).map_err(|error| {
        let is_absent =
            matches!(&error, ConfigError::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound);
        if is_absent {
            ConfigError::NotEnrolled { folder: folder.to_owned() }
        } else {
            ConfigError::Named { what: "the identity", path, why: error.into() }
        }
    })
}

/// What stands in for an identity that is not there yet.
pub(super) fn nobody() -> Table {
    let section = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter().map(|(key, word)| ((*key).to_owned(), Value::from(*word)));
        Value::Table(pairs.collect())
    };
    let files = [("host", "nobody"), ("ca", "none"), ("certificate", "none"), ("key", "none")];
    Table::from_iter([
        ("unit".to_owned(), section(&[("agency", "nobody"), ("id", "new")])),
        ("uplink".to_owned(), section(&files)),
        ("control".to_owned(), section(&[("agency_root", "none")])),
    ])
}

/// The file with the identity under it, and what both say.
pub(super) fn lay_under(file: &Table, identity: &Table) -> (Table, Vec<Mistake>) {
    let (mut both, mut mistakes) = (file.clone(), Vec::new());
    for (section, told) in identity {
        let Value::Table(told) = told else { continue };
        let Value::Table(own) = both.entry(section).or_insert_with(|| Value::Table(Table::new())) else { continue };
        for (key, value) in told {
            // The policy that came with the enrolment can be narrowed on the unit.
            if own.contains_key(key) && key != "purposes" {
                let words = format!("is said by the enrolment ({KEY}); remove it here, or remove `{KEY}`");
                mistakes.push(Mistake { key: format!("{section}.{key}"), words });
            } else {
                own.entry(key).or_insert_with(|| value.clone());
            }
        }
    }
    (both, mistakes)
}
