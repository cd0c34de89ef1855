//! Why a call that was asked for is not made.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::CallId;

/// Why a call is not made. Nothing rang, and nothing will.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The number is in a call already: in this one, or in one of another daemon on the same
    /// Asterisk.
    InProgress {
        /// The call in progress, if it is ours.
        by: Option<CallId>,
    },
    /// No logged-in, reconciled link to Asterisk; with what is wrong.
    LinkDown(Arc<str>),
    /// The number is on no list of those that may be called, or on one of those that must not.
    NotAllowed {
        /// The key whose list it is; else the list is for all.
        of_key: Option<Arc<str>>,
    },
    /// A limit is reached.
    Limited(Limit),
    /// More is asked for than can be passed on right now.
    Overloaded,
    /// The daemon is stopping.
    Stopping,
    /// Asterisk refused the Originate, with these words.
    Rejected(Arc<str>),
}

/// A limit that is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// Its name in the configuration.
    pub name: &'static str,
    /// The key whose limit it is; else it is for all.
    pub key: Option<Arc<str>>,
    /// Its value.
    pub value: u64,
    /// After how long it may be worth asking again.
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
    /// All that [`code`](Self::code) and [`limit`](Self::limit) can be.
    pub const CODES: [(&'static str, &'static str); 9] = [
        ("in_progress", ""),
        ("link_down", ""),
        ("not_allowed", ""),
        ("limited", "calls_per_second"),
        ("limited", "calls_alive"),
        ("limited", "attempts_per_number"),
        ("overloaded", ""),
        ("stopping", ""),
        ("rejected", ""),
    ];

    /// The name of the limit that is reached, if that is why; else nothing.
    pub fn limit(&self) -> &'static str {
        match self {
            Refusal::Limited(limit) => limit.name,
            _ => "",
        }
    }

    /// One word for machines.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::InProgress { .. } => "in_progress",
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
            Refusal::Rejected(words) => write!(f, "Asterisk refused the call: {words}"),
        }
    }
}
