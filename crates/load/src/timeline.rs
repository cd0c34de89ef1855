//! The figures of a run over time, in a bounded number of slices.

use std::time::Duration;

use serde::Serialize;

use super::latency::Latency;

/// Maximum of slices, an even number. Once it is reached, each pair of slices becomes one.
const MAX_SLICES: usize = 400;

/// Bounds of a slice's first length, which is a fortieth of the expected time.
const SLICE_LENGTHS: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(1));

/// The figures of one slice of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Slice {
    /// End of the slice, in seconds from the start.
    pub until: f64,
    /// Length, in seconds.
    pub seconds: f64,
    pub sent: u64,
    pub accepted: u64,
    /// Requests that were refused, or got no reply.
    pub failed: u64,
    /// Calls that ended.
    pub ended: u64,
    /// Calls alive at the end of the slice.
    pub live: u64,
    /// Median from POST to reply, in milliseconds; none without a reply. A slice merged from two
    /// has the larger of their medians, as their histograms are gone; likewise below.
    pub p50_ms: Option<f64>,
    /// 99th percentile from POST to reply.
    pub p99_ms: Option<f64>,
    /// Maximum from POST to reply.
    pub max_ms: Option<f64>,
}

/// The slices that have ended, and the current one.
#[derive(Debug)]
pub struct Timeline {
    slices: Vec<Slice>,
    /// The current slice, to which the counters add.
    pub current: Slice,
    /// Replies of the current slice.
    pub replies: Latency,
    /// Length of the slices from now on.
    length: Duration,
    /// Time from the start to the end of the current slice.
    next: Duration,
}

impl Timeline {
    /// An empty timeline of a run that takes about as long as `expected`.
    pub fn new(expected: Duration) -> Self {
        let (current, replies, length) = (
            Slice::default(),
            Latency::default(),
            (expected / 40).clamp(SLICE_LENGTHS.0, SLICE_LENGTHS.1),
        );
        Self { slices: Vec::new(), current, replies, length, next: length }
    }

    /// Ends the current slice if its length has passed. `since` is the time from the start, `live`
    /// the number of calls alive.
    pub fn tick(&mut self, since: Duration, live: usize) {
        if since >= self.next {
            self.end_slice(since, live);
        }
    }

    /// Ends the current slice and returns all.
    pub fn finish(mut self, since: Duration, live: usize) -> Vec<Slice> {
        let begun = self.slices.last().map_or(0.0, |slice| slice.until);
        if since.as_secs_f64() > begun {
            self.end_slice(since, live);
        }
        self.slices
    }

    fn end_slice(&mut self, since: Duration, live: usize) {
        let begun = self.slices.last().map_or(0.0, |slice| slice.until);
        let ms = |time: Option<Duration>| time.map(|time| time.as_secs_f64() * 1e3);
        self.slices.push(Slice {
            until: since.as_secs_f64(),
            seconds: since.as_secs_f64() - begun,
            live: live as u64,
            p50_ms: ms(self.replies.quantile(0.5)),
            p99_ms: ms(self.replies.quantile(0.99)),
            max_ms: ms(self.replies.max()),
            ..std::mem::take(&mut self.current)
        });
        self.replies.clear();
        if self.slices.len() == MAX_SLICES {
            self.slices = self.slices.chunks(2).map(Slice::of).collect();
            self.length *= 2;
        }
        self.next = since + self.length;
    }
}

impl Slice {
    /// Consecutive slices as one.
    fn of(parts: &[Slice]) -> Slice {
        let most = |a: Option<f64>, b: Option<f64>| a.into_iter().chain(b).reduce(f64::max);
        parts.iter().fold(Slice::default(), |whole, part| Slice {
            until: part.until,
            seconds: whole.seconds + part.seconds,
            sent: whole.sent + part.sent,
            accepted: whole.accepted + part.accepted,
            failed: whole.failed + part.failed,
            ended: whole.ended + part.ended,
            live: part.live,
            p50_ms: most(whole.p50_ms, part.p50_ms),
            p99_ms: most(whole.p99_ms, part.p99_ms),
            max_ms: most(whole.max_ms, part.max_ms),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_timeline_stays_short_and_loses_nothing() {
        let mut timeline = Timeline::new(Duration::from_secs(3600));
        for tenth in 1..=100_000u64 {
            timeline.current.sent += 1;
            timeline.replies.record(Duration::from_millis(tenth % 1000));
            timeline.tick(Duration::from_millis(100 * tenth), 7);
        }
        timeline.current.ended += 1;
        let slices = timeline.finish(Duration::from_millis(10_000_050), 3);
        assert!(slices.len() < MAX_SLICES && slices.len() > MAX_SLICES / 4, "{}", slices.len());
        assert_eq!(slices.iter().map(|slice| slice.sent).sum::<u64>(), 100_000);
        assert_eq!(slices.iter().map(|slice| slice.ended).sum::<u64>(), 1);
        assert!((slices.iter().map(|slice| slice.seconds).sum::<f64>() - 10_000.05).abs() < 1e-6);
        assert_eq!((slices[0].live, slices[slices.len() - 1].live), (7, 3));
        assert!(slices[0].max_ms > slices[0].p50_ms, "{:?}", slices[0]);
    }

    #[test]
    fn slice_has_only_its_own_times() {
        let mut timeline = Timeline::new(Duration::ZERO);
        timeline.replies.record(Duration::from_millis(100));
        timeline.tick(Duration::from_millis(249), 0);
        timeline.replies.record(Duration::from_millis(300));
        timeline.tick(Duration::from_millis(251), 0);
        timeline.tick(Duration::from_millis(550), 0);
        let slices = timeline.finish(Duration::from_millis(550), 0);
        let max: Vec<_> = slices.iter().map(|slice| slice.max_ms.map(|ms| ms.round())).collect();
        assert_eq!(max, [Some(300.0), None]);
    }
}
