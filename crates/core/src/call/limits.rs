//! Limits on calls: rates, calls that are active at once, attempts per number, and lists of number
//! prefixes.
//!
//! The rate of all keys together follows the generic cell rate algorithm (GCRA, ITU-T I.371), which
//! protects the gateway from bursts. It stores one instant, the earliest slot of the next call, and
//! gives the calls of a burst slots at even distances. The limits of a key and of a number count
//! calls in a sliding window (`window.rs`) of a second and a minute: a burst can use such a limit
//! up at once, but no second or minute has more calls.

mod window;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use self::window::Window;
use super::refusal::{Limit, Refusal};
use super::{CallInfo, Number};

/// Timer slack. A slot that is claimed later than this shifts the whole schedule, so that a stall
/// is not followed by a burst.
const TIMER_SLACK: Duration = Duration::from_millis(10);

/// The length of the window for `calls_per_second`.
const SECOND: Duration = Duration::from_secs(1);

/// The length of the window for `attempts_per_number`.
const MINUTE: Duration = Duration::from_secs(60);

/// `Retry-After` of a refusal by `calls_alive`: the next call is allowed when another call ends,
/// and the daemon cannot know when.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The limits of one key, or of all keys together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// Calls started per second.
    pub calls_per_second: Option<u32>,
    /// Calls that are active at once.
    pub calls_alive: Option<usize>,
    /// Allowed prefixes: a number must have one of them. An empty list allows every number.
    pub allow: Vec<Box<str>>,
    /// Denied prefixes: a number with one of them is refused, even if `allow` has it.
    pub deny: Vec<Box<str>>,
}

impl Limits {
    fn permits(&self, number: Number) -> bool {
        let digits = number.digits();
        let is_on = |list: &[Box<str>]| list.iter().any(|prefix| digits.starts_with(&**prefix));
        (self.allow.is_empty() || is_on(&self.allow)) && !is_on(&self.deny)
    }
}

/// All limits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// The limits of all keys together. Their `calls_per_second` is a pace: a call that comes too
    /// early waits for its slot.
    pub all: Limits,
    /// The limits of each key, by its name.
    pub keys: HashMap<Arc<str>, Limits>,
    /// Calls to one number per minute.
    pub attempts_per_number: Option<u32>,
}

/// A call of an earlier run, which counts against the limits of this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// When the call was requested.
    pub time: SystemTime,
    /// The number that was called.
    pub number: Number,
    /// The name of the key that requested the call.
    pub key: Arc<str>,
}

/// Refuses or delays calls so that they stay within a [`Policy`].
#[derive(Debug, Default)]
pub struct CallGate {
    policy: Policy,
    pace: Gcra,
    /// Total slip of the schedule caused by stalls of this process. It is added to every slot that
    /// was handed out before.
    slip: Duration,
    /// The slots of each key's calls in the last second.
    keys: HashMap<Arc<str>, Window>,
    /// The slots of each number's calls in the last minute.
    numbers: HashMap<Number, Window>,
    /// The entries of `numbers` by time, so that old ones can be removed.
    attempts: VecDeque<(Instant, Number)>,
}

/// How many calls are active.
#[derive(Debug, Clone, Copy)]
pub struct LiveCounts {
    /// Active calls of all keys.
    pub all: usize,
    /// Active calls of the key that requests a call.
    pub of_key: usize,
}

impl CallGate {
    /// Replaces the limits. Earlier calls still count.
    pub fn set_policy(&mut self, policy: Policy) {
        self.keys.retain(|key, _| policy.keys.contains_key(key));
        self.policy = policy;
    }

    /// Checks the number against the lists of prefixes.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotAllowed`]
    pub fn permits(&self, info: &CallInfo) -> Result<(), Refusal> {
        let of_key = self.policy.keys.get(&info.key);
        if !self.policy.all.permits(info.number) {
            Err(Refusal::NotAllowed { of_key: None })
        } else if of_key.is_some_and(|limits| !limits.permits(info.number)) {
            Err(Refusal::NotAllowed { of_key: Some(info.key.clone()) })
        } else {
            Ok(())
        }
    }

    /// The slot of this call: the earliest time to send it to Asterisk, no later than `latest`. The
    /// call counts against the limits only after [`count`](Self::count).
    ///
    /// # Errors
    ///
    /// [`Refusal::Limited`], with the limit that the call would break.
    pub(crate) fn admit(
        &self,
        now: Instant,
        latest: Instant,
        info: &CallInfo,
        alive: LiveCounts,
    ) -> Result<Instant, Refusal> {
        let Policy { all, keys, attempts_per_number } = &self.policy;
        let of_key = keys.get(&info.key);
        let limited = |name, value: u64, is_of_key: bool, retry_after| {
            let key = is_of_key.then(|| info.key.clone());
            Err(Refusal::Limited(Limit { name, key, value, retry_after }))
        };
        for (limit, count, is_of_key) in [
            (all.calls_alive, alive.all, false),
            (of_key.and_then(|key| key.calls_alive), alive.of_key, true),
        ] {
            if let Some(limit) = limit.filter(|limit| count >= *limit) {
                return limited("calls_alive", limit as u64, is_of_key, RETRY_AFTER);
            }
        }
        let turn = match all.calls_per_second {
            Some(_) => self.pace.slot(now),
            None => now,
        };
        let wait = |window: Option<&Window>, limit: u32, span: Duration| {
            let free = window?.free_at(limit, span + self.slack()).filter(|free| *free > turn)?;
            Some(free - now)
        };
        if let Some(limit) = *attempts_per_number
            && let Some(wait) = wait(self.numbers.get(&info.number), limit, MINUTE)
        {
            return limited("attempts_per_number", limit.into(), false, wait);
        }
        if let Some(limit) = of_key.and_then(|key| key.calls_per_second)
            && let Some(wait) = wait(self.keys.get(&info.key), limit, SECOND)
        {
            return limited("calls_per_second", limit.into(), true, wait);
        }
        match all.calls_per_second {
            Some(limit) if turn > latest => {
                limited("calls_per_second", limit.into(), false, turn - latest)
            }
            _ => Ok(turn),
        }
    }

