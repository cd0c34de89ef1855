//! The locks and mutes that the daemon keeps, beyond the life of a conference.

use std::time::{Duration, Instant, SystemTime};

use foldhash::HashMap;

use super::folded;
use crate::clock::Now;
use crate::room::KeptRoom;

/// Most rooms for which something is kept.
const MAX_KEPT: usize = if cfg!(test) { 50 } else { 10_000 };

/// Kept rooms by their folded names.
pub(super) struct Kept {
    rooms: HashMap<Box<str>, KeptRoom>,
    /// How long a room is kept after its end.
    keep: Duration,
    /// When the next room that has ended is forgotten.
    next_expiry: Option<Instant>,
}

impl Kept {
    pub(super) fn new(keep: Duration) -> Self {
        Self { rooms: HashMap::default(), keep, next_expiry: None }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rooms.is_empty()
    }

    /// The lock and mute that are kept for a room.
    pub(super) fn get(&self, room: &str) -> Option<&KeptRoom> {
        if self.rooms.is_empty() {
            return None;
        }
        self.rooms.get(&*folded(room))
    }

    /// All kept rooms, in no particular order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &KeptRoom> {
        self.rooms.values()
    }

    /// Whether another room can be kept.
    pub(super) fn has_place(&self) -> bool {
        self.rooms.len() < MAX_KEPT
    }

    /// Adds a room that an earlier run has kept, unless it ended too long ago. A room that was live
    /// when that run ended counts as ended now, unless it `is_live` in the view. Returns what to store if
    /// the room is not added.
    pub(super) fn add(&mut self, now: Now, mut room: KeptRoom, is_live: bool) -> Option<KeptRoom> {
        let ended = room.ended.unwrap_or(now.wall);
        room.ended = (!is_live).then_some(ended);
        let is_over = !is_live && self.remaining(now, ended).is_zero();
        if room.is_empty() || is_over || !self.has_place() {
            return Some(KeptRoom { locked_by: None, muted_by: None, ..room });
        }
        self.rooms.insert(folded(&room.room).into(), room);
        self.set_expiry(now);
        None
    }

    /// Changes what is kept for a room; `ended` if it is not live. Returns what to store; none if
    /// nothing has changed.
    pub(super) fn change(
        &mut self,
        now: Now,
        room: &str,
        ended: Option<SystemTime>,
        change: impl FnOnce(&mut KeptRoom),
    ) -> Option<KeptRoom> {
        let before = self.get(room).cloned();
        let nothing =
            || KeptRoom { room: room.into(), locked_by: None, muted_by: None, ended: None };
        let mut changed = before.clone().unwrap_or_else(nothing);
        change(&mut changed);
        // The time of an earlier end stays.
        changed.ended = ended.map(|ended| changed.ended.unwrap_or(ended));
        if before.as_ref() == Some(&changed) || (before.is_none() && changed.is_empty()) {
            return None;
        }
        if changed.is_empty() || (ended.is_some() && self.keep.is_zero()) {
            changed = KeptRoom { locked_by: None, muted_by: None, ..changed };
            self.rooms.remove(&*folded(room));
        } else {
            self.rooms.insert(folded(room).into(), changed.clone());
        }
        self.set_expiry(now);
        Some(changed)
    }

    /// The next time at which [`expire`](Self::expire) has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.next_expiry
    }

    /// Forgets the rooms whose time is over; returns what to store.
    pub(super) fn expire(&mut self, now: Now) -> Vec<KeptRoom> {
        if self.next_expiry.is_none_or(|at| at > now.instant) {
            return Vec::new();
        }
        let is_over =
            |room: &KeptRoom| room.ended.is_some_and(|ended| self.remaining(now, ended).is_zero());
        let names: Vec<Box<str>> = self
            .rooms
            .iter()
            .filter(|(_, room)| is_over(room))
            .map(|(name, _)| name.clone())
            .collect();
        let expired = names.iter().filter_map(|name| self.rooms.remove(name));
        let forgotten = |room| KeptRoom { locked_by: None, muted_by: None, ..room };
        let expired = expired.map(forgotten).collect();
        self.set_expiry(now);
        expired
    }

    /// How much longer a room that ended then is kept.
    fn remaining(&self, now: Now, ended: SystemTime) -> Duration {
        // The clock may have been set back since.
        let age = now.wall.duration_since(ended).unwrap_or_default();
        self.keep.saturating_sub(age)
    }

    fn set_expiry(&mut self, now: Now) {
        let ended = self.rooms.values().filter_map(|room| room.ended);
        let soonest = ended.map(|ended| self.remaining(now, ended)).min();
        self.next_expiry = soonest.and_then(|remaining| now.instant.checked_add(remaining));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_that_ended_long_ago_is_forgotten_in_the_store_as_well() {
        let now = Now { instant: Instant::now(), wall: SystemTime::UNIX_EPOCH + HOUR * 1000 };
        let mut kept = Kept::new(HOUR);
        let locked = |room: &str, ended| KeptRoom {
            room: room.into(),
            locked_by: Some("op".into()),
            muted_by: None,
            ended,
        };
        assert_eq!(kept.add(now, locked("live", None), false), None);
        assert_eq!(kept.add(now, locked("young", Some(now.wall - HOUR / 2)), false), None);
        let old = locked("old", Some(now.wall - HOUR));
        let forgotten = KeptRoom { locked_by: None, ..old.clone() };
        assert_eq!(kept.add(now, old, false), Some(forgotten));
        assert!(kept.get("OLD").is_none() && kept.get("Young").is_some());
        assert_eq!(kept.deadline(), Some(now.instant + HOUR / 2));
    }

    const HOUR: Duration = Duration::from_secs(3600);
}
