//! Parses frames into the responses and events that the daemon uses.
//!
//! Asterisk's own reference describes each event (`manager show event Hangup`).

use std::borrow::Cow;

use super::action::ActionId;
use super::frame::{Frame, Name};
use crate::call::outcome::Cause;

/// Asterisk's response to an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Whether Asterisk has carried the action out, or has begun to.
    pub success: bool,
    /// The text of the `Message` header.
    pub message: String,
    /// The frame, for further headers.
    pub frame: Frame,
}

impl Response {
    /// Whether Asterisk refuses every action now, not only this one. After `core stop gracefully`
    /// and `core restart gracefully`, versions 16 and 22 refuse every action with "Asterisk is
    /// shutting down", even Ping and Login, until the last call has ended or somebody enters
    /// `core abort shutdown`. Events go on meanwhile.
    pub(crate) fn refuses_all_actions(&self) -> bool {
        !self.success && self.message.contains("shutting down")
    }
}

/// A parsed frame.
#[derive(Debug, PartialEq, Eq)]
pub enum Message<'f> {
    /// The response to an action.
    Response(Option<ActionId>, Response),
    /// An event that the daemon uses.
    Event(Event<'f>),
    /// Anything else.
    Other,
}

/// A channel as events identify it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Channel<'f> {
    /// The channel's id.
    pub uniqueid: Cow<'f, str>,
    /// The id of the channel for which this one was created.
    pub linkedid: Cow<'f, str>,
}

