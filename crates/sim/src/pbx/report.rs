//! Answers to AMI queries about the state of the simulated Asterisk.

use super::super::wire::Headers;
use super::super::{AsteriskVersion, dialplan};
use super::{Pbx, call};
use originatord_core::clock::Now;

impl Pbx {
    /// Number of calls.
    pub fn calls(&self) -> usize {
        self.calls.len()
    }

    /// Number of calls since the start, for `CoreProcessedCalls`.
    pub(crate) fn calls_so_far(&self) -> u64 {
        self.calls_so_far
    }

    /// The list items of CoreShowChannels.
    pub(crate) fn list_channels(&self, now: Now) -> Vec<Headers> {
        self.channels
            .values()
            .map(|channel| {
                Headers::new().with("Event", "CoreShowChannel").and(channel.listed(now.instant))
            })
            .collect()
    }

    /// The list items of ConfbridgeListRooms.
    pub(crate) fn list_rooms(&self) -> Vec<Headers> {
        let room = |(name, conference): (&String, &super::Conference)| {
            Headers::new()
                .with("Event", "ConfbridgeListRooms")
                .with("Conference", name)
                .with("Parties", conference.members.len())
                .with("Marked", 0)
                .with("Locked", "No")
                .with("Muted", "No")
        };
        self.conferences.iter().map(room).collect()
    }

    /// The list items of ConfbridgeList; none if there is no conference of this name.
    pub(crate) fn list_members(&self, now: Now, conference: &str) -> Option<Vec<Headers>> {
        let (name, conference) =
            self.conferences.iter().find(|(name, _)| name.eq_ignore_ascii_case(conference))?;
        let members = conference.members.iter().filter_map(|key| self.channels.get(key));
        let member = |channel: &super::Channel| {
            let mut headers =
                Headers::new().with("Event", "ConfbridgeList").with("Conference", name);
            for flag in [
                "Admin",
                "MarkedUser",
                "WaitMarked",
                "EndMarked",
                "EndMarkedAny",
                "Waiting",
                "Muted",
                "Talking",
            ] {
                if flag != "EndMarkedAny" || self.version == AsteriskVersion::V22 {
                    headers = headers.with(flag, "No");
                }
            }
            let seconds = now.instant.saturating_duration_since(channel.created).as_secs();
            headers.with("AnsweredTime", seconds).and(channel.headers())
        };
        Some(members.map(member).collect())
    }

    /// The value of a channel variable, empty if it is not set; none if there is no such channel.
    pub fn variable(&self, channel: &str, name: &str) -> Option<String> {
        let (_, channel) = self.find(channel)?;
        let own = channel.variable(name);
        let set =
            || self.calls.get(&channel.call).and_then(|call| call::variable(&call.request, name));
        Some(own.or_else(set).map_or_else(|| self.global(name), ToOwned::to_owned))
    }

    /// The value of a global variable or a dialplan function, empty if it is not set.
    pub fn global(&self, name: &str) -> String {
        match name {
            "CONF_WAIT" => self.scenario.timing.wait.as_secs_f64().to_string(),
            name => dialplan::function(name).to_owned(),
        }
    }
}
