//! A call runs the dialplan of a room, enters its conference and leaves it.

use std::time::Duration;

use super::super::room::{LEAVE_OTHERS, Left};
use super::super::{Pbx, UserProfile};
use super::{Call, Phase, Step, variable};
use crate::dialplan;
use originatord_core::clock::Now;

/// One of so many participants who hang up while others stay has a late ConfbridgeLeave.
const LATE_LEAVE: u8 = 32;

impl Pbx {
    /// `;1` begins the dialplan of the room at `begins_in` from now.
    pub(in super::super) fn run_room_dialplan(
        &mut self,
        now: Now,
        key: u64,
        call: &mut Call,
        begins_in: Duration,
    ) {
        call.phase = Phase::Up;
        call.visit += 1;
        let (visit, timing) = (call.visit, self.scenario.timing);
        let one = call.one.and_then(|one| self.channels.get(&one));
        if one.is_none_or(|one| one.context != dialplan::ENTER) {
            // A telephone that dials in hears neither a pause nor a beep.
            return self.schedule(now.instant + begins_in, key, Step::Enter { visit });
        }
        let lang = self.variable_of(call, "LANG").filter(|lang| !lang.is_empty());
        self.change(call.one, |one| {
            (one.priority, one.language) = (3, lang.unwrap_or_else(|| "ru".into()));
            (one.application, one.data) = ("Wait", timing.wait.as_secs_f64().to_string());
        });
        let beep = now.instant + begins_in + timing.wait;
        self.schedule(beep, key, Step::Beep { visit });
        self.schedule(beep + timing.beep, key, Step::Enter { visit });
    }

    /// A variable of `;1`: set by an AMI action, else by the Originate.
    fn variable_of(&self, call: &Call, name: &str) -> Option<String> {
        let one = call.one.and_then(|one| self.channels.get(&one));
        let set = one.and_then(|one| one.variables.get(name)).map(String::as_str);
        let set = set.or_else(|| variable(&call.request, name));
        set.or_else(|| self.globals.get(name).map(String::as_str)).map(ToOwned::to_owned)
    }

    /// `;1` reaches ConfBridge.
    pub(super) fn enter(&mut self, now: Now, key: u64, call: &mut Call) {
        let Some(one) = call.one else { return };
        let channel = self.channels.get(&one);
        let context = channel.map(|one| one.context.clone()).unwrap_or_default();
        let room = channel.map_or("", |one| one.exten.split(',').next().unwrap_or_default());
        let (room, priority) = (room.to_owned(), dialplan::confbridge_priority(&context));
        self.read_profile(call, &context);
        self.change(call.one, |one| {
            (one.priority, one.application, one.data) = (priority, "ConfBridge", room.clone());
        });
        let visit = call.visit;
        if !self.enter_room(one, &room, call.profile) {
            call.phase = Phase::Refused;
            let over = now.instant + self.scenario.timing.refused;
            return self.schedule(over, key, Step::RefusedPromptOver { visit });
        }
        call.phase = Phase::Entering;
        let sound = self.scenario.timing.join;
        if sound.is_zero() {
            self.join(now, key, call);
        } else {
            self.schedule(now.instant + sound, key, Step::Join { visit });
        }
    }

    /// Sets what the dialplan sets by `CONFBRIDGE(user,…)`. That stays with the channel, so an empty
    /// variable changes nothing in a later room. Only `conf-in` reads `OD_MUTED`.
    fn read_profile(&self, call: &mut Call, context: &str) {
        let reads_muted = |value: &String| !value.is_empty() && context == dialplan::ENTER;
        let muted = self.variable_of(call, "OD_MUTED").filter(reads_muted);
        let start_muted = muted.map_or(call.profile.start_muted, |value| value == "1");
        let talks = self.variable_of(call, "OD_TALK").is_some_and(|value| value == "1");
        let talk_detection = call.profile.talk_detection || talks;
        call.profile = UserProfile { start_muted, talk_detection, ..call.profile };
    }

