//! Actions to frames, and frames to responses and events: the few of each that are used here.
//!
//! What an action or event is made of is in Asterisk's own reference (`manager show command Originate`,
//! `manager show event Hangup`).

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use bytes::{BufMut, BytesMut};

use super::frame::Frame;
use crate::call::CallId;
use crate::call::outcome::Cause;

/// Longest line Asterisk takes, line end included: `char inbuf[1025]` in `main/manager.c` (`struct
/// mansession`); it refuses what does not fit.
pub const MAX_LINE: usize = 1024;

/// What ties a response to its action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ActionId {
    /// Counted within the session.
    Counted(u64),
    /// An Originate's: the call's own id, so that its OriginateResponse finds the call even in a later session.
    Call(CallId),
}

impl ActionId {
    /// The id that `text` is, if it can be one of ours.
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
    /// Where the answered channel goes.
    pub context: String,
    /// Which extension of it.
    pub exten: String,
    /// Which priority; always sent, because only then does Asterisk check that the extension exists.
    pub priority: u32,
    /// How long it may ring.
    pub timeout: Duration,
    /// The caller's number or name, without the brackets it is sent in.
    pub caller_id: String,
    /// Channel variables.
    pub variables: Vec<(Cow<'static, str>, String)>,
    /// The Uniqueid of the channel, or of a Local channel's `;1`.
    pub channel_id: String,
    /// The Uniqueid of a Local channel's `;2`.
    pub other_channel_id: String,
}

/// What Asterisk is asked to do.
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
    /// Asks for a sign of life.
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
    /// Says goodbye.
    Logoff,
    /// Any other action, by its name and headers; what `check` asks with.
    Other(&'static str, Vec<(&'static str, String)>),
}

/// A secret on its way into a frame; not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The events that are asked for at login, as classes of `manager.conf`.
const EVENT_CLASSES: &str = "call,system,user";

/// A header cannot be sent as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("header {name} holds a line break or NUL, or does not fit into a line of {MAX_LINE} bytes")]
pub struct Unsendable {
    /// The header's name.
    pub name: &'static str,
}

impl Action {
    /// Appends the action's frame to `out`; on error `out` is as it was.
    pub fn encode(&self, id: &ActionId, out: &mut BytesMut) -> Result<(), Unsendable> {
        let before = out.len();
        self.encode_headers(id, out).inspect_err(|_| out.truncate(before))?;
        out.put_slice(b"\r\n");
        Ok(())
    }

    fn encode_headers(&self, id: &ActionId, out: &mut BytesMut) -> Result<(), Unsendable> {
        let mut put = |name, value: fmt::Arguments<'_>| put_header(out, name, value);
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
        put("Action", format_args!("{name}"))?;
        put("ActionID", format_args!("{id}"))?;
        match self {
            Action::Challenge => put("AuthType", format_args!("MD5"))?,
            Action::LoginMd5 { username, key } => {
                put("AuthType", format_args!("MD5"))?;
                put("Username", format_args!("{username}"))?;
                put("Key", format_args!("{key}"))?;
                put("Events", format_args!("{EVENT_CLASSES}"))?;
            }
            Action::LoginPlain { username, secret } => {
                put("Username", format_args!("{username}"))?;
                put("Secret", format_args!("{}", secret.0))?;
                put("Events", format_args!("{EVENT_CLASSES}"))?;
            }
            Action::Originate(originate) => {
                put("Channel", format_args!("{}", originate.channel))?;
                put("Context", format_args!("{}", originate.context))?;
                put("Exten", format_args!("{}", originate.exten))?;
                put("Priority", format_args!("{}", originate.priority))?;
                put("Timeout", format_args!("{}", originate.timeout.as_millis()))?;
                put("CallerID", format_args!("<{}>", originate.caller_id))?;
                for (name, value) in &originate.variables {
                    put("Variable", format_args!("{name}={value}"))?;
                }
                // Without it the whole AMI session stands still until the call is answered.
                put("Async", format_args!("true"))?;
                put("ChannelId", format_args!("{}", originate.channel_id))?;
                put("OtherChannelId", format_args!("{}", originate.other_channel_id))?;
            }
            Action::Hangup { channel } => put("Channel", format_args!("{channel}"))?,
            Action::GetVar { channel, variable } => {
                put("Channel", format_args!("{channel}"))?;
                put("Variable", format_args!("{variable}"))?;
            }
            Action::Other(_, headers) => {
                for (name, value) in headers {
                    put(name, format_args!("{value}"))?;
                }
            }
            Action::Ping | Action::CoreShowChannels | Action::Logoff => {}
        }
        Ok(())
    }
}

