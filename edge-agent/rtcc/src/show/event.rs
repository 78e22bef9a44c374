//! One event as one line, for a terminal or a spreadsheet.
//!
//! Events are read as JSON without a fixed shape: what a newer unit says besides is still shown as well as it can be.

use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::Value;

use super::text::{csv_field, terminal};
use super::time;

/// An event as the interface gives it.
#[derive(Debug, Clone, Deserialize)]
pub struct Event {
    /// The cursor.
    pub id: i64,
    /// The unit.
    pub unit: String,
    /// The lane.
    pub lane: String,
    /// The camera.
    pub camera: Option<String>,
    /// The unit's time, microseconds since 1970.
    pub at_us: Option<i64>,
    /// When the center received it.
    pub received_us: i64,
    /// What the center found of the seal on an entry of an audit log, if it has one.
    #[serde(default)]
    pub seal: Option<String>,
    /// The record.
    pub record: Value,
}

/// How lines look.
#[derive(Debug, Clone)]
pub struct Style {
    /// Whether the terminal shows colours.
    pub colour: bool,
    /// The zone in which times are told.
    pub zone: TimeZone,
    /// Where pictures can be fetched, as in `http://127.0.0.1:8480`.
    pub center: String,
}

/// The first line of a CSV file of events.
pub const CSV_HEADER: &str = "time,received,lane,unit,camera,plate,words";

const RESET: &str = "\x1b[0m";

/// The day of the event that was shown last.
#[derive(Debug, Default)]
pub struct Day(Option<String>);

impl Day {
    /// The date of an event that is of another day than the one before.
    pub fn begins(&mut self, event: &Event, style: &Style) -> Option<String> {
        let date = time::date(event.shown_us(), &style.zone);
        let other = self.0.as_ref() != Some(&date);
        self.0 = Some(date);
        self.0.clone().filter(|_| other)
    }
}

impl Event {
    /// The unit's time, or the center's where the unit says none.
    fn shown_us(&self) -> i64 {
        self.at_us.unwrap_or(self.received_us)
    }
}

/// The event as one line for people.
pub fn line(event: &Event, style: &Style) -> String {
    let at = time::of_day(event.shown_us(), &style.zone);
    let place = match &event.camera {
        Some(camera) => format!("{}/{}", terminal(&event.unit), terminal(camera)),
        None => terminal(&event.unit),
    };
    let lane = terminal(&event.lane).to_uppercase();
    let text = format!("{at}  {lane:<6}  {place:<22}  {}", words(event, style));
    match colour(&event.lane).filter(|_| style.colour) {
        Some(code) => format!("{code}{text}{RESET}"),
        None => text,
    }
}

/// The event as one line of CSV.
pub fn csv(event: &Event, style: &Style) -> String {
    let at = event.at_us.map(time::rfc3339).unwrap_or_default();
    let fields = [
        at,
        time::rfc3339(event.received_us),
        csv_field(&event.lane),
        csv_field(&event.unit),
        csv_field(event.camera.as_deref().unwrap_or_default()),
        csv_field(plate(event).unwrap_or_default()),
        csv_field(&words(event, style)),
    ];
    fields.join(",")
}

fn colour(lane: &str) -> Option<&'static str> {
    match lane {
        "hit" => Some("\x1b[1;31m"),
        "alert" => Some("\x1b[33m"),
        "read" => Some("\x1b[36m"),
        "health" | "object" => Some("\x1b[2m"),
        _ => None,
    }
}

fn plate(event: &Event) -> Option<&str> {
    match event.lane.as_str() {
        "hit" => event.record.pointer("/read/text").and_then(Value::as_str),
        "read" => text(&event.record, "text"),
        _ => None,
    }
}

/// What the event says, already harmless for a terminal.
fn words(event: &Event, style: &Style) -> String {
    let record = &event.record;
    let said = match event.lane.as_str() {
        "hit" => hit(record, style),
        "read" => read(record),
        "object" => object(record),
        "alert" => alert(record),
        "health" => health(record),
        "answer" => answer(record),
        "audit" => audit(record, event.seal.as_deref()),
        _ => None,
    };
    said.unwrap_or_else(|| rest(record))
}

fn hit(record: &Value, style: &Style) -> Option<String> {
    let read_words = read(record.get("read")?)?;
    let matched = text(record, "matched")?;
    let list = text(record, "list").unwrap_or("a list");
    let mut words = vec![format!("{read_words}; {} match on {}", terminal(matched), terminal(list))];
    if matched != "exact" {
        words.push(format!(" with {}", terminal(text(record, "listed")?)));
    }
    if let Some(reason) = text(record, "reason") {
        words.push(format!(" ({})", terminal(reason)));
    }
    words.push("; unverified, confirm".to_owned());
    for picture in record.get("pictures").and_then(Value::as_array).into_iter().flatten() {
        let hash = terminal(picture.as_str().unwrap_or_default());
        words.push(format!("; picture {}/api/thumbs/{hash}", style.center));
    }
    Some(words.concat())
}

