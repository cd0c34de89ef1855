//! One call: facts are merged in whatever order they come, and the state is derived from them.
//!
//! Asterisk's events about one call reach us in no guaranteed order: OriginateResponse comes before
//! or after the channels' events, and the Hangups of the three channels come in any order. So
//! nothing here asks what came first; each fact is kept, and what is said of the call follows from
//! all facts known.

mod channels;
mod ending;
mod room;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::CallInfo;
pub use super::fact::{Change, Fact};
use super::outcome::is_flood_wait;
use super::progress::Progress;
pub use super::state::State;
use crate::clock::Now;
pub use channels::{CallChannel, MAX_LEGS};
use channels::{Channels, Half};
use ending::{Ending, more_telling};
use room::RoomWatch;

/// How long after the call's end facts that are still missing are waited for.
pub const GRACE: Duration = Duration::from_millis(500);

/// How often it is told of one call that the callee came into a conference or left one. A callee
/// does so once.
const MAX_VISITS: u8 = 100;

/// A call and all that is known of it.
#[derive(Debug)]
pub struct Call {
    /// Who is called, and for whom.
    pub info: Arc<CallInfo>,
    /// When it was asked for.
    pub requested: Now,
    /// The state in which this run adopted the call. Of the times up to there only those are known
    /// that were written down.
    met_as: State,
    queued: Option<Now>,
    /// `queued` is when a list of channels showed the call; Asterisk had accepted it before.
    queued_late: bool,
    ringing: Option<Now>,
    answered: Option<Now>,
    /// `answered` is when a list of channels showed the answer; the callee had answered before.
    answered_late: bool,
    joined: Option<Now>,
    room: RoomWatch,
    /// How often either was told.
    visits: u8,
    channels: Channels,
    response: Option<Result<(), u8>>,
    ending: Option<Box<Ending>>,
    /// Whether it was told that a leg holds the number.
    held: bool,
    freed: bool,
    ended: bool,
}

impl Call {
    /// A call that was just asked for.
    pub fn new(info: Arc<CallInfo>, requested: Now) -> Self {
        Self {
            info,
            requested,
            met_as: State::Requested,
            queued: None,
            queued_late: false,
            ringing: None,
            answered: None,
            answered_late: false,
            joined: None,
            room: RoomWatch::default(),
            visits: 0,
            channels: Channels::default(),
            response: None,
            ending: None,
            held: false,
            freed: false,
            ended: false,
        }
    }

    /// Adds a fact; `change` is told what follows from it, in the order in which it is to be told
    /// on.
    pub fn apply(&mut self, now: Now, fact: Fact, mut change: impl FnMut(Change)) {
        match fact {
            Fact::Accepted => self.reach(now, State::Queued, &mut change),
            Fact::Local1Seen => self.channels.local1.seen(),
            Fact::Local2Seen => {
                self.channels.local2.seen();
                self.reach(now, State::Queued, &mut change);
            }
            Fact::LegSeen(leg) => {
                self.room.connected_elsewhere |= self.is_answered();
                self.channels.add_leg(leg, now.instant, true);
            }
            Fact::DialledOn => self.room.connected_elsewhere = true,
            Fact::Ringing => self.reach(now, State::Ringing, &mut change),
            Fact::Answered => self.reach(now, State::Answered, &mut change),
            Fact::Listed { accepted, up, synced_until } => {
                if (accepted || up) && !self.is_accepted() {
                    self.reach(now, State::Queued, &mut change);
                    self.queued_late = true;
                }
                if up {
                    self.find_answered(now, synced_until, &mut change);
                } else {
                    // The callee had not answered, and every event since will be seen.
                    self.room.events_missed = false;
                }
            }
            Fact::Joined(conference) => {
                self.reach(now, State::Answered, &mut change);
                self.joined.get_or_insert(now);
                if let Some(ending) = &mut self.ending {
                    ending.left = None;
                }
                self.tell_visit(Change::Joined(conference), &mut change);
            }
            Fact::Left(conference) => {
                self.ending().left = Some(now);
                self.tell_visit(Change::Left(conference), &mut change);
            }
            Fact::Local1Gone(cause) => {
                self.ending().local1 = Some(cause);
                self.lose(now, CallChannel::Local1);
            }
            Fact::Local2Gone(cause) => {
                self.ending().local2 = Some(cause);
                self.lose(now, CallChannel::Local2);
                self.reach(now, State::Queued, &mut change);
            }
            Fact::LegGone(leg, cause) => {
                self.lose(now, CallChannel::Leg(leg));
                let kept = self.ending().leg.take();
                self.ending().leg = Some(more_telling(kept, cause));
            }
            Fact::Absent(channel) => self.lose(now, channel),
            Fact::Tech(text) => {
                // With several legs the flood wait is what whoever asks must know.
                let tech = &mut self.ending().tech;
                if !tech.as_deref().is_some_and(is_flood_wait) {
                    *tech = Some(text);
                }
            }
            Fact::Response(result) => {
                self.response = Some(result);
                match result {
                    Ok(()) => self.reach(now, State::Answered, &mut change),
                    Err(_) => _ = self.ending().over.get_or_insert(now),
                }
            }
            Fact::HangUpAsked(key) => _ = self.ending().hung_up_by.get_or_insert(key),
            Fact::HangUpRefused => self.ending().hung_up_by = None,
            Fact::Vanished(last_alive) => {
                if self.channels.local1 != Half::Gone || self.channels.has_leg_up() {
                    // The clock of the day may have been set back meanwhile.
                    self.ending().unseen = Some((last_alive.min(now.wall), now.wall));
                }
                self.channels.remove_all();
                self.ending().over.get_or_insert(now);
            }
        }
        self.settle(now, &mut change);
    }

