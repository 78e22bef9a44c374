//! Every way a command can go.

use std::time::Duration;

use edge_protocol::command::{
    Challenge, ClipScope, Command, MAX_COMMAND_BYTES, MAX_COMMAND_LIFE, Operation, QuietHours, Refusal, Role,
    UpdateScope,
};
use edge_protocol::hash::Hash256;
use edge_protocol::id::{CommandId, RequestId};
use edge_protocol::record::{AuditKind, Record, Verdict};
use edge_protocol::time::{ClockQuality, MonoTime, WallStamp, WallTime};

use super::UpdateAsked;
use super::station::draft;

mod unit;

use unit::{Authority, Unit, a_clip, noon, refusal, synchronised};

#[test]
fn a_clip_is_written_down_accepted_offered_and_handed_over_in_this_order() {
    let mut unit = Unit::new();
    let verdicts = unit.ask(&unit.clip());
    assert!(matches!(verdicts[..], [Verdict::Accepted, Verdict::Clip(_)]), "{verdicts:?}");
    assert_eq!(unit.log(), [AuditKind::Intent, AuditKind::Outcome]);
    assert_eq!(unit.clips(), 1);
    let entry = unit.seen.lock().unwrap().log[0].clone();
    assert_eq!(entry.person, Some("ada".parse().unwrap()));
    assert_eq!(entry.case, Some("2026-0042".parse().unwrap()));
}

#[test]
fn what_a_restart_interrupted_is_concluded_once_and_may_be_asked_again() {
    let mut unit = Unit::new();
    let interrupted = unit.clip();
    let mut intent = draft(AuditKind::Intent, Some(&interrupted), "video", synchronised(noon()));
    intent.entry = 1;
    unit.seen.lock().unwrap().log.push(intent);
    for _ in 0..2 {
        unit.control.conclude_interrupted(synchronised(noon()));
    }
    assert_eq!(unit.log(), [AuditKind::Intent, AuditKind::Outcome]);
    let sent = std::mem::take(&mut unit.seen.lock().unwrap().sent);
    let [Record::Audit(outcome), Record::Answer(answer)] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!((outcome.command, &outcome.person), (Some(interrupted.id), &Some("ada".parse().unwrap())));
    assert_eq!(answer.request, Some(interrupted.request));
    assert_eq!(refusal(std::slice::from_ref(&answer.verdict)), Some(Refusal::Interrupted));
    let again = Command { id: CommandId::from_bytes([7; 16]), ..unit.clip() };
    assert!(matches!(unit.ask(&again)[..], [Verdict::Accepted, Verdict::Clip(_)]));
}

#[test]
fn a_clip_that_a_stop_cuts_short_is_left_for_the_next_start_to_conclude() {
    let mut unit = Unit::new();
    unit.seen.lock().unwrap().pieces_wait = true;
    unit.ask(&unit.clip());
    // A stop ends the outbox first, and control after it.
    {
        let mut seen = unit.seen.lock().unwrap();
        (seen.pieces_wait, seen.outbox_stopped) = (false, true);
    }
    assert_eq!(unit.control.deliver(), None, "and no clip is left under way");
    assert_eq!(unit.log(), [AuditKind::Intent], "an outcome that nobody hears of is not written");
    unit.seen.lock().unwrap().outbox_stopped = false;
    unit.control.conclude_interrupted(synchronised(noon()));
    let last = unit.seen.lock().unwrap().sent.pop();
    let Some(Record::Answer(answer)) = last else { panic!("{last:?}") };
    assert_eq!(refusal(std::slice::from_ref(&answer.verdict)), Some(Refusal::Interrupted));
    assert_eq!(unit.log(), [AuditKind::Intent, AuditKind::Outcome]);
}

