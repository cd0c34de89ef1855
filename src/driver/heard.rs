//! What Asterisk says, for the debug log: `[log] filter = "info,originatord::ami=debug"`.

use crate::ami::frame::Frame;
use crate::call::CallId;

/// What the filter calls it.
const AMI: &str = "originatord::ami";

/// Most of a word of Asterisk's that is shown, in characters.
const MAX_WORD: usize = 64;

/// Notes which message this is and, where that can be told, of which call. No more of it: a number
/// that is masked elsewhere stands in most of them.
pub(super) fn note(frame: &Frame) {
    if !tracing::enabled!(target: AMI, tracing::Level::DEBUG) {
        return;
    }
    let id = |name| frame.text(name).and_then(|id| id.parse::<CallId>().ok());
    let call = id("Linkedid").or_else(|| id("Uniqueid")).or_else(|| id("ActionID"));
    let _call = call.map(|id| tracing::debug_span!(target: AMI, "call", call_id = %id).entered());
    let word = |name| frame.text(name).map(|text| text.chars().take(MAX_WORD).collect::<String>());
    let (ami_event, ami_response) = (word("Event"), word("Response"));
    tracing::debug!(target: AMI, ami_event, ami_response, "heard");
}
