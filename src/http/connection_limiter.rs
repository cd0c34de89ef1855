//! Limits how many connections are open, and closes one when another needs its slot.
//!
//! A plain cap would let anybody keep the bots out with idle connections. A share for each address
//! would treat all bots behind one proxy as one client. So a full limiter evicts: while a request
//! with a valid key is handled, its connection keeps its slot. Every other connection waits, be it
//! for a handshake, headers, a body, the client's reading of a response, or its next request. Once
//! all slots are taken, a new connection evicts the one that has waited longest, but none that has
//! waited for less than `GRACE`. Connections that never showed a valid key are evicted first, so
//! that a flood of them does not close the idle connections of bots.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

/// Shortest time that a waiting connection keeps its slot: long enough for a bot's request to arrive,
/// and short enough not to delay bots whose connections are not yet accepted.
const GRACE: Duration = Duration::from_millis(250);

/// Hands out the slots for connections. Cheap to clone.
#[derive(Clone)]
pub(crate) struct ConnectionLimiter(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// Notified when a slot is free, or when a connection begins to wait and can be evicted.
    changed: Notify,
}

struct State {
    free: usize,
    /// Waiting connections that never showed a valid key, in the order in which they began to wait.
    unknown: BTreeMap<u64, Waiting>,
    /// Waiting connections that showed a valid key, in the same order.
    known: BTreeMap<u64, Waiting>,
    next_order: u64,
    /// A connection was evicted, and its slot is not yet free.
    is_evicting: bool,
}

struct Waiting {
    since: Instant,
    eviction: CancellationToken,
}

/// A connection's slot. It is free again once all clones are dropped.
#[derive(Clone)]
pub(crate) struct Slot(Arc<SlotInner>);

struct SlotInner {
    limiter: ConnectionLimiter,
    /// The key in `State::unknown` or `State::known`; only changed under their lock.
    order: AtomicU64,
    eviction: CancellationToken,
    /// A request on this connection had a valid key.
    is_known: AtomicBool,
    /// An event stream is sent on this connection.
    is_stream: AtomicBool,
}

/// A request that is being handled. Its connection is not evicted until this is dropped.
pub(crate) struct ActiveRequest(Slot);

impl ConnectionLimiter {
    /// A limiter for this many connections.
    pub(crate) fn new(count: usize) -> Self {
        let (unknown, known) = (BTreeMap::new(), BTreeMap::new());
        let state = State { free: count, unknown, known, next_order: 0, is_evicting: false };
        Self(Arc::new(Shared { state: Mutex::new(state), changed: Notify::new() }))
    }

    /// Takes a slot, as soon as one is free or an evicted connection has left.
    pub(crate) async fn take(&self) -> Slot {
        loop {
            match self.try_take(Instant::now()) {
                Ok(slot) => return slot,
                Err(None) => self.0.changed.notified().await,
                Err(Some(later)) => _ = timeout_at(later, self.0.changed.notified()).await,
            }
        }
    }

    /// Takes a free slot. Without one it evicts a connection, if one has waited long enough. The
    /// error says when to try again; `None` means at the next notification.
    fn try_take(&self, now: Instant) -> Result<Slot, Option<Instant>> {
        let mut state = self.state();
        if state.free == 0 {
            if state.is_evicting {
                return Err(None);
            }
            return Err(state.evict_oldest(now));
        }
        state.free -= 1;
        let eviction = CancellationToken::new();
        let order = AtomicU64::new(state.begin_waiting(false, now, eviction.clone()));
        let (is_known, is_stream) = (AtomicBool::new(false), AtomicBool::new(false));
        Ok(Slot(Arc::new(SlotInner {
            limiter: self.clone(),
            order,
            eviction,
            is_known,
            is_stream,
        })))
    }

    /// The lock is never left poisoned for long: a panic ends the process.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn begin_waiting(
        &mut self,
        is_known: bool,
        since: Instant,
        eviction: CancellationToken,
    ) -> u64 {
        self.next_order += 1;
        let waiting = if is_known { &mut self.known } else { &mut self.unknown };
        waiting.insert(self.next_order, Waiting { since, eviction });
        self.next_order
    }

    fn stop_waiting(&mut self, order: u64) {
        if self.unknown.remove(&order).is_none() {
            self.known.remove(&order);
        }
    }

    /// Evicts the connection that has waited longest, if one has waited for `GRACE`. Otherwise
    /// returns the instant at which the first one will have, or `None` if no connection waits.
    fn evict_oldest(&mut self, now: Instant) -> Option<Instant> {
        let mut soonest = None;
        for waiting in [&mut self.unknown, &mut self.known] {
            let Some(longest) = waiting.first_entry() else { continue };
            let until = longest.get().since + GRACE;
            if until <= now {
                longest.remove().eviction.cancel();
                self.is_evicting = true;
                return None;
            }
            soonest = soonest.into_iter().chain([until]).min();
        }
        soonest
    }
}

impl Slot {
    /// Returns once another connection needs this slot.
    pub(crate) async fn evicted(&self) {
        self.0.eviction.cancelled().await;
    }

    /// The token that evicts this connection when it is cancelled.
    pub(crate) fn eviction_token(&self) -> CancellationToken {
        self.0.eviction.clone()
    }

