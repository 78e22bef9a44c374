//! A unit as the page's tests have it.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};

use bytes::Bytes;
use edge_protocol::commissioning::{Report, SealedReport};
use edge_protocol::id::CameraId;

use crate::page::{CameraGlance, Checks, Drawing, Glance, Picture, Position, Refusal, TypedSource, Unit};

/// A unit with one camera, whose log can be full.
#[derive(Default)]
pub(super) struct Fake {
    pub(super) is_closed: AtomicBool,
    /// How often was looked whether it is closed.
    pub(super) looks: AtomicU32,
    pub(super) log_is_full: AtomicBool,
    /// Held by somebody, it is a disk that does not answer.
    pub(super) notes: Mutex<Vec<String>>,
    /// How much it was given to write down.
    pub(super) noting: AtomicU32,
    pub(super) tested: Mutex<Vec<CameraId>>,
    pub(super) drawn: Mutex<Drawing>,
    pub(super) placed: Mutex<Option<Position>>,
    pub(super) source: Mutex<Option<TypedSource>>,
    pub(super) searches: AtomicU32,
    pub(super) checks: AtomicBool,
    pub(super) cameras: Mutex<Vec<CameraGlance>>,
    /// How many pictures were asked for.
    pub(super) asked: AtomicI64,
    /// Happens while the first of them is on its way.
    pub(super) meanwhile: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Fake {
    pub(super) fn notes(&self) -> Vec<String> {
        self.notes.lock().unwrap().clone()
    }
}

impl Unit for Fake {
    fn is_open(&self) -> bool {
        self.looks.fetch_add(1, Ordering::Relaxed);
        !self.is_closed.load(Ordering::Relaxed)
    }

    fn try_code(&self, typed: &str) -> Result<(), Refusal> {
        if typed == super::CODE { Ok(()) } else { Err(Refusal("the setup code is wrong".to_owned())) }
    }

    fn note(&self, words: &str) -> Result<(), Refusal> {
        self.noting.fetch_add(1, Ordering::Relaxed);
        if self.log_is_full.load(Ordering::Relaxed) {
            return Err(Refusal("it cannot be written down".to_owned()));
        }
        self.notes.lock().unwrap().push(words.to_owned());
        Ok(())
    }

    fn glance(&self) -> Glance {
        let checks = Checks { running: self.checks.load(Ordering::Relaxed), ..Checks::default() };
        let cameras = self.cameras.lock().unwrap().clone();
        Glance { unit: "metro/gate-1".to_owned(), checks, cameras, ..Glance::default() }
    }

    fn ask_picture(&self, camera: &CameraId) -> bool {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if let Some(happens) = self.meanwhile.lock().unwrap().take() {
            happens();
        }
        camera.as_str() == "gate"
    }

    fn picture(&self, _camera: &CameraId) -> Option<Picture> {
        let jpeg = Bytes::from_static(b"a picture");
        Some(Picture {
            number: 6 + self.asked.load(Ordering::Relaxed),
            size: (640, 360),
            focus: Some(93),
            brightness: 120.0,
            light: None,
            limits: String::new(),
            small: jpeg.clone(),
            jpeg,
        })
    }

    fn test_read(&self, camera: CameraId) {
        self.tested.lock().unwrap().push(camera);
    }

    fn begin_checks(&self) {
        self.checks.store(true, Ordering::Relaxed);
    }

    fn drawing(&self, camera: &CameraId) -> Option<Drawing> {
        self.ask_picture(camera).then(|| self.drawn.lock().unwrap().clone())
    }

    fn draw(&self, _camera: &CameraId, drawing: &Drawing, by: &str) -> Result<(), Refusal> {
        if drawing.zone.iter().any(|zone| zone.points.len() < 3) {
            return Err(Refusal("a zone has at least 3 points".to_owned()));
        }
        self.note(&format!("{by} drew"))?;
        drawing.clone_into(&mut self.drawn.lock().unwrap());
        Ok(())
    }

    fn place(&self, _camera: &CameraId, position: &Position, by: &str) -> Result<(), Refusal> {
        if position.latitude.abs() > 90.0 {
            return Err(Refusal("latitude is from -90 to 90".to_owned()));
        }
        self.note(&format!("{by} placed it"))?;
        *self.placed.lock().unwrap() = Some(*position);
        Ok(())
    }

    fn source(&self, camera: &CameraId, typed: &TypedSource, by: &str) -> Result<(), Refusal> {
        if !typed.address.starts_with("rtsp://") {
            return Err(Refusal("the address is no address".to_owned()));
        }
        self.note(&format!("{by} set {camera}"))?;
        *self.source.lock().unwrap() = Some(typed.clone());
        Ok(())
    }

    fn find_cameras(&self, by: &str) -> Result<(), Refusal> {
        self.note(&format!("{by} looked"))?;
        self.searches.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn ask_streams(&self, _of: &TypedSource, by: &str) -> Result<(), Refusal> {
        self.note(&format!("{by} asked"))?;
        self.searches.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn enrol(&self, _typed: &str, broker: Option<String>) -> Result<(), Refusal> {
        Err(Refusal(format!("no way to {}", broker.as_deref().unwrap_or("nowhere"))))
    }

    fn commission(&self, site: &str, by: &str, _: &BTreeMap<CameraId, Picture>) -> Result<(), Refusal> {
        Err(Refusal(format!("{by} must run the checks before {site} is left")))
    }

    fn report(&self) -> Option<(Report, SealedReport)> {
        None
    }
}
