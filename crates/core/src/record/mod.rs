//! One record of the live log, and how it is written as JSON.
//!
//! The order of the members is fixed: `seq`, `time`, `event`, then who is called, then what the
//! event adds.

mod kind;
mod line;
#[cfg(any(test, feature = "test-util"))]
pub mod samples;
#[cfg(test)]
mod tests;
pub mod text;

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use serde::{Serialize, Serializer};

pub use kind::{EventKind, NotAnEvent};
pub use line::Line;

use crate::call::outcome::End;
use crate::call::progress::Progress;
use crate::call::{CallInfo, Number, Refusal, hide};
use crate::escape;

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

    /// Which event this is.
    pub fn kind(&self) -> EventKind {
        match self {
            Event::DaemonStarted { .. } => EventKind::DaemonStarted,
            Event::DaemonStopping { .. } => EventKind::DaemonStopping,
            Event::AmiConnected { .. } => EventKind::AmiConnected,
            Event::AmiDisconnected { .. } => EventKind::AmiDisconnected,
            Event::CallRequested => EventKind::CallRequested,
            Event::CallRefused(_) => EventKind::CallRefused,
            Event::CallQueued => EventKind::CallQueued,
            Event::CallAdopted(_) => EventKind::CallAdopted,
            Event::CallRinging => EventKind::CallRinging,
            Event::CallAnswered { .. } => EventKind::CallAnswered,
            Event::CallJoined { .. } => EventKind::CallJoined,
            Event::CallLeft { .. } => EventKind::CallLeft,
            Event::CallEnded(_) => EventKind::CallEnded,
            Event::Erased => EventKind::Erased,
        }
    }

    /// The `event` member.
    pub fn name(&self) -> &'static str {
        self.kind().as_str()
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
        self.json.get_or_init(|| escape::json(Line::from(self).json()).into())
    }
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Line::from(self).serialize(serializer)
    }
}

impl Serialize for Gap {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Line::from(self).serialize(serializer)
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
            Entry::Gap(gap) => Line::from(gap).json().into(),
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
