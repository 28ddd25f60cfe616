//! Values of settings as HOCON writes them.

use std::time::Duration;

use annals_core::{Error, Result};

use crate::partition::BucketSize;

pub(super) fn boolean(key: &str, value: &str) -> Result<bool> {
    match value {
        "true" | "on" | "yes" => Ok(true),
        "false" | "off" | "no" => Ok(false),
        _ => Err(refused(key, value, "on or off")),
    }
}

pub(super) fn number<T: std::str::FromStr>(key: &str, value: &str) -> Result<T> {
    value.parse().map_err(|_| refused(key, value, "a number"))
}

/// `5s`, `200 ms`, `10 seconds`; a bare number is milliseconds.
pub(super) fn duration(key: &str, value: &str) -> Result<Duration> {
    let refused = || refused(key, value, "a duration, as 200ms or 5s");
    let digits = value.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(value.len());
    let (amount, unit) = value.split_at(digits);
    let seconds = match unit.trim() {
        "ns" | "nano" | "nanos" | "nanosecond" | "nanoseconds" => 1e-9,
        "us" | "micro" | "micros" | "microsecond" | "microseconds" => 1e-6,
        "" | "ms" | "milli" | "millis" | "millisecond" | "milliseconds" => 1e-3,
        "s" | "second" | "seconds" => 1.0,
        "m" | "minute" | "minutes" => 60.0,
        "h" | "hour" | "hours" => 3_600.0,
        "d" | "day" | "days" => 86_400.0,
        _ => return Err(refused()),
    };
    let amount: f64 = amount.parse().map_err(|_| refused())?;
    Duration::try_from_secs_f64(amount * seconds).map_err(|_| refused())
}

/// `dc1:3,dc2:2`, or the same as a list in brackets.
pub(super) fn data_centres(key: &str, value: &str) -> Result<Vec<(String, u32)>> {
    let entries = value.trim_matches(['[', ']']).split(',').map(|entry| entry.trim_matches(QUOTES));
    let entries = entries.filter(|entry| !entry.is_empty()).map(|entry| {
        let (name, factor) =
            entry.split_once(':').ok_or_else(|| refused(key, value, "dc1:3,dc2:2"))?;
        Ok((name.trim().to_owned(), number(key, factor.trim())?))
    });
    entries.collect()
}

const QUOTES: [char; 2] = ['"', ' '];

pub(super) fn bucket_size(key: &str, value: &str) -> Result<BucketSize> {
    match value.to_ascii_lowercase().as_str() {
        "day" => Ok(BucketSize::Day),
        "hour" => Ok(BucketSize::Hour),
        "minute" => Ok(BucketSize::Minute),
        "second" => Ok(BucketSize::Second),
        _ => Err(refused(key, value, "Day, Hour or Minute")),
    }
}

/// `20151120T00:00`, `20151120T00` or `20151120`, in UTC, as milliseconds since 1970.
pub(super) fn first_time_bucket(key: &str, value: &str) -> Result<i64> {
    let refused = || refused(key, value, "a time as 20151120T00:00");
    let (date, time) = value.split_once('T').unwrap_or((value, "00:00"));
    let (hour, minute) = time.split_once(':').unwrap_or((time, "00"));
    let part = |text: &str, length: usize| -> Result<i64> {
        let whole = text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
        if whole { text.parse().map_err(|_| refused()) } else { Err(refused()) }
    };
    let (year, month, day) = match (date.get(..4), date.get(4..6), date.get(6..)) {
        (Some(year), Some(month), Some(day)) => (part(year, 4)?, part(month, 2)?, part(day, 2)?),
        _ => return Err(refused()),
    };
    let (hour, minute) = (part(hour, 2)?, part(minute, 2)?);
    let valid = (1970..).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60;
    if !valid {
        return Err(refused());
    }
    let minutes = (days_from_1970(year, month, day) * 24 + hour) * 60 + minute;
    Ok(minutes * 60_000)
}

/// Days between 1970-01-01 and a date of the Gregorian calendar, with years that begin in March.
fn days_from_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719_468
}

/// Checks the name of a keyspace or table, which is put into statements as it is: a word, or one in
/// double quotes.
pub(super) fn name(key: &str, value: &str) -> Result<String> {
    let inner = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
    let word = !inner.is_empty()
        && inner.len() <= 48
        && inner.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if word {
        Ok(value.to_owned())
    } else {
        Err(refused(key, value, "a name of letters and digits"))
    }
}

pub(super) fn refused(key: &str, value: &str, wanted: &str) -> Error {
    Error::invalid(format!("{key} is {value:?}, which is not {wanted}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_of_hocon() {
        let parsed = ["200ms", "5 s", "1.5 seconds", "10", "2h"].map(|text| duration("k", text));
        let millis = parsed.map(|parsed| parsed.unwrap().as_millis());
        assert_eq!(millis, [200, 5_000, 1_500, 10, 7_200_000]);
        assert!(duration("k", "soon").is_err() && duration("k", "").is_err());
    }

    #[test]
    fn first_time_buckets_are_read_in_utc() {
        assert_eq!(first_time_bucket("k", "20151120T00:00").unwrap(), 1_447_977_600_000);
        assert_eq!(first_time_bucket("k", "20151120T07").unwrap(), 1_448_002_800_000);
        assert_eq!(first_time_bucket("k", "20241231T23:59").unwrap(), 1_735_689_540_000);
        assert_eq!(first_time_bucket("k", "19700101").unwrap(), 0);
        for malformed in ["2015", "2015-11-20", "20151320", "20151120T7", "", "äöäöäö"] {
            assert!(first_time_bucket("k", malformed).is_err(), "{malformed}");
        }
    }

    #[test]
    fn names_cannot_smuggle_statements() {
        assert!(name("k", "pekko_2").is_ok() && name("k", "\"Pekko\"").is_ok());
        for malformed in ["", "\"\"", "a b", "a;b", "a\"b", "a.b"] {
            assert!(name("k", malformed).is_err(), "{malformed}");
        }
    }

    #[test]
    fn data_centres_are_lists_or_texts() {
        let wanted = vec![("dc1".to_owned(), 3), ("dc2".to_owned(), 2)];
        assert_eq!(data_centres("k", "dc1:3,dc2:2").unwrap(), wanted);
        assert_eq!(data_centres("k", "[\"dc1:3\", \"dc2:2\"]").unwrap(), wanted);
        assert!(data_centres("k", "dc1").is_err());
    }
}
