//! What the worker says, as records: one stage for all cameras.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use edge_analytics::event::{EventMaker, EventPolicy, Publish};
use edge_analytics::hotlist::{Hotlist, Listed};
use edge_protocol::hash::Version;
use edge_protocol::id::CameraId;
use edge_protocol::record::{Alert, AlertKind, Gap, GapOf, PlateText, Record, Versions, Word};
use edge_protocol::time::{MediaTime, Moment};
use edge_store::index::Detection;

use super::alert::alert;
use super::auditing::{Alarms, tell};
use super::keeping;
use super::moments::Moments;
use super::plates::Plates;
use super::vitals::Vitals;
use crate::config::{self, Config};
use crate::publish::Entry;
use crate::supervise::queue::{ReceiveError, Receiver, Sender};
use crate::supervise::{Clock, Fault, Pulse};
use crate::vision::client::VisionEvent;

/// The longest the stage goes without showing that it lives.
const TICK: Duration = Duration::from_secs(1);

/// What the stage is connected to.
pub(super) struct Ends {
    pub(super) seen: Receiver<VisionEvent>,
    pub(super) entries: Sender<Entry>,
    /// Where detections are kept; a unit that is nobody's yet keeps none, nor does one whose storage is locked.
    pub(super) kept: Option<Sender<Detection>>,
    pub(super) moments: Moments,
    pub(super) plates: Plates,
    pub(super) vitals: Vitals,
    pub(super) alarms: Option<Alarms>,
    pub(super) clock: Clock,
    pub(super) pulse: Pulse,
}

/// The list of test plates, which the configuration has accepted only for a developer's unit.
pub(in crate::app) fn test_list(plates: &[PlateText]) -> Arc<Hotlist> {
    let listed = plates.iter().map(|plate| Listed { plate: plate.clone(), reason: None });
    Arc::new(Hotlist::new(Word::cut("test"), None, listed))
}

/// What the configuration says of a camera's events.
pub(in crate::app) fn policy(config: &Config, camera: &config::Camera) -> EventPolicy {
    EventPolicy {
        publish: match config.reads.publish {
            config::Publish::Counts => Publish::Counts,
            config::Publish::All => Publish::All,
        },
        hotlist: test_list(&config.hotlist.test_plates),
        versions: Versions { config: Some(config.version), mask: camera.mask_version(), ..Versions::default() },
        ..EventPolicy::default()
    }
}

/// Names the models in use together; what health calls them, one a line.
pub(in crate::app) fn models_version<'a>(labels: impl Iterator<Item = &'a str>) -> Version {
    Version::of(labels.collect::<Vec<_>>().join("\n").as_bytes())
}

/// Tells the service manager that the agent has started.
pub(super) fn tell_ready(how: &str, vitals: &Vitals) {
    tracing::info!("{how}");
    vitals.note_ready();
    if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Ready, sd_notify::NotifyState::Status(how)]) {
        tracing::debug!(%error, "nobody is told that the agent has started");
    }
}

/// The stage that turns sightings into records.
pub(super) struct Teller {
    makers: BTreeMap<CameraId, EventMaker>,
    ends: Ends,
    has_started: bool,
}

impl Teller {
    pub(super) fn new(config: &Config, ends: Ends) -> Self {
        let maker =
            |camera: &config::Camera| (camera.id.clone(), EventMaker::new(camera.id.clone(), policy(config, camera)));
        Self { makers: config.cameras.iter().map(maker).collect(), ends, has_started: false }
    }

    /// Runs until the worker's client is gone and everything it said is told.
    pub(super) fn run(&mut self) -> Result<(), Fault> {
        loop {
            if !cfg!(feature = "sabotage-stage-hangs") {
                self.ends.pulse.beat(self.ends.clock.mono());
            }
            match self.ends.seen.receive_timeout(TICK) {
                Ok(event) => self.take(event)?,
                Err(ReceiveError::Timeout) => {}
                // Every camera has ended, as recordings do: there is nothing more to tell.
                Err(ReceiveError::Closed) => return Ok(()),
            }
        }
    }

    fn take(&mut self, event: VisionEvent) -> Result<(), Fault> {
        self.ends.vitals.note(&event);
        self.ends.plates.note(&event, self.ends.clock.mono());
        match event {
            VisionEvent::Ready(ready) => self.ready(&ready),
            VisionEvent::Sighting(camera, sighting) => {
                let now = self.ends.clock.wall();
                let moments = &self.ends.moments;
                let wall = |media: MediaTime| moments.wall(&camera, media, now);
                let Some(maker) = self.makers.get_mut(&camera) else { return Ok(()) };
                if let Some((kept, record)) = self.ends.kept.as_ref().zip(maker.kept(&sighting, &wall)) {
                    keeping::keep(kept, &record);
                }
                let records = maker.take(&sighting, &wall);
                return records.into_iter().try_for_each(|record| self.tell(record));
            }
            VisionEvent::Progress(_) => {}
            VisionEvent::Lost { why, .. } => {
                self.makers.values_mut().for_each(EventMaker::restart);
                self.started("started without eyes: the vision worker does not start; recording and reporting go on");
                return self.tell(self.fault(&why));
            }
            VisionEvent::NotLooked { camera, from, to } => return self.tell(self.not_looked(camera, from, to)),
        }
        Ok(())
    }

    fn ready(&mut self, ready: &crate::vision::Ready) {
        for missing in &ready.missing {
            tracing::warn!(missing, "the vision worker does without something");
        }
        for model in &ready.models {
            tracing::info!(model = model.label, provider = model.provider, "model loaded and tested");
        }
        let models = models_version(ready.models.iter().map(|model| model.label.as_str()));
        self.makers.values_mut().for_each(|maker| maker.look_with(models));
        self.started("ready");
    }

    /// Tells the service manager, once, that the agent has started. That is so, too, when there are no eyes: it records
    /// and reports, and being killed and started again for want of a model would only cost video.
    fn started(&mut self, how: &str) {
        if !std::mem::replace(&mut self.has_started, true) {
            tell_ready(how, &self.ends.vitals);
        }
    }

    fn tell(&self, record: Record) -> Result<(), Fault> {
        tell(&self.ends.entries, self.ends.alarms.as_ref(), record, self.ends.clock.wall())
    }

    fn fault(&self, why: &str) -> Record {
        let words = format!("nothing is looked at until the vision worker is back: {why}");
        let kind = AlertKind::Fault(Word::cut("vision-worker"));
        Record::Alert(Box::new(alert(kind, false, &words, self.ends.clock.wall())))
    }

    fn not_looked(&self, camera: CameraId, from: MediaTime, to: MediaTime) -> Record {
        let now = self.ends.clock.wall();
        let at = |media| Moment::from(self.ends.moments.wall(&camera, media, now).time);
        let (from, to) = (at(from), at(to));
        let kind = AlertKind::Gap(Gap { of: GapOf::Analysis, from, to: Some(to) });
        let words = "the camera was not looked at while there was no vision worker";
        Record::Alert(Box::new(Alert { camera: Some(camera), ..alert(kind, true, words, now) }))
    }
}
