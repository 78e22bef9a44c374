//! The technician's page joined to the rest of the agent: what it shows, what it asks for and what it writes down.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use edge_analytics::geometry::Point;
use edge_analytics::settings::{self as analytics, Line, Zone};
use edge_protocol::commissioning::{Jpeg, Report, SealedReport};
use edge_protocol::enrolment::{BadBroker, BadCode, SetupCode};
use edge_protocol::id::CameraId;
use edge_protocol::record::{AuditKind, AuditRecord, CameraCondition, CameraHealth, Record, Sentence};
use edge_store::disk::RealDisk;

use super::cameras::{analytics_settings, card};
use super::checking::Checking;
use super::commissioning::{self, Found, Measured, Reports};
use super::enrolling::{self, Asked, Enrolling};
use super::opening::{Opening, is_always_open};
use super::plates::Plates;
use super::putting::{in_words, put};
use super::readings::Fit;
use super::searching::{self, Searching};
use super::sources::Sources;
use super::surviving::is_managed;
use super::vitals::Vitals;
use super::{Assembly, RunError, auditing, checking};
use crate::app::doctor::{focus_score, light_advice, light_measured};
use crate::app::locked;
use crate::capture::SourceSwitch;
use crate::config::{Camera, Config, PlateSearch};
use crate::control::draft;
use crate::enrolment::{Label, check_code};
use crate::page::{
    CameraGlance, Drawing, Glance, Page, Picture, Position, Refusal, Settings, Shape, Steps, TypedSource, Unit,
};
use crate::publish::Entry;
use crate::supervise::queue::Sender;
use crate::supervise::{Clock, Restart, Station};
use crate::uplink::Announcement;
use crate::vision::client::{Assignment, Viewfinder};

/// A port that somebody else has, or a certificate that is missing, is not there at once.
const AGAIN: Duration = Duration::from_secs(10);
/// What a unit is called that is nobody's yet.
const NEW: &str = "not enrolled yet";
/// What one is called whose name lies in locked storage.
const NAMELESS: &str = "name in locked storage";

/// How the page sees and steers what is looked at.
pub(super) struct Looks {
    pub(super) viewfinder: Viewfinder,
    pub(super) assignment: Assignment,
    pub(super) plates: Plates,
    pub(super) switches: BTreeMap<CameraId, SourceSwitch>,
    /// What the unit says of itself; none while it is nobody's.
    pub(super) announcement: Option<Announcement>,
}

/// The unit as the page sees it.
struct Here {
    file: PathBuf,
    name: Option<String>,
    /// Whether the page needs no mark to be open.
    always_open: bool,
    /// Why the storage is locked: then nothing is changed here, since nothing would be kept.
    locked: Option<String>,
    label: Result<Label, String>,
    /// Where wrong codes are counted, for the page and for `edge-agent enroll` together.
    tries: PathBuf,
    data_dir: PathBuf,
    cameras: Vec<Camera>,
    fit: Fit,
    /// Where they hang by now.
    places: Mutex<BTreeMap<CameraId, Position>>,
    entries: Sender<Entry>,
    vitals: Vitals,
    looks: Looks,
    sources: Sources,
    searching: Searching,
    checking: Checking,
    reports: Reports,
    /// Only a unit that is nobody's yet has this.
    enrolling: Option<Enrolling>,
    opening: Opening,
    /// The page's certificate.
    certificate: PathBuf,
    clock: Clock,
}

