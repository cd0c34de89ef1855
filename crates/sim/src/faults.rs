//! Misbehaviour on command, between what Asterisk says and what gets onto the wire; `line.rs` is
//! where it happens.
//!
//! Set by `[faults]` of a scenario file, by the action `SimFault` (the same names as headers, in
//! any case; what it does not name goes back to normal), or by [`Simulator::set_faults`].
//!
//! [`Simulator::set_faults`]: super::simulator::Simulator::set_faults

use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

use super::scenario::duration;
use super::wire::Headers;

/// Most bytes or headers that a single fault makes.
pub(super) const MAX_NOISE: usize = 4 * 1024 * 1024;

/// What goes wrong. The default is nothing.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Faults {
    /// Nothing more is read.
    pub stop_reading: bool,
    /// Nothing more is written.
    pub stop_writing: bool,
    /// Everything is written this much later.
    #[serde(deserialize_with = "duration")]
    pub delay: Duration,
    /// The connection is cut after so many further bytes.
    pub cut_after: Option<u64>,
    /// The connection is cut where the next answer to an Originate should be.
    pub cut_before_receipt: bool,
    /// How likely an event comes twice.
    #[serde(deserialize_with = "chance")]
    pub repeat: f64,
    /// How likely an event does not come.
    #[serde(deserialize_with = "chance")]
    pub drop: f64,
    /// How likely an event comes after the next one.
    #[serde(deserialize_with = "chance")]
    pub reorder: f64,
    /// So many bytes that mean nothing are written, once.
    #[serde(deserialize_with = "amount")]
    pub garbage: usize,
    /// An event with a line of so many bytes is written, once.
    #[serde(deserialize_with = "amount")]
    pub endless_line: usize,
    /// An event of so many headers is written, once.
    #[serde(deserialize_with = "amount")]
    pub endless_headers: usize,
    /// So many events of others' calls come each second.
    pub flood: u32,
    /// Asterisk is started anew, once: all calls are gone, all connections cut.
    pub restart: bool,
    /// Every action but a SimFault is refused, as after `core stop gracefully`, a Login, too. Calls
    /// and their events go on.
    pub refuse_all: bool,
    /// The user may not read events of the class `call`, as with `read = system,user`.
    pub no_call_events: bool,
}

impl Faults {
    /// Reads a `SimFault`.
    ///
    /// # Errors
    ///
    /// A header that is none of the names above, or has a value that is none.
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
                (false, false) => return Err(format!("no such value of {name}")),
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
    if amount <= MAX_NOISE { Ok(amount) } else { Err(de::Error::custom("at most 4194304")) }
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
