//! How much may be called, and whom: rates, calls alive, attempts at one number, and lists of number prefixes.
//!
//! Rates follow the generic cell rate algorithm (ITU-T I.371): all that is kept of a rate is when the next call would
//! come if they came evenly, so that a limit costs one moment of memory, whatever its value.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::refusal::{Limit, Refusal};
use super::{CallInfo, Number};

/// How much may be made up for, once a turn comes late: what timers are late by. More would be a burst.
const CATCH_UP: Duration = Duration::from_millis(10);

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
    /// Those of all keys together. Their `calls_per_second` is a pace: what comes faster waits for its turn.
    pub all: Limits,
    /// Those of each key, by its name.
    pub keys: HashMap<Arc<str>, Limits>,
    /// Calls to one number per minute.
    pub attempts_per_number: Option<u32>,
}

/// Keeps calls within a [`Policy`].
#[derive(Debug, Default)]
pub struct Gate {
    policy: Policy,
    pace: Rate,
    /// How much later than it was given out each turn is by now, as we have been held up.
    late: Duration,
    keys: HashMap<Arc<str>, Rate>,
    numbers: HashMap<Number, Rate>,
    /// When each number's last attempts are forgotten.
    forget: VecDeque<(Instant, Number)>,
}

/// The calls that live: of all keys, and of the one that asks.
#[derive(Debug, Clone, Copy)]
pub struct Alive {
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

    /// When this call may be sent to Asterisk, at `latest` at the latest.
    ///
    /// # Errors
    ///
    /// [`Refusal::Limited`], by the limit that it would break; nothing is counted then.
    pub fn admit(&mut self, now: Instant, latest: Instant, info: &CallInfo, alive: Alive) -> Result<Instant, Refusal> {
        let Policy { all, keys, attempts_per_number } = &self.policy;
        let of_key = keys.get(&info.key);
        let limited = |name, value: u64, is_of_key: bool, retry_after| {
            let key = is_of_key.then(|| info.key.clone());
            Err(Refusal::Limited(Limit { name, key, value, retry_after }))
        };
        for (limit, count, is_of_key) in
            [(all.calls_alive, alive.all, false), (of_key.and_then(|key| key.calls_alive), alive.of_key, true)]
        {
            if let Some(limit) = limit.filter(|limit| count >= *limit) {
                return limited("calls_alive", limit as u64, is_of_key, LATER);
            }
        }
        while self.forget.front().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, number)) = self.forget.pop_front()
                && self.numbers.get(&number).is_some_and(|rate| rate.is_over(now))
            {
                self.numbers.remove(&number);
            }
        }
        if let Some(limit) = *attempts_per_number {
            let rate = self.numbers.get(&info.number).copied().unwrap_or_default();
            if let Some(wait) = rate.wait(now, MINUTE / limit, limit) {
                return limited("attempts_per_number", limit.into(), false, wait);
            }
        }
        if let Some(limit) = of_key.and_then(|key| key.calls_per_second) {
            let rate = self.keys.get(&info.key).copied().unwrap_or_default();
            if let Some(wait) = rate.wait(now, LATER / limit, limit) {
                return limited("calls_per_second", limit.into(), true, wait);
            }
        }
        let slot = self.pace.next.map_or(now, |next| next.max(now));
        if let Some(limit) = all.calls_per_second
            && slot > latest
        {
            return limited("calls_per_second", limit.into(), false, slot - latest);
        }
        Ok(self.count(now, info))
    }

    /// How late the schedule is, to be kept with each turn that is given out.
    pub fn late(&self) -> Duration {
        self.late
    }

    /// Takes the turn that was given out for `at` when the schedule was this `late`. If it is taken late, all others are
    /// later by as much: what was missed while we were held up is not made up for by a burst.
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
        }
        Ok(())
    }

    /// When one more Originate may be sent for a call that was admitted.
    pub fn again(&mut self, now: Instant) -> Instant {
        match self.policy.all.calls_per_second {
            Some(limit) => self.pace.take(now, LATER / limit),
            None => now,
        }
    }

    fn count(&mut self, now: Instant, info: &CallInfo) -> Instant {
        if let Some(limit) = self.policy.attempts_per_number {
            let rate = self.numbers.entry(info.number).or_default();
            rate.take(now, MINUTE / limit);
            if let Some(next) = rate.next {
                // Not in the order of time when limits have changed meanwhile; then it is forgotten a little later.
                self.forget.push_back((next, info.number));
            }
        }
        if let Some(limit) = self.policy.keys.get(&info.key).and_then(|key| key.calls_per_second) {
            self.keys.entry(info.key.clone()).or_default().take(now, LATER / limit);
        }
        self.again(now)
    }
}

/// A rate, as the moment the next event would come at if all came evenly.
#[derive(Debug, Clone, Copy, Default)]
struct Rate {
    next: Option<Instant>,
}

impl Rate {
    /// How long to wait until one more fits, if `burst` may come at once and then one each `interval`.
    fn wait(self, now: Instant, interval: Duration, burst: u32) -> Option<Duration> {
        let ahead = self.next?.saturating_duration_since(now);
        let wait = ahead.saturating_sub(interval * (burst - 1));
        (!wait.is_zero()).then_some(wait)
    }

    /// Counts one, and returns its turn.
    fn take(&mut self, now: Instant, interval: Duration) -> Instant {
        let turn = self.next.map_or(now, |next| next.max(now));
        self.next = Some(turn + interval);
        turn
    }

    fn is_over(self, now: Instant) -> bool {
        self.next.is_none_or(|next| next <= now)
    }
}

#[cfg(test)]
mod tests;
