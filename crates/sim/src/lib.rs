//! An Asterisk to develop and test against: an AMI server with scripted callees, and no telephony.
//!
//! It behaves like Asterisk 22 (or 16) with the samples of `asterisk/`, as far as this daemon
//! speaks to it: `tests/asterisk/conformance/` plays the same scenes to it and to the real ones.
//! All of it but [`server`] is pure: bytes and the time go in, bytes come out, and the same seed
//! gives the same world. What goes on in Asterisk is in [`pbx`], one connection in [`session`],
//! what may go wrong in [`faults`], the line on which it does in `line.rs`, and [`simulator`] holds
//! them together.
//!
//! The last three digits of a number choose what the callee does, as they do with sipp in
//! `asterisk/gateway.xml`:
//!
//! | digits | the callee | outcome |
//! |---|---|---|
//! | 404 | is not on Telegram | `not_on_telegram` |
//! | 420 | has a number that the gateway does not take | `invalid_number` |
//! | 486 | is busy | `busy` |
//! | 500 | cannot be called: Telegram rate-limits the gateway for 291 s | `flood_wait` |
//! | 603 | declines | `declined` |
//! | 480 | rings for half a second, and nobody picks up | `no_answer` |
//! | 180 | rings for ever | `no_answer`, when the ring timeout has passed |
//! | 408 | is never heard of | `no_answer`, when the ring timeout has passed |
//! | 200 | answers after 1 s, and hangs up 3 s later | `completed` |
//! | 201 | answers after 1 s, and hangs up half a second later, before the room | `not_joined`, once another call has joined; else `completed` |
//! | others | answer after 1 s and stay | `completed`, when hung up |
//!
//! A [`scenario`] file changes that, and the times.

pub mod callee;
pub mod channel;
pub mod dialplan;
pub mod faults;
mod line;
pub mod pbx;
pub mod scenario;
pub mod server;
pub mod session;
pub mod simulator;
pub mod wire;

/// Which Asterisk is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// 22.10
    V22,
    /// 16.28
    V16,
}

impl Version {
    /// The version of the manager interface.
    pub fn ami(self) -> &'static str {
        match self {
            Version::V22 => "11.0.0",
            Version::V16 => "5.0.4",
        }
    }

    /// Asterisk's own version.
    pub fn asterisk(self) -> &'static str {
        match self {
            Version::V22 => "22.10.1",
            Version::V16 => "16.28.0",
        }
    }
}

/// Classes of events and actions, as `read =` and `write =` of `manager.conf` name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Class(u16);

impl Class {
    /// None.
    pub const NONE: Class = Class(0);
    /// `system`
    pub const SYSTEM: Class = Class(1);
    /// `call`
    pub const CALL: Class = Class(1 << 1);
    /// `config`
    pub const CONFIG: Class = Class(1 << 5);
    /// `user`
    pub const USER: Class = Class(1 << 6);
    /// `command`
    pub const COMMAND: Class = Class(1 << 4);
    /// `agi`
    pub const AGI: Class = Class(1 << 13);
    /// `reporting`
    pub const REPORTING: Class = Class(1 << 9);
    /// `originate`
    pub const ORIGINATE: Class = Class(1 << 12);
    /// Every one.
    pub const ALL: Class = Class(u16::MAX);

    /// These and those.
    pub const fn or(self, other: Class) -> Class {
        Class(self.0 | other.0)
    }

    /// Whether any is in both.
    pub fn meets(self, other: Class) -> bool {
        self.0 & other.0 != 0
    }

    /// Reads an event mask: `on`, `off`, a number, or names of classes. Names that are unknown
    /// count nothing; an empty mask is none.
    pub fn parse_mask(text: &str) -> Option<Class> {
        let text = text.trim();
        match text.to_ascii_lowercase().as_str() {
            "" => return None,
            "on" | "yes" | "true" | "all" | "-1" => return Some(Class::ALL),
            "off" | "no" | "false" => return Some(Class::NONE),
            _ => {}
        }
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Some(Class(text.parse().unwrap_or(u16::MAX)));
        }
        let classes = text.split(',').map(|name| match name.trim() {
            "system" => Class::SYSTEM,
            "call" => Class::CALL,
            "config" => Class::CONFIG,
            "user" => Class::USER,
            "command" => Class::COMMAND,
            "agi" => Class::AGI,
            "reporting" => Class::REPORTING,
            "originate" => Class::ORIGINATE,
            "all" => Class::ALL,
            _ => Class::NONE,
        });
        Some(classes.fold(Class::NONE, Class::or))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As tried on 22 and 16.
    #[test]
    fn event_masks() {
        for (text, on) in [
            ("call,system", true),
            ("off", false),
            ("on", true),
            ("no", false),
            ("system", true),
            ("nope", false),
            ("call,nope", true),
            ("0", false),
            ("2", true),
        ] {
            assert_eq!(Class::parse_mask(text).map(|mask| mask != Class::NONE), Some(on), "{text}");
        }
        assert_eq!(Class::parse_mask(""), None);
        assert_eq!(Class::parse_mask("2"), Some(Class::CALL));
    }
}
