//! The channel variable `ORIGINATORD` names the daemon and the API key that own a call, and repeats
//! the request.
//!
//! Asterisk keeps the variable with the call's first channel. A restarted daemon reads it there,
//! and so recognises its own calls.

use crate::call::{CallId, CallInfo, Number};

/// The variable's name.
pub(super) const VARIABLE: &str = "ORIGINATORD";

/// The variable's value: `instance/key/lang/room/caller_id`.
pub(super) fn format(instance: &str, info: &CallInfo) -> String {
    let CallInfo { key, lang, room, caller_id, .. } = info;
    format!("{instance}/{key}/{lang}/{room}/{caller_id}")
}

/// The call that the value describes, unless another instance owns it.
pub(super) fn parse(instance: &str, id: CallId, number: Number, value: &str) -> Option<CallInfo> {
    let mut parts = value.splitn(5, '/');
    if parts.next()? != instance {
        return None;
    }
    let key = parts.next()?.into();
    let lang = parts.next()?.parse().ok()?;
    let room = parts.next()?.parse().ok()?;
    let caller_id = parts.next()?.parse().ok()?;
    Some(CallInfo { id, number, room, caller_id, lang, key })
}
