//! What a call is made of: values that are parsed once, at the border, and cannot be wrong
//! afterwards.
//!
//! Each of them ends up in an AMI header, and from there in a dialplan that splits on commas, `&`,
//! `@` and `/`. The rules are those of the original API's fields, made tight enough that no value
//! can be anything but what it is called.

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
mod state;
mod text;
pub mod unicode;
pub mod view;

use std::sync::Arc;

use serde::Serialize;

pub use id::{CallId, NotACallId, lock_id, locked_number};
pub use masking::hide;
pub use number::Number;
pub use refusal::Refusal;
pub use text::{CallerId, Lang, MAX_LANG, MAX_TEXT, Room};

/// Why a field was refused: the field's name in the API, and the rule it breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {rule}")]
pub struct Invalid {
    /// The field's name in `POST /api/conf`.
    pub field: &'static str,
    /// What the field has to be.
    pub rule: &'static str,
}

/// Who is called, where to, and on whose behalf: what never changes during a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CallInfo {
    /// The call's id.
    #[serde(rename = "call_id")]
    pub id: CallId,
    /// The callee.
    pub number: Number,
    /// The conference the callee joins.
    pub room: Room,
    /// How the callee is presented in it.
    pub caller_id: CallerId,
    /// The language of the prompts.
    pub lang: Lang,
    /// The name of the API key that asked.
    pub key: Arc<str>,
}

impl CallInfo {
    /// The same call, with its number masked, in its other texts too.
    pub fn masked(&self) -> Self {
        let number = self.number;
        let (room, caller_id) = (self.room.masked(number), self.caller_id.masked(number));
        Self { number: number.masked(), room, caller_id, ..self.clone() }
    }
}
