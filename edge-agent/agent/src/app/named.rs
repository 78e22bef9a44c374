//! Whether what a configuration names is on this machine: files, folders, devices, and the token of the unit's key.
//!
//! A configuration may be written elsewhere, and most of this may come later, so it is told and refuses nothing.
//! Nothing is opened: whoever looks may be somebody who must not read a key.

use std::fmt;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::vision;
use crate::config::{Config, Source};
use crate::keys::{Keys, TokenPlace};

/// Where the service manager puts credentials while the service runs; nobody else finds them there.
const MANAGED: &str = "/run/credentials";

/// Something that the configuration names and that is not as it should be here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lack {
    /// The key that names it.
    key: String,
    path: PathBuf,
    why: Why,
    advice: &'static str,
}

/// What is the matter with it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Why {
    /// It is not there.
    Absent,
    /// Whether it is there cannot be told.
    Hidden(String),
    /// It is a secret, and others than its owner may read it.
    Open(u32),
}

impl Lack {
    /// Whether it is not there at all.
    pub(super) fn is_absent(&self) -> bool {
        self.why == Why::Absent
    }

    /// What is named, and what is the matter with it.
    pub(super) fn measured(&self) -> String {
        let (key, path) = (&self.key, self.path.display());
        match &self.why {
            Why::Absent => format!("{key}: {path} is not there"),
            Why::Hidden(why) => format!("{key}: {path} cannot be looked at: {why}"),
            Why::Open(mode) => format!("{key}: {path} may be read by others (mode {mode:o})"),
        }
    }

    /// What to do about it.
    pub(super) fn advice(&self) -> String {
        match self.why {
            Why::Absent => self.advice.to_owned(),
            Why::Hidden(_) => "run this as root, or as the agent's user".to_owned(),
            Why::Open(_) => format!("chmod 600 {}", self.path.display()),
        }
    }
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.measured(), self.advice())
    }
}

/// All that is not as it should be; of a unit that `is_new` what its enrolment brings is not asked for.
pub(super) fn lacks(config: &Config, is_new: bool) -> Vec<Lack> {
    let mut lacks: Vec<Lack> = config.token.as_ref().map(token).unwrap_or_default();
    if !is_new {
        lacks.extend(certificates(config));
    }
    lacks.extend(models(config));
    for (place, camera) in config.cameras.iter().enumerate() {
        lacks.extend(source(&format!("camera[{place}].source"), &camera.source));
    }
    lacks
}

/// The token's library, and the file with its PIN.
pub(super) fn token(place: &TokenPlace) -> Vec<Lack> {
    let library = absent("token.module", &place.module, "install the token's library, or correct the path");
    let pin = "write the token's PIN into it, mode 0600, for the agent's user alone";
    let pin = absent("token.pin_file", &place.pin_file, pin).or_else(|| open("token.pin_file", &place.pin_file));
    library.into_iter().chain(pin).collect()
}

fn certificates(config: &Config) -> Vec<Lack> {
    let (line, control) = (&config.uplink, &config.control);
    let own = if config.enrolment.is_some() {
        "it came with the enrolment: enrol the unit anew (edge-agent enroll --again)"
    } else {
        "put it there, or correct the path; with `enrolment` the unit gets its own (docs/enrolment.md)"
    };
    let mut named = vec![
        ("uplink.ca", &line.ca),
        ("uplink.certificate", &line.certificate),
        ("uplink.key", &line.key),
        ("control.agency_root", &control.agency_root),
    ];
    if config.update.ca != line.ca {
        named.push(("update.ca", &config.update.ca));
    }
    named.into_iter().filter_map(|(key, path)| absent(key, path, own)).collect()
}

fn models(config: &Config) -> Vec<Lack> {
    let advice = "install the models, or correct [models]";
    let named = |path: &PathBuf| absent("models.library", path, "install ONNX Runtime, or correct the path");
    let library = config.models.library.as_ref().and_then(named);
    let folders = vision::folders(config).into_iter().map(|(folder, _)| folder.join("manifest.json"));
    let folder = absent("models.dir", &config.models.dir, advice);
    // One line where none is there.
    let models = if folder.is_some() { Vec::new() } else { folders.collect() };
    let models = models.iter().filter_map(|path| absent("models.dir", path, advice));
    library.into_iter().chain(folder).chain(models).collect()
}

