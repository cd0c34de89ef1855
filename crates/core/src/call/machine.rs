//! One call: merges facts in any order, and derives the state from them.
//!
//! Asterisk sends the events of one call in no guaranteed order: OriginateResponse comes before or
//! after the channels' events, and the Hangups of the three channels come in any order. So no code
//! here depends on which event came first. The call keeps each fact, and its state follows from all
//! facts that it has.

mod channels;
mod ending;
mod queries;
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
use channels::{Channels, LocalHalf};
use ending::{Ending, most_specific};
use room::RoomWatch;

/// How long after its end a call waits for facts that are still missing.
pub const GRACE: Duration = Duration::from_millis(500);

/// Most `joined` and `left` changes of one call. A callee joins and leaves once; a hostile or broken
/// Asterisk must not fill the journal.
const MAX_VISITS: u8 = 100;

/// A call, with all facts about it.
#[derive(Debug)]
pub struct Call {
    /// The callee, the room, and the key.
    pub info: Arc<CallInfo>,
    /// When the call was requested.
    pub requested: Now,
    /// State in which the call was adopted after a restart; `Requested` for a call of this run.
    /// Earlier timestamps are known only from the journal.
    adopted_in: State,
    queued: Option<Now>,
    /// `queued` is the time of a channel list that had the call. Asterisk accepted it earlier.
    queued_late: bool,
    ringing: Option<Now>,
    answered: Option<Now>,
    /// `answered` is the time of a channel list that had the answer. The callee answered earlier.
    answered_late: bool,
    joined: Option<Now>,
    room: RoomWatch,
    /// How many `joined` and `left` changes were reported.
    visits: u8,
    channels: Channels,
    response: Option<Result<(), u8>>,
    ending: Option<Box<Ending>>,
    /// Whether `HeldByLeg` was reported.
    held: bool,
    freed: bool,
    ended: bool,
}

