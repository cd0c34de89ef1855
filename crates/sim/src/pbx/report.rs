//! Answers to AMI queries about the state of the simulated Asterisk.

use super::super::wire::Headers;
use super::super::{AsteriskVersion, dialplan};
use super::room::{Conference, Member, yes};
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

    /// The list items of ConfbridgeListRooms. Each has everybody whom ConfbridgeList shows: those who
    /// are still entering, and those who were kicked and hear the prompt, too.
    pub(crate) fn list_rooms(&self) -> Vec<Headers> {
        let room = |conference: &Conference| {
            Headers::new()
                .with("Event", "ConfbridgeListRooms")
                .with("Conference", &conference.name)
                .with("Parties", conference.members.len())
                .with("Marked", conference.marked())
                .with("Locked", yes(conference.locked))
                // Asterisk 22 and 16 say `No` even after a ConfbridgeMute of all `participants`.
                .with("Muted", "No")
        };
        self.conferences.values().map(room).collect()
    }

    /// The list items of ConfbridgeList.
    pub(crate) fn list_members(
        &self,
        now: Now,
        conference: &str,
    ) -> Result<Vec<Headers>, &'static str> {
        let conference = self.conference(conference)?;
        let item = |member: &Member| {
            let channel = self.channels.get(&member.channel)?;
            let mut headers = Headers::new()
                .with("Event", "ConfbridgeList")
                .with("Conference", &conference.name)
                .with("Admin", yes(member.profile.admin))
                .with("MarkedUser", yes(member.profile.marked))
                .with("WaitMarked", yes(member.profile.wait_marked))
                .with("EndMarked", "No");
            if self.version == AsteriskVersion::V22 {
                headers = headers.with("EndMarkedAny", "No");
            }
            let seconds = now.instant.saturating_duration_since(channel.created).as_secs();
            let headers = headers
                .with("Waiting", yes(conference.is_waiting(member)))
                .with("Muted", yes(member.muted))
                .with("Talking", yes(member.talking))
                .with("AnsweredTime", seconds);
            Some(headers.and(channel.headers()))
        };
        Ok(conference.members.iter().filter_map(item).collect())
    }

    /// The value of a channel variable, empty if it is not set; none if there is no such channel.
    pub fn variable(&self, channel: &str, name: &str) -> Option<String> {
        let (_, channel) = self.find(channel)?;
        let own = channel.variable(name);
        let set =
            || self.calls.get(&channel.call).and_then(|call| call::variable(&call.request, name));
        let later = channel.variables.get(name).map(String::as_str);
        let value = own.or(later).or_else(set);
        Some(value.map_or_else(|| self.global(name), ToOwned::to_owned))
    }

    /// Sets a variable of the channel with this unique id or name, or a global one. Of the dialplan
    /// functions it knows only `CHANNEL(language)`; an AMI user may not set `CONFBRIDGE(…)`.
    ///
    /// # Errors
    ///
    /// There is no such channel, or the variable cannot be set; Asterisk's message.
    pub fn set_variable(
        &mut self,
        channel: Option<&str>,
        name: &str,
        value: &str,
    ) -> Result<(), &'static str> {
        let key = match channel.map(|channel| self.find(channel)) {
            None => None,
            Some(Some((key, _))) => Some(key),
            Some(None) => return Err("No such channel"),
        };
        let channel = key.and_then(|key| self.channels.get_mut(&key));
        match (channel, name) {
            (Some(channel), "CHANNEL(language)") => value.clone_into(&mut channel.language),
            (_, function) if function.ends_with(')') => return Err("Variable not set"),
            (Some(channel), name) => {
                channel.variables.insert(name.to_owned(), value.to_owned());
            }
            (None, name) => {
                self.globals.insert(name.to_owned(), value.to_owned());
            }
        }
        Ok(())
    }

    /// The value of a global variable or a dialplan function, empty if it is not set.
    pub fn global(&self, name: &str) -> String {
        match name {
            "CONF_WAIT" => self.scenario.timing.wait.as_secs_f64().to_string(),
            name => match self.globals.get(name) {
                Some(value) => value.clone(),
                None => dialplan::function(name).to_owned(),
            },
        }
    }
}
