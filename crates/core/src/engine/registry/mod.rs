//! All calls. A number has at most one, and each call is found by any id in an event of Asterisk.

mod list;
mod route;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::HashMap;
use slab::Slab;

use crate::call::limits::LiveCounts;
use crate::call::machine::{Call, CallChannel, Change, Fact, State};
use crate::call::progress::OpenCall;
use crate::call::view::CallView;
use crate::call::{CallId, CallInfo, Number};
use crate::clock::{DeadlineQueue, Now};

/// How many ended calls the registry keeps for lists.
pub(super) const MAX_ENDED: usize = 1000;

/// How long after a call's end its lock channel may linger in Asterisk.
const LOCK_LINGER: Duration = Duration::from_secs(2);

/// A change of a call.
pub(super) struct CallChange {
    pub(super) info: Arc<CallInfo>,
    pub(super) change: Change,
}

/// All calls that are alive or whose outcome is still open, and the newest ended ones.
#[derive(Default)]
pub(super) struct Registry {
    calls: Slab<Entry>,
    by_id: HashMap<CallId, usize>,
    by_number: HashMap<Number, usize>,
    /// Older live calls to a number that a newer call has: another daemon called the number while
    /// only a leg of the older call was left, and this daemon adopted the newer call.
    displaced: Vec<(Number, usize)>,
    /// The legs towards the gateway, by their Uniqueid.
    by_leg: HashMap<Box<str>, usize>,
    deadlines: DeadlineQueue<usize>,
    /// How many calls are in each state.
    by_state: [usize; State::LIVE.len() + 1],
    /// How many live calls each API key has.
    by_key: HashMap<Arc<str>, usize>,
    ended: VecDeque<CallView>,
    /// Whether a join event of one of our calls has arrived on this link.
    joins_arrive: bool,
    /// The numbers freed within [`LOCK_LINGER`], oldest first.
    freed: VecDeque<(Instant, Number)>,
}

struct Entry {
    /// Boxed, as the slab keeps a slot for each call of its peak.
    call: Box<Call>,
    /// The state in which `by_state` counts it.
    counted_as: State,
    /// Whether `deadlines` may have one of this call. If not, applying a fact need not look there.
    has_deadline: bool,
}

impl Registry {
    /// The call that has this number, or may have it: a journal with masked numbers hides digits of
    /// the calls of earlier runs.
    pub(super) fn holder(&self, number: Number) -> Option<CallId> {
        let key = self.by_number.get(&number).or_else(|| self.by_number.get(&number.masked()));
        key.map(|&key| self.calls[key].call.info.id)
    }

    /// Adds a new call.
    ///
    /// # Errors
    ///
    /// The call with the returned id has the number.
    pub(super) fn open(&mut self, requested: Now, info: Arc<CallInfo>) -> Result<(), CallId> {
        if let Some(holder) = self.holder(info.number) {
            return Err(holder);
        }
        self.insert(Call::new(info, requested));
        Ok(())
    }

    /// Adds a call of an earlier run. If Asterisk has accepted the call, it gets the number even
    /// from an older call that has not ended.
    pub(super) fn adopt(&mut self, now: Now, OpenCall { info, progress }: OpenCall) {
        if !self.by_id.contains_key(&info.id) {
            let requested = now.back_to(info.id.time());
            let mut call = Call::new(info, requested);
            call.adopt(now, &progress);
            self.insert(call);
        }
    }

    /// Sets the number of a call of an earlier run whose journal had only the masked number.
    pub(super) fn set_number(&mut self, id: CallId, number: Number) {
        let Some(&key) = self.by_id.get(&id) else { return };
        let info = &mut self.calls[key].call.info;
        if info.number.is_masked() {
            let masked = std::mem::replace(&mut Arc::make_mut(info).number, number);
            self.release(key, masked);
            self.by_number.entry(number).or_insert(key);
        }
    }

    fn insert(&mut self, call: Call) {
        let (id, number) = (call.info.id, call.info.number);
        let counted_as = call.state();
        self.by_state[counted_as as usize] += 1;
        let key =
            self.calls.insert(Entry { call: Box::new(call), counted_as, has_deadline: false });
        self.by_id.insert(id, key);
        match self.calls[key].call.is_accepted() {
            true => {
                let displaced = self.by_number.insert(number, key);
                self.displaced.extend(displaced.map(|older| (number, older)));
            }
            false => _ = self.by_number.entry(number).or_insert(key),
        }
        *self.by_key.entry(self.calls[key].call.info.key.clone()).or_default() += 1;
    }

    /// Removes a call that was never made.
    pub(super) fn remove(&mut self, id: CallId) {
        if let Some(&key) = self.by_id.get(&id) {
            self.forget(key);
        }
    }

    /// Resets a call to its request, before another attempt. The last attempt certainly made no
    /// call.
    pub(super) fn restart(&mut self, id: CallId) {
        let Some(&key) = self.by_id.get(&id) else { return };
        let entry = &mut self.calls[key];
        for leg in entry.call.legs() {
            self.by_leg.remove(leg);
        }
        *entry.call = Call::new(entry.call.info.clone(), entry.call.requested);
        self.update_indexes(key);
    }

    /// The call with this id, unless its end was recorded.
    pub(super) fn get(&self, id: CallId) -> Option<&Call> {
        self.by_id.get(&id).map(|&key| &*self.calls[key].call)
    }

    /// The number of live calls, of all keys and of this one.
    pub(super) fn live_counts(&self, key: &str) -> LiveCounts {
        LiveCounts { all: self.len(), of_key: self.by_key.get(key).copied().unwrap_or(0) }
    }

    /// The number of calls in each state of [`State::LIVE`].
    pub(super) fn counts_by_state(&self) -> [usize; State::LIVE.len()] {
        std::array::from_fn(|index| self.by_state[index])
    }

