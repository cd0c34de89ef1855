//! Counters of requests and calls.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::calls::{Fact, Leftover};
use super::latency::Latency;
use super::timeline::Timeline;
use originatord_net::client::reply::{Reply, Verdict};

/// Maximum of different texts that are counted separately.
const MAX_TEXTS: usize = 32;

/// Outcomes that mean that the gateway, Asterisk or the daemon could not cope. All others depend on
/// the callee.
pub(crate) const FAILED: [&str; 4] = ["failed", "congestion", "flood_wait", "unknown"];

/// Counts of a limited number of texts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Counts(BTreeMap<String, u64>);

impl Counts {
    /// Counts a text. Once there are too many different texts, new ones are counted as `others`.
    pub fn add(&mut self, text: &str) {
        let text =
            if self.0.contains_key(text) || self.0.len() < MAX_TEXTS { text } else { "others" };
        match self.0.get_mut(text) {
            Some(count) => *count += 1,
            None => _ = self.0.insert(text.to_owned(), 1),
        }
    }

    /// Sum of all counts.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// Each text with its count, the most frequent first.
    pub fn sorted(&self) -> Vec<(&str, u64)> {
        let mut sorted: Vec<_> = self.0.iter().map(|(text, count)| (&**text, *count)).collect();
        sorted.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        sorted
    }

    /// Count of one text.
    pub fn of(&self, text: &str) -> u64 {
        self.0.get(text).copied().unwrap_or_default()
    }
}

/// Everything that is counted in a run. Latencies count from the scheduled time of the request.
#[derive(Debug)]
pub struct Counters {
    pub sent: u64,
    /// Requests that were not sent because all numbers were in calls.
    pub held_back: u64,
    /// Replies by HTTP status.
    pub statuses: BTreeMap<u16, u64>,
    pub accepted: u64,
    /// Requests that were refused or did not reach the daemon, by reason.
    pub refused: Counts,
    /// Requests without a reply, or whose reply left the fate of the call open, by reason.
    pub unanswered: Counts,
    /// Calls of the `unanswered` requests that the stream showed to have been made.
    pub found: u64,
    /// Calls that ended, by outcome.
    pub outcomes: Counts,
    /// Gaps in the stream.
    pub gaps: u64,
    /// Time of the last accepted request, from the start.
    pub last_accepted: Duration,
    /// POST to its reply, for accepted requests.
    pub reply: Latency,
    /// POST to its reply, for requests that were not accepted.
    pub refusal: Latency,
    /// POST to the channel in Asterisk.
    pub channel: Latency,
    /// POST to the callee's answer.
    pub answered: Latency,
    /// POST to the callee in the room.
    pub joined: Latency,
    /// Scheduled time of a request to the time when it was sent.
    pub send_delay: Latency,
    /// The same figures over time.
    pub timeline: Timeline,
    /// Calls without an end.
    pub leftover: Leftover,
}

impl Counters {
    /// All counters at zero. The timeline chooses its slices for a run of the length `expected`.
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

    /// A request is sent, `delay` after its scheduled time.
    pub fn sent(&mut self, delay: Duration) {
        self.sent += 1;
        self.timeline.current.sent += 1;
        self.send_delay.record(delay);
    }

    /// A reply arrives: `after` the scheduled time of its request, `since` the start.
    pub(crate) fn replied(&mut self, reply: &Reply, after: Duration, since: Duration) {
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

    /// A request gets no reply.
    pub fn unanswered(&mut self, reason: &str) {
        self.unanswered.add(reason);
        self.timeline.current.failed += 1;
    }

    /// A request did not reach the daemon.
    pub(crate) fn connect_failed(&mut self, reason: &str) {
        self.refused.add(reason);
        self.timeline.current.failed += 1;
    }

    /// Counts a fact about a call.
    pub(crate) fn record_fact(&mut self, fact: &Fact) {
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

    /// Requests that were not accepted, and calls with one of the [`FAILED`] outcomes.
    pub fn failures(&self) -> u64 {
        let failed: u64 = FAILED.iter().map(|outcome| self.outcomes.of(outcome)).sum();
        self.held_back + self.refused.total() + self.unanswered.total() + failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excess_texts_are_counted_together() {
        let mut counts = Counts::default();
        (0..1000).for_each(|n| counts.add(&format!("text {n}")));
        counts.add("text 1");
        assert_eq!((counts.total(), counts.of("text 1"), counts.of("text 999")), (1001, 2, 0));
        assert_eq!(counts.sorted()[0], ("others", 1000 - MAX_TEXTS as u64));
    }

    #[test]
    fn callee_behaviour_is_no_failure() {
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
