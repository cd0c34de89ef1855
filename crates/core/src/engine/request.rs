//! What the engine can be asked, and its answers.

use std::sync::Arc;

use crate::call::view::CallView;
use crate::call::{CallId, CallInfo, CallerId, Lang, Number, Refusal, Room};

/// A call as a bot asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Whom to call.
    pub number: Number,
    /// Where to put who answers.
    pub room: Room,
    /// How the callee is presented.
    pub caller_id: CallerId,
    /// The language of the prompts.
    pub lang: Lang,
    /// The name of the key that asks.
    pub key: Arc<str>,
}

impl Request {
    /// The call that is asked for, under this id.
    pub fn into_info(self, id: CallId) -> CallInfo {
        let Self { number, room, caller_id, lang, key } = self;
        CallInfo { id, number, room, caller_id, lang, key }
    }
}

/// Why an Originate did not end in "ok".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OriginateError {
    /// No call is made.
    #[error("{0}")]
    Refused(Refusal),
    /// Asterisk did not say in time; the call may be made or not, and the log will tell.
    #[error("Asterisk did not answer in time; the call may still be made")]
    Unconfirmed(CallId),
    /// The engine was not even asked for this, and so has not logged it.
    #[error("{0}")]
    NotAsked(AskError, Box<Request>),
}

/// Why a call was not hung up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HangUpError {
    /// No call of that id, now or lately.
    #[error("no such call")]
    NoSuchCall,
    /// It is over already.
    #[error("the call is over")]
    AlreadyEnded,
    /// No link to Asterisk; with what is wrong.
    #[error("Asterisk is not reachable: {0}")]
    LinkDown(Arc<str>),
    /// Asterisk refused, with these words.
    #[error("Asterisk refused to hang up: {0}")]
    Rejected(Arc<str>),
    /// Asterisk did not say in time.
    #[error("Asterisk did not answer in time")]
    TimedOut,
    /// The engine was not even asked.
    #[error(transparent)]
    NotAsked(AskError),
}

/// Why a number was not erased.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EraseError {
    /// It is in a call, of which more would be written.
    #[error("the number is in a call")]
    InCall,
    /// The engine was not even asked.
    #[error(transparent)]
    NotAsked(AskError),
}

/// Why the engine was not asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// Its queue is full.
    #[error("too many requests at once")]
    Overloaded,
    /// It has left.
    #[error("the daemon is stopping")]
    Stopping,
}

/// Calls, for those who watch.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Calls {
    /// Those that live, newest first.
    pub live: Vec<CallView>,
    /// Those that ended lately, newest first.
    pub ended: Vec<CallView>,
    /// How many live in all.
    pub live_total: usize,
}
