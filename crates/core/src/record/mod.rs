//! One record of the live log, and how it is written as JSON.
//!
//! The order of the members is fixed: `seq`, `time`, `event`, then who is called, then what the
//! event adds.

pub mod member;
#[cfg(any(test, feature = "test-util"))]
pub mod samples;
#[cfg(test)]
mod tests;
pub mod text;

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::call::outcome::End;
use crate::call::progress::Progress;
use crate::call::{CallInfo, Number, Refusal, hide};
use crate::clock::Millis;
use crate::escape;
use member::{IntoMap, Members, Value};

/// A numbered fact. What the log file, the event stream, `tail` and stdout show is this and nothing
/// else.
#[derive(Debug, Clone)]
pub struct Record {
    /// Counts from 1, without holes.
    pub seq: u64,
    /// When it happened.
    pub time: SystemTime,
    /// What happened.
    pub event: Event,
    /// To which call, if to one.
    pub call: Option<Arc<CallInfo>>,
    /// All of that as JSON, once somebody has asked for it: thousands may read one record.
    json: OnceLock<Box<str>>,
}

/// What happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// The daemon runs.
    DaemonStarted {
        /// Its version.
        version: &'static str,
        /// Its `instance` setting.
        instance: Arc<str>,
    },
    /// The daemon was told to stop.
    DaemonStopping {
        /// By which signal.
        reason: Arc<str>,
    },
    /// Logged in to the AMI, and all calls are settled with what Asterisk says.
    AmiConnected {
        /// The `name` of the Asterisk.
        asterisk: Arc<str>,
        /// What its AMI calls itself, as `Asterisk Call Manager/11.0.0`.
        banner: Arc<str>,
        /// Calls of ours found alive.
        live: usize,
    },
    /// The link is gone, or a try to get it back failed.
    AmiDisconnected {
        /// The `name` of the Asterisk.
        asterisk: Arc<str>,
        /// Why.
        reason: Arc<str>,
    },
    /// A bot asked for a call, with a valid key and valid fields.
    CallRequested,
    /// The call was not made.
    CallRefused(Refusal),
    /// Asterisk has accepted the call.
    CallQueued,
    /// A live call of an earlier run that the journal does not know: its lines were lost, or there
    /// is no journal file. This run takes the call over, and owes it a
    /// [`CallEnded`](Self::CallEnded).
    CallAdopted(Box<Progress>),
    /// The gateway says it rings.
    CallRinging,
    /// The callee answered.
    CallAnswered {
        /// The link was down then: the answer was found later, and happened after this instant.
        after: Option<SystemTime>,
    },
    /// The callee is in the conference.
    CallJoined {
        /// The conference as Asterisk names it.
        conference: Arc<str>,
    },
    /// The callee left the conference.
    CallLeft {
        /// The conference as Asterisk names it.
        conference: Arc<str>,
    },
    /// The call is over; there is exactly one of these for each accepted call.
    CallEnded(Box<End>),
    /// In the place of a record of a number that was erased.
    Erased,
}

impl Event {
    /// All that [`name`](Self::name) can be.
    pub const NAMES: [&'static str; 14] = [
        "daemon.started",
        "daemon.stopping",
        "ami.connected",
        "ami.disconnected",
        "call.requested",
        "call.refused",
        "call.queued",
        "call.adopted",
        "call.ringing",
        "call.answered",
        "call.joined",
        "call.left",
        "call.ended",
        "erased",
    ];

    /// The same event, without the middle of the call's number in what the gateway and Asterisk
    /// said.
    pub fn masked(self, number: Number) -> Self {
        match self {
            Event::CallRefused(Refusal::Rejected(words)) => {
                Event::CallRefused(Refusal::Rejected(hide(number, &words).into()))
            }
            Event::CallRefused(Refusal::LinkDown(reason)) => {
                Event::CallRefused(Refusal::LinkDown(hide(number, &reason).into()))
            }
            Event::CallJoined { conference } => {
                Event::CallJoined { conference: hide(number, &conference).into() }
            }
            Event::CallLeft { conference } => {
                Event::CallLeft { conference: hide(number, &conference).into() }
            }
            Event::CallEnded(end) => Event::CallEnded(Box::new(end.masked(number))),
            other => other,
        }
    }

    /// The `event` member.
    pub fn name(&self) -> &'static str {
        match self {
            Event::DaemonStarted { .. } => "daemon.started",
            Event::DaemonStopping { .. } => "daemon.stopping",
            Event::AmiConnected { .. } => "ami.connected",
            Event::AmiDisconnected { .. } => "ami.disconnected",
            Event::CallRequested => "call.requested",
            Event::CallRefused(_) => "call.refused",
            Event::CallQueued => "call.queued",
            Event::CallAdopted(_) => "call.adopted",
            Event::CallRinging => "call.ringing",
            Event::CallAnswered { .. } => "call.answered",
            Event::CallJoined { .. } => "call.joined",
            Event::CallLeft { .. } => "call.left",
            Event::CallEnded(_) => "call.ended",
            Event::Erased => "erased",
        }
    }
}

