//! Channels, and the headers with which events describe them.

use std::collections::BTreeMap;
use std::time::Instant;

use strum::IntoStaticStr;

use super::wire::Headers;

/// The states of a channel that occur here, with Asterisk's numbers
/// (`include/asterisk/channelstate.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr)]
pub enum State {
    /// Newly made.
    Down = 0,
    /// Calls somebody.
    Ring = 4,
    /// The far end rings.
    Ringing = 5,
    /// Answered.
    Up = 6,
}

impl State {
    /// The name, as `ChannelStateDesc` carries it.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// A caller id: number and name, each empty if unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Party {
    pub number: String,
    pub name: String,
}

impl Party {
    /// Parses `CallerID:` as `ast_callerid_parse` does: `Name <number>`, or only one of the two.
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        if let Some((name, number)) = text.strip_suffix('>').and_then(|text| text.rsplit_once('<'))
        {
            return Self { number: number.into(), name: name.trim().trim_matches('"').into() };
        }
        let is_number =
            !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || "*#+-() ".contains(c));
        let (number, name) = if is_number { (text, "") } else { ("", text) };
        Self { number: number.into(), name: name.into() }
    }
}

/// The text, or `<unknown>`, which events carry for an empty one.
pub(crate) fn or_unknown(text: &str) -> &str {
    if text.is_empty() { "<unknown>" } else { text }
}

/// One channel.
#[derive(Debug, Clone)]
pub struct Channel {
    /// Key of the call that the channel belongs to.
    pub call: u64,
    /// Name, such as `Local/7999@telegram-out-00000001;1`.
    pub name: String,
    /// `Uniqueid`.
    pub uniqueid: String,
    /// `Linkedid`: the unique id of the first channel of its call.
    pub linkedid: String,
    /// `ChannelState`.
    pub state: State,
    /// Party at the end of this channel.
    pub caller: Party,
    /// Party that this channel talks to.
    pub connected: Party,
    pub language: String,
    /// Context of the current dialplan step.
    pub context: String,
    /// Extension of the current dialplan step.
    pub exten: String,
    /// Priority of the current dialplan step.
    pub priority: u8,
    pub application: &'static str,
    /// Arguments of the application.
    pub data: String,
    /// Id of the bridge that the channel is in; empty if it is in none.
    pub bridge: String,
    pub created: Instant,
    /// Variables that were set after the channel was made.
    pub variables: BTreeMap<String, String>,
}

impl Channel {
    /// The headers that every event of a channel has.
    pub fn headers(&self) -> Headers {
        Headers::new()
            .with("Channel", &self.name)
            .with("ChannelState", self.state as u8)
            .with("ChannelStateDesc", self.state.name())
            .with("CallerIDNum", or_unknown(&self.caller.number))
            .with("CallerIDName", or_unknown(&self.caller.name))
            .with("ConnectedLineNum", or_unknown(&self.connected.number))
            .with("ConnectedLineName", or_unknown(&self.connected.name))
            .with("Language", &self.language)
            .with("AccountCode", "")
            .with("Context", &self.context)
            .with("Exten", &self.exten)
            .with("Priority", self.priority)
            .with("Uniqueid", &self.uniqueid)
            .with("Linkedid", &self.linkedid)
    }

    /// The headers of this channel's item in the list of CoreShowChannels.
    pub fn listed(&self, now: Instant) -> Headers {
        let seconds = now.saturating_duration_since(self.created).as_secs();
        let duration =
            format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
        self.headers()
            .with("Application", self.application)
            .with("ApplicationData", &self.data)
            .with("Duration", duration)
            .with("BridgeId", &self.bridge)
    }

    /// The value of a variable or function that reads a property of the channel; none for any other
    /// name.
    pub fn variable(&self, name: &str) -> Option<&str> {
        Some(match name {
            "CHANNEL" | "CHANNEL(name)" => &self.name,
            "CHANNEL(state)" => self.state.name(),
            "CHANNEL(language)" => &self.language,
            "CHANNEL(linkedid)" => &self.linkedid,
            "CHANNEL(uniqueid)" | "UNIQUEID" => &self.uniqueid,
            "CALLERID(num)" => &self.caller.number,
            "CALLERID(name)" => &self.caller.name,
            "CONTEXT" => &self.context,
            "EXTEN" => &self.exten,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caller_ids_are_split_into_number_and_name() {
        for (text, number, name) in [
            ("<Bob>", "Bob", ""),
            ("Боб <Боб>", "Боб", "Боб"),
            ("\"Bob Dylan\" <123>", "123", "Bob Dylan"),
            ("+7 999", "+7 999", ""),
            ("Bob", "", "Bob"),
            ("", "", ""),
        ] {
            assert_eq!(
                Party::parse(text),
                Party { number: number.into(), name: name.into() },
                "{text}"
            );
        }
    }
}