/// Writes one header. This is the only place where a value gets into a frame, and here it is checked.
fn put_header(out: &mut BytesMut, name: &'static str, value: fmt::Arguments<'_>) -> Result<(), Unsendable> {
    let start = out.len();
    out.put_slice(name.as_bytes());
    out.put_slice(b": ");
    let value_start = out.len();
    // Writing to a BytesMut fails only when it cannot grow, which aborts before it returns.
    fmt::Write::write_fmt(out, value).map_err(|_| Unsendable { name })?;
    let breaks_out = out[value_start..].iter().any(|b| matches!(b, b'\r' | b'\n' | 0));
    out.put_slice(b"\r\n");
    if breaks_out || out.len() - start > MAX_LINE {
        return Err(Unsendable { name });
    }
    Ok(())
}

/// What Asterisk says to an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Whether it did, or begins to do, what it was asked.
    pub success: bool,
    /// Its words.
    pub message: String,
    /// The frame, for what else is in it.
    pub frame: Frame,
}

/// A frame told apart.
#[derive(Debug, PartialEq, Eq)]
pub enum Message<'f> {
    /// An answer to an action.
    Response(Option<ActionId>, Response),
    /// An event of a kind that is used here.
    Event(Event<'f>),
    /// Anything else.
    Other,
}

/// A channel as events name it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Channel<'f> {
    /// Its unique id.
    pub uniqueid: Cow<'f, str>,
    /// The unique id of the channel that it came to be for.
    pub linkedid: Cow<'f, str>,
}

