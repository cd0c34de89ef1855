//! Rooms and participants as the API shows them.

use std::sync::Arc;
use std::time::SystemTime;

use serde::{Serialize, Serializer};

use super::{ConferenceId, Guest};
use crate::call::view::CallView;
use crate::call::{CallId, CallInfo, Number, hide};
use crate::clock::Rfc3339;

/// A snapshot of a room.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RoomView {
    /// The name, as Asterisk spells it.
    pub room: Arc<str>,
    /// The conference; none if the room is not live.
    pub conference_id: Option<ConferenceId>,
    /// Whether anybody is in it.
    pub live: bool,
    /// Whether all this may be outdated, as the link is down.
    pub stale: bool,
    /// When the first participant came in; none if that was before this daemon could see it.
    #[serde(serialize_with = "time")]
    pub started: Option<SystemTime>,
    /// Whether Asterisk lets nobody else in.
    pub locked: bool,
    /// Whether nobody but admins is heard.
    pub muted: bool,
    /// How many are in it.
    pub participant_count: usize,
    /// The lock and mute that a key asked for, where Asterisk shows something else.
    #[serde(skip_serializing_if = "Desired::is_empty")]
    pub desired: Desired,
}

/// The kept lock and mute of a room, where Asterisk shows something else.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Desired {
    /// The lock that the daemon will apply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locked: Option<bool>,
    /// The mute that the daemon will apply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub muted: Option<bool>,
}

impl Desired {
    /// Whether all is as it was asked for.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A snapshot of a participant.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ParticipantView {
    /// The Uniqueid of the channel, which is the call's id if the participant is in a call of ours.
    pub id: Arc<str>,
    /// The call, if it is ours.
    pub call_id: Option<CallId>,
    /// The room.
    pub room: Arc<str>,
    /// The participant's number, if known.
    pub number: Option<Number>,
    /// The participant's name or number in the conference.
    pub caller_id: Arc<str>,
    /// When the participant came in; none while a move is under way, or if nobody saw it.
    #[serde(serialize_with = "time")]
    pub joined: Option<SystemTime>,
    /// Whether the participant is not heard.
    pub muted: bool,
    /// Whether the participant talks; none if talk detection is off.
    pub talking: Option<bool>,
    /// Whether the participant waits for a leader, and hears nobody.
    pub waiting: bool,
    /// Whether the participant is an admin, whom no mute of the room affects.
    pub admin: bool,
}

impl ParticipantView {
    /// A participant of this room who is in a call of ours, just as it came in.
    pub fn of_call(call: &CallInfo, room: Arc<str>) -> Self {
        Self {
            id: call.id.to_string().into(),
            call_id: Some(call.id),
            room,
            number: Some(call.number),
            caller_id: call.caller_id.as_str().into(),
            joined: None,
            muted: false,
            talking: None,
            waiting: false,
            admin: false,
        }
    }

    /// A guest of this room, just as they came in.
    pub fn of_guest(guest: &Guest, room: Arc<str>) -> Self {
        Self {
            id: guest.id.clone(),
            call_id: None,
            room,
            number: guest.number,
            caller_id: guest.caller_id.clone(),
            joined: None,
            muted: false,
            talking: None,
            waiting: false,
            admin: false,
        }
    }

    /// The same participant, with the number masked.
    pub fn masked(self) -> Self {
        let Some(number) = self.number else { return self };
        Self {
            number: Some(number.masked()),
            caller_id: hide(number, &self.caller_id).into(),
            room: hide(number, &self.room).into(),
            ..self
        }
    }
}

/// A room with everybody who is in it or invited.
#[derive(Debug, Clone, Serialize)]
pub struct RoomDetail {
    /// The room.
    #[serde(flatten)]
    pub room: RoomView,
    /// The participants, in the order in which they came.
    pub participants: Vec<ParticipantView>,
    /// The calls to it that are under way, and those that ended since the conference started and never
    /// were in it.
    pub invited: Vec<CallView>,
}

impl RoomDetail {
    /// The same room, with all numbers masked.
    pub fn masked(self) -> Self {
        Self {
            room: self.room,
            participants: self.participants.into_iter().map(ParticipantView::masked).collect(),
            invited: self.invited.into_iter().map(CallView::masked).collect(),
        }
    }
}

fn time<S: Serializer>(time: &Option<SystemTime>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(Rfc3339).serialize(serializer)
}
