//! The steps of a request: sending their actions, and handling the responses.

use std::sync::Arc;

use super::conference::{Leaving, Who};
use super::requests::{Pending, lock, lock_change, mute, mute_change};
use super::{MOVE_TIMEOUT, Move, Request, Rooms, Step, views};
use crate::ami::action::Action;
use crate::ami::message::Response;
use crate::call::Room;
use crate::call::machine::State;
use crate::clock::Now;
use crate::engine::Engine;
use crate::engine::link::NotSent;
use crate::engine::purpose::Purpose;
use crate::engine::request::Replies;
use crate::engine::room_request::{RoomAnswer, RoomError};
use crate::record::Event;
use crate::room::LeaveReason;

/// Most calls on their way into a room that learn whether they start muted.
const MAX_ON_THE_WAY: usize = 1000;

/// Asterisk's message if nobody in the conference has the channel.
const NO_CHANNEL: &str = "No Channel by that name";

/// The channel variable by which the dialplan lets a participant start muted.
pub(in crate::engine) const MUTED: &str = "OD_MUTED";

impl<R: Replies> Engine<R> {
    /// Sends the next step of a request, or answers the request.
    pub(super) fn send_next_step(&mut self, now: Now, mut pending: Box<Pending<R::Room>>) {
        let Some(step) = pending.next.pop_front() else {
            let answer = self.answer_of(&pending);
            return self.answer_room(pending.reply, answer);
        };
        match self.action_of(now, &pending, &step) {
            Ok(action) => {
                let purpose = Purpose::Room(Request::Step(pending, step));
                let not_sent = self.link.send_or_return(now, &action, purpose).err();
                if let Some((reason, Purpose::Room(Request::Step(pending, _)))) = not_sent {
                    let error = match reason {
                        NotSent::LinkDown => RoomError::LinkDown("the link was lost".into()),
                        NotSent::Unsendable(error) => RoomError::Rejected(error.to_string().into()),
                    };
                    self.answer_room(pending.reply, Err(error));
                }
            }
            Err(error) => self.answer_room(pending.reply, Err(error)),
        }
    }

    fn action_of(
        &mut self,
        now: Now,
        pending: &Pending<R::Room>,
        step: &Step,
    ) -> Result<Action, RoomError> {
        let conference = self.rooms.conference(&pending.room).ok_or(RoomError::NoSuchRoom)?;
        let name = conference.name.clone();
        let participant =
            pending.participant.as_ref().and_then(|id| conference.participants.get(id));
        let channel = participant.map(|one| one.channel.to_string());
        let channel = channel.filter(|channel| !channel.is_empty());
        let channel = || channel.ok_or(RoomError::NoSuchParticipant);
        let kick = |channel: String| {
            let headers = vec![("Conference", name.to_string()), ("Channel", channel)];
            Action::Other("ConfbridgeKick", headers)
        };
        Ok(match step {
            Step::Lock(locked) => lock(&name, *locked),
            Step::MuteAll(muted) => {
                let action = mute(&name, "participants", *muted);
                self.tell_calls_on_the_way(now, &name, *muted);
                action
            }
            Step::KickAll => kick("all".to_owned()),
            Step::Mute(muted) => mute(&name, &channel()?, *muted),
            Step::Kick if participant.is_some_and(|one| one.may_miss_kick(now)) => {
                Action::Hangup { channel: channel()? }
            }
            Step::Kick => kick(channel()?),
            Step::HangUp => Action::Hangup { channel: channel()? },
            Step::Move { to, muted } => {
                let channel = channel()?;
                let muted = muted.unwrap_or(false) || self.rooms.is_kept_muted(to.as_str());
                self.set_muted_variable(now, &channel, muted);
                self.redirect(channel, to)
            }
        })
    }

    fn redirect(&self, channel: String, to: &Room) -> Action {
        let headers = vec![
            ("Channel", channel),
            ("Context", self.originate.context.clone()),
            ("Exten", to.to_string()),
            ("Priority", self.originate.priority.to_string()),
        ];
        Action::Other("Redirect", headers)
    }

