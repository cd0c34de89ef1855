//! Reconciling the calls that the daemon believes to be alive with the channels that Asterisk
//! lists: after every login, and every minute while there are live calls, in case an event was
//! lost.
//!
//! One round goes like this:
//!
//! 1. The daemon asks for all channels and notes which calls have to be in the list: only those
//!    whose channels existed when it asked.
//! 2. The channels come one by one. The daemon groups the channels of its calls (`ListedCall`).
//! 3. After the list the daemon sends a Ping. Its response proves that every event queued before
//!    the end of the list has been read. Without it, a call that has ended a moment ago and whose
//!    Hangup is still under way would be taken for one that has ended unobserved.
//! 4. Each known call is updated from the list, or judged by its absence from it. One absence
//!    proves nothing on a link that was up all the time, as the Hangup may be under way: only a
//!    second list that lacks the call ends it. The first list after a login is proof at once.
//! 5. A listed call that the daemon does not know may be its own from before a restart
//!    (`unknown_calls.rs`). The daemon reads its `ORIGINATORD` variable, and adopts it if its `instance` matches.
//!
//! A call without any channel so far is judged later: a busy Asterisk may not have handled its
//! Originate yet (`presumed_visible_at`).
//!
//! This file decides; `apply.rs` carries the decisions out.

mod apply;
mod round;
mod unknown_calls;

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime};

use self::round::{ListedCall, Round};
use self::unknown_calls::UnknownCalls;
use super::registry::Registry;
use crate::ami::message::{ListedChannel, Response};
use crate::call::CallId;
use crate::call::machine::{Call, CallChannel};
use crate::clock::Now;

#[cfg(test)]
pub(super) use self::round::MAX_LISTED;

/// The time between two lists while there are live calls.
const INTERVAL: Duration = Duration::from_secs(60);

/// The shortest pause before the next list, if calls could not be judged.
const MIN_INTERVAL: Duration = Duration::from_secs(1);

/// How old a call without a channel has to be for its absence from the list to mean that it is
/// over: a busy Asterisk handles its Originate late.
const MIN_AGE: Duration = Duration::from_secs(10);

/// The same for calls that were requested on an earlier link, as the age of this link. An Asterisk
/// that had hung may still have to read their Originates from the connection that the daemon has
/// closed, and handles all of them at once.
const MIN_LINK_AGE: Duration = Duration::from_secs(1);

/// Most owner queries, for the variable `ORIGINATORD` of a call, that wait for their response.
const MAX_OWNER_QUERIES: usize = 64;

/// The state of reconciling.
pub(super) struct Reconcile {
    /// When the link came up, and the daemon asked for its first list.
    link_began: Option<Instant>,
    /// When the daemon asked for the last reconciled list of this link.
    last_reconciled: Option<SystemTime>,
    round: Option<Round>,
    next_round: Option<Instant>,
    /// Whether another list is wanted soon after the one under way.
    repeat: bool,
    /// Whether an event was about an unknown call that may be ours, so that a list is needed even if no
    /// call is known.
    unknown_call_seen: bool,
    /// The calls of which the last list lacked a channel, and when they were last known to be
    /// alive.
    absent_once: HashMap<CallId, SystemTime>,
    unknown_calls: UnknownCalls,
}

/// The next thing to do.
pub(super) enum Due {
    Nothing,
    /// A list has to be asked for.
    Round,
    /// The next calls have to be judged.
    Verdicts,
    /// Asterisk did not list its channels in time.
    TimedOut,
}

/// The conclusion of a list about a known call.
pub(super) struct Verdict {
    id: CallId,
    found: ListedCall,
    fate: Fate,
    /// All events up to this time have been received.
    synced_until: SystemTime,
    /// Whether an earlier list of this link was reconciled, so that no event was missed since.
    is_link_old: bool,
}

enum Fate {
    /// The list has the channels that it has to have, or the next one decides.
    Listed,
    /// These channels are gone, and their Hangup was not received.
    ChannelsGone(Vec<CallChannel>),
    /// The call has ended unobserved; it was last known to be alive at this time.
    Ended(SystemTime),
}

/// Asterisk lists more channels than the calls can have.
pub(super) struct EndlessList;

impl Reconcile {
    /// For a run that starts now.
    pub(super) fn new(started: SystemTime) -> Self {
        Self {
            link_began: None,
            last_reconciled: None,
            round: None,
            next_round: None,
            repeat: false,
            unknown_call_seen: false,
            absent_once: HashMap::new(),
            unknown_calls: UnknownCalls::new(started),
        }
    }

