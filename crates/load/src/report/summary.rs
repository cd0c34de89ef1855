//! A run in figures.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::counters::Counts;
use crate::latency::Latency;
use crate::run::FinishedRun;
use crate::timeline::Slice;

/// A run in figures.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// Requests that were not accepted, and calls that failed for want of room somewhere.
    pub failures: u64,
    /// The requests.
    pub requests: Requests,
    /// Requests a second.
    pub rates: Rates,
    /// The calls.
    pub calls: Calls,
    /// Times from the moment the request was to leave, in milliseconds.
    pub latency_ms: Latencies,
    /// How long requests were sent.
    pub sent_for_seconds: f64,
    /// How long all of it took.
    pub took_seconds: f64,
    /// What went on when.
    pub timeline: Vec<Slice>,
}

/// `scheduled` = `sent` + `held_back` + `not_sent`, and `sent` = `accepted` + `refused` +
/// `unanswered`.
#[derive(Debug, Clone, Serialize)]
pub struct Requests {
    /// Requests that were to leave.
    pub scheduled: u64,
    /// That did.
    pub sent: u64,
    /// That did not, since all numbers were in calls.
    pub held_back: u64,
    /// That did not, since it was interrupted.
    pub not_sent: u64,
    /// That were accepted.
    pub accepted: u64,
    /// That were refused, by reason.
    pub refused: Counts,
    /// Whose fate was not told, by reason.
    pub unanswered: Counts,
    /// Answers by their HTTP status.
    pub statuses: BTreeMap<u16, u64>,
}

/// Requests a second.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Rates {
    /// That left, while requests were sent.
    pub offered: f64,
    /// That were accepted, until the last one was.
    pub accepted: f64,
}

/// `followed` = all `outcomes` + `unseen` + `alive`.
#[derive(Debug, Clone, Serialize)]
pub struct Calls {
    /// Calls that were accepted, or that the log showed to have been made.
    pub followed: u64,
    /// Calls that ended, by outcome.
    pub outcomes: Counts,
    /// Calls that ended unseen.
    pub unseen: u64,
    /// Calls that live on.
    pub alive: u64,
    /// Requests of which it is still not known whether they made a call.
    pub unknown: u64,
    /// Times that records were missing in the log.
    pub gaps: u64,
}

/// Times of each kind.
#[derive(Debug, Clone, Serialize)]
pub struct Latencies {
    /// To the reply, if the request was accepted.
    pub reply: Quantiles,
    /// To the reply, if not.
    pub refusal: Quantiles,
    /// To the channel in Asterisk.
    pub channel: Quantiles,
    /// To the callee's answer.
    pub answered: Quantiles,
    /// To the callee in the room.
    pub joined: Quantiles,
    /// How late requests left.
    #[serde(rename = "late")]
    pub send_delay: Quantiles,
}

/// Times of one kind, in milliseconds.
#[derive(Debug, Clone, Default, Serialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Quantiles {
    pub count: u64,
    pub min: Option<f64>,
    pub mean: Option<f64>,
    pub p50: Option<f64>,
    pub p90: Option<f64>,
    pub p99: Option<f64>,
    pub p999: Option<f64>,
    pub max: Option<f64>,
    /// Pairs of a part of all, and the time that this part is not above.
    pub curve: Vec<(f64, f64)>,
}

/// In milliseconds.
pub fn millis(time: Duration) -> f64 {
    // To the microsecond, which is all there is.
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
    /// Requests that were accepted, a second: of the time that they were sent, or until the last
    /// one was accepted if that took longer.
    pub fn accepted_per_second(&self) -> f64 {
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