    /// Tells our callees who are on their way into this room whether they start muted there.
    pub(super) fn tell_calls_on_the_way(&mut self, now: Now, room: &str, muted: bool) {
        let is_on_the_way =
            |state: State| matches!(state, State::Queued | State::Ringing | State::Answered);
        let calls = self.registry.calls().filter(|call| {
            is_on_the_way(call.state()) && call.has_local1() && call.info.room.is_same(room)
        });
        let ids: Vec<_> = calls.map(|call| call.info.id).take(MAX_ON_THE_WAY).collect();
        for id in ids {
            self.set_muted_variable(now, &id.to_string(), muted);
        }
    }

    fn set_muted_variable(&mut self, now: Now, channel: &str, muted: bool) {
        let value = if muted { "1" } else { "0" };
        let headers = vec![
            ("Channel", channel.to_owned()),
            ("Variable", MUTED.to_owned()),
            ("Value", value.to_owned()),
        ];
        let action = Action::Other("Setvar", headers);
        self.link.send(now, &action, Purpose::Room(Request::Variable));
    }

    /// The response to an action about a room.
    pub(in crate::engine) fn receive_room_action(
        &mut self,
        now: Now,
        request: Request<R::Room>,
        response: &Response,
    ) {
        match request {
            Request::Variable => {}
            Request::Apply(applied) if response.success => {
                self.rooms.applied(now, &applied);
                self.apply_room_outputs(now);
            }
            // The room or the participant is gone, or a list will show what is not. If Asterisk refuses
            // for another reason, it will do so again.
            Request::Apply(_) if response.message.starts_with("No ") => {
                self.rooms.rounds.request_soon(now);
            }
            Request::Apply(_) => {}
            Request::Step(pending, step) if response.success => {
                self.rooms.confirm(now, &pending, &step);
                self.apply_room_outputs(now);
                self.send_next_step(now, pending);
            }
            Request::Step(pending, step) => self.step_refused(now, pending, step, response),
        }
    }

    fn step_refused(
        &mut self,
        now: Now,
        mut pending: Box<Pending<R::Room>>,
        step: Step,
        response: &Response,
    ) {
        let words = &response.message;
        let is_in_view = pending.participant.as_ref().is_some_and(|id| {
            let conference = self.rooms.conference(&pending.room);
            conference.is_some_and(|c| c.participants.contains_key(id))
        });
        // ConfBridge ignores a kick during the join sound, and refuses all later ones (observed on 16
        // and 22).
        if matches!(step, Step::Kick) && words.starts_with(NO_CHANNEL) && is_in_view {
            pending.next.push_front(Step::HangUp);
            return self.send_next_step(now, pending);
        }
        self.rooms.rounds.request_soon(now);
        let is_gone = words.starts_with("No active conferences")
            || words.starts_with("No Conference by that name");
        let error = if is_gone {
            RoomError::NoSuchRoom
        } else if words.starts_with(NO_CHANNEL) || words.starts_with("No such channel") {
            RoomError::NoSuchParticipant
        } else {
            RoomError::Rejected(words.as_str().into())
        };
        self.answer_room(pending.reply, Err(error));
    }

    fn answer_of(&self, pending: &Pending<R::Room>) -> Result<RoomAnswer, RoomError> {
        if pending.takes_out {
            return Ok(RoomAnswer::Done);
        }
        let Some(id) = &pending.participant else {
            let detail = self.room(&pending.room).ok_or(RoomError::NoSuchRoom)?;
            return Ok(RoomAnswer::Room(Box::new(detail)));
        };
        let view = match self.rooms.moves.get(id) {
            Some(moved) => {
                let joined = None;
                views::participant(id, &moved.participant, &moved.to, joined, false)
            }
            None => self.participant(&pending.room, id).ok_or(RoomError::NoSuchParticipant)?,
        };
        Ok(RoomAnswer::Participant(Box::new(view)))
    }
}

