//! Requests about rooms, and their answers.

use std::sync::Arc;

use super::request::SubmitError;
use crate::call::Room;
use crate::room::{ParticipantView, RoomDetail, RoomView};

/// A change of a room or of a participant, on behalf of the API key of this name. Rooms are named in
/// any case of letters; participants by the id that the API shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomRequest {
    /// The room's name.
    pub room: Arc<str>,
    /// The change to make.
    pub action: RoomAction,
    /// The key's name, for the records.
    pub key: Arc<str>,
}

/// A change of a room, or of one participant in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoomAction {
    /// Lock or unlock it, mute or unmute everybody. `None` leaves it as it is.
    Change {
        /// Whether nobody else can come in.
        locked: Option<bool>,
        /// Whether nobody but admins is heard.
        muted: Option<bool>,
    },
    /// End it for everybody.
    End,
    /// Change one participant. `None` leaves it as it is.
    ChangeParticipant {
        /// The participant's id.
        id: Arc<str>,
        /// Whether the participant is not heard.
        muted: Option<bool>,
        /// The room to move the participant to.
        room: Option<Room>,
    },
    /// Take a participant out.
    Kick {
        /// The participant's id.
        id: Arc<str>,
    },
}

impl RoomAction {
    /// All values of [`name`](Self::name).
    pub const NAMES: [&'static str; 9] = [
        "lock",
        "unlock",
        "mute",
        "unmute",
        "end",
        "mute_participant",
        "unmute_participant",
        "move",
        "kick",
    ];

    /// The action's name in the metrics.
    pub fn name(&self) -> &'static str {
        match self {
            RoomAction::Change { locked: Some(true), .. } => "lock",
            RoomAction::Change { locked: Some(false), .. } => "unlock",
            RoomAction::Change { muted: Some(false), .. } => "unmute",
            RoomAction::Change { .. } => "mute",
            RoomAction::End => "end",
            RoomAction::ChangeParticipant { room: Some(_), .. } => "move",
            RoomAction::ChangeParticipant { muted: Some(false), .. } => "unmute_participant",
            RoomAction::ChangeParticipant { .. } => "mute_participant",
            RoomAction::Kick { .. } => "kick",
        }
    }
}

/// A list of rooms.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct Rooms {
    /// The first rooms by name.
    pub rooms: Vec<RoomView>,
    /// The number of all rooms, listed or not.
    pub total: usize,
}

/// The answer to a request that was carried out.
#[derive(Debug, Clone)]
pub enum RoomAnswer {
    /// The changed room.
    Room(Box<RoomDetail>),
    /// The changed participant.
    Participant(Box<ParticipantView>),
    /// The room has ended, or the participant is out.
    Done,
}

/// The reason why a request about a room was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RoomError {
    /// The room is not live, and nothing is kept for it.
    #[error("no such room")]
    NoSuchRoom,
    /// Nobody in the room has this id.
    #[error("no such participant")]
    NoSuchParticipant,
    /// The room to move to is locked.
    #[error("the room {0} is locked")]
    TargetLocked(Arc<str>),
    /// One participant of a muted room was to be unmuted.
    #[error("the room is muted: nobody in it can be unmuted alone")]
    RoomMuted,
    /// The room is not live, so there is nobody to end it for.
    #[error("the room is not live")]
    NotLive,
    /// Asterisk's message.
    #[error("Asterisk refused: {0}")]
    Rejected(Arc<str>),
    /// The link is down, for this reason.
    #[error("{0}")]
    LinkDown(Arc<str>),
    /// Asterisk did not answer in time. The change may or may not be made.
    #[error("Asterisk did not answer in time; try again")]
    TimedOut,
    /// The engine did not get the request.
    #[error(transparent)]
    NotSubmitted(#[from] SubmitError),
}
