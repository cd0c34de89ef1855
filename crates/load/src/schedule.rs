//! The time of each request, fixed before the first one is sent.

use std::time::Duration;

/// Schedule of an open model: the rate grows linearly from zero during the ramp, and then stays
/// constant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    /// Requests a second after the ramp.
    pub rate: f64,
    /// Length of the ramp.
    pub ramp: Duration,
    /// Length of the part with a constant rate.
    pub duration: Duration,
}

impl Schedule {
    /// Number of requests.
    pub fn count(&self) -> u64 {
        let requests = self.rate * (self.ramp.as_secs_f64() / 2.0 + self.duration.as_secs_f64());
        // Rounding errors, such as 0.1 × 3 > 0.3, must not add a request.
        (requests - 1e-6).ceil().max(1.0) as u64
    }

    /// Time from the start to request `n`, counted from 0.
    pub fn at(&self, n: u64) -> Duration {
        let (n, ramp) = (n as f64, self.ramp.as_secs_f64());
        let in_ramp = self.rate * ramp / 2.0;
        // During the ramp, rate / ramp × t² / 2 requests have been sent at time t.
        let seconds = if n < in_ramp {
            (2.0 * n * ramp / self.rate).sqrt()
        } else {
            n / self.rate + ramp / 2.0
        };
        Duration::from_secs_f64(seconds)
    }

    /// Length of the schedule: one interval longer than the time until the last request.
    pub fn total(&self) -> Duration {
        self.ramp + self.duration
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(rate: f64, ramp: f64, duration: f64) -> Schedule {
        Schedule {
            rate,
            ramp: Duration::from_secs_f64(ramp),
            duration: Duration::from_secs_f64(duration),
        }
    }

    fn requests_between(schedule: &Schedule, from: f64, to: f64) -> usize {
        (0..schedule.count())
            .map(|n| schedule.at(n).as_secs_f64())
            .filter(|at| (from..to).contains(at))
            .count()
    }

    #[test]
    fn requests_are_even_without_a_ramp() {
        let even = schedule(4.0, 0.0, 2.5);
        let at: Vec<_> = (0..even.count()).map(|n| even.at(n).as_millis()).collect();
        assert_eq!(at, [0, 250, 500, 750, 1000, 1250, 1500, 1750, 2000, 2250]);
    }

    #[test]
    fn rate_grows_in_the_ramp_and_stays_after() {
        let ramped = schedule(100.0, 10.0, 5.0);
        assert_eq!(ramped.count(), 1000);
        for second in 0..10 {
            // 100 × (second + ½) / 10
            let expected = 10 * second + 5;
            let leaving = requests_between(&ramped, second as f64, second as f64 + 1.0);
            assert!(leaving.abs_diff(expected) <= 1, "second {second}: {leaving}");
        }
        for second in 10..15 {
            assert_eq!(
                requests_between(&ramped, second as f64 - 1e-6, second as f64 + 1.0 - 1e-6),
                100,
                "second {second}"
            );
        }
        // The intervals are even where the ramp ends.
        assert_eq!((ramped.at(500).as_millis(), ramped.at(501).as_millis()), (10_000, 10_010));
    }

    #[test]
    fn requests_are_in_order_and_within_the_total() {
        for schedule in [
            schedule(20_000.0, 1.0, 1.0),
            schedule(0.3, 0.0, 10.0),
            schedule(7.0, 3.3, 0.1),
            schedule(10.0, 0.0, 0.3),
            schedule(1.0, 0.0, 0.01),
        ] {
            let count = schedule.count();
            assert!((1..count).all(|n| schedule.at(n - 1) < schedule.at(n)), "{schedule:?}");
            assert!(schedule.at(count - 1) < schedule.total(), "{schedule:?}");
            assert!(
                schedule.at(count) + Duration::from_micros(1) >= schedule.total(),
                "{schedule:?}"
            );
        }
    }
}
