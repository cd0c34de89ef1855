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
    /// The callee is not heard any more.
    #[strum(serialize = "call.muted")]
    CallMuted,
    /// The callee is heard again.
    #[strum(serialize = "call.unmuted")]
    CallUnmuted,
    /// A key took the callee out of the conference.
    #[strum(serialize = "call.kicked")]
    CallKicked,
    /// A key moved the callee to another conference.
    #[strum(serialize = "call.moved")]
    CallMoved,
    /// The call is over.
    #[strum(serialize = "call.ended")]
    CallEnded,
    /// The first participant came into a room.
    #[strum(serialize = "room.started")]
    RoomStarted,
    /// The last participant left a room.
    #[strum(serialize = "room.ended")]
    RoomEnded,
    /// Nobody else can come into a room.
    #[strum(serialize = "room.locked")]
    RoomLocked,
    /// A room is open again.
    #[strum(serialize = "room.unlocked")]
    RoomUnlocked,
    /// Nobody but admins is heard in a room.
    #[strum(serialize = "room.muted")]
    RoomMuted,
    /// Everybody is heard again in a room.
    #[strum(serialize = "room.unmuted")]
    RoomUnmuted,
    /// A guest came into a room.
    #[strum(serialize = "guest.joined")]
    GuestJoined,
    /// A guest left a room.
    #[strum(serialize = "guest.left")]
    GuestLeft,
    /// A guest is not heard any more.
    #[strum(serialize = "guest.muted")]
    GuestMuted,
    /// A guest is heard again.
    #[strum(serialize = "guest.unmuted")]
    GuestUnmuted,
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
    /// A line at the top of a journal file that repeats that a room is open.
    #[strum(serialize = "room.carried")]
    RoomCarried,
    /// A line at the top of a journal file that repeats that a guest is in an open room.
    #[strum(serialize = "guest.carried")]
    GuestCarried,
}

impl EventKind {
    /// The kinds of records, in the order of the enum.
    pub const OF_RECORDS: [Self; 28] = [
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
        Self::CallMuted,
        Self::CallUnmuted,
        Self::CallKicked,
        Self::CallMoved,
        Self::CallEnded,
        Self::RoomStarted,
        Self::RoomEnded,
        Self::RoomLocked,
        Self::RoomUnlocked,
        Self::RoomMuted,
        Self::RoomUnmuted,
        Self::GuestJoined,
        Self::GuestLeft,
        Self::GuestMuted,
        Self::GuestUnmuted,
        Self::Erased,
    ];

    /// The `event` member.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}
