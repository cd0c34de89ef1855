//! A simulated Asterisk for development and tests: an AMI server with scripted callees, without
//! telephony.
//!
//! It implements the part of AMI that the daemon uses, and behaves like Asterisk 22 or 16 with the
//! sample configuration in `asterisk/`. The conformance tests run the same scenes against it and
//! against real Asterisks. Everything but [`server`] is pure: bytes and the time go in, bytes come
//! out, and the same seed gives the same run. [`pbx`] has channels, calls and conferences;
//! [`session`] is one AMI connection; [`faults`] lists the faults that can be injected, and
//! `faulty_link.rs` injects them; [`simulator`] puts them together.
//!
//! The last three digits of a number choose what the callee does, as they do with sipp in
//! `asterisk/gateway.xml`:
//!
//! | digits | the callee | outcome |
//! |---|---|---|
//! | 404 | is not on Telegram | `not_on_telegram` |
//! | 420 | has a number that the gateway rejects | `invalid_number` |
//! | 486 | is busy | `busy` |
//! | 500 | cannot be called: Telegram rate-limits the gateway for 291 s | `flood_wait` |
//! | 603 | declines | `declined` |
//! | 480 | rings for half a second, and nobody picks up | `no_answer` |
//! | 180 | rings for ever | `no_answer`, when the ring timeout has passed |
//! | 408 | never responds | `no_answer`, when the ring timeout has passed |
//! | 200 | answers after 1 s, and hangs up 3 s later | `completed` |
//! | 201 | answers after 1 s, and hangs up half a second later, before joining the room | `not_joined`, once another call has joined; else `completed` |
//! | others | answer after 1 s and stay | `completed`, when hung up |
//!
//! A [`scenario`] file changes the callees and the times.

mod callee;
pub mod channel;
mod dialplan;
pub mod faults;
mod faulty_link;
pub mod pbx;
pub mod scenario;
pub mod server;
pub mod session;
pub mod simulator;
pub mod wire;

use bitflags::bitflags;
use strum::{EnumString, VariantNames};

/// Major version of the simulated Asterisk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumString, VariantNames)]
pub enum AsteriskVersion {
    /// 22.10
    #[strum(serialize = "22")]
    V22,
    /// 16.28
    #[strum(serialize = "16")]
    V16,
}

impl AsteriskVersion {
    /// Version of the manager interface, as the banner carries it.
    pub fn ami(self) -> &'static str {
        match self {
            AsteriskVersion::V22 => "11.0.0",
            AsteriskVersion::V16 => "5.0.4",
        }
    }

    /// The full version number.
    pub fn asterisk(self) -> &'static str {
        match self {
            AsteriskVersion::V22 => "22.10.1",
            AsteriskVersion::V16 => "16.28.0",
        }
    }
}

bitflags! {
    /// Classes of events and actions, as `read =` and `write =` of `manager.conf` name them. The
    /// bits are those of `EVENT_FLAG_*` in `include/asterisk/manager.h`.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Class: u16 {
        /// `system`
        const SYSTEM = 1;
        /// `call`
        const CALL = 1 << 1;
        /// `command`
        const COMMAND = 1 << 4;
        /// `user`
        const USER = 1 << 6;
        /// `config`
        const CONFIG = 1 << 7;
        /// `reporting`
        const REPORTING = 1 << 9;
        /// `originate`
        const ORIGINATE = 1 << 12;
        /// `agi`
        const AGI = 1 << 13;
        // The simulator uses no other class, but a mask may have its bit.
        const _ = !0;
    }
}

impl Class {
    /// Reads an event mask: `on`, `off`, a number, or names of classes. Ignores unknown names;
    /// returns none for an empty text.
    pub(crate) fn parse_mask(text: &str) -> Option<Class> {
        let text = text.trim();
        match text.to_ascii_lowercase().as_str() {
            "" => return None,
            "on" | "yes" | "true" | "all" | "-1" => return Some(Class::all()),
            "off" | "no" | "false" => return Some(Class::empty()),
            _ => {}
        }
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Some(Class::from_bits_retain(text.parse().unwrap_or(u16::MAX)));
        }
        let classes = text.split(',').filter_map(|name| match name.trim() {
            "all" => Some(Class::all()),
            name => Class::from_name(&name.to_ascii_uppercase()),
        });
        Some(classes.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The masks and their effects were observed on Asterisk 22 and 16.
    #[test]
    fn event_masks_are_read_like_asterisk() {
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
            assert_eq!(Class::parse_mask(text).map(|mask| !mask.is_empty()), Some(on), "{text}");
        }
        assert_eq!(Class::parse_mask(""), None);
        assert_eq!(Class::parse_mask("2"), Some(Class::CALL));
    }
}
