//! The written form of a record: one JSON object. Only this module names its members.
//!
//! The journal's file, the event stream and `tail --json` have these objects, one a line. The same
//! type reads them back. It skips members that it does not know, and a value that it cannot parse
//! counts as absent, so that this build reads records of earlier and later builds.

mod rooms;

use std::borrow::Cow;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::{Entry, Event, EventKind, Gap, Record};
use crate::call::machine::{State, Timestamps};
use crate::call::outcome::{EndMembers, Outcome, seconds};
use crate::call::progress::{OpenCall, Progress};
use crate::call::{CallId, CallInfo, Number, Refusal, Room, lenient};
use crate::clock::Rfc3339;
use crate::room::{ConferenceId, GuestChange, RoomChange};

/// The members of a record, in their order: its number, time and event, then the call, then the
/// members that are specific to the event. The lines for gaps and for carried calls have the same
/// members.
///
/// A member that is `None` is left out. `Some(None)` is written as `null`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Line<'a> {
    /// Number of the record. Gaps and carried calls have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// When it happened. Gaps have no time.
    #[serde(deserialize_with = "lenient::from_str", skip_serializing_if = "Option::is_none")]
    pub time: Option<Rfc3339>,
    /// Name of the event; see [`kind`](Self::kind).
    #[serde(borrow)]
    pub event: Cow<'a, str>,
    /// The `time` of a carried call, which follows `event`.
    #[serde(rename = "time", skip_deserializing, skip_serializing_if = "Option::is_none")]
    time_after_event: Option<Rfc3339>,

    /// The call's id. Each record of a call has this and the next five members.
    #[serde(deserialize_with = "lenient::from_str", skip_serializing_if = "Option::is_none")]
    pub call_id: Option<CallId>,
    /// The callee, perhaps masked.
    #[serde(deserialize_with = "lenient::number", skip_serializing_if = "Option::is_none")]
    pub number: Option<Number>,
    /// The conference that the callee is called into.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub room: Option<Cow<'a, str>>,
    /// How the callee is presented there.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub caller_id: Option<Cow<'a, str>>,
    /// The language of the prompts.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub lang: Option<Cow<'a, str>>,
    /// Name of the API key that requested the call.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub key: Option<Cow<'a, str>>,

    /// `daemon.started`: version of the daemon.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub version: Option<Cow<'a, str>>,
    /// `daemon.started`: the `instance` setting.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub instance: Option<Cow<'a, str>>,
    /// `ami.*`: `name` of the Asterisk.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub asterisk: Option<Cow<'a, str>>,
    /// `ami.connected`: first line that Asterisk sends.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub banner: Option<Cow<'a, str>>,
    /// `ami.connected`: number of this daemon's active calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live: Option<u64>,
    /// `daemon.stopping`: the signal. `ami.disconnected`: a text. `call.refused`, `gap`: a code.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Cow<'a, str>>,
    /// `call.refused`: the reason as a sentence.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub text: Option<Cow<'a, str>>,
    /// `call.refused`: the call that is in progress.
    #[serde(deserialize_with = "lenient::from_str", skip_serializing_if = "Option::is_none")]
    pub in_progress: Option<CallId>,
    /// `call.refused`: name of the limit that is reached.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Cow<'a, str>>,
    /// `gap`: first missing number, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Option<u64>>,
    /// `gap`: last missing number, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Option<u64>>,

    /// `call.adopted`, `call.carried`: the call's [`State`]. The times below belong to the
    /// same lines; see [`progress`](Self::progress). `guest.carried`: `muted`.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub state: Option<Cow<'a, str>>,
    /// When the bot requested the call.
    #[serde(deserialize_with = "lenient::from_str", skip_serializing_if = "Option::is_none")]
    pub requested: Option<Rfc3339>,
    /// When Asterisk accepted it.
    #[serde(deserialize_with = "lenient::from_str", skip_serializing_if = "Option::is_none")]
    pub queued: Option<Rfc3339>,
    /// When the callee's phone first rang.
    #[serde(deserialize_with = "lenient::from_str", skip_serializing_if = "Option::is_none")]
    pub ringing: Option<Rfc3339>,
    /// When the callee answered.
    #[serde(deserialize_with = "lenient::from_str", skip_serializing_if = "Option::is_none")]
    pub answered: Option<Rfc3339>,
    /// When the callee joined the conference; in `guest.carried` when the guest did.
    #[serde(deserialize_with = "lenient::from_str", skip_serializing_if = "Option::is_none")]
    pub joined: Option<Rfc3339>,
    /// When the callee left the conference.
    #[serde(deserialize_with = "lenient::from_str", skip_serializing_if = "Option::is_none")]
    pub left: Option<Rfc3339>,
    /// Set if the callee answered while the link was down: the answer came after this time. Also in
    /// `call.answered`.
    #[serde(deserialize_with = "lenient::from_str", skip_serializing_if = "Option::is_none")]
    pub answered_after: Option<Rfc3339>,
    /// `call.carried`, `room.carried`: time of the last event from Asterisk.
    #[serde(deserialize_with = "lenient::from_str", skip_serializing_if = "Option::is_none")]
    pub heard: Option<Rfc3339>,

    /// The conference that a call is or was in, as Asterisk names it.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub conference: Option<Cow<'a, str>>,
    /// `room.started`, `room.ended`, `room.carried`: the conference's id.
    #[serde(deserialize_with = "lenient::from_str", skip_serializing_if = "Option::is_none")]
    pub conference_id: Option<ConferenceId>,
    /// `guest.*`: the Uniqueid of the guest's channel.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub guest_id: Option<Cow<'a, str>>,
    /// `call.moved`, `guest.left`: the conference that the participant was moved to.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub moved_to: Option<Cow<'a, str>>,
    /// Name of the API key that locked, muted, kicked, moved or ended.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub by: Option<Cow<'a, str>>,
    /// Set if only a list showed the change, after an outage: it happened after this time.
    #[serde(deserialize_with = "lenient::from_str", skip_serializing_if = "Option::is_none")]
    pub after: Option<Rfc3339>,
    /// `call.left`, `guest.left`: how long the participant talked, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub talked_seconds: Option<f64>,
    /// `call.ended`: the outcome, with the cause and the durations.
    #[serde(borrow, flatten)]
    pub end: Option<EndMembers<'a>>,
}

