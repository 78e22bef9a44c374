//! A record of `edge-agent replay` as a line for a person. What a terminal shows of a running unit's is the center's
//! (`rtcc watch`).

use edge_protocol::record::{
    Colour, Counts, Heading, Hit, LineCrossing, ObjectClass, ObjectEvent, ObjectRecord, Read, Record, Revision,
    ZoneStay,
};
use edge_protocol::time::{Moment, WallTime};

/// When it is, counted from the video's first frame, and what it says.
pub(super) fn line(record: &Record, start: WallTime) -> String {
    let (at, words) = match record {
        Record::Read(seen) => (seen.last, read(seen)),
        Record::Hit(seen) => (seen.read.last, hit(seen)),
        Record::Object(seen) => match &**seen {
            ObjectRecord::Track(seen) => (seen.last, track(seen)),
            ObjectRecord::Counts(seen) => (seen.to, counts(seen)),
        },
        Record::Alert(alert) => {
            let words = format!("{}{}", if alert.over { "over: " } else { "" }, alert.text);
            (alert.at, words)
        }
        Record::Thumb(thumb) => (thumb.at, format!("a picture of {} bytes", thumb.jpeg.len())),
        // None of these comes out of a video.
        Record::Answer(_) | Record::Health(_) | Record::Audit(_) | Record::Clip(_) => return record.lane().to_string(),
    };
    format!("{}  {:<7} {words}", into(at, start), record.lane().as_str())
}

/// How far into the video: minutes, seconds and tenths.
fn into(at: Moment, start: WallTime) -> String {
    let tenths = at.wall().saturating_since(start).as_millis() / 100;
    format!("{:>3}:{:02}.{}", tenths / 600, tenths / 10 % 60, tenths % 10)
}

fn read(read: &Read) -> String {
    let mut words = format!("{:<8} {:>3.0} %", read.text.as_str(), read.confidence.ratio() * 100.0);
    let of = [
        (read.revision == Revision::Preview).then_some("(the pass goes on)"),
        read.colour.map(Colour::as_str),
        read.class.map(ObjectClass::as_str),
        read.heading.map(Heading::as_str),
        (!read.is_agreed()).then_some("(one reading alone)"),
    ];
    of.into_iter().flatten().for_each(|word| words.extend([" ", word]));
    words
}

fn hit(hit: &Hit) -> String {
    let listed = format!("{} match with {} on {}", hit.matched.as_str(), hit.listed.as_str(), hit.list);
    format!("{}; {listed}; unverified, confirm", read(&hit.read))
}

fn track(seen: &ObjectEvent) -> String {
    let mut words = format!("{:<8} {:>3.0} %", seen.class.as_str(), seen.confidence.ratio() * 100.0);
    let of = [seen.colour.map(Colour::as_str), seen.heading.map(Heading::as_str)];
    of.into_iter().flatten().for_each(|word| words.extend([" ", word]));
    let seconds = seen.last.wall().saturating_since(seen.first.wall()).as_secs_f32();
    let mut parts = vec![words, format!("{seconds:.1} s")];
    parts.extend((!seen.ended).then(|| "still there".to_owned()));
    let stay = |stay: &ZoneStay| format!("{:.1} s in {}", f64::from(stay.dwell_ms) / 1000.0, stay.zone);
    parts.extend(seen.zones.iter().map(stay));
    let across = |line: &LineCrossing| format!("across {}{}", line.line, if line.forward { "" } else { " backward" });
    parts.extend(seen.lines.iter().map(across));
    parts.join(", ")
}

fn counts(seen: &Counts) -> String {
    let mut words: Vec<String> =
        seen.tracks.iter().map(|count| format!("{} {}", count.count, count.class.as_str())).collect();
    words.extend((seen.plate_reads > 0).then(|| format!("{} plate read(s)", seen.plate_reads)));
    for zone in &seen.zones {
        let class = zone.class.map_or("nobody", |class| class.as_str());
        words.push(format!("{}: {class} {} in, {} out", zone.zone, zone.entered, zone.left));
    }
    for line in &seen.lines {
        words.push(format!(
            "{}: {} {} forward, {} backward",
            line.line,
            line.class.as_str(),
            line.forward,
            line.backward
        ));
    }
    let what = if words.is_empty() { "nothing".to_owned() } else { words.join(", ") };
    format!("counted: {what} ({} of {} frames looked at)", seen.frames_analysed, seen.frames_offered)
}

#[cfg(test)]
mod tests {
    use edge_protocol::record::{Alert, AlertKind, Sentence, Tamper};
    use edge_protocol::time::ClockQuality;

    use super::*;

    #[test]
    fn a_line_says_when_in_the_video_and_what_in_words() {
        let start = WallTime::from_millis(1_795_000_000_000);
        let alert = |over| {
            Record::Alert(Box::new(Alert {
                at: Moment::from_millis(1_795_000_083_460),
                clock: ClockQuality::Free,
                camera: Some("gate".parse().unwrap()),
                kind: AlertKind::Tamper(Tamper::Covered),
                over,
                text: Sentence::cut("the camera is covered"),
            }))
        };
        assert_eq!(line(&alert(false), start), "  1:23.4  alert   the camera is covered");
        assert_eq!(line(&alert(true), start), "  1:23.4  alert   over: the camera is covered");
    }
}
