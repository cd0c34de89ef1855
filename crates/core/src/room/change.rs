//! Changes of rooms and of guests. Each change is one record.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use strum::{EnumString, IntoStaticStr};

use super::ConferenceId;

/// A change of a room. `by` is the name of the API key that asked for it; none if somebody else in
/// Asterisk did it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoomChange {
    /// The first participant came in.
    Started {
        /// The conference that began.
        id: ConferenceId,
        /// Set if a list showed the conference after an outage: it started after this time.
        after: Option<SystemTime>,
    },
    /// The last participant left.
    Ended {
        /// The conference that ended.
        id: ConferenceId,
        /// Set if a list lacked the conference after an outage: it ended after this time.
        after: Option<SystemTime>,
        /// The key that ended it for everybody.
        by: Option<Arc<str>>,
    },
    /// Nobody else can come in.
    Locked {
        /// The key that asked.
        by: Option<Arc<str>>,
    },
    /// Everybody can come in again.
    Unlocked {
        /// The key that asked.
        by: Option<Arc<str>>,
    },
    /// Nobody but admins is heard, later participants included.
    Muted {
        /// The key that asked.
        by: Option<Arc<str>>,
    },
    /// Everybody is heard again.
    Unmuted {
        /// The key that asked.
        by: Option<Arc<str>>,
    },
}

/// A change of a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GuestChange {
    /// The guest came into the room.
    Joined {
        /// Set if a list showed the guest after an outage: they came after this time.
        after: Option<SystemTime>,
    },
    /// The guest left the room.
    Left(Left),
    /// The guest is not heard any more.
    Muted {
        /// The key that asked.
        by: Option<Arc<str>>,
    },
    /// The guest is heard again.
    Unmuted {
        /// The key that asked.
        by: Option<Arc<str>>,
    },
}

/// How a guest left a room.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Left {
    /// Set if a list lacked the guest after an outage: they left after this time.
    pub after: Option<SystemTime>,
    /// Why, if known.
    pub reason: Option<LeaveReason>,
    /// The key that took them out or moved them.
    pub by: Option<Arc<str>>,
    /// The room that they were moved to.
    pub moved_to: Option<Arc<str>>,
    /// How long they talked; none if talk detection is off.
    pub talked: Option<Duration>,
}

/// Why somebody left a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum LeaveReason {
    /// They hung up, or their connection broke.
    Left,
    /// A key took them out.
    Kicked,
    /// A key moved them to another room.
    Moved,
    /// A key ended the room for everybody.
    RoomEnded,
}

impl LeaveReason {
    /// The `reason` member.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}