    /// Notes that the journal knows every call that was requested before this time.
    pub(super) fn set_recorded_until(&mut self, time: Option<SystemTime>) {
        self.unknown_calls.set_recorded_until(time);
    }

    /// Whether a list was reconciled since the login.
    pub(super) fn is_done(&self) -> bool {
        self.last_reconciled.is_some()
    }

    pub(super) fn is_running(&self) -> bool {
        self.round.is_some()
    }

    pub(super) fn deadline(&self, link_is_up: bool) -> Option<Instant> {
        match &self.round {
            Some(round) => Some(round.deadline()),
            None => self.next_round.filter(|_| link_is_up),
        }
    }

    /// The next thing to do. With an empty registry there is nothing to reconcile.
    pub(super) fn due(&mut self, now: Now, link_is_up: bool, registry: &Registry) -> Due {
        if self.deadline(link_is_up).is_none_or(|deadline| deadline > now.instant) {
            return Due::Nothing;
        }
        match &self.round {
            Some(round) if round.is_judging() => Due::Verdicts,
            Some(_) => Due::TimedOut,
            None if registry.is_empty() && !self.unknown_call_seen => {
                self.absent_once.clear();
                self.unknown_calls.forget_foreign();
                self.next_round = Some(now.instant + INTERVAL);
                Due::Nothing
            }
            None => Due::Round,
        }
    }

    /// Makes the next list come soon, as the fate of a call is unknown.
    pub(super) fn request_soon(&mut self, now: Now) {
        if self.round.is_some() {
            self.repeat = true;
        } else {
            let soon = now.instant + MIN_INTERVAL;
            self.next_round = Some(self.next_round.map_or(soon, |next| next.min(soon)));
        }
    }

    /// Notes that an unknown call has a new channel. It can be ours if it was requested before this run:
    /// a busy Asterisk may handle the Originate of a killed run only after the first list.
    pub(super) fn note_unknown_call(&mut self, now: Now, id: CallId) {
        if self.unknown_calls.is_in_span(id) {
            self.unknown_call_seen = true;
            self.request_soon(now);
        }
    }

    /// Begins a round, as the daemon has asked for a list. Returns whether it is the first one on
    /// this link.
    pub(super) fn begin_round(&mut self, now: Now, registry: &Registry) -> bool {
        self.unknown_calls.begin_list();
        let is_first = self.link_began.is_none();
        self.link_began.get_or_insert(now.instant);
        // Asterisk may not have made a channel of the other calls yet.
        let is_in_asterisk =
            |call: &&Call| call.has_channel() || self.presumed_visible_at(call) <= now.instant;
        let expected = registry.calls().filter(is_in_asterisk).map(|call| call.info.id).collect();
        let absent_before = std::mem::take(&mut self.absent_once);
        self.round = Some(Round::new(now, expected, absent_before));
        self.next_round = None;
        self.unknown_call_seen = false;
        is_first
    }

    /// The time from which a list has to show a call that had no channel before, if it is alive.
    fn presumed_visible_at(&self, call: &Call) -> Instant {
        let requested = call.requested.instant;
        match self.link_began {
            Some(began) if requested < began && call.is_accepted() => began,
            Some(began) if requested < began => began + MIN_LINK_AGE,
            _ => requested + MIN_AGE,
        }
    }

    /// The response to the request for a list.
    ///
    /// # Errors
    ///
    /// Asterisk does not list its channels, with the reason.
    pub(super) fn receive_response(&mut self, response: &Response) -> Result<(), String> {
        if response.refuses_all_actions() {
            self.cancel_round();
        } else if !response.success {
            return Err(format!("Asterisk does not list its channels: {}", response.message));
        }
        Ok(())
    }

    /// Cancels the round, as Asterisk refuses all actions. The next one begins once a Ping
    /// succeeds.
    pub(super) fn cancel_round(&mut self) {
        if let Some(round) = self.round.take() {
            self.absent_once = round.into_absent_before();
        }
        self.next_round = None;
    }

    /// Handles one listed channel.
    ///
    /// # Errors
    ///
    /// The list has more channels than the calls can have.
    pub(super) fn receive_channel(
        &mut self,
        now: Now,
        listed: &ListedChannel<'_>,
        registry: &Registry,
    ) -> Result<(), EndlessList> {
        let Some(round) = &mut self.round else { return Ok(()) };
        round.add(now, listed, registry, &mut self.unknown_calls)
    }

