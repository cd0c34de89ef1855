//! Finds the conference that a record is about.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::journal::sink::{OpenCalls, OpenRooms};
use originatord_core::call::machine::State;
use originatord_core::call::{CallInfo, Number};
use originatord_core::record::{Entry, Event, Record};
use originatord_core::room::{ConferenceId, Guest, GuestChange, LeaveReason, RoomChange};

/// The conferences that are open now.
#[derive(Debug, Default)]
pub(in crate::history) struct Tracker {
    rooms: OpenRooms,
    calls: OpenCalls,
    /// The conferences that were open when this run began.
    earlier: BTreeSet<ConferenceId>,
}

/// A change of the story of a conference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::history) struct Step {
    /// The conference; none for a call that ended, wherever it was.
    pub(super) conference: Option<ConferenceId>,
    pub(super) time: SystemTime,
    pub(super) change: Change,
}

/// A change of a conference's story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    Start {
        room: Arc<str>,
        after: Option<SystemTime>,
    },
    End {
        room: Arc<str>,
        after: Option<SystemTime>,
        by: Option<Arc<str>>,
    },
    Join {
        who: Who,
        after: Option<SystemTime>,
        only_first: bool,
    },
    Leave {
        who: Who,
        departure: Departure,
    },
    /// A key has taken the participant out or moves them; they leave soon.
    Removal {
        participant: Box<str>,
        reason: LeaveReason,
        by: Arc<str>,
        moved_to: Option<Arc<str>>,
    },
    SpanBegin {
        span: Span,
        by: Option<Arc<str>>,
    },
    SpanEnd {
        span: Span,
    },
    /// The call is over, and so is its stay in any conference.
    CallEnd {
        participant: Box<str>,
        after: Option<SystemTime>,
    },
}

/// A participant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Who {
    pub(super) id: Box<str>,
    pub(super) number: Option<Number>,
    pub(super) caller_id: Box<str>,
}

/// How a participant left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Departure {
    pub(super) after: Option<SystemTime>,
    pub(super) reason: Option<LeaveReason>,
    pub(super) by: Option<Arc<str>>,
    pub(super) moved_to: Option<Arc<str>>,
    pub(super) talked: Option<Duration>,
}

/// A time during which something holds for a conference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Span {
    /// The room is locked.
    Lock,
    /// Everybody is muted.
    RoomMute,
    /// This participant is muted.
    Mute(Box<str>),
}

impl Who {
    fn call(call: &CallInfo) -> Self {
        Self {
            id: call.id.to_string().into(),
            number: Some(call.number),
            caller_id: call.caller_id.as_str().into(),
        }
    }

    fn guest(guest: &Guest) -> Self {
        Self { id: (*guest.id).into(), number: guest.number, caller_id: (*guest.caller_id).into() }
    }
}

impl Tracker {
    /// A tracker that knows the calls and rooms that earlier runs left open.
    pub(in crate::history) fn new(calls: OpenCalls, rooms: OpenRooms) -> Self {
        let earlier = rooms.ids().collect();
        Self { rooms, calls, earlier }
    }

    /// The conferences that were open when this run began. Any other that has no end in the history
    /// has lost it.
    pub(in crate::history) fn earlier(&self) -> &BTreeSet<ConferenceId> {
        &self.earlier
    }

    /// The changes that follow from the entries. To be called once for each entry, in their order.
    pub(in crate::history) fn steps(&mut self, batch: &[Entry]) -> Vec<Step> {
        let mut steps = Vec::new();
        for entry in batch {
            if let Entry::Record(record) = entry {
                // The end of a room is looked up before it is applied, its start after it.
                let before = self.step(record);
                self.rooms.entry(entry);
                steps.extend(before.or_else(|| self.step(record)));
            }
            self.calls.entry(entry);
        }
        steps
    }

    /// Forgets the calls and guests with this number.
    pub(in crate::history) fn erase(&mut self, number: Number) {
        self.calls.erase(number);
        self.rooms.erase(number);
    }

    /// The state of all open conferences as steps, for a database that may not have them: a new one,
    /// or one that was off when they started.
    pub(in crate::history) fn adoption(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        for room in self.rooms.clone().into_rooms() {
            let mut add = |time, change| {
                steps.push(Step { conference: Some(room.id), time, change });
            };
            let after = room.started_after;
            add(room.id.time(), Change::Start { room: room.room.clone(), after });
            for open in &room.guests {
                let (who, after) = (Who::guest(&open.guest), open.joined_after);
                let joined = open.joined.unwrap_or(room.id.time());
                add(joined, Change::Join { who, after, only_first: true });
            }
        }
        let joined = self.calls.iter().filter(|call| call.progress.state == State::Joined);
        steps.extend(joined.filter_map(|call| {
            let (who, after) = (Who::call(&call.info), None);
            Some(Step {
                conference: Some(self.rooms.id_of(call.info.room.as_str())?),
                time: call.progress.timestamps.joined?,
                change: Change::Join { who, after, only_first: true },
            })
        }));
        steps
    }

