//! Passes ConfBridge's events and lists to the view, and carries out what follows.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::round::Next;
use super::{Output, Source, events};
use crate::ami::action::Action;
use crate::ami::message::{Event as AmiEvent, Member, Response};
use crate::call::{CallId, CallInfo};
use crate::clock::Now;
use crate::engine::purpose::Purpose;
use crate::engine::request::Replies;
use crate::engine::{Effect, Engine};
use crate::room::{KeptRoom, OpenRoom};

impl<R: Replies> Engine<R> {
    /// Adds what earlier runs have kept for rooms. To be called before the first
    /// [`tick`](Self::tick).
    pub fn keep_rooms(&mut self, now: Now, rooms: Vec<KeptRoom>) {
        self.rooms.remember_kept(now, rooms);
        self.apply_room_outputs(now);
    }

    /// Adds the rooms that were live when the last run ended.
    pub(in crate::engine) fn remember_rooms(&mut self, now: Now, rooms: Vec<OpenRoom>) {
        for room in rooms {
            self.rooms.remember(now, room);
        }
    }

    /// The changes of the view that come before those of calls: a room has started before somebody
    /// joins it.
    pub(in crate::engine) fn update_rooms_first(&mut self, now: Now, event: &AmiEvent<'_>) {
        match event {
            AmiEvent::ConfbridgeStart(room) => {
                let watched_until = self.rooms_watched_until(now);
                self.rooms.start(now, room, &mut self.rng, watched_until);
            }
            AmiEvent::ConfbridgeJoin(member) => {
                self.rooms.ensure(now, &member.conference, &mut self.rng, Source::Event);
            }
            _ => return,
        }
        self.apply_room_outputs(now);
    }

    /// The changes of the view that come after those of calls.
    pub(in crate::engine) fn update_rooms(&mut self, now: Now, event: &AmiEvent<'_>) {
        match event {
            AmiEvent::ConfbridgeJoin(member) => {
                let call = self.call_of(member);
                self.rooms.join(now, member, call);
                self.rooms.rounds.request(now);
            }
            AmiEvent::ConfbridgeLeave(channel, room) => {
                self.rooms.leave(now, room, &channel.uniqueid, None);
            }
            AmiEvent::Hangup(channel, _) => self.rooms.hung_up(&channel.uniqueid),
            AmiEvent::ConfbridgeEnd(room) => self.rooms.end(now, room, None),
            AmiEvent::ConfbridgeMute(channel, room, muted) => {
                self.rooms.set_muted(now, room, &channel.uniqueid, *muted, None);
            }
            AmiEvent::ConfbridgeTalking(channel, room, talking) => {
                self.rooms.set_talking(now, room, &channel.uniqueid, *talking);
            }
            AmiEvent::ListedRoom { conference, locked } => {
                self.rooms.rounds.receive_room(now, conference, *locked);
            }
            AmiEvent::ListedRoomsComplete => {
                self.rooms.rounds.receive_rooms_end();
                self.send_next_room_lists(now);
            }
            AmiEvent::ListedMember(member) => {
                let participant = events::new(now, member, self.call_of(member));
                let id = &member.channel.uniqueid;
                self.rooms.rounds.receive_participant(now, &member.conference, id, participant);
            }
            AmiEvent::ListedMembersComplete => {
                self.rooms.rounds.receive_room_end(true);
                self.send_next_room_lists(now);
            }
            _ => return,
        }
        self.apply_room_outputs(now);
    }

    /// The call of ours that this channel in a conference belongs to.
    fn call_of(&self, member: &Member<'_>) -> Option<Arc<CallInfo>> {
        let id: CallId = member.channel.uniqueid.parse().ok()?;
        self.registry.get(id).map(|call| call.info.clone())
    }