    /// The number of live calls.
    pub(super) fn len(&self) -> usize {
        self.calls.len()
    }

    /// Whether there is no live call.
    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// All live calls, in no particular order.
    pub(super) fn calls(&self) -> impl Iterator<Item = &Call> {
        self.calls.iter().map(|(_, entry)| &*entry.call)
    }

    /// Whether nothing of any call is left in any index.
    #[cfg(test)]
    pub(super) fn holds_nothing(&self) -> bool {
        let indexes = [
            self.by_id.len(),
            self.by_number.len(),
            self.by_leg.len(),
            self.deadlines.len(),
            self.by_key.len(),
        ];
        self.is_empty()
            && self.displaced.is_empty()
            && indexes == [0; 5]
            && self.by_state.iter().all(|count| *count == 0)
    }

    /// Whether `number` was freed a short while ago, so that the lock channel of its last call may
    /// linger in Asterisk.
    pub(super) fn was_freed_recently(&self, now: Now, number: Number) -> bool {
        let is_recent = |at: Instant| now.instant.saturating_duration_since(at) < LOCK_LINGER;
        self.freed
            .iter()
            .rev()
            .take_while(|(at, _)| is_recent(*at))
            .any(|(_, freed)| *freed == number)
    }

    /// Notes that a new link is up. Events of the live calls may have been missed, and it is not
    /// known yet whether join events arrive.
    pub(super) fn begin_link(&mut self) {
        self.joins_arrive = false;
        for (_, entry) in &mut self.calls {
            entry.call.mark_events_missed();
        }
    }

    /// Notes that a callee entered a conference without a join event.
    pub(super) fn doubt_joins(&mut self) {
        self.joins_arrive = false;
    }

    /// Adds a fact to a call, and the changes that it causes to `changes`.
    pub(super) fn apply_fact(
        &mut self,
        now: Now,
        id: CallId,
        fact: Fact,
        changes: &mut Vec<CallChange>,
    ) {
        if let Fact::Absent(CallChannel::Leg(leg)) = &fact {
            self.by_leg.remove(leg);
        }
        if let Some(&key) = self.by_id.get(&id) {
            self.apply(now, key, Some(fact), changes);
        }
    }

    /// Acts on the deadlines of calls, such as the longest wait for a reason of the end.
    pub(super) fn tick(&mut self, now: Now, changes: &mut Vec<CallChange>) {
        while let Some(key) = self.deadlines.pop_due(now.instant) {
            self.apply(now, key, None, changes);
        }
    }

    /// The next time at which [`tick`](Self::tick) has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadlines.first()
    }

    /// Applies a fact or (`None`) the time to a call, and updates the indexes.
    fn apply(&mut self, now: Now, key: usize, fact: Option<Fact>, changes: &mut Vec<CallChange>) {
        let entry = &mut self.calls[key];
        entry.call.set_joins_arrive(self.joins_arrive);
        let info = entry.call.info.clone();
        let (mut freed, mut end) = (false, None);
        let change = |change| {
            match &change {
                Change::Freed => freed = true,
                Change::Ended(ended) => end = Some(ended.clone()),
                _ => {}
            }
            changes.push(CallChange { info: info.clone(), change });
        };
        match fact {
            Some(fact) => entry.call.apply(now, fact, change),
            None => entry.call.tick(now, change),
        }
        if freed {
            self.free(now, key, info.number);
        }
        match end {
            Some(end) => {
                let mut view = list::view(&self.calls[key].call, false);
                view.end = Some(Arc::from(end));
                if self.ended.len() == MAX_ENDED {
                    self.ended.pop_front();
                }
                self.ended.push_back(view);
                self.forget(key);
            }
            None => self.update_indexes(key),
        }
    }

    /// Takes the number from a call. An older call that is still alive gets it back.
    fn release(&mut self, key: usize, number: Number) {
        self.displaced.retain(|(_, displaced)| *displaced != key);
        if self.by_number.get(&number) == Some(&key) {
            match self.displaced.iter().position(|(displaced, _)| *displaced == number) {
                Some(older) => {
                    _ = self.by_number.insert(number, self.displaced.swap_remove(older).1)
                }
                None => _ = self.by_number.remove(&number),
            }
        }
    }

    fn free(&mut self, now: Now, key: usize, number: Number) {
        self.release(key, number);
        let is_old = |at: Instant| now.instant.saturating_duration_since(at) >= LOCK_LINGER;
        while self.freed.front().is_some_and(|(at, _)| is_old(*at)) {
            self.freed.pop_front();
        }
        self.freed.push_back((now.instant, number));
    }

    /// Updates a call's deadline and the count of its state.
    fn update_indexes(&mut self, key: usize) {
        let entry = &mut self.calls[key];
        self.by_state[entry.counted_as as usize] -= 1;
        entry.counted_as = entry.call.state();
        self.by_state[entry.counted_as as usize] += 1;
        let deadline = entry.call.deadline();
        if deadline.is_some() || entry.has_deadline {
            entry.has_deadline = deadline.is_some();
            self.deadlines.set(key, deadline);
        }
    }

    /// Removes a call from every index.
    fn forget(&mut self, key: usize) {
        let entry = self.calls.remove(key);
        self.by_state[entry.counted_as as usize] -= 1;
        let info = &entry.call.info;
        self.by_id.remove(&info.id);
        if let Some(live) = self.by_key.get_mut(&info.key) {
            *live -= 1;
            if *live == 0 {
                self.by_key.remove(&info.key);
            }
        }
        let number = info.number;
        self.release(key, number);
        for leg in entry.call.legs() {
            self.by_leg.remove(leg);
        }
        if entry.has_deadline {
            self.deadlines.set(key, None);
        }
    }
}
