//! What goes wrong, and when.

use std::fmt;
use std::time::SystemTime;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// kill -9, and another one started.
    DaemonKilled,
    /// kill -9, and another one started.
    AsteriskKilled,
    /// `core restart now`: it says goodbye first.
    AsteriskRestarted,
    /// SIGSTOP, and SIGCONT later.
    AsteriskStopped,
    /// The connection is cut at both ends, and cannot be made for a while.
    LinkCut,
    /// The network drops every packet for a while: nobody is told.
    LinkSilent,
    /// The connection is cut, and the daemon is killed, and killed again, before it can be made.
    LinkCutDaemonKilled,
}

impl Fault {
    /// Whether it ends all calls.
    pub fn ends_calls(self) -> bool {
        matches!(self, Self::AsteriskKilled | Self::AsteriskRestarted)
    }

    /// Whether Asterisk works on meanwhile, so that a call can end while the daemon does not see
    /// it.
    pub fn leaves_asterisk_alone(self) -> bool {
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

/// How far a call has come when it goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Originate is sent, and Asterisk has not been heard since.
    Asked,
    /// Accepted; the gateway says nothing.
    Dialling,
    /// The gateway says that it rings.
    Ringing,
    /// In the conference.
    Talking,
}

impl Phase {
    /// All that the daemon has heard of.
    pub const HEARD: [Self; 3] = [Self::Dialling, Self::Ringing, Self::Talking];

    /// The last digits of a number whose callee gets a call no further than here; see
    /// `asterisk/README.md`.
    pub fn digits(self) -> &'static str {
        match self {
            Self::Asked | Self::Dialling => "408",
            Self::Ringing => "180",
            Self::Talking => "001",
        }
    }

    /// The record that says that the call is here.
    pub fn event(self) -> &'static str {
        match self {
            Self::Asked => "call.requested",
            Self::Dialling => "call.queued",
            Self::Ringing => "call.ringing",
            Self::Talking => "call.joined",
        }
    }

    /// The outcome of a call that an operator hangs up here.
    pub fn hung_up(self) -> &'static str {
        if self == Self::Talking { "completed" } else { "canceled" }
    }

    /// The outcome of a call that Asterisk hangs up here of its own accord.
    pub fn cut_short(self) -> &'static str {
        if self == Self::Talking { "completed" } else { "failed" }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Asked => "before the receipt",
            Self::Dialling => "mid-dial",
            Self::Ringing => "mid-ring",
            Self::Talking => "mid-call",
        })
    }
}

/// A time within which something happened, as the test has seen it.
pub type Span = (SystemTime, SystemTime);
