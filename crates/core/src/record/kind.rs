//! The names of events.

use std::str::FromStr;

/// Which event a record, or another line of the journal, is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// The daemon runs.
    DaemonStarted,
    /// A signal stops the daemon.
    DaemonStopping,
    /// The link to Asterisk is up.
    AmiConnected,
    /// The link to Asterisk is down.
    AmiDisconnected,
    /// A bot asked for a call.
    CallRequested,
    /// The call was not made.
    CallRefused,
    /// Asterisk has accepted the call.
    CallQueued,
    /// This run took over a call that the journal did not know.
    CallAdopted,
    /// The callee's phone rings.
    CallRinging,
    /// The callee answered.
    CallAnswered,
    /// The callee entered the conference.
    CallJoined,
    /// The callee left the conference.
    CallLeft,
    /// The call is over.
    CallEnded,
    /// A record of a number that was erased stood here.
    Erased,
    /// Records are missing here. A gap is no record: it has neither number nor time.
    Gap,
    /// A line at the top of a journal file that repeats how far an open call has come. It is no
    /// record: it has no number, and event streams do not carry it.
    CallCarried,
}

impl EventKind {
    /// The kinds of records, in the order of the enum.
    pub const OF_RECORDS: [Self; 14] = [
        Self::DaemonStarted,
        Self::DaemonStopping,
        Self::AmiConnected,
        Self::AmiDisconnected,
        Self::CallRequested,
        Self::CallRefused,
        Self::CallQueued,
        Self::CallAdopted,
        Self::CallRinging,
        Self::CallAnswered,
        Self::CallJoined,
        Self::CallLeft,
        Self::CallEnded,
        Self::Erased,
    ];

    /// The `event` member.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DaemonStarted => "daemon.started",
            Self::DaemonStopping => "daemon.stopping",
            Self::AmiConnected => "ami.connected",
            Self::AmiDisconnected => "ami.disconnected",
            Self::CallRequested => "call.requested",
            Self::CallRefused => "call.refused",
            Self::CallQueued => "call.queued",
            Self::CallAdopted => "call.adopted",
            Self::CallRinging => "call.ringing",
            Self::CallAnswered => "call.answered",
            Self::CallJoined => "call.joined",
            Self::CallLeft => "call.left",
            Self::CallEnded => "call.ended",
            Self::Erased => "erased",
            Self::Gap => "gap",
            Self::CallCarried => "call.carried",
        }
    }
}

/// The text names no event that this build knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an event")]
pub struct NotAnEvent;

impl FromStr for EventKind {
    type Err = NotAnEvent;

    fn from_str(text: &str) -> Result<Self, NotAnEvent> {
        let mut all = Self::OF_RECORDS.into_iter().chain([Self::Gap, Self::CallCarried]);
        all.find(|kind| kind.as_str() == text).ok_or(NotAnEvent)
    }
}
