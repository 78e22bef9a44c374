//! ^C, a polite kill, or a terminal that closes: noted, so that what was started ends in the order of the data.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;

use anyhow::{Result, ensure};

/// Whether somebody has interrupted the demo; clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interruption(Arc<AtomicU8>);

impl Interruption {
    /// Notes the first signal from now on.
    pub(crate) fn noted() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let noted = Self::default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let inside = runtime.enter();
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hang_up = signal(SignalKind::hangup())?;
        drop(inside);
        let Self(number) = noted.clone();
        thread::Builder::new().name("interrupt".to_owned()).spawn(move || {
            let kind = runtime.block_on(async {
                tokio::select! {
                    _ = interrupt.recv() => SignalKind::interrupt(),
                    _ = terminate.recv() => SignalKind::terminate(),
                    _ = hang_up.recv() => SignalKind::hangup(),
                }
            });
            number.store(u8::try_from(kind.as_raw_value()).unwrap_or(u8::MAX), Ordering::SeqCst);
        })?;
        Ok(noted)
    }

    /// Whether there was one.
    pub(crate) fn is_there(&self) -> bool {
        self.0.load(Ordering::SeqCst) != 0
    }

    /// Fails once there was one.
    pub(crate) fn check(&self) -> Result<()> {
        ensure!(!self.is_there(), "interrupted before everything ran");
        Ok(())
    }

    /// What a shell says of a program that a signal has ended; none without one.
    pub(crate) fn status(&self) -> Option<u8> {
        self.is_there().then(|| self.0.load(Ordering::SeqCst).saturating_add(128))
    }
}
