//! Start, stop, queues, heartbeats, clock: the floor that every station stands on.
//!
//! Belongs here: what keeps stages running and lets them end in order. Does not belong here: anything that knows
//! what a stage does. The ideas, one file each:
//!
//! - [`Stop`]: how a stage is told to end, and how it waits without missing that.
//! - [`queue`]: the only way stages hand work to each other; bounded, with a stated policy for "full", counted.
//! - [`Heartbeats`]: every stage shows progress; the service watchdog is fed only while all of them do.
//! - [`Life`]: after three crashes within five minutes the agent lives in safe mode.
//! - [`program`]: how this very program is started once more, or gives its place to another.
//! - [`Backoff`]: how long to wait before the next try of what has failed.
//! - [`Supervisor`]: starts named threads, restarts those that fault, stops and joins them in the order of the data.
//!
//! Time is read by [`Clock`] alone.

mod backoff;
mod clock;
mod heartbeat;
mod lives;
pub mod program;
pub mod queue;
mod stop;
mod supervisor;

pub use backoff::{Backoff, chance};
pub use clock::Clock;
pub use heartbeat::{Heartbeats, Pulse};
pub use lives::{BootTime, Life, Mode};
pub use stop::Stop;
pub use supervisor::{Fault, Restart, Station, StopReport, Supervisor};
