//! Whether an authentic command may be carried out. Pure.

use std::time::Duration;

use edge_protocol::command::{ClipScope, Command, MAX_COMMAND_LIFE, Operation, Refusal, UpdateScope};
use edge_protocol::id::{AgencyId, CameraId, UnitId};
use edge_protocol::record::Word;
use edge_protocol::time::{ClockQuality, WallStamp};

use super::Challenges;

/// What the unit knows of itself and its rules.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Whose unit.
    pub agency: AgencyId,
    /// Which unit.
    pub unit: UnitId,
    /// Its cameras.
    pub cameras: Vec<CameraId>,
    /// Purposes that a command for video may name; others need one in its own words.
    pub purposes: Vec<Word>,
    /// The longest clip.
    pub longest_clip: Duration,
    /// Where bundles may be downloaded from.
    pub bundle_hosts: Vec<String>,
}

/// Why not, with what exactly is wrong for log and audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) reason: Refusal,
    pub(super) detail: String,
}

fn refuse(reason: Refusal, detail: impl Into<String>) -> Refused {
    Refused { reason, detail: detail.into() }
}

/// The letters and digits that a case number needs at least.
const SHORTEST_CASE: usize = 3;

/// Judges a command whose signature, chain and issuer were found good.
pub(super) fn authorise(
    command: &Command,
    policy: &Policy,
    challenges: &Challenges,
    now: WallStamp,
) -> Result<(), Refused> {
    if (&command.agency, &command.unit) != (&policy.agency, &policy.unit) {
        return Err(refuse(Refusal::WrongUnit, format!("meant for {}/{}", command.agency, command.unit)));
    }
    if !challenges.accepts(command.challenge) {
        return Err(refuse(Refusal::Expired, "the challenge is not the current one or the one before"));
    }
    in_time(command, now)?;
    if !command.operation.allowed_to(command.role) {
        return Err(refuse(Refusal::Role, format!("not for a {}", command.role.as_str())));
    }
    let is_known = policy.purposes.contains(&command.purpose) || !command.operation.shows_video();
    if !is_known || command.purpose.as_str().trim().is_empty() {
        return Err(refuse(Refusal::Purpose, purposes(command, policy)));
    }
    let digits = command.case.as_str().chars().filter(|c| c.is_alphanumeric()).count();
    if digits < SHORTEST_CASE {
        return Err(refuse(Refusal::Case, format!("case {:?}", command.case.as_str())));
    }
    match &command.operation {
        Operation::Clip(scope) => in_scope(scope, policy),
        Operation::Health | Operation::Recall(_) => Ok(()),
        Operation::Update(scope) => can_be_fetched(scope, policy),
    }
}

/// What was given, and what could have been.
fn purposes(command: &Command, policy: &Policy) -> String {
    let given = command.purpose.as_str();
    if !command.operation.shows_video() {
        return format!("purpose {given:?}; any word will do");
    }
    format!("purpose {given:?}; the policy lists {}", listed(&policy.purposes))
}

fn listed<T: AsRef<str>>(names: &[T]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    names.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ")
}

/// A command lives five minutes at most. Where the unit knows the time it holds the command to it; the challenge bounds
/// its age either way.
fn in_time(command: &Command, now: WallStamp) -> Result<(), Refused> {
    let life = command.expires.saturating_since(command.issued);
    if command.expires <= command.issued || life > MAX_COMMAND_LIFE {
        return Err(refuse(Refusal::Expired, "it does not say that it lives five minutes or less"));
    }
    match now.quality {
        ClockQuality::Synchronised { bound_ms } => {
            let tolerance = MAX_COMMAND_LIFE.saturating_add(Duration::from_millis(u64::from(bound_ms)));
            let is_early = command.issued > now.time.saturating_add(tolerance);
            if command.expires < now.time || is_early {
                return Err(refuse(Refusal::Expired, format!("good until {}", command.expires)));
            }
            Ok(())
        }
        ClockQuality::Free | ClockQuality::Unknown => Ok(()),
    }
}

fn can_be_fetched(scope: &UpdateScope, policy: &Policy) -> Result<(), Refused> {
    if !scope.is_sound() {
        return Err(refuse(Refusal::Scope, "address, size or hours of the update make no sense"));
    }
    let host = scope.host().map(str::to_owned);
    match host.filter(|host| policy.bundle_hosts.contains(host)) {
        Some(_) => Ok(()),
        None => Err(refuse(Refusal::Address, format!("nothing is downloaded from {}", scope.url))),
    }
}

fn in_scope(scope: &ClipScope, policy: &Policy) -> Result<(), Refused> {
    if !policy.cameras.contains(&scope.camera) {
        return Err(refuse(
            Refusal::Scope,
            format!("there is no camera {}; there is {}", scope.camera, listed(&policy.cameras)),
        ));
    }
    let length = scope.to.saturating_since(scope.from);
    if length.is_zero() || length > policy.longest_clip {
        let longest = policy.longest_clip.as_secs();
        return Err(refuse(Refusal::Scope, format!("a clip has 1 to {longest} s, not {}", length.as_secs())));
    }
    Ok(())
}