#[test]
fn a_clip_that_the_line_does_not_take_keeps_nobody_else_waiting() {
    let mut unit = Unit::new();
    unit.seen.lock().unwrap().pieces_wait = true;
    let named = |unit: &Unit, number| Command {
        id: CommandId::from_bytes([number; 16]),
        request: RequestId::from_bytes([number; 16]),
        ..unit.clip()
    };
    for number in 10..14 {
        let command = named(&unit, number);
        assert!(matches!(unit.ask(&command)[..], [Verdict::Accepted, Verdict::Clip(_)]));
    }
    let fifth = named(&unit, 14);
    assert_eq!(refusal(&unit.ask(&fifth)), Some(Refusal::Busy), "what clips hold in the ring is bounded");
    let twice = Command { id: CommandId::from_bytes([20; 16]), ..named(&unit, 13) };
    assert_eq!(refusal(&unit.ask(&twice)), Some(Refusal::Replayed));
    let health = Command { id: CommandId::from_bytes([21; 16]), ..unit.command(Role::Supervisor, Operation::Health) };
    assert!(matches!(unit.ask(&health)[..], [Verdict::Accepted, Verdict::Done(_)]));
    unit.seen.lock().unwrap().pieces_wait = false;
    while unit.control.deliver().is_some() {}
    let sent = std::mem::take(&mut unit.seen.lock().unwrap().sent);
    let pieces =
        sent.iter().filter_map(|record| if let Record::Clip(piece) = record { Some(piece.request) } else { None });
    let expected = (10..14).flat_map(|number| [RequestId::from_bytes([number; 16]); 2]);
    assert!(pieces.eq(expected), "one clip after the other, whole: {sent:?}");
    let concluded = unit.log().iter().filter(|kind| **kind == AuditKind::Outcome).count();
    assert_eq!(concluded, 5);
}

#[test]
fn a_clip_on_a_line_that_is_away_looks_seldom_and_the_challenge_still_has_its_hour() {
    let mut unit = Unit::new();
    unit.seen.lock().unwrap().pieces_wait = true;
    let command = unit.clip();
    unit.ask(&command);
    let first = unit.seen.lock().unwrap().challenge;
    assert_eq!(unit.control.beat(MonoTime::ZERO).unwrap(), Duration::from_millis(500));
    assert_eq!(unit.seen.lock().unwrap().challenge, first);
    unit.control.beat(MonoTime::from_duration(Duration::from_mins(61))).unwrap();
    assert_ne!(unit.seen.lock().unwrap().challenge, first, "a new one was published");
    let health = unit.command(Role::Supervisor, Operation::Health);
    let old = Command { id: CommandId::from_bytes([30; 16]), challenge: first.unwrap(), ..health };
    assert!(matches!(unit.ask(&old)[..], [Verdict::Accepted, Verdict::Done(_)]), "the one before is still good");
}

#[test]
fn every_role_is_held_to_what_it_includes() {
    for &role in Role::ALL {
        for operation in
            [a_clip(), Operation::Health, an_update("center"), Operation::Recall(RequestId::from_bytes([9; 16]))]
        {
            let mut unit = Unit::new();
            let verdicts = unit.ask(&unit.command(role, operation.clone()));
            let allowed = match (&operation, role) {
                (Operation::Clip(_), Role::Investigator | Role::Supervisor)
                | (Operation::Health, Role::Technician | Role::Supervisor)
                | (Operation::Update(_) | Operation::Recall(_), Role::Supervisor | Role::PolicyAdmin) => true,
                (Operation::Clip(_) | Operation::Health | Operation::Update(_) | Operation::Recall(_), _) => false,
            };
            let expected = if allowed { None } else { Some(Refusal::Role) };
            assert_eq!(refusal(&verdicts), expected, "{role:?} {operation:?}");
            let log = if allowed { vec![AuditKind::Intent, AuditKind::Outcome] } else { vec![AuditKind::Refusal] };
            assert_eq!(unit.log(), log, "{role:?} {operation:?}");
        }
    }
}

#[test]
fn what_a_command_says_wrongly_is_refused_by_name() {
    type Change = fn(&mut Command);
    let cases: [(Refusal, Change); 13] = [
        (Refusal::WrongUnit, |command| command.unit = "pole-8".parse().unwrap()),
        (Refusal::Expired, |command| command.challenge = Challenge::from_bytes([9; 16])),
        (Refusal::Expired, |command| command.expires = command.issued),
        (Refusal::Expired, |command| command.expires = command.issued.saturating_add(MAX_COMMAND_LIFE * 2)),
        (Refusal::Expired, |command| {
            command.issued = command.issued.saturating_sub(MAX_COMMAND_LIFE * 2);
            command.expires = command.issued.saturating_add(MAX_COMMAND_LIFE);
        }),
        (Refusal::Expired, |command| {
            command.issued = command.issued.saturating_add(MAX_COMMAND_LIFE * 3);
            command.expires = command.issued.saturating_add(MAX_COMMAND_LIFE);
        }),
        (Refusal::Purpose, |command| command.purpose = "curiosity".parse().unwrap()),
        (Refusal::Purpose, |command| command.purpose = "".parse().unwrap()),
        (Refusal::Case, |command| command.case = "".parse().unwrap()),
        (Refusal::Case, |command| command.case = " - ".parse().unwrap()),
        (Refusal::Scope, |command| command.operation = scope("yard", 15)),
        (Refusal::Scope, |command| command.operation = scope("gate", 0)),
        (Refusal::Scope, |command| command.operation = scope("gate", 3601)),
    ];
    for (number, (expected, change)) in cases.into_iter().enumerate() {
        let mut unit = Unit::new();
        let mut command = unit.clip();
        change(&mut command);
        assert_eq!(refusal(&unit.ask(&command)), Some(expected), "case {number}");
        assert_eq!((unit.clips(), unit.log()), (0, vec![AuditKind::Refusal]), "case {number}");
    }
}