    /// A list of channels shows the callee of this call in this conference.
    pub(in crate::engine) fn callee_found(
        &mut self,
        now: Now,
        id: CallId,
        room: &str,
        after: SystemTime,
    ) {
        let Some(info) = self.registry.get(id).map(|call| call.info.clone()) else { return };
        if self.rooms.ensure(now, room, &mut self.rng, Source::List(Some(after))) {
            self.rooms.add_callee(now, room, info, Some(after));
            self.rooms.rounds.request_soon(now);
        }
        self.apply_room_outputs(now);
    }

    /// Acts on the deadlines of rooms.
    pub(in crate::engine) fn tick_rooms(&mut self, now: Now) {
        self.rooms.tick(now);
        if self.link.is_up() && self.rooms.rounds.is_due(now) {
            self.begin_room_round(now);
        }
        self.apply_room_outputs(now);
    }

    /// The next time at which [`tick_rooms`](Self::tick_rooms) has something to do.
    pub(in crate::engine) fn rooms_deadline(&self) -> Option<Instant> {
        let rounds = self.rooms.rounds.deadline().filter(|_| self.link.is_up());
        [rounds, self.rooms.deadline()].into_iter().flatten().min()
    }

    /// Asks for the lists of all rooms.
    pub(in crate::engine) fn begin_room_round(&mut self, now: Now) {
        let action = Action::Other("ConfbridgeListRooms", Vec::new());
        if self.link.send(now, &action, Purpose::RoomList) {
            self.rooms.rounds.begin(now);
        }
    }

    /// The response to ConfbridgeListRooms.
    pub(in crate::engine) fn receive_rooms_response(&mut self, now: Now, response: &Response) {
        self.rooms.rounds.receive_rooms_response(now, response);
        self.send_next_room_lists(now);
    }

    /// The response to ConfbridgeList. The participants follow unless the room has ended.
    pub(in crate::engine) fn receive_room_response(&mut self, now: Now, response: &Response) {
        if !response.success {
            self.rooms.rounds.receive_room_end(false);
            self.send_next_room_lists(now);
        }
    }

    /// Asks for a round soon.
    pub(in crate::engine) fn request_room_round(&mut self, now: Now) {
        self.rooms.rounds.request_soon(now);
    }

    fn send_next_room_lists(&mut self, now: Now) {
        loop {
            match self.rooms.rounds.next() {
                Next::Nothing => return,
                Next::List(room) => {
                    let headers = vec![("Conference", room.to_string())];
                    let action = Action::Other("ConfbridgeList", headers);
                    if !self.link.send(now, &action, Purpose::RoomParticipants) {
                        self.rooms.rounds.receive_room_end(false);
                    }
                }
                Next::Barrier => _ = self.link.send(now, &Action::Ping, Purpose::RoomBarrier),
            }
        }
    }

    /// Every event queued before the end of the last list has been read.
    pub(in crate::engine) fn receive_room_barrier(&mut self, now: Now) {
        let after = self.rooms_watched_until(now);
        let Some((round, is_first)) = self.rooms.rounds.finish() else { return };
        let after = self.rooms.was_right.then_some(after);
        self.rooms.correct(now, round, is_first, after, &mut self.rng);
        self.apply_room_outputs(now);
    }

    /// Until when the view was right, at least.
    fn rooms_watched_until(&self, now: Now) -> SystemTime {
        self.rooms.rounds.last().unwrap_or(self.link.lost_at()).min(now.wall)
    }

    /// Carries out the consequences of the view's changes.
    pub(in crate::engine) fn apply_room_outputs(&mut self, now: Now) {
        let outputs = self.rooms.take_outputs();
        if outputs.is_empty() {
            return;
        }
        let is_flood = !self.rooms.budget.take(now, outputs.len());
        for output in outputs {
            match output {
                Output::Record(event, call) => self.record(now, event, call),
                Output::Apply(action, applied) => {
                    self.link.send(now, &action, Purpose::Room(super::Request::Apply(applied)));
                }
                Output::Keep(room) => self.effects.push(Effect::Keep(room)),
            }
        }
        if is_flood && self.link.is_up() {
            self.close_link(now, "Asterisk sends events of rooms without end");
        }
    }
}
