//! When each request leaves: fixed before the first one does, whatever becomes of them.

use std::time::Duration;

/// An open model's schedule: the rate grows evenly from nothing over the ramp, and then stays for
/// the duration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    /// Requests a second, once the ramp is over.
    pub rate: f64,
    /// How long the rate grows.
    pub ramp: Duration,
    /// How long it stays.
    pub duration: Duration,
}

impl Schedule {
    /// How many requests there are.
    pub fn count(&self) -> u64 {
        let requests = self.rate * (self.ramp.as_secs_f64() / 2.0 + self.duration.as_secs_f64());
        // 0.1 × 3 is a little over 0.3, and no reason for one more.
        (requests - 1e-6).ceil().max(1.0) as u64
    }

    /// When request `n`, counted from 0, leaves after the start.
    pub fn at(&self, n: u64) -> Duration {
        let (n, ramp) = (n as f64, self.ramp.as_secs_f64());
        let in_ramp = self.rate * ramp / 2.0;
        // Half of rate / ramp × t² have left after t, as long as the rate grows.
        let seconds = if n < in_ramp {
            (2.0 * n * ramp / self.rate).sqrt()
        } else {
            n / self.rate + ramp / 2.0
        };
        Duration::from_secs_f64(seconds)
    }

    /// How long it takes until the last request has left and one more would.
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

    fn leaving_in(schedule: &Schedule, from: f64, to: f64) -> usize {
        (0..schedule.count())
            .map(|n| schedule.at(n).as_secs_f64())
            .filter(|at| (from..to).contains(at))
            .count()
    }

    #[test]
    fn without_a_ramp_requests_leave_evenly() {
        let even = schedule(4.0, 0.0, 2.5);
        let at: Vec<_> = (0..even.count()).map(|n| even.at(n).as_millis()).collect();
        assert_eq!(at, [0, 250, 500, 750, 1000, 1250, 1500, 1750, 2000, 2250]);
    }

    #[test]
    fn in_the_ramp_the_rate_grows_evenly_and_after_it_stays() {
        let ramped = schedule(100.0, 10.0, 5.0);
        assert_eq!(ramped.count(), 1000);
        for second in 0..10 {
            // 100 × (second + ½) / 10
            let expected = 10 * second + 5;
            let leaving = leaving_in(&ramped, second as f64, second as f64 + 1.0);
            assert!(leaving.abs_diff(expected) <= 1, "second {second}: {leaving}");
        }
        for second in 10..15 {
            assert_eq!(
                leaving_in(&ramped, second as f64 - 1e-6, second as f64 + 1.0 - 1e-6),
                100,
                "second {second}"
            );
        }
        // Where ramp and plateau meet, no request is late and none is early.
        assert_eq!((ramped.at(500).as_millis(), ramped.at(501).as_millis()), (10_000, 10_010));
    }

    #[test]
    fn every_request_leaves_after_the_one_before_and_in_time() {
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
