//! Durations and sizes as HOCON writes them: a number and a unit.

use std::time::Duration;

/// The duration that `text` says (`30s`, `200 ms`, `1.5 minutes`); a number alone counts milliseconds. `None` if
/// it is none.
pub fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = split(text);
    let nanos: u64 = match unit {
        "ns" | "nano" | "nanos" | "nanosecond" | "nanoseconds" => 1,
        "us" | "micro" | "micros" | "microsecond" | "microseconds" => 1_000,
        "" | "ms" | "milli" | "millis" | "millisecond" | "milliseconds" => 1_000_000,
        "s" | "second" | "seconds" => 1_000_000_000,
        "m" | "minute" | "minutes" => 60_000_000_000,
        "h" | "hour" | "hours" => 3_600_000_000_000,
        "d" | "day" | "days" => 86_400_000_000_000,
        _ => return None,
    };
    scaled(number, nanos).map(Duration::from_nanos)
}

/// The number of bytes that `text` says: `400000`, `300 kB` (of 1,000 bytes), `32 KiB` or `32K` (of 1,024).
/// `None` if it is none.
pub fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = split(text);
    if matches!(unit, "" | "B" | "b" | "byte" | "bytes") {
        return scaled(number, 1);
    }
    let powers = [
        ('k', "kilo", "kibi"),
        ('m', "mega", "mebi"),
        ('g', "giga", "gibi"),
        ('t', "tera", "tebi"),
        ('p', "peta", "pebi"),
        ('e', "exa", "exbi"),
    ];
    let mut power = (1_u64, 1_u64);
    for (letter, decimal, binary) in powers {
        power = (power.0 * 1000, power.1 * 1024);
        let plain = unit.strip_suffix('s').unwrap_or(unit);
        let is_long = |prefix: &str| plain.strip_prefix(prefix) == Some("byte");
        let upper = letter.to_ascii_uppercase();
        let kilo = if letter == 'k' { letter } else { upper };
        if is_long(decimal) || unit == format!("{kilo}B") {
            return scaled(number, power.0);
        }
        let short =
            [format!("{letter}"), format!("{upper}"), format!("{upper}i"), format!("{upper}iB")];
        if is_long(binary) || short.iter().any(|short| short == unit) {
            return scaled(number, power.1);
        }
    }
    None
}

/// The number and the letters that follow it.
fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text.get(number.len()..).unwrap_or_default();
    (number.trim_end(), unit)
}

/// `number`, which may have decimals, times `unit`, cut to a whole number.
fn scaled(number: &str, unit: u64) -> Option<u64> {
    let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_digits(whole) || !is_digits(decimals) {
        return None;
    }
    let sum = whole.parse::<u64>().ok()?.checked_mul(unit)?;
    // Exactly, so that 1.001s is 1001 ms. Digits past the eighteenth are less than any unit's part.
    let decimals = decimals.get(..18).unwrap_or(decimals);
    let places = u32::try_from(decimals.len()).ok()?;
    let decimals: u128 = if decimals.is_empty() { 0 } else { decimals.parse().ok()? };
    let part = decimals * u128::from(unit) / 10_u128.pow(places);
    sum.checked_add(u64::try_from(part).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        for (text, millis) in [
            ("0ms", 0),
            ("250", 250),
            ("3s", 3_000),
            ("30 seconds", 30_000),
            ("1 second", 1_000),
            ("1.001s", 1_001),
            ("0.5 m", 30_000),
            ("2h", 7_200_000),
            ("2 days", 172_800_000),
            (" 5000000 ns ", 5),
            ("1000us", 1),
        ] {
            assert_eq!(duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in [
            "",
            "s",
            "-1s",
            "1 week",
            "1S",
            "1..5s",
            "1.5.5s",
            "one s",
            "off",
            "99999999999d",
            "1e3s",
            "inf",
        ] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_have_units() {
        for (text, expected) in [
            ("0", 0),
            ("400000", 400_000),
            ("32 KiB", 32 << 10),
            ("32k", 32 << 10),
            ("32K", 32 << 10),
            ("1kB", 1_000),
            ("2 megabytes", 2_000_000),
            ("1.5 MiB", 3 << 19),
            ("256 MiB", 256 << 20),
            ("1 gibibyte", 1 << 30),
            ("1E", 1 << 60),
            ("7 bytes", 7),
            ("0.000000000000000000001B", 0),
        ] {
            assert_eq!(bytes(text), Some(expected), "{text}");
        }
        for text in ["", "KB", "1KB", "1 Z", "-1", "99E", "1 kibi"] {
            assert_eq!(bytes(text), None, "{text}");
        }
    }
}
