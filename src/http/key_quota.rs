//! Limits for each API key, so that a stolen or faulty key cannot lock out the others.
//!
//! Event streams share a number of slots (`StreamSlots`). One key can use all of them while no other
//! key needs one. Once all are taken, a key with at least two streams fewer than the key with the
//! most gets the slot of that key's newest stream. So competing keys end with equal shares, a page
//! that has been open for long survives a flood of new streams, and two keys never take one slot
//! from each other in turn. A fixed share for each key would leave most slots unused, as few keys
//! have event streams.
//!
//! Lists and erasures are short, and each has bounded memory or time. Every key has a fixed number
//! of them (`KeyQuota`). If keys could take them from each other, two keys could cut off each other's
//! lists for ever.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// The slots for event streams.
#[derive(Clone)]
pub(super) struct StreamSlots(Arc<Mutex<Streams>>);

struct Streams {
    free: usize,
    /// The token that closes each stream, by key and then by age.
    of_keys: HashMap<Arc<str>, BTreeMap<u64, CancellationToken>>,
    next: u64,
}

/// The slot of one stream, which is free again when this is dropped.
pub(super) struct StreamSlot {
    slots: StreamSlots,
    key: Arc<str>,
    number: u64,
}

impl StreamSlots {
    /// This many slots.
    pub(super) fn new(count: usize) -> Self {
        Self(Arc::new(Mutex::new(Streams { free: count, of_keys: HashMap::new(), next: 0 })))
    }

    /// Takes a slot for a stream of this key; `eviction` closes the stream. None if all slots are
    /// taken and the key has its share.
    pub(super) fn take(&self, key: &Arc<str>, eviction: CancellationToken) -> Option<StreamSlot> {
        let mut streams = self.streams();
        if streams.free == 0 {
            streams.take_from_richest(key)?;
        }
        streams.free -= 1;
        streams.next += 1;
        let number = streams.next;
        streams.of_keys.entry(key.clone()).or_default().insert(number, eviction);
        Some(StreamSlot { slots: self.clone(), key: key.clone(), number })
    }

    /// The lock is never left poisoned for long: a panic ends the process.
    fn streams(&self) -> MutexGuard<'_, Streams> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Streams {
    /// Closes the newest stream of the key with the most streams, if that key has at least two more
    /// than this one. The slot is free at once; the connection closes when its task runs next.
    fn take_from_richest(&mut self, key: &Arc<str>) -> Option<()> {
        let own = self.of_keys.get(key).map_or(0, BTreeMap::len);
        let (richest, of_richest) =
            self.of_keys.iter_mut().max_by_key(|(_, streams)| streams.len())?;
        if of_richest.len() < own + 2 {
            return None;
        }
        let (number, eviction) = of_richest.pop_last()?;
        tracing::debug!(key = %richest, number, "an event stream was closed for another key's");
        eviction.cancel();
        self.free += 1;
        Some(())
    }
}

impl Drop for StreamSlot {
    fn drop(&mut self) {
        let mut streams = self.slots.streams();
        let Some(of_key) = streams.of_keys.get_mut(&self.key) else { return };
        // The slot of a closed stream is free already.
        let had_slot = of_key.remove(&self.number).is_some();
        if of_key.is_empty() {
            streams.of_keys.remove(&self.key);
        }
        streams.free += usize::from(had_slot);
    }
}

/// A fixed quota of each key, which other keys cannot use.
#[derive(Clone)]
pub(super) struct KeyQuota {
    limit: u32,
    used: Arc<Mutex<HashMap<Arc<str>, u32>>>,
}

/// A used part of a key's quota, which is free again when this is dropped.
pub(super) struct QuotaPart {
    quota: KeyQuota,
    key: Arc<str>,
    amount: u32,
}

impl KeyQuota {
    /// A quota of `limit` for each key.
    pub(super) fn new(limit: u32) -> Self {
        Self { limit, used: Arc::default() }
    }

    /// Takes this amount for a key; none if it is over the quota.
    pub(super) fn take(&self, key: &Arc<str>, amount: u32) -> Option<QuotaPart> {
        let mut used = self.used();
        let before = used.get(key).copied().unwrap_or_default();
        if amount > self.limit - before.min(self.limit) {
            return None;
        }
        used.insert(key.clone(), before + amount);
        Some(QuotaPart { quota: self.clone(), key: key.clone(), amount })
    }

    fn used(&self) -> MutexGuard<'_, HashMap<Arc<str>, u32>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for QuotaPart {
    fn drop(&mut self) {
        let mut used = self.quota.used();
        match used.get_mut(&self.key) {
            Some(amount) if *amount > self.amount => *amount -= self.amount,
            _ => drop(used.remove(&self.key)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a slot for this key, with the token that closes its stream.
    fn open(slots: &StreamSlots, key: &str) -> Option<(StreamSlot, CancellationToken)> {
        let eviction = CancellationToken::new();
        slots.take(&key.into(), eviction.clone()).map(|slot| (slot, eviction))
    }

    fn closed(streams: &[(StreamSlot, CancellationToken)]) -> Vec<bool> {
        streams.iter().map(|(_, eviction)| eviction.is_cancelled()).collect()
    }

    #[test]
    fn one_key_has_all_slots_until_another_needs_some() {
        let slots = StreamSlots::new(4);
        let of_a: Vec<_> = (0..4).map(|_| open(&slots, "a").expect("a slot")).collect();
        assert!(open(&slots, "a").is_none());
        let of_b: Vec<_> = (0..2).map(|_| open(&slots, "b").expect("a slot")).collect();
        assert_eq!(closed(&of_a), [false, false, true, true]);
        // Each key has two now, so neither can take a slot of the other.
        assert!(open(&slots, "a").is_none() && open(&slots, "b").is_none());
        let of_c = open(&slots, "c").expect("a slot");
        let closed_of = |streams: &[_]| closed(streams).iter().filter(|closed| **closed).count();
        assert_eq!(closed_of(&of_a) + closed_of(&of_b), 3);
        drop((of_a, of_b, of_c));
        let streams = slots.streams();
        assert_eq!((streams.free, streams.of_keys.len()), (4, 0));
    }

    #[test]
    fn more_keys_than_slots_keep_their_streams() {
        let slots = StreamSlots::new(2);
        let (a, b) = (open(&slots, "a").expect("a slot"), open(&slots, "b").expect("a slot"));
        assert!(open(&slots, "c").is_none());
        assert_eq!(closed(&[a, b]), [false, false]);
        assert!(open(&slots, "c").is_some());
        assert!(open(&StreamSlots::new(0), "a").is_none());
    }

    #[test]
    fn each_key_has_its_own_quota() {
        let quota = KeyQuota::new(16);
        let (a, b) = (Arc::from("a"), Arc::from("b"));
        let [ten, five, one] = [10, 5, 1].map(|amount| quota.take(&a, amount).expect("a part"));
        assert!(quota.take(&a, 1).is_none() && quota.take(&b, 17).is_none());
        drop((ten, quota.take(&b, 16).expect("a part")));
        assert!(quota.take(&a, 11).is_none());
        drop((quota.take(&a, 10).expect("a part"), five, one));
        assert!(quota.used().is_empty());
    }
}
