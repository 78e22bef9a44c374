//! Times as people write and read them.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned, civil};

/// Why a text is no time.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TimeError {
    /// Neither RFC 3339 nor a local time.
    #[error(
        "{0:?} is no time: write 2026-11-21T14:05:00Z, 2026-11-21T14:05:00[America/Los_Angeles] or 2026-11-21T14:05:00"
    )]
    Unknown(String),
    /// The clocks went back or forward over it.
    #[error(
        "{0:?} happened twice or never, since clocks were changed: give the offset, as in 2026-11-01T01:30:00-07:00"
    )]
    Ambiguous(String),
}

/// Reads a time and returns microseconds since 1970.
///
/// RFC 3339 with an offset; a local time with a zone in brackets; or a local time without either, which is taken in
/// `zone`. A local time that a change of clocks made ambiguous is refused: evidence is not guessed.
///
/// # Errors
/// Says how times are written.
pub fn parse(text: &str, zone: &TimeZone) -> Result<i64, TimeError> {
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(instant.as_microsecond());
    }
    let (local, zone) = match text.strip_suffix(']').and_then(|rest| rest.split_once('[')) {
        Some((local, name)) => (local, TimeZone::get(name).map_err(|_| TimeError::Unknown(text.to_owned()))?),
        None => (text, zone.clone()),
    };
    let local: civil::DateTime =
        local.replacen(' ', "T", 1).parse().map_err(|_| TimeError::Unknown(text.to_owned()))?;
    let instant = zone.to_ambiguous_timestamp(local).unambiguous();
    instant.map(Timestamp::as_microsecond).map_err(|_| TimeError::Ambiguous(text.to_owned()))
}

/// A time with date, milliseconds, offset and zone: for a person who shall check it.
pub fn full(wall_us: i64, zone: &TimeZone) -> String {
    zoned(wall_us, zone).strftime("%Y-%m-%d %H:%M:%S%.3f %:z").to_string()
}

/// The date: above the lines of a day.
pub fn date(wall_us: i64, zone: &TimeZone) -> String {
    zoned(wall_us, zone).strftime("%Y-%m-%d").to_string()
}

/// The time of day with milliseconds: for a line in a list.
pub fn of_day(wall_us: i64, zone: &TimeZone) -> String {
    zoned(wall_us, zone).strftime("%H:%M:%S%.3f").to_string()
}

/// A time in RFC 3339 with microseconds, in UTC: for other programs.
pub fn rfc3339(wall_us: i64) -> String {
    zoned(wall_us, &TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

fn zoned(wall_us: i64, zone: &TimeZone) -> Zoned {
    let end = if wall_us < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_microsecond(wall_us).unwrap_or(end).to_zoned(zone.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn los_angeles() -> TimeZone {
        // Written out as POSIX rules, so that the test needs no database of zones.
        TimeZone::posix("PST8PDT,M3.2.0,M11.1.0").unwrap()
    }

    #[test]
    fn local_times_are_taken_in_the_given_zone_and_offsets_are_obeyed() {
        let utc = parse("2026-11-21T22:05:00Z", &los_angeles()).unwrap();
        assert_eq!(parse("2026-11-21T14:05:00", &los_angeles()), Ok(utc));
        assert_eq!(parse("2026-11-21 14:05", &los_angeles()), Ok(utc));
        assert_eq!(parse("2026-11-21T23:05:00+01:00", &los_angeles()), Ok(utc));
        assert_eq!(full(utc, &los_angeles()), "2026-11-21 14:05:00.000 -08:00");
        assert_eq!(of_day(utc, &los_angeles()), "14:05:00.000");
        assert_eq!(rfc3339(utc + 1), "2026-11-21T22:05:00.000001Z");
    }

    #[test]
    fn a_local_time_that_happened_twice_or_never_is_refused() {
        assert!(matches!(parse("2026-11-01T01:30:00", &los_angeles()), Err(TimeError::Ambiguous(_))));
        assert!(matches!(parse("2026-03-08T02:30:00", &los_angeles()), Err(TimeError::Ambiguous(_))));
        assert!(parse("2026-11-01T01:30:00-07:00", &los_angeles()).is_ok());
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for wrong in ["", "yesterday", "14:05", "2026-13-01T00:00:00Z", "2026-11-21T14:05:00[Nowhere/Town]"] {
            assert!(matches!(parse(wrong, &los_angeles()), Err(TimeError::Unknown(_))), "{wrong}");
        }
    }

    #[test]
    fn times_beyond_the_calendar_are_shown_as_its_ends() {
        assert!(full(i64::MAX, &TimeZone::UTC).starts_with("9999-"));
        assert!(!full(i64::MIN, &TimeZone::UTC).is_empty());
    }
}