impl Rooms {
    /// Asterisk has confirmed a step.
    fn confirm<R>(&mut self, now: Now, pending: &Pending<R>, step: &Step) {
        let Pending { room, key, participant, .. } = pending;
        let Some(name) = self.conference(room).map(|conference| conference.name.clone()) else {
            return;
        };
        let by = Some(key.clone());
        match (step, participant) {
            (Step::Lock(locked), _) => {
                let was_kept = self.kept.get(room).is_some_and(|kept| kept.locked_by.is_some());
                let was_locked = self.conference(room).is_some_and(|c| c.locked);
                self.set_locked(now, room, *locked, by.clone());
                if was_locked == *locked && was_kept != *locked {
                    self.record_room(name, lock_change(*locked, by));
                }
                self.keep_lock(now, room, *locked, key);
            }
            (Step::MuteAll(muted), _) => {
                let before = self.keep_mute(now, &name, muted.then(|| key.clone()));
                if before.is_some() != *muted {
                    self.record_room(name, mute_change(*muted, by.clone()));
                }
                let affected = self.conference(room).map(|c| c.ids(|one| !one.admin));
                for id in affected.unwrap_or_default() {
                    self.set_muted(now, room, &id, *muted, by.clone());
                }
            }
            (Step::KickAll, _) => {
                let Some(conference) = self.conference_mut(room) else { return };
                conference.ended_by = Some((now.instant, key.clone()));
                for id in conference.ids(|_| true) {
                    self.take_out(now, room, &id, leaving(LeaveReason::RoomEnded, key));
                }
            }
            (Step::Mute(muted), Some(id)) => self.set_muted(now, room, id, *muted, by),
            (Step::Kick | Step::HangUp, Some(id)) => {
                self.take_out(now, room, id, leaving(LeaveReason::Kicked, key));
            }
            (Step::Move { to, muted }, Some(id)) => self.begin_move(now, room, id, to, *muted, key),
            (_, None) => {}
        }
    }

    /// Records that a participant is taken out. The leave follows.
    fn take_out(&mut self, now: Now, room: &str, id: &str, leaving: Leaving) {
        let Some(conference) = self.conference_mut(room) else { return };
        let name = conference.name.clone();
        let Some(participant) = conference.participants.get_mut(id) else { return };
        let by = leaving.by.clone();
        let is_first = participant.leaving(now).is_none();
        participant.leaving = Some((now.instant, leaving));
        if let Who::Call(info) = &participant.who
            && is_first
        {
            let info = info.clone();
            self.record(Event::CallKicked { conference: name, by }, Some(info));
        }
    }

    fn begin_move(
        &mut self,
        now: Now,
        room: &str,
        id: &Arc<str>,
        to: &Room,
        muted: Option<bool>,
        key: &Arc<str>,
    ) {
        let target = self.conference(to.as_str()).map(|conference| conference.name.clone());
        let to: Arc<str> = target.unwrap_or_else(|| to.as_str().into());
        let Some(conference) = self.conference_mut(room) else { return };
        let name = conference.name.clone();
        let Some(participant) = conference.participants.get_mut(id) else { return };
        let moved_to = Some(to.clone());
        let reason = Leaving { moved_to, ..leaving(LeaveReason::Moved, key) };
        participant.leaving = Some((now.instant, reason));
        let participant = participant.clone();
        let who = participant.who.clone();
        let until = now.instant + MOVE_TIMEOUT;
        self.moves.insert(id.clone(), Move { to: to.clone(), muted, participant, until });
        if let Who::Call(info) = who {
            let event = Event::CallMoved { conference: name, moved_to: to, by: key.clone() };
            self.record(event, Some(info));
        }
    }
}

fn leaving(reason: LeaveReason, key: &Arc<str>) -> Leaving {
    Leaving { reason, by: key.clone(), moved_to: None }
}
