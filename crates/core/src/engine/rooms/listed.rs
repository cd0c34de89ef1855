//! Corrects the view by a complete round of lists.
//!
//! The first round after a login is proof at once: what it shows otherwise happened while the link was
//! down. Later only another round in a row proves that an event was missed: Asterisk lists
//! participants before their ConfbridgeJoin and for some time after their ConfbridgeLeave.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use foldhash::HashMap;

use super::conference::{Participant, Who};
use super::round::{ListedRoom, Round, Unconfirmed};
use super::{Rooms, Source};
use crate::clock::Now;

/// The differences of one round.
struct Differences {
    now: Now,
    /// When the daemon asked for the lists.
    began: Now,
    /// Whether it is the first round of the link.
    is_first: bool,
    /// Until this time the view was right, if it ever was.
    after: Option<SystemTime>,
    /// The differences that the round before did not prove.
    before: HashMap<Unconfirmed, Instant>,
    /// The differences that a later round has to confirm.
    unconfirmed: HashMap<Unconfirmed, Instant>,
}

impl Differences {
    /// Whether the difference is proven; else a later round has to confirm it.
    fn proves(&mut self, difference: Unconfirmed) -> bool {
        let shown_before = self.before.get(&difference).copied();
        let shown = shown_before.unwrap_or(self.began.instant);
        let is_old = self.began.instant.saturating_duration_since(shown) >= difference.min_age();
        let is_proven = self.is_first || (shown_before.is_some() && is_old);
        if !is_proven {
            self.unconfirmed.insert(difference, shown);
        }
        is_proven
    }
}

impl Rooms {
    /// Corrects the view by a round. `after`: until this time the view was right, if it ever
    /// was.
    pub(super) fn correct(
        &mut self,
        now: Now,
        round: Round,
        is_first: bool,
        after: Option<SystemTime>,
        rng: &mut fastrand::Rng,
    ) {
        self.was_right = true;
        let before = std::mem::take(&mut self.rounds.unconfirmed);
        let (began, unconfirmed) = (round.began, HashMap::default());
        let mut differences = Differences { now, began, is_first, after, before, unconfirmed };
        self.end_absent_rooms(&round, &mut differences);
        let mut listed: Vec<_> = round.rooms.into_iter().collect();
        listed.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        for (key, room) in listed.into_iter().filter(|(_, room)| room.is_complete) {
            self.remove_absent(&key, &room, &mut differences);
            self.update_room(&key, room, &mut differences, rng);
        }
        if !differences.unconfirmed.is_empty() {
            self.rounds.request_soon(now);
        } else if !self.live.is_empty() {
            self.rounds.request(now);
        }
        self.rounds.unconfirmed = differences.unconfirmed;
    }

    /// Ends the rooms that the list lacks.
    fn end_absent_rooms(&mut self, round: &Round, differences: &mut Differences) {
        let began = round.began.instant;
        let known = self.live.iter().filter(|(_, conference)| conference.seen <= began);
        let absent = known.filter(|(key, _)| !round.rooms.contains_key(*key));
        let mut absent: Vec<Box<str>> = absent.map(|(key, _)| key.clone()).collect();
        absent.sort_unstable();
        for key in absent {
            if differences.proves(Unconfirmed::RoomAbsent(key.clone())) {
                self.end(differences.now, &key, differences.after);
            }
        }
    }

    /// Removes the participants that the list of their room lacks.
    fn remove_absent(&mut self, key: &str, room: &ListedRoom, differences: &mut Differences) {
        let Some(conference) = self.live.get(key) else { return };
        let listed: HashSet<&str> = room.participants.iter().map(|(id, _)| &**id).collect();
        let began = differences.began.instant;
        let known = conference.participants.iter().filter(|(_, one)| one.seen <= began);
        let mut absent: Vec<_> = known
            .filter(|(id, _)| !listed.contains(&***id))
            .map(|(id, one)| (one.order, id.clone()))
            .collect();
        absent.sort_unstable();
        for (_, id) in absent {
            if differences.proves(Unconfirmed::Absent(key.into(), id.clone())) {
                self.leave(differences.now, key, &id, differences.after);
            }
        }
    }

    /// Adds the listed participants that the view lacks, and updates the others and the lock.
    fn update_room(
        &mut self,
        key: &str,
        room: ListedRoom,
        differences: &mut Differences,
        rng: &mut fastrand::Rng,
    ) {
        let Differences { now, began, is_first, after, .. } = *differences;
        for (id, listed) in room.participants {
            let known = self.live.get_mut(key).and_then(|c| c.participants.get_mut(&id));
            match known {
                Some(known) => {
                    let is_outdated = known.mute_changed >= began.instant;
                    let muted = if is_outdated { known.muted } else { listed.muted };
                    update(now, known, &listed, is_first);
                    self.set_muted(now, key, &id, muted, None);
                    self.check_mute(&room.name, &id, false);
                }
                None if differences.proves(Unconfirmed::Unknown(key.into(), id.clone())) => {
                    let was_moved = self.moves.contains_key(&id);
                    if self.participants < super::MAX_PARTICIPANTS
                        && self.ensure(now, &room.name, rng, Source::List(after))
                    {
                        let name = room.name.clone();
                        let joined = was_moved.then_some(now.wall);
                        let participant = Participant { joined, seen: now.instant, ..listed };
                        self.insert(id, name, participant, Source::List(after));
                    }
                }
                None => {}
            }
        }
        if let Some(conference) = self.live.get_mut(key) {
            conference.is_remembered = false;
        }
        let outdated =
            self.live.get(key).is_none_or(|conference| conference.lock_changed > began.instant);
        if !outdated {
            self.set_locked(now, key, room.locked, None);
            self.apply_kept_lock(key);
        }
    }

    /// Locks the room again if somebody else has unlocked it, and the lock is kept.
    fn apply_kept_lock(&mut self, key: &str) {
        let Some(conference) = self.live.get(key).filter(|conference| !conference.locked) else {
            return;
        };
        let name: Arc<str> = conference.name.clone();
        if self.kept.get(key).is_some_and(|kept| kept.locked_by.is_some()) {
            self.apply_lock(name);
        }
    }
}

/// Updates what no event tells. The channel's name changes if the channel is masqueraded.
/// `is_first`: events of who talks may have been missed.
fn update(now: Now, known: &mut Participant, listed: &Participant, is_first: bool) {
    known.channel = listed.channel.clone();
    known.waiting = listed.waiting;
    known.admin = listed.admin;
    // The daemon may have adopted the guest's call since, and a guest's caller id can change.
    if matches!(known.who, Who::Guest(_)) {
        known.who = listed.who.clone();
    }
    // An event may be newer than the list.
    let is_talk_unknown = is_first || known.talked.is_none();
    if is_talk_unknown && known.talking.is_some() != listed.talking.is_some() {
        known.set_talking(now, listed.talking.is_some());
    }
}
