//! One run: chooses the next request or hang-up, and handles the results. Pure code; `runner.rs`
//! performs the tasks.

use std::time::{Duration, Instant};

use super::calls::{Calls, Fact};
use super::counters::Counters;
use super::numbers::Numbers;
use super::record::ObservedStep;
use super::schedule::Schedule;
use originatord_core::call::CallId;
use originatord_net::client::reply::{Reply, Verdict};

/// Maximum of simultaneous hang-ups.
const MAX_HANG_UPS: usize = 32;

/// Delay before a failed hang-up is tried again.
const HANG_UP_RETRY: Duration = Duration::from_millis(500);

/// How long calls may take to end after they were hung up.
const END_TIMEOUT: Duration = Duration::from_secs(30);

/// How long the stream may take to deliver the last records, once no call is alive.
const RECORD_TIMEOUT: Duration = Duration::from_secs(2);

/// Parameters of a run.
#[derive(Debug, Clone, Copy)]
pub struct RunParams {
    /// Times of the requests.
    pub schedule: Schedule,
    /// Maximum of simultaneous requests.
    pub concurrency: usize,
    /// Time from the answer of a call until the generator hangs it up; none if it does not.
    pub hold: Option<Duration>,
    /// How long calls may take, after the last request, to join their rooms or to end.
    pub linger: Duration,
    /// Calls that are alive at the end are not hung up.
    pub leaves_calls: bool,
}

/// A task for the runner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Request a call.
    Post {
        /// Place of the number.
        number: u32,
        /// Index of the request, counted from 0.
        n: u64,
    },
    /// Hang up a call.
    HangUp(CallId),
}

/// Result of an attempt to hang up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HangUpOutcome {
    /// Asterisk hangs it up.
    Accepted,
    /// The daemon has no such call, or no longer.
    AlreadyOver,
    /// The attempt failed.
    Failed,
}

/// Why a request has no reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unanswered {
    /// The request did not reach the daemon, for this reason.
    ConnectFailed(String),
    /// The request may have reached the daemon; no reply arrived, for this reason.
    Lost(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Sending,
    /// All requests were sent; the run follows their calls since then.
    Following(Instant),
    /// The run hangs up all calls since then.
    HangingUp(Instant),
    Over,
}

/// A run in progress.
pub struct Run<'n> {
    params: RunParams,
    began: Instant,
    numbers: &'n mut Numbers,
    calls: Calls,
    counters: Counters,
    phase: Phase,
    /// Index of the next request.
    next: u64,
    /// Number of requests without a reply.
    under_way: usize,
    /// Number of hang-ups without a result.
    hanging_up: usize,
    /// Time during which requests were sent; none while the run still sends some.
    sent_for: Option<Duration>,
    interrupted: bool,
}

impl<'n> Run<'n> {
    /// A run that begins at `now`, and claims its numbers from `numbers`.
    pub fn new(params: RunParams, numbers: &'n mut Numbers, now: Instant) -> Self {
        let calls = Calls::new(params.hold);
        let (counters, phase) = (Counters::new(params.schedule.total()), Phase::Sending);
        Self {
            params,
            began: now,
            numbers,
            calls,
            counters,
            phase,
            next: 0,
            under_way: 0,
            hanging_up: 0,
            sent_for: None,
            interrupted: false,
        }
    }

    /// The next task that is due at `now`, if there is one.
    pub(crate) fn next_task(&mut self, now: Instant) -> Option<Task> {
        self.advance(now);
        if self.hanging_up < MAX_HANG_UPS
            && let Some(id) = self.calls.next_due_hang_up(now)
        {
            self.hanging_up += 1;
            return Some(Task::HangUp(id));
        }
        while self.phase == Phase::Sending
            && self.under_way < self.params.concurrency
            && self.scheduled(self.next) <= now
        {
            let n = self.next;
            self.next += 1;
            let number = self.numbers.claim();
            if self.next == self.params.schedule.count() {
                self.stop_sending(now, Phase::Following(now));
            }
            if let Some(number) = number {
                let scheduled = self.scheduled(n);
                self.under_way += 1;
                self.counters.sent(now.saturating_duration_since(scheduled));
                self.calls.requested(number, scheduled);
                return Some(Task::Post { number, n });
            }
            self.counters.held_back += 1;
        }
        None
    }

    /// Scheduled time of the nth request.
    fn scheduled(&self, n: u64) -> Instant {
        self.began + self.params.schedule.at(n)
    }

    fn advance(&mut self, now: Instant) {
        let since = now.saturating_duration_since(self.began);
        self.counters.timeline.tick(since, self.calls.live());
        match self.phase {
            Phase::Following(from)
                if self.calls.awaiting_join() == 0 || now >= from + self.params.linger =>
            {
                if self.params.leaves_calls {
                    self.phase = Phase::Over;
                } else {
                    self.hang_up_all(now);
                }
            }
            Phase::HangingUp(from) => {
                let limit = match (self.calls.outstanding(), self.calls.awaiting_record()) {
                    (0, 0) => Duration::ZERO,
                    (0, _) => RECORD_TIMEOUT,
                    _ => END_TIMEOUT,
                };
                if self.hanging_up == 0 && now >= from + limit || now >= from + END_TIMEOUT {
                    self.phase = Phase::Over;
                }
            }
            _ => {}
        }
    }

