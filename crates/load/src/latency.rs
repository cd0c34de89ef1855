//! Histograms of times, to three digits, in constant memory.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Longest time that is recorded exactly, in microseconds: an hour.
const LONGEST: u64 = 3_600_000_000;

/// Significant decimal digits.
const DIGITS: u8 = 3;

/// A histogram of times.
#[derive(Debug, Clone)]
pub struct Latency(Histogram<u64>);

impl Default for Latency {
    fn default() -> Self {
        // The bounds are constants, and every test makes a histogram.
        #[allow(clippy::expect_used, reason = "constants")]
        Self(Histogram::new_with_bounds(1, LONGEST, DIGITS).expect("valid bounds"))
    }
}

impl Latency {
    /// Adds a time.
    pub fn record(&mut self, time: Duration) {
        self.0.saturating_record(u64::try_from(time.as_micros()).unwrap_or(LONGEST));
    }

    /// Number of recorded times.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The quantile `part`, from 0 to 1; none if no time was recorded.
    pub fn quantile(&self, part: f64) -> Option<Duration> {
        (!self.0.is_empty())
            .then(|| Duration::from_micros(self.0.value_at_quantile(part).min(self.0.max())))
    }

    pub fn min(&self) -> Option<Duration> {
        (!self.0.is_empty()).then(|| Duration::from_micros(self.0.min()))
    }

    pub fn max(&self) -> Option<Duration> {
        (!self.0.is_empty()).then(|| Duration::from_micros(self.0.max()))
    }

    pub fn mean(&self) -> Option<Duration> {
        (!self.0.is_empty()).then(|| Duration::from_secs_f64(self.0.mean() / 1e6))
    }

    /// Number of times above `time`.
    pub(crate) fn count_above(&self, time: Duration) -> u64 {
        let micros = u64::try_from(time.as_micros()).unwrap_or(LONGEST).min(LONGEST);
        self.0.len() - self.0.count_between(0, micros)
    }

    /// Quantiles for a curve, closer together towards 1.
    pub(crate) fn curve(&self) -> Vec<(f64, Duration)> {
        let mut curve = Vec::new();
        let quantiles = self.0.iter_quantiles(4);
        for step in quantiles {
            let at = Duration::from_micros(step.value_iterated_to().min(self.0.max()));
            curve.push((step.quantile_iterated_to(), at));
        }
        curve
    }

    /// Removes all times.
    pub fn clear(&mut self) {
        self.0.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_exact_to_three_digits() {
        let mut latency = Latency::default();
        assert_eq!(
            (latency.count(), latency.quantile(0.5), latency.max(), latency.mean()),
            (0, None, None, None)
        );
        assert!(latency.curve().is_empty());
        (1..=1000).for_each(|ms| latency.record(Duration::from_millis(ms)));
        let ms = |part: f64| latency.quantile(part).expect("a time").as_secs_f64() * 1e3;
        for (part, expected) in [(0.5, 500.0), (0.9, 900.0), (0.99, 990.0), (1.0, 1000.0)] {
            assert!((ms(part) / expected - 1.0).abs() < 0.001, "{part}: {}", ms(part));
        }
        assert_eq!(latency.min(), Some(Duration::from_millis(1)));
        assert_eq!(latency.count_above(Duration::from_millis(1100)), 0);
        assert!(latency.count_above(Duration::from_millis(500)).abs_diff(500) <= 1);
        let curve = latency.curve();
        assert!(
            curve.is_sorted() && curve.last().is_some_and(|(part, _)| *part == 1.0),
            "{curve:?}"
        );
        latency.clear();
        assert_eq!(latency.count(), 0);
    }

    #[test]
    fn times_out_of_bounds_count_at_the_bound() {
        let mut latency = Latency::default();
        latency.record(Duration::ZERO);
        latency.record(Duration::MAX);
        assert_eq!(latency.count(), 2);
        assert!(latency.max().expect("a time") >= Duration::from_secs(3599));
        assert_eq!(latency.count_above(Duration::MAX), 0);
    }
}