fn source(table: &str, source: &Source) -> Vec<Lack> {
    let key = |name: &str| format!("{table}.{name}");
    let credentials = "write one line user:password into it, mode 0600, for the agent's user";
    match source {
        Source::Rtsp { credentials: login, certificate, url: _, transport: _ } => {
            let login = login.as_ref().and_then(|path| absent(&key("credentials"), path, credentials));
            let advice = "put the camera's certificate there, or correct the path";
            let certificate = certificate.as_ref().and_then(|path| absent(&key("certificate"), path, advice));
            login.into_iter().chain(certificate).collect()
        }
        Source::File { path, repeat: _ } => {
            absent(&key("path"), path, "put the recording there, or correct the path").into_iter().collect()
        }
        Source::V4l2 { device } => {
            absent(&key("device"), device, "plug the camera in, or correct the path").into_iter().collect()
        }
        Source::Test => Vec::new(),
    }
}

/// The token that holds the unit's key, where the configuration names none of that label: nothing of such a unit goes
/// up, and no restart helps.
pub(super) fn token_unnamed(config: &Config) -> Option<String> {
    let label = Keys::token_of_file(&std::fs::read(&config.uplink.key).ok()?)?;
    let named = config.token.as_ref().is_some_and(|token| token.label == label);
    (!named).then_some(label)
}

fn absent(key: &str, path: &Path, advice: &'static str) -> Option<Lack> {
    let lack = |why| Some(Lack { key: key.to_owned(), path: path.to_owned(), why, advice });
    match std::fs::metadata(path) {
        Ok(_) => None,
        Err(_) if path.starts_with(MANAGED) => None,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            lack(Why::Absent)
        }
        Err(error) => lack(Why::Hidden(error.to_string())),
    }
}

fn open(key: &str, path: &Path) -> Option<Lack> {
    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
    let lack = Lack { key: key.to_owned(), path: path.to_owned(), why: Why::Open(mode), advice: "" };
    // The service manager lets its service read them by an access list, which shows in the group's bits.
    (mode & 0o077 != 0 && !path.starts_with(MANAGED)).then_some(lack)
}

#[cfg(test)]
mod tests {
    use edge_store::disk::{RealDisk, replace};

    use super::*;

    const EXAMPLE: &str = include_str!("../../../docs/edge-agent.example.toml");

    #[test]
    fn all_that_is_named_and_not_there_is_told_at_once_each_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name).display().to_string();
        let token =
            format!("[token]\nmodule = \"{}\"\nlabel = \"edge\"\npin_file = \"{}\"\n", place("p11.so"), place("pin"));
        let text = EXAMPLE.replace("/etc/edge-agent/", &place("etc-")).replace("/usr/share/", &place("usr-")) + &token;
        let config = Config::parse(&text).unwrap();
        let told: Vec<String> = lacks(&config, false).iter().map(ToString::to_string).collect();
        let keys = [
            "token.module",
            "token.pin_file",
            "uplink.ca",
            "uplink.certificate",
            "uplink.key",
            "control.agency_root",
            "models.dir",
            "camera[0].source.credentials",
        ];
        assert_eq!(told.iter().map(|line| line.split(": ").next().unwrap()).collect::<Vec<_>>(), keys, "{told:?}");
        assert!(told[0].ends_with("p11.so is not there; install the token's library, or correct the path"), "{told:?}");
        let new = lacks(&config, true);
        assert!(!new.iter().any(|lack| lack.key.starts_with("uplink")), "its enrolment brings those: {new:?}");
        replace(&RealDisk, &folder.path().join("p11.so"), b"library").unwrap();
        replace(&RealDisk, &folder.path().join("pin"), b"1234").unwrap();
        assert_eq!(lacks(&config, true).first().map(|lack| lack.key.as_str()), Some("models.dir"));
    }

    #[test]
    fn a_pin_that_others_may_read_is_told_with_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let pin_file = folder.path().join("pin");
        replace(&RealDisk, &pin_file, b"1234").unwrap();
        let place = TokenPlace { module: pin_file.clone(), label: "edge".to_owned(), pin_file: pin_file.clone() };
        let set = |mode| std::fs::set_permissions(&pin_file, std::fs::Permissions::from_mode(mode)).unwrap();
        set(0o600);
        assert_eq!(token(&place), []);
        for mode in [0o644, 0o640] {
            set(mode);
            let told = token(&place);
            assert_eq!(told.len(), 1, "{told:?}");
            let (measured, advice) = (told[0].measured(), told[0].advice());
            assert!(measured.ends_with(&format!("may be read by others (mode {mode:o})")), "{measured}");
            assert!(advice.starts_with("chmod 600 ") && !told[0].is_absent(), "{advice}");
        }
    }

    #[test]
    fn what_the_service_manager_puts_in_place_is_not_looked_for() {
        assert_eq!(
            absent("camera[0].source.credentials", Path::new("/run/credentials/edge-agent.service/x"), ""),
            None
        );
    }
}