    /// The end of the list. Returns whether a Ping has to be sent after it.
    pub(super) fn receive_end(&mut self, now: Now) -> bool {
        self.round.as_mut().is_some_and(|round| round.complete(now))
    }

    /// The response to the Ping: every event queued before the end of the list has been read, and
    /// the known calls can be judged.
    pub(super) fn receive_barrier(&mut self, now: Now, registry: &Registry) {
        if let Some(round) = &mut self.round {
            round.begin_judging(now, registry);
        }
    }

    /// The conclusion of the list about the next known call.
    pub(super) fn next_verdict(
        &mut self,
        registry: &Registry,
        link_lost_at: SystemTime,
    ) -> Option<Verdict> {
        let round = self.round.as_mut()?;
        let (id, found) = round.next_known()?;
        let absent = round.absent_channels(registry, id, &found);
        let last_seen = round.absent_before(id);
        let is_gone = found.is_empty();
        let fate = match (absent, last_seen, self.last_reconciled) {
            (None, ..) => Fate::Listed,
            // The Hangup may be under way; else the next list lacks the channel, too.
            (Some(_), None, Some(last_alive)) => {
                self.absent_once.insert(id, last_alive);
                Fate::Listed
            }
            (Some(_), Some(last_alive), _) if is_gone => ended(registry, id, last_alive),
            (Some(_), None, None) if is_gone => ended(registry, id, link_lost_at),
            (Some(absent), ..) => Fate::ChannelsGone(absent),
        };
        let synced_until = self.last_reconciled.unwrap_or(link_lost_at);
        Some(Verdict { id, found, fate, synced_until, is_link_old: self.last_reconciled.is_some() })
    }

    /// The next unknown call whose owner has to be queried. `None` before all known calls are
    /// judged, and while [`MAX_OWNER_QUERIES`] queries are open.
    pub(super) fn next_owner_query(&mut self) -> Option<CallId> {
        self.round.as_mut()?.next_owner_query(&mut self.unknown_calls)
    }

    /// Closes an owner query, answered or not. Returns what the list shows of the call.
    pub(super) fn receive_owner(&mut self, now: Now, id: CallId) -> Option<ListedCall> {
        self.round.as_mut()?.receive_owner(now, id)
    }

    /// Notes that this run has adopted the call.
    pub(super) fn note_adopted(&mut self, id: CallId) {
        self.unknown_calls.note_adopted(id);
    }

    /// Notes that another daemon owns the call.
    pub(super) fn note_foreign(&mut self, id: CallId) {
        self.unknown_calls.note_foreign(id);
    }

    /// Ends the round if all known calls are judged and no owner query is open. Returns whether it
    /// has ended and was the first on this link.
    pub(super) fn end_round(&mut self, now: Now, registry: &Registry) -> bool {
        let Some(round) = self.round.take_if(|round| round.is_over()) else { return false };
        let undecided = registry.calls().filter(|call| !call.has_channel());
        let decided_at = undecided.map(|call| self.presumed_visible_at(call)).min();
        let repeat = std::mem::take(&mut self.repeat) || !self.absent_once.is_empty();
        let wanted_at = if repeat { Some(now.instant) } else { decided_at };
        let next =
            wanted_at.map_or(now.instant + INTERVAL, |at| at.max(now.instant + MIN_INTERVAL));
        self.next_round = Some(next);
        self.last_reconciled.replace(round.began()).is_none()
    }

    /// The link is lost, and with it the round.
    pub(super) fn abandon(&mut self) {
        self.link_began = None;
        self.last_reconciled = None;
        self.round = None;
        self.next_round = None;
        self.repeat = false;
        self.unknown_call_seen = false;
        self.absent_once.clear();
        self.unknown_calls.forget_foreign();
    }

    /// How many unknown calls are remembered, besides the adopted ones.
    #[cfg(test)]
    pub(super) fn remembered_unknown(&self) -> usize {
        self.unknown_calls.len()
    }

    /// Whether no known call is remembered.
    #[cfg(test)]
    pub(super) fn remembers_nothing(&self) -> bool {
        self.absent_once.is_empty() && self.round.is_none()
    }
}

/// The fate of a call that the list lacks. If no channel of it was ever seen, it may have ended at
/// any time since its request.
fn ended(registry: &Registry, id: CallId, last_alive: SystemTime) -> Fate {
    let Some(call) = registry.get(id) else { return Fate::Listed };
    let requested = call.requested.wall;
    Fate::Ended(if call.has_channel() { last_alive.max(requested) } else { requested })
}
