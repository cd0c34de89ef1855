//! Follows every requested call to its end.
//!
//! The records of a call and the reply to its POST arrive on two connections, in any order. Only
//! the reply says which call id belongs to which request. So until it arrives, the records of a
//! pending number are kept, and processed together with the reply.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::{Duration, Instant};

use super::record::{CallStep, ObservedStep};
use originatord_core::call::CallId;

/// Maximum of calls with masked numbers whose records wait for their reply.
const MAX_MASKED: usize = 1 << 16;

/// A fact about a call. Times count from the scheduled time of its request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fact {
    /// Asterisk made the channel.
    Channel(Duration),
    /// The callee answered.
    Answered(Duration),
    /// The callee joined the room.
    Joined(Duration),
    /// The call ended with this outcome.
    Ended(String),
    /// The stream has a record of a call whose fate was unknown, so the call was made.
    Found,
    /// No call has this number any longer.
    Free(u32),
}

/// A request whose reply has not arrived.
#[derive(Debug)]
struct PendingRequest {
    scheduled: Instant,
    /// Steps of calls to this number that were observed before the reply.
    early: Vec<ObservedStep>,
    /// No reply will arrive. The first call to this number in the stream belongs to the request.
    is_lost: bool,
}

/// A call that is alive, according to the stream.
#[derive(Debug)]
struct Call {
    number: u32,
    scheduled: Instant,
    /// The furthest step that was observed.
    progress: Progress,
    /// The reply left open whether the call was made, and no step was observed yet.
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
    /// The daemon has no such call any longer; only its last record is missing.
    Over,
}

/// All calls of a run.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    pending: HashMap<u32, PendingRequest>,
    live: HashMap<CallId, Call>,
    /// Steps of calls with masked numbers, until a reply says which request they belong to.
    masked: HashMap<CallId, Vec<ObservedStep>>,
    /// Number of live calls whose callee has joined.
    joined: usize,
    /// Number of live calls in [`HangUp::Over`].
    over: usize,
    /// Number of pending requests that are lost.
    lost: usize,
    /// Time from the answer to the hang-up.
    hold: Option<Duration>,
    /// Every call is to be hung up, and so is every call that is accepted later.
    hangs_up_all: bool,
    /// When to hang up which call.
    due: BinaryHeap<Reverse<(Instant, CallId)>>,
}

/// Calls without an end in the event stream when a run is over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Leftover {
    /// Calls that are alive.
    pub alive: u64,
    /// Calls that are over according to the daemon; their last record did not arrive.
    pub unseen: u64,
    /// Requests for which it is unknown whether a call was made.
    pub unknown: u64,
}

impl Calls {
    /// No calls yet. With `hold`, each call is to be hung up that long after its answer.
    pub(crate) fn new(hold: Option<Duration>) -> Self {
        Self { hold, ..Self::default() }
    }

    /// The generator sends a request for a call to `number`. Times of the call count from
    /// `scheduled`.
    pub(crate) fn requested(&mut self, number: u32, scheduled: Instant) {
        self.pending
            .insert(number, PendingRequest { scheduled, early: Vec::new(), is_lost: false });
    }

    /// The daemon accepted the request; the call has this id.
    pub(crate) fn accepted(&mut self, number: u32, id: CallId, facts: &mut Vec<Fact>) {
        self.start_call(number, id, false, facts);
        self.match_masked(facts);
    }

    /// The daemon refused the request.
    pub(crate) fn refused(&mut self, number: u32, facts: &mut Vec<Fact>) {
        if self.pending.remove(&number).is_some() {
            facts.push(Fact::Free(number));
        }
        self.match_masked(facts);
    }

    /// The reply, or its absence, leaves open whether the call was made. The records in the event
    /// stream decide: those of this id if the reply has one, else the first ones of the number.
    pub(crate) fn unconfirmed(&mut self, number: u32, id: Option<CallId>, facts: &mut Vec<Fact>) {
        let Some(pending) = self.pending.get_mut(&number) else { return };
        match id.or_else(|| pending.early.first().map(|observed| observed.id)) {
            Some(id) => self.start_call(number, id, true, facts),
            None => {
                self.lost += usize::from(!std::mem::replace(&mut pending.is_lost, true));
                self.match_masked(facts);
            }
        }
    }

    /// Handles a step of a call from the event stream.
    pub(crate) fn observe(&mut self, observed: ObservedStep, facts: &mut Vec<Fact>) {
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

    /// Matches calls with masked numbers to lost requests. Once all replies that can arrive have
    /// arrived, every remaining call belongs to one of the lost requests; which one does not
    /// matter.
    fn match_masked(&mut self, facts: &mut Vec<Fact>) {
        while self.lost > 0
            && self.pending.len() == self.lost
            && let (Some(number), Some(id)) =
                (self.pending.keys().next().copied(), self.masked.keys().next().copied())
        {
            self.start_call(number, id, true, facts);
        }
        // Without pending requests, the remaining calls belong to other clients.
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
        // Some may be steps of an earlier call to the same number; `step` ignores those by their
        // id.
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
        // A callee that leaves the room and comes back counts as joined once.
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

    /// The next call that is to be hung up now. Each call is returned once.
    pub(crate) fn next_due_hang_up(&mut self, now: Instant) -> Option<CallId> {
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

    /// Schedules the hang-up of every call for now, and of every later call for its acceptance.
    pub(crate) fn hang_up_all(&mut self, now: Instant) {
        let alive = self.live.iter().filter(|(_, call)| call.hang_up == HangUp::No);
        self.due = alive.map(|(id, _)| Reverse((now, *id))).collect();
        self.hangs_up_all = true;
    }

    /// The daemon's reply to a hang-up says that the call is over.
    pub(crate) fn reported_over(&mut self, id: CallId) {
        if let Some(call) = self.live.get_mut(&id)
            && call.hang_up != HangUp::Over
        {
            call.hang_up = HangUp::Over;
            self.over += 1;
        }
    }

    /// The call could not be hung up; it is due again at `at`.
    pub(crate) fn retry_hang_up(&mut self, id: CallId, at: Instant) {
        if let Some(call) = self.live.get_mut(&id) {
            call.hang_up = HangUp::No;
            self.due.push(Reverse((at, id)));
        }
    }

    /// Number of calls that are alive.
    pub(crate) fn live(&self) -> usize {
        self.live.len() - self.over
    }

    /// Number of requests that wait for a reply, plus calls that have not joined their room.
    pub(crate) fn awaiting_join(&self) -> usize {
        self.pending.len() - self.lost + self.live.len() - self.joined
    }

    /// Number of requests that wait for a reply, plus calls that are alive.
    pub(crate) fn outstanding(&self) -> usize {
        self.pending.len() - self.lost + self.live()
    }

    /// Number of lost requests, plus calls that are over but lack their last record. Only the event
    /// stream can complete them.
    pub(crate) fn awaiting_record(&self) -> usize {
        self.lost + self.over
    }

    /// Counts the requests and calls without an end.
    pub(crate) fn leftover(&self) -> Leftover {
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
