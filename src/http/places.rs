//! The places for connections: how many there are, and who gives one up for whoever comes.
//!
//! A request with a valid key is served undisturbed. Every other connection waits: for a handshake,
//! for headers, for a body, for a reply to be taken in, or for its next request. Once all places
//! are taken, the connection that has waited longest makes room, but each has `GRACE` to send its
//! request. Connections that have never shown a valid key go first, so that a crowd of them does
//! not take the idle connections of bots away while a bot's next request is on its way.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

/// How long a place is kept for whoever waits, even if others come: for a bot's request to arrive,
/// and no longer than bots can wait outside.
const GRACE: Duration = Duration::from_millis(250);

/// All places.
#[derive(Clone)]
pub struct Places(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// A place is free, or somebody waits who could make room.
    changed: Notify,
}

struct State {
    free: usize,
    /// Waiting connections that have never shown a valid key, in the order in which they began to
    /// wait.
    strangers: BTreeMap<u64, Waiting>,
    /// Waiting connections that have shown one, in the same order.
    known: BTreeMap<u64, Waiting>,
    next_turn: u64,
    /// Somebody was asked to leave, and no place has become free since.
    makes_room: bool,
}

struct Waiting {
    since: Instant,
    leave: CancellationToken,
}

/// A connection's place. It is free again once all clones are dropped.
#[derive(Clone)]
pub struct Place(Arc<Taken>);

struct Taken {
    places: Places,
    /// The key in `strangers` or `known`; only changed under their lock.
    turn: AtomicU64,
    leave: CancellationToken,
    /// A valid key was shown on this connection.
    is_known: AtomicBool,
    /// An event stream is sent on this connection.
    is_stream: AtomicBool,
}

/// While this lives, its place is not asked for.
pub struct Served(Place);

impl Places {
    /// So many places.
    pub fn new(count: usize) -> Self {
        let (strangers, known) = (BTreeMap::new(), BTreeMap::new());
        let state = State { free: count, strangers, known, next_turn: 0, makes_room: false };
        Self(Arc::new(Shared { state: Mutex::new(state), changed: Notify::new() }))
    }

    /// Takes a place, as soon as one is free or whoever waits longest has made room.
    pub async fn take(&self) -> Place {
        loop {
            match self.try_take(Instant::now()) {
                Ok(place) => return place,
                Err(None) => self.0.changed.notified().await,
                Err(Some(later)) => _ = timeout_at(later, self.0.changed.notified()).await,
            }
        }
    }

    /// Takes a free place. Without one, has somebody make room, or says when there will be somebody
    /// who can.
    fn try_take(&self, now: Instant) -> Result<Place, Option<Instant>> {
        let mut state = self.state();
        if state.free == 0 {
            if state.makes_room {
                return Err(None);
            }
            return Err(state.ask_to_leave(now));
        }
        state.free -= 1;
        let leave = CancellationToken::new();
        let turn = AtomicU64::new(state.begin_to_wait(false, now, leave.clone()));
        let (is_known, is_stream) = (AtomicBool::new(false), AtomicBool::new(false));
        Ok(Place(Arc::new(Taken { places: self.clone(), turn, leave, is_known, is_stream })))
    }

    /// A panic elsewhere ends the process; until then the state is as good as it was.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn begin_to_wait(&mut self, is_known: bool, since: Instant, leave: CancellationToken) -> u64 {
        self.next_turn += 1;
        let waiting = if is_known { &mut self.known } else { &mut self.strangers };
        waiting.insert(self.next_turn, Waiting { since, leave });
        self.next_turn
    }

    fn no_longer_waits(&mut self, turn: u64) {
        if self.strangers.remove(&turn).is_none() {
            self.known.remove(&turn);
        }
    }

    /// Asks the connection that has waited longest to leave, if one has waited for `GRACE`. Else
    /// returns when that will be so, if any connection waits.
    fn ask_to_leave(&mut self, now: Instant) -> Option<Instant> {
        let mut soonest = None;
        for waiting in [&mut self.strangers, &mut self.known] {
            let Some(longest) = waiting.first_entry() else { continue };
            let until = longest.get().since + GRACE;
            if until <= now {
                longest.remove().leave.cancel();
                self.makes_room = true;
                return None;
            }
            soonest = soonest.into_iter().chain([until]).min();
        }
        soonest
    }
}

impl Place {
    /// Returns once somebody else needs this place.
    pub async fn needed(&self) {
        self.0.leave.cancelled().await;
    }

    /// Closes this connection once the returned token is cancelled.
    pub fn leave(&self) -> CancellationToken {
        self.0.leave.clone()
    }

