//! The calls that were pending for, each followed to its end.
//!
//! A call's records and the answer to its POST come over two connections, in any order. Until the
//! answer is there, what the log says of the number waits.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::{Duration, Instant};

use super::record::{CallStep, ObservedStep};
use originatord_core::call::CallId;

/// Most calls with masked numbers whose records wait for an answer to be theirs.
const MAX_MASKED: usize = 1 << 16;

/// What has become clear of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// Asterisk made the channel, this long after the request was to leave.
    Channel(Duration),
    /// The callee answered.
    Answered(Duration),
    /// The callee is in the room.
    Joined(Duration),
    /// It is over, with this outcome.
    Ended(String),
    /// A call of unknown fate is one: it is in the log.
    Found,
    /// This number is in no call any longer.
    Free(u32),
}

/// A request without its answer yet.
#[derive(Debug)]
struct PendingRequest {
    scheduled: Instant,
    /// What the log has said of the number meanwhile.
    early: Vec<ObservedStep>,
    /// There will be no answer: the first call to this number in the log is the one.
    is_lost: bool,
}

/// A call that lives, as far as is known.
#[derive(Debug)]
struct Call {
    number: u32,
    scheduled: Instant,
    /// What was observed so far.
    progress: Progress,
    /// Its fate was unknown, and nothing was observed of it yet.
    unconfirmed: bool,
    hang_up: HangUp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Progress {
    Requested,
    Queued,
    Answered,
    Joined,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HangUp {
    No,
    Requested,
    /// The daemon says that it is over, and only its record is missing.
    Over,
}

/// All calls.
#[derive(Debug, Default)]
pub struct Calls {
    pending: HashMap<u32, PendingRequest>,
    live: HashMap<CallId, Call>,
    /// What the log has said of calls that nobody has claimed yet, where it does not tell their
    /// numbers.
    masked: HashMap<CallId, Vec<ObservedStep>>,
    joined: usize,
    over: usize,
    lost: usize,
    /// Hang up this long after the answer.
    hold: Option<Duration>,
    /// Hang up whatever there is.
    hangs_up_all: bool,
    due: BinaryHeap<Reverse<(Instant, CallId)>>,
}

/// What is left of the calls when nobody follows them any longer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Leftover {
    /// They live, as far as is known.
    pub alive: u64,
    /// The daemon says that they are over; how they ended was not observed.
    pub unseen: u64,
    /// Nobody knows whether they were ever made.
    pub unknown: u64,
}

impl Calls {
    /// No calls yet. With `hold` each is hung up that long after it was answered.
    pub fn new(hold: Option<Duration>) -> Self {
        Self { hold, ..Self::default() }
    }

    /// A call is pending for, with a request that was to leave at `scheduled`.
    pub fn requested(&mut self, number: u32, scheduled: Instant) {
        self.pending
            .insert(number, PendingRequest { scheduled, early: Vec::new(), is_lost: false });
    }

    /// It is accepted, under this id.
    pub fn accepted(&mut self, number: u32, id: CallId, facts: &mut Vec<Fact>) {
        self.start_call(number, id, false, facts);
        self.match_masked(facts);
    }

    /// It is refused.
    pub fn refused(&mut self, number: u32, facts: &mut Vec<Fact>) {
        if self.pending.remove(&number).is_some() {
            facts.push(Fact::Free(number));
        }
        self.match_masked(facts);
    }

    /// Nobody knows whether it was made; the log will tell, under this id if there is one.
    pub fn unconfirmed(&mut self, number: u32, id: Option<CallId>, facts: &mut Vec<Fact>) {
        let Some(pending) = self.pending.get_mut(&number) else { return };
        match id.or_else(|| pending.early.first().map(|observed| observed.id)) {
            Some(id) => self.start_call(number, id, true, facts),
            None => {
                self.lost += usize::from(!std::mem::replace(&mut pending.is_lost, true));
                self.match_masked(facts);
            }
        }
    }

    /// The log tells a step.
    pub fn observe(&mut self, observed: ObservedStep, facts: &mut Vec<Fact>) {
        if self.live.contains_key(&observed.id) {
            return self.step(&observed, facts);
        }
        let Some(number) = observed.number else { return self.observe_masked(observed, facts) };
        if let Some(pending) = self.pending.get_mut(&number) {
            let (id, is_lost) = (observed.id, pending.is_lost);
            pending.early.push(observed);
            if is_lost {
                self.start_call(number, id, true, facts);
            }
        }
    }

    fn observe_masked(&mut self, observed: ObservedStep, facts: &mut Vec<Fact>) {
        if observed.step == CallStep::Refused {
            self.masked.remove(&observed.id);
        } else if self.masked.len() < MAX_MASKED && !self.pending.is_empty() {
            self.masked.entry(observed.id).or_default().push(observed);
            self.match_masked(facts);
        }
    }

    /// Once no answer is to come, whatever call is left belongs to one of the requests that were
    /// not answered; to which does not matter.
    fn match_masked(&mut self, facts: &mut Vec<Fact>) {
        while self.lost > 0
            && self.pending.len() == self.lost
            && let (Some(number), Some(id)) =
                (self.pending.keys().next().copied(), self.masked.keys().next().copied())
        {
            self.start_call(number, id, true, facts);
        }
        // Else it is nobody's.
        if self.pending.is_empty() {
            self.masked.clear();
        }
    }

