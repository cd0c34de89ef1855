//! Changes of the view by ConfBridge's events.

use std::sync::Arc;
use std::time::SystemTime;

use super::conference::{Conference, Participant, Who};
use super::{Applied, MAX_PARTICIPANTS, MAX_ROOMS, Output, Rooms, Source, folded};
use crate::ami::action::Action;
use crate::ami::message::Member;
use crate::call::CallInfo;
use crate::clock::Now;
use crate::record::Event;
use crate::room::{ConferenceId, Guest, GuestChange, LeaveReason, Left, RoomChange};

impl Rooms {
    /// ConfbridgeStart. If the view still has a conference of this name, its end was missed: it ended
    /// after `watched_until`.
    pub(super) fn start(
        &mut self,
        now: Now,
        room: &str,
        rng: &mut fastrand::Rng,
        watched_until: SystemTime,
    ) {
        self.end(now, room, Some(watched_until));
        if self.ensure(now, room, rng, Source::Event)
            && let Some(conference) = self.conference_mut(room)
        {
            conference.has_end_event = true;
        }
    }

    /// Adds the conference if the view lacks it; returns false if there is no space for it.
    pub(super) fn ensure(
        &mut self,
        now: Now,
        room: &str,
        rng: &mut fastrand::Rng,
        source: Source,
    ) -> bool {
        if self.conference(room).is_some() {
            return true;
        }
        if self.live.len() >= MAX_ROOMS || room.is_empty() {
            return false;
        }
        let id = ConferenceId::new(now.wall, rng.u128(..));
        let name: Arc<str> = room.into();
        let started = matches!(source, Source::Event).then_some(now.wall);
        let after = source.after();
        let conference = Conference { started, ..Conference::new(id, name.clone(), now) };
        self.live.insert(folded(room).into(), conference);
        self.record_room(name.clone(), RoomChange::Started { id, after });
        // The times of an earlier end are over.
        self.keep(now, room, |_| {});
        if self.kept.get(room).is_some_and(|kept| kept.locked_by.is_some()) {
            self.apply_lock(name);
        }
        true
    }

    /// ConfbridgeJoin. `call` is the call of ours that the channel belongs to.
    pub(super) fn join(&mut self, now: Now, member: &Member<'_>, call: Option<Arc<CallInfo>>) {
        let Some(conference) = self.live.get_mut(&*folded(&member.conference)) else { return };
        let (name, uniqueid) = (conference.name.clone(), &*member.channel.uniqueid);
        if let Some(known) = conference.participants.get_mut(uniqueid) {
            // A list has shown them already.
            known.joined.get_or_insert(now.wall);
            known.channel = member.name.as_ref().into();
            known.muted = member.muted;
            known.admin = member.admin;
            let id = conference.participants.get_key_value(uniqueid).map(|(id, _)| id.clone());
            return id.into_iter().for_each(|id| self.check_mute(&name, &id, false));
        }
        if self.participants >= MAX_PARTICIPANTS {
            return;
        }
        let id: Arc<str> = uniqueid.into();
        let participant = Participant { joined: Some(now.wall), ..new(now, member, call) };
        let missed_end = conference.missed_end(now);
        self.insert(id, name, participant, Source::Event);
        if missed_end {
            let action = Action::Hangup { channel: member.name.to_string() };
            self.outputs.push(Output::Apply(action, Applied::HungUp));
        }
    }

    /// Adds the callee of this call, whom a list of channels shows in the room. It does not have the
    /// channel's name; the next list of participants has.
    pub(super) fn add_callee(
        &mut self,
        now: Now,
        room: &str,
        call: Arc<CallInfo>,
        after: Option<SystemTime>,
    ) {
        let id: Arc<str> = call.id.to_string().into();
        let Some(conference) = self.conference(room) else { return };
        if !conference.participants.contains_key(&id) && self.participants < MAX_PARTICIPANTS {
            let name = conference.name.clone();
            let participant = new(now, &Member::default(), Some(call));
            self.insert(id, name, participant, Source::List(after));
        }
    }

