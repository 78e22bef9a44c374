//! What the broker is told when a unit is revoked.
//!
//! Mosquitto takes a new list of revoked certificates on SIGHUP and judges new connections by it, but leaves those be
//! that it has. Its dynamic-security plugin ends them: a client that it knows is disabled, and thrown out at once. It
//! is also given a role that may neither send nor hear anything, since a client that is known by its certificate is
//! let in again although it is disabled.

use edge_protocol::id::AgencyId;
use edge_protocol::topic;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{DecisionError, Desk, EnrolmentError};
use crate::broker::Departure;
use crate::database::ingest::Ingest;
use crate::files::{self, Access};
use crate::pki::Authority;

/// Where the plugin listens.
const COMMANDS: &str = "$CONTROL/dynamic-security/v1";
/// Where it answers.
pub const RESPONSES: &str = "$CONTROL/dynamic-security/v1/response";
/// The role that may do nothing.
const SHUT_OUT: &str = "shut-out";

/// Ends a unit's session and keeps its name out.
pub(super) fn shut_out(agency: &AgencyId, unit: &str) -> Departure {
    let name = topic::client_name(agency, unit);
    let nothing = ["publishClientSend", "publishClientReceive", "subscribePattern"]
        .map(|kind| json!({ "acltype": kind, "topic": "#", "priority": 0, "allow": false }));
    told(&json!([
        { "command": "createRole", "rolename": SHUT_OUT, "acls": nothing },
        { "command": "createClient", "username": name },
        { "command": "addClientRole", "username": name, "rolename": SHUT_OUT },
        // Last, since its answer says that all of it is done.
        { "command": "disableClient", "username": name, "correlationData": unit },
    ]))
}

/// Lets a name in again, for the unit that has it from now on.
pub(super) fn let_in(agency: &AgencyId, unit: &str) -> Departure {
    told(&json!([{ "command": "deleteClient", "username": topic::client_name(agency, unit) }]))
}

fn told(commands: &Value) -> Departure {
    let payload = json!({ "commands": commands }).to_string().into_bytes();
    Departure::Publish { topic: COMMANDS.to_owned(), payload }
}

/// What the plugin answers.
#[derive(Debug, Deserialize)]
struct Responses {
    responses: Vec<Response>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    command: String,
    error: Option<String>,
    correlation_data: Option<String>,
}

/// Notes what the broker said to a revocation.
pub(super) fn broker_said(ingest: &Ingest<'_>, payload: &[u8]) -> Result<(), EnrolmentError> {
    let Ok(said) = serde_json::from_slice::<Responses>(payload) else {
        tracing::warn!("the broker says something that is no answer of its dynamic-security plugin");
        return Ok(());
    };
    for Response { command, error, correlation_data } in said.responses {
        if let (Some(unit), "disableClient") = (&correlation_data, command.as_str()) {
            match &error {
                None => tracing::info!(unit, "the broker has ended the session of a revoked unit"),
                Some(error) => tracing::error!(unit, error, "the broker does not end a revoked unit's session"),
            }
            ingest.revocation_answered(unit, error.as_deref())?;
        } else if let Some(error) = error {
            // The role and the client may be there already.
            tracing::debug!(command, error, "the broker's dynamic-security plugin");
        }
    }
    Ok(())
}

impl Desk {
    /// Writes the list of revoked certificates beside the root, and has the broker read it.
    pub(super) fn publish_revoked(&self, ingest: &Ingest<'_>, issuer: &Authority) -> Result<(), DecisionError> {
        let numbers = ingest.revoked()?;
        let numbers: Vec<(Vec<u8>, i64)> =
            numbers.into_iter().filter_map(|(number, at)| Some((hex::decode(number).ok()?, at))).collect();
        let path = issuer.folder().join("revoked.pem");
        let list = issuer.revocation_list(&numbers, ingest.now_us())?;
        files::replace(&path, list.as_bytes(), Access::Everybody)
            .map_err(|error| DecisionError::Conflict(format!("cannot write {}: {error}", path.display())))?;
        if let Some(file) = &self.broker_pid {
            hang_up(file).map_err(DecisionError::Conflict)?;
        }
        Ok(())
    }
}

/// Tells the broker's process to read its files again.
fn hang_up(file: &std::path::Path) -> Result<(), String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    let pid: i32 = text.trim().parse().map_err(|_| format!("{} does not hold a process id", file.display()))?;
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGHUP)
        .map_err(|error| format!("the broker (process {pid}) takes no SIGHUP: {error}"))
}
