//! The lines of rooms and guests: how they are carried into a new journal file, and read back.

use std::time::SystemTime;

use super::Line;
use crate::clock::Rfc3339;
use crate::record::EventKind;
use crate::room::{Guest, MAX_CONFERENCE, OpenGuest, OpenRoom};

/// Longest Uniqueid that is read back, in bytes: Asterisk's `MAX_UNIQUEID` is 150.
const MAX_GUEST_ID: usize = 150;

impl<'a> Line<'a> {
    /// The line that repeats an open room at the top of a journal file. `time` is the time of the
    /// last record, `heard` that of the last event from Asterisk.
    pub fn carried_room(room: &'a OpenRoom, time: SystemTime, heard: Option<SystemTime>) -> Self {
        Line {
            room: Some((*room.room).into()),
            conference_id: Some(room.id),
            after: room.started_after.map(Rfc3339),
            heard: heard.map(Rfc3339),
            ..Self::carried_line(EventKind::RoomCarried, time)
        }
    }

    /// The line that repeats a guest of an open room at the top of a journal file. `time` is the
    /// time of the last record.
    pub fn carried_guest(room: &'a OpenRoom, guest: &'a OpenGuest, time: SystemTime) -> Self {
        let OpenGuest { guest, joined, joined_after, muted } = guest;
        Line {
            guest_id: Some((*guest.id).into()),
            number: guest.number,
            room: Some((*room.room).into()),
            caller_id: Some((*guest.caller_id).into()),
            joined: joined.map(Rfc3339),
            after: joined_after.map(Rfc3339),
            state: muted.then(|| MUTED.into()),
            ..Self::carried_line(EventKind::GuestCarried, time)
        }
    }

    fn carried_line(kind: EventKind, time: SystemTime) -> Self {
        let time_after_event = Some(Rfc3339(time));
        Line { event: kind.as_str().into(), time_after_event, ..Line::default() }
    }

    /// The guest that a line is about; none if it is about none.
    pub fn guest(&self) -> Option<Guest> {
        let id = self.guest_id.as_deref().filter(|id| (1..=MAX_GUEST_ID).contains(&id.len()))?;
        let caller_id = self.caller_id.as_deref().unwrap_or_default().into();
        Some(Guest { id: id.into(), number: self.number, caller_id })
    }

    /// The name of the room of a line about a room or a guest, if a conference can have it.
    pub fn room_name(&self) -> Option<&str> {
        self.room.as_deref().filter(|room| (1..=MAX_CONFERENCE).contains(&room.len()))
    }

    /// Whether a carried guest is not heard.
    pub fn is_muted(&self) -> bool {
        self.state.as_deref() == Some(MUTED)
    }
}

/// `state` of a carried guest who is not heard.
const MUTED: &str = "muted";
