//! Records: numbered facts about the daemon, the link to Asterisk and the calls.
//!
//! [`Record`] and [`Event`] are the types of the daemon itself. [`Line`] is their
//! written form: it names the JSON members, for writing and for reading.

mod kind;
mod line;
#[cfg(any(test, feature = "test-util"))]
pub mod samples;
#[cfg(test)]
mod tests;
pub mod text;
mod visible;

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use serde::{Serialize, Serializer};

pub use kind::EventKind;
pub use line::Line;

use crate::call::outcome::End;
use crate::call::progress::Progress;
use crate::call::{CallInfo, Number, Refusal, hide};
use crate::escape;
use crate::room::{Guest, GuestChange, RoomChange};

/// A numbered fact. The journal's file, the event stream, `tail` and stdout show records.
#[derive(Debug, Clone)]
pub struct Record {
    /// Number of the record. The numbers begin at 1 and have no holes.
    pub seq: u64,
    /// When it happened.
    pub time: SystemTime,
    /// The event, with its own members.
    pub event: Event,
    /// The call that the event is about; `None` for events of the daemon or the link.
    pub call: Option<Arc<CallInfo>>,
    /// The record as JSON, built once at its first use, because thousands of readers may share it.
    json: OnceLock<Box<str>>,
}

/// Something that happened to the daemon, the link or a call.
#[derive(Debug, Clone)]
pub enum Event {
    /// The daemon has started.
    DaemonStarted {
        /// Its version.
        version: &'static str,
        /// Its `instance` setting.
        instance: Arc<str>,
    },
    /// A signal stops the daemon.
    DaemonStopping {
        /// Name of the signal, such as `SIGTERM`.
        reason: Arc<str>,
    },
    /// The daemon is logged in to the AMI and has reconciled its calls with Asterisk's list.
    AmiConnected {
        /// The `name` of the Asterisk.
        asterisk: Arc<str>,
        /// First line that Asterisk sends, such as `Asterisk Call Manager/11.0.0`.
        banner: Arc<str>,
        /// Number of this daemon's active calls.
        live: usize,
    },
    /// The link is lost, or an attempt to connect failed.
    AmiDisconnected {
        /// The `name` of the Asterisk.
        asterisk: Arc<str>,
        /// Why the link was lost or the attempt failed, as text.
        reason: Arc<str>,
    },
    /// A bot asked for a call, with a valid key and valid fields.
    CallRequested,
    /// The call was not made.
    CallRefused(Refusal),
    /// Asterisk has accepted the call.
    CallQueued,
    /// This run took over a live call of an earlier run that has no records: they were lost, or
    /// there is no journal file. [`CallEnded`](Self::CallEnded) follows when the call is over.
    CallAdopted(Box<Progress>),
    /// The gateway reports ringing.
    CallRinging,
    /// The callee answered.
    CallAnswered {
        /// Set if the callee answered while the link was down: the answer came after this instant.
        after: Option<SystemTime>,
    },
    /// The callee is in the conference.
    CallJoined {
        /// The conference as Asterisk names it.
        conference: Arc<str>,
        /// Set if a list showed the callee there after an outage: they came in after this instant.
        after: Option<SystemTime>,
    },
    /// The callee left the conference.
    CallLeft {
        /// The conference as Asterisk names it.
        conference: Arc<str>,
        /// Set if a list lacked the callee there after an outage: they left after this instant.
        after: Option<SystemTime>,
        /// How long the callee talked; none if talk detection is off.
        talked: Option<Duration>,
    },
    /// The callee is not heard any more.
    CallMuted {
        /// The conference as Asterisk names it.
        conference: Arc<str>,
        /// The key that asked; none if somebody else in Asterisk did it.
        by: Option<Arc<str>>,
    },
    /// The callee is heard again.
    CallUnmuted {
        /// The conference as Asterisk names it.
        conference: Arc<str>,
        /// The key that asked; none if somebody else in Asterisk did it.
        by: Option<Arc<str>>,
    },
    /// A key took the callee out of the conference.
    CallKicked {
        /// The conference as Asterisk names it.
        conference: Arc<str>,
        /// The key that asked.
        by: Arc<str>,
    },
    /// A key moved the callee to another conference.
    CallMoved {
        /// The conference that the callee was in.
        conference: Arc<str>,
        /// The conference that the callee goes to.
        moved_to: Arc<str>,
        /// The key that asked.
        by: Arc<str>,
    },
    /// The call is over. Each accepted call has exactly one such record.
    CallEnded(Box<End>),
    /// Something happened to a room.
    Room {
        /// The name, as Asterisk spells it.
        room: Arc<str>,
        /// The change.
        change: RoomChange,
    },
    /// Something happened to a participant who is not in a call of ours.
    Guest {
        /// The person.
        guest: Arc<Guest>,
        /// The room, as Asterisk spells it.
        room: Arc<str>,
        /// The change.
        change: GuestChange,
    },
    /// Replaces each record of an erased number.
    Erased,
}

