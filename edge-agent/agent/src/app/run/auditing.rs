//! What goes into the audit log without a command, and from there to the center.

use std::path::Path;

use edge_protocol::record::{AuditRecord, Record};

use super::RunError;
use super::commands::Log;
use crate::control::{Appended, AuditFault, AuditLog as _};

/// Why an entry is not in the audit log.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unwritten {
    /// The log cannot be opened.
    #[error(transparent)]
    Open(#[from] RunError),
    /// The log takes nothing.
    #[error(transparent)]
    Fault(#[from] AuditFault),
}

/// Writes an entry that no command begins; what the center is told of it comes back.
pub(super) fn write(log: &Path, draft: AuditRecord) -> Result<Record, Unwritten> {
    match Log::open(log)?.append(draft, None)? {
        Appended::Written(entry) => Ok(Record::Audit(entry)),
        Appended::Replayed => Err(AuditFault("an entry without a command was taken for a command".to_owned()).into()),
    }
}
