//! Microseconds since 1970 to and from RFC 3339 in UTC, years 0 to 9999. The days are counted as in Howard Hinnant's
//! "chrono-compatible low-level date algorithms": years begin in March, so that the leap day is the last of its year.

use std::fmt;

const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;
/// Days of 400 Gregorian years.
const DAYS_PER_ERA: i64 = 146_097;
/// From 0000-03-01 to 1970-01-01.
const EPOCH_DAYS: i64 = 719_468;

/// Year, month (1 to 12) and day of month for days since 1970.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + EPOCH_DAYS;
    let era = days.div_euclid(DAYS_PER_ERA);
    let day_of_era = days.rem_euclid(DAYS_PER_ERA);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

/// Days since 1970 of a date.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let march_month = (month + 9) % 12;
    let day_of_year = (153 * march_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * DAYS_PER_ERA + day_of_era - EPOCH_DAYS
}

/// Writes milliseconds, or microseconds where there are any.
pub(super) fn write(micros: i64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let seconds = micros.div_euclid(MICROS_PER_SECOND);
    let fraction = micros.rem_euclid(MICROS_PER_SECOND);
    let (year, month, day) = date(seconds.div_euclid(SECONDS_PER_DAY));
    let second = seconds.rem_euclid(SECONDS_PER_DAY);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
    if fraction % 1000 == 0 { write!(f, ".{:03}Z", fraction / 1000) } else { write!(f, ".{fraction:06}Z") }
}

/// Reads a time in UTC with up to six digits of fraction.
pub(super) fn read(text: &str) -> Option<i64> {
    let body = text.strip_suffix('Z')?;
    let (whole, fraction) = body.split_once('.').unwrap_or((body, "0"));
    let (date_text, time_text) = whole.split_once('T')?;
    let [year, month, day] = numbers(date_text, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(time_text, ':', [2, 2, 2])?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let day_number = days(year, month, day);
    if date(day_number) != (year, month, day) {
        return None;
    }
    let seconds = day_number * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second;
    Some(seconds * MICROS_PER_SECOND + micros(fraction)?)
}

fn numbers(text: &str, separator: char, digits: [usize; 3]) -> Option<[i64; 3]> {
    let mut parts = text.split(separator);
    let mut values = [0; 3];
    for (value, length) in values.iter_mut().zip(digits) {
        *value = number(parts.next()?, length)?;
    }
    parts.next().is_none().then_some(values)
}

fn number(text: &str, digits: usize) -> Option<i64> {
    let plain = text.len() == digits && text.bytes().all(|b| b.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

fn micros(fraction: &str) -> Option<i64> {
    let length = fraction.len();
    if !(1..=6).contains(&length) {
        return None;
    }
    let scale = 10_i64.pow(u32::try_from(6 - length).ok()?);
    Some(number(fraction, length)? * scale)
}
