//! Why a call that was asked for is not made.

use std::fmt;
use std::sync::Arc;

use super::CallId;

/// Why a call is not made. Nothing rang, and nothing will.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The number is in a call already: in this one, or in one of another daemon on the same Asterisk.
    InProgress {
        /// The call in progress, if it is ours.
        by: Option<CallId>,
    },
    /// No logged-in, reconciled link to Asterisk; with what is wrong.
    LinkDown(Arc<str>),
    /// More is asked for than can be passed on right now.
    Overloaded,
    /// The daemon is stopping.
    Stopping,
    /// Asterisk refused the Originate, with these words.
    Rejected(Arc<str>),
}

impl Refusal {
    /// One word for machines.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::InProgress { .. } => "in_progress",
            Refusal::LinkDown(_) => "link_down",
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
            Refusal::Overloaded => f.write_str("too many requests at once"),
            Refusal::Stopping => f.write_str("the daemon is stopping"),
            Refusal::Rejected(words) => write!(f, "Asterisk refused the call: {words}"),
        }
    }
}
