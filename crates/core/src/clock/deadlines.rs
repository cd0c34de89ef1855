//! A queue of deadlines, soonest first.

use std::collections::BTreeSet;
use std::hash::Hash;
use std::time::Instant;

use foldhash::HashMap;

/// At most one deadline for each key. Equal deadlines come in the order of their keys.
#[derive(Debug)]
pub struct DeadlineQueue<K> {
    queue: BTreeSet<(Instant, K)>,
    by_key: HashMap<K, Instant>,
}

impl<K> Default for DeadlineQueue<K> {
    fn default() -> Self {
        Self { queue: BTreeSet::new(), by_key: HashMap::default() }
    }
}

impl<K: Copy + Ord + Hash> DeadlineQueue<K> {
    /// Sets the deadline of `key`, moves it, or removes it with `None`.
    pub fn set(&mut self, key: K, deadline: Option<Instant>) {
        let old = match deadline {
            Some(deadline) => self.by_key.insert(key, deadline),
            None => self.by_key.remove(&key),
        };
        if old == deadline {
            return;
        }
        if let Some(old) = old {
            self.queue.remove(&(old, key));
        }
        if let Some(deadline) = deadline {
            self.queue.insert((deadline, key));
        }
    }

    /// The soonest deadline.
    pub fn first(&self) -> Option<Instant> {
        self.queue.first().map(|(deadline, _)| *deadline)
    }

    /// Removes the soonest deadline if it has passed, and returns its key.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<K> {
        let (deadline, key) = *self.queue.first()?;
        if deadline > now {
            return None;
        }
        self.queue.pop_first();
        self.by_key.remove(&key);
        Some(key)
    }

    /// How many keys have a deadline.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether no key has a deadline.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn moved_deadline_comes_once_in_order() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut queue = DeadlineQueue::default();
        for (key, deadline) in [('a', 3), ('b', 1), ('c', 3), ('d', 2)] {
            queue.set(key, Some(at(deadline)));
        }
        queue.set('b', Some(at(4)));
        queue.set('d', None);
        assert_eq!((queue.len(), queue.first()), (3, Some(at(3))));
        assert_eq!(queue.pop_due(at(2)), None);
        assert_eq!([(); 3].map(|()| queue.pop_due(at(4))), ['a', 'c', 'b'].map(Some));
        assert!(queue.is_empty() && queue.pop_due(at(9)).is_none());
    }
}
