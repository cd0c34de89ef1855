//! One round of lists: all rooms, then the participants of each.
//!
//! After every login, and every minute while rooms are live, the daemon asks for
//! `ConfbridgeListRooms`, and then for the `ConfbridgeList` of each room, a few at once. AMI answers
//! the actions of a session in their order, so a list belongs to the oldest action without an end.
//! A Ping after the last list shows that every event queued before has been read.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use foldhash::HashMap;

use super::conference::Participant;
use super::{MAX_PARTICIPANTS, MAX_ROOMS, folded};
use crate::ami::message::Response;
use crate::clock::Now;

/// The time between two rounds while rooms are live.
const INTERVAL: Duration = Duration::from_secs(60);

/// The pause before a round that has to confirm what the last one showed.
const SHORT_INTERVAL: Duration = Duration::from_secs(1);

/// How long Asterisk may take for the next part of a list.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Most lists of participants that are under way at once.
const MAX_UNDER_WAY: usize = 8;

/// The rounds of this link.
#[derive(Default)]
pub(super) struct Rounds {
    round: Option<Round>,
    next: Option<Instant>,
    /// When the daemon asked for the last complete round of this link.
    last: Option<SystemTime>,
    /// The differences that the last round showed and a later one has to confirm, each with the time of
    /// the first round in a row that showed it.
    pub(super) unconfirmed: HashMap<Unconfirmed, Instant>,
}

/// How long lists have to show a participant whose ConfbridgeJoin was not received. While Asterisk
/// plays prompts, it lists a participant already before the ConfbridgeJoin, and still after the
/// ConfbridgeLeave of a kick (observed on 16 and 22: for 2.8 s).
const PROMPT_TIME: Duration = Duration::from_secs(5);

/// A difference that only a later list in a row proves.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Unconfirmed {
    /// The view has a room of this folded name, and the list lacks it.
    RoomAbsent(Box<str>),
    /// The view has a participant of this id in the room, and the list lacks them.
    Absent(Box<str>, Arc<str>),
    /// The list has a participant of this id in the room, and the view lacks them.
    Unknown(Box<str>, Arc<str>),
}

impl Unconfirmed {
    /// How much older the first list that showed the difference has to be than the one that proves it.
    pub(super) fn min_age(&self) -> Duration {
        match self {
            Unconfirmed::Unknown(..) => PROMPT_TIME,
            Unconfirmed::RoomAbsent(_) | Unconfirmed::Absent(..) => Duration::ZERO,
        }
    }
}

/// A round under way.
pub(super) struct Round {
    pub(super) began: Now,
    deadline: Instant,
    /// The listed rooms, by their folded names.
    pub(super) rooms: HashMap<Box<str>, ListedRoom>,
    to_list: VecDeque<Box<str>>,
    /// The rooms whose participants are being listed, oldest first.
    under_way: VecDeque<Box<str>>,
    participants: usize,
    rooms_complete: bool,
    barrier_sent: bool,
}

/// A room as a list shows it.
pub(super) struct ListedRoom {
    pub(super) name: Arc<str>,
    pub(super) locked: bool,
    pub(super) participants: Vec<(Arc<str>, Participant)>,
    /// Whether the list of the participants is complete. It is not if the room ended meanwhile.
    pub(super) is_complete: bool,
}

/// The next thing to send in a round.
pub(super) enum Next {
    Nothing,
    /// ConfbridgeList of this room.
    List(Arc<str>),
    /// The Ping after the last list.
    Barrier,
}

impl Rounds {
    /// Begins a round.
    pub(super) fn begin(&mut self, now: Now) {
        self.round = Some(Round {
            began: now,
            deadline: now.instant + TIMEOUT,
            rooms: HashMap::default(),
            to_list: VecDeque::new(),
            under_way: VecDeque::new(),
            participants: 0,
            rooms_complete: false,
            barrier_sent: false,
        });
        self.next = None;
    }

    /// Whether a round of this link is complete.
    pub(super) fn is_done(&self) -> bool {
        self.last.is_some()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.round.as_ref().map(|round| round.deadline).or(self.next)
    }