    /// Whether a valid key was ever shown on this connection.
    pub fn is_known(&self) -> bool {
        self.0.is_known.load(Ordering::Relaxed)
    }

    /// Whether an event stream is sent on this connection. It is the last reply on it.
    pub fn is_stream(&self) -> bool {
        self.0.is_stream.load(Ordering::Relaxed)
    }

    /// Keeps the place for as long as it takes to serve a request with a valid key.
    pub fn serve(self) -> Served {
        self.0.is_known.store(true, Ordering::Relaxed);
        self.0.places.state().no_longer_waits(self.0.turn.load(Ordering::Relaxed));
        Served(self)
    }
}

impl Served {
    /// Keeps the place for an event stream.
    pub fn for_stream(self) -> Self {
        self.0.0.is_stream.store(true, Ordering::Relaxed);
        self
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let Taken { places, turn, leave, .. } = &*self.0.0;
        turn.store(
            places.state().begin_to_wait(true, Instant::now(), leave.clone()),
            Ordering::Relaxed,
        );
        places.0.changed.notify_one();
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut state = self.places.state();
        state.no_longer_waits(self.turn.load(Ordering::Relaxed));
        state.free += 1;
        state.makes_room = false;
        drop(state);
        self.places.0.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_needed(place: &Place) -> bool {
        place.0.leave.is_cancelled()
    }

    /// Takes a place that is free.
    fn take(places: &Places, now: Instant) -> Place {
        places.try_take(now).expect("a free place")
    }

    #[test]
    fn whoever_waits_longest_makes_room_and_nobody_else() {
        let (places, start) = (Places::new(3), Instant::now());
        let [a, b, c] = [0, 1, 2].map(|step| take(&places, start + step * GRACE / 4));
        assert_eq!(places.try_take(start + GRACE / 2).err(), Some(Some(start + GRACE)));
        for _ in 0..3 {
            assert_eq!(places.try_take(start + 2 * GRACE).err(), Some(None));
            assert_eq!([&a, &b, &c].map(is_needed), [true, false, false]);
        }
        drop(a);
        let d = take(&places, start + 2 * GRACE);
        assert_eq!(places.try_take(start + 2 * GRACE).err(), Some(None));
        assert_eq!([&b, &c, &d].map(is_needed), [true, false, false]);
    }

    #[test]
    fn who_is_served_keeps_the_place_and_waits_anew_afterwards() {
        let (places, start) = (Places::new(2), Instant::now());
        let [a, b] = [(); 2].map(|()| take(&places, start));
        let (serves_a, serves_b) = (a.clone().serve(), b.clone().serve());
        assert_eq!(places.try_take(start + 2 * GRACE).err(), Some(None));
        assert_eq!([&a, &b].map(is_needed), [false, false]);
        drop(serves_b);
        drop(serves_a);
        assert_eq!(places.try_take(Instant::now() + GRACE).err(), Some(None));
        assert_eq!([&a, &b].map(is_needed), [false, true]);
    }

    #[test]
    fn a_place_that_is_given_back_leaves_nothing_behind() {
        let (places, start) = (Places::new(1), Instant::now());
        for _ in 0..3 {
            let place = take(&places, start);
            drop(place.clone().serve());
            assert_eq!(places.try_take(Instant::now() + GRACE).err(), Some(None));
            drop(place);
            let state = places.state();
            assert_eq!(
                (state.free, state.strangers.len() + state.known.len(), state.makes_room),
                (1, 0, false)
            );
        }
    }

    #[test]
    fn strangers_make_room_before_known_connections() {
        let (places, start) = (Places::new(2), Instant::now());
        let [bot, stranger] = [(); 2].map(|()| take(&places, start));
        drop(bot.clone().serve());
        // The stranger came later, and goes first.
        drop(stranger);
        let stranger = take(&places, Instant::now());
        assert_eq!(places.try_take(Instant::now() + GRACE).err(), Some(None));
        assert_eq!([&bot, &stranger].map(is_needed), [false, true]);
        drop(stranger);
        // While no stranger can be asked, the bot's idle connection is.
        let late = Instant::now() + 2 * GRACE;
        let stranger = take(&places, late);
        assert_eq!(places.try_take(late).err(), Some(None));
        assert_eq!([&bot, &stranger].map(is_needed), [true, false]);
    }

    #[tokio::test]
    async fn who_comes_waits_until_there_is_room() {
        let places = Places::new(1);
        let first = places.take().await;
        let served = first.clone().serve();
        let comes = tokio::spawn(async move { places.take().await });
        tokio::time::sleep(2 * GRACE).await;
        assert!(!comes.is_finished() && !is_needed(&first));
        drop(served);
        first.needed().await;
        drop(first);
        comes.await.expect("a place");
    }
}
