//! Numbers of a report.

use std::time::Duration;

/// A count as a floating number. Counts of a benchmark lie far below 2^53, where this is exact.
#[expect(clippy::as_conversions, reason = "std has no other conversion, and it is exact here")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

/// A count of things in memory.
pub(crate) fn count(things: usize) -> u64 {
    u64::try_from(things).expect("a 64-bit target")
}

/// Microseconds, for a histogram.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Things a second.
pub(crate) fn rate(things: u64, elapsed: Duration) -> f64 {
    float(things) / elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
}

/// The middle value; of an even number of values, the lower of the two.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len().saturating_sub(1) / 2;
    sorted.get(middle).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_value() {
        assert_eq!(median(&[3.0, 1.0, 2.0]).to_bits(), 2.0_f64.to_bits());
        assert_eq!(median(&[4.0, 1.0]).to_bits(), 1.0_f64.to_bits());
        assert!(median(&[]).is_nan());
    }
}
