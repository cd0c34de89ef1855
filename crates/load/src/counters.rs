//! What became of the requests and the calls, counted.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::calls::{Fact, Leftover};
use super::latency::Latency;
use super::timeline::Timeline;
use originatord_net::client::reply::{Reply, Verdict};

/// Most different texts that are told apart.
const MAX_TEXTS: usize = 32;

/// Outcomes that say that the gateway, Asterisk or the daemon could not cope, and not what the
/// callee did.
pub const FAILED: [&str; 4] = ["failed", "congestion", "flood_wait", "unknown"];

/// How often each of a few texts was met.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Counts(BTreeMap<String, u64>);

impl Counts {
    /// Counts one. Of texts that are too many to tell apart, only the first are.
    pub fn add(&mut self, text: &str) {
        let text =
            if self.0.contains_key(text) || self.0.len() < MAX_TEXTS { text } else { "others" };
        match self.0.get_mut(text) {
            Some(count) => *count += 1,
            None => _ = self.0.insert(text.to_owned(), 1),
        }
    }

    /// All in all.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// Each text with its count, the most frequent first.
    pub fn sorted(&self) -> Vec<(&str, u64)> {
        let mut sorted: Vec<_> = self.0.iter().map(|(text, count)| (&**text, *count)).collect();
        sorted.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        sorted
    }

    /// How often this one was met.
    pub fn of(&self, text: &str) -> u64 {
        self.0.get(text).copied().unwrap_or_default()
    }
}

/// All that is counted. Times are from the moment the request was to leave.
#[derive(Debug)]
pub struct Counters {
    /// Requests that left.
    pub sent: u64,
    /// Requests that could not leave, since all numbers were in calls.
    pub held_back: u64,
    /// Answers, by their status.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests that were accepted.
    pub accepted: u64,
    /// Requests that were refused, by the reason.
    pub refused: Counts,
    /// Requests whose fate the daemon did not know, or that were not answered, by the reason.
    pub unanswered: Counts,
    /// Of those, the ones that turned out to be calls.
    pub found: u64,
    /// Calls that ended, by their outcome.
    pub outcomes: Counts,
    /// Times that the stream had a gap.
    pub gaps: u64,
    /// When the last request was accepted.
    pub last_accepted: Duration,
    /// POST to its reply, of requests that were accepted.
    pub reply: Latency,
    /// POST to its reply, of those that were refused.
    pub refusal: Latency,
    /// POST to the channel in Asterisk.
    pub channel: Latency,
    /// POST to the callee's answer.
    pub answered: Latency,
    /// POST to the callee in the room.
    pub joined: Latency,
    /// How much later than scheduled requests left.
    pub send_delay: Latency,
    /// What went on when.
    pub timeline: Timeline,
    /// What was left at the end.
    pub leftover: Leftover,
}

impl Counters {
    /// Nothing yet, of something that is expected to take about this long.
    pub fn new(expected: Duration) -> Self {
        Self {
            sent: 0,
            held_back: 0,
            statuses: BTreeMap::new(),
            accepted: 0,
            refused: Counts::default(),
            unanswered: Counts::default(),
            found: 0,
            outcomes: Counts::default(),
            gaps: 0,
            last_accepted: Duration::ZERO,
            reply: Latency::default(),
            refusal: Latency::default(),
            channel: Latency::default(),
            answered: Latency::default(),
            joined: Latency::default(),
            send_delay: Latency::default(),
            timeline: Timeline::new(expected),
            leftover: Leftover::default(),
        }
    }

    /// A request leaves, this long after it was to.
    pub fn sent(&mut self, delay: Duration) {
        self.sent += 1;
        self.timeline.current.sent += 1;
        self.send_delay.record(delay);
    }

    /// A request is answered: `after` it was to leave, `since` the start.
    pub fn replied(&mut self, reply: &Reply, after: Duration, since: Duration) {
        *self.statuses.entry(reply.status).or_default() += 1;
        self.timeline.replies.record(after);
        match &reply.verdict {
            Verdict::Accepted(_) => {
                self.accepted += 1;
                self.timeline.current.accepted += 1;
                self.last_accepted = since;
                self.reply.record(after);
                return;
            }
            Verdict::Refused(reason) => self.refused.add(reason),
            Verdict::Unconfirmed(_, reason) => self.unanswered.add(reason),
        }
        self.timeline.current.failed += 1;
        self.refusal.record(after);
    }

    /// A request is not answered.
    pub fn unanswered(&mut self, reason: &str) {
        self.unanswered.add(reason);
        self.timeline.current.failed += 1;
    }

    /// A request did not reach the daemon.
    pub fn connect_failed(&mut self, reason: &str) {
        self.refused.add(reason);
        self.timeline.current.failed += 1;
    }

    /// Something has become clear of a call.
    pub fn record_fact(&mut self, fact: &Fact) {
        match fact {
            Fact::Channel(after) => self.channel.record(*after),
            Fact::Answered(after) => self.answered.record(*after),
            Fact::Joined(after) => self.joined.record(*after),
            Fact::Ended(outcome) => {
                self.outcomes.add(outcome);
                self.timeline.current.ended += 1;
            }
            Fact::Found => self.found += 1,
            Fact::Free(_) => {}
        }
    }

    /// Requests that were not accepted, and calls that failed for want of room somewhere.
    pub fn failures(&self) -> u64 {
        let failed: u64 = FAILED.iter().map(|outcome| self.outcomes.of(outcome)).sum();
        self.held_back + self.refused.total() + self.unanswered.total() + failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_are_too_many_are_counted_together() {
        let mut counts = Counts::default();
        (0..1000).for_each(|n| counts.add(&format!("text {n}")));
        counts.add("text 1");
        assert_eq!((counts.total(), counts.of("text 1"), counts.of("text 999")), (1001, 2, 0));
        assert_eq!(counts.sorted()[0], ("others", 1000 - MAX_TEXTS as u64));
    }

    #[test]
    fn what_the_callee_does_is_no_failure() {
        let mut counters = Counters::new(Duration::ZERO);
        for outcome in [
            "completed",
            "not_joined",
            "busy",
            "declined",
            "no_answer",
            "not_on_telegram",
            "invalid_number",
            "canceled",
        ] {
            counters.record_fact(&Fact::Ended(outcome.to_owned()));
        }
        assert_eq!((counters.failures(), counters.outcomes.total()), (0, 8));
        for (count, outcome) in FAILED.iter().enumerate() {
            counters.record_fact(&Fact::Ended((*outcome).to_owned()));
            assert_eq!(counters.failures(), count as u64 + 1, "{outcome}");
        }
        counters.connect_failed("cannot connect");
        counters.unanswered("no answer in 10s");
        counters.held_back += 1;
        assert_eq!(counters.failures(), FAILED.len() as u64 + 3);
    }
}
