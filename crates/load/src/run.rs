//! One run: what is to be done when, and what has come of it. Pure; `runner.rs` does it.

use std::time::{Duration, Instant};

use super::calls::{Calls, Fact};
use super::counters::Counters;
use super::numbers::Numbers;
use super::record::ObservedStep;
use super::schedule::Schedule;
use originatord_core::call::CallId;
use originatord_net::client::reply::{Reply, Verdict};

/// Most hang-ups under way at once.
const MAX_HANG_UPS: usize = 32;

/// How long a hang-up that failed waits to be tried again.
const HANG_UP_RETRY: Duration = Duration::from_millis(500);

/// How long calls that were hung up may take to end.
const END_TIMEOUT: Duration = Duration::from_secs(30);

/// How long the log may take to tell of what nobody else can.
const RECORD_TIMEOUT: Duration = Duration::from_secs(2);

/// How a run goes.
#[derive(Debug, Clone, Copy)]
pub struct RunParams {
    /// When requests leave.
    pub schedule: Schedule,
    /// Most requests under way at once.
    pub concurrency: usize,
    /// Each call is hung up this long after it was answered.
    pub hold: Option<Duration>,
    /// How long calls may take, after the last request, to come into their rooms or to end.
    pub linger: Duration,
    /// Calls that still live at the end are left alone.
    pub leaves_calls: bool,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Ask for a call to this number; it is the nth request.
    Post {
        /// The number's place.
        number: u32,
        /// Which request it is, counted from 0.
        n: u64,
    },
    /// Hang this call up.
    HangUp(CallId),
}

/// How an attempt to hang up went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HangUpOutcome {
    /// Asterisk hangs it up.
    Accepted,
    /// The daemon has no such call, or no longer.
    AlreadyOver,
    /// It did not work.
    Failed,
}

/// Why a request has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unanswered {
    /// It did not reach the daemon, in these words.
    ConnectFailed(String),
    /// It may have, in these words.
    Lost(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Sending,
    /// All have left; calls are followed since then.
    Following(Instant),
    /// What lives is hung up since then.
    HangingUp(Instant),
    Over,
}

/// A run under way.
pub struct Run<'n> {
    params: RunParams,
    began: Instant,
    numbers: &'n mut Numbers,
    calls: Calls,
    counters: Counters,
    phase: Phase,
    next: u64,
    under_way: usize,
    hanging_up: usize,
    /// How long requests were sent, once that is over.
    sent_for: Option<Duration>,
    interrupted: bool,
}

impl<'n> Run<'n> {
    /// A run that begins at `now`, with numbers that are free.
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

    /// The next thing to do now, if there is one.
    pub fn next_task(&mut self, now: Instant) -> Option<Task> {
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

    /// When the nth request is to leave.
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
                let patience = match (self.calls.outstanding(), self.calls.awaiting_record()) {
                    (0, 0) => Duration::ZERO,
                    (0, _) => RECORD_TIMEOUT,
                    _ => END_TIMEOUT,
                };
                if self.hanging_up == 0 && now >= from + patience || now >= from + END_TIMEOUT {
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
        // The last request stands for the time until one more would leave.
        let all = if self.next == self.params.schedule.count() {
            self.params.schedule.total()
        } else {
            Duration::ZERO
        };
        self.sent_for.get_or_insert(sent_for.max(all));
        self.phase = then;
    }

    /// No more requests; what lives is hung up.
    pub fn stop(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Sending | Phase::Following(_)) {
            self.stop_sending(now, self.phase);
            self.hang_up_all(now);
        }
    }

    /// Somebody wants it to stop before its time.
    pub fn interrupt(&mut self, now: Instant) {
        self.interrupted = true;
        self.stop(now);
    }

    /// Whether somebody does.
    pub fn is_interrupted(&self) -> bool {
        self.interrupted
    }

    /// The nth request, for a call to this number, was answered, or not.
    pub fn replied(&mut self, n: u64, number: u32, at: Instant, reply: Result<Reply, Unanswered>) {
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

    /// The log tells steps of calls.
    pub fn observe(&mut self, steps: Vec<ObservedStep>) {
        let mut facts = Vec::new();
        for observed in steps {
            self.calls.observe(observed, &mut facts);
        }
        self.apply_facts(&facts);
    }

    /// The log has a gap.
    pub fn count_gap(&mut self) {
        self.counters.gaps += 1;
    }

    /// How an attempt to hang up went.
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

    /// Whether it is over.
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// Whether requests are still to leave.
    pub fn is_sending(&self) -> bool {
        self.phase == Phase::Sending
    }

    /// What was counted so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// How many calls live.
    pub fn live(&self) -> usize {
        self.calls.live()
    }

    /// How long it has gone on at `now`.
    pub fn since(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.began)
    }

    /// What came of it.
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
    /// How it was to go.
    pub params: RunParams,
    /// What was counted.
    pub counters: Counters,
    /// How long requests were sent.
    pub sent_for: Duration,
    /// How long all of it took.
    pub took: Duration,
    /// How many calls live on.
    pub live: usize,
    /// It was ended before its time.
    pub interrupted: bool,
}

#[cfg(test)]
mod tests;
