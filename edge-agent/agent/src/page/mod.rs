//! The technician's page: one page over HTTPS, for a phone on a ladder.
//!
//! Belongs here: the port, who is in, what is asked and what is answered. Does not belong here: looking, checking and
//! writing, which the rest of the agent does behind [`Unit`]. No recorded video can be reached: nothing here knows of a
//! ring, and a picture is one that the vision worker makes of what the camera shows now.
//!
//! The way of a question: TLS with the certificate that the factory made; the session that a setup code has opened
//! (`door`); then the audit log, before anything is shown or changed that should be known afterwards.

mod answers;
mod door;
mod listen;
mod reports;
mod shared;
mod source;
#[cfg(test)]
mod tests;
mod unit;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use listen::{Interface, TlsListener};
use shared::Shared;
pub use source::{FoundCamera, Offer, Search, SourceGlance, TypedSource};
use tokio::net::TcpListener;
pub use unit::{
    CameraGlance, Checks, Drawing, Glance, Picture, PlateGlance, Position, Reading, Refusal, Seen, Shape, Steps,
    TestRead, Unit,
};

use crate::supervise::{Clock, Fault, Pulse, Stop};

/// Between two heartbeats, and between two looks whether the page is open.
const BEAT: Duration = Duration::from_secs(1);

/// Where the page is, and with what it proves to be the unit's.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The one network interface at which it can be reached; any without it.
    pub interface: Option<String>,
    /// The page's certificate, PEM.
    pub certificate: PathBuf,
    /// Its key, PEM.
    pub key: PathBuf,
}

/// The page's server.
pub struct Page {
    settings: Settings,
    shared: Arc<Shared>,
    pulse: Pulse,
}

impl std::fmt::Debug for Page {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Page({})", self.settings.listen)
    }
}

impl Page {
    /// A page that does not listen yet.
    pub fn new(settings: Settings, unit: Arc<dyn Unit>, clock: Clock, pulse: Pulse) -> Self {
        Self { settings, shared: Arc::new(Shared::new(unit, clock)), pulse }
    }

    /// Listens whenever the page is open and its interface is there, until told to stop.
    ///
    /// # Errors
    /// When the port or the certificate cannot be had.
    pub fn run(&mut self, stop: &Stop) -> Result<(), Fault> {
        loop {
            self.pulse.beat(self.shared.clock.mono());
            let interface = self.settings.interface.as_deref().map(Interface::find);
            if self.shared.is_open() && interface != Some(None) {
                self.serve(|| listen::bind(self.settings.listen, interface.flatten().as_ref()), stop)?;
            }
            if stop.wait_timeout(BEAT) {
                return Ok(());
            }
        }
    }

    fn fault(&self, error: &io::Error) -> Fault {
        Fault(format!("the technician's page cannot be served on {} ([page]): {error}", self.settings.listen))
    }

    /// Answers until the page is closed, whereupon whoever was in is out, or until the interface has gone.
    fn serve(&self, bind: impl FnOnce() -> io::Result<TcpListener>, stop: &Stop) -> Result<(), Fault> {
        let taken = |error: io::Error| self.fault(&error);
        let configuration = listen::configuration(&self.settings.certificate, &self.settings.key)?;
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().max_blocking_threads(Shared::THREADS).build().map_err(taken)?;
        let served = runtime.block_on(async {
            let listener = bind().map_err(taken)?;
            let address = listener.local_addr().map_err(taken)?;
            tracing::info!(%address, "the technician's page is open");
            let server = axum::serve(TlsListener::new(listener, configuration), answers::router(&self.shared));
            tokio::select! {
                ended = server => ended.map_err(taken),
                () = self.closed() => Ok(()),
                () = stop.wait() => Ok(()),
            }
        });
        // A cable that is plugged in again finds who was in still there.
        if !self.shared.is_open() || stop.is_set() {
            self.shared.door().clear();
        }
        tracing::info!("the technician's page is closed");
        served
    }

    /// Until the page is closed or listens at an interface that has gone: an adapter that is plugged in again is
    /// another one to the kernel. Meanwhile the thread shows that it lives, however long the disk is looked at.
    async fn closed(&self) {
        let is_there = || {
            let (shared, name) = (Arc::clone(&self.shared), self.settings.interface.clone());
            move || shared.is_open().then(|| name.as_deref().map(Interface::find))
        };
        let beat = async {
            let mut beats = tokio::time::interval(BEAT);
            loop {
                beats.tick().await;
                self.pulse.beat(self.shared.clock.mono());
            }
        };
        let look = async {
            let bound = self.settings.interface.as_deref().map(Interface::find);
            let mut looks = tokio::time::interval(BEAT);
            while tokio::task::spawn_blocking(is_there()).await.is_ok_and(|there| there.as_ref() == Some(&bound)) {
                looks.tick().await;
            }
        };
        tokio::select! {
            () = beat => {}
            () = look => {}
        }
    }
}