    /// The change that follows from the record; none if it is about no open conference.
    fn step(&self, record: &Record) -> Option<Step> {
        let (conference, change) = match (&record.event, record.call.as_deref()) {
            (Event::Room { room, change }, _) => self.room_step(room, change)?,
            (Event::Guest { guest, room, change }, _) => {
                (self.rooms.id_of(room)?, guest_change(guest, change))
            }
            (Event::CallEnded(end), Some(call)) => {
                // Else it has left already.
                self.calls.get(call.id).filter(|open| open.progress.state == State::Joined)?;
                let after = end.ended_between.map(|(after, _)| after);
                let participant = call.id.to_string().into();
                let change = Change::CallEnd { participant, after };
                return Some(Step { conference: None, time: record.time, change });
            }
            (event, Some(call)) => {
                let (room, change) = call_change(event, call)?;
                (self.rooms.id_of(room)?, change)
            }
            _ => return None,
        };
        Some(Step { conference: Some(conference), time: record.time, change })
    }

    fn room_step(&self, room: &Arc<str>, change: &RoomChange) -> Option<(ConferenceId, Change)> {
        let begin = |span, by: &Option<Arc<str>>| Change::SpanBegin { span, by: by.clone() };
        let change = match change {
            RoomChange::Started { id, after } => {
                return Some((*id, Change::Start { room: room.clone(), after: *after }));
            }
            RoomChange::Ended { id, after, by } => {
                let end = Change::End { room: room.clone(), after: *after, by: by.clone() };
                return Some((*id, end));
            }
            RoomChange::Locked { by } => begin(Span::Lock, by),
            RoomChange::Muted { by } => begin(Span::RoomMute, by),
            RoomChange::Unlocked { .. } => Change::SpanEnd { span: Span::Lock },
            RoomChange::Unmuted { .. } => Change::SpanEnd { span: Span::RoomMute },
        };
        Some((self.rooms.id_of(room)?, change))
    }
}

fn guest_change(guest: &Guest, change: &GuestChange) -> Change {
    let span = || Span::Mute((*guest.id).into());
    match change {
        GuestChange::Joined { after } => {
            Change::Join { who: Who::guest(guest), after: *after, only_first: false }
        }
        GuestChange::Left(left) => Change::Leave {
            who: Who::guest(guest),
            departure: Departure {
                after: left.after,
                reason: left.reason,
                by: left.by.clone(),
                moved_to: left.moved_to.clone(),
                talked: left.talked,
            },
        },
        GuestChange::Muted { by } => Change::SpanBegin { span: span(), by: by.clone() },
        GuestChange::Unmuted { .. } => Change::SpanEnd { span: span() },
    }
}

/// The room that an event of a call is about, and what it changes there.
fn call_change<'e>(event: &'e Event, call: &CallInfo) -> Option<(&'e str, Change)> {
    let participant = || call.id.to_string().into();
    Some(match event {
        Event::CallJoined { conference, after } => {
            (conference, Change::Join { who: Who::call(call), after: *after, only_first: false })
        }
        Event::CallLeft { conference, after, talked } => {
            let departure = Departure { after: *after, talked: *talked, ..Departure::default() };
            (conference, Change::Leave { who: Who::call(call), departure })
        }
        Event::CallKicked { conference, by } => {
            let (reason, by) = (LeaveReason::Kicked, by.clone());
            let participant = participant();
            (conference, Change::Removal { participant, reason, by, moved_to: None })
        }
        Event::CallMoved { conference, moved_to, by } => {
            let (reason, by, moved_to) = (LeaveReason::Moved, by.clone(), Some(moved_to.clone()));
            let participant = participant();
            (conference, Change::Removal { participant, reason, by, moved_to })
        }
        Event::CallMuted { conference, by } => {
            let span = Span::Mute(participant());
            (conference, Change::SpanBegin { span, by: by.clone() })
        }
        Event::CallUnmuted { conference, .. } => {
            (conference, Change::SpanEnd { span: Span::Mute(participant()) })
        }
        _ => return None,
    })
}