#[test]
fn a_refusal_names_what_there_is_instead() {
    type Change = fn(&mut Command);
    let cases: [(Change, &str); 4] = [
        (
            |command| command.purpose = "curiosity".parse().unwrap(),
            "a purpose that the policy lists is needed (purpose \"curiosity\"; the policy lists investigation)",
        ),
        (|command| command.operation = scope("yard", 15), "there is no camera yard; there is gate"),
        (|command| command.operation = scope("gate", 3601), "a clip has 1 to 3600 s, not 3601"),
        (|command| command.operation = scope("gate", 0), "a clip has 1 to 3600 s, not 0"),
    ];
    for (change, words) in cases {
        let mut unit = Unit::new();
        let mut command = unit.clip();
        change(&mut command);
        let verdicts = unit.ask(&command);
        let [Verdict::Refused(refused)] = &verdicts[..] else { panic!("{verdicts:?}") };
        assert_eq!(refused.text.as_str(), words);
    }
}

fn an_update(host: &str) -> Operation {
    Operation::Update(UpdateScope {
        url: format!("https://{host}/edge-1.5.0.raucb"),
        hash: Hash256::of(b"bundle"),
        bytes: 6,
        version: "1.5.0".parse().unwrap(),
        quiet: Some(QuietHours { from_min: 120, to_min: 240, offset_min: 0 }),
        artefact: None,
    })
}

#[test]
fn an_update_is_called_back_under_its_request_once() {
    let mut unit = Unit::new();
    let command = unit.command(Role::Supervisor, an_update("center"));
    unit.ask(&command);
    let recall = |unit: &Unit, number| Command {
        id: CommandId::from_bytes([number; 16]),
        request: RequestId::from_bytes([number; 16]),
        ..unit.command(Role::Supervisor, Operation::Recall(command.request))
    };
    let first = recall(&unit, 31);
    let verdicts = unit.ask(&first);
    assert!(
        matches!(&verdicts[..], [Verdict::Accepted, Verdict::Done(text)] if text.as_str().contains("1.5.0 is called"))
    );
    let second = recall(&unit, 32);
    assert!(matches!(unit.ask(&second)[..], [Verdict::Accepted, Verdict::Nothing(_)]), "it is gone");
}

#[test]
fn an_update_is_written_down_and_left_for_the_process_that_carries_it_out() {
    let mut unit = Unit::new();
    let command =
        Command { purpose: "new-version".parse().unwrap(), ..unit.command(Role::PolicyAdmin, an_update("center")) };
    assert_eq!(unit.ask(&command), [Verdict::Accepted], "its end is for that process to tell");
    let left = std::mem::take(&mut unit.seen.lock().unwrap().updates);
    let Operation::Update(scope) = &command.operation else { panic!("{command:?}") };
    assert_eq!(left, [UpdateAsked { request: command.request, command: command.id, scope: scope.clone() }]);
    assert_eq!(unit.log(), [AuditKind::Intent, AuditKind::Outcome]);
    assert!(unit.seen.lock().unwrap().log[0].text.as_str().contains("1.5.0 from https://center/edge-1.5.0.raucb"));
    unit.seen.lock().unwrap().disk_fails = true;
    let again = Command { id: CommandId::from_bytes([7; 16]), ..command };
    assert!(matches!(&unit.ask(&again)[..], [Verdict::Accepted, Verdict::Failed(_)]));
}

#[test]
fn nothing_is_downloaded_from_where_the_configuration_does_not_say() {
    let (mut unit, elsewhere) = (Unit::new(), ["elsewhere", "center.elsewhere", "center@elsewhere", "CENTER"]);
    for host in elsewhere {
        let verdicts = unit.ask(&unit.command(Role::Supervisor, an_update(host)));
        assert_eq!(refusal(&verdicts), Some(Refusal::Address), "{host}");
    }
    let Operation::Update(good) = an_update("center") else { return };
    for scope in [
        UpdateScope { bytes: 0, ..good.clone() },
        UpdateScope { quiet: Some(QuietHours { from_min: 1440, to_min: 0, offset_min: 0 }), ..good.clone() },
    ] {
        let verdicts = unit.ask(&unit.command(Role::Supervisor, Operation::Update(scope)));
        assert_eq!(refusal(&verdicts), Some(Refusal::Scope));
    }
    let nameless = Command { purpose: " ".parse().unwrap(), ..unit.command(Role::Supervisor, an_update("center")) };
    assert_eq!(refusal(&unit.ask(&nameless)), Some(Refusal::Purpose));
    assert!(unit.seen.lock().unwrap().updates.is_empty());
}

