//! Requests to the engine, and its answers.

use std::fmt::Debug;
use std::sync::Arc;

use crate::call::view::CallView;
use crate::call::{CallId, CallInfo, CallerId, Lang, Number, Refusal, Room};

/// The types of the reply handles. The engine keeps the handle of a request, and returns it with the
/// answer.
pub trait Replies: Debug {
    /// The handle of a request for a call.
    type Originate: Debug;
    /// The handle of a request to hang a call up.
    type HangUp: Debug;
    /// The handle of a request about a room.
    type Room: Debug;
}

/// A call as a bot asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The callee's number.
    pub number: Number,
    /// The room that the callee joins.
    pub room: Room,
    /// The callee's display name in the conference.
    pub caller_id: CallerId,
    /// The language of the prompts.
    pub lang: Lang,
    /// The name of the API key that asks.
    pub key: Arc<str>,
}

impl Request {
    /// The requested call, with this id.
    pub fn into_info(self, id: CallId) -> CallInfo {
        let Self { number, room, caller_id, lang, key } = self;
        CallInfo { id, number, room, caller_id, lang, key }
    }
}

/// The reason why a request for a call was not answered "ok".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OriginateError {
    /// No call is made.
    #[error("{0}")]
    Refused(Refusal),
    /// Asterisk did not answer in time. The call may or may not be made; the journal will show it.
    #[error("Asterisk did not answer in time; the call may still be made")]
    Unconfirmed(CallId),
    /// The engine did not get the request, so it has not recorded it.
    #[error("{0}")]
    NotSubmitted(SubmitError, Box<Request>),
}

/// The reason why a call was not hung up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HangUpError {
    /// No call with that id is live or has ended lately.
    #[error("no such call")]
    NoSuchCall,
    /// All channels of the call are gone.
    #[error("the call is over")]
    AlreadyEnded,
    /// The link to Asterisk is down, for this reason.
    #[error("Asterisk is not reachable: {0}")]
    LinkDown(Arc<str>),
    /// Asterisk refused, with this message.
    #[error("Asterisk refused to hang up: {0}")]
    Rejected(Arc<str>),
    /// Asterisk did not answer in time.
    #[error("Asterisk did not answer in time")]
    TimedOut,
    /// The engine did not get the request.
    #[error(transparent)]
    NotSubmitted(SubmitError),
}

/// The reason why a number was not erased.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EraseError {
    /// The number is in a call, whose further records would contain it again.
    #[error("the number is in a call")]
    InCall,
    /// The engine did not get the request.
    #[error(transparent)]
    NotSubmitted(SubmitError),
}

/// The reason why the engine did not get a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The engine's queue is full.
    #[error("too many requests at once")]
    Overloaded,
    /// The engine has ended.
    #[error("the daemon is stopping")]
    Stopping,
}

/// A list of calls.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Calls {
    /// Live calls, newest first.
    pub live: Vec<CallView>,
    /// Calls that have ended lately, newest first.
    pub ended: Vec<CallView>,
    /// The number of all live calls in the filter's `rooms`, listed or not.
    pub live_total: usize,
}

/// How many calls to list at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListLimits {
    /// Live calls.
    pub live: usize,
    /// Calls that have ended lately.
    pub ended: usize,
}