/// Starts the page where the configuration has one.
pub(super) fn start(
    assembly: &mut Assembly<'_>,
    (entries, vitals): (&Sender<Entry>, &Vitals),
    mut looks: Looks,
    program: PathBuf,
) -> Result<(), RunError> {
    let config = assembly.config;
    let Some(page) = &config.page else { return Ok(()) };
    let checking = checking::start(assembly, vitals, program)?;
    let searching = searching::start(assembly)?;
    let (switches, anew) = (std::mem::take(&mut looks.switches), is_managed().then(|| assembly.anew.soon.clone()));
    let enrolling = match assembly.awaited.clone() {
        Some(awaited) => Some(enrolling::start(assembly, awaited, page.claim.clone())?),
        None => None,
    };
    let here = Here {
        file: assembly.file.to_owned(),
        name: assembly.awaited.is_none().then(|| format!("{}/{}", config.agency, config.unit)),
        always_open: is_always_open(page.armed, assembly.awaited.is_some(), assembly.locked.is_some()),
        locked: assembly.locked.map(str::to_owned),
        label: Label::read(&RealDisk, &page.claim).map_err(|error| error.to_string()),
        tries: config.enrolment.clone().unwrap_or_else(|| config.data_dir.clone()),
        data_dir: config.data_dir.clone(),
        cameras: config.cameras.clone(),
        fit: Fit::of(&config.board),
        places: Mutex::new(config.cameras.iter().filter_map(position).collect()),
        entries: entries.clone(),
        vitals: vitals.clone(),
        looks,
        sources: Sources::new(assembly.file, config, switches, anew),
        searching,
        checking,
        reports: Reports::open(config),
        enrolling,
        opening: Opening::of(&config.data_dir),
        certificate: page.claim.join("page.pem"),
        clock: assembly.clock.clone(),
    };
    let settings = Settings {
        listen: page.listen,
        interface: page.interface.clone(),
        certificate: page.claim.join("page.pem"),
        key: page.claim.join("page.key"),
    };
    let mut page = Page::new(settings, Arc::new(here), assembly.clock.clone(), assembly.pulse("page"));
    assembly.start_with(Restart::After(AGAIN), "page", Station::Control, move |stop| page.run(stop))
}

impl Unit for Here {
    fn is_open(&self) -> bool {
        let open = self.always_open || self.opening.is_open(self.clock.mono());
        self.vitals.note_setup(open);
        open
    }

    fn try_code(&self, typed: &str) -> Result<(), Refusal> {
        let label = self.label.as_ref().map_err(|why| Refusal(why.clone()))?;
        let code: SetupCode = typed.parse().map_err(|error| Refusal::of(&error))?;
        let now = self.clock.wall().time;
        std::fs::create_dir_all(&self.tries).map_err(|error| Refusal::of(&error))?;
        check_code(&RealDisk, &self.tries, &label.setup_code, &code, now).map_err(|error| Refusal::of(&error))
    }

    fn note(&self, words: &str) -> Result<(), Refusal> {
        self.write(draft(AuditKind::Local, None, words, self.clock.wall()))
    }

    fn glance(&self) -> Glance {
        let health = self.vitals.record(&self.clock, &self.data_dir);
        let glance = |camera: &Camera| self.camera(camera, health.cameras.iter().find(|told| told.camera == camera.id));
        #[allow(clippy::cast_precision_loss, reason = "at most 180 degrees")]
        let tilt = health.board.as_ref().and_then(|board| board.tilt_mdeg).map(|mdeg| mdeg as f32 / 1000.0);
        Glance {
            unit: self.name.clone().unwrap_or_else(|| if self.locked.is_some() { NAMELESS } else { NEW }.to_owned()),
            serial: self.serial(),
            enrolled: self.name.is_some(),
            cameras: self.cameras.iter().map(glance).collect(),
            tilt,
            board: health.board.iter().flat_map(|board| self.fit.say(board, &health.temperatures)).collect(),
            problems: self
                .sources
                .waits(self.clock.mono())
                .into_iter()
                .chain(health.problems.iter().map(Sentence::to_string))
                .collect(),
            test_read: self.looks.plates.test(self.clock.mono()),
            checks: self.checking.see().clone(),
            search: self.searching.search(),
            enrolment: self.enrolling.as_ref().map(|enrolling| enrolling.see().clone()),
            commissioned: self.reports.newest().map(|(report, _)| report.made.time),
        }
    }

    fn ask_picture(&self, camera: &CameraId) -> bool {
        let known = self.cameras.iter().any(|known| known.id == *camera);
        if known {
            self.looks.viewfinder.ask(camera);
        }
        known
    }

