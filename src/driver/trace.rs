//! Asterisk's messages in the daemon's debug log: `[log] filter = "info,originatord::ami=debug"`.

use originatord_core::ami::frame::Frame;
use originatord_core::call::CallId;

/// The log target of these lines, for the filter.
const AMI: &str = "originatord::ami";

/// Longest name of an event or response that is shown, in characters.
const MAX_NAME: usize = 64;

/// Logs the message's name, and the id of its call if it has one. The line shows no other header,
/// as most messages contain a number, which may have to be masked.
pub(super) fn trace_frame(frame: &Frame) {
    if !tracing::enabled!(target: AMI, tracing::Level::DEBUG) {
        return;
    }
    let id = |name| frame.text(name).and_then(|id| id.parse::<CallId>().ok());
    let call = id("Linkedid").or_else(|| id("Uniqueid")).or_else(|| id("ActionID"));
    let _call = call.map(|id| tracing::debug_span!(target: AMI, "call", call_id = %id).entered());
    let name =
        |header| frame.text(header).map(|text| text.chars().take(MAX_NAME).collect::<String>());
    let (ami_event, ami_response) = (name("Event"), name("Response"));
    tracing::debug!(target: AMI, ami_event, ami_response, "received");
}
