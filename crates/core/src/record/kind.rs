//! The names of events.

use strum::{EnumString, IntoStaticStr};

/// Which event a record, or another line of the journal, is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumString, IntoStaticStr)]
pub enum EventKind {
    /// The daemon has started.
    #[strum(serialize = "daemon.started")]
    DaemonStarted,
    /// A signal stops the daemon.
    #[strum(serialize = "daemon.stopping")]
    DaemonStopping,
    /// The link to Asterisk is up.
    #[strum(serialize = "ami.connected")]
    AmiConnected,
    /// The link to Asterisk is down.
    #[strum(serialize = "ami.disconnected")]
    AmiDisconnected,
    /// A bot asked for a call.
    #[strum(serialize = "call.requested")]
    CallRequested,
    /// The call was not made.
    #[strum(serialize = "call.refused")]
    CallRefused,
    /// Asterisk has accepted the call.
    #[strum(serialize = "call.queued")]
    CallQueued,
    /// This run took over a call that the journal did not know.
    #[strum(serialize = "call.adopted")]
    CallAdopted,
    /// The callee's phone rings.
    #[strum(serialize = "call.ringing")]
    CallRinging,
    /// The callee answered.
    #[strum(serialize = "call.answered")]
    CallAnswered,
    /// The callee entered the conference.
    #[strum(serialize = "call.joined")]
    CallJoined,
    /// The callee left the conference.
    #[strum(serialize = "call.left")]
    CallLeft,
    /// The call is over.
    #[strum(serialize = "call.ended")]
    CallEnded,
    /// Replaces each record of an erased number.
    #[strum(serialize = "erased")]
    Erased,
    /// Records are missing here. A gap is no record: it has neither number nor time.
    #[strum(serialize = "gap")]
    Gap,
    /// A line at the top of a journal file that repeats how far an open call has come. It is no
    /// record: it has no number, and event streams do not carry it.
    #[strum(serialize = "call.carried")]
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
        self.into()
    }
}
