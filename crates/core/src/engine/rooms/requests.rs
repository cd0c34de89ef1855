//! Changes of rooms and participants on behalf of API keys.
//!
//! A request is a few steps. Each step is one AMI action, and the next one is sent when Asterisk has
//! confirmed the last (`steps.rs`). AMI's `Channel` header is only ever a full channel name out of the
//! view, or one of the words `all` and `participants`: Asterisk compares it as a prefix.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Applied, Rooms, views};
use crate::ami::action::Action;
use crate::call::Room;
use crate::clock::Now;
use crate::engine::request::{Replies, SubmitError};
use crate::engine::room_request::{RoomAction, RoomAnswer, RoomError, RoomRequest};
use crate::engine::{Effect, Engine};
use crate::room::{RoomChange, RoomDetail};

/// Most requests under way at once.
const MAX_REQUESTS: usize = 256;

/// The purpose of an action about a room. `R` is the reply handle of a request.
#[derive(Debug)]
pub(in crate::engine) enum Request<R> {
    /// To apply again what is kept.
    Apply(Applied),
    /// A step of a key's request.
    Step(Box<Pending<R>>, Step),
    /// To set a variable of a channel, whose response does not matter.
    Variable,
}

/// A request under way.
#[derive(Debug)]
pub(in crate::engine) struct Pending<R> {
    pub(super) room: Arc<str>,
    pub(super) key: Arc<str>,
    /// The participant that it is about; none if it is about the room.
    pub(super) participant: Option<Arc<str>>,
    /// The steps that are still to be sent.
    pub(super) next: VecDeque<Step>,
    /// Whether somebody is out when it is done.
    pub(super) takes_out: bool,
    pub(in crate::engine) reply: R,
}

/// One step of a request.
#[derive(Debug, Clone)]
pub(in crate::engine) enum Step {
    /// Lock the room, or unlock it.
    Lock(bool),
    /// Mute everybody who is present, or unmute them.
    MuteAll(bool),
    /// Take everybody out.
    KickAll,
    /// Mute the participant, or unmute them.
    Mute(bool),
    /// Take the participant out.
    Kick,
    /// Hang up a participant whom ConfBridge does not take out.
    HangUp,
    /// Move the participant.
    Move {
        /// The other room.
        to: Room,
        /// Whether the participant is not to be heard there; `None`: as the room has it.
        muted: Option<bool>,
    },
}

/// The way to carry out a request.
enum Plan {
    /// Everything is so already.
    Answer(RoomAnswer),
    Steps {
        participant: Option<Arc<str>>,
        steps: VecDeque<Step>,
        takes_out: bool,
    },
}

impl<R: Replies> Engine<R> {
    /// Changes a room or a participant on behalf of a key.
    pub fn change_room(&mut self, now: Now, request: RoomRequest, reply: R::Room) {
        let plan = self.plan(now, &request);
        self.apply_room_outputs(now);
        let (participant, steps, takes_out) = match plan {
            Ok(Plan::Steps { participant, steps, takes_out }) => (participant, steps, takes_out),
            Ok(Plan::Answer(answer)) => {
                return self.effects.push(Effect::RoomAnswered(reply, Ok(answer)));
            }
            Err(error) => return self.effects.push(Effect::RoomAnswered(reply, Err(error))),
        };
        self.rooms.requests += 1;
        let RoomRequest { room, key, .. } = request;
        self.send_next_step(
            now,
            Box::new(Pending { room, key, participant, next: steps, takes_out, reply }),
        );
    }

    /// Checks a request against the view.
    fn plan(&mut self, now: Now, request: &RoomRequest) -> Result<Plan, RoomError> {
        let room = &*request.room;
        self.link.readiness(true).map_err(RoomError::LinkDown)?;
        if !self.rooms.rounds.is_done() {
            return Err(RoomError::LinkDown("the rooms of Asterisk are not listed yet".into()));
        }
        if self.rooms.requests >= MAX_REQUESTS {
            return Err(RoomError::NotSubmitted(SubmitError::Overloaded));
        }
        let is_live = self.rooms.conference(room).is_some();
        let keeps = |wish: &Option<bool>| *wish == Some(true);
        if let RoomAction::Change { locked, muted } = &request.action
            && (keeps(locked) || keeps(muted))
            && self.rooms.kept.get(room).is_none()
            && !self.rooms.kept.has_place()
        {
            return Err(RoomError::NotSubmitted(SubmitError::Overloaded));
        }
        if !is_live && self.rooms.kept.get(room).is_none() {
            return Err(match self.moving(request) {
                Some(answer) => return Ok(Plan::Answer(answer)),
                None => RoomError::NoSuchRoom,
            });
        }
        let steps = |steps: Vec<Step>| Plan::Steps {
            participant: None,
            steps: steps.into(),
            takes_out: false,
        };
        match &request.action {
            RoomAction::Change { locked, muted } if is_live => {
                let lock = locked.map(Step::Lock);
                Ok(steps(lock.into_iter().chain(muted.map(Step::MuteAll)).collect()))
            }
            RoomAction::Change { locked, muted } => {
                let detail = self.change_kept(now, request, *locked, *muted);
                Ok(Plan::Answer(RoomAnswer::Room(Box::new(detail))))
            }
            RoomAction::End if is_live => Ok(Plan::Steps {
                participant: None,
                steps: [Step::KickAll].into(),
                takes_out: true,
            }),
            RoomAction::End => Err(RoomError::NotLive),
            RoomAction::Kick { id } => {
                self.require_participant(room, id)?;
                let (participant, steps) = (Some(id.clone()), [Step::Kick].into());
                Ok(Plan::Steps { participant, steps, takes_out: true })
            }
            RoomAction::ChangeParticipant { id, muted, room: target } => {
                if let Some(answer) = self.moving(request) {
                    return Ok(Plan::Answer(answer));
                }
                self.require_participant(room, id)?;
                let steps = self.plan_change(room, *muted, target.as_ref())?;
                Ok(Plan::Steps { participant: Some(id.clone()), steps, takes_out: false })
            }
        }
    }