impl Call {
    /// A call that was just requested.
    pub fn new(info: Arc<CallInfo>, requested: Now) -> Self {
        Self {
            info,
            requested,
            adopted_in: State::Requested,
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

    /// Adds a fact, and passes the changes that follow to `change`, in the order of the journal.
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
                self.report_visit(Change::Joined(conference), &mut change);
            }
            Fact::Left(conference) => {
                self.ending().left = Some(now);
                self.report_visit(Change::Left(conference), &mut change);
            }
            Fact::Local1Gone(cause) => {
                self.ending().local1 = Some(cause);
                self.channel_gone(now, CallChannel::Local1);
            }
            Fact::Local2Gone(cause) => {
                self.ending().local2 = Some(cause);
                self.channel_gone(now, CallChannel::Local2);
                self.reach(now, State::Queued, &mut change);
            }
            Fact::LegGone(leg, cause) => {
                self.channel_gone(now, CallChannel::Leg(leg));
                let kept = self.ending().leg.take();
                self.ending().leg = Some(most_specific(kept, cause));
            }
            Fact::Absent(channel) => self.channel_gone(now, channel),
            Fact::GatewayReply(text) => {
                // A flood wait matters more to the bot than the replies of other legs.
                let reply = &mut self.ending().gateway_reply;
                if !reply.as_deref().is_some_and(is_flood_wait) {
                    *reply = Some(text);
                }
            }
            Fact::Response(result) => {
                self.response = Some(result);
                match result {
                    Ok(()) => self.reach(now, State::Answered, &mut change),
                    Err(_) => _ = self.ending().ended_at.get_or_insert(now),
                }
            }
            Fact::HangUpAsked(key) => _ = self.ending().hung_up_by.get_or_insert(key),
            Fact::HangUpRefused => self.ending().hung_up_by = None,
            Fact::Vanished(last_alive) => {
                if self.channels.local1 != LocalHalf::Gone || self.channels.has_leg_up() {
                    // The wall clock may have been set back meanwhile.
                    self.ending().ended_between = Some((last_alive.min(now.wall), now.wall));
                }
                self.channels.remove_all();
                self.ending().ended_at.get_or_insert(now);
            }
        }
        self.report_end(now, &mut change);
    }

    /// Marks a channel as gone. The call ends with its `;1`, but not before its last channel is gone.
    fn channel_gone(&mut self, now: Now, channel: CallChannel) {
        let had_ended = self.ended_at().is_some();
        let ends = match channel {
            CallChannel::Local1 => {
                std::mem::replace(&mut self.channels.local1, LocalHalf::Gone) != LocalHalf::Gone
            }
            CallChannel::Local2 => {
                let was_up = std::mem::replace(&mut self.channels.local2, LocalHalf::Gone)
                    != LocalHalf::Gone;
                // `;1` does not outlive `;2` for long. If `;1` was never seen, its end may have been
                // missed as well.
                was_up && (had_ended || self.channels.local1 == LocalHalf::Unseen)
            }
            CallChannel::Leg(leg) => self.channels.remove_leg(leg, now.instant) && had_ended,
        };
        if ends {
            self.ending().ended_at = Some(now);
        }
    }

    fn ending(&mut self) -> &mut Ending {
        self.ending.get_or_insert_default()
    }

    fn left(&self) -> Option<Now> {
        self.ending.as_ref()?.left
    }

    fn ended_at(&self) -> Option<Now> {
        self.ending.as_ref()?.ended_at
    }

    fn report_visit(&mut self, visit: Change, mut change: impl FnMut(Change)) {
        if self.visits < MAX_VISITS {
            self.visits += 1;
            change(visit);
        }
    }

    /// Handles the passing of time. The caller calls this at [`deadline`](Self::deadline).
    pub fn tick(&mut self, now: Now, mut change: impl FnMut(Change)) {
        self.report_end(now, &mut change);
    }

    /// When [`tick`](Self::tick) is due.
    pub fn deadline(&self) -> Option<Instant> {
        let waits_for_leg = self.held && self.channels.has_leg_up();
        if self.ended || waits_for_leg { None } else { Some(self.ended_at()?.instant + GRACE) }
    }

    /// The state. It is `Ended` only once the outcome was reported.
    pub fn state(&self) -> State {
        match self.progress() {
            _ if self.ended => State::Ended,
            // Without `;1` the call is in no conference, even if ConfbridgeLeave was missed.
            State::Joined if self.channels.local1 == LocalHalf::Gone => State::Left,
            progress => progress,
        }
    }

    fn progress(&self) -> State {
        if self.left().is_some() {
            State::Left
        } else if self.joined.is_some() {
            State::Joined
        } else if self.answered.is_some() {
            self.adopted_in.max(State::Answered)
        } else if self.ringing.is_some() {
            self.adopted_in.max(State::Ringing)
        } else if self.queued.is_some() {
            self.adopted_in.max(State::Queued)
        } else {
            self.adopted_in
        }
    }

    /// Records whether join events of our calls arrive on this link.
    pub(crate) fn set_joins_arrive(&mut self, joins_arrive: bool) {
        self.room.joins_arrive = joins_arrive;
    }

    /// Records that events of this call may have been missed, as the link was down.
    pub(crate) fn miss_events(&mut self) {
        if self.ended_at().is_none() {
            self.room.events_missed = true;
        }
    }

    /// Adopts a call of an earlier run in the state that the journal has.
    pub(crate) fn adopt(&mut self, now: Now, progress: &Progress) {
        let moment = |time: Option<SystemTime>| time.map(|time| now.back_to(time));
        let Timestamps { queued, ringing, answered, joined, left, .. } = progress.moments;
        self.adopted_in = progress.state;
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

    /// The times of the call's steps.
    pub fn moments(&self) -> Timestamps {
        Timestamps {
            queued: self.queued.map(|now| now.wall),
            ringing: self.ringing.map(|now| now.wall),
            answered: self.answered.map(|now| now.wall),
            joined: self.joined.map(|now| now.wall),
            left: self.left().map(|now| now.wall),
            ended: self.ended_at().filter(|_| self.ended).map(|now| now.wall),
        }
    }

    /// Records that the call reached `state`, and reports it with the acceptance that it implies.
    fn reach(&mut self, now: Now, state: State, change: &mut impl FnMut(Change)) {
        if !self.is_accepted() {
            self.queued = Some(now);
            change(Change::Queued);
        }
        if state == State::Ringing && self.ringing.is_none() && self.adopted_in < State::Ringing {
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

    /// Records that a channel list has the call as answered. If this is new, the answer itself and
    /// all events since were missed.
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
        // The wall clock may have been set back meanwhile.
        let after = synced_until.max(self.requested.wall).min(now.wall);
        change(Change::Answered { after: Some(after) });
    }

    fn report_end(&mut self, now: Now, change: &mut impl FnMut(Change)) {
        let Some((ending, over)) =
            self.ending.as_ref().and_then(|ending| Some((ending, ending.ended_at?)))
        else {
            return;
        };
        let late = now.instant >= over.instant + GRACE || ending.ended_between.is_some();
        if self.channels.has_leg_up() {
            if late && !self.held {
                self.held = true;
                self.room.connected_elsewhere = true;
                change(Change::HeldByLeg);
            }
            return;
        }
        let are_gone =
            self.channels.local1 == LocalHalf::Gone && self.channels.local2 == LocalHalf::Gone;
        if !self.freed && (late || are_gone) {
            self.freed = true;
            change(Change::Freed);
        }
        if !self.ended && (late || (self.freed && self.is_outcome_known(ending))) {
            self.ended = true;
            change(Change::Ended(Box::new(self.end(ending, over))));
        }
    }
}

/// When a call reached each of its steps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the time of the step that it is named after")]
pub struct Timestamps {
    pub queued: Option<SystemTime>,
    pub ringing: Option<SystemTime>,
    pub answered: Option<SystemTime>,
    pub joined: Option<SystemTime>,
    pub left: Option<SystemTime>,
    pub ended: Option<SystemTime>,
}