    /// Whether a round has to begin. A round that Asterisk does not finish in time is given up.
    pub(super) fn is_due(&mut self, now: Now) -> bool {
        if self.round.take_if(|round| round.deadline <= now.instant).is_some() {
            self.next = Some(now.instant + INTERVAL);
        }
        self.round.is_none() && self.next.is_some_and(|at| at <= now.instant)
    }

    /// Asks for a round soon.
    pub(super) fn request_soon(&mut self, now: Now) {
        let soon = now.instant + SHORT_INTERVAL;
        self.next = Some(self.next.map_or(soon, |at| at.min(soon)));
    }

    /// Asks for a round within a minute.
    pub(super) fn request(&mut self, now: Now) {
        if self.next.is_none() && self.round.is_none() {
            self.next = Some(now.instant + INTERVAL);
        }
    }

    /// The response to ConfbridgeListRooms. Without any room it is an error, and no list follows.
    pub(super) fn receive_rooms_response(&mut self, now: Now, response: &Response) {
        let Some(round) = &mut self.round else { return };
        if response.success {
            return;
        }
        if response.message.starts_with("No active conferences") {
            round.rooms_complete = true;
        } else {
            self.round = None;
            self.next = Some(now.instant + INTERVAL);
        }
    }

    /// One room of the list.
    pub(super) fn receive_room(&mut self, now: Now, name: &str, locked: bool) {
        let Some(round) = &mut self.round else { return };
        round.deadline = now.instant + TIMEOUT;
        if round.rooms_complete || round.rooms.len() >= MAX_ROOMS {
            return;
        }
        let key: Box<str> = folded(name).into();
        let listed =
            ListedRoom { name: name.into(), locked, participants: Vec::new(), is_complete: false };
        if round.rooms.insert(key.clone(), listed).is_none() {
            round.to_list.push_back(key);
        }
    }

    /// The end of the list of rooms.
    pub(super) fn receive_rooms_end(&mut self) {
        if let Some(round) = &mut self.round {
            round.rooms_complete = true;
        }
    }

    /// One participant of a room.
    pub(super) fn receive_participant(
        &mut self,
        now: Now,
        room: &str,
        id: &str,
        participant: Participant,
    ) {
        let Some(round) = &mut self.round else { return };
        round.deadline = now.instant + TIMEOUT;
        let Some(listed) = round.rooms.get_mut(&*folded(room)) else { return };
        if !listed.is_complete && round.participants < MAX_PARTICIPANTS {
            round.participants += 1;
            listed.participants.push((id.into(), participant));
        }
    }

    /// The end of a room's list, or the error in its place.
    pub(super) fn receive_room_end(&mut self, success: bool) {
        let Some(round) = &mut self.round else { return };
        let Some(key) = round.under_way.pop_front() else { return };
        if let Some(listed) = round.rooms.get_mut(&key) {
            listed.is_complete = success;
        }
    }

    /// The next thing to send.
    pub(super) fn next(&mut self) -> Next {
        let Some(round) = self.round.as_mut().filter(|round| round.rooms_complete) else {
            return Next::Nothing;
        };
        if round.under_way.len() < MAX_UNDER_WAY
            && let Some(key) = round.to_list.pop_front()
        {
            let name = round.rooms.get(&key).map(|listed| listed.name.clone());
            round.under_way.push_back(key);
            return name.map_or(Next::Nothing, Next::List);
        }
        let is_over = round.to_list.is_empty() && round.under_way.is_empty();
        if is_over && !std::mem::replace(&mut round.barrier_sent, is_over) {
            return Next::Barrier;
        }
        Next::Nothing
    }

    /// The response to the Ping: returns the complete round, and whether it is the first of the link.
    pub(super) fn finish(&mut self) -> Option<(Round, bool)> {
        let round = self.round.take_if(|round| round.barrier_sent)?;
        let is_first = self.last.replace(round.began.wall).is_none();
        Some((round, is_first))
    }

    /// When the daemon asked for the last complete round.
    pub(super) fn last(&self) -> Option<SystemTime> {
        self.last
    }

    /// The link is lost.
    pub(super) fn abandon(&mut self) {
        *self = Self::default();
    }

    #[cfg(test)]
    pub(super) fn hold_nothing(&self) -> bool {
        let is_empty = |round: &Round| round.rooms.is_empty();
        self.round.as_ref().is_none_or(is_empty) && self.unconfirmed.is_empty()
    }
}
