//! The purpose of an action. The session returns it with the response.

use crate::call::CallId;
use crate::call::machine::CallChannel;

/// The purpose of an action.
#[derive(Debug)]
pub(super) enum Purpose<H> {
    /// To make this call.
    Originate(CallId),
    /// To learn which call holds the lock channel of this call's number.
    LockOwner(CallId),
    /// To hang up a channel of the call. `reply` is the place for the answer, if a request waits
    /// for it.
    HangUp {
        id: CallId,
        channel: CallChannel,
        reply: Option<H>,
    },
    /// To learn which events the AMI user may read.
    ReadRights,
    /// To see whether the events of a call arrive.
    ProbeCall,
    /// To list all channels.
    List,
    /// To learn which daemon and key own a listed call.
    CallOwner(CallId),
    /// To know that every event queued before the end of the list has been read: this Ping is sent
    /// after the list.
    ListBarrier,
    Logoff,
}

impl<H> Purpose<H> {
    /// The place for the answer to a hang-up, if a request waits for it.
    pub(super) fn into_reply(self) -> Option<H> {
        match self {
            Purpose::HangUp { reply, .. } => reply,
            _ => None,
        }
    }
}