impl<'a> Line<'a> {
    /// Names of the members that are not specific to an event. The commands show these in columns,
    /// and every other member as `name=value`.
    pub const COMMON: [&'static str; 9] =
        ["seq", "time", "event", "call_id", "number", "room", "caller_id", "lang", "key"];

    /// Names of the text members that never hold text of a user or a peer.
    pub const NO_FREE_TEXT: [&'static str; 3] = ["time", "event", "call_id"];

    /// Parses one line; `None` if it is not a JSON object, or a member has the wrong type.
    pub fn read(json: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(json).ok()
    }

    /// The line as JSON, without the newline.
    pub fn json(&self) -> String {
        // serde_json fails only on keys that are not text, and all of these are.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The event, if this build knows it.
    pub fn kind(&self) -> Option<EventKind> {
        self.event.parse().ok()
    }

    /// The call, if all of its members are present and valid.
    pub fn call(&self) -> Option<CallInfo> {
        Some(CallInfo {
            id: self.call_id?,
            number: self.number?,
            room: Room::from_record(self.room.as_ref()?).ok()?,
            caller_id: self.caller_id.as_ref()?.parse().ok()?,
            lang: self.lang.as_ref()?.parse().ok()?,
            key: self.key.as_deref()?.into(),
        })
    }

    /// State and timestamps of the call. Only `call.adopted` and `call.carried` have them, and only
    /// of a call that has not ended.
    pub fn progress(&self) -> Option<Progress> {
        let state = self.state.as_ref()?.parse().ok().filter(|state| *state != State::Ended)?;
        let time = |member: Option<Rfc3339>| member.map(|Rfc3339(time)| time);
        let timestamps = Timestamps {
            queued: time(self.queued),
            ringing: time(self.ringing),
            answered: time(self.answered),
            joined: time(self.joined),
            left: time(self.left),
            ended: None,
        };
        Some(Progress { state, timestamps, answered_after: time(self.answered_after) })
    }

    /// The outcome in a `call.ended`, if this build knows it.
    pub fn outcome(&self) -> Option<Outcome> {
        self.end.as_ref()?.outcome.parse().ok()
    }

    /// The line that replaces this one when its record is erased, with the same `seq` and `time`.
    pub fn erased(&self) -> Line<'static> {
        let event = EventKind::Erased.as_str().into();
        Line { seq: self.seq, time: self.time, event, ..Line::default() }
    }

    /// The line that repeats an open call at the top of a journal file. `time` is the time of the
    /// last record, `heard` that of the last event from Asterisk.
    pub fn carried(call: &'a OpenCall, time: SystemTime, heard: Option<SystemTime>) -> Self {
        let mut line = Line {
            event: EventKind::CallCarried.as_str().into(),
            time_after_event: Some(Rfc3339(time)),
            heard: heard.map(Rfc3339),
            ..Line::default()
        };
        line.add_call(&call.info);
        line.add_progress(&call.progress);
        line
    }

    fn add_call(&mut self, call: &'a CallInfo) {
        self.call_id = Some(call.id);
        self.number = Some(call.number);
        self.room = Some(call.room.as_str().into());
        self.caller_id = Some(call.caller_id.as_str().into());
        self.lang = Some(call.lang.as_str().into());
        self.key = Some((*call.key).into());
    }

    /// Adds state and timestamps. Call [`add_call`](Self::add_call) first, because `requested` is
    /// the time in the call's id.
    fn add_progress(&mut self, progress: &Progress) {
        let Timestamps { queued, ringing, answered, joined, left, .. } = progress.timestamps;
        self.state = Some(progress.state.as_str().into());
        self.requested = self.call_id.map(|id| Rfc3339(id.time()));
        self.queued = queued.map(Rfc3339);
        self.ringing = ringing.map(Rfc3339);
        self.answered = answered.map(Rfc3339);
        self.joined = joined.map(Rfc3339);
        self.left = left.map(Rfc3339);
        self.answered_after = progress.answered_after.map(Rfc3339);
    }

    fn add_refusal(&mut self, refusal: &'a Refusal) {
        self.reason = Some(refusal.code().into());
        self.text = Some(refusal.to_string().into());
        match refusal {
            Refusal::InProgress { by } => self.in_progress = *by,
            Refusal::Limited(limit) => self.limit = Some(limit.name.into()),
            _ => {}
        }
    }

    fn add_room_change(&mut self, change: &'a RoomChange) {
        match change {
            RoomChange::Started { id, after } => {
                self.conference_id = Some(*id);
                self.after = after.map(Rfc3339);
            }
            RoomChange::Ended { id, after, by } => {
                self.conference_id = Some(*id);
                self.after = after.map(Rfc3339);
                self.by = by.as_deref().map(Cow::from);
            }
            RoomChange::Locked { by }
            | RoomChange::Unlocked { by }
            | RoomChange::Muted { by }
            | RoomChange::Unmuted { by } => self.by = by.as_deref().map(Cow::from),
        }
    }

    fn add_guest_change(&mut self, change: &'a GuestChange) {
        match change {
            GuestChange::Joined { after } => self.after = after.map(Rfc3339),
            GuestChange::Left(left) => {
                self.reason = left.reason.map(|reason| reason.as_str().into());
                self.by = left.by.as_deref().map(Cow::from);
                self.moved_to = left.moved_to.as_deref().map(Cow::from);
                self.after = left.after.map(Rfc3339);
                self.talked_seconds = left.talked.map(seconds);
            }
            GuestChange::Muted { by } | GuestChange::Unmuted { by } => {
                self.by = by.as_deref().map(Cow::from);
            }
        }
    }

    /// Adds the members that are specific to the event.
    fn add_event(&mut self, event: &'a Event) {
        match event {
            Event::DaemonStarted { version, instance } => {
                self.version = Some((*version).into());
                self.instance = Some((**instance).into());
            }
            Event::DaemonStopping { reason } => self.reason = Some((**reason).into()),
            Event::AmiConnected { asterisk, banner, live } => {
                self.asterisk = Some((**asterisk).into());
                self.banner = Some((**banner).into());
                self.live = Some(*live as u64);
            }
            Event::AmiDisconnected { asterisk, reason } => {
                self.asterisk = Some((**asterisk).into());
                self.reason = Some((**reason).into());
            }
            Event::CallRefused(refusal) => self.add_refusal(refusal),
            Event::CallAdopted(progress) => self.add_progress(progress),
            Event::CallAnswered { after } => self.answered_after = after.map(Rfc3339),
            Event::CallJoined { conference, after } => {
                self.conference = Some((**conference).into());
                self.after = after.map(Rfc3339);
            }
            Event::CallLeft { conference, after, talked } => {
                self.conference = Some((**conference).into());
                self.after = after.map(Rfc3339);
                self.talked_seconds = talked.map(seconds);
            }
            Event::CallMuted { conference, by } | Event::CallUnmuted { conference, by } => {
                self.conference = Some((**conference).into());
                self.by = by.as_deref().map(Cow::from);
            }
            Event::CallKicked { conference, by } => {
                self.conference = Some((**conference).into());
                self.by = Some((**by).into());
            }
            Event::CallMoved { conference, moved_to, by } => {
                self.conference = Some((**conference).into());
                self.moved_to = Some((**moved_to).into());
                self.by = Some((**by).into());
            }
            Event::Room { room, change } => {
                self.room = Some((**room).into());
                self.add_room_change(change);
            }
            Event::Guest { guest, room, change } => {
                self.guest_id = Some((*guest.id).into());
                self.number = guest.number;
                self.room = Some((**room).into());
                self.caller_id = Some((*guest.caller_id).into());
                self.add_guest_change(change);
            }
            Event::CallEnded(end) => self.end = Some((&**end).into()),
            Event::CallRequested | Event::CallQueued | Event::CallRinging | Event::Erased => {}
        }
    }
}

impl<'a> From<&'a Record> for Line<'a> {
    fn from(record: &'a Record) -> Self {
        let mut line = Line {
            seq: Some(record.seq),
            time: Some(Rfc3339(record.time)),
            event: record.event.name().into(),
            ..Line::default()
        };
        if let Some(call) = &record.call {
            line.add_call(call);
        }
        line.add_event(&record.event);
        line
    }
}

impl From<&Gap> for Line<'static> {
    fn from(gap: &Gap) -> Self {
        Line {
            event: EventKind::Gap.as_str().into(),
            reason: Some(gap.reason.as_str().into()),
            from: Some(gap.from),
            to: Some(gap.to),
            ..Line::default()
        }
    }
}

impl<'a> From<&'a Entry> for Line<'a> {
    fn from(entry: &'a Entry) -> Self {
        match entry {
            Entry::Record(record) => (&**record).into(),
            Entry::Gap(gap) => gap.into(),
        }
    }
}