    fn picture(&self, camera: &CameraId) -> Option<Picture> {
        let snapshot = self.looks.viewfinder.newest(camera)?;
        let seen = snapshot.appearance;
        let limits = self.cameras.iter().find(|known| known.id == *camera)?.care_limits();
        Some(Picture {
            number: snapshot.media.as_nanos() / 1_000_000,
            size: snapshot.size,
            focus: seen.sharpness.map(focus_score),
            brightness: seen.brightness,
            light: light_advice(&seen, &limits).map(str::to_owned),
            limits: light_measured(&seen, &limits),
            jpeg: snapshot.jpeg.clone().into(),
            small: snapshot.small.clone().into(),
        })
    }

    fn test_read(&self, camera: CameraId) {
        self.looks.plates.ask(camera, self.clock.mono());
    }

    fn begin_checks(&self) {
        self.checking.begin((), |before| before);
    }

    fn drawing(&self, camera: &CameraId) -> Option<Drawing> {
        let (_, settings) = self.looks.assignment.all().into_iter().find(|(known, _)| known == camera)?;
        let points = |points: &[Point]| points.iter().map(|point| (point.x, point.y)).collect();
        let zone = |zone: &Zone| Shape { name: zone.id.clone(), points: points(&zone.outline.0) };
        let line = |line: &Line| Shape { name: line.id.clone(), points: points(&[line.from, line.to]) };
        Some(Drawing {
            zone: settings.zones.iter().map(zone).collect(),
            line: settings.lines.iter().map(line).collect(),
        })
    }

    fn draw(&self, camera: &CameraId, drawing: &Drawing, by: &str) -> Result<(), Refusal> {
        self.unlocked()?;
        let table = toml::Table::try_from(drawing).map_err(|error| Refusal::of(&error))?;
        let (zones, lines) = (drawing.zone.len(), drawing.line.len());
        let (drawn, _) = put(
            (&self.file, camera),
            |text| Config::redrawn(text, camera, table).map_err(|error| Refusal::of(&error)),
            || self.note(&format!("technician's page: {by} drew {zones} zone(s) and {lines} line(s) at {camera}")),
        )?;
        let analytics::CameraSettings { zones, lines, .. } = analytics_settings(&drawn);
        self.looks.assignment.change(camera, |settings| {
            settings.zones = zones;
            settings.lines = lines;
        });
        Ok(())
    }

    fn place(&self, camera: &CameraId, position: &Position, by: &str) -> Result<(), Refusal> {
        self.unlocked()?;
        let table = toml::Table::try_from(position).map_err(|error| Refusal::of(&error))?;
        let Position { latitude, longitude } = *position;
        let (found, config) = put(
            (&self.file, camera),
            |text| Config::placed(text, camera, table).map_err(|error| in_words(&error, "place.")),
            || {
                self.note(&format!(
                    "technician's page: {by} wrote that {camera} hangs at {latitude:.5}, {longitude:.5}"
                ))
            },
        )?;
        self.places.lock().unwrap_or_else(PoisonError::into_inner).insert(camera.clone(), *position);
        if let Some(announcement) = &self.looks.announcement {
            let card = card(&found, &config.agency);
            announcement.update(|birth| {
                for told in birth.cameras.iter_mut().filter(|told| told.id == *camera) {
                    told.clone_from(&card);
                }
            });
        }
        Ok(())
    }

    fn source(&self, camera: &CameraId, typed: &TypedSource, by: &str) -> Result<(), Refusal> {
        self.unlocked()?;
        let mut typed = typed.clone();
        if let Some(whole) = self.searching.whole(&typed.address) {
            typed.address = whole;
        }
        self.sources.put(camera, &typed, |becomes| {
            self.note(&format!("technician's page: {by} has the video of {camera} come from {becomes}"))
        })
    }

    fn find_cameras(&self, by: &str) -> Result<(), Refusal> {
        self.searching.everybody(|| self.note(&format!("technician's page: {by} looked for cameras on the network")))
    }

    fn ask_streams(&self, of: &TypedSource, by: &str) -> Result<(), Refusal> {
        self.searching.streams(of, |place| {
            self.note(&format!("technician's page: {by} asked the camera at {place} for its streams"))
        })
    }

