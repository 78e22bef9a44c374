//! What control needs of the rest of the agent.

use std::fmt;

use edge_protocol::command::{ClipScope, UpdateScope};
use edge_protocol::id::{CommandId, RequestId};
use edge_protocol::record::{AuditRecord, ClipChunk, ClipOffer, Record};

/// The audit log cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("audit log: {0}")]
pub struct AuditFault(pub String);

/// The unit's audit log, together with the ids of the commands that were begun: both in one file, so that neither can
/// be on disk without the other. A draft's number and the hash of the entry before it are the log's to fill in.
pub trait AuditLog: Send {
    /// Appends the entry that a command begins with, and the command's id; on disk when it returns. None where the
    /// command was begun before: nothing is written then, and nothing may be done.
    ///
    /// # Errors
    /// When the disk does not take it. The command must then be refused.
    fn begin(&mut self, draft: AuditRecord, command: CommandId) -> Result<Option<Box<AuditRecord>>, AuditFault>;

    /// Appends any other entry; on disk when it returns.
    ///
    /// # Errors
    /// When the disk does not take it.
    fn append(&mut self, draft: AuditRecord) -> Result<Box<AuditRecord>, AuditFault>;

    /// Intents without an outcome, oldest first: what the end of the agent interrupted.
    ///
    /// # Errors
    /// When the log cannot be read.
    fn unfinished(&mut self) -> Result<Vec<AuditRecord>, AuditFault>;
}

/// An update that an authorised person asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateAsked {
    /// For which request; names the answers that follow.
    pub request: RequestId,
    /// By which command.
    pub command: CommandId,
    /// Which bundle, and when to boot into it.
    pub scope: UpdateScope,
}

/// What became of calling an update back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recalled {
    /// It ends, and nothing was changed; what it was of.
    Ended(String),
    /// Nothing of it is here.
    NotThere,
    /// It has begun, and goes on; in words.
    TooLate(String),
}

impl fmt::Display for Recalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(what) => write!(f, "the update to {what} is called back, nothing was changed"),
            Self::NotThere => f.write_str("no such update is under way here"),
            Self::TooLate(why) => f.write_str(why),
        }
    }
}

/// An action was begun and could not be finished.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ActionFault(pub String);

/// What there is of a clip.
pub enum Clip {
    /// Nothing of what was asked for, and why.
    Nothing(String),
    /// A clip.
    Made(MadeClip),
}

/// A clip that was made. What it needs of the ring stays pinned while the pieces are taken.
pub struct MadeClip {
    /// What is told the asker.
    pub offer: ClipOffer,
    /// The manifest's pieces, then the media's.
    pub chunks: Box<dyn Iterator<Item = Result<ClipChunk, ActionFault>> + Send>,
}

impl fmt::Debug for Clip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing(reason) => f.debug_tuple("Nothing").field(reason).finish(),
            Self::Made(made) => made.fmt(f),
        }
    }
}

impl fmt::Debug for MadeClip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MadeClip").field("offer", &self.offer).finish_non_exhaustive()
    }
}

/// What commands can have done.
pub trait Actions: Send {
    /// Pins the range as it is now and makes the clip; the request names its pieces.
    ///
    /// # Errors
    /// When ring or disk fail.
    fn clip(&mut self, request: RequestId, asked: &ClipScope) -> Result<Clip, ActionFault>;

    /// Has a health record sent now.
    ///
    /// # Errors
    /// When it cannot be made.
    fn health(&mut self) -> Result<(), ActionFault>;

    /// Leaves the update for the process that carries it out, which answers from then on; on the disk when it returns.
    ///
    /// # Errors
    /// When another one is under way, or it can be seen at once that it will not do.
    fn update(&mut self, asked: &UpdateAsked) -> Result<(), ActionFault>;

    /// Ends an update that was left so, where nothing was changed for it yet.
    ///
    /// # Errors
    /// When the disk fails.
    fn recall(&mut self, request: RequestId) -> Result<Recalled, ActionFault>;
}

/// Where answers and pieces go: the outbox.
pub trait Outlet: Send {
    /// Hands a record over; waits while the outbox is behind. False when there is no outbox any more.
    fn append(&mut self, record: Record) -> bool;

    /// How many pieces of clips wait in the outbox.
    fn pieces_waiting(&mut self) -> u64;
}