/// The events that the daemon uses.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'f> {
    /// The outcome of an Originate.
    OriginateResponse {
        /// The Originate's id.
        id: Option<ActionId>,
        /// Whether it was answered, and the reason if not.
        result: Result<(), u8>,
    },
    /// A channel was created.
    Newchannel(Channel<'f>),
    /// A channel rings, is up, or has changed to another state.
    Newstate(Channel<'f>, ChannelState),
    /// A channel is gone.
    Hangup(Channel<'f>, Cause),
    /// A conference began: its first participant is about to enter.
    ConfbridgeStart(Cow<'f, str>),
    /// A conference ended.
    ConfbridgeEnd(Cow<'f, str>),
    /// A channel entered a conference.
    ConfbridgeJoin(Box<Member<'f>>),
    /// A channel left a conference.
    ConfbridgeLeave(Channel<'f>, Cow<'f, str>),
    /// A channel in a conference is not heard any more (`true`), or heard again.
    ConfbridgeMute(Channel<'f>, Cow<'f, str>, bool),
    /// A channel in a conference begins to talk (`true`), or stops.
    ConfbridgeTalking(Channel<'f>, Cow<'f, str>, bool),
    /// One conference of ConfbridgeListRooms.
    ListedRoom {
        /// The conference.
        conference: Cow<'f, str>,
        /// Whether nobody else can enter.
        locked: bool,
    },
    /// The end of that list.
    ListedRoomsComplete,
    /// One channel of ConfbridgeList.
    ListedMember(Box<Member<'f>>),
    /// The end of that list.
    ListedMembersComplete,
    /// The gateway's reply about a leg of the call `linkedid`, sent by our dialplan.
    GatewayReply {
        /// The call's Linkedid.
        linkedid: Cow<'f, str>,
        /// The gateway's reply, such as `SIP 486 Busy Here`.
        tech: Cow<'f, str>,
    },
    /// One channel of a list.
    CoreShowChannel(Box<ListedChannel<'f>>),
    /// The end of that list.
    CoreShowChannelsComplete,
    /// Asterisk has started: all modules and the dialplan are loaded. Asterisk also sends it after
    /// a login, if it has started by then.
    FullyBooted,
    /// Asterisk is shutting down.
    Shutdown,
}

/// A channel in a conference, as ConfbridgeJoin and ConfbridgeList describe it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Member<'f> {
    /// The channel.
    pub channel: Channel<'f>,
    /// The conference.
    pub conference: Cow<'f, str>,
    /// The channel's name.
    pub name: Cow<'f, str>,
    /// `CallerIDNum`, which is `<unknown>` without one.
    pub caller_number: Cow<'f, str>,
    /// `CallerIDName`, which is `<unknown>` without one.
    pub caller_name: Cow<'f, str>,
    /// Whether it has an admin's rights.
    pub admin: bool,
    /// Whether it is not heard.
    pub muted: bool,
    /// Whether it waits for a leader. Only the list has this.
    pub waiting: bool,
    /// Whether it talks. Only the list has this.
    pub talking: bool,
}

impl<'f> Member<'f> {
    fn parse(frame: &'f Frame) -> Self {
        let [uniqueid, linkedid, conference, name, caller_number, caller_name] = frame.pick([
            &UNIQUEID,
            &LINKEDID,
            &CONFERENCE,
            &CHANNEL,
            &CALLER_ID_NUM,
            &CALLER_ID_NAME,
        ]);
        let [admin, muted] = frame.pick([&ADMIN, &MUTED]).map(|value| value == b"Yes");
        Self {
            channel: Channel { uniqueid: text(uniqueid), linkedid: text(linkedid) },
            conference: text(conference),
            name: text(name),
            caller_number: text(caller_number),
            caller_name: text(caller_name),
            admin,
            muted,
            waiting: false,
            talking: false,
        }
    }

    /// A row of ConfbridgeList, which has more headers than ConfbridgeJoin. Searching for a missing
    /// header takes longer than for one that is there.
    fn parse_listed(frame: &'f Frame) -> Self {
        let [waiting, talking] = frame.pick([&WAITING, &TALKING]).map(|value| value == b"Yes");
        Self { waiting, talking, ..Self::parse(frame) }
    }
}

/// The states of `ChannelStateDesc` that matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelState {
    /// `Ringing`: the far end rings. (`Ring` is the state of an incoming channel.)
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
    /// Its state.
    pub state: ChannelState,
    /// The dialplan application that the channel runs.
    pub application: Cow<'f, str>,
    /// The arguments of the application.
    pub application_data: Cow<'f, str>,
    /// Whether the channel is in a bridge, of a conference or another one.
    pub is_bridged: bool,
}

/// Longest text that is kept, in bytes. Asterisk's longest id has 149, and its messages are
/// shorter.
pub const MAX_TEXT: usize = 256;

static UNIQUEID: Name = Name::new("\nUniqueid:");
static LINKEDID: Name = Name::new("\nLinkedid:");
static CHANNEL_STATE_DESC: Name = Name::new("\nChannelStateDesc:");
static CAUSE: Name = Name::new("\nCause:");
static CAUSE_TXT: Name = Name::new("\nCause-txt:");
static CONFERENCE: Name = Name::new("\nConference:");
static CHANNEL: Name = Name::new("\nChannel:");
static CALLER_ID_NUM: Name = Name::new("\nCallerIDNum:");
static CALLER_ID_NAME: Name = Name::new("\nCallerIDName:");
static ADMIN: Name = Name::new("\nAdmin:");
static MUTED: Name = Name::new("\nMuted:");
static WAITING: Name = Name::new("\nWaiting:");
static TALKING: Name = Name::new("\nTalking:");
static TALKING_STATUS: Name = Name::new("\nTalkingStatus:");
static LOCKED: Name = Name::new("\nLocked:");
static ACTION_ID: Name = Name::new("\nActionID:");
static RESPONSE: Name = Name::new("\nResponse:");
static REASON: Name = Name::new("\nReason:");
static USER_EVENT: Name = Name::new("\nUserEvent:");
static TECH: Name = Name::new("\nTech:");
static APPLICATION: Name = Name::new("\nApplication:");
static APPLICATION_DATA: Name = Name::new("\nApplicationData:");
static BRIDGE_ID: Name = Name::new("\nBridgeId:");

/// The name of our dialplan's UserEvent.
const GATEWAY_REPLY: &[u8] = b"OriginatordLeg";

impl<'f> Message<'f> {
    /// Parses a frame by its first header. Messages that the daemon does not use are not parsed.
    pub fn parse(frame: &'f Frame) -> Self {
        match frame.first() {
            Some((b"Event", name)) => {
                Event::parse(name, frame).map_or(Message::Other, Message::Event)
            }
            Some((b"Response", value)) => {
                let response = Response {
                    success: value == b"Success" || value == b"Goodbye" || value == b"Pong",
                    message: frame.get("Message").map(text).unwrap_or_default().into_owned(),
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
        let channel =
            |uniqueid, linkedid| Channel { uniqueid: text(uniqueid), linkedid: text(linkedid) };
        Some(match name {
            b"Newchannel" => {
                let [uniqueid, linkedid] = frame.pick([&UNIQUEID, &LINKEDID]);
                Event::Newchannel(channel(uniqueid, linkedid))
            }
            b"Newstate" => {
                let [uniqueid, linkedid, state] =
                    frame.pick([&UNIQUEID, &LINKEDID, &CHANNEL_STATE_DESC]);
                Event::Newstate(channel(uniqueid, linkedid), ChannelState::parse(state))
            }
            b"Hangup" => {
                let [uniqueid, linkedid, code, words] =
                    frame.pick([&UNIQUEID, &LINKEDID, &CAUSE, &CAUSE_TXT]);
                let cause = Cause { code: number(code), text: text(words).into() };
                Event::Hangup(channel(uniqueid, linkedid), cause)
            }
            b"ConfbridgeJoin" => Event::ConfbridgeJoin(Box::new(Member::parse(frame))),
            b"ConfbridgeLeave" | b"ConfbridgeMute" | b"ConfbridgeUnmute" | b"ConfbridgeTalking" => {
                let [uniqueid, linkedid, conference] =
                    frame.pick([&UNIQUEID, &LINKEDID, &CONFERENCE]);
                let (channel, conference) = (channel(uniqueid, linkedid), text(conference));
                match name {
                    b"ConfbridgeLeave" => Event::ConfbridgeLeave(channel, conference),
                    b"ConfbridgeMute" => Event::ConfbridgeMute(channel, conference, true),
                    b"ConfbridgeUnmute" => Event::ConfbridgeMute(channel, conference, false),
                    _ => {
                        let [status] = frame.pick([&TALKING_STATUS]);
                        Event::ConfbridgeTalking(channel, conference, status == b"on")
                    }
                }
            }
            b"ConfbridgeStart" | b"ConfbridgeEnd" => {
                let [conference] = frame.pick([&CONFERENCE]);
                match name {
                    b"ConfbridgeStart" => Event::ConfbridgeStart(text(conference)),
                    _ => Event::ConfbridgeEnd(text(conference)),
                }
            }
            b"ConfbridgeListRooms" => {
                let [conference, locked] = frame.pick([&CONFERENCE, &LOCKED]);
                Event::ListedRoom { conference: text(conference), locked: locked == b"Yes" }
            }
            b"ConfbridgeListRoomsComplete" => Event::ListedRoomsComplete,
            b"ConfbridgeList" => Event::ListedMember(Box::new(Member::parse_listed(frame))),
            b"ConfbridgeListComplete" => Event::ListedMembersComplete,
            b"OriginateResponse" => {
                let [id, response, reason] = frame.pick([&ACTION_ID, &RESPONSE, &REASON]);
                let result = if response == b"Success" { Ok(()) } else { Err(number(reason)) };
                Event::OriginateResponse { id: ActionId::parse(id), result }
            }
            b"UserEvent" => {
                let [name, linkedid, tech] = frame.pick([&USER_EVENT, &LINKEDID, &TECH]);
                if name != GATEWAY_REPLY {
                    return None;
                }
                Event::GatewayReply { linkedid: text(linkedid), tech: text(tech) }
            }
            b"CoreShowChannel" => {
                let [uniqueid, linkedid, state, application, data, bridge] = frame.pick([
                    &UNIQUEID,
                    &LINKEDID,
                    &CHANNEL_STATE_DESC,
                    &APPLICATION,
                    &APPLICATION_DATA,
                    &BRIDGE_ID,
                ]);
                Event::CoreShowChannel(Box::new(ListedChannel {
                    channel: channel(uniqueid, linkedid),
                    state: ChannelState::parse(state),
                    application: text(application),
                    application_data: text(data),
                    is_bridged: !bridge.is_empty(),
                }))
            }
            b"CoreShowChannelsComplete" => Event::CoreShowChannelsComplete,
            b"FullyBooted" => Event::FullyBooted,
            b"Shutdown" => Event::Shutdown,
            _ => return None,
        })
    }
}

/// Truncates to [`MAX_TEXT`] bytes: the text is stored with the call and its records, and the peer
/// may be hostile.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    let bytes = &bytes[..bytes.len().min(MAX_TEXT)];
    // Nearly all values are UTF-8, and checking that is much faster than replacing other bytes.
    str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// A small number; 0, which means "none" in Asterisk, for any other text.
fn number(bytes: &[u8]) -> u8 {
    std::str::from_utf8(bytes).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests;
