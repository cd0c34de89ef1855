//! Channels, and how events show them.

use std::time::Instant;

use strum::IntoStaticStr;

use super::wire::Headers;

/// The states of a channel that occur here, with Asterisk's numbers
/// (`include/asterisk/channelstate.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr)]
pub enum State {
    /// Not in use yet.
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

/// A number and a name; empty where not known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Party {
    /// The number.
    pub number: String,
    /// The name.
    pub name: String,
}

impl Party {
    /// Reads `CallerID:` as `ast_callerid_parse` does: `Name <number>`, or whichever of the two it
    /// looks like.
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

/// What `<unknown>` stands for in events is nothing.
pub fn or_unknown(text: &str) -> &str {
    if text.is_empty() { "<unknown>" } else { text }
}

/// One channel.
#[derive(Debug, Clone)]
pub struct Channel {
    /// The call that it belongs to.
    pub call: u64,
    /// Its name, as `Local/7999@telegram-out-00000001;1`.
    pub name: String,
    /// Its unique id.
    pub uniqueid: String,
    /// The unique id of the channel that it came to be for.
    pub linkedid: String,
    /// How far it is.
    pub state: State,
    /// Who is at its end.
    pub caller: Party,
    /// Whom that one talks to.
    pub connected: Party,
    /// The language of prompts.
    pub language: String,
    /// Where in the dialplan it is.
    pub context: String,
    /// Which extension.
    pub exten: String,
    /// Which priority.
    pub priority: u8,
    /// The application it runs.
    pub application: &'static str,
    /// That application's arguments.
    pub data: String,
    /// The bridge it is in; empty if it is in none.
    pub bridge: String,
    /// When it came to be.
    pub created: Instant,
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

    /// What a list adds to them.
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

    /// A variable or function that reads from the channel itself.
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
    fn caller_ids() {
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