    /// Takes note that a channel is gone. The call is over with its `;1`, but not before its last
    /// channel has gone.
    fn lose(&mut self, now: Now, channel: CallChannel) {
        let was_over = self.over().is_some();
        let ends = match channel {
            CallChannel::Local1 => {
                std::mem::replace(&mut self.channels.local1, Half::Gone) != Half::Gone
            }
            CallChannel::Local2 => {
                let was_up = std::mem::replace(&mut self.channels.local2, Half::Gone) != Half::Gone;
                // Without it `;1` does not stay long; one that was never seen may have gone unseen,
                // too.
                was_up && (was_over || self.channels.local1 == Half::Unseen)
            }
            CallChannel::Leg(leg) => self.channels.remove_leg(leg, now.instant) && was_over,
        };
        if ends {
            self.ending().over = Some(now);
        }
    }

    fn ending(&mut self) -> &mut Ending {
        self.ending.get_or_insert_default()
    }

    fn left(&self) -> Option<Now> {
        self.ending.as_ref()?.left
    }

    fn over(&self) -> Option<Now> {
        self.ending.as_ref()?.over
    }

    fn tell_visit(&mut self, visit: Change, mut change: impl FnMut(Change)) {
        if self.visits < MAX_VISITS {
            self.visits += 1;
            change(visit);
        }
    }

    /// Ends what the clock ends; to be called at [`deadline`](Self::deadline).
    pub fn tick(&mut self, now: Now, mut change: impl FnMut(Change)) {
        self.settle(now, &mut change);
    }

