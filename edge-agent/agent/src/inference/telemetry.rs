//! ONNX Runtime's own wheel reports to its maker unless an environment variable says no before it is loaded.
//!
//! Changing the environment of a running process is not safe, so a process that finds the variable unset starts
//! itself again with it: same program, same arguments, same process id.

use std::convert::Infallible;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use super::library::TELEMETRY_SWITCH;
use crate::supervise::program;

/// Whether a library loaded now would stay silent.
pub fn telemetry_is_off() -> bool {
    std::env::var_os(TELEMETRY_SWITCH).is_some_and(|value| value == "1")
}

/// Replaces this process by itself with telemetry off; returns at once where it is off already.
///
/// # Errors
/// When the program cannot be started again.
pub fn restart_without_telemetry() -> io::Result<()> {
    if telemetry_is_off() {
        return Ok(());
    }
    let error = Command::new(program::itself()?).args(std::env::args_os().skip(1)).env(TELEMETRY_SWITCH, "1").exec();
    Err::<Infallible, _>(error).map(|never| match never {})
}
