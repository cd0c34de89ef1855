//! Refusals: the reasons why a requested call is not made.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::CallId;

/// The reason why a call is not made. No phone has rung, and none will.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// A call to the number is in progress, from this daemon or another one on the same Asterisk.
    InProgress {
        /// The call in progress, for `X-Call-Id`. `None` if another daemon has the number's lock.
        by: Option<CallId>,
    },
    /// The room is locked.
    RoomLocked,
    /// The daemon is not logged in to Asterisk, or has not reconciled yet, for this reason.
    LinkDown(Arc<str>),
    /// The number has none of the allowed prefixes, or has a denied one.
    NotAllowed {
        /// The name of the key whose list refuses the number; `None` for the list for all keys.
        of_key: Option<Arc<str>>,
    },
    /// A limit is reached.
    Limited(Limit),
    /// The engine's queue is full.
    Overloaded,
    /// The daemon is stopping.
    Stopping,
    /// Asterisk refused the Originate with this message.
    Rejected(Arc<str>),
}

/// A limit that is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// The limit's name in the configuration.
    pub name: &'static str,
    /// The name of the key that has the limit; `None` for a limit for all keys together.
    pub key: Option<Arc<str>>,
    /// The configured value.
    pub value: u64,
    /// How long to wait before the next attempt.
    pub retry_after: Duration,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "limit reached: {} = {}", self.name, self.value)?;
        match &self.key {
            Some(key) => write!(f, " of key {key}"),
            None => Ok(()),
        }
    }
}

impl Refusal {
    /// All pairs of [`code`](Self::code) and [`limit`](Self::limit).
    pub const CODES: [(&'static str, &'static str); 10] = [
        ("in_progress", ""),
        ("room_locked", ""),
        ("link_down", ""),
        ("not_allowed", ""),
        ("limited", "calls_per_second"),
        ("limited", "calls_alive"),
        ("limited", "attempts_per_number"),
        ("overloaded", ""),
        ("stopping", ""),
        ("rejected", ""),
    ];

    /// The name of the limit that is reached; empty for another refusal.
    pub fn limit(&self) -> &'static str {
        match self {
            Refusal::Limited(limit) => limit.name,
            _ => "",
        }
    }

    /// The refusal's name in records and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::InProgress { .. } => "in_progress",
            Refusal::RoomLocked => "room_locked",
            Refusal::LinkDown(_) => "link_down",
            Refusal::NotAllowed { .. } => "not_allowed",
            Refusal::Limited(_) => "limited",
            Refusal::Overloaded => "overloaded",
            Refusal::Stopping => "stopping",
            Refusal::Rejected(_) => "rejected",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::InProgress { .. } => f.write_str("call already in progress"),
            Refusal::RoomLocked => f.write_str("room_name: the room is locked"),
            Refusal::LinkDown(reason) => write!(f, "Asterisk is not reachable: {reason}"),
            Refusal::NotAllowed { of_key: None } => {
                f.write_str("phone_number: this number must not be called")
            }
            Refusal::NotAllowed { of_key: Some(key) } => {
                write!(f, "phone_number: this number must not be called with key {key}")
            }
            Refusal::Limited(limit) => limit.fmt(f),
            Refusal::Overloaded => f.write_str("too many requests at once"),
            Refusal::Stopping => f.write_str("the daemon is stopping"),
            Refusal::Rejected(message) => write!(f, "Asterisk refused the call: {message}"),
        }
    }
}