fn read(record: &Value) -> Option<String> {
    let mut words = vec![format!("{:<8}", terminal(text(record, "text")?))];
    if let Some(confidence) = record.get("confidence").and_then(Value::as_f64) {
        words.push(format!(" {:>3.0}%", confidence * 100.0));
    }
    for name in ["revision", "colour", "class", "heading"] {
        if let Some(value) = text(record, name) {
            words.push(format!(" {}", terminal(value)));
        }
    }
    if record.get("agreeing").and_then(Value::as_u64).is_some_and(|agreeing| agreeing < 2) {
        words.push(" (one reading alone)".to_owned());
    }
    Some(words.concat())
}

fn object(record: &Value) -> Option<String> {
    if text(record, "kind") == Some("counts") {
        return counts(record);
    }
    let mut words = vec![terminal(text(record, "class")?)];
    for name in ["colour", "heading"] {
        if let Some(value) = text(record, name) {
            words.push(format!(" {}", terminal(value)));
        }
    }
    if let Some(track) = record.get("track") {
        words.push(format!(" track {}", terminal(&track.to_string())));
    }
    let ended = record.get("ended") == Some(&Value::Bool(true));
    words.push(if ended { ", gone" } else { ", still there" }.to_owned());
    Some(words.concat())
}

fn counts(record: &Value) -> Option<String> {
    let mut words = vec!["counted".to_owned()];
    for count in record.get("tracks").and_then(Value::as_array).into_iter().flatten() {
        let number = count.get("count").and_then(Value::as_u64)?;
        words.push(format!(" {number} {}", terminal(text(count, "class")?)));
    }
    let reads = record.get("plate_reads").and_then(Value::as_u64)?;
    words.push(format!(" {reads} plates"));
    Some(words.concat())
}

fn alert(record: &Value) -> Option<String> {
    let over = if record.get("over") == Some(&Value::Bool(true)) { "over: " } else { "" };
    Some(format!("{over}{} [{}]", terminal(text(record, "text")?), tag(record.get("kind")?)))
}

fn health(record: &Value) -> Option<String> {
    let cameras = record.get("cameras").and_then(Value::as_array)?;
    let mut words: Vec<String> = cameras
        .iter()
        .map(|camera| {
            let name = terminal(text(camera, "camera").unwrap_or("?"));
            let condition = terminal(text(camera, "condition").unwrap_or("unknown"));
            let looked = camera.get("coverage").and_then(Value::as_f64).unwrap_or_default() * 100.0;
            format!("{name} {condition}, {looked:.0}% looked at")
        })
        .collect();
    let problems = record.get("problems").and_then(Value::as_array).into_iter().flatten();
    words.extend(problems.filter_map(Value::as_str).map(|problem| format!("PROBLEM: {}", terminal(problem))));
    Some(terminal_length(words.join("; ")))
}

fn answer(record: &Value) -> Option<String> {
    let verdict = record.get("verdict")?;
    let said = verdict.as_object().and_then(|verdict| verdict.values().next());
    let bytes = said.and_then(|said| said.get("media_bytes")?.as_u64()).map(|bytes| format!("of {bytes} bytes"));
    let words = said.and_then(|said| said.as_str().or_else(|| text(said, "text")));
    let words = words.map(str::to_owned).or(bytes).unwrap_or_default();
    let request = text(record, "request").unwrap_or("unknown");
    Some(format!("request {}: {} {}", terminal(request), tag(verdict), terminal(&words)))
}

fn audit(record: &Value, seal: Option<&str>) -> Option<String> {
    let mut words = vec![terminal(text(record, "kind")?)];
    for (before, name) in [(" by ", "person"), (" as ", "role"), (", purpose ", "purpose"), (", case ", "case")] {
        if let Some(value) = text(record, name) {
            words.push(format!("{before}{}", terminal(value)));
        }
    }
    words.push(format!(": {}", terminal(text(record, "text")?)));
    if text(record, "report").is_some() {
        words.push(" (signed report: rtcc report)".to_owned());
    }
    match seal {
        Some("signed") => words.push(" (signed)".to_owned()),
        Some("missing") => words.push(" (signature MISSING)".to_owned()),
        Some(_) => words.push(" (signature WRONG)".to_owned()),
        None => {}
    }
    Some(words.concat())
}

/// The name of a variant: a word, or the only key of an object.
fn tag(value: &Value) -> String {
    let word = value.as_str().or_else(|| value.as_object()?.keys().next().map(String::as_str));
    terminal(word.unwrap_or("unknown"))
}

/// A record of a kind without words of its own: its fields, in short.
fn rest(record: &Value) -> String {
    let Some(fields) = record.as_object() else { return terminal(&record.to_string()) };
    let shown: Vec<String> = fields
        .iter()
        .filter(|(name, _)| name.as_str() != "camera")
        .map(|(name, value)| {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            format!("{}={}", terminal(name), terminal(&value))
        })
        .collect();
    terminal_length(shown.join(" "))
}

/// Cuts a line that is already harmless to what is worth showing.
fn terminal_length(text: String) -> String {
    const MOST: usize = 240;
    if text.chars().count() <= MOST {
        return text;
    }
    text.chars().take(MOST).chain(['…']).collect()
}

fn text<'a>(record: &'a Value, name: &str) -> Option<&'a str> {
    record.get(name).and_then(Value::as_str)
}

#[cfg(test)]
mod tests;
