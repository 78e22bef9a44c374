//! What every answer of the interface is made from.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{mpsc, watch};

use super::error::ApiError;
use crate::broker::{Departure, LinkStatus};
use crate::database::{Database, DatabaseError};
use crate::enrolment::Desk;
use crate::receiver::worker::ReceiverStatus;

/// Connections for reading that are kept open.
const READERS_KEPT: usize = 8;
/// How long a write of the interface waits for the receiver's transaction.
const PATIENCE: Duration = Duration::from_secs(3);

/// Everything the interface needs; cheap to share.
#[derive(Debug)]
pub struct Center {
    /// The agency, first part of every topic.
    pub agency: String,
    /// The folder with database, clips and pictures.
    pub folder: PathBuf,
    /// The database file.
    pub database: PathBuf,
    /// What the connection to the broker says about itself.
    pub link: Arc<LinkStatus>,
    /// What the receiver says about itself.
    pub receiver: Arc<ReceiverStatus>,
    /// Who enrols units.
    pub desk: Arc<Desk>,
    /// Changes whenever this receiver has committed.
    pub news: watch::Receiver<u64>,
    /// Becomes true when the center stops: questions that wait are then answered with what there is.
    pub stop: watch::Receiver<bool>,
    /// Where signed commands go.
    pub departures: mpsc::Sender<Departure>,
    /// Reads the wall clock, microseconds since 1970.
    pub now_us: fn() -> i64,
    /// Connections that nobody uses at the moment.
    pub readers: Readers,
}

/// Connections for reading, used again and again.
#[derive(Debug, Default)]
pub struct Readers(Mutex<Vec<Database>>);

impl Readers {
    fn take(&self) -> Option<Database> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn give(&self, reader: Database) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < READERS_KEPT {
            kept.push(reader);
        }
    }
}

impl Center {
    /// What the broker must hear of is not begun while it cannot.
    ///
    /// # Errors
    /// Where the center has no connection to it.
    pub(super) fn connected(&self) -> Result<(), ApiError> {
        if self.link.connected() {
            return Ok(());
        }
        Err(ApiError::Unavailable("the center has no connection to the broker at the moment".to_owned()))
    }

    /// Runs a question on a thread where waiting for the disk is allowed.
    ///
    /// # Errors
    /// Returns what the question returns.
    pub async fn read<T, E, F>(self: &Arc<Self>, question: F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        E: Into<ApiError> + Send + 'static,
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    {
        let center = Arc::clone(self);
        blocking(move || {
            let reader = match center.readers.take() {
                Some(reader) => reader,
                None => Database::open_for_reading(&center.database)?,
            };
            let answer = question(reader.reader()).map_err(Into::into);
            center.readers.give(reader);
            answer
        })
        .await
    }

    /// Runs a change in a transaction of its own, and commits it if it succeeds.
    ///
    /// # Errors
    /// Returns what the change returns.
    pub async fn write<T, E, F>(self: &Arc<Self>, change: F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        E: Into<ApiError> + Send + 'static,
        F: FnOnce(&crate::database::ingest::Ingest<'_>) -> Result<T, E> + Send + 'static,
    {
        let center = Arc::clone(self);
        blocking(move || {
            let mut database = Database::open(&center.database, PATIENCE)?;
            let transaction = database.write()?;
            let outcome =
                change(&crate::database::ingest::Ingest::new(&transaction, (center.now_us)())).map_err(Into::into)?;
            transaction.commit().map_err(DatabaseError::from)?;
            Ok(outcome)
        })
        .await
    }
}

/// Runs work that waits for the disk away from the network's threads.
pub(super) async fn blocking<T, F>(work: F) -> Result<T, ApiError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, ApiError> + Send + 'static,
{
    tokio::task::spawn_blocking(work).await.map_err(|error| ApiError::Failed(error.to_string()))?
}
