//! The rooms that have started and not ended yet, with their guests.
//!
//! As with [`open_calls`](super::open_calls), the file's writer begins every new file with a
//! `room.carried` line for each of them, and a `guest.carried` line for each guest, so that a later
//! run continues the same conferences. The calls in a room are open calls.
//!
//! Records can be missing. A guest of an unknown room, an end of an unknown room and a second start
//! of a room are accepted, as the next run compares all of this with Asterisk's lists.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use super::Cleaner;
use originatord_core::call::Number;
use originatord_core::clock::Rfc3339;
use originatord_core::record::{Entry, Event, EventKind, Line, Record};
use originatord_core::room::{ConferenceId, GuestChange, OpenGuest, OpenRoom, RoomChange, folded};

/// Most rooms that are kept. The engine has no more, and the journal may be somebody else's.
const MAX_ROOMS: usize = 10_000;

/// Most guests that are kept, in all rooms together.
const MAX_GUESTS: usize = 100_000;

/// The middle of a masked number.
const HIDDEN: &str = "•••";

/// The open rooms by their folded names.
#[derive(Debug, Default, Clone)]
pub struct OpenRooms {
    rooms: BTreeMap<Box<str>, Live>,
    /// The number of guests in all rooms.
    guests: usize,
}

/// An open room.
#[derive(Debug, Clone)]
struct Live {
    id: ConferenceId,
    room: Arc<str>,
    started_after: Option<SystemTime>,
    /// The guests by their ids.
    guests: BTreeMap<Arc<str>, OpenGuest>,
}

impl OpenRooms {
    /// Applies an entry that was written.
    pub fn entry(&mut self, entry: &Entry) {
        if let Entry::Record(record) = entry {
            self.record(record);
        }
    }

    fn record(&mut self, record: &Record) {
        match &record.event {
            Event::Room { room, change: RoomChange::Started { id, after } } => {
                self.start(*id, room.clone(), *after);
            }
            Event::Room { room, change: RoomChange::Ended { .. } } => self.end(room),
            Event::Guest { guest, room, change } => match change {
                GuestChange::Joined { after } => {
                    let guest = OpenGuest {
                        guest: guest.clone(),
                        joined: Some(record.time),
                        joined_after: *after,
                        muted: false,
                    };
                    self.join(room, guest);
                }
                GuestChange::Left(_) => self.leave(room, &guest.id),
                GuestChange::Muted { .. } => self.mute(room, &guest.id, true),
                GuestChange::Unmuted { .. } => self.mute(room, &guest.id, false),
            },
            _ => {}
        }
    }

    /// Applies a line of a journal file.
    pub(super) fn line(&mut self, line: &Line<'_>) {
        let (Some(kind), Some(room)) = (line.kind(), line.room_name()) else { return };
        let time = |member: Option<Rfc3339>| member.map(|Rfc3339(time)| time);
        let after = time(line.after);
        match kind {
            EventKind::RoomStarted | EventKind::RoomCarried => {
                if let Some(id) = line.conference_id {
                    self.start(id, room.into(), after);
                }
            }
            EventKind::RoomEnded => self.end(room),
            _ => {
                let Some(guest) = line.guest() else { return };
                match kind {
                    EventKind::GuestJoined | EventKind::GuestCarried => {
                        let is_carried = kind == EventKind::GuestCarried;
                        let joined = if is_carried { line.joined } else { line.time };
                        let guest = OpenGuest {
                            guest: Arc::new(guest),
                            joined: time(joined),
                            joined_after: after,
                            muted: line.is_muted(),
                        };
                        self.join(room, guest);
                    }
                    EventKind::GuestLeft => self.leave(room, &guest.id),
                    EventKind::GuestMuted => self.mute(room, &guest.id, true),
                    EventKind::GuestUnmuted => self.mute(room, &guest.id, false),
                    _ => {}
                }
            }
        }
    }