fn scope(camera: &str, seconds: u64) -> Operation {
    let (camera, from) = (camera.parse().unwrap(), noon());
    Operation::Clip(ClipScope { camera, from, to: from.saturating_add(Duration::from_secs(seconds)) })
}

#[test]
fn a_replayed_command_is_refused_however_often_it_comes() {
    let mut unit = Unit::new();
    let command = unit.clip();
    unit.ask(&command);
    for _ in 0..3 {
        assert_eq!(refusal(&unit.ask(&command)), Some(Refusal::Replayed));
    }
    assert_eq!(unit.clips(), 1);
}

#[test]
fn a_forged_and_a_stranger_s_command_are_refused() {
    let mut unit = Unit::new();
    let command = unit.command(Role::Supervisor, a_clip());
    let investigator = unit.authority.person(Role::Investigator);
    let sealed = command.seal(&investigator.key, &investigator.chain).unwrap();
    assert_eq!(refusal(&unit.send(&sealed, synchronised(noon()))), Some(Refusal::Forged));
    let stranger = Authority::new().person(Role::Supervisor);
    let sealed = command.seal(&stranger.key, &stranger.chain).unwrap();
    assert_eq!(refusal(&unit.send(&sealed, synchronised(noon()))), Some(Refusal::Untrusted));
    let mut flipped = sealed;
    let last = flipped.len() - 1;
    flipped[last] ^= 1;
    assert_eq!(refusal(&unit.send(&flipped, synchronised(noon()))), Some(Refusal::Forged));
    assert_eq!(unit.clips(), 0);
}

#[test]
fn what_is_too_large_or_nonsense_is_refused() {
    let mut unit = Unit::new();
    let large = vec![0; MAX_COMMAND_BYTES + 1];
    assert_eq!(refusal(&unit.send(&large, synchronised(noon()))), Some(Refusal::Oversized));
    assert_eq!(refusal(&unit.send(b"open the gate", synchronised(noon()))), Some(Refusal::Malformed));
}

#[test]
fn a_flood_is_neither_looked_at_nor_written_down() {
    let mut unit = Unit::new();
    for _ in 0..20 {
        unit.send(b"noise", synchronised(noon()));
    }
    let command = unit.clip();
    assert_eq!(refusal(&unit.ask(&command)), Some(Refusal::RateLimited));
    assert_eq!((unit.clips(), unit.log().len()), (0, 20));
}

#[test]
fn a_unit_that_does_not_know_the_time_goes_by_the_challenge() {
    let mut unit = Unit::new();
    let command = unit.clip();
    let person = unit.authority.person(Role::Investigator);
    let sealed = command.seal(&person.key, &person.chain).unwrap();
    let lost = WallStamp { time: WallTime::from_micros(0), quality: ClockQuality::Free };
    assert!(matches!(unit.send(&sealed, lost)[..], [Verdict::Accepted, Verdict::Clip(_)]));
}

#[test]
fn without_an_audit_log_nothing_is_done() {
    let mut unit = Unit::new();
    unit.seen.lock().unwrap().log_fails = true;
    let command = unit.clip();
    assert_eq!(refusal(&unit.ask(&command)), Some(Refusal::AuditUnavailable));
    assert_eq!(unit.clips(), 0);
    // The id was not written, so the same command may be tried again.
    unit.seen.lock().unwrap().log_fails = false;
    assert!(matches!(unit.ask(&command)[..], [Verdict::Accepted, Verdict::Clip(_)]));
}

#[test]
fn nothing_there_and_a_failing_disk_are_said_and_written_down() {
    let mut unit = Unit::new();
    unit.seen.lock().unwrap().ring_is_empty = true;
    assert!(matches!(unit.ask(&unit.clip())[..], [Verdict::Accepted, Verdict::Nothing(_)]));
    let mut unit = Unit::new();
    unit.seen.lock().unwrap().disk_fails = true;
    let verdicts = unit.ask(&unit.clip());
    assert!(matches!(verdicts[..], [Verdict::Accepted, Verdict::Clip(_), Verdict::Failed(_)]), "{verdicts:?}");
    assert_eq!(unit.log(), [AuditKind::Intent, AuditKind::Outcome]);
}
