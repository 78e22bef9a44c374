//! The unit's numbers for a Prometheus scraper, on a loopback port.
//!
//! Belongs here: the port and the text format. Does not belong here: gathering the numbers (health does), and anything
//! that names a plate, a person or a secret; a health record holds none.

mod text;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use edge_protocol::id::CameraId;
use edge_protocol::record::Health;

use crate::supervise::queue::Gauge;
use crate::supervise::{Clock, Fault, Pulse, Stop};

/// Between two heartbeats.
const BEAT: Duration = Duration::from_secs(1);
/// The format's own name for itself.
const FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a camera's stream had wrong with it, counted since the agent started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// The camera.
    pub camera: CameraId,
    /// Times that the stream said it lost packets.
    pub losses: u64,
    /// Times that the camera's clock jumped.
    pub jumps: u64,
    /// Samples in which there was no picture.
    pub without_picture: u64,
    /// The camera's own clock minus the box's, milliseconds, where the camera tells it.
    pub clock_ms: Option<i64>,
}

/// What is shown: the health record, and what matters on the unit alone.
#[derive(Debug)]
pub struct Numbers {
    /// How the unit is.
    pub health: Health,
    /// How the cameras' streams are.
    pub streams: Vec<Stream>,
    /// Every queue between stages; those of one name are shown as one.
    pub queues: Vec<Gauge>,
}

/// Gives the unit's numbers as they are now.
pub type Look = Arc<dyn Fn() -> Numbers + Send + Sync>;

/// Serves `GET /metrics` until told to stop.
pub struct Metrics {
    address: SocketAddr,
    look: Look,
    clock: Clock,
    pulse: Pulse,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Metrics({})", self.address)
    }
}

impl Metrics {
    /// A server that does not listen yet. The configuration allows loopback addresses alone.
    pub fn new(address: SocketAddr, look: Look, clock: Clock, pulse: Pulse) -> Self {
        Self { address, look, clock, pulse }
    }

    /// Listens and answers until told to stop.
    ///
    /// # Errors
    /// When the port cannot be had.
    pub fn run(&mut self, stop: &Stop) -> Result<(), Fault> {
        let listener = TcpListener::bind(self.address).map_err(|error| self.fault(&error))?;
        self.serve(listener, stop)
    }

    fn fault(&self, error: &io::Error) -> Fault {
        Fault(format!("metrics cannot be served on {} ([health] metrics): {error}", self.address))
    }

    fn serve(&self, listener: TcpListener, stop: &Stop) -> Result<(), Fault> {
        let taken = |error: io::Error| self.fault(&error);
        listener.set_nonblocking(true).map_err(taken)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(taken)?;
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).map_err(taken)?;
            let stopped = stop.clone();
            let server = axum::serve(listener, router(Arc::clone(&self.look)));
            let server = server.with_graceful_shutdown(async move { stopped.wait().await });
            tokio::select! {
                ended = server => ended.map_err(taken),
                () = beat(&self.clock, &self.pulse) => Ok(()),
                // A scraper that keeps its connection open does not hold up the end.
                () = async { stop.wait().await; tokio::time::sleep(BEAT).await } => Ok(()),
            }
        })
    }
}

/// Shows that the thread lives, for as long as it does.
async fn beat(clock: &Clock, pulse: &Pulse) {
    let mut beats = tokio::time::interval(BEAT);
    #[allow(clippy::infinite_loop, reason = "ends with the future that it is selected against")]
    loop {
        pulse.beat(clock.mono());
        beats.tick().await;
    }
}

fn router(look: Look) -> Router {
    Router::new().route("/metrics", get(answer)).route("/health", get(tell)).with_state(look)
}

/// The health record itself, for `edge-agent doctor` beside the running agent.
async fn tell(State(look): State<Look>) -> Json<Health> {
    Json(look().health)
}

async fn answer(State(look): State<Look>) -> impl IntoResponse {
    ([(CONTENT_TYPE, FORMAT)], text::render(&look()))
}

#[cfg(test)]
mod tests;
