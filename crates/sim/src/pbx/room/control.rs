//! The AMI actions on a conference: mute, unmute, kick, lock.
//!
//! The answers are Asterisk's words, `Err` those of a `Response: Error`. An answer is sent before
//! the events of its action, as Asterisk 22 and 16 do: a session writes its response before the
//! events that are queued for it.

use super::super::Pbx;
use super::super::call::Step;
use super::{Conference, admin};
use crate::wire::Headers;
use originatord_core::clock::Now;

/// Asterisk's message for an action.
pub type Answer = Result<&'static str, &'static str>;

/// Error of every conference action if there is no conference.
pub(crate) const NO_CONFERENCES: &str = "No active conferences.";

/// Error of a conference action that names a conference that does not exist.
pub(crate) const NO_SUCH_CONFERENCE: &str = "No Conference by that name found.";

const NO_SUCH_CHANNEL: &str = "No Channel by that name found in Conference.";

impl Pbx {
    /// Mutes or unmutes members of a conference. `channel` is `all`, `participants` (all but
    /// admins), or the beginning of a channel's name: then the first that fits is meant. It changes
    /// nobody who enters later, and not the header `Muted` of ConfbridgeListRooms, which only a menu
    /// of ConfBridge changes.
    ///
    /// # Errors
    ///
    /// There is no such conference or channel.
    pub fn mute(&mut self, room: &str, channel: &str, muted: bool) -> Answer {
        let conference = self.conference(room)?;
        let chosen = self.chosen(conference, channel, |name, wanted| {
            name.get(..wanted.len()).is_some_and(|start| start.eq_ignore_ascii_case(wanted))
        });
        if chosen.is_empty() {
            return Err(NO_SUCH_CHANNEL);
        }
        for channel in chosen {
            let Some((conference, index)) = self.membership(channel) else { continue };
            let member = &mut conference.members[index];
            member.muted = muted;
            let stops_talking = muted && std::mem::replace(&mut member.talking, false);
            let name = if muted { "ConfbridgeMute" } else { "ConfbridgeUnmute" };
            self.events.extend(self.member_event(name, channel, admin));
            if stops_talking {
                self.report_talking(channel, false);
            }
        }
        Ok(if muted { "User muted" } else { "User unmuted" })
    }

    /// Kicks members out of a conference: `all`, `participants`, or the channel of this name. They
    /// leave at once, and are hung up after a prompt. One that is still entering is marked as
    /// kicked, but stays; Asterisk kicks nobody twice.
    ///
    /// # Errors
    ///
    /// There is no such conference or channel, or it was kicked before.
    pub fn kick(&mut self, now: Now, room: &str, channel: &str) -> Answer {
        let conference = self.conference(room)?;
        let mut chosen = self.chosen(conference, channel, str::eq_ignore_ascii_case);
        chosen.retain(|key| self.member(*key).is_some_and(|member| !member.kicked));
        if chosen.is_empty() {
            return Err(NO_SUCH_CHANNEL);
        }
        for channel in chosen {
            let left = self.member_event("ConfbridgeLeave", channel, admin);
            let until = now.instant + self.scenario.timing.kicked;
            let Some((conference, index)) = self.membership(channel) else { continue };
            let member = &mut conference.members[index];
            member.kicked = true;
            if !std::mem::replace(&mut member.is_inside, false) {
                continue;
            }
            member.prompt_until = Some(until);
            self.events.extend(left);
            self.change(Some(channel), |channel| channel.bridge.clear());
            let Some(call) = self.channels.get(&channel).map(|channel| channel.call) else {
                continue;
            };
            self.schedule(until, call, Step::KickedPromptOver { channel });
        }
        // Asterisk compares without regard to case, but chooses its words by the lower case.
        Ok(if channel == "all" { "All participants kicked" } else { "User kicked" })
    }

    /// Locks or unlocks a conference. No event tells of it.
    ///
    /// # Errors
    ///
    /// There is no such conference.
    pub fn lock(&mut self, room: &str, locked: bool) -> Answer {
        self.conference(room)?;
        if let Some(conference) = self.conferences.get_mut(&room.to_ascii_lowercase()) {
            conference.locked = locked;
        }
        Ok(if locked { "Conference locked" } else { "Conference unlocked" })
    }

    /// The participant with this unique id or channel name begins or stops to talk; false if it is
    /// in no conference. Asterisk reports it only with talk detection, and of nobody who is muted.
    pub fn talk(&mut self, channel: &str, talking: bool) -> bool {
        let Some((channel, _)) = self.find(channel) else { return false };
        let Some((conference, index)) = self.membership(channel) else { return false };
        let member = &mut conference.members[index];
        let is_heard = member.is_inside && !member.muted;
        if member.profile.talk_detection && is_heard && member.talking != talking {
            member.talking = talking;
            self.report_talking(channel, talking);
        }
        true
    }

    fn report_talking(&mut self, channel: u64, talking: bool) {
        let status = if talking { "on" } else { "off" };
        let event = self.member_event("ConfbridgeTalking", channel, |member| {
            Headers::new().with("TalkingStatus", status).and(admin(member))
        });
        self.events.extend(event);
    }

    /// The conference of this name.
    pub(in crate::pbx) fn conference(&self, name: &str) -> Result<&Conference, &'static str> {
        let found = self.conferences.get(&name.to_ascii_lowercase());
        found.ok_or(if self.conferences.is_empty() { NO_CONFERENCES } else { NO_SUCH_CONFERENCE })
    }

    /// The members that the header `Channel` means.
    fn chosen(
        &self,
        conference: &Conference,
        channel: &str,
        is_meant: impl Fn(&str, &str) -> bool,
    ) -> Vec<u64> {
        let members = conference.members.iter();
        if channel.eq_ignore_ascii_case("all") {
            return members.map(|member| member.channel).collect();
        }
        if channel.eq_ignore_ascii_case("participants") {
            let others = members.filter(|member| !member.profile.admin);
            return others.map(|member| member.channel).collect();
        }
        let mut keys = members.map(|member| member.channel);
        let name = |key: &u64| self.channels.get(key).map_or("", |channel| &channel.name);
        keys.find(|key| is_meant(name(key), channel)).into_iter().collect()
    }
}
