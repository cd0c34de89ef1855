//! Rooms: a view of Asterisk's conferences, and of what the daemon keeps for them.
//!
//! The events of ConfBridge make the view, and lists correct it (`round.rs`). Asterisk forgets a lock
//! when the conference ends, and mutes only those who are present. So the daemon keeps what a key
//! asked for (`kept.rs`), and applies it again whenever Asterisk shows something else.
//!
//! The view returns the consequences of each change as [`Output`]s, in their order: records, and
//! actions to send. `apply.rs` carries them out, and `requests.rs` changes rooms on behalf of keys.

mod apply;
mod budget;
mod conference;
mod events;
mod kept;
mod listed;
mod requests;
mod round;
mod steps;
mod views;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use foldhash::HashMap;

use self::budget::Budget;
use self::conference::{Conference, Participant, Who};
use self::kept::Kept;
use self::round::Rounds;
use crate::ami::action::Action;
use crate::ami::message::Member;
use crate::call::{CallId, CallInfo};
use crate::clock::Now;
use crate::record::Event;
use crate::room::{KeptRoom, OpenGuest, OpenRoom, RoomChange, folded};

pub(super) use self::requests::{Request, Step};
pub(super) use self::steps::MUTED;

/// Most rooms in the view. A hostile Asterisk must not fill memory.
pub(super) const MAX_ROOMS: usize = if cfg!(test) { 50 } else { 10_000 };

/// Most participants in the view.
pub(super) const MAX_PARTICIPANTS: usize = if cfg!(test) { 200 } else { 200_000 };

/// How long a moved participant may take to enter the other room.
const MOVE_TIMEOUT: Duration = Duration::from_secs(30);

/// Settings of rooms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomSettings {
    /// How long a lock or mute is kept after the room has ended.
    pub keep: Duration,
    /// Whether Asterisk tells when our callees talk.
    pub talk_detection: bool,
}

/// The consequence of a change in the view.
pub(super) enum Output {
    /// A record, of this call if it is about one of ours.
    Record(Event, Option<Arc<CallInfo>>),
    /// Apply again what is kept: an action, and what it changes.
    Apply(Action, Applied),
    /// Store what is kept for this room.
    Keep(KeptRoom),
}

/// The change that an action makes which the daemon sends without a request.
#[derive(Debug, Clone)]
pub(super) enum Applied {
    /// The room is locked.
    Locked { room: Arc<str> },
    /// The participant of this id is muted, or heard again.
    Muted { room: Arc<str>, id: Arc<str>, muted: bool },
    /// Somebody whom the end of a room has missed is hung up. Their ConfbridgeLeave follows.
    HungUp,
}

/// A participant on the way to another room.
struct Move {
    to: Arc<str>,
    /// Whether the participant is not to be heard there.
    muted: Option<bool>,
    participant: Participant,
    until: Instant,
}

/// All rooms.
pub(super) struct Rooms {
    settings: RoomSettings,
    /// The live conferences, by their folded names.
    live: HashMap<Box<str>, Conference>,
    participants: usize,
    /// The rooms of our callees who are in another room than the one they were called into.
    elsewhere: HashMap<CallId, Arc<str>>,
    /// Moves under way, by the participant's id.
    moves: HashMap<Arc<str>, Move>,
    kept: Kept,
    rounds: Rounds,
    /// How many requests of keys are under way.
    requests: usize,
    /// Whether the view was right at some time, by this run or by the journal of the last one. If not,
    /// nobody knows since when a listed room is live.
    was_right: bool,
    budget: Budget,
    outputs: Vec<Output>,
}

/// How the daemon learns of a room or a participant.
#[derive(Debug, Clone, Copy)]
pub(super) enum Source {
    /// By an event, as it happens.
    Event,
    /// By a list: it happened after this time, if that is known.
    List(Option<SystemTime>),
}

impl Source {
    fn after(self) -> Option<SystemTime> {
        match self {
            Source::Event => None,
            Source::List(after) => after,
        }
    }
}

impl Default for RoomSettings {
    fn default() -> Self {
        Self { keep: Duration::from_secs(3600), talk_detection: false }
    }
}

impl Rooms {
    pub(super) fn new(settings: RoomSettings) -> Self {
        Self {
            live: HashMap::default(),
            participants: 0,
            elsewhere: HashMap::default(),
            moves: HashMap::default(),
            kept: Kept::new(settings.keep),
            settings,
            rounds: Rounds::default(),
            requests: 0,
            was_right: false,
            budget: Budget::default(),
            outputs: Vec::new(),
        }
    }

    fn conference(&self, room: &str) -> Option<&Conference> {
        self.live.get(&*folded(room))
    }

    fn conference_mut(&mut self, room: &str) -> Option<&mut Conference> {
        self.live.get_mut(&*folded(room))
    }

    /// Whether nobody can be invited into this room.
    pub(super) fn is_locked(&self, room: &str) -> bool {
        if self.live.is_empty() && self.kept.is_empty() {
            return false;
        }
        self.conference(room).is_some_and(|conference| conference.locked)
            || self.kept.get(room).is_some_and(|kept| kept.locked_by.is_some())
    }

