//! A call enters and leaves its conference.

use std::time::Duration;

use super::super::{Conference, Event, Pbx, call_event};
use super::{Call, Phase, Step};
use crate::channel::Channel;
use crate::wire::Headers;
use originatord_core::clock::Now;

/// Delay until `;1` is hung up if it was not the last in its conference: Asterisk plays no sound.
const LEAVE_OTHERS: Duration = Duration::from_millis(2);

impl Pbx {
    pub(super) fn enter(&mut self, call: &mut Call) {
        let Some(one) = call.one else { return };
        call.phase = Phase::Conference;
        let room = self
            .channels
            .get(&one)
            .map(|one| one.exten.split(',').next().unwrap_or_default().to_owned());
        let room = room.unwrap_or_default();
        let bridge = self.uuid();
        // Asterisk ignores the case of a conference's name.
        let existing =
            self.conferences.keys().find(|name| name.eq_ignore_ascii_case(&room)).cloned();
        let name = existing.unwrap_or_else(|| room.clone());
        let conference = self
            .conferences
            .entry(name.clone())
            .or_insert(Conference { bridge, members: Vec::new() });
        conference.members.push(one);
        let bridge = conference.bridge.clone();
        let about = conference_headers(&name, conference);
        self.change(call.one, |one| {
            (one.priority, one.application, one.data, one.bridge) = (7, "ConfBridge", room, bridge);
        });
        let Some(channel) = self.channels.get(&one) else { return };
        let headers = about.and(channel.headers()).with("Admin", "No").with("Muted", "No");
        self.emit(call_event("ConfbridgeJoin", headers));
    }

    /// Takes `;1` out of its conference; returns the events, and the delay until it is hung up.
    pub(super) fn leave(&mut self, call: &mut Call) -> (Vec<Event>, Duration) {
        call.phase = Phase::Leaving;
        let of_one =
            |conference: &Conference| call.one.is_some_and(|one| conference.members.contains(&one));
        let name = self
            .conferences
            .iter()
            .find(|(_, conference)| of_one(conference))
            .map(|(name, _)| name.clone());
        let Some((name, one)) = name.zip(call.one) else { return (Vec::new(), LEAVE_OTHERS) };
        let Some(conference) = self.conferences.get_mut(&name) else {
            return (Vec::new(), LEAVE_OTHERS);
        };
        let about = conference_headers(&name, conference);
        conference.members.retain(|member| *member != one);
        let pause =
            if conference.members.is_empty() { self.scenario.timing.leave } else { LEAVE_OTHERS };
        if conference.members.is_empty() {
            self.conferences.remove(&name);
        }
        let channel = self.channels.get(&one).map(Channel::headers).unwrap_or_default();
        let left = call_event("ConfbridgeLeave", about.and(channel).with("Admin", "No"));
        self.change(call.one, |one| one.bridge.clear());
        (vec![left], pause)
    }

    pub(super) fn callee_leaves(&mut self, now: Now, key: u64, call: &mut Call, by_callee: bool) {
        let requested = match by_callee {
            true => self.hangup_request(call.leg, None),
            false => Vec::new(),
        };
        let one_requested = self.hangup_request(call.one, Some(16));
        let (left, pause) = self.leave(call);
        let leg = requested.into_iter().chain(self.hangup(&mut call.leg, 16, None)).collect();
        let two = self.hangup_two(now, key, call, 16, Vec::new());
        self.emit_mixed(vec![left, one_requested, two, leg]);
        self.schedule(now.instant + pause, key, Step::HangUpRest { cause: 16 });
    }
}

fn conference_headers(name: &str, conference: &Conference) -> Headers {
    Headers::new()
        .with("Conference", name)
        .with("BridgeUniqueid", &conference.bridge)
        .with("BridgeType", "base")
        .with("BridgeTechnology", "softmix")
        .with("BridgeCreator", "ConfBridge")
        .with("BridgeName", name)
        // Asterisk's announcer channel is in the bridge, too.
        .with("BridgeNumChannels", conference.members.len() + 1)
        .with("BridgeVideoSourceMode", "none")
}
