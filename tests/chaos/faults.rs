//! The faults, and the phases of a call in which they occur.

use std::fmt;
use std::time::SystemTime;

/// A fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// SIGKILL ends the daemon, and a new one is started.
    DaemonKilled,
    /// SIGKILL ends Asterisk, and a new one is started.
    AsteriskKilled,
    /// `core restart now`: Asterisk announces its end first.
    AsteriskRestarted,
    /// SIGSTOP stops Asterisk, and SIGCONT resumes it later.
    AsteriskStopped,
    /// Both ends see the connection close, and the daemon cannot connect again for a while.
    LinkCut,
    /// The network drops every packet for a while, and neither end notices.
    LinkSilent,
    /// The link is cut, and the daemon is killed twice before it is ready again.
    LinkCutDaemonKilled,
}

impl Fault {
    /// Whether the fault ends all calls.
    pub(crate) fn ends_calls(self) -> bool {
        matches!(self, Self::AsteriskKilled | Self::AsteriskRestarted)
    }

    /// Whether Asterisk keeps working, so that a call can end unobserved.
    pub(crate) fn leaves_asterisk_alone(self) -> bool {
        !self.ends_calls() && self != Self::AsteriskStopped
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DaemonKilled => "daemon killed",
            Self::AsteriskKilled => "Asterisk killed",
            Self::AsteriskRestarted => "Asterisk restarted",
            Self::AsteriskStopped => "Asterisk stopped",
            Self::LinkCut => "link cut",
            Self::LinkSilent => "link silent",
            Self::LinkCutDaemonKilled => "link cut and daemon killed",
        })
    }
}

/// The phase of a call when the fault occurs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The daemon has sent the Originate, and received neither a reply nor an event.
    Unanswered,
    /// The call is accepted, and the gateway has not answered.
    Dialling,
    /// The gateway reports ringing.
    Ringing,
    /// The call is in its conference.
    Talking,
}

impl Phase {
    /// The phases that begin with an event of Asterisk which the daemon has received.
    pub(crate) const OBSERVED: [Self; 3] = [Self::Dialling, Self::Ringing, Self::Talking];

    /// The last digits of a number whose callee stays in this phase; see `asterisk/README.md`.
    pub(crate) fn digits(self) -> &'static str {
        match self {
            Self::Unanswered | Self::Dialling => "408",
            Self::Ringing => "180",
            Self::Talking => "001",
        }
    }

    /// The record that begins this phase.
    pub(crate) fn event(self) -> &'static str {
        match self {
            Self::Unanswered => "call.requested",
            Self::Dialling => "call.queued",
            Self::Ringing => "call.ringing",
            Self::Talking => "call.joined",
        }
    }

    /// The outcome of a call that an operator hangs up in this phase.
    pub(crate) fn hung_up(self) -> &'static str {
        if self == Self::Talking { "completed" } else { "canceled" }
    }

    /// The outcome of a call that Asterisk hangs up in this phase.
    pub(crate) fn cut_short(self) -> &'static str {
        if self == Self::Talking { "completed" } else { "failed" }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unanswered => "before the reply",
            Self::Dialling => "mid-dial",
            Self::Ringing => "mid-ring",
            Self::Talking => "mid-call",
        })
    }
}

/// A time span that contains an event, as the test has observed it.
pub(crate) type Span = (SystemTime, SystemTime);
