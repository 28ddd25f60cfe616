//! Timestamps as people read them.

use annals::Timestamp;

const MILLIS_PER_DAY: i64 = 86_400_000;

/// `timestamp` in UTC as RFC 3339 has it; `-` where it is unknown, plain milliseconds outside the
/// years 0 to 9999.
pub(crate) fn text(timestamp: Timestamp) -> String {
    if timestamp == Timestamp::UNKNOWN {
        return "-".to_owned();
    }
    let millis = timestamp.as_millis();
    let (day, of_day) = (millis.div_euclid(MILLIS_PER_DAY), millis.rem_euclid(MILLIS_PER_DAY));
    let Some((year, month, day)) = date(day) else { return millis.to_string() };
    let (hour, minute) = (of_day / 3_600_000, of_day / 60_000 % 60);
    let (second, milli) = (of_day / 1_000 % 60, of_day % 1_000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

/// The civil date `day` days after 1970-01-01: counts in eras of 400 years that begin on 1 March, so
/// that the leap day is the last of its year.
fn date(day: i64) -> Option<(i64, i64, i64)> {
    let since = day.checked_add(719_468)?;
    let (era, of_era) = (since.div_euclid(146_097), since.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day_of_month = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (0..=9999).contains(&year).then_some((year, month, day_of_month))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_times() {
        let of = |millis| text(Timestamp::from_millis(millis));
        assert_eq!(of(1), "1970-01-01T00:00:00.001Z");
        assert_eq!(of(-1), "1969-12-31T23:59:59.999Z");
        assert_eq!(of(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(of(1_735_689_599_999), "2024-12-31T23:59:59.999Z");
        assert_eq!(of(0), "-");
        assert_eq!(of(i64::MAX), i64::MAX.to_string());
        assert_eq!(of(i64::MIN), i64::MIN.to_string());
    }
}