    /// Counts a call that was just admitted, and returns its slot.
    pub fn count(&mut self, now: Instant, info: &CallInfo) -> Instant {
        let turn = self.reserve_retry(now);
        self.forget(now);
        self.record(turn, info.number, &info.key);
        turn
    }

    /// Counts a call of an earlier run. The caller passes such calls in the order of their times.
    pub fn remember(&mut self, at: Instant, number: Number, key: &Arc<str>) {
        self.record(at, number, key);
    }

    /// The time added to the length of a window, which is a second or a minute. A window counts by
    /// slots, but a paced call may leave up to [`TIMER_SLACK`] after its slot, so two calls can
    /// leave closer together than their slots. The longer window makes the limit hold for the times
    /// at which they leave.
    fn slack(&self) -> Duration {
        if self.policy.all.calls_per_second.is_some() { TIMER_SLACK } else { Duration::ZERO }
    }

    fn record(&mut self, turn: Instant, number: Number, key: &Arc<str>) {
        // A masked number can be any of a thousand numbers, so it has no count.
        if self.policy.attempts_per_number.is_some() && !number.is_masked() {
            self.numbers.entry(number).or_default().insert(turn);
            let place = self.attempts.partition_point(|(other, _)| *other <= turn);
            self.attempts.insert(place, (turn, number));
        }
        if self.policy.keys.get(key).is_some_and(|limits| limits.calls_per_second.is_some()) {
            let slack = self.slack();
            let window = self.keys.entry(key.clone()).or_default();
            window.forget_until(turn, SECOND + slack);
            window.insert(turn);
        }
    }

    /// Removes attempts that are older than every window.
    fn forget(&mut self, now: Instant) {
        let slack = self.slack();
        while let Some((turn, number)) = self.attempts.front().copied()
            && turn + MINUTE + slack <= now
        {
            self.attempts.pop_front();
            if let Some(window) = self.numbers.get_mut(&number)
                && window.forget_first()
            {
                self.numbers.remove(&number);
            }
        }
    }

    /// The current slip of the schedule. The caller stores it with each slot, and passes it to
    /// [`claim_slot`](Self::claim_slot).
    pub(crate) fn slip(&self) -> Duration {
        self.slip
    }

    /// Claims the slot `at`, which was handed out when the schedule had this `slip`. If the slot is
    /// claimed late, because the process was stalled, all later slots move by as much. Otherwise a
    /// stall would be followed by a burst.
    ///
    /// # Errors
    ///
    /// The slot has not come yet. The error is its time.
    pub(crate) fn claim_slot(
        &mut self,
        now: Instant,
        at: Instant,
        slip: Duration,
    ) -> Result<(), Instant> {
        let at = at + (self.slip - slip);
        let Some(overdue) = now.checked_duration_since(at) else { return Err(at) };
        if self.policy.all.calls_per_second.is_some() {
            let missed = overdue.saturating_sub(TIMER_SLACK);
            self.slip += missed;
            self.pace.next = self.pace.next.map(|next| next + missed);
            if !missed.is_zero() {
                self.postpone(at, missed);
            }
        }
        Ok(())
    }

    /// Moves all slots from `first` on in the windows, after the schedule was shifted by this much.
    fn postpone(&mut self, first: Instant, by: Duration) {
        let to_come = self.attempts.iter_mut().rev().take_while(|(turn, _)| *turn >= first);
        let numbers: BTreeSet<Number> = to_come
            .map(|(turn, number)| {
                *turn += by;
                *number
            })
            .collect();
        for number in numbers {
            if let Some(window) = self.numbers.get_mut(&number) {
                window.postpone(first, by);
            }
        }
        for window in self.keys.values_mut() {
            window.postpone(first, by);
        }
    }

    /// Reserves the next slot of the pace, also for a second Originate of an admitted call. The
    /// windows do not count it.
    pub(crate) fn reserve_retry(&mut self, now: Instant) -> Instant {
        match self.policy.all.calls_per_second {
            Some(limit) => self.pace.reserve(now, SECOND / limit),
            None => now,
        }
    }
}

/// The generic cell rate algorithm. It stores the earliest slot of the next event, one interval
/// after the last slot.
#[derive(Debug, Clone, Copy, Default)]
struct Gcra {
    next: Option<Instant>,
}

impl Gcra {
    /// The slot that an event would get now.
    fn slot(self, now: Instant) -> Instant {
        self.next.map_or(now, |next| next.max(now))
    }

    /// Reserves a slot for an event that comes now, and returns it.
    fn reserve(&mut self, now: Instant, interval: Duration) -> Instant {
        let slot = self.slot(now);
        self.next = Some(slot + interval);
        slot
    }
}

#[cfg(test)]
mod tests;
