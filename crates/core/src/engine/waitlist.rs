//! The requests for calls that still wait for their answer, each with its step and deadline.

use std::time::{Duration, Instant};

use foldhash::HashMap;

use crate::call::CallId;
use crate::clock::DeadlineQueue;

/// Requests that wait, by the id of their call. `O` is their reply handle.
pub(super) struct Waitlist<O> {
    requests: HashMap<CallId, Waiting<O>>,
    deadlines: DeadlineQueue<CallId>,
}

struct Waiting<O> {
    reply: O,
    /// The latest time for the answer.
    deadline: Instant,
    step: Step,
    /// How often the Originate was sent again.
    retries: usize,
}

/// The step of a request on the way to its answer.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    /// Waits for its slot of the schedule. The slot was handed out when the schedule had slipped
    /// by `slip`.
    Paced { slot: Instant, slip: Duration },
    /// The Originate was sent; Asterisk has not responded.
    Sent,
    /// Asterisk has acknowledged the Originate. Until `ack_deadline` the second Local half, which
    /// is the number's lock channel, is expected to be seen.
    Acknowledged { ack_deadline: Instant },
    /// The second Local half was not seen in time, and Asterisk was asked which call holds the lock
    /// channel.
    QueryingLock,
    /// The lock channel of the number's last call lingers; the Originate is sent again.
    Retry { at: Instant },
}

/// A request whose step has reached its deadline.
pub(super) struct Due {
    pub(super) id: CallId,
    pub(super) step: Step,
    /// Whether the request itself has reached its deadline, too.
    pub(super) is_overdue: bool,
}

impl<O> Waiting<O> {
    /// The deadline of the step, or of the request if that is earlier.
    fn next_deadline(&self) -> Instant {
        match self.step {
            Step::Sent | Step::QueryingLock => self.deadline,
            Step::Paced { slot: at, .. }
            | Step::Acknowledged { ack_deadline: at }
            | Step::Retry { at } => at.min(self.deadline),
        }
    }
}

impl<O> Default for Waitlist<O> {
    fn default() -> Self {
        Self { requests: HashMap::default(), deadlines: DeadlineQueue::default() }
    }
}

impl<O> Waitlist<O> {
    /// Adds a request that has to be answered by `deadline`.
    pub(super) fn add(&mut self, id: CallId, reply: O, deadline: Instant, step: Step) {
        let waiting = Waiting { reply, deadline, step, retries: 0 };
        self.deadlines.set(id, Some(waiting.next_deadline()));
        self.requests.insert(id, waiting);
    }

    /// Removes the request, and returns the handle through which to answer it.
    pub(super) fn remove(&mut self, id: CallId) -> Option<O> {
        let waiting = self.requests.remove(&id)?;
        self.deadlines.set(id, None);
        Some(waiting.reply)
    }

    pub(super) fn step(&self, id: CallId) -> Option<Step> {
        self.requests.get(&id).map(|waiting| waiting.step)
    }

    pub(super) fn set_step(&mut self, id: CallId, step: Step) {
        if let Some(waiting) = self.requests.get_mut(&id) {
            waiting.step = step;
            self.deadlines.set(id, Some(waiting.next_deadline()));
        }
    }

    /// How often the Originate was sent again.
    pub(super) fn retries(&self, id: CallId) -> Option<usize> {
        self.requests.get(&id).map(|waiting| waiting.retries)
    }

    pub(super) fn count_retry(&mut self, id: CallId) {
        if let Some(waiting) = self.requests.get_mut(&id) {
            waiting.retries += 1;
        }
    }

    /// Takes the deadline of the next due request from the queue, and returns the request. The
    /// caller has to answer it or set a new step: otherwise it would wait for ever.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Due> {
        let id = self.deadlines.pop_due(now)?;
        let waiting = self.requests.get(&id)?;
        Some(Due { id, step: waiting.step, is_overdue: now >= waiting.deadline })
    }

    /// The next time at which [`pop_due`](Self::pop_due) returns a request.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadlines.first()
    }

    /// The calls whose requests wait, oldest first.
    pub(super) fn ids(&self) -> Vec<CallId> {
        let mut ids: Vec<CallId> = self.requests.keys().copied().collect();
        ids.sort_unstable();
        ids
    }

    pub(super) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// Whether no request and no deadline is left.
    #[cfg(test)]
    pub(super) fn holds_nothing(&self) -> bool {
        self.requests.is_empty() && self.deadlines.is_empty()
    }
}