impl Event {
    /// The same event of a call, with the call's number masked in texts from the gateway and from
    /// Asterisk.
    pub fn masked(self, number: Number) -> Self {
        let masked = |text: Arc<str>| -> Arc<str> { hide(number, &text).into() };
        match self {
            Event::CallRefused(Refusal::Rejected(words)) => {
                Event::CallRefused(Refusal::Rejected(hide(number, &words).into()))
            }
            Event::CallRefused(Refusal::LinkDown(reason)) => {
                Event::CallRefused(Refusal::LinkDown(hide(number, &reason).into()))
            }
            Event::CallJoined { conference, after } => {
                Event::CallJoined { conference: masked(conference), after }
            }
            Event::CallLeft { conference, after, talked } => {
                Event::CallLeft { conference: masked(conference), after, talked }
            }
            Event::CallMuted { conference, by } => {
                Event::CallMuted { conference: masked(conference), by }
            }
            Event::CallUnmuted { conference, by } => {
                Event::CallUnmuted { conference: masked(conference), by }
            }
            Event::CallKicked { conference, by } => {
                Event::CallKicked { conference: masked(conference), by }
            }
            Event::CallMoved { conference, moved_to, by } => {
                Event::CallMoved { conference: masked(conference), moved_to: masked(moved_to), by }
            }
            Event::CallEnded(end) => Event::CallEnded(Box::new(end.masked(number))),
            other => other,
        }
    }

    /// The same event of a room or a guest, with the guest's number masked.
    pub fn guest_masked(self) -> Self {
        match self {
            Event::Guest { guest, room, change } => {
                let room = guest.number.map_or(room.clone(), |number| hide(number, &room).into());
                Event::Guest { guest: Arc::new(guest.masked()), room, change }
            }
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
            Event::CallMuted { .. } => EventKind::CallMuted,
            Event::CallUnmuted { .. } => EventKind::CallUnmuted,
            Event::CallKicked { .. } => EventKind::CallKicked,
            Event::CallMoved { .. } => EventKind::CallMoved,
            Event::CallEnded(_) => EventKind::CallEnded,
            Event::Room { change, .. } => match change {
                RoomChange::Started { .. } => EventKind::RoomStarted,
                RoomChange::Ended { .. } => EventKind::RoomEnded,
                RoomChange::Locked { .. } => EventKind::RoomLocked,
                RoomChange::Unlocked { .. } => EventKind::RoomUnlocked,
                RoomChange::Muted { .. } => EventKind::RoomMuted,
                RoomChange::Unmuted { .. } => EventKind::RoomUnmuted,
            },
            Event::Guest { change, .. } => match change {
                GuestChange::Joined { .. } => EventKind::GuestJoined,
                GuestChange::Left(_) => EventKind::GuestLeft,
                GuestChange::Muted { .. } => EventKind::GuestMuted,
                GuestChange::Unmuted { .. } => EventKind::GuestUnmuted,
            },
            Event::Erased => EventKind::Erased,
        }
    }

    /// The `event` member.
    pub fn name(&self) -> &'static str {
        self.kind().as_str()
    }
}

/// Why a reader misses records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GapReason {
    /// The ring no longer held the records when the reader came to them.
    Overrun,
    /// The daemon has restarted since, with an empty ring.
    Restarted,
    /// Another program has moved, replaced or truncated the journal file that held the records.
    FileChanged,
}

impl GapReason {
    /// The `reason` member.
    pub fn as_str(self) -> &'static str {
        match self {
            GapReason::Overrun => "overrun",
            GapReason::Restarted => "restarted",
            GapReason::FileChanged => "file_changed",
        }
    }
}

/// Takes the place of records that a reader does not get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// First missing `seq`, where known.
    pub from: Option<u64>,
    /// Last missing `seq`, where known.
    pub to: Option<u64>,
    /// Why the reader does not get them.
    pub reason: GapReason,
}

/// The next thing that a reader of the journal gets.
#[derive(Debug, Clone)]
pub enum Entry {
    /// The next record.
    Record(Arc<Record>),
    /// Records are missing here.
    Gap(Gap),
}

impl Record {
    /// Creates a record with the number `seq`.
    pub fn new(seq: u64, time: SystemTime, event: Event, call: Option<Arc<CallInfo>>) -> Self {
        Self { seq, time, event, call, json: OnceLock::new() }
    }

    /// The record as one line of JSON, without the newline.
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
    /// Level of the entry among other log lines: `WARN` for gaps and a lost link, else `INFO`.
    pub fn level(&self) -> &'static str {
        match self {
            Entry::Gap(_) => "WARN",
            Entry::Record(record) if matches!(record.event, Event::AmiDisconnected { .. }) => {
                "WARN"
            }
            Entry::Record(_) => "INFO",
        }
    }

    /// The entry as one line of JSON, without the newline.
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
