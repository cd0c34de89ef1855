//! The scenario file: how numbers behave, how long steps take, and which faults are injected.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de};
use wildmatch::WildMatch;

use super::callee::{Behaviour, Reaction, cause_of_sip};
use super::channel::Party;
use super::faults::Faults;
use super::pbx::{Guest, UserProfile};

/// A scenario. The default has the callees of the [table](crate), and times close to those of the
/// sample dialplan.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scenario {
    /// How long steps take.
    pub timing: Timing,
    /// Greatest number of participants of a room: `max_members` of the bridge profile; 0 for no limit.
    pub max_members: usize,
    /// Callees that differ from the table. The first entry that matches a number is used.
    pub callee: Vec<Callee>,
    /// Telephones that dial into rooms.
    pub guest: Vec<GuestEntry>,
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
    /// Length of the join sound: time from entering a conference, when Asterisk lists the
    /// participant, to `ConfbridgeJoin`. Asterisk plays it to participants whose language is not that
    /// of the conference: 770 ms in Russian. Here it is 0.
    #[serde(deserialize_with = "duration")]
    pub join: Duration,
    /// Length of the prompt that the conference is locked or full.
    #[serde(deserialize_with = "duration")]
    pub refused: Duration,
    /// Length of the prompt that the participant was kicked.
    #[serde(deserialize_with = "duration")]
    pub kicked: Duration,
    /// About how long each participant with talk detection talks at a time; 0 if nobody talks.
    #[serde(deserialize_with = "duration")]
    pub talk: Duration,
    /// About how long such a participant is silent between.
    #[serde(deserialize_with = "duration")]
    pub pause: Duration,
    /// How long the lock channel (`;2`) outlives the other channels of its call.
    #[serde(deserialize_with = "duration")]
    pub lock_lingers: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        let ms = Duration::from_millis;
        Self {
            dial: ms(2),
            wait: ms(1000),
            beep: ms(440),
            leave: ms(390),
            join: ms(0),
            refused: ms(1760),
            kicked: ms(2380),
            talk: ms(0),
            pause: ms(5000),
            lock_lingers: ms(0),
        }
    }
}

/// One `[[callee]]` of the file: a pattern of numbers, and how their callees behave.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "CalleeEntry")]
pub struct Callee {
    number: WildMatch,
    behaviour: Behaviour,
}

/// One `[[guest]]` of the file: a telephone that dials into a room.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GuestEntry {
    room: String,
    /// `CallerIDNum`
    number: String,
    /// `CallerIDName`
    name: String,
    /// Time from the simulator's start until it dials.
    #[serde(deserialize_with = "duration")]
    after: Duration,
    /// How long it stays; for ever by default.
    #[serde(deserialize_with = "some_duration")]
    stay: Option<Duration>,
    admin: bool,
    /// Participants that wait for a leader wait for it.
    marked: bool,
    /// It waits for the leader.
    wait_marked: bool,
    muted: bool,
    /// Asterisk reports when it talks.
    talk_detection: bool,
}

impl From<GuestEntry> for Guest {
    fn from(entry: GuestEntry) -> Self {
        let profile = UserProfile {
            admin: entry.admin,
            marked: entry.marked,
            wait_marked: entry.wait_marked,
            start_muted: entry.muted,
            talk_detection: entry.talk_detection,
        };
        let caller = Party { number: entry.number, name: entry.name };
        let (room, after, stay) = (entry.room, entry.after, entry.stay);
        Self { room, caller, profile, after, stay, ..Self::default() }
    }
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
            "[[guest]]\nroom = \"R1\"\nsat = \"1s\"",
            "[faults]\ndrops = 1.0",
            "[faults]\ndrop = 1.5",
        ] {
            assert!(Scenario::parse(text).is_err(), "{text}");
        }
    }
}
