//! How the unit becomes one of an agency, and stays it: its key, its certificate, and the file that says who it is.
//!
//! Belongs here: the claim that the factory made, the setup code and its lock, keys, requests, what is checked before
//! an answer is believed, and what is written. Does not belong here: the line to the broker (`uplink`).
//!
//! `identity.toml` is the one file that counts: before it is there the unit is not enrolled, and afterwards everything
//! that it names is on the disk. Keys and certificates carry the beginning of their key's hash in their names, so that
//! a next pair never overwrites the present one.

mod claim;
mod identity;
mod key;
mod renew;
mod request;
mod spent;
#[cfg(test)]
mod tests;
mod tries;

use std::io;
use std::path::{Path, PathBuf};

use edge_protocol::enrolment::{BadAnswer, Refusal, Refused};
use edge_protocol::time::WallTime;

use crate::keys::KeyError;

pub use claim::{Claim, Label};
pub use identity::{IDENTITY, Place};
pub use renew::{Ends, Line, Renewer};
pub use request::{Answered, Asking};
pub use spent::erase_claim;
pub use tries::check_code;

/// Why the unit is not enrolled. Nothing of what it was before is lost.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// A file cannot be read or written.
    #[error("cannot {doing} {path}: {source}")]
    File {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file that the factory made is not what it should be.
    #[error("{path}: {why}")]
    Unfit {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        why: String,
    },
    /// The time of the claim certificate is over.
    #[error("the claim certificate was good until {until}: the unit needs a new one from the factory")]
    ExpiredClaim {
        /// Until when.
        until: WallTime,
    },
    /// The setup code is not the one on the label.
    #[error("the setup code is wrong: compare it with the label; {left} more wrong one(s) lock it for ten minutes")]
    WrongCode {
        /// How many may follow.
        left: u32,
    },
    /// Too many wrong codes.
    #[error("too many wrong setup codes: nothing is tried until {until}")]
    Locked {
        /// Until when.
        until: WallTime,
    },
    /// The unit is enrolled.
    #[error(
        "this unit is enrolled already, see {path}; `--again` begins anew, and then the center must expect it again"
    )]
    Enrolled {
        /// What says so.
        path: PathBuf,
    },
    /// A key cannot be made, opened or used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The question cannot be made.
    #[error("cannot make the question for the center: {0}")]
    Question(String),
    /// The center refuses.
    #[error("{}{}", .0.reason.sentence(), until(.0))]
    Refused(Refused),
    /// An answer that cannot be believed.
    #[error(transparent)]
    Answer(#[from] BadAnswer),
    /// A grant that does not hold what it must.
    #[error("the center's grant cannot be used: {0}")]
    Grant(String),
}

fn until(refused: &Refused) -> String {
    match (refused.reason, refused.until) {
        (Refusal::Locked | Refusal::WrongCode, Some(until)) => format!(" (until {until})"),
        _ => String::new(),
    }
}

/// Names the file in what the system says.
fn at<'p>(doing: &'static str, path: &'p Path) -> impl Fn(io::Error) -> EnrolError + 'p {
    move |source| EnrolError::File { doing, path: path.to_owned(), source }
}
