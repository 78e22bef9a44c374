//! What every answer is made of: the unit, who is in, and the time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use edge_protocol::id::CameraId;
use edge_protocol::time::MonoTime;
use tokio::sync::Semaphore;

use super::answers::Failure;
use super::door::Door;
use super::unit::{Picture, Unit};
use crate::supervise::Clock;

/// How often is looked whether a picture is there.
const LOOK: Duration = Duration::from_millis(30);

pub(super) type Page = State<Arc<Shared>>;

pub(super) struct Shared {
    unit: Arc<dyn Unit>,
    door: Mutex<Door>,
    /// Of those who wait for the one thread.
    places: Arc<Semaphore>,
    pub(super) clock: Clock,
}

impl Shared {
    /// Threads on which the unit does what it is asked: one, so that one thing is done after another. Of two changes
    /// none is lost, wrong codes are counted, and no two come in at once.
    pub(super) const THREADS: usize = 1;
    /// So many may wait for it.
    pub(super) const PLACES: usize = 32;

    pub(super) fn new(unit: Arc<dyn Unit>, clock: Clock) -> Self {
        Self { unit, door: Mutex::default(), places: Arc::new(Semaphore::new(Self::PLACES)), clock }
    }

    pub(super) fn door(&self) -> MutexGuard<'_, Door> {
        self.door.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the unit do or tell something away from the one thread that gives all answers, because it reads and writes
    /// the disk.
    pub(super) async fn unit<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&dyn Unit) -> T + Send + 'static,
    ) -> Result<T, Failure> {
        // Whoever hangs up leaves his place only when his turn has come.
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return Err(Failure::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "the unit has much to do: try again in a moment",
            ));
        };
        let unit = Arc::clone(&self.unit);
        let work = move || {
            let done = work(&*unit);
            drop(place);
            done
        };
        tokio::task::spawn_blocking(work).await.map_err(|error| {
            tracing::error!(%error, "what the technician's page has asked for has failed");
            Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "the unit has failed at this: see its log")
        })
    }

    /// Whether the page is open, or somebody is in who has not finished. It may ask the disk.
    pub(super) fn is_open(&self) -> bool {
        let open = self.unit.is_open();
        open || self.door().inside(self.clock.mono()).is_some()
    }

    /// Has a picture made of what the camera shows next; false where there is no such camera. Pictures are in memory.
    pub(super) fn ask_picture(&self, camera: &CameraId) -> bool {
        self.unit.ask_picture(camera)
    }

    /// The number of the newest picture.
    pub(super) fn newest(&self, camera: &CameraId) -> Option<i64> {
        self.unit.picture(camera).map(|picture| picture.number)
    }

    /// The picture that was asked for, once it is another than the one of that number; none where none comes `until`
    /// then.
    pub(super) async fn other_picture(
        &self,
        camera: &CameraId,
        number: Option<i64>,
        until: MonoTime,
    ) -> Option<Picture> {
        loop {
            if let Some(picture) = self.unit.picture(camera).filter(|picture| number != Some(picture.number)) {
                return Some(picture);
            }
            if self.clock.mono() >= until {
                return None;
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}
