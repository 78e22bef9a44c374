use super::*;
use serde_json::json;

fn style() -> Style {
    Style { colour: false, zone: TimeZone::UTC, center: "http://c".into() }
}

fn event(lane: &str, record: Value) -> Event {
    Event {
        id: 1,
        unit: "gate-1".into(),
        lane: lane.into(),
        camera: Some("north".into()),
        at_us: Some(1_795_219_200_000_000),
        received_us: 1_795_219_200_020_000,
        seal: None,
        record,
    }
}

fn hit_record(plate: &str) -> Value {
    json!({
        "read": {"text": plate, "confidence": 0.98, "revision": "final", "class": "car", "colour": "blue",
                 "agreeing": 5},
        "matched": "confusable", "listed": "AB12", "list": "test", "pictures": ["00ff"],
    })
}

#[test]
fn a_hit_says_how_it_matched_that_it_is_unverified_and_where_its_picture_is() {
    let shown = line(&event("hit", hit_record("A812")), &style());
    assert_eq!(
        shown,
        "00:00:00.000  HIT     gate-1/north            A812      98% final blue car; confusable match on test with \
         AB12; unverified, confirm; picture http://c/api/thumbs/00ff"
    );
}

#[test]
fn colour_is_only_used_where_it_is_asked_for() {
    let hit = event("hit", hit_record("A812"));
    assert!(!line(&hit, &style()).contains('\x1b'));
    let coloured = line(&hit, &Style { colour: true, ..style() });
    assert!(coloured.starts_with("\x1b[1;31m") && coloured.ends_with(RESET));
}

#[test]
fn hostile_text_in_any_field_neither_moves_the_cursor_nor_computes() {
    let evil = "\x1b]0;x\x07=1+1\n";
    for record in [
        hit_record(evil),
        json!({"text": evil, "class": evil}),
        json!({"class": evil, "track": evil}),
        json!({"text": evil, "kind": {evil: 1}, "verdict": {evil: evil}, "problems": [evil], "cameras": [{"camera": evil}]}),
        json!({ evil: evil, "nested": {evil: [evil]} }),
        json!(evil),
    ] {
        for lane in ["hit", "read", "object", "alert", "health", "answer", "audit", evil] {
            let mut event = event(lane, record.clone());
            event.unit = evil.into();
            let shown = line(&event, &style());
            assert!(!shown.chars().any(char::is_control), "{shown:?}");
            let shown = csv(&event, &style());
            assert!(!shown.chars().any(char::is_control), "{shown:?}");
            assert!(!shown.split(',').any(|field| field.starts_with('=')), "{shown:?}");
        }
    }
}

#[test]
fn the_date_is_told_when_it_is_another() {
    let mut day = Day::default();
    let first = event("read", json!({}));
    let next = Event { at_us: None, received_us: first.received_us + 86_400_000_000, ..first.clone() };
    let told: Vec<_> = [&first, &first, &next, &first].map(|event| day.begins(event, &style())).into();
    let date = |day: &str| Some(format!("2026-11-{day}"));
    assert_eq!(told, [date("21"), None, date("22"), date("21")]);
}

#[test]
fn a_line_of_csv_has_the_fields_of_its_header() {
    let shown = csv(&event("read", json!({"text": "AB12", "confidence": 0.5})), &style());
    assert_eq!(shown, "2026-11-21T00:00:00.000000Z,2026-11-21T00:00:00.020000Z,read,gate-1,north,AB12,AB12      50%");
    assert_eq!(shown.split(',').count(), CSV_HEADER.split(',').count());
}

#[test]
fn an_entry_says_whether_its_unit_has_signed_it() {
    let record = json!({"kind": "outcome", "text": "slot A is back"});
    for (seal, end) in [
        (None, "slot A is back"),
        (Some("signed"), "(signed)"),
        (Some("wrong"), "(signature WRONG)"),
        (Some("missing"), "(signature MISSING)"),
    ] {
        let entry = Event { seal: seal.map(str::to_owned), ..event("audit", record.clone()) };
        assert!(line(&entry, &style()).ends_with(end), "{seal:?}");
    }
}

#[test]
fn a_record_of_an_unknown_kind_is_still_shown() {
    let shown = line(&event("weather", json!({"camera": "north", "kind": "rain", "n": 3})), &style());
    assert!(shown.ends_with("kind=rain n=3"), "{shown}");
}

#[test]
fn what_is_wrong_who_asked_and_what_was_answered_is_said_in_words() {
    for (lane, record, words) in [
        ("alert", json!({"kind": {"fault": "disk"}, "text": "the disk is slow"}), "the disk is slow [fault]"),
        ("alert", json!({"kind": {"gap": {}}, "over": true, "text": "no video"}), "over: no video [gap]"),
        (
            "health",
            json!({"cameras": [{"camera": "north", "condition": "streaming", "coverage": 0.5}],
                   "problems": ["too hot"]}),
            "north streaming, 50% looked at; PROBLEM: too hot",
        ),
        ("answer", json!({"request": "ab", "verdict": "accepted"}), "request ab: accepted "),
        (
            "answer",
            json!({"request": "ab", "verdict": {"refused": {"reason": "case", "text": "a case is needed"}}}),
            "request ab: refused a case is needed",
        ),
        ("answer", json!({"request": "ab", "verdict": {"clip": {"media_bytes": 7}}}), "request ab: clip of 7 bytes"),
        (
            "audit",
            json!({"kind": "intent", "person": "ada", "role": "investigator", "purpose": "theft", "case": "1",
                   "text": "10 s of north"}),
            "intent by ada as investigator, purpose theft, case 1: 10 s of north",
        ),
    ] {
        let shown = line(&event(lane, record), &style());
        assert!(shown.ends_with(words), "{shown}");
    }
}
