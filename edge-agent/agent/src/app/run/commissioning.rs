//! The commissioning report: put together, signed with the unit's key, kept, and sent in an entry of the audit log.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use edge_protocol::batch::CONTRACT_VERSION;
use edge_protocol::commissioning::{Aimed, Held, Jpeg, MAX_REPORT_BYTES, Report, SealedReport, Verdict};
use edge_protocol::id::CameraId;
use edge_protocol::record::{AuditKind, AuditRecord, Health, Sentence, Word};
use edge_protocol::sign::{Chain, Root};
use edge_protocol::time::WallStamp;
use edge_store::disk::{self, RealDisk};

use super::cameras::card;
use super::software;
use crate::config::{Camera, Config};
use crate::control::draft;
use crate::keys::Keys;
use crate::page::{Checks, Refusal};

/// Where reports are kept in the data folder.
const FOLDER: &str = "commissioning";
const KIND: &str = "cose";

/// What was seen and said, beside the configuration.
pub(super) struct Found<'f> {
    pub(super) technician: &'f str,
    pub(super) site: &'f str,
    pub(super) serial: &'f str,
    /// The page's certificate.
    pub(super) page: PathBuf,
    pub(super) checks: Checks,
    pub(super) health: Health,
    pub(super) measured: BTreeMap<CameraId, Measured>,
    pub(super) now: WallStamp,
}

/// What was measured last on a camera's picture.
#[derive(Debug, Clone, Default)]
pub(super) struct Measured {
    pub(super) focus: Option<u16>,
    /// Height of a plate.
    pub(super) plate_px: Option<u32>,
    /// What the camera shows.
    pub(super) picture: Option<Jpeg>,
}

/// The reports of this unit.
pub(super) struct Reports {
    folder: PathBuf,
    newest: Mutex<Option<(Report, SealedReport)>>,
}

impl Reports {
    /// Those that are kept. The newest is shown if it can be believed.
    pub(super) fn open(config: &Config) -> Self {
        let folder = config.data_dir.join(FOLDER);
        let newest = newest(&folder, &config.control.agency_root);
        Self { folder, newest: Mutex::new(newest) }
    }

    pub(super) fn newest(&self) -> Option<(Report, SealedReport)> {
        self.lock().clone()
    }

    /// Keeps a report that is on its way.
    pub(super) fn keep(&self, report: Report, sealed: SealedReport) -> Result<(), Refusal> {
        let name = report.made.time.to_string().replace(':', "-");
        let path = self.folder.join(name).with_extension(KIND);
        std::fs::create_dir_all(&self.folder).map_err(|error| Refusal::of(&error))?;
        disk::replace(&RealDisk, &path, sealed.as_bytes()).map_err(|error| Refusal::of(&error))?;
        *self.lock() = Some((report, sealed));
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Report, SealedReport)>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn newest(folder: &Path, root: &Path) -> Option<(Report, SealedReport)> {
    let files = std::fs::read_dir(folder).ok()?.filter_map(|file| Some(file.ok()?.path()));
    // Their names are their times.
    let newest = files.filter(|path| path.extension().is_some_and(|kind| kind == KIND)).max()?;
    let sealed = SealedReport::from_bytes(std::fs::read(newest).ok()?);
    let root = Root::from_pem(&std::fs::read(root).ok()?).ok()?;
    let report =
        sealed.open(&root).inspect_err(|error| tracing::warn!(%error, "a commissioning report is passed over"));
    Some((report.ok()?, sealed))
}

/// A report on the unit as it is now, and the same signed.
pub(super) fn report(config: &Config, found: &Found<'_>) -> Result<(Report, SealedReport), Refusal> {
    let read = |path: &Path| std::fs::read(path).map_err(|error| Refusal(format!("{}: {error}", path.display())));
    let keys = Keys::of(config.token.as_ref());
    let key = keys.open(&read(&config.uplink.key)?).map_err(|error| Refusal::of(&error))?;
    let chain = Chain::from_pem(&read(&config.uplink.certificate)?).map_err(|error| Refusal::of(&error))?;
    let held = [("unit", &config.uplink.certificate), ("page", &found.page), ("root", &config.control.agency_root)];
    let mut report = Report {
        version: CONTRACT_VERSION,
        made: found.now,
        agency: config.agency.clone(),
        unit: config.unit.clone(),
        serial: Word::cut(found.serial),
        technician: Word::cut(found.technician),
        site: Sentence::cut(found.site),
        software: software(),
        models: found.health.models.iter().map(|model| model.name.clone()).collect(),
        cameras: config.cameras.iter().map(|camera| aimed(config, camera, found)).collect(),
        findings: found.checks.findings.clone(),
        certificates: held.into_iter().filter_map(|(of, path)| certificate(of, &std::fs::read(path).ok()?)).collect(),
    };
    let seal = |report: &Report| report.seal(&key, &chain).map_err(|error| Refusal::of(&error));
    let mut sealed = seal(&report)?;
    if sealed.as_bytes().len() > MAX_REPORT_BYTES {
        report.cameras.iter_mut().for_each(|camera| camera.picture = None);
        sealed = seal(&report)?;
    }
    let bytes = sealed.as_bytes().len();
    if bytes > MAX_REPORT_BYTES {
        let words = format!("the report has {bytes} bytes and may have {MAX_REPORT_BYTES}: draw fewer zones and lines");
        return Err(Refusal(words));
    }
    Ok((report, sealed))
}

fn certificate(of: &str, pem: &[u8]) -> Option<Held> {
    let chain = Chain::from_pem(pem).ok()?;
    Some(Held { of: Word::cut(of), serial: chain.serial().ok()?, until: chain.validity().ok()?.1 })
}

fn aimed(config: &Config, camera: &Camera, found: &Found<'_>) -> Aimed {
    let card = card(camera, &config.agency);
    let told = found.health.cameras.iter().find(|told| told.camera == camera.id);
    let Measured { focus, plate_px, picture } = found.measured.get(&camera.id).cloned().unwrap_or_default();
    let names = camera.zones.iter().map(|zone| &zone.name).chain(camera.lines.iter().map(|line| &line.name));
    Aimed {
        camera: camera.id.clone(),
        name: card.name,
        place: card.place,
        size: told.and_then(|told| told.size),
        focus,
        plate_px,
        drawn: names.map(|name| Word::cut(name)).collect(),
        picture,
    }
}

/// The entry of the audit log that carries a report to the center.
pub(super) fn entry(report: &Report, sealed: &SealedReport) -> AuditRecord {
    let [ok, warnings, failed] = [Verdict::Ok, Verdict::Warning, Verdict::Failed].map(|verdict| report.count(verdict));
    let words = format!(
        "technician's page: {} commissioned the unit at {}: {ok} ok, {warnings} warning(s), {failed} failed",
        report.technician, report.site
    );
    AuditRecord { report: Some(sealed.clone()), ..draft(AuditKind::Local, None, &words, report.made) }
}