    /// When [`tick`](Self::tick) has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        let waits_for_leg = self.held && self.channels.has_leg_up();
        if self.ended || waits_for_leg { None } else { Some(self.over()?.instant + GRACE) }
    }

    /// How far the call has come. It is `Ended` only when its outcome was told.
    pub fn state(&self) -> State {
        match self.progress() {
            _ if self.ended => State::Ended,
            // Without `;1` it is in no conference, whether or not the conference said so.
            State::Joined if self.channels.local1 == Half::Gone => State::Left,
            progress => progress,
        }
    }

    fn progress(&self) -> State {
        if self.left().is_some() {
            State::Left
        } else if self.joined.is_some() {
            State::Joined
        } else if self.answered.is_some() {
            self.met_as.max(State::Answered)
        } else if self.ringing.is_some() {
            self.met_as.max(State::Ringing)
        } else if self.queued.is_some() {
            self.met_as.max(State::Queued)
        } else {
            self.met_as
        }
    }

    /// Records whether join events of our calls arrive on this link.
    pub fn set_joins_arrive(&mut self, joins_arrive: bool) {
        self.room.joins_arrive = joins_arrive;
    }

    /// Records that events of this call may have been missed, as the link was down.
    pub fn miss_events(&mut self) {
        if self.over().is_none() {
            self.room.events_missed = true;
        }
    }

    /// Takes over a call that an earlier run of the daemon began, as far as it had come.
    pub fn adopt(&mut self, now: Now, progress: &Progress) {
        let moment = |time: Option<SystemTime>| time.map(|time| now.back_to(time));
        let Moments { queued, ringing, answered, joined, left, .. } = progress.moments;
        self.met_as = progress.state;
        self.room.events_missed = true;
        (self.queued, self.ringing) = (moment(queued), moment(ringing));
        (self.answered, self.joined) = (moment(answered), moment(joined));
        // The journal does not say whether the acceptance was seen or found in a list.
        self.queued_late = true;
        self.answered_late = progress.answered_after.is_some();
        if left.is_some() {
            self.ending().left = moment(left);
        }
        if self.is_accepted() {
            self.channels.local1.seen();
            self.channels.local2.seen();
        }
    }

    /// Whether it was ever answered.
    pub fn is_answered(&self) -> bool {
        self.answered.is_some() || self.met_as >= State::Answered
    }

    /// Whether Asterisk has accepted the call, so that its end is owed to the log.
    pub fn is_accepted(&self) -> bool {
        self.queued.is_some() || self.met_as >= State::Queued
    }

    /// Whether `;2` was ever seen: then the number's lock was ours.
    pub fn has_lock(&self) -> bool {
        self.channels.local2 != Half::Unseen
    }

    /// Whether either half was seen.
    pub fn has_channel(&self) -> bool {
        self.channels.local1 != Half::Unseen || self.has_lock()
    }

    /// Whether nothing of it is left in Asterisk, though its outcome may still be open.
    pub fn is_over(&self) -> bool {
        self.over().is_some() && !self.channels.has_leg_up()
    }

    /// The legs that are up, by their Uniqueid.
    pub fn legs_up(&self) -> impl Iterator<Item = &str> {
        self.channels.legs_up()
    }

    /// Whether a leg is up.
    pub fn has_leg_up(&self) -> bool {
        self.channels.has_leg_up()
    }

    /// Whether `;1` is not known to be gone.
    pub fn has_local1(&self) -> bool {
        self.channels.local1 != Half::Gone
    }

    /// Whether `;2` is not known to be gone.
    pub fn has_local2(&self) -> bool {
        self.channels.local2 != Half::Gone
    }

    /// Whether somebody asked for its end.
    pub fn is_to_be_hung_up(&self) -> bool {
        self.ending.as_ref().is_some_and(|ending| ending.hung_up_by.is_some())
    }

    /// The channels that are up, of the legs those that were seen before `before`.
    pub fn channels_up(&self, before: Instant) -> impl Iterator<Item = CallChannel> {
        self.channels.up(before)
    }

    /// `;1` came and went, and `;2` was never there: its id, the number's lock, was taken by
    /// another call. No call was made.
    pub fn is_locked_out(&self) -> bool {
        self.channels.local1 == Half::Gone && !self.has_lock() && !self.is_answered()
    }

    /// Whether OriginateResponse was seen: then no more will come of this Originate if it failed.
    pub fn has_response(&self) -> bool {
        self.response.is_some()
    }

    /// Whether a channel that is born now for this call is a leg of it. The callee's leg is there
    /// before the answer; once it is up, a channel born for the call is somebody else's, whom a
    /// participant was transferred to.
    pub fn takes_leg(&self) -> bool {
        !(self.is_answered() && self.channels.has_leg_up())
    }

    /// Whether one more leg would be remembered.
    pub fn has_room_for_leg(&self) -> bool {
        !self.channels.is_full()
    }

    /// The legs towards the gateway that are known, by their Uniqueid, also those that are gone.
    pub fn legs(&self) -> impl Iterator<Item = &str> {
        self.channels.legs()
    }

    /// The moments of the call's steps.
    pub fn moments(&self) -> Moments {
        Moments {
            queued: self.queued.map(|now| now.wall),
            ringing: self.ringing.map(|now| now.wall),
            answered: self.answered.map(|now| now.wall),
            joined: self.joined.map(|now| now.wall),
            left: self.left().map(|now| now.wall),
            ended: self.over().filter(|_| self.ended).map(|now| now.wall),
        }
    }

    /// Takes note that the call has come as far as `state`, and tells of it and of the acceptance
    /// it implies.
    fn reach(&mut self, now: Now, state: State, change: &mut impl FnMut(Change)) {
        if !self.is_accepted() {
            self.queued = Some(now);
            change(Change::Queued);
        }
        if state == State::Ringing && self.ringing.is_none() && self.met_as < State::Ringing {
            self.ringing = Some(now);
            if !self.is_answered() {
                change(Change::Ringing);
            }
        }
        if state == State::Answered && !self.is_answered() {
            self.answered = Some(now);
            change(Change::Answered { after: None });
        }
    }

    /// Takes note that a list of channels shows the call answered. Unless that was known, both the
    /// moment of the answer and what happened since have been missed.
    fn find_answered(
        &mut self,
        now: Now,
        synced_until: SystemTime,
        change: &mut impl FnMut(Change),
    ) {
        if self.is_answered() {
            return;
        }
        self.answered = Some(now);
        self.answered_late = true;
        self.room.events_missed = true;
        // The clock of the day may have been set back meanwhile.
        let after = synced_until.max(self.requested.wall).min(now.wall);
        change(Change::Answered { after: Some(after) });
    }

    fn settle(&mut self, now: Now, change: &mut impl FnMut(Change)) {
        let Some((ending, over)) =
            self.ending.as_ref().and_then(|ending| Some((ending, ending.over?)))
        else {
            return;
        };
        let late = now.instant >= over.instant + GRACE || ending.unseen.is_some();
        if self.channels.has_leg_up() {
            if late && !self.held {
                self.held = true;
                self.room.connected_elsewhere = true;
                change(Change::HeldByLeg);
            }
            return;
        }
        let are_gone = self.channels.local1 == Half::Gone && self.channels.local2 == Half::Gone;
        if !self.freed && (late || are_gone) {
            self.freed = true;
            change(Change::Freed);
        }
        if !self.ended && (late || (self.freed && self.is_told(ending))) {
            self.ended = true;
            change(Change::Ended(Box::new(self.end(ending, over))));
        }
    }
}

/// When a call did what it did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the moment its name says")]
pub struct Moments {
    pub queued: Option<SystemTime>,
    pub ringing: Option<SystemTime>,
    pub answered: Option<SystemTime>,
    pub joined: Option<SystemTime>,
    pub left: Option<SystemTime>,
    pub ended: Option<SystemTime>,
}