    /// The join sound is over.
    pub(super) fn join(&mut self, now: Now, key: u64, call: &mut Call) {
        let Some(one) = call.one else { return };
        call.phase = Phase::Conference;
        self.join_room(one);
        for step in std::mem::take(&mut call.deferred) {
            self.schedule(now.instant, key, step);
        }
        if call.profile.talk_detection && !self.scenario.timing.talk.is_zero() {
            let begins = now.instant + self.vary(self.scenario.timing.pause);
            self.schedule(begins, key, Step::Talk { visit: call.visit, talking: true });
        }
    }

    /// A participant of a scenario with `talk` begins or stops to talk, and so on.
    pub(super) fn talk_by_itself(&mut self, now: Now, key: u64, call: &Call, talking: bool) {
        let timing = self.scenario.timing;
        if let Some(one) = call.one.and_then(|one| self.channels.get(&one)) {
            let uniqueid = one.uniqueid.clone();
            self.talk(&uniqueid, talking);
        }
        let lasts = self.vary(if talking { timing.talk } else { timing.pause });
        let next = Step::Talk { visit: call.visit, talking: !talking };
        self.schedule(now.instant + lasts, key, next);
    }

    /// From half of the duration to one and a half of it.
    fn vary(&mut self, duration: Duration) -> Duration {
        duration.mul_f64(0.5 + self.rng.f64())
    }

    /// Takes `;1` out of its conference.
    pub(super) fn leave(&mut self, call: &mut Call) -> Left {
        call.phase = Phase::Leaving;
        call.visit += 1;
        let Some(one) = call.one else { return Left::default() };
        self.leave_room(one)
    }

    /// `;1` leaves because it hangs up. Asterisk sends the events of conferences and those of channels
    /// from different threads: now and then, the ConfbridgeLeave comes after the Hangup (seen on 16).
    pub(super) fn leave_by_hangup(&mut self, call: &mut Call) -> Left {
        let mut left = self.leave(call);
        if left.pause == LEAVE_OTHERS && self.rng.u8(..LATE_LEAVE) == 0 {
            call.late.append(&mut left.events);
        }
        left
    }

    /// The callee's side of the call hangs up. If `;1` still hears the join sound, it joins after it,
    /// and then leaves.
    pub(super) fn callee_leaves(&mut self, now: Now, key: u64, call: &mut Call, by_callee: bool) {
        let requested = match by_callee {
            true => self.hangup_request(call.leg, None),
            false => Vec::new(),
        };
        let one_requested = self.hangup_request(call.one, Some(16));
        let mut left = Left::default();
        if call.phase == Phase::Entering {
            let hang_up = |channel| Step::HangUp { channel, cause: Some(16) };
            call.deferred.extend(call.one.map(hang_up));
        } else {
            left = self.leave_by_hangup(call);
            self.schedule(now.instant + left.pause, key, Step::HangUpRest { cause: 16 });
        }
        let leg = requested.into_iter().chain(self.hangup(&mut call.leg, 16, None)).collect();
        let two = self.hangup_two(now, key, call, 16, Vec::new());
        self.emit_mixed(vec![left.events, one_requested, two, leg]);
    }

    /// The prompt is over that tells a participant that it was kicked.
    pub(super) fn end_kicked(&mut self, now: Now, key: u64, call: &mut Call, channel: u64) {
        let until = self.member(channel).and_then(|member| member.prompt_until);
        // The prompt of an earlier kick ended with a Redirect.
        if until.is_none_or(|until| until > now.instant) {
            return;
        }
        let left = self.leave(call);
        self.events.extend(left.events);
        self.end_in_room(now, key, call, 16);
    }

    /// Hangs up a call whose `;1` was in ConfBridge.
    pub(super) fn end_in_room(&mut self, now: Now, key: u64, call: &mut Call, cause: u8) {
        call.phase = Phase::Leaving;
        self.hang_up_rest(now, key, call, cause);
    }
}
