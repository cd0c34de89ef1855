//! Conferences: who is in them, and the events of their beginning and end.
//!
//! A participant passes three stages: it enters (Asterisk lists it, and plays the join sound to
//! it), it joins (`ConfbridgeJoin`; others hear it), and it leaves. Somebody who was kicked has
//! left, but stays in the list until the prompt that says so is over.

mod control;

use std::time::{Duration, Instant};

use super::{Event, Pbx, call_event};
use crate::channel::Channel;
use crate::wire::Headers;

pub use control::Answer;
pub(crate) use control::NO_CONFERENCES;

/// Delay until a channel goes on after it left a conference in which others remain: Asterisk plays
/// no sound to it.
pub(super) const LEAVE_OTHERS: Duration = Duration::from_millis(2);

/// The options that the dialplan sets for a participant by `CONFBRIDGE(user,…)`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UserProfile {
    /// `admin`: enters locked and full conferences, and does not count as one of `participants`.
    pub admin: bool,
    /// `marked`: those who wait for the leader wait for such a participant.
    pub marked: bool,
    /// `wait_marked`: waits for the leader.
    pub wait_marked: bool,
    /// `startmuted`
    pub start_muted: bool,
    /// `talk_detection_events`
    pub talk_detection: bool,
}

/// One channel in a conference.
pub(super) struct Member {
    /// Key of the channel.
    pub(super) channel: u64,
    pub(super) profile: UserProfile,
    pub(super) muted: bool,
    pub(super) talking: bool,
    /// Whether it has joined and not left.
    pub(super) is_inside: bool,
    /// Whether ConfbridgeKick chose it. Asterisk kicks nobody twice.
    pub(super) kicked: bool,
    /// When the prompt is over that tells a kicked participant so.
    pub(super) prompt_until: Option<Instant>,
}

/// A conference that has somebody in it.
pub(super) struct Conference {
    /// The name, as its first participant spelled it.
    pub(super) name: String,
    pub(super) bridge: String,
    pub(super) locked: bool,
    pub(super) members: Vec<Member>,
}

/// The consequences of a channel leaving its conference.
#[derive(Default)]
pub(super) struct Left {
    pub(super) events: Vec<Event>,
    /// How long Asterisk plays a sound to the channel before its dialplan goes on.
    pub(super) pause: Duration,
}

impl Conference {
    /// The headers about the conference itself, when this many channels are in its bridge.
    fn headers(&self, channels: usize) -> Headers {
        Headers::new()
            .with("Conference", &self.name)
            .with("BridgeUniqueid", &self.bridge)
            .with("BridgeType", "base")
            .with("BridgeTechnology", "softmix")
            .with("BridgeCreator", "ConfBridge")
            .with("BridgeName", &self.name)
            .with("BridgeNumChannels", channels)
            .with("BridgeVideoSourceMode", "none")
    }

    /// Number of channels in the bridge: those who joined, and Asterisk's announcer (`CBAnn`), which
    /// no list of channels shows.
    fn channels(&self) -> usize {
        self.members.iter().filter(|member| member.is_inside).count() + 1
    }

    pub(super) fn marked(&self) -> usize {
        self.members.iter().filter(|member| member.profile.marked).count()
    }

    /// Whether the member waits for the leader.
    pub(super) fn is_waiting(&self, member: &Member) -> bool {
        member.profile.wait_marked && self.marked() == 0
    }
}

