//! Pauses between attempts to connect: exponential, with jitter, reset by success only.

use std::time::Duration;

/// The longest pause doubles from `min` to `max` with each failure. The actual pause is random,
/// between half of it and all of it, so that several daemons that lost the same Asterisk do not
/// connect again at the same time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backoff {
    min: Duration,
    max: Duration,
    failures: u32,
}

/// `min` is zero or over `max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the shortest pause must be over zero and not over the longest")]
pub struct InvalidBackoff;

impl Backoff {
    /// Pauses that grow from `min` to `max`.
    ///
    /// # Errors
    ///
    /// `min` is zero or over `max`.
    pub fn new(min: Duration, max: Duration) -> Result<Self, InvalidBackoff> {
        if min.is_zero() || min > max {
            return Err(InvalidBackoff);
        }
        Ok(Self { min, max, failures: 0 })
    }

    /// The pause after one more failure.
    pub fn next(&mut self, rng: &mut fastrand::Rng) -> Duration {
        let full = self.min.saturating_mul(1 << self.failures.min(20)).min(self.max);
        self.failures = self.failures.saturating_add(1);
        full.mul_f64(0.5 + rng.f64() / 2.0)
    }

    /// Starts again from the shortest pause.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

/// From 200 ms to 5 s: for commands that a person waits for.
impl Default for Backoff {
    fn default() -> Self {
        Self { min: Duration::from_millis(200), max: Duration::from_secs(5), failures: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_longest_and_reset() {
        let (min, max) = (Duration::from_millis(200), Duration::from_secs(10));
        let mut backoff = Backoff::new(min, max).unwrap();
        let mut rng = fastrand::Rng::with_seed(7);
        for failures in 0..100 {
            let full = min.saturating_mul(1 << failures.min(20)).min(max);
            let pause = backoff.next(&mut rng);
            assert!(full / 2 <= pause && pause <= full, "{failures}: {pause:?}");
        }
        backoff.reset();
        assert!(backoff.next(&mut rng) <= min);
    }

    #[test]
    fn zero_or_inverted_pauses_are_refused() {
        assert!(Backoff::new(Duration::ZERO, Duration::from_secs(1)).is_err());
        assert!(Backoff::new(Duration::from_secs(2), Duration::from_secs(1)).is_err());
    }
}
