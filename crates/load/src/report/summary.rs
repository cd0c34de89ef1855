//! The figures of a run, as the reports show them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::counters::Counts;
use crate::latency::Latency;
use crate::run::FinishedRun;
use crate::timeline::Slice;

/// The figures of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// Requests that were not accepted, and calls that failed for a reason other than the callee.
    pub failures: u64,
    pub requests: Requests,
    pub rates: Rates,
    pub calls: Calls,
    /// Times from the scheduled time of the request, in milliseconds.
    pub latency_ms: Latencies,
    /// How long requests were sent.
    pub sent_for_seconds: f64,
    /// How long the whole run took.
    pub took_seconds: f64,
    pub timeline: Vec<Slice>,
}

/// Counts of requests: `scheduled` = `sent` + `held_back` + `not_sent`, and `sent` = `accepted` +
/// `refused` + `unanswered`.
#[derive(Debug, Clone, Serialize)]
pub struct Requests {
    /// Requests in the schedule.
    pub scheduled: u64,
    pub sent: u64,
    /// Requests that were not sent because all numbers were in calls.
    pub held_back: u64,
    /// Requests that were not sent because the run was stopped.
    pub not_sent: u64,
    pub accepted: u64,
    /// Requests that were refused, by reason.
    pub refused: Counts,
    /// Requests without a reply, or whose reply left the fate of the call open, by reason.
    pub unanswered: Counts,
    /// Replies by HTTP status.
    pub statuses: BTreeMap<u16, u64>,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub struct Rates {
    /// Requests that were sent, over the time in which requests were sent.
    pub offered: f64,
    /// Requests that were accepted, over the time until the last one was.
    pub accepted: f64,
}

/// Counts of calls: `followed` = all `outcomes` + `unseen` + `alive`.
#[derive(Debug, Clone, Serialize)]
pub struct Calls {
    /// Calls that were accepted, or that the event stream showed to have been made.
    pub followed: u64,
    /// Calls that ended, by outcome.
    pub outcomes: Counts,
    /// Calls that ended without a record in the event stream.
    pub unseen: u64,
    /// Calls that are still alive.
    pub alive: u64,
    /// Requests for which it is unknown whether a call was made.
    pub unknown: u64,
    /// Gaps in the event stream.
    pub gaps: u64,
}

/// Times of each kind, all from the scheduled time of the request.
#[derive(Debug, Clone, Serialize)]
pub struct Latencies {
    /// To the reply, for accepted requests.
    pub reply: Quantiles,
    /// To the reply, for all others.
    pub refusal: Quantiles,
    /// To the channel in Asterisk.
    pub channel: Quantiles,
    /// To the callee's answer.
    pub answered: Quantiles,
    /// To the callee in the room.
    pub joined: Quantiles,
    /// To the sending of the request.
    #[serde(rename = "late")]
    pub send_delay: Quantiles,
}

/// Times of one kind, in milliseconds.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Quantiles {
    pub count: u64,
    pub min: Option<f64>,
    pub mean: Option<f64>,
    pub p50: Option<f64>,
    pub p90: Option<f64>,
    pub p99: Option<f64>,
    pub p999: Option<f64>,
    pub max: Option<f64>,
    /// The curve of latencies: pairs of a quantile, from 0 to 1, and its time.
    pub curve: Vec<(f64, f64)>,
}

/// A time in milliseconds, rounded to microseconds, which is the resolution of the histograms.
pub(super) fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

impl Quantiles {
    fn of(latency: &Latency) -> Self {
        let at = |part| latency.quantile(part).map(millis);
        Self {
            count: latency.count(),
            min: latency.min().map(millis),
            mean: latency.mean().map(millis),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: latency.max().map(millis),
            curve: latency.curve().into_iter().map(|(part, time)| (part, millis(time))).collect(),
        }
    }
}

impl FinishedRun {
    /// Accepted requests a second, over the time in which requests were sent, or until the last one
    /// was accepted if that took longer.
    pub(crate) fn accepted_per_second(&self) -> f64 {
        per_second(self.counters.accepted, self.sent_for.max(self.counters.last_accepted))
    }
}

fn per_second(count: u64, time: Duration) -> f64 {
    if time.is_zero() { 0.0 } else { (count as f64 / time.as_secs_f64() * 1e3).round() / 1e3 }
}

impl Summary {
    /// The figures of a run.
    pub fn of(finished: FinishedRun) -> Self {
        let accepted_per_second = finished.accepted_per_second();
        let FinishedRun { params, counters, sent_for, took, live, .. } = finished;
        let scheduled = params.schedule.count();
        Self {
            failures: counters.failures(),
            rates: Rates {
                offered: per_second(counters.sent, sent_for),
                accepted: accepted_per_second,
            },
            calls: Calls {
                followed: counters.accepted + counters.found,
                outcomes: counters.outcomes,
                unseen: counters.leftover.unseen,
                alive: counters.leftover.alive,
                unknown: counters.leftover.unknown,
                gaps: counters.gaps,
            },
            requests: Requests {
                scheduled,
                sent: counters.sent,
                held_back: counters.held_back,
                not_sent: scheduled - counters.sent - counters.held_back,
                accepted: counters.accepted,
                refused: counters.refused,
                unanswered: counters.unanswered,
                statuses: counters.statuses,
            },
            latency_ms: Latencies {
                reply: Quantiles::of(&counters.reply),
                refusal: Quantiles::of(&counters.refusal),
                channel: Quantiles::of(&counters.channel),
                answered: Quantiles::of(&counters.answered),
                joined: Quantiles::of(&counters.joined),
                send_delay: Quantiles::of(&counters.send_delay),
            },
            sent_for_seconds: sent_for.as_secs_f64(),
            took_seconds: took.as_secs_f64(),
            timeline: counters.timeline.finish(took, live),
        }
    }
}