    /// Whether a request on this connection had a valid key.
    pub(crate) fn is_known(&self) -> bool {
        self.0.is_known.load(Ordering::Relaxed)
    }

    /// Whether an event stream is sent on this connection. It is the connection's last response.
    pub(crate) fn is_stream(&self) -> bool {
        self.0.is_stream.load(Ordering::Relaxed)
    }

    /// Keeps the slot while a request with a valid key is handled.
    pub(crate) fn activate(self) -> ActiveRequest {
        self.0.is_known.store(true, Ordering::Relaxed);
        self.0.limiter.state().stop_waiting(self.0.order.load(Ordering::Relaxed));
        ActiveRequest(self)
    }
}

impl ActiveRequest {
    /// Marks the response as an event stream.
    pub(crate) fn for_stream(self) -> Self {
        self.0.0.is_stream.store(true, Ordering::Relaxed);
        self
    }
}

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        let SlotInner { limiter, order, eviction, .. } = &*self.0.0;
        order.store(
            limiter.state().begin_waiting(true, Instant::now(), eviction.clone()),
            Ordering::Relaxed,
        );
        limiter.0.changed.notify_one();
    }
}

impl Drop for SlotInner {
    fn drop(&mut self) {
        let mut state = self.limiter.state();
        state.stop_waiting(self.order.load(Ordering::Relaxed));
        state.free += 1;
        state.is_evicting = false;
        drop(state);
        self.limiter.0.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_evicted(slot: &Slot) -> bool {
        slot.0.eviction.is_cancelled()
    }

    /// Takes a slot that is free.
    fn take(limiter: &ConnectionLimiter, now: Instant) -> Slot {
        limiter.try_take(now).expect("a free slot")
    }

    #[test]
    fn longest_waiting_connection_alone_is_evicted() {
        let (limiter, start) = (ConnectionLimiter::new(3), Instant::now());
        let [a, b, c] = [0, 1, 2].map(|step| take(&limiter, start + step * GRACE / 4));
        assert_eq!(limiter.try_take(start + GRACE / 2).err(), Some(Some(start + GRACE)));
        for _ in 0..3 {
            assert_eq!(limiter.try_take(start + 2 * GRACE).err(), Some(None));
            assert_eq!([&a, &b, &c].map(is_evicted), [true, false, false]);
        }
        drop(a);
        let d = take(&limiter, start + 2 * GRACE);
        assert_eq!(limiter.try_take(start + 2 * GRACE).err(), Some(None));
        assert_eq!([&b, &c, &d].map(is_evicted), [true, false, false]);
    }

    #[test]
    fn active_request_keeps_its_slot_and_waits_afterwards() {
        let (limiter, start) = (ConnectionLimiter::new(2), Instant::now());
        let [a, b] = [(); 2].map(|()| take(&limiter, start));
        let (active_a, active_b) = (a.clone().activate(), b.clone().activate());
        assert_eq!(limiter.try_take(start + 2 * GRACE).err(), Some(None));
        assert_eq!([&a, &b].map(is_evicted), [false, false]);
        drop(active_b);
        drop(active_a);
        assert_eq!(limiter.try_take(Instant::now() + GRACE).err(), Some(None));
        assert_eq!([&a, &b].map(is_evicted), [false, true]);
    }

    #[test]
    fn freed_slot_leaves_no_state() {
        let (limiter, start) = (ConnectionLimiter::new(1), Instant::now());
        for _ in 0..3 {
            let slot = take(&limiter, start);
            drop(slot.clone().activate());
            assert_eq!(limiter.try_take(Instant::now() + GRACE).err(), Some(None));
            drop(slot);
            let state = limiter.state();
            assert_eq!(
                (state.free, state.unknown.len() + state.known.len(), state.is_evicting),
                (1, 0, false)
            );
        }
    }

    #[test]
    fn unknown_connections_are_evicted_before_known_ones() {
        let (limiter, start) = (ConnectionLimiter::new(2), Instant::now());
        let [bot, newcomer] = [(); 2].map(|()| take(&limiter, start));
        drop(bot.clone().activate());
        // The unknown connection came later and is evicted first.
        drop(newcomer);
        let newcomer = take(&limiter, Instant::now());
        assert_eq!(limiter.try_take(Instant::now() + GRACE).err(), Some(None));
        assert_eq!([&bot, &newcomer].map(is_evicted), [false, true]);
        drop(newcomer);
        // While the unknown one is too new, the bot's idle connection is evicted.
        let late = Instant::now() + 2 * GRACE;
        let newcomer = take(&limiter, late);
        assert_eq!(limiter.try_take(late).err(), Some(None));
        assert_eq!([&bot, &newcomer].map(is_evicted), [true, false]);
    }

    #[tokio::test]
    async fn new_connection_waits_until_a_slot_is_free() {
        let limiter = ConnectionLimiter::new(1);
        let first = limiter.take().await;
        let served = first.clone().activate();
        let comes = tokio::spawn(async move { limiter.take().await });
        tokio::time::sleep(2 * GRACE).await;
        assert!(!comes.is_finished() && !is_evicted(&first));
        drop(served);
        first.evicted().await;
        drop(first);
        comes.await.expect("a slot");
    }
}