    fn hang_up_all(&mut self, now: Instant) {
        self.calls.hang_up_all(now);
        self.phase = Phase::HangingUp(now);
    }

    fn stop_sending(&mut self, now: Instant, then: Phase) {
        let sent_for = now.saturating_duration_since(self.began);
        // Once all requests are sent, include the interval after the last one, so that requests
        // divided by time are the rate.
        let whole = if self.next == self.params.schedule.count() {
            self.params.schedule.total()
        } else {
            Duration::ZERO
        };
        self.sent_for.get_or_insert(sent_for.max(whole));
        self.phase = then;
    }

    /// Sends no more requests, and hangs up all calls.
    pub fn stop(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Sending | Phase::Following(_)) {
            self.stop_sending(now, self.phase);
            self.hang_up_all(now);
        }
    }

    /// Stops the run because of a signal.
    pub fn interrupt(&mut self, now: Instant) {
        self.interrupted = true;
        self.stop(now);
    }

    /// Whether a signal stopped the run.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.interrupted
    }

    /// Handles the reply to the nth request, for a call to the number at place `number`, or the
    /// reason why it has none.
    pub(crate) fn replied(
        &mut self,
        n: u64,
        number: u32,
        at: Instant,
        reply: Result<Reply, Unanswered>,
    ) {
        self.under_way -= 1;
        let mut facts = Vec::new();
        match reply {
            Ok(reply) => {
                let (after, since) =
                    (at.saturating_duration_since(self.scheduled(n)), at - self.began);
                self.counters.replied(&reply, after, since);
                match reply.verdict {
                    Verdict::Accepted(id) => self.calls.accepted(number, id, &mut facts),
                    Verdict::Refused(_) => self.calls.refused(number, &mut facts),
                    Verdict::Unconfirmed(id, _) => self.calls.unconfirmed(number, id, &mut facts),
                }
            }
            Err(Unanswered::ConnectFailed(why)) => {
                self.counters.connect_failed(&why);
                self.calls.refused(number, &mut facts);
            }
            Err(Unanswered::Lost(why)) => {
                self.counters.unanswered(&why);
                self.calls.unconfirmed(number, None, &mut facts);
            }
        }
        self.apply_facts(&facts);
    }

    /// Handles steps of calls from the event stream.
    pub fn observe(&mut self, steps: Vec<ObservedStep>) {
        let mut facts = Vec::new();
        for observed in steps {
            self.calls.observe(observed, &mut facts);
        }
        self.apply_facts(&facts);
    }

    /// Counts a gap in the event stream.
    pub(crate) fn count_gap(&mut self) {
        self.counters.gaps += 1;
    }

    /// Handles the result of an attempt to hang up a call.
    pub fn hung_up(&mut self, id: CallId, how: HangUpOutcome, now: Instant) {
        self.hanging_up -= 1;
        match how {
            HangUpOutcome::Accepted => {}
            HangUpOutcome::AlreadyOver => self.calls.reported_over(id),
            HangUpOutcome::Failed => self.calls.retry_hang_up(id, now + HANG_UP_RETRY),
        }
    }

    fn apply_facts(&mut self, facts: &[Fact]) {
        for fact in facts {
            self.counters.record_fact(fact);
            if let Fact::Free(number) = fact {
                self.numbers.release(*number);
            }
        }
    }

    /// Whether the run is over.
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// Whether there are requests left to send.
    pub(crate) fn is_sending(&self) -> bool {
        self.phase == Phase::Sending
    }

    /// The counters so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Number of calls that are alive.
    pub fn live(&self) -> usize {
        self.calls.live()
    }

    /// Time from the start until `now`.
    pub fn since(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.began)
    }

    /// Ends the run.
    pub fn finish(mut self, now: Instant) -> FinishedRun {
        self.counters.leftover = self.calls.leftover();
        let took = self.since(now);
        let sent_for = self.sent_for.unwrap_or(took);
        FinishedRun {
            params: self.params,
            counters: self.counters,
            sent_for,
            took,
            live: self.calls.live(),
            interrupted: self.interrupted,
        }
    }
}

/// A run that is over.
#[derive(Debug)]
pub struct FinishedRun {
    pub params: RunParams,
    pub counters: Counters,
    /// How long requests were sent.
    pub sent_for: Duration,
    /// How long the whole run took.
    pub took: Duration,
    /// Number of calls that are still alive.
    pub live: usize,
    /// A signal stopped the run.
    pub interrupted: bool,
}

#[cfg(test)]
mod tests;
