//! Encodes the actions that the daemon uses as frames.
//!
//! Asterisk's own reference describes each action (`manager show command Originate`).

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use bytes::{BufMut, BytesMut};

use crate::call::CallId;

/// Longest line that Asterisk accepts, line end included: `char inbuf[1025]` in `main/manager.c`
/// (`struct mansession`).
pub const MAX_LINE: usize = 1024;

/// The id that a response shares with its action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ActionId {
    /// Counted within the session.
    Counted(u64),
    /// The id of the call that an Originate makes, so that its OriginateResponse finds the call
    /// even in a later session.
    Call(CallId),
}

impl ActionId {
    /// Parses `text`; `None` if it is not an id that the daemon gives to actions.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        text.parse().map(ActionId::Counted).ok().or_else(|| text.parse().map(ActionId::Call).ok())
    }
}

impl fmt::Display for ActionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ActionId::Counted(count) => count.fmt(f),
            ActionId::Call(id) => id.fmt(f),
        }
    }
}

/// `Action: Originate`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Originate {
    /// The channel to call.
    pub channel: String,
    /// The context that the answered channel enters.
    pub context: String,
    /// The extension in `context`.
    pub exten: String,
    /// The priority of the extension. It is always sent, because only then does Asterisk check that
    /// the extension exists.
    pub priority: u32,
    /// How long the channel may ring.
    pub timeout: Duration,
    /// The caller's number or name, without the angle brackets of the header; empty for none.
    pub caller_id: String,
    /// Channel variables.
    pub variables: Vec<(Cow<'static, str>, String)>,
    /// The Uniqueid of the channel, or of a Local channel's first half.
    pub channel_id: String,
    /// The Uniqueid of a Local channel's second half.
    pub other_channel_id: String,
}

/// An action for Asterisk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Asks for a challenge to log in by MD5.
    Challenge,
    /// Logs in with an MD5 digest (hex) of challenge and secret.
    LoginMd5 {
        /// The AMI user.
        username: String,
        /// The digest.
        key: String,
    },
    /// Logs in with the secret itself.
    LoginPlain {
        /// The AMI user.
        username: String,
        /// The secret.
        secret: Secret,
    },
    /// Asks for a response, which proves that Asterisk is alive.
    Ping,
    /// Makes a call.
    Originate(Box<Originate>),
    /// Hangs up a channel, named by its Uniqueid.
    Hangup {
        /// The channel's Uniqueid.
        channel: String,
    },
    /// Lists all channels.
    CoreShowChannels,
    /// Reads a channel's variable.
    GetVar {
        /// The channel's Uniqueid.
        channel: String,
        /// The variable's name.
        variable: &'static str,
    },
    /// Logs off.
    Logoff,
    /// Any other action, by its name and headers; `check` uses it.
    Other(&'static str, Vec<(&'static str, String)>),
}

/// A secret on its way into a frame; `Debug` does not print it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The events to receive, as classes of `manager.conf`; sent with the login.
const EVENT_CLASSES: &str = "call,system,user";

/// The value of this header would break out of its line, or is too long for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("header {name} holds a line break or NUL, or does not fit into a line of {MAX_LINE} bytes")]
pub struct Unsendable {
    /// The header's name.
    pub name: &'static str,
}

impl Action {
    /// Appends the action's frame to `out`.
    ///
    /// # Errors
    ///
    /// A header cannot be sent; `out` is unchanged.
    pub fn encode(&self, id: &ActionId, out: &mut BytesMut) -> Result<(), Unsendable> {
        let before = out.len();
        self.encode_headers(id, out).inspect_err(|_| out.truncate(before))?;
        out.put_slice(b"\r\n");
        Ok(())
    }

    fn encode_headers(&self, id: &ActionId, out: &mut BytesMut) -> Result<(), Unsendable> {
        let mut put = |name, value: &[&str]| put_header(out, name, value);
        let name = match self {
            Action::Challenge => "Challenge",
            Action::LoginMd5 { .. } | Action::LoginPlain { .. } => "Login",
            Action::Ping => "Ping",
            Action::Originate(_) => "Originate",
            Action::Hangup { .. } => "Hangup",
            Action::CoreShowChannels => "CoreShowChannels",
            Action::GetVar { .. } => "GetVar",
            Action::Logoff => "Logoff",
            Action::Other(name, _) => name,
        };
        put("Action", &[name])?;
        put("ActionID", &[&id.to_string()])?;
        match self {
            Action::Challenge => put("AuthType", &["MD5"])?,
            Action::LoginMd5 { username, key } => {
                put("AuthType", &["MD5"])?;
                put("Username", &[username])?;
                put("Key", &[key])?;
                put("Events", &[EVENT_CLASSES])?;
            }
            Action::LoginPlain { username, secret } => {
                put("Username", &[username])?;
                put("Secret", &[&secret.0])?;
                put("Events", &[EVENT_CLASSES])?;
            }
            Action::Originate(originate) => {
                put("Channel", &[&originate.channel])?;
                put("Context", &[&originate.context])?;
                put("Exten", &[&originate.exten])?;
                put("Priority", &[&originate.priority.to_string()])?;
                put("Timeout", &[&originate.timeout.as_millis().to_string()])?;
                if !originate.caller_id.is_empty() {
                    put("CallerID", &["<", &originate.caller_id, ">"])?;
                }
                for (name, value) in &originate.variables {
                    put("Variable", &[name, "=", value])?;
                }
                // Without it Asterisk handles no other action of the session until the call is
                // answered.
                put("Async", &["true"])?;
                put("ChannelId", &[&originate.channel_id])?;
                put("OtherChannelId", &[&originate.other_channel_id])?;
            }
            Action::Hangup { channel } => put("Channel", &[channel])?,
            Action::GetVar { channel, variable } => {
                put("Channel", &[channel])?;
                put("Variable", &[variable])?;
            }
            Action::Other(_, headers) => {
                for (name, value) in headers {
                    put(name, &[value])?;
                }
            }
            Action::Ping | Action::CoreShowChannels | Action::Logoff => {}
        }
        Ok(())
    }
}

/// Writes one header, whose value is the concatenation of these parts. No value is written anywhere
/// else, so none escapes the check.
fn put_header(out: &mut BytesMut, name: &'static str, value: &[&str]) -> Result<(), Unsendable> {
    let start = out.len();
    out.put_slice(name.as_bytes());
    out.put_slice(b": ");
    let value_start = out.len();
    value.iter().for_each(|part| out.put_slice(part.as_bytes()));
    let breaks_out = out[value_start..].iter().any(|b| matches!(b, b'\r' | b'\n' | 0));
    out.put_slice(b"\r\n");
    if breaks_out || out.len() - start > MAX_LINE {
        return Err(Unsendable { name });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