/// The events that are used here.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'f> {
    /// The outcome of an Originate.
    OriginateResponse {
        /// The Originate's id.
        id: Option<ActionId>,
        /// Whether it was answered, and the reason if not.
        result: Result<(), u8>,
    },
    /// A channel exists.
    Newchannel(Channel<'f>),
    /// A channel rings or is up, or something else has become of it.
    Newstate(Channel<'f>, ChannelState),
    /// A channel is gone.
    Hangup(Channel<'f>, Cause),
    /// A channel entered a conference.
    ConfbridgeJoin(Channel<'f>, Cow<'f, str>),
    /// A channel left it.
    ConfbridgeLeave(Channel<'f>, Cow<'f, str>),
    /// Our dialplan's word on what the gateway said of a leg of the call `linkedid`.
    GatewayReply {
        /// The call's Linkedid.
        linkedid: Cow<'f, str>,
        /// The gateway's words.
        tech: Cow<'f, str>,
    },
    /// One channel of a list.
    CoreShowChannel(Box<ListedChannel<'f>>),
    /// The end of that list.
    CoreShowChannelsComplete,
    /// Asterisk is going down.
    Shutdown,
}

/// What `ChannelStateDesc` says, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelState {
    /// `Ringing` (or `Ring`): the far end rings.
    Ringing,
    /// `Up`: answered.
    Up,
    /// Any other.
    Other,
}

impl ChannelState {
    fn parse(text: &[u8]) -> Self {
        match text {
            b"Ringing" => ChannelState::Ringing,
            b"Up" => ChannelState::Up,
            _ => ChannelState::Other,
        }
    }
}

/// One channel of CoreShowChannels.
#[derive(Debug, PartialEq, Eq)]
pub struct ListedChannel<'f> {
    /// The channel.
    pub channel: Channel<'f>,
    /// How far it is.
    pub state: ChannelState,
    /// The dialplan application it runs.
    pub application: Cow<'f, str>,
    /// That application's arguments.
    pub application_data: Cow<'f, str>,
    /// Whether it is in a bridge, a conference's or another.
    pub is_bridged: bool,
}

/// What our dialplan's UserEvent is called.
pub const GATEWAY_REPLY: &[u8] = b"OriginatordLeg";

impl<'f> Message<'f> {
    /// Tells what `frame` is by its first header; only what is used is looked into.
    pub fn parse(frame: &'f Frame) -> Self {
        match frame.headers().next() {
            Some((b"Event", name)) => Event::parse(name, frame).map_or(Message::Other, Message::Event),
            Some((b"Response", value)) => {
                let response = Response {
                    success: value == b"Success" || value == b"Goodbye" || value == b"Pong",
                    message: frame.text("Message").unwrap_or_default().into_owned(),
                    frame: frame.clone(),
                };
                Message::Response(frame.get("ActionID").and_then(ActionId::parse), response)
            }
            _ => Message::Other,
        }
    }
}

impl<'f> Event<'f> {
    fn parse(name: &[u8], frame: &'f Frame) -> Option<Self> {
        let channel = |uniqueid, linkedid| Channel { uniqueid: text(uniqueid), linkedid: text(linkedid) };
        Some(match name {
            b"Newchannel" => {
                let [uniqueid, linkedid] = pick(frame, ["Uniqueid", "Linkedid"]);
                Event::Newchannel(channel(uniqueid, linkedid))
            }
            b"Newstate" => {
                let [uniqueid, linkedid, state] = pick(frame, ["Uniqueid", "Linkedid", "ChannelStateDesc"]);
                Event::Newstate(channel(uniqueid, linkedid), ChannelState::parse(state))
            }
            b"Hangup" => {
                let [uniqueid, linkedid, code, words] = pick(frame, ["Uniqueid", "Linkedid", "Cause", "Cause-txt"]);
                let cause = Cause { code: number(code), text: text(words).into() };
                Event::Hangup(channel(uniqueid, linkedid), cause)
            }
            b"ConfbridgeJoin" | b"ConfbridgeLeave" => {
                let [uniqueid, linkedid, conference] = pick(frame, ["Uniqueid", "Linkedid", "Conference"]);
                let channel = channel(uniqueid, linkedid);
                match name {
                    b"ConfbridgeJoin" => Event::ConfbridgeJoin(channel, text(conference)),
                    _ => Event::ConfbridgeLeave(channel, text(conference)),
                }
            }
            b"OriginateResponse" => {
                let [id, response, reason] = pick(frame, ["ActionID", "Response", "Reason"]);
                let result = if response == b"Success" { Ok(()) } else { Err(number(reason)) };
                Event::OriginateResponse { id: ActionId::parse(id), result }
            }
            b"UserEvent" => {
                let [name, linkedid, tech] = pick(frame, ["UserEvent", "Linkedid", "Tech"]);
                if name != GATEWAY_REPLY {
                    return None;
                }
                Event::GatewayReply { linkedid: text(linkedid), tech: text(tech) }
            }
            b"CoreShowChannel" => {
                let [uniqueid, linkedid, state, application, data, bridge] = pick(
                    frame,
                    ["Uniqueid", "Linkedid", "ChannelStateDesc", "Application", "ApplicationData", "BridgeId"],
                );
                Event::CoreShowChannel(Box::new(ListedChannel {
                    channel: channel(uniqueid, linkedid),
                    state: ChannelState::parse(state),
                    application: text(application),
                    application_data: text(data),
                    is_bridged: !bridge.is_empty(),
                }))
            }
            b"CoreShowChannelsComplete" => Event::CoreShowChannelsComplete,
            b"Shutdown" => Event::Shutdown,
            _ => return None,
        })
    }
}

/// The first header of each name, in one pass; empty where there is none.
fn pick<'f, const N: usize>(frame: &'f Frame, names: [&str; N]) -> [&'f [u8]; N] {
    let mut found = [None; N];
    for (name, value) in frame.headers() {
        for (slot, wanted) in found.iter_mut().zip(names) {
            if slot.is_none() && name.eq_ignore_ascii_case(wanted.as_bytes()) {
                *slot = Some(value);
                break;
            }
        }
    }
    found.map(Option::unwrap_or_default)
}

fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// A small number; 0, Asterisk's word for "none", for what is none.
fn number(bytes: &[u8]) -> u8 {
    std::str::from_utf8(bytes).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests;
