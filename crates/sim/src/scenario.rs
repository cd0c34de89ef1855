//! The scenario file: how numbers behave, how long steps take, and which faults are injected.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de};
use wildmatch::WildMatch;

use super::callee::{Behaviour, Reaction, cause_of_sip};
use super::faults::Faults;

/// A scenario. The default has the callees of the [table](crate), and times close to those of the
/// sample dialplan.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scenario {
    /// How long steps take.
    pub timing: Timing,
    /// Callees that differ from the table. The first entry that matches a number is used.
    pub callee: Vec<Callee>,
    /// Faults of every connection.
    pub faults: Faults,
}

/// How long steps take in Asterisk.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timing {
    /// Time from the Originate to the dialling of the gateway.
    #[serde(deserialize_with = "duration")]
    pub dial: Duration,
    /// `CONF_WAIT` of the dialplan. The sample has 3 s; here it is 1 s, so that even a callee who
    /// hangs up after 3 s gets into the conference.
    #[serde(deserialize_with = "duration")]
    pub wait: Duration,
    /// Length of the beep before the conference.
    #[serde(deserialize_with = "duration")]
    pub beep: Duration,
    /// Length of the sound that the last participant hears when leaving a conference.
    #[serde(deserialize_with = "duration")]
    pub leave: Duration,
    /// How long the lock channel (`;2`) outlives the other channels of its call.
    #[serde(deserialize_with = "duration")]
    pub lock_lingers: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        let ms = Duration::from_millis;
        Self { dial: ms(2), wait: ms(1000), beep: ms(440), leave: ms(390), lock_lingers: ms(0) }
    }
}

/// One `[[callee]]` of the file: a pattern of numbers, and how their callees behave.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "CalleeEntry")]
pub struct Callee {
    number: WildMatch,
    behaviour: Behaviour,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CalleeEntry {
    number: String,
    #[serde(default, deserialize_with = "some_duration")]
    ring_after: Option<Duration>,
    #[serde(default, deserialize_with = "some_duration")]
    answer_after: Option<Duration>,
    #[serde(default, deserialize_with = "some_duration")]
    talk: Option<Duration>,
    #[serde(default, deserialize_with = "some_duration")]
    refuse_after: Option<Duration>,
    sip: Option<u16>,
    words: Option<String>,
    cause: Option<u8>,
}

impl TryFrom<CalleeEntry> for Callee {
    type Error = &'static str;

    fn try_from(entry: CalleeEntry) -> Result<Self, Self::Error> {
        let CalleeEntry { number, ring_after, answer_after, talk, refuse_after, sip, words, cause } =
            entry;
        if number.is_empty()
            || !number.chars().all(|c| c.is_ascii_digit() || matches!(c, '*' | '?'))
        {
            return Err("number must consist of digits, ? for any digit and * for any digits");
        }
        if talk.is_some() && answer_after.is_none() {
            return Err("talk needs answer_after");
        }
        if sip.is_none() && (refuse_after.is_some() || words.is_some() || cause.is_some()) {
            return Err("refuse_after, words and cause need sip");
        }
        if words.as_deref().is_some_and(|words| words.chars().any(char::is_control)) {
            return Err("words must not contain control characters");
        }
        let reaction = match (answer_after, sip) {
            (Some(_), Some(_)) => {
                return Err("a callee answers (answer_after) or is refused (sip), not both");
            }
            (Some(after), None) => Reaction::Answer { after, talk },
            (None, Some(sip @ 400..700)) => Reaction::Refuse {
                after: refuse_after.unwrap_or_default(),
                sip,
                words: words.unwrap_or_default(),
                cause: cause.unwrap_or_else(|| cause_of_sip(sip)),
            },
            (None, Some(_)) => return Err("sip must be a status from 400 to 699"),
            (None, None) => Reaction::Silence,
        };
        Ok(Self { number: WildMatch::new(&number), behaviour: Behaviour { ring_after, reaction } })
    }
}

impl Scenario {
    /// Parses the text of a scenario file.
    ///
    /// # Errors
    ///
    /// The text is not TOML, or has an unknown key or an invalid value.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// The behaviour of the callee with this number.
    pub fn behaviour(&self, number: &str) -> Behaviour {
        let found = self.callee.iter().find(|callee| callee.number.matches(number));
        found.map_or_else(|| Behaviour::of(number), |callee| callee.behaviour.clone())
    }
}

/// Reads a duration such as `"300ms"`.
pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    humantime::parse_duration(&text)
        .map_err(|_| de::Error::custom("a duration is written \"300ms\" or \"2s\""))
}

fn some_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    duration(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_matching_callee_overrides_the_table() {
        let scenario = Scenario::parse(
            "[timing]\nwait = \"0s\"\n[[callee]]\nnumber = \"7999*486\"\nanswer_after = \"5s\"\ntalk = \"1m\"\nring_after = \"1s\"\n\
             [[callee]]\nnumber = \"7999???\"\nsip = 503\nwords = \"Service Unavailable\"\n[faults]\ndrop = 0.5\n",
        );
        let scenario = scenario.expect("a scenario");
        let s = Duration::from_secs;
        assert_eq!((scenario.timing.wait, scenario.faults.drop), (s(0), 0.5));
        let answers = Behaviour {
            ring_after: Some(s(1)),
            reaction: Reaction::Answer { after: s(5), talk: Some(s(60)) },
        };
        assert_eq!(scenario.behaviour("7999000486"), answers);
        assert!(matches!(
            scenario.behaviour("7999001").reaction,
            Reaction::Refuse { sip: 503, cause: 34, .. }
        ));
        assert_eq!(scenario.behaviour("79990001"), Behaviour::of("79990001"));
    }

    #[test]
    fn unknown_keys_and_values_are_refused() {
        for text in [
            "x = 1",
            "[timing]\nwiat = \"1s\"",
            "[timing]\nwait = 1",
            "[[callee]]\nring = \"1s\"\nnumber = \"*\"",
            "[[callee]]\nsip = 486",
            "[[callee]]\nnumber = \"+7\"",
            "[[callee]]\nnumber = \"*\"\nsip = 200",
            "[[callee]]\nnumber = \"*\"\nsip = 486\nanswer_after = \"1s\"",
            "[[callee]]\nnumber = \"*\"\ntalk = \"1s\"",
            "[[callee]]\nnumber = \"*\"\nsip = 486\nwords = \"a\\r\\nb\"",
            "[faults]\ndrops = 1.0",
            "[faults]\ndrop = 1.5",
        ] {
            assert!(Scenario::parse(text).is_err(), "{text}");
        }
    }
}
