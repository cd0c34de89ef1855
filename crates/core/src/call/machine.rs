//! One call: merges facts in any order, and derives the state from them.
//!
//! Asterisk sends the events of one call in no guaranteed order: OriginateResponse comes before or
//! after the channels' events, and the Hangups of the three channels come in any order. So no code
//! here depends on which event came first. The call stores each fact, and derives its state from
//! all of them.

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

/// How long after its end a call waits for missing facts before it reports its outcome.
pub const GRACE: Duration = Duration::from_millis(500);

/// Most `joined` and `left` changes of one call. A callee joins and leaves once; a hostile or
/// broken Asterisk must not fill the journal.
const MAX_VISITS: u8 = 100;

/// A call, with all facts about it.
#[derive(Debug)]
pub struct Call {
    /// The values that never change.
    pub info: Arc<CallInfo>,
    /// When the call was requested.
    pub requested: Now,
    /// State in which this run adopted the call; `Requested` for a call of this run. Only the
    /// journal can have the timestamps up to this state.
    adopted_in: State,
    queued: Option<Now>,
    /// Whether Asterisk may have accepted the call before `queued`. True if `queued` comes from a
    /// channel list, or from an earlier run's journal, which does not say whether a list or an
    /// event showed the acceptance.
    queued_late: bool,
    ringing: Option<Now>,
    answered: Option<Now>,
    /// Whether `answered` is the time of a channel list that had the answer. The callee answered
    /// earlier.
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
    /// Whether `Freed` was reported.
    freed: bool,
    /// Whether `Ended` was reported.
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

    /// Adds a fact, and passes each change that follows from it to `change`, in the order for the
    /// journal.
    pub fn apply(&mut self, now: Now, fact: Fact, mut change: impl FnMut(Change)) {
        match fact {
            Fact::Accepted => self.reach(now, State::Queued, &mut change),
            Fact::Local1Seen => self.channels.local1.mark_seen(),
            Fact::Local2Seen => {
                self.channels.local2.mark_seen();
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
                    self.record_listed_answer(now, synced_until, &mut change);
                } else {
                    // The callee had not answered by this list, and the daemon has received all
                    // events since.
                    self.room.events_missed = false;
                }
            }
            Fact::Joined { conference, after } => {
                self.reach(now, State::Answered, &mut change);
                self.joined.get_or_insert(now);
                if let Some(ending) = &mut self.ending {
                    ending.left = None;
                }
                self.report_visit(Change::Joined { conference, after }, &mut change);
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
                // A bot must know of a flood wait, so no reply of another leg replaces it.
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
                    // Someone may have set the wall clock back meanwhile.
                    self.ending().ended_between = Some((last_alive.min(now.wall), now.wall));
                }
                self.channels.remove_all();
                self.ending().ended_at.get_or_insert(now);
            }
        }
        self.report_end(now, &mut change);
    }

    /// Marks a channel as gone. The call ends when `;1` is gone, or later when its last other
    /// channel is gone.
    fn channel_gone(&mut self, now: Now, channel: CallChannel) {
        let had_ended = self.ended_at().is_some();
        let ends = match channel {
            CallChannel::Local1 => {
                std::mem::replace(&mut self.channels.local1, LocalHalf::Gone) != LocalHalf::Gone
            }
            CallChannel::Local2 => {
                let was_up = std::mem::replace(&mut self.channels.local2, LocalHalf::Gone)
                    != LocalHalf::Gone;
                // `;1` ends soon after `;2`. If the daemon never saw `;1`, it may also have missed
                // its end.
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

    /// Reports the end if its time has come. The caller calls this at [`deadline`](Self::deadline).
    pub fn tick(&mut self, now: Now, mut change: impl FnMut(Change)) {
        self.report_end(now, &mut change);
    }

    /// When [`tick`](Self::tick) is due; `None` if the call waits only for facts.
    pub fn deadline(&self) -> Option<Instant> {
        let waits_for_leg = self.held && self.channels.has_leg_up();
        if self.ended || waits_for_leg { None } else { Some(self.ended_at()?.instant + GRACE) }
    }

    /// The state. It becomes `Ended` only when the outcome is reported.
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

    /// Sets whether join events of this daemon's calls arrive on this link.
    pub(crate) fn set_joins_arrive(&mut self, joins_arrive: bool) {
        self.room.joins_arrive = joins_arrive;
    }

    /// Records that the daemon may have missed events of this call, as the link was down.
    pub(crate) fn mark_events_missed(&mut self) {
        if self.ended_at().is_none() {
            self.room.events_missed = true;
        }
    }

    /// Sets the state and timestamps that the journal has for a call of an earlier run.
    pub(crate) fn adopt(&mut self, now: Now, progress: &Progress) {
        let moment = |time: Option<SystemTime>| time.map(|time| now.back_to(time));
        let Timestamps { queued, ringing, answered, joined, left, .. } = progress.timestamps;
        self.adopted_in = progress.state;
        self.room.events_missed = true;
        (self.queued, self.ringing) = (moment(queued), moment(ringing));
        (self.answered, self.joined) = (moment(answered), moment(joined));
        // The journal does not tell whether an event or a channel list showed the acceptance.
        self.queued_late = true;
        self.answered_late = progress.answered_after.is_some();
        if left.is_some() {
            self.ending().left = moment(left);
        }
        if self.is_accepted() {
            self.channels.local1.mark_seen();
            self.channels.local2.mark_seen();
        }
    }

    /// The times of the call's steps.
    pub fn timestamps(&self) -> Timestamps {
        Timestamps {
            queued: self.queued.map(|now| now.wall),
            ringing: self.ringing.map(|now| now.wall),
            answered: self.answered.map(|now| now.wall),
            joined: self.joined.map(|now| now.wall),
            left: self.left().map(|now| now.wall),
            ended: self.ended_at().filter(|_| self.ended).map(|now| now.wall),
        }
    }

    /// Records and reports that the call reached `state`. Any state implies that Asterisk accepted
    /// the call, so this reports the acceptance first.
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

    /// Records that a channel list shows the call as answered. If this is new, the daemon missed
    /// the answer, and perhaps later events as well.
    fn record_listed_answer(
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
        // Someone may have set the wall clock back meanwhile.
        let after = synced_until.max(self.requested.wall).min(now.wall);
        change(Change::Answered { after: Some(after) });
    }

    /// Reports the steps of the end whose conditions hold: a leg that keeps the number busy, the
    /// free number, and the outcome. `GRACE` after the end it no longer waits for missing facts.
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