    /// Whether whoever comes into this room is not to be heard.
    pub(super) fn is_kept_muted(&self, room: &str) -> bool {
        self.kept.get(room).is_some_and(|kept| kept.muted_by.is_some())
    }

    /// Whether Asterisk is to tell when our callees talk.
    pub(super) fn detects_talk(&self) -> bool {
        self.settings.talk_detection
    }

    /// How long the callee of this call has talked; none if talk detection is off.
    pub(super) fn talked(&self, now: Now, room: &str, id: &CallId) -> Option<Duration> {
        if !self.settings.talk_detection {
            return None;
        }
        self.conference(room)?.participants.get(&*id.to_string())?.talked(now)
    }

    /// The number of live rooms, and of the participants in them.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.live.len(), self.participants)
    }

    /// Adds what earlier runs have kept. What ended long ago is forgotten.
    pub(super) fn remember_kept(&mut self, now: Now, rooms: Vec<KeptRoom>) {
        for room in rooms {
            let is_live = self.conference(&room.room).is_some();
            let forgotten = self.kept.add(now, room, is_live);
            self.outputs.extend(forgotten.map(Output::Keep));
        }
    }

    /// Adds a room that was live when the last run ended. The first list shows what has changed since.
    pub(super) fn remember(&mut self, now: Now, room: OpenRoom) {
        let OpenRoom { id, room, started_after, guests } = room;
        if self.live.len() >= MAX_ROOMS || self.conference(&room).is_some() {
            return;
        }
        let started = started_after.is_none().then(|| id.time());
        let mut conference =
            Conference { started, is_remembered: true, ..Conference::new(id, room.clone(), now) };
        for OpenGuest { guest, joined, muted, .. } in guests {
            let (id, who) = (guest.id.clone(), Who::Guest(guest));
            let member = Member { muted, ..Member::default() };
            conference.add(id, Participant { joined, ..Participant::new(now, who, &member) });
        }
        self.participants += conference.participants.len();
        self.live.insert(folded(&room).into(), conference);
        self.keep(now, &room, |_| {});
    }

    /// Notes that an earlier run has watched the rooms until the journal's last record.
    pub(super) fn set_watched(&mut self) {
        self.was_right = true;
    }

    /// The link is lost: the first list of the next one shows what has changed.
    pub(super) fn abandon_rounds(&mut self) {
        self.rounds.abandon();
    }

    /// A call has ended, so its callee is in no room. Its ConfbridgeLeave was missed if they still are.
    pub(super) fn call_ended(&mut self, now: Now, call: &CallInfo) {
        if !self.moves.is_empty() {
            self.moves.remove(&*call.id.to_string());
        }
        if self.participants == 0 {
            return;
        }
        let room = self.elsewhere.get(&call.id).cloned();
        let room = room.as_deref().unwrap_or(call.room.as_str());
        if self.conference(room).is_some() {
            let (room, id) = (room.to_owned(), call.id.to_string());
            self.leave(now, &room, &id, None);
        }
    }

    /// A channel is gone, so it moves to no room any more.
    pub(super) fn hung_up(&mut self, id: &str) {
        if !self.moves.is_empty() {
            self.moves.remove(id);
        }
    }

    /// The next time at which [`tick`](Self::tick) has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let moves = self.moves.values().map(|moved| moved.until).min();
        [self.kept.deadline(), moves].into_iter().flatten().min()
    }

    /// Forgets kept rooms that ended long ago, and moves that came to nothing.
    pub(super) fn tick(&mut self, now: Now) {
        for room in self.kept.expire(now) {
            self.outputs.push(Output::Keep(room));
        }
        self.moves.retain(|_, moved| moved.until > now.instant);
    }

    /// The consequences of all changes since the last call, in their order.
    pub(super) fn take_outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    fn record(&mut self, event: Event, call: Option<Arc<CallInfo>>) {
        self.outputs.push(Output::Record(event, call));
    }

    fn record_room(&mut self, room: Arc<str>, change: RoomChange) {
        self.record(Event::Room { room, change }, None);
    }

    /// Stores what is kept for a room from now on.
    fn keep(&mut self, now: Now, room: &str, change: impl FnOnce(&mut KeptRoom)) {
        let live = self.conference(room).map(|conference| conference.name.clone());
        let ended: Option<SystemTime> = live.is_none().then_some(now.wall);
        let change = |kept: &mut KeptRoom| {
            if let Some(name) = live {
                kept.room = name;
            }
            change(kept);
        };
        if let Some(stored) = self.kept.change(now, room, ended, change) {
            self.outputs.push(Output::Keep(stored));
        }
    }

    /// Whether nothing of any room is left, besides what is kept.
    #[cfg(test)]
    pub(super) fn hold_nothing(&self) -> bool {
        self.live.is_empty()
            && self.participants == 0
            && self.elsewhere.is_empty()
            && self.moves.is_empty()
            && self.requests == 0
            && self.outputs.is_empty()
            && self.rounds.hold_nothing()
    }
}
