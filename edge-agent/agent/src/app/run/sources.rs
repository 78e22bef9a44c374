//! Where the cameras' video comes from, as it is put on the technician's page: address, user and password.
//!
//! Address and password change together. The password goes into a file of its own, under the one of two names that is
//! not in force; then the address, with the name of that file, into what is kept of the page; then the former password
//! goes. A power cut leaves the old pair or the new one, and no camera is ever shown another one's password.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use edge_protocol::id::CameraId;
use edge_protocol::time::MonoTime;
use edge_store::disk::{self, Disk, RealDisk};
use toml::{Table, Value};

use super::cameras::capture_settings;
use super::ending::SOON;
use super::putting::{in_words, put};
use crate::capture::{Credentials, SourceSwitch};
use crate::config::{Camera, Config, Network, Source, host_and_port, literal};
use crate::page::{Refusal, SourceGlance, TypedSource};
use crate::supervise::Stop;

/// In the data folder.
const FOLDER: &str = "credentials";
/// The two names of a camera's file, of which one is in force.
const NAMES: [&str; 2] = ["a", "b"];
/// Stands for the path and query of an address, which may hold a password.
pub(super) const HIDDEN: &str = "/…";

/// What the cameras' sources are changed with.
pub(super) struct Sources {
    file: PathBuf,
    folder: PathBuf,
    switches: BTreeMap<CameraId, SourceSwitch>,
    in_force: Mutex<BTreeMap<CameraId, Source>>,
    /// Whom the service may talk to since its start.
    reach: BTreeSet<Network>,
    /// Has the agent begin anew soon, where somebody starts it again: what its service may talk to is said before its
    /// start.
    anew: Option<Stop>,
}

impl Sources {
    pub(super) fn new(
        file: &Path,
        config: &Config,
        switches: BTreeMap<CameraId, SourceSwitch>,
        anew: Option<Stop>,
    ) -> Self {
        let in_force = config.cameras.iter().map(|camera| (camera.id.clone(), camera.source.clone())).collect();
        Self {
            file: file.to_owned(),
            folder: config.data_dir.join(FOLDER),
            switches,
            in_force: Mutex::new(in_force),
            reach: config.networks(),
            anew,
        }
    }

    /// What the page shows of a camera's source: never a password, and nothing after host and port, which may hold one.
    pub(super) fn shown(&self, camera: &CameraId) -> SourceGlance {
        match self.lock().get(camera) {
            Some(Source::Rtsp { url, credentials, .. }) => {
                SourceGlance { address: Some(shown(url)), has_password: credentials.is_some() }
            }
            Some(Source::File { .. } | Source::V4l2 { .. } | Source::Test) | None => SourceGlance::default(),
        }
    }

    /// What whoever put an address in force has to wait for, in words.
    pub(super) fn waits(&self, now: MonoTime) -> Option<String> {
        self.anew.as_ref().filter(|anew| anew.is_set())?;
        let left = SOON.saturating_sub(now.as_duration()).as_secs();
        Some(format!(
            "the unit may not talk to the camera's new address yet: it begins anew in {left} s, and then you log in again"
        ))
    }

    /// Puts a camera's source in force. `note` writes down, before anything is changed, what it becomes, in words.
    ///
    /// # Errors
    /// Where it is not as it may be, or cannot be kept.
    pub(super) fn put(
        &self,
        camera: &CameraId,
        typed: &TypedSource,
        note: impl FnOnce(&str) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let before = self.lock().get(camera).cloned();
        let (url, kept) = match &before {
            Some(Source::Rtsp { url, credentials, .. }) => (completed(&typed.address, url), credentials.clone()),
            Some(Source::File { .. } | Source::V4l2 { .. } | Source::Test) | None => {
                (typed.address.trim().into(), None)
            }
        };
        if url.contains(HIDDEN) {
            let words = "the address has … in place of what is not shown: type the whole address";
            return Err(Refusal(words.to_owned()));
        }
        let login = Self::login(typed, &url, before.as_ref())?;
        let place = match &login {
            Login::New(_) => Some(self.other_place(camera, kept.as_deref())),
            Login::Kept => kept,
            Login::Nobody => None,
        };
        let mut table = Table::from_iter([("url".to_owned(), Value::from(url.as_str()))]);
        table.extend(
            place.as_ref().map(|place| ("credentials".to_owned(), Value::from(place.to_string_lossy().as_ref()))),
        );
        let (found, _) = put(
            (&self.file, camera),
            |text| Config::sourced(text, camera, table).map_err(|error| in_words(&error, "source.")),
            || {
                note(&noted(&url, place.is_some()))?;
                self.keep(&login, place.as_deref()).map_err(|error| Refusal(format!("it cannot be kept: {error}")))
            },
        )?;
        self.forget(camera, place.as_deref());
        self.take(&found);
        Ok(())
    }