    /// Adds a participant to a live conference.
    pub(super) fn insert(
        &mut self,
        id: Arc<str>,
        room: Arc<str>,
        participant: Participant,
        source: Source,
    ) {
        let Some(conference) = self.live.get_mut(&*folded(&room)) else { return };
        let guest = match &participant.who {
            Who::Guest(guest) => Some(guest.clone()),
            Who::Call(_) => None,
        };
        // Our calls start muted if the room was muted when they were requested, and so do those who
        // were moved. A mute in a list may be somebody's wish.
        let is_joining = matches!(source, Source::Event);
        let was_sent = guest.is_none() || self.moves.contains_key(&id);
        let wants_mute = self.moves.remove(&id).and_then(|moved| moved.muted) == Some(true);
        if let Who::Call(info) = &participant.who
            && !info.room.is_same(&room)
        {
            self.elsewhere.insert(info.id, room.clone());
        }
        conference.add(id.clone(), participant);
        self.participants += 1;
        if let Some(guest) = guest {
            let change = GuestChange::Joined { after: source.after() };
            self.record(Event::Guest { guest, room: room.clone(), change }, None);
        }
        self.check_mute(&room, &id, is_joining && was_sent && !wants_mute);
    }

    /// Mutes the participant if the room is kept muted. `may_unmute`: a mute may come from a variable
    /// that is outdated, so the participant is to be heard if the room is not kept muted.
    pub(super) fn check_mute(&mut self, room: &Arc<str>, id: &Arc<str>, may_unmute: bool) {
        let wanted = self.is_kept_muted(room);
        let Some(participant) = self.conference(room).and_then(|c| c.participants.get(id)) else {
            return;
        };
        let differs = participant.muted != wanted && !participant.admin;
        let is_reachable = !participant.channel.is_empty();
        if differs && is_reachable && (wanted || may_unmute) {
            let channel = participant.channel.clone();
            self.apply_mute(room.clone(), id.clone(), &channel, wanted);
        }
    }

    /// ConfbridgeLeave.
    pub(super) fn leave(&mut self, now: Now, room: &str, id: &str, after: Option<SystemTime>) {
        let Some(conference) = self.live.get_mut(&*folded(room)) else { return };
        let name = conference.name.clone();
        let Some(participant) = conference.participants.remove(id) else { return };
        // The callees of an earlier run are not in the view before the first list.
        let is_over = conference.participants.is_empty()
            && !conference.has_end_event
            && !conference.is_remembered;
        self.participants -= 1;
        self.forget_place(&participant);
        self.record_guest_left(now, name, &participant, after);
        if is_over {
            self.end(now, room, after);
        }
    }

    fn forget_place(&mut self, participant: &Participant) {
        if let Some(id) = participant.who.call_id().filter(|_| !self.elsewhere.is_empty()) {
            self.elsewhere.remove(&id);
        }
    }

    fn record_guest_left(
        &mut self,
        now: Now,
        room: Arc<str>,
        participant: &Participant,
        after: Option<SystemTime>,
    ) {
        let Who::Guest(guest) = &participant.who else { return };
        let leaving = participant.leaving(now);
        let left = Left {
            after,
            reason: match (leaving, after) {
                (Some(leaving), _) => Some(leaving.reason),
                (None, None) => Some(LeaveReason::Left),
                (None, Some(_)) => None,
            },
            by: leaving.map(|leaving| leaving.by.clone()),
            moved_to: leaving.and_then(|leaving| leaving.moved_to.clone()),
            talked: participant.talked(now),
        };
        let change = GuestChange::Left(left);
        self.record(Event::Guest { guest: guest.clone(), room, change }, None);
    }

