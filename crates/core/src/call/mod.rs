//! A call: its values, its state, and its outcome.
//!
//! The daemon parses the values of a request once, and every value that exists is valid. The daemon
//! writes each of them to an AMI header, from which it reaches a dialplan that splits on commas,
//! `&`, `@` and `/`. The rules are those of the original API's fields, and so strict that neither
//! AMI nor a dialplan can give a value a second meaning.

mod fact;
pub mod filter;
mod id;
pub(crate) mod lenient;
pub mod limits;
pub mod machine;
mod masking;
mod number;
pub mod numbering;
pub mod outcome;
pub mod progress;
pub mod refusal;
mod room_patterns;
mod state;
mod text;
pub mod unicode;
pub mod view;

use std::sync::Arc;

use serde::Serialize;

pub(crate) use id::locked_number;
pub use id::{CallId, NotACallId, lock_id};
pub use masking::hide;
pub use number::Number;
pub use refusal::Refusal;
pub use room_patterns::RoomPatterns;
pub use text::{CallerId, Lang, MAX_LANG, MAX_TEXT, Room};

/// The error for a field that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {rule}")]
pub struct Invalid {
    /// The field's name in `POST /api/conf`.
    pub field: &'static str,
    /// The rule, as in "must be a string".
    pub rule: &'static str,
}

/// The values of a call that never change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CallInfo {
    /// The call's id.
    #[serde(rename = "call_id")]
    pub id: CallId,
    /// The callee's number.
    pub number: Number,
    /// The conference the callee joins.
    pub room: Room,
    /// The name or number under which the callee appears in the conference.
    pub caller_id: CallerId,
    /// The language of the prompts.
    pub lang: Lang,
    /// The name of the API key that requested the call.
    pub key: Arc<str>,
}

impl CallInfo {
    /// The same call with its number masked, also where other texts contain the number.
    pub fn masked(&self) -> Self {
        let number = self.number;
        let (room, caller_id) = (self.room.masked(number), self.caller_id.masked(number));
        Self { number: number.masked(), room, caller_id, ..self.clone() }
    }
}