impl Pbx {
    /// Adds the channel to the conference of this name, which starts if there is none; false if the
    /// conference is locked or full. The channel has not joined yet.
    pub(super) fn enter_room(&mut self, channel: u64, name: &str, profile: UserProfile) -> bool {
        let id = name.to_ascii_lowercase();
        let limit = self.scenario.max_members;
        if let Some(conference) = self.conferences.get(&id) {
            let is_full = limit > 0 && conference.members.len() >= limit;
            if (conference.locked || is_full) && !profile.admin {
                return false;
            }
        } else {
            let (name, bridge) = (name.to_owned(), self.uuid());
            let conference = Conference { name, bridge, locked: false, members: Vec::new() };
            // Asterisk 22 and 16 send ConfbridgeStart before the first ConfbridgeJoin, when only the
            // announcer is in the bridge.
            self.emit(call_event("ConfbridgeStart", conference.headers(1)));
            self.conferences.insert(id.clone(), conference);
        }
        let Some(conference) = self.conferences.get_mut(&id) else { return false };
        // Asterisk keeps those who wait for the leader in a list of their own, behind the others.
        let others = conference.members.iter().filter(|member| !conference.is_waiting(member));
        let place = if profile.wait_marked { conference.members.len() } else { others.count() };
        let member = Member {
            channel,
            profile,
            muted: profile.start_muted,
            talking: false,
            is_inside: false,
            kicked: false,
            prompt_until: None,
        };
        conference.members.insert(place, member);
        self.rooms.insert(channel, id);
        true
    }

    /// The join sound is over: the participant joins. That happens even to somebody who was kicked
    /// while it played: Asterisk then keeps them, and refuses every later kick.
    pub(super) fn join_room(&mut self, channel: u64) {
        let Some((conference, index)) = self.membership(channel) else { return };
        conference.members[index].is_inside = true;
        let bridge = conference.bridge.clone();
        self.change(Some(channel), |channel| channel.bridge = bridge);
        let joined = self.member_event("ConfbridgeJoin", channel, |member| {
            admin(member).with("Muted", yes(member.muted))
        });
        self.events.extend(joined);
    }

    /// Removes the channel from its conference, which ends with its last member.
    pub(super) fn leave_room(&mut self, channel: u64) -> Left {
        let mut left = Left { events: Vec::new(), pause: LEAVE_OTHERS };
        let is_inside = self.member(channel).is_some_and(|member| member.is_inside);
        if is_inside {
            left.events.extend(self.member_event("ConfbridgeLeave", channel, admin));
        }
        self.change(Some(channel), |channel| channel.bridge.clear());
        let Some(id) = self.rooms.remove(&channel) else { return left };
        let Some(conference) = self.conferences.get_mut(&id) else { return left };
        conference.members.retain(|member| member.channel != channel);
        if conference.members.is_empty() {
            left.events.push(call_event("ConfbridgeEnd", conference.headers(1)));
            // The lock dies with the conference.
            self.conferences.remove(&id);
            if is_inside {
                left.pause = self.scenario.timing.leave;
            }
        }
        left
    }

    pub(super) fn member(&self, channel: u64) -> Option<&Member> {
        let conference = self.conferences.get(self.rooms.get(&channel)?)?;
        conference.members.iter().find(|member| member.channel == channel)
    }

    fn membership(&mut self, channel: u64) -> Option<(&mut Conference, usize)> {
        let conference = self.conferences.get_mut(self.rooms.get(&channel)?)?;
        let index = conference.members.iter().position(|member| member.channel == channel)?;
        Some((conference, index))
    }

    /// An event about a participant, with the headers `more` at its end.
    fn member_event(
        &self,
        name: &'static str,
        channel: u64,
        more: impl FnOnce(&Member) -> Headers,
    ) -> Option<Event> {
        let conference = self.conferences.get(self.rooms.get(&channel)?)?;
        let member = conference.members.iter().find(|member| member.channel == channel)?;
        let about = conference.headers(conference.channels());
        let about = about.and(self.channels.get(&channel).map(Channel::headers)?);
        Some(call_event(name, about.and(more(member))))
    }
}

/// The last header of most events about a participant.
fn admin(member: &Member) -> Headers {
    Headers::new().with("Admin", yes(member.profile.admin))
}

/// A flag, as Asterisk writes it.
pub(super) fn yes(flag: bool) -> &'static str {
    if flag { "Yes" } else { "No" }
}
