//! How much may be called, and whom: rates, calls alive, attempts at one number, and lists of
//! number prefixes.
//!
//! The pace of all keys together follows the generic cell rate algorithm (ITU-T I.371): it keeps
//! one moment, the turn of the next call if they came evenly, and spreads a burst out. The limits
//! of a key and of a number are counts within any second and any minute (`window.rs`): a burst may
//! use them up at once, but no stretch of that length holds more.

mod window;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use self::window::Window;
use super::refusal::{Limit, Refusal};
use super::{CallInfo, Number};

/// How much may be made up for, once a turn comes late: what timers are late by. More would be a
/// burst.
const CATCH_UP: Duration = Duration::from_millis(10);

const SECOND: Duration = Duration::from_secs(1);

const MINUTE: Duration = Duration::from_secs(60);

/// What is refused for a reason that time does not heal is worth asking for again after this long.
const LATER: Duration = Duration::from_secs(1);

/// What a key, or all of them together, may do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// Calls started per second.
    pub calls_per_second: Option<u32>,
    /// Calls alive at once.
    pub calls_alive: Option<usize>,
    /// What a number has to begin with; anything, if empty.
    pub allow: Vec<Box<str>>,
    /// What a number must not begin with, even if it is allowed.
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
    /// Those of all keys together. Their `calls_per_second` is a pace: what comes faster waits for
    /// its turn.
    pub all: Limits,
    /// Those of each key, by its name.
    pub keys: HashMap<Arc<str>, Limits>,
    /// Calls to one number per minute.
    pub attempts_per_number: Option<u32>,
}

/// A call that an earlier run of the daemon started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// When it was asked for.
    pub time: SystemTime,
    /// The number that was called.
    pub number: Number,
    /// The name of the key that asked.
    pub key: Arc<str>,
}

/// Keeps calls within a [`Policy`].
#[derive(Debug, Default)]
pub struct Gate {
    policy: Policy,
    pace: Rate,
    /// How much later than it was given out each turn is by now, as we have been held up.
    late: Duration,
    /// The turns of each key's calls within the last second.
    keys: HashMap<Arc<str>, Window>,
    /// The turns of each number's calls within the last minute.
    numbers: HashMap<Number, Window>,
    /// All of the latter in their order, so that they can be forgotten.
    attempts: VecDeque<(Instant, Number)>,
}

/// How many calls live: of all keys, and of the one that asks.
#[derive(Debug, Clone, Copy)]
pub struct LiveCounts {
    /// Of all keys.
    pub all: usize,
    /// Of the one that asks.
    pub of_key: usize,
}

impl Gate {
    /// Takes new limits; what was called so far still counts.
    pub fn set_policy(&mut self, policy: Policy) {
        self.keys.retain(|key, _| policy.keys.contains_key(key));
        self.policy = policy;
    }

    /// Whether the number may be called at all.
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

    /// When this call may be sent to Asterisk, at `latest` at the latest. Nothing is counted until
    /// [`count`](Self::count).
    ///
    /// # Errors
    ///
    /// [`Refusal::Limited`], by the limit that it would break.
    pub fn admit(
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
                return limited("calls_alive", limit as u64, is_of_key, LATER);
            }
        }
        let turn = match all.calls_per_second {
            Some(_) => self.pace.turn(now),
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

    /// Counts a call that was admitted just now, and returns its turn.
    pub fn count(&mut self, now: Instant, info: &CallInfo) -> Instant {
        let turn = self.again(now);
        self.forget(now);
        self.note(turn, info.number, &info.key);
        turn
    }

    /// Counts a call of an earlier run of the daemon. To be called in the order of the calls'
    /// times.
    pub fn remember(&mut self, at: Instant, number: Number, key: &Arc<str>) {
        self.note(at, number, key);
    }

    /// Calls are not sent before their turn, and up to [`CATCH_UP`] after it. Where they wait for
    /// turns, a window is that much longer, so that it holds for the moments when they are sent.
    fn slack(&self) -> Duration {
        if self.policy.all.calls_per_second.is_some() { CATCH_UP } else { Duration::ZERO }
    }

    fn note(&mut self, turn: Instant, number: Number, key: &Arc<str>) {
        // A masked number stands for a thousand numbers.
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

    /// Forgets the attempts that no window reaches back to.
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

    /// How late the schedule is, to be kept with each turn that is given out.
    pub fn late(&self) -> Duration {
        self.late
    }

    /// Takes the turn that was given out for `at` when the schedule was this `late`. If it is taken
    /// late, all others are later by as much: what was missed while we were held up is not made up
    /// for by a burst.
    ///
    /// # Errors
    ///
    /// It is yet to come, at this moment.
    pub fn take(&mut self, now: Instant, at: Instant, late: Duration) -> Result<(), Instant> {
        let at = at + (self.late - late);
        let Some(overdue) = now.checked_duration_since(at) else { return Err(at) };
        if self.policy.all.calls_per_second.is_some() {
            let missed = overdue.saturating_sub(CATCH_UP);
            self.late += missed;
            self.pace.next = self.pace.next.map(|next| next + missed);
            if !missed.is_zero() {
                self.postpone(at, missed);
            }
        }
        Ok(())
    }

    /// Moves the turns that are yet to come, from `first` on, together with the schedule.
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

    /// When one more Originate may be sent for a call that was admitted.
    pub fn again(&mut self, now: Instant) -> Instant {
        match self.policy.all.calls_per_second {
            Some(limit) => self.pace.take(now, SECOND / limit),
            None => now,
        }
    }
}

/// A rate, as the moment the next event would come at if all came evenly.
#[derive(Debug, Clone, Copy, Default)]
struct Rate {
    next: Option<Instant>,
}

impl Rate {
    /// The turn of one that comes now.
    fn turn(self, now: Instant) -> Instant {
        self.next.map_or(now, |next| next.max(now))
    }

    /// Counts one, and returns its turn.
    fn take(&mut self, now: Instant, interval: Duration) -> Instant {
        let turn = self.turn(now);
        self.next = Some(turn + interval);
        turn
    }
}

#[cfg(test)]
mod tests;
