//! The analysis thread: frames from the slots, through analytics, to the socket. It shares the models among cameras.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering;

use edge_analytics::camera::CameraAnalytics;
use edge_analytics::care::Appearance;
use edge_analytics::infer::{Infer, InferFault, ModelRole, Output, TensorView};
use edge_analytics::settings::{CameraSettings, Polygon};
use edge_analytics::sighting::{FrameSighting, Outcome, Sighting};
use edge_protocol::time::MediaTime;

use super::super::crop::{compress, for_the_eye, for_the_report};
use super::super::decode::Frame;
use super::super::slots::Next;
use super::super::wire::{CameraIndex, Configure, FromWorker, Snapshot, WireError, write_frame};
use super::durations::Durations;
use super::{Shared, Specs};
use crate::supervise::Clock;

/// Analytics of all cameras over one set of models.
pub(super) struct Analysis<E> {
    cameras: Vec<CameraAnalytics>,
    models: Timed<E>,
    percent: u8,
    scratch: Vec<u8>,
}

impl<E: Infer> Analysis<E> {
    /// Analytics that have seen nothing yet.
    pub(super) fn new(configure: &Configure, specs: &Specs, engine: E) -> Result<Self, String> {
        let models = specs.iter().map(|(_, spec)| spec.clone()).collect::<Vec<_>>();
        let camera = |settings: &CameraSettings| {
            CameraAnalytics::new(settings.clone(), &models).map(|camera| camera.numbered_from(configure.first))
        };
        let cameras =
            configure.cameras.iter().map(camera).collect::<Result<_, _>>().map_err(|error| error.to_string())?;
        let clock = Clock::system();
        let models = Timed { engine, clock, runs: vec![Durations::default(); ModelRole::ALL.len()] };
        Ok(Self { cameras, models, percent: 100, scratch: Vec::new() })
    }

    /// Works until the slots are closed.
    pub(super) fn run(&mut self, shared: &Shared, socket: &UnixStream) -> Result<(), WireError> {
        loop {
            match shared.slots.next() {
                Next::Frame { camera, frame, replaced } => {
                    self.show(shared, socket, camera, &frame)?;
                    let sightings = self.look(shared, camera, &frame, &replaced);
                    // The decoder gets its buffer back before the socket makes us wait.
                    drop(frame);
                    for sighting in sightings {
                        self.tell(socket, camera, sighting)?;
                    }
                }
                Next::Beat(number) => {
                    let mut progress = shared.progress(|progress| progress.clone());
                    progress.runs = self.models.runs.iter().map(Durations::times).collect();
                    self.write(&mut &*socket, &FromWorker::Beat(number, progress))?;
                }
                Next::Closed => return self.finish(socket),
            }
        }
    }

    /// Ends every track and pass, so that what was seen up to the end is told.
    fn finish(&mut self, socket: &UnixStream) -> Result<(), WireError> {
        for camera in 0..self.cameras.len() {
            let last = self.cameras.get_mut(camera).map(CameraAnalytics::finish).unwrap_or_default();
            for sighting in last {
                self.tell(socket, camera, sighting)?;
            }
        }
        Ok(())
    }

    fn look(&mut self, shared: &Shared, camera: usize, frame: &Frame, replaced: &[MediaTime]) -> Vec<Sighting> {
        self.thin(shared);
        let Some(analytics) = self.cameras.get_mut(camera) else { return Vec::new() };
        let mut sightings = Vec::new();
        for media in replaced {
            sightings.extend(analytics.replaced(*media));
        }
        match frame.picture() {
            Ok(picture) => sightings.extend(analytics.frame(&picture, frame.media(), &mut self.models)),
            Err(_) => sightings.push(failed(frame.media())),
        }
        let analysed = |sighting: &&Sighting| {
            matches!(sighting, Sighting::Frame(FrameSighting { outcome: Outcome::Analysed, .. }))
        };
        let analysed = sightings.iter().filter(analysed).count();
        let failed =
            |sighting: &&Sighting| matches!(sighting, Sighting::Frame(FrameSighting { outcome: Outcome::Failed, .. }));
        let failed = sightings.iter().filter(failed).count();
        let fault = analytics.fault().map(ToString::to_string);
        let (looked_ms, period_ms) = analytics.looked();
        shared.camera(camera, |progress| {
            progress.analysed += analysed as u64;
            progress.failed += failed as u64;
            (progress.looked_ms, progress.period_ms) = (looked_ms, period_ms);
            if let Some(fault) = fault {
                progress.complaint = fault;
            }
        });
        sightings
    }

    /// Sends the picture to whoever asked for one. Before the models, so that aiming a camera does not wait for them.
    fn show(&mut self, shared: &Shared, socket: &UnixStream, camera: usize, frame: &Frame) -> Result<(), WireError> {
        let wanted = shared.wanted.get(camera).is_some_and(|wanted| wanted.swap(false, Ordering::Relaxed));
        let masks = self.cameras.get(camera).map(CameraAnalytics::masks).unwrap_or_default();
        let count = self.cameras.len();
        let Some(snapshot) = wanted.then(|| snapshot(frame, masks, count)).flatten() else { return Ok(()) };
        let camera = CameraIndex::try_from(camera).unwrap_or(CameraIndex::MAX);
        self.write(&mut &*socket, &FromWorker::Snapshot(camera, snapshot))
    }

    /// Takes over the rate that the agent last asked for.
    fn thin(&mut self, shared: &Shared) {
        let percent = shared.percent.load(Ordering::Relaxed);
        if std::mem::replace(&mut self.percent, percent) != percent {
            self.cameras.iter_mut().for_each(|camera| camera.thin_to(f32::from(percent) / 100.0));
        }
    }

    fn tell(&mut self, socket: &UnixStream, camera: usize, mut sighting: Sighting) -> Result<(), WireError> {
        compress(&mut sighting);
        let camera = CameraIndex::try_from(camera).unwrap_or(CameraIndex::MAX);
        self.write(&mut &*socket, &FromWorker::Sighting(camera, sighting))
    }

    fn write(&mut self, socket: &mut impl Write, message: &FromWorker) -> Result<(), WireError> {
        write_frame(socket, &mut self.scratch, message, &[])
    }
}

fn snapshot(frame: &Frame, masks: &[Polygon], cameras: usize) -> Option<Snapshot> {
    let picture = frame.picture().ok()?;
    let jpeg = for_the_eye(&picture, masks)?;
    let size = (picture.width(), picture.height());
    let small = for_the_report(&picture, masks, cameras).unwrap_or_default();
    Some(Snapshot { media: frame.media(), size, appearance: Appearance::of(&picture), jpeg, small })
}

fn failed(media: MediaTime) -> Sighting {
    Sighting::Frame(FrameSighting { media, outcome: Outcome::Failed, tracks: Vec::new() })
}

/// Counts and times the runs of each model, for health.
struct Timed<E> {
    engine: E,
    clock: Clock,
    runs: Vec<Durations>,
}

impl<E: Infer> Infer for Timed<E> {
    fn run(&mut self, model: ModelRole, input: TensorView<'_>) -> Result<Vec<Output>, InferFault> {
        let before = self.clock.mono();
        let outputs = self.engine.run(model, input);
        let took = self.clock.mono().saturating_since(before);
        let place = ModelRole::ALL.iter().position(|role| *role == model);
        if let Some(runs) = place.and_then(|place| self.runs.get_mut(place)) {
            runs.add(took);
        }
        outputs
    }
}