    fn start_call(&mut self, number: u32, id: CallId, unconfirmed: bool, facts: &mut Vec<Fact>) {
        let Some(pending) = self.pending.remove(&number) else { return };
        let (scheduled, progress, hang_up) = (pending.scheduled, Progress::Requested, HangUp::No);
        self.lost -= usize::from(pending.is_lost);
        if self.hangs_up_all {
            self.due.push(Reverse((scheduled, id)));
        }
        self.live.insert(id, Call { number, scheduled, progress, unconfirmed, hang_up });
        // Some of it may be of another call to the number, which is none of those that live here.
        for observed in pending.early.iter().chain(&self.masked.remove(&id).unwrap_or_default()) {
            self.step(observed, facts);
        }
    }

    fn step(&mut self, observed: &ObservedStep, facts: &mut Vec<Fact>) {
        let Some(call) = self.live.get_mut(&observed.id) else { return };
        let after = observed.at.saturating_duration_since(call.scheduled);
        if std::mem::take(&mut call.unconfirmed) && observed.step != CallStep::Refused {
            facts.push(Fact::Found);
        }
        let (progress, fact) = match &observed.step {
            CallStep::Queued => (Progress::Queued, Fact::Channel(after)),
            CallStep::Answered => (Progress::Answered, Fact::Answered(after)),
            CallStep::Joined => (Progress::Joined, Fact::Joined(after)),
            CallStep::Ended(outcome) => {
                facts.push(Fact::Ended(outcome.clone()));
                return self.end(observed.id, facts);
            }
            CallStep::Refused => return self.end(observed.id, facts),
        };
        // Who leaves the room and comes back has joined once.
        if progress <= call.progress {
            return;
        }
        if let Some(hold) = self.hold
            && call.progress < Progress::Answered
            && progress >= Progress::Answered
        {
            self.due.push(Reverse((observed.at + hold, observed.id)));
        }
        call.progress = progress;
        self.joined += usize::from(progress == Progress::Joined);
        facts.push(fact);
    }

    fn end(&mut self, id: CallId, facts: &mut Vec<Fact>) {
        if let Some(call) = self.live.remove(&id) {
            self.joined -= usize::from(call.progress == Progress::Joined);
            self.over -= usize::from(call.hang_up == HangUp::Over);
            facts.push(Fact::Free(call.number));
        }
    }

    /// A call that is to be hung up now; it is returned once.
    pub fn next_due_hang_up(&mut self, now: Instant) -> Option<CallId> {
        while let Some(Reverse((at, id))) = self.due.peek().copied() {
            if at > now {
                return None;
            }
            self.due.pop();
            if let Some(call) = self.live.get_mut(&id).filter(|call| call.hang_up == HangUp::No) {
                call.hang_up = HangUp::Requested;
                return Some(id);
            }
        }
        None
    }

    /// All calls are to be hung up now, and those that are accepted later as soon as they are.
    pub fn hang_up_all(&mut self, now: Instant) {
        let alive = self.live.iter().filter(|(_, call)| call.hang_up == HangUp::No);
        self.due = alive.map(|(id, _)| Reverse((now, *id))).collect();
        self.hangs_up_all = true;
    }

    /// The daemon says that the call is over.
    pub fn reported_over(&mut self, id: CallId) {
        if let Some(call) = self.live.get_mut(&id)
            && call.hang_up != HangUp::Over
        {
            call.hang_up = HangUp::Over;
            self.over += 1;
        }
    }

    /// The call could not be hung up; at this time it is to be tried again.
    pub fn retry_hang_up(&mut self, id: CallId, at: Instant) {
        if let Some(call) = self.live.get_mut(&id) {
            call.hang_up = HangUp::No;
            self.due.push(Reverse((at, id)));
        }
    }

    /// How many calls live, as far as is known.
    pub fn live(&self) -> usize {
        self.live.len() - self.over
    }

    /// Of how many calls more is to be learnt than their end: not answered yet by the daemon, or
    /// not in their room.
    pub fn awaiting_join(&self) -> usize {
        self.pending.len() - self.lost + self.live.len() - self.joined
    }

    /// How many calls are waited for: that the daemon answers, or that they end.
    pub fn outstanding(&self) -> usize {
        self.pending.len() - self.lost + self.live()
    }

    /// How many only the log can tell of, if it does.
    pub fn awaiting_record(&self) -> usize {
        self.lost + self.over
    }

    /// What is left.
    pub fn leftover(&self) -> Leftover {
        let mut left = Leftover { unknown: self.pending.len() as u64, ..Leftover::default() };
        for call in self.live.values() {
            *match (call.unconfirmed, call.hang_up) {
                (true, _) => &mut left.unknown,
                (false, HangUp::Over) => &mut left.unseen,
                (false, _) => &mut left.alive,
            } += 1;
        }
        left
    }
}

#[cfg(test)]
mod tests;