    /// Begins a conference. If the same one is carried into another file, its guests stay.
    fn start(&mut self, id: ConferenceId, room: Arc<str>, started_after: Option<SystemTime>) {
        let name: Box<str> = folded(&room).into();
        let known = self.rooms.get(&name);
        if known.is_some_and(|known| known.id == id) {
            return;
        }
        if known.is_none() && self.rooms.len() >= MAX_ROOMS {
            return;
        }
        let guests = BTreeMap::new();
        let live = Live { id, room, started_after, guests };
        let ended = self.rooms.insert(name, live);
        self.guests -= ended.map_or(0, |ended| ended.guests.len());
    }

    fn end(&mut self, room: &str) {
        let ended = self.rooms.remove(&*folded(room));
        self.guests -= ended.map_or(0, |ended| ended.guests.len());
    }

    fn join(&mut self, room: &str, guest: OpenGuest) {
        let Some(live) = self.rooms.get_mut(&*folded(room)) else { return };
        if self.guests >= MAX_GUESTS && !live.guests.contains_key(&guest.guest.id) {
            return;
        }
        let known = live.guests.insert(guest.guest.id.clone(), guest);
        self.guests += usize::from(known.is_none());
    }

    fn leave(&mut self, room: &str, guest: &str) {
        let live = self.rooms.get_mut(&*folded(room));
        let gone = live.and_then(|live| live.guests.remove(guest));
        self.guests -= usize::from(gone.is_some());
    }

    fn mute(&mut self, room: &str, guest: &str, muted: bool) {
        let live = self.rooms.get_mut(&*folded(room));
        if let Some(guest) = live.and_then(|live| live.guests.get_mut(guest)) {
            guest.muted = muted;
        }
    }

    /// Forgets the guests with this number.
    pub(crate) fn erase(&mut self, number: Number) {
        let cleaner = Cleaner::new(number);
        for live in self.rooms.values_mut() {
            live.guests.retain(|_, guest| !cleaner.is_of(&guest.guest));
        }
        self.guests = self.rooms.values().map(|live| live.guests.len()).sum();
    }

    /// Masks the numbers of all guests.
    pub(crate) fn masked(mut self) -> Self {
        for guest in self.rooms.values_mut().flat_map(|live| live.guests.values_mut()) {
            guest.guest = Arc::new(guest.guest.masked());
        }
        self
    }

    /// Appends the lines of each room to `lines`. `time` is that of the last record, `heard` that of
    /// the last event from Asterisk.
    pub(super) fn write_lines(
        &self,
        time: SystemTime,
        heard: Option<SystemTime>,
        lines: &mut Vec<u8>,
    ) {
        let mut add = |line: Line<'_>| {
            lines.extend_from_slice(line.json().as_bytes());
            lines.push(b'\n');
        };
        for room in self.rooms.values().map(Live::open_room) {
            add(Line::carried_room(&room, time, heard));
            for guest in &room.guests {
                add(Line::carried_guest(&room, guest, time));
            }
        }
    }

    /// The conferences of all open rooms.
    pub(crate) fn ids(&self) -> impl Iterator<Item = ConferenceId> {
        self.rooms.values().map(|live| live.id)
    }

    /// The conference that is open in this room. In a masked journal, a record that is about a number
    /// has the number masked in the room's name as well.
    pub(crate) fn id_of(&self, room: &str) -> Option<ConferenceId> {
        if let Some(live) = self.rooms.get(&*folded(room)) {
            return Some(live.id);
        }
        let (before, after) = room.split_once(HIDDEN)?;
        let is_same = |name: &str| {
            let hidden = name.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
            hidden.is_some_and(|hidden| hidden.bytes().all(|byte| byte.is_ascii_digit()))
        };
        self.rooms.values().find(|live| is_same(&live.room)).map(|live| live.id)
    }

    /// All open rooms, oldest first.
    pub fn into_rooms(self) -> Vec<OpenRoom> {
        let mut rooms: Vec<_> = self.rooms.values().map(Live::open_room).collect();
        rooms.sort_by_key(|room| room.id);
        rooms
    }
}

impl Live {
    fn open_room(&self) -> OpenRoom {
        let mut guests: Vec<_> = self.guests.values().cloned().collect();
        guests.sort_by_key(|guest| guest.joined);
        let Self { id, room, started_after, .. } = self;
        OpenRoom { id: *id, room: room.clone(), started_after: *started_after, guests }
    }
}