    /// ConfbridgeEnd, or the last participant of a conference without that event has left.
    pub(super) fn end(&mut self, now: Now, room: &str, after: Option<SystemTime>) {
        let Some(conference) = self.live.remove(&*folded(room)) else { return };
        let by = conference.ended_by(now).cloned();
        let Conference { id, name, participants, .. } = conference;
        self.participants -= participants.len();
        let mut remaining: Vec<_> = participants.into_values().collect();
        remaining.sort_unstable_by_key(|participant| participant.order);
        for participant in remaining {
            self.forget_place(&participant);
            self.record_guest_left(now, name.clone(), &participant, after);
        }
        self.record_room(name, RoomChange::Ended { id, after, by });
        self.keep(now, room, |_| {});
    }

    /// ConfbridgeMute, ConfbridgeUnmute, or the success of an action. `by` is the key that asked.
    pub(super) fn set_muted(
        &mut self,
        now: Now,
        room: &str,
        id: &str,
        muted: bool,
        by: Option<Arc<str>>,
    ) {
        let Some(conference) = self.live.get_mut(&*folded(room)) else { return };
        let name = conference.name.clone();
        let Some(participant) = conference.participants.get_mut(id) else { return };
        if participant.muted == muted {
            return;
        }
        participant.muted = muted;
        participant.mute_changed = now.instant;
        let who = participant.who.clone();
        let id = conference.participants.get_key_value(id).map(|(id, _)| id.clone());
        match who {
            Who::Call(info) => {
                let conference = name.clone();
                let event = match muted {
                    true => Event::CallMuted { conference, by },
                    false => Event::CallUnmuted { conference, by },
                };
                self.record(event, Some(info));
            }
            Who::Guest(guest) => {
                let change = match muted {
                    true => GuestChange::Muted { by },
                    false => GuestChange::Unmuted { by },
                };
                self.record(Event::Guest { guest, room: name.clone(), change }, None);
            }
        }
        if let Some(id) = id {
            self.check_mute(&name, &id, false);
        }
    }

    /// ConfbridgeTalking.
    pub(super) fn set_talking(&mut self, now: Now, room: &str, id: &str, talking: bool) {
        let participant = self.conference_mut(room).and_then(|c| c.participants.get_mut(id));
        if let Some(participant) = participant {
            participant.set_talking(now, talking);
        }
    }

    /// Notes whether Asterisk lets nobody else in. `by` is the key that asked.
    pub(super) fn set_locked(&mut self, now: Now, room: &str, locked: bool, by: Option<Arc<str>>) {
        let Some(conference) = self.conference_mut(room) else { return };
        conference.lock_changed = now.instant;
        if conference.locked == locked {
            return;
        }
        conference.locked = locked;
        let name = conference.name.clone();
        self.record_room(name, super::requests::lock_change(locked, by));
    }

    /// Locks a room whose lock is kept.
    pub(super) fn apply_lock(&mut self, room: Arc<str>) {
        let action = super::requests::lock(&room, true);
        self.outputs.push(Output::Apply(action, Applied::Locked { room }));
    }

    fn apply_mute(&mut self, room: Arc<str>, id: Arc<str>, channel: &str, muted: bool) {
        let action = super::requests::mute(&room, channel, muted);
        self.outputs.push(Output::Apply(action, Applied::Muted { room, id, muted }));
    }

    /// An action of [`Output::Apply`] has succeeded.
    pub(super) fn applied(&mut self, now: Now, applied: &Applied) {
        match applied {
            Applied::Locked { room } => {
                let by = self.kept.get(room).and_then(|kept| kept.locked_by.clone());
                self.set_locked(now, room, true, by);
            }
            Applied::HungUp => {}
            Applied::Muted { room, id, muted } => {
                let by = self.kept.get(room).and_then(|kept| kept.muted_by.clone());
                self.set_muted(now, room, id, *muted, by);
            }
        }
    }
}

/// A participant as an event or a list describes them.
pub(super) fn new(now: Now, member: &Member<'_>, call: Option<Arc<CallInfo>>) -> Participant {
    let guest = || Guest::new(&member.channel.uniqueid, &member.caller_number, &member.caller_name);
    let who = call.map_or_else(|| Who::Guest(guest().into()), Who::Call);
    Participant::new(now, who, member)
}
