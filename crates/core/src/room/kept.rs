//! A lock or mute that the daemon keeps for a room.

use std::sync::Arc;
use std::time::SystemTime;

/// The lock and mute that the daemon keeps for a room, beyond the life of one conference. Asterisk
/// itself forgets a lock /// when the conference ends, and mutes only those who are present.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRoom {
    /// The name, as it was spelled when a key asked.
    pub room: Arc<str>,
    /// The key that locked the room; none if it is not kept locked.
    pub locked_by: Option<Arc<str>>,
    /// The key that muted the room; none if it is not kept muted.
    pub muted_by: Option<Arc<str>>,
    /// When the room ended; none while it is live. `rooms.keep` later the daemon forgets it.
    pub ended: Option<SystemTime>,
}

impl KeptRoom {
    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.locked_by.is_none() && self.muted_by.is_none()
    }
}