/// Why records are missing from what a reader is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GapReason {
    /// The reader was slower than the ring is long, or came too late.
    Overrun,
    /// The daemon has been restarted since, and its ring began anew.
    Restarted,
    /// Somebody else has moved, replaced or truncated the journal file that held them.
    FileChanged,
}

impl GapReason {
    /// The word, as in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            GapReason::Overrun => "overrun",
            GapReason::Restarted => "restarted",
            GapReason::FileChanged => "file_changed",
        }
    }
}

/// Takes the place of records that a reader will not get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// First missing `seq`, where known.
    pub from: Option<u64>,
    /// Last missing `seq`, where known.
    pub to: Option<u64>,
    /// Why.
    pub reason: GapReason,
}

/// What a reader gets.
#[derive(Debug, Clone)]
pub enum Entry {
    /// The next record.
    Record(Arc<Record>),
    /// Records are missing here.
    Gap(Gap),
}

impl Record {
    /// A record of this number.
    pub fn new(seq: u64, time: SystemTime, event: Event, call: Option<Arc<CallInfo>>) -> Self {
        Self { seq, time, event, call, json: OnceLock::new() }
    }

    /// The record as one line of JSON, without its end.
    pub fn json(&self) -> &str {
        // Nothing of ours has a key that is not text, which is all that can fail here.
        self.json
            .get_or_init(|| escape::json(serde_json::to_string(self).unwrap_or_default()).into())
    }

    /// Puts all members, in their order.
    pub fn members<M: Members>(&self, members: &mut M) -> Result<(), M::Error> {
        members.put("seq", Value::Number(self.seq))?;
        members.put("time", Value::Shown(&Millis(self.time)))?;
        members.put("event", Value::Text(self.event.name()))?;
        if let Some(call) = &self.call {
            call.members(members)?;
            if let Event::CallAdopted(progress) = &self.event {
                return progress.members(call.id, members);
            }
        }
        self.event.members(members)
    }
}

impl Event {
    /// Puts what the event adds.
    fn members<M: Members>(&self, members: &mut M) -> Result<(), M::Error> {
        match self {
            Event::DaemonStarted { version, instance } => {
                members.put("version", Value::Text(version))?;
                members.put("instance", Value::Text(instance))
            }
            Event::DaemonStopping { reason } => members.put("reason", Value::Text(reason)),
            Event::AmiConnected { asterisk, banner, live } => {
                members.put("asterisk", Value::Text(asterisk))?;
                members.put("banner", Value::Text(banner))?;
                members.put("live", Value::Number(*live as u64))
            }
            Event::AmiDisconnected { asterisk, reason } => {
                members.put("asterisk", Value::Text(asterisk))?;
                members.put("reason", Value::Text(reason))
            }
            Event::CallRefused(refusal) => {
                members.put("reason", Value::Text(refusal.code()))?;
                members.put("text", Value::Shown(refusal))?;
                match refusal {
                    Refusal::InProgress { by: Some(id) } => {
                        members.put("in_progress", Value::Shown(id))
                    }
                    Refusal::Limited(limit) => members.put("limit", Value::Text(limit.name)),
                    _ => Ok(()),
                }
            }
            Event::CallAnswered { after: Some(after) } => {
                members.put("answered_after", Value::Shown(&Millis(*after)))
            }
            Event::CallJoined { conference } | Event::CallLeft { conference } => {
                members.put("conference", Value::Text(conference))
            }
            Event::CallEnded(end) => end.members(members),
            // That of an adoption needs the call's id.
            Event::CallRequested
            | Event::CallQueued
            | Event::CallAdopted(_)
            | Event::CallRinging
            | Event::CallAnswered { after: None }
            | Event::Erased => Ok(()),
        }
    }
}

impl Gap {
    /// Puts all members, in their order.
    pub fn members<M: Members>(&self, members: &mut M) -> Result<(), M::Error> {
        members.put("event", Value::Text("gap"))?;
        members.put("reason", Value::Text(self.reason.as_str()))?;
        members.put("from", self.from.map_or(Value::Null, Value::Number))?;
        members.put("to", self.to.map_or(Value::Null, Value::Number))
    }
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.members(&mut IntoMap(&mut map))?;
        map.end()
    }
}

impl Serialize for Gap {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.members(&mut IntoMap(&mut map))?;
        map.end()
    }
}

impl Entry {
    /// How much it matters to whoever runs the daemon, in the words of logs: `WARN` for what is
    /// amiss, else `INFO`.
    pub fn level(&self) -> &'static str {
        match self {
            Entry::Gap(_) => "WARN",
            Entry::Record(record) if matches!(record.event, Event::AmiDisconnected { .. }) => {
                "WARN"
            }
            Entry::Record(_) => "INFO",
        }
    }

    /// The entry as one line of JSON, without its end.
    pub fn json(&self) -> Cow<'_, str> {
        match self {
            Entry::Record(record) => record.json().into(),
            Entry::Gap(gap) => serde_json::to_string(gap).unwrap_or_default().into(),
        }
    }
}

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Entry::Record(record) => record.serialize(serializer),
            Entry::Gap(gap) => gap.serialize(serializer),
        }
    }
}
