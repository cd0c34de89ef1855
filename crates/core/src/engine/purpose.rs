//! The engine gives the session a purpose with each action, and gets it back with the response.

use super::request::Replies;
use super::rooms::Request as RoomPurpose;
use crate::call::CallId;
use crate::call::machine::CallChannel;

/// The purpose of an action.
#[derive(Debug)]
pub(super) enum Purpose<R: Replies> {
    /// To make this call.
    Originate(CallId),
    /// To learn which call holds the lock channel of this call's number.
    LockOwner(CallId),
    /// To hang up a channel of the call. `reply` is there if a request waits for the response.
    HangUp {
        id: CallId,
        channel: CallChannel,
        reply: Option<R::HangUp>,
    },
    /// To learn which events the AMI user may read.
    ReadRights,
    /// To make a probe call, which shows whether Asterisk sends this user the events of calls.
    ProbeCall,
    /// To list all channels.
    List,
    /// To learn which daemon and key own a listed call.
    CallOwner(CallId),
    /// To know that every event queued before the end of the list has been read: this Ping is sent
    /// after the list.
    ListBarrier,
    /// To act on a room or a participant.
    Room(RoomPurpose<R::Room>),
    /// To list all rooms.
    RoomList,
    /// To list the participants of a room.
    RoomParticipants,
    /// To know that every event queued before the end of the lists has been read: this Ping is sent
    /// after them.
    RoomBarrier,
    Logoff,
}

impl<R: Replies> Purpose<R> {
    /// Whether a request waits for the response.
    pub(super) fn is_waited_for(&self) -> bool {
        matches!(
            self,
            Purpose::HangUp { reply: Some(_), .. } | Purpose::Room(RoomPurpose::Step(..))
        )
    }
}