    fn require_participant(&self, room: &str, id: &str) -> Result<(), RoomError> {
        let known = self.rooms.conference(room).and_then(|c| c.participants.get(id));
        known.map(|_| ()).ok_or(RoomError::NoSuchParticipant)
    }

    /// The steps that change a participant of this room.
    fn plan_change(
        &self,
        room: &str,
        muted: Option<bool>,
        target: Option<&Room>,
    ) -> Result<VecDeque<Step>, RoomError> {
        match target.filter(|target| !target.is_same(room)) {
            Some(target) => {
                let name = target.as_str();
                if self.rooms.is_locked(name) {
                    return Err(RoomError::TargetLocked(name.into()));
                }
                if muted == Some(false) && self.rooms.is_kept_muted(name) {
                    return Err(RoomError::RoomMuted);
                }
                Ok([Step::Move { to: target.clone(), muted }].into())
            }
            None if muted == Some(false) && self.rooms.is_kept_muted(room) => {
                Err(RoomError::RoomMuted)
            }
            None => Ok(muted.map(Step::Mute).into_iter().collect()),
        }
    }

    /// The answer to a repeated request for a move that is under way.
    fn moving(&self, request: &RoomRequest) -> Option<RoomAnswer> {
        let RoomAction::ChangeParticipant { id, room: Some(target), .. } = &request.action else {
            return None;
        };
        let moved = self.rooms.moves.get(id).filter(|moved| target.is_same(&moved.to))?;
        let view = views::participant(id, &moved.participant, &moved.to, None, false);
        Some(RoomAnswer::Participant(Box::new(view)))
    }

    /// Changes what is kept for a room that is not live.
    fn change_kept(
        &mut self,
        now: Now,
        request: &RoomRequest,
        locked: Option<bool>,
        muted: Option<bool>,
    ) -> RoomDetail {
        let by = Some(request.key.clone());
        let kept = self.rooms.kept.get(&request.room);
        let name = kept.map_or_else(|| request.room.clone(), |kept| kept.room.clone());
        let was_locked = kept.is_some_and(|kept| kept.locked_by.is_some());
        let was_muted = kept.is_some_and(|kept| kept.muted_by.is_some());
        if let Some(locked) = locked.filter(|locked| *locked != was_locked) {
            self.rooms.keep_lock(now, &name, locked, &request.key);
            self.rooms.record_room(name.clone(), lock_change(locked, by.clone()));
        }
        if let Some(muted) = muted.filter(|muted| *muted != was_muted) {
            self.rooms.keep_mute(now, &name, muted.then(|| request.key.clone()));
            self.rooms.record_room(name.clone(), mute_change(muted, by));
            self.tell_calls_on_the_way(now, &name, muted);
        }
        self.room(&name).unwrap_or_else(|| views::absent(name))
    }

    /// Answers a request under way.
    pub(in crate::engine) fn answer_room(
        &mut self,
        reply: R::Room,
        answer: Result<RoomAnswer, RoomError>,
    ) {
        self.rooms.requests = self.rooms.requests.saturating_sub(1);
        self.effects.push(Effect::RoomAnswered(reply, answer));
    }
}

impl Rooms {
    /// Keeps a lock, or keeps none any more.
    pub(super) fn keep_lock(&mut self, now: Now, room: &str, locked: bool, key: &Arc<str>) {
        let by = locked.then(|| key.clone());
        self.keep(now, room, |kept| kept.locked_by = by);
    }

    /// Keeps a mute that this key asked for, or keeps none any more. Returns the key before.
    pub(super) fn keep_mute(
        &mut self,
        now: Now,
        room: &str,
        by: Option<Arc<str>>,
    ) -> Option<Arc<str>> {
        let mut before = None;
        self.keep(now, room, |kept| before = std::mem::replace(&mut kept.muted_by, by));
        before
    }
}

pub(super) fn lock_change(locked: bool, by: Option<Arc<str>>) -> RoomChange {
    if locked { RoomChange::Locked { by } } else { RoomChange::Unlocked { by } }
}

pub(super) fn mute_change(muted: bool, by: Option<Arc<str>>) -> RoomChange {
    if muted { RoomChange::Muted { by } } else { RoomChange::Unmuted { by } }
}

/// ConfbridgeLock or ConfbridgeUnlock.
pub(super) fn lock(conference: &str, locked: bool) -> Action {
    let name = if locked { "ConfbridgeLock" } else { "ConfbridgeUnlock" };
    Action::Other(name, vec![("Conference", conference.to_owned())])
}

/// ConfbridgeMute or ConfbridgeUnmute of this channel, or of all `participants`.
pub(super) fn mute(conference: &str, channel: &str, muted: bool) -> Action {
    let name = if muted { "ConfbridgeMute" } else { "ConfbridgeUnmute" };
    let headers = vec![("Conference", conference.to_owned()), ("Channel", channel.to_owned())];
    Action::Other(name, headers)
}
