//! Times as SQLite's `julianday()` reads them.
//!
//! The calendar is Gregorian throughout. A day of the month that the month does not have runs over into the
//! next one, as it does in SQLite: 30 February is 1 or 2 March.

use crate::UnixTime;
use crate::time::EPOCH_JULIAN_MS;

const DAY_MS: i64 = 86_400_000;

/// The first julian day number that is no time: 10000-01-01.
const END_OF_TIME_DAY: f64 = 5_373_484.5;

/// Reads any constant time that SQLite's `julianday()` accepts; `now` and modifiers are refused.
///
/// Also refused is what lies at or before julian day 0, which no artifact may carry.
pub fn parse(text: &[u8]) -> Option<UnixTime> {
    let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
    let julian_ms = calendar(text).or_else(|| time_of_day(text)).or_else(|| julian_day_number(text))?;
    (julian_ms > 0 && julian_ms < (END_OF_TIME_DAY * DAY_MS as f64) as i64)
        .then(|| UnixTime(julian_ms - EPOCH_JULIAN_MS))
}

/// Writes `YYYY-MM-DDTHH:MM:SS.sss`.
pub fn format(time: UnixTime) -> String {
    let (day, ms) = (time.0.div_euclid(DAY_MS), time.0.rem_euclid(DAY_MS));
    let (year, month, date) = civil(day);
    let (seconds, ms) = (ms / 1000, ms % 1000);
    let sign = if year < 0 { "-" } else { "" };
    let year = year.abs();
    format!(
        "{sign}{year:04}-{month:02}-{date:02}T{:02}:{:02}:{:02}.{ms:03}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// `YYYY-MM-DD`, then nothing or a time, in julian milliseconds.
fn calendar(text: &[u8]) -> Option<i64> {
    let mut rest = Digits(text);
    let sign = if rest.eat(b'-') { -1 } else { 1 };
    let year = sign * rest.number(4, 0, 9999)?;
    let month = rest.after(b'-')?.number(2, 1, 12)?;
    let date = rest.after(b'-')?.number(2, 1, 31)?;
    let midnight = julian_midnight(year, month, date)?;
    while rest.0.first().is_some_and(|&byte| byte == b'T' || is_space(byte)) {
        rest.0 = &rest.0[1..];
    }
    if rest.0.is_empty() {
        return Some(midnight);
    }
    Some(midnight + time_within_day(rest)?)
}

/// `HH:MM`, which stands on 2000-01-01.
fn time_of_day(text: &[u8]) -> Option<i64> {
    Some(julian_midnight(2000, 1, 1)? + time_within_day(Digits(text))?)
}

/// `HH:MM[:SS[.fraction]][zone]` in milliseconds from midnight UTC.
fn time_within_day(mut rest: Digits<'_>) -> Option<i64> {
    let hours = rest.number(2, 0, 24)?;
    let minutes = rest.after(b':')?.number(2, 0, 59)?;
    let mut seconds = 0.0;
    if rest.eat(b':') {
        seconds = rest.number(2, 0, 59)? as f64 + rest.fraction()?;
    }
    if hours == 24 && (minutes != 0 || seconds != 0.0) {
        return None;
    }
    let zone_minutes = zone(rest)?;
    Some((hours * 60 + minutes - zone_minutes) * 60_000 + (seconds * 1000.0 + 0.5) as i64)
}

/// Nothing, `Z`, or `+HH:MM` / `-HH:MM`, in minutes ahead of UTC.
fn zone(mut rest: Digits<'_>) -> Option<i64> {
    rest.skip_space();
    let sign = match rest.0.first() {
        None => return Some(0),
        Some(b'Z' | b'z') => 0,
        Some(b'+') => 1,
        Some(b'-') => -1,
        Some(_) => return None,
    };
    rest.0 = &rest.0[1..];
    let mut minutes = 0;
    if sign != 0 {
        minutes = rest.number(2, 0, 14)? * 60;
        minutes += rest.after(b':')?.number(2, 0, 59)?;
    }
    rest.skip_space();
    rest.0.is_empty().then_some(sign * minutes)
}

/// A plain number: days since julian day 0.
fn julian_day_number(text: &[u8]) -> Option<i64> {
    let start = text.iter().position(|&byte| !is_space(byte))?;
    let end = text.iter().rposition(|&byte| !is_space(byte))?;
    let number = &text[start..=end];
    let plain = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-');
    if !number.iter().all(plain) {
        return None;
    }
    let day: f64 = std::str::from_utf8(number).ok()?.parse().ok()?;
    (0.0..END_OF_TIME_DAY).contains(&day).then_some((day * DAY_MS as f64 + 0.5) as i64)
}

/// Julian milliseconds of midnight of a day of the Gregorian calendar.
fn julian_midnight(year: i64, month: i64, date: i64) -> Option<i64> {
    // Years are counted from March, so that the odd day of a leap year comes last.
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    if year < -4714 {
        return None;
    }
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let days = 365 * year + leap_days + (153 * month + 2) / 5 + date;
    // 0000-02-29 begins half a day after julian day 1,721,118.
    Some((days + 1_721_118) * DAY_MS + DAY_MS / 2)
}

/// Year, month and day of the month of a day counted from 1970-01-01.
fn civil(day: i64) -> (i64, i64, i64) {
    let from_march_of_year_0 = day + 719_468;
    let era = from_march_of_year_0.div_euclid(146_097);
    let day_of_era = from_march_of_year_0.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let date = day_of_year - (153 * month + 2) / 5 + 1;
    let year = era * 400 + year_of_era;
    if month < 10 { (year, month + 3, date) } else { (year + 1, month - 9, date) }
}

/// White space as SQLite has it: with the vertical tab.
fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

/// What is left to read.
struct Digits<'a>(&'a [u8]);

impl Digits<'_> {
    fn eat(&mut self, byte: u8) -> bool {
        let Some((&first, rest)) = self.0.split_first() else { return false };
        if first == byte {
            self.0 = rest;
        }
        first == byte
    }

    fn after(&mut self, byte: u8) -> Option<&mut Self> {
        self.eat(byte).then_some(self)
    }

    fn skip_space(&mut self) {
        while self.0.first().is_some_and(|&byte| is_space(byte)) {
            self.0 = &self.0[1..];
        }
    }

    /// Exactly `count` digits, in a range.
    fn number(&mut self, count: usize, least: i64, most: i64) -> Option<i64> {
        let digits = self.0.get(..count)?;
        let mut number = 0;
        for digit in digits {
            number = number * 10 + i64::from(digit.is_ascii_digit().then(|| digit - b'0')?);
        }
        self.0 = &self.0[count..];
        (least..=most).contains(&number).then_some(number)
    }

    /// A dot and digits, if that is what follows; never rounded up to a whole second.
    fn fraction(&mut self) -> Option<f64> {
        let [b'.', first, ..] = self.0 else { return Some(0.0) };
        if !first.is_ascii_digit() {
            return Some(0.0);
        }
        self.0 = &self.0[1..];
        let (mut fraction, mut scale) = (0.0, 1.0);
        while let Some((digit, rest)) = self.0.split_first().filter(|(digit, _)| digit.is_ascii_digit()) {
            fraction = fraction * 10.0 + f64::from(digit - b'0');
            scale *= 10.0;
            self.0 = rest;
        }
        let fraction: f64 = fraction / scale;
        fraction.is_finite().then_some(fraction.min(0.999))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sqlite(text: &[u8]) -> Option<UnixTime> {
        let conn = rusqlite::Connection::open_in_memory().unwrap();
        let text = crate::Text::from(text);
        let day: Option<f64> = conn.query_row("SELECT julianday(?1)", [text], |row| row.get(0)).unwrap();
        day.filter(|&day| day > 0.0).map(UnixTime::from_julian_day)
    }

    fn show(time: Option<UnixTime>) -> Option<String> {
        time.map(format)
    }

    #[test]
    fn known_times_are_read() {
        for (text, expected) in [
            ("2020-01-01T00:00:00", "2020-01-01T00:00:00.000"),
            ("2020-01-01 12:34:56.789", "2020-01-01T12:34:56.789"),
            ("2020-01-01", "2020-01-01T00:00:00.000"),
            ("12:34", "2000-01-01T12:34:00.000"),
            ("2020-01-01T10:00:00+02:00", "2020-01-01T08:00:00.000"),
            ("2020-01-01T10:00Z", "2020-01-01T10:00:00.000"),
            ("2459000.5", "2020-05-31T00:00:00.000"),
            ("9999-12-31T23:59:59.999", "9999-12-31T23:59:59.999"),
            ("2022-02-30", "2022-03-02T00:00:00.000"),
        ] {
            assert_eq!(show(parse(text.as_bytes())).as_deref(), Some(expected), "{text}");
            assert_eq!(show(sqlite(text.as_bytes())).as_deref(), Some(expected), "{text} by SQLite");
        }
    }

    #[test]
    fn what_is_no_constant_time_is_refused() {
        for text in
            ["", "now", "subsec", "0", "-1", "2022-02-30T25:99:00", "2020-13-01", "2020-1-1", "x", "1e", "+"]
        {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn oddities_are_read_as_sqlite_reads_them() {
        for text in [
            "2020-01-01T",
            "2020-01-01TT 10:00",
            "2020-01-01x",
            " 2020-01-01",
            "2020-01-01 ",
            "24:00",
            "24:59:59",
            "10:00 z ",
            "10:00:00.",
            "10:00:00.x",
            "10:00:60",
            "-4713-11-24 12:00:00.001",
            "-4713-11-24 12:00",
            "-4714-01-01",
            "-0001-03-01",
            "0000-02-29",
            "0000-01-01",
            "5373484.4",
            "5373484.5",
            ".5",
            "5.",
            "1e6",
            " 1e6 ",
            "1e6x",
            "inf",
            "nan",
            "9999-12-31T24:00",
            "9999-12-31T23:59:59.9999",
            "2020-01-01 10:00+14:59",
            "2020-01-01 10:00+15:00",
            "2020-01-01 10:00-00:30",
            "2020-01-01 10:00+1:00",
            "-2020-01-01",
            "+1",
            "1,5",
            "10:00:59.9995",
            "10:00:59.0005",
            "10:00:59.99949",
            "0x10",
            "1_0",
            "\u{b}12",
            "9999-12-31T24:00-01:00",
            "9999-12-31T20:00-09:00",
        ] {
            assert_eq!(show(parse(text.as_bytes())), show(sqlite(text.as_bytes())), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn times_are_read_as_sqlite_reads_them(
            day in "(-?[0-9]{4}-[0-2][0-9]-[0-3][0-9][ T]{0,2})?",
            time in "([0-2][0-9]:[0-6][0-9](:[0-6][0-9](\\.[0-9]{0,8})?)?)?",
            zone in "( ?(Z|[+-][01][0-9]:[0-5][0-9]))?",
        ) {
            let text = day + &time + &zone;
            prop_assert_eq!(show(parse(text.as_bytes())), show(sqlite(text.as_bytes())));
        }

        #[test]
        fn numbers_are_read_as_sqlite_reads_them(text in "[+-]?[0-9]{0,8}\\.?[0-9]{0,6}(e[+-]?[0-9]?)?") {
            prop_assert_eq!(show(parse(text.as_bytes())), show(sqlite(text.as_bytes())));
        }

        #[test]
        fn a_written_time_reads_back(ms in -62_000_000_000_000_i64..250_000_000_000_000) {
            prop_assert_eq!(parse(format(UnixTime(ms)).as_bytes()), Some(UnixTime(ms)));
        }
    }
}
