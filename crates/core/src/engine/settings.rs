//! The engine's settings.

use std::sync::Arc;
use std::time::Duration;

use super::rooms::RoomSettings;
use crate::ami::backoff::Backoff;
use crate::ami::settings::SessionSettings;
use crate::call::limits::Policy;

/// Settings of the engine.
#[derive(Debug)]
pub struct EngineSettings {
    /// This daemon's name among those on the same Asterisk; part of each call's `ORIGINATORD`
    /// variable.
    pub instance: Arc<str>,
    /// The name of this Asterisk in records.
    pub asterisk: Arc<str>,
    /// The login, and the timeouts after which the link counts as dead.
    pub session: SessionSettings,
    /// Limit for TCP, TLS and login together.
    pub connect_timeout: Duration,
    /// The pauses between attempts to connect.
    pub backoff: Backoff,
    /// How a call is made.
    pub originate: OriginateSettings,
    /// The longest time that a bot waits for its answer.
    pub reply_timeout: Duration,
    /// The limits of calls and the lists of numbers.
    pub policy: Policy,
    /// How rooms are seen and kept.
    pub rooms: RoomSettings,
}

/// How a call is made.
#[derive(Debug, Clone)]
pub struct OriginateSettings {
    /// The channel to call, with `{number}` for the bare digits.
    pub channel: String,
    /// The context whose extension is the room.
    pub context: String,
    /// The priority to start at.
    pub priority: u32,
    /// How long the callee may ring.
    pub ring_timeout: Duration,
    /// Further fixed channel variables.
    pub variables: Vec<(String, String)>,
}
