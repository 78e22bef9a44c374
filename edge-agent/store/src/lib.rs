//! What must survive a power cut.
//!
//! Belongs here: the outbox, the video ring, the index of what was seen, the audit log, and the one seam through which
//! they touch the disk. Does not belong here: cameras, networks, clocks, threads. Time is an argument; whoever calls
//! brings the thread.
//!
//! | module | keeps | in |
//! |---|---|---|
//! | [`outbox`] | records until the center has settled them | `outbox.sqlite` |
//! | [`ring`] | a camera's coded video, byte for byte | segment files and an index that can be rebuilt from them |
//! | [`index`] | what was seen and stays on the unit | `index.sqlite` |
//! | [`audit`] | who asked what, and what was done | `audit.sqlite` |
//!
//! Every database is a file of its own, so that damage to one does not take the others. A damaged file is set aside,
//! never deleted and never a reason not to start.

pub mod audit;
pub mod database;
pub mod disk;
pub mod index;
pub mod outbox;
pub mod ring;

/// How many cases a model test runs: as many as `PROPTEST_CASES` says, else `usually`.
#[cfg(test)]
fn cases(usually: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(usually)
}
