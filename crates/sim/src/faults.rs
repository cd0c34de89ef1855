//! Faults that can be injected between Asterisk's messages and the socket; `faulty_link.rs` injects
//! most of them.
//!
//! `[faults]` of a scenario file, the action `SimFault` or [`Simulator::set_faults`] sets them. The
//! headers of `SimFault` are the names below, in any case; the action switches off all faults that
//! it does not name.
//!
//! [`Simulator::set_faults`]: super::simulator::Simulator::set_faults

use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

use super::scenario::duration;
use super::wire::Headers;

/// Limit of the bytes or headers that a single fault writes.
pub(super) const MAX_FAULT_SIZE: usize = 4 * 1024 * 1024;

/// The faults to inject. The default injects none.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Faults {
    /// The simulator reads nothing more.
    pub stop_reading: bool,
    /// The simulator writes nothing more.
    pub stop_writing: bool,
    /// Time by which every message is delayed.
    #[serde(deserialize_with = "duration")]
    pub delay: Duration,
    /// Number of bytes after which the connection is cut.
    pub cut_after: Option<u64>,
    /// The connection is cut instead of writing the next response to an Originate.
    pub cut_before_receipt: bool,
    /// Probability that an event is sent twice.
    #[serde(deserialize_with = "chance")]
    pub repeat: f64,
    /// Probability that an event is not sent.
    #[serde(deserialize_with = "chance")]
    pub drop: f64,
    /// Probability that an event is sent after the next one.
    #[serde(deserialize_with = "chance")]
    pub reorder: f64,
    /// Number of random bytes to write, once.
    #[serde(deserialize_with = "amount")]
    pub garbage: usize,
    /// Length in bytes of the line in an event that is written once; 0 for no such event.
    #[serde(deserialize_with = "amount")]
    pub endless_line: usize,
    /// Number of headers of an event that is written once; 0 for no such event.
    #[serde(deserialize_with = "amount")]
    pub endless_headers: usize,
    /// Number of events a second about channels of other applications.
    pub flood: u32,
    /// Asterisk restarts, once: all calls are gone, and all connections are cut.
    pub restart: bool,
    /// Asterisk refuses every action but a SimFault, even a Login, as after `core stop gracefully`.
    /// Calls and their events go on.
    pub refuse_all: bool,
    /// The AMI user does not get events of the class `call`, as with `read = system,user`.
    pub no_call_events: bool,
    /// The AMI user's `eventfilter` lines are those of an earlier sample: of the events of
    /// conferences only `ConfbridgeJoin` and `ConfbridgeLeave` pass.
    pub no_room_events: bool,
}

impl Faults {
    /// Parses the headers of a `SimFault`.
    ///
    /// # Errors
    ///
    /// A header names no fault, or has a value that the fault cannot have.
    pub fn parse(action: &Headers) -> Result<Self, String> {
        let mut text = String::new();
        for (name, value) in action.iter() {
            let name = name.to_ascii_lowercase();
            if name == "action" || name == "actionid" {
                continue;
            }
            if !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') {
                return Err(format!("no such fault: {name}"));
            }
            let is_plain = value == "true" || value == "false" || value.parse::<f64>().is_ok();
            let is_word =
                !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_alphanumeric());
            match (is_plain, is_word) {
                (true, _) => text.push_str(&format!("{name} = {value}\n")),
                (false, true) => text.push_str(&format!("{name} = \"{value}\"\n")),
                (false, false) => return Err(format!("invalid value of {name}")),
            }
        }
        toml::from_str(&text).map_err(|error: toml::de::Error| error.message().to_owned())
    }
}

fn chance<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let chance = f64::deserialize(deserializer)?;
    if (0.0..=1.0).contains(&chance) {
        Ok(chance)
    } else {
        Err(de::Error::custom("a chance is from 0.0 to 1.0"))
    }
}

fn amount<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let amount = usize::deserialize(deserializer)?;
    if amount <= MAX_FAULT_SIZE { Ok(amount) } else { Err(de::Error::custom("at most 4194304")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_from_an_action() {
        let action =
            Headers::new().with("Action", "SimFault").with("ActionID", "1").with("Drop", "0.5");
        let faults =
            Faults::parse(&action.clone().with("Delay", "2s").with("Stop_Writing", "true"));
        let expected = Faults {
            drop: 0.5,
            delay: Duration::from_secs(2),
            stop_writing: true,
            ..Faults::default()
        };
        assert_eq!(faults, Ok(expected));
        for (name, value) in [
            ("drop", "2.0"),
            ("dorp", "1.0"),
            ("a = 1\nb", "1"),
            ("delay", "\"1s"),
            ("garbage", "9999999"),
        ] {
            let bad = Headers::new().with("Action", "SimFault");
            let bad: Headers =
                bad.into_iter().chain([(name.to_owned().into(), value.to_owned())]).collect();
            assert!(Faults::parse(&bad).is_err(), "{name}");
        }
    }
}