    /// Writes a new password where it is not in force yet.
    fn keep(&self, login: &Login, place: Option<&Path>) -> io::Result<()> {
        let (Login::New(login), Some(place)) = (login, place) else { return Ok(()) };
        RealDisk.make_folder(&self.folder)?;
        disk::replace(&RealDisk, place, login.line().as_bytes())
    }

    /// Whose name and password go to the camera at `url`.
    fn login(typed: &TypedSource, url: &str, before: Option<&Source>) -> Result<Login, Refusal> {
        if !typed.user.is_empty() || !typed.password.is_empty() {
            return Credentials::typed(&typed.user, &typed.password)
                .map(Login::New)
                .map_err(|error| Refusal::of(&error));
        }
        // A password is for the camera that it was given for: another host would learn it, and so would a listener
        // where TLS is taken away.
        let is_same = matches!(before, Some(Source::Rtsp { url: before, credentials: Some(_), .. })
            if origin(before).is_some() && origin(before) == origin(url));
        Ok(if is_same { Login::Kept } else { Login::Nobody })
    }

    /// The name of a camera's file that is not in force.
    fn other_place(&self, camera: &CameraId, kept: Option<&Path>) -> PathBuf {
        let [first, second] = NAMES.map(|name| self.folder.join(format!("{camera}.{name}")));
        if kept == Some(first.as_path()) { second } else { first }
    }

    /// Takes passwords away that the page has kept for a camera and that are no longer in force.
    fn forget(&self, camera: &CameraId, in_force: Option<&Path>) {
        let former = NAMES.map(|name| self.folder.join(format!("{camera}.{name}")));
        for path in former.iter().filter(|path| in_force != Some(path.as_path())) {
            match RealDisk.remove(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::error!(%error, path = %path.display(), "a password that is no longer in force stays");
                }
                Ok(()) | Err(_) => {}
            }
        }
    }

    fn take(&self, found: &Camera) {
        if let Some(switch) = self.switches.get(&found.id) {
            switch.change(capture_settings(found).source);
        }
        self.lock().insert(found.id.clone(), found.source.clone());
        if let (Source::Rtsp { url, .. }, Some(anew)) = (&found.source, &self.anew)
            && host_and_port(url).and_then(literal).is_some_and(|address| is_beyond(address, &self.reach))
        {
            tracing::info!(camera = %found.id, "beginning anew soon: the service may not talk to the camera's address yet");
            anew.set();
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<CameraId, Source>> {
        self.in_force.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whose name and password a camera is shown.
enum Login {
    /// Those typed now.
    New(Credentials),
    /// Those in force.
    Kept,
    /// Nobody's.
    Nobody,
}

/// Scheme, host and port of an address: who is shown a password, and how.
fn origin(url: &str) -> Option<(&str, &str)> {
    Some((url.split_once("://")?.0, host_and_port(url)?))
}

/// Whether nobody has let the service talk to an address.
pub(super) fn is_beyond(address: IpAddr, reach: &BTreeSet<Network>) -> bool {
    !address.is_loopback() && !reach.iter().any(|network| network.contains(address))
}

/// An address as it is shown: its end may hold a password, in a query or, as some makers have it, in its path.
pub(super) fn shown(url: &str) -> String {
    let Some((scheme, authority)) = origin(url) else { return HIDDEN.to_owned() };
    let rest = url.get(scheme.len() + "://".len() + authority.len()..).unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let end = if matches!(rest, "" | "/") { rest } else { HIDDEN };
    format!("{scheme}://{host}{end}")
}

/// An address as it was typed, or the one that is in force where it was left as it was shown.
fn completed(typed: &str, before: &str) -> String {
    let typed = typed.trim();
    if shown(before) == typed { before } else { typed }.to_owned()
}

/// What becomes of a source, for the log: neither its path nor its query, which may hold a password.
fn noted(url: &str, has_password: bool) -> String {
    let (scheme, host) = origin(url).unwrap_or_default();
    let with = if has_password { "with a user and password" } else { "without a password" };
    format!("{scheme}://{host}, {with}")
}

#[cfg(test)]
mod tests;