    fn commission(&self, site: &str, by: &str, pictures: &BTreeMap<CameraId, Picture>) -> Result<(), Refusal> {
        self.unlocked()?;
        if self.name.is_none() {
            return Err(Refusal("enrol the unit first: its own key signs the report".to_owned()));
        }
        let checks = self.checking.see().clone();
        if checks.running || checks.findings.is_empty() {
            return Err(Refusal("run the checks first: they go into the report".to_owned()));
        }
        let found = Found {
            technician: by,
            site,
            serial: &self.serial(),
            page: self.certificate.clone(),
            checks,
            health: self.vitals.record(&self.clock, &self.data_dir),
            measured: self.cameras.iter().map(|camera| self.measured(&camera.id, pictures.get(&camera.id))).collect(),
            now: self.clock.wall(),
        };
        // Read anew: certificates are renewed and zones drawn while the agent runs.
        let config = Config::read(&self.file).map_err(|error| Refusal::of(&error))?;
        let (report, sealed) = commissioning::report(&config, &found)?;
        self.write(commissioning::entry(&report, &sealed))?;
        self.reports.keep(report, sealed)?;
        self.opening.close();
        Ok(())
    }

    fn enrol(&self, typed: &str, broker: Option<String>) -> Result<(), Refusal> {
        self.unlocked()?;
        let enrolling = self.enrolling.as_ref().ok_or_else(|| Refusal("the unit is enrolled already".to_owned()))?;
        let code = typed.parse().map_err(|error: BadCode| Refusal::of(&error))?;
        let broker = broker.map(|typed| typed.parse()).transpose().map_err(|error: BadBroker| Refusal::of(&error))?;
        enrolling.begin(Asked { code, broker }, |_| Steps::default());
        Ok(())
    }

    fn report(&self) -> Option<(Report, SealedReport)> {
        self.reports.newest()
    }
}

/// Where a camera hangs by the configuration.
fn position(camera: &Camera) -> Option<(CameraId, Position)> {
    let place = camera.place?;
    Some((camera.id.clone(), Position { latitude: place.latitude, longitude: place.longitude }))
}

impl Here {
    fn measured(&self, camera: &CameraId, picture: Option<&Picture>) -> (CameraId, Measured) {
        let measured = Measured {
            focus: picture.and_then(|picture| picture.focus),
            plate_px: self.looks.plates.last(camera, self.clock.mono()).map(|plate| plate.height_px),
            picture: picture.and_then(|picture| Jpeg::new(picture.small.to_vec())),
        };
        (camera.clone(), measured)
    }

    fn unlocked(&self) -> Result<(), Refusal> {
        let refuse = |why: &String| Err(Refusal(locked::refusal(why, "nothing that is done here would be kept")));
        self.locked.as_ref().map_or(Ok(()), refuse)
    }

    /// Writes an entry into the audit log, and sends it.
    fn write(&self, entry: AuditRecord) -> Result<(), Refusal> {
        let entry = auditing::write(&self.data_dir.join("audit.sqlite"), entry).map_err(|error| {
            tracing::error!(%error, "what was asked on the technician's page is refused");
            Refusal(format!("nothing is done, because it cannot be written down: {error}"))
        })?;
        if self.entries.send(Entry::Record(Record::Audit(entry))).is_err() {
            tracing::debug!("the outbox has stopped; the audit log itself holds the entry");
        }
        Ok(())
    }

    fn serial(&self) -> String {
        self.label.as_ref().map(|label| label.serial.to_string()).unwrap_or_default()
    }

    fn camera(&self, camera: &Camera, told: Option<&CameraHealth>) -> CameraGlance {
        #[allow(clippy::cast_precision_loss, reason = "a few hundred pictures a second")]
        let fps = told.map_or(0.0, |told| told.received_mfps as f32 / 1000.0);
        CameraGlance {
            id: camera.id.clone(),
            name: camera.name.clone(),
            streaming: told.is_some_and(|told| told.condition == CameraCondition::Streaming),
            words: told.map(|told| told.text.to_string()).unwrap_or_default(),
            fps,
            source: self.sources.shown(&camera.id),
            place: self.places.lock().unwrap_or_else(PoisonError::into_inner).get(&camera.id).copied(),
            reads_plates: camera.plates != PlateSearch::Off,
            plate: self.looks.plates.last(&camera.id, self.clock.mono()),
        }
    }
}
