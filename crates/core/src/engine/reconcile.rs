//! Settling what we believe with what Asterisk says lives: after every login, and now and then.
//!
//! One list of all channels shows which calls of ours live. Those we know are brought up to date,
//! those we do not know (from before a restart) are taken in once their channel has told whose they
//! are, and those that are not there have ended unseen.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::originate::IDENTITY;
use super::{Engine, Purpose};
use crate::ami::action::Action;
use crate::ami::message::{ChannelState, ListedChannel, Response};
use crate::call::machine::{Call, CallChannel, Fact, MAX_LEGS, State};
use crate::call::progress::{OpenCall, Progress};
use crate::call::{CallId, CallInfo, Number, locked_number};
use crate::clock::Now;
use crate::record::Event;

/// How often a list is asked for while calls live, in case an event was lost.
const EVERY: Duration = Duration::from_secs(60);

/// How soon to look again for calls that could not be judged, at the earliest.
const AGAIN: Duration = Duration::from_secs(1);

/// How old a call that no channel was seen of has to be for its absence from the list to mean that
/// it is over: a busy Asterisk comes to it late.
const MIN_AGE: Duration = Duration::from_secs(10);

/// How old the link has to be, for calls that were asked for before: an Asterisk that had hung may
/// still have to read their Originates, from a connection that we have given up. It goes on with
/// all of them at once.
const MIN_LINK_AGE: Duration = Duration::from_secs(1);

/// How long Asterisk may let us wait for the next part of a list, and for what is asked of the
/// channels in it.
const LIST_TIMEOUT: Duration = Duration::from_secs(30);

/// Most channels of calls like ours that a list may have, besides those of the calls that we know.
pub(super) const MAX_LISTED: usize = if cfg!(test) { 1000 } else { 400_000 };

/// Longest id or conference name of a list that is taken; `AST_MAX_PUBLIC_UNIQUEID`.
const MAX_NAME: usize = 149;

/// How many calls are settled before everybody else gets a turn: less than a millisecond's work.
const SETTLED_AT_ONCE: usize = 256;

/// How many channels are asked at once whose they are.
const ASKED_AT_ONCE: usize = 64;

/// What is known of the state of settling.
#[derive(Default)]
pub(super) struct Reconcile {
    /// When the link came up, and the first list was asked for.
    began: Option<Instant>,
    /// When the last list that was settled was asked for.
    settled: Option<SystemTime>,
    round: Option<Round>,
    next: Option<Instant>,
    /// Another list is wanted soon after the one under way.
    again: bool,
    /// Calls that the last list lacked, or a channel of them, and when they were last known alive.
    missed: HashMap<CallId, SystemTime>,
}

/// One list and what comes of it.
struct Round {
    began: Now,
    /// When the next part has to be there.
    by: Instant,
    /// The calls that have to be in the list if they live: only what was there before the list was
    /// asked for.
    expected: HashSet<CallId>,
    /// How many channels were taken in.
    listed: usize,
    is_complete: bool,
    found: BTreeMap<CallId, Found>,
    /// The calls that are yet to be settled with what was found.
    to_settle: VecDeque<CallId>,
    /// What [`Reconcile::missed`] was before.
    missed: HashMap<CallId, SystemTime>,
    to_ask: VecDeque<CallId>,
    asked: HashSet<CallId>,
}

/// What the list says of one call.
#[derive(Default)]
struct Found {
    local1: bool,
    number: Option<Number>,
    /// Whether `;1` is up; a leg where there is none.
    up: bool,
    conference: Option<Arc<str>>,
    legs: Vec<Box<str>>,
}

impl Found {
    fn is_empty(&self) -> bool {
        !self.local1 && self.number.is_none() && self.legs.is_empty()
    }

    fn has(&self, channel: &CallChannel) -> bool {
        match channel {
            CallChannel::Local1 => self.local1,
            CallChannel::Local2 => self.number.is_some(),
            CallChannel::Leg(leg) => self.legs.contains(leg),
        }
    }
}

impl Reconcile {
    pub(super) fn is_settled(&self) -> bool {
        self.settled.is_some()
    }

    pub(super) fn deadline(&self, link_is_up: bool) -> Option<Instant> {
        match &self.round {
            Some(round) if !round.to_settle.is_empty() => Some(round.began.instant),
            Some(round) => Some(round.by),
            None => self.next.filter(|_| link_is_up),
        }
    }

    /// Whether no call is kept in mind.
    #[cfg(test)]
    pub(super) fn remembers_nothing(&self) -> bool {
        self.missed.is_empty() && self.round.is_none()
    }

    /// When a call that no channel was seen of, if it lives, has channels.
    fn judged_from(&self, call: &Call) -> Instant {
        let asked = call.requested.instant;
        match self.began {
            Some(link_began) if asked < link_began && call.is_accepted() => link_began,
            Some(link_began) if asked < link_began => link_began + MIN_LINK_AGE,
            _ => asked + MIN_AGE,
        }
    }

    /// Asterisk refuses what the round needs. A new one begins once a Ping succeeds.
    fn give_up_round(&mut self) {
        if let Some(round) = self.round.take() {
            self.missed = round.missed;
        }
        self.next = None;
    }

    /// The link is lost, and with it what was asked.
    pub(super) fn abandon(&mut self) {
        *self = Self::default();
    }
}

impl<O, H> Engine<O, H> {
    pub(super) fn begin_reconcile(&mut self, now: Now) {
        let Some(session) = self.link.session() else { return };
        self.unknown_calls.begin_list();
        // The action holds nothing that could be unsendable.
        let _ = session.send(now.instant, &Action::CoreShowChannels, Purpose::List);
        if self.reconcile.began.is_none() {
            self.registry.begin_link();
        }
        self.reconcile.began.get_or_insert(now.instant);
        // Whether the call, if it lives, has its channels by now.
        let is_in_asterisk =
            |call: &&Call| call.has_channel() || self.reconcile.judged_from(call) <= now.instant;
        let expected =
            self.registry.calls().filter(is_in_asterisk).map(|call| call.info.id).collect();
        self.reconcile.round = Some(Round {
            began: now,
            by: now.instant + LIST_TIMEOUT,
            expected,
            listed: 0,
            is_complete: false,
            found: BTreeMap::new(),
            to_settle: VecDeque::new(),
            missed: std::mem::take(&mut self.reconcile.missed),
            to_ask: VecDeque::new(),
            asked: HashSet::new(),
        });
        self.reconcile.next = None;
    }

    /// Looks at the list at once, unless that is under way.
    pub(super) fn list_now(&mut self, now: Now) {
        if self.reconcile.round.is_none() {
            self.begin_reconcile(now);
        }
    }

    /// Some call's fate is unknown: looks at the list soon.
    pub(super) fn reconcile_later(&mut self, now: Now) {
        let soon = now.instant + AGAIN;
        match self.reconcile.round {
            None => {
                self.reconcile.next = Some(self.reconcile.next.map_or(soon, |next| next.min(soon)))
            }
            Some(_) => self.reconcile.again = true,
        }
    }

    pub(super) fn tick_reconcile(&mut self, now: Now) {
        if self.reconcile.deadline(self.link.is_up()).is_none_or(|deadline| deadline > now.instant)
        {
            return;
        }
        if self.reconcile.round.as_ref().is_some_and(|round| !round.to_settle.is_empty()) {
            self.settle_some(now);
        } else if self.reconcile.round.is_some() {
            self.drop_link(now, "Asterisk did not list its channels in time");
        } else if self.registry.is_empty() {
            // There is nothing to settle.
            self.reconcile.missed.clear();
            self.unknown_calls.forget_others();
            self.reconcile.next = Some(now.instant + EVERY);
        } else {
            self.begin_reconcile(now);
        }
    }

    pub(super) fn receive_list_answer(&mut self, now: Now, response: &Response) {
        if response.refuses_all_actions() {
            self.reconcile.give_up_round();
        } else if !response.success {
            let reason = format!("Asterisk does not list its channels: {}", response.message);
            self.drop_link(now, &reason);
        }
    }

    pub(super) fn receive_listed(&mut self, now: Now, listed: &ListedChannel<'_>) {
        let Some(round) = &mut self.reconcile.round else { return };
        round.by = now.instant + LIST_TIMEOUT;
        let ListedChannel { channel, state, application, application_data, is_bridged } = listed;
        let is_short = |text: &&str| text.len() <= MAX_NAME;
        let uniqueid = channel.uniqueid.parse::<CallId>();
        let known_leg = self.registry.call_of_leg(&channel.uniqueid);
        let Some(id) = uniqueid.ok().or(known_leg).or_else(|| channel.linkedid.parse().ok()) else {
            return;
        };
        round.listed += 1;
        // The two halves, and as many legs as are remembered.
        if round.listed > MAX_LISTED + (2 + MAX_LEGS) * self.registry.len() {
            return self.drop_link(now, "Asterisk lists channels without end");
        }
        if self.registry.get(id).is_none() && !self.unknown_calls.may_be_ours(id) {
            return;
        }
        let found = round.found.entry(id).or_default();
        if uniqueid.is_ok() {
            found.local1 = true;
            found.up = *state == ChannelState::Up;
            // Before it is in the bridge it only hears announcements; ConfbridgeJoin is yet to
            // come.
            if application == "ConfBridge" && *is_bridged {
                found.conference =
                    application_data.split(',').next().filter(is_short).map(Arc::from);
            }
        } else if let Some(number) = locked_number(&channel.uniqueid) {
            found.number = Some(number);
        } else if is_short(&&*channel.uniqueid) && found.legs.len() < MAX_LEGS {
            found.legs.push(channel.uniqueid.as_ref().into());
            found.up |= !found.local1 && *state == ChannelState::Up;
        }
    }

    /// The list is complete; events that Asterisk had ready before it may still follow, but not
    /// after the answer to what is asked now.
    pub(super) fn receive_list_end(&mut self, now: Now) {
        let Some(round) = &mut self.reconcile.round else { return };
        if let (false, Some(session)) = (round.is_complete, self.link.session()) {
            round.is_complete = true;
            round.by = now.instant + LIST_TIMEOUT;
            // A Ping holds nothing that could be unsendable.
            let _ = session.send(now.instant, &Action::Ping, Purpose::Settle);
        }
    }

    pub(super) fn settle(&mut self, now: Now) {
        if let Some(round) = &mut self.reconcile.round {
            round.by = now.instant + LIST_TIMEOUT;
            round.to_settle = self.registry.calls().map(|call| call.info.id).collect();
            self.settle_some(now);
        }
    }

    fn settle_some(&mut self, now: Now) {
        let Some(mut round) = self.reconcile.round.take() else { return };
        let last_settled = self.reconcile.settled;
        let some = round.to_settle.len().min(SETTLED_AT_ONCE);
        for id in round.to_settle.drain(..some) {
            let found = round.found.remove(&id).unwrap_or_default();
            let absent = match round.expected.contains(&id) {
                true => self.absent(id, &found, round.began),
                false => None,
            };
            let is_gone = found.is_empty();
            self.bring_up_to_date(now, id, found, last_settled);
            let Some(absent) = absent else { continue };
            match (round.missed.get(&id), last_settled) {
                // Its Hangup may still be on its way to us; else the next list lacks it, too.
                (None, Some(last_alive)) => _ = self.reconcile.missed.insert(id, last_alive),
                (Some(last_alive), _) if is_gone => self.end_unseen(now, id, *last_alive),
                (None, None) if is_gone => self.end_unseen(now, id, self.link.lost_at()),
                _ => {
                    absent.into_iter().for_each(|channel| self.fact(now, id, Fact::Absent(channel)))
                }
            }
        }
        if !round.to_settle.is_empty() {
            self.reconcile.round = Some(round);
            return;
        }
        // What is left is not known here: ours from before a restart, or another daemon's.
        let may_be_ours = self.unknown_calls.end_list();
        round.found.retain(|id, found| found.local1 && may_be_ours.contains(id));
        round.to_ask = round.found.keys().copied().collect();
        self.reconcile.round = Some(round);
        self.ask_whose(now);
    }

    /// The channels of the call that were there when the list was asked for and are not in it; none
    /// if all are.
    fn absent(&self, id: CallId, found: &Found, asked: Now) -> Option<Vec<CallChannel>> {
        let call = self.registry.get(id)?;
        let absent: Vec<_> =
            call.channels_up(asked.instant).filter(|channel| !found.has(channel)).collect();
        (found.is_empty() || !absent.is_empty()).then_some(absent)
    }

    fn bring_up_to_date(
        &mut self,
        now: Now,
        id: CallId,
        found: Found,
        last_settled: Option<SystemTime>,
    ) {
        if found.is_empty() {
            return;
        }
        let state = self.registry.get(id).map(|call| call.state());
        let is_live = self.registry.get(id).is_some_and(|call| !call.is_over());
        if found.local1 {
            self.fact(now, id, Fact::Local1Seen);
        }
        if is_live {
            let accepted = found.number.is_some() || !found.legs.is_empty();
            let synced_until = last_settled.unwrap_or(self.link.lost_at());
            self.fact(now, id, Fact::Listed { accepted, up: found.up, synced_until });
        }
        if let Some(number) = found.number {
            self.registry.identify(id, number);
            self.fact(now, id, Fact::Local2Seen);
        }
        self.registry.legs(now, id, found.legs, &mut self.told);
        if let Some(conference) = found.conference.filter(|_| state < Some(State::Joined)) {
            if last_settled.is_some() {
                // The link was up all the time, and no event told of this join.
                self.registry.doubt_joins();
            }
            self.fact(now, id, Fact::Joined(conference));
        }
        self.look_at(now, id);
        self.tell(now);
    }

    fn end_unseen(&mut self, now: Now, id: CallId, last_alive: SystemTime) {
        let Some(call) = self.registry.get(id) else { return };
        // One whose channel was never seen can have been over at any time.
        let requested = call.requested.wall;
        let last_alive = if call.has_channel() { last_alive.max(requested) } else { requested };
        self.fact(now, id, Fact::Vanished(last_alive));
    }

    fn ask_whose(&mut self, now: Now) {
        let Some(round) = &mut self.reconcile.round else { return };
        while round.asked.len() < ASKED_AT_ONCE {
            let (Some(id), Some(session)) = (round.to_ask.pop_front(), self.link.session()) else {
                break;
            };
            round.asked.insert(id);
            let action = Action::GetVar { channel: id.to_string(), variable: IDENTITY };
            // An id holds nothing that could be unsendable.
            let _ = session.send(now.instant, &action, Purpose::Whose(id));
        }
        if round.asked.is_empty() {
            self.end_round(now);
        }
    }

    /// A channel's word on whose it is; none if it is gone or silent.
    pub(super) fn receive_identity(&mut self, now: Now, id: CallId, response: Option<&Response>) {
        if response.is_some_and(Response::refuses_all_actions) {
            return self.reconcile.give_up_round();
        }
        let Some(round) = &mut self.reconcile.round else { return };
        round.by = now.instant + LIST_TIMEOUT;
        round.asked.remove(&id);
        let found = round.found.remove(&id);
        let identity = response.and_then(|response| response.frame.text("Value"));
        if let (Some(found), Some(identity)) = (found, identity) {
            self.adopt(now, id, found, &identity);
        }
        self.ask_whose(now);
    }

    /// Takes a call in that was made before a restart of ours.
    fn adopt(&mut self, now: Now, id: CallId, found: Found, identity: &str) {
        let Some(number) = found.number else { return };
        let info = self.parse_identity(id, number, identity);
        // What has been told to have ended, at our best knowledge, does not end once more.
        let Some(info) = info.filter(|_| self.registry.show(id, false).is_none()) else {
            return self.unknown_calls.leave(id);
        };
        let state = match &found {
            Found { conference: Some(_), .. } => State::Joined,
            Found { up: true, .. } => State::Answered,
            _ => State::Queued,
        };
        let (info, progress) = (Arc::new(info), Progress::of(state));
        self.unknown_calls.adopt(id);
        self.record(now, Event::CallAdopted(Box::new(progress)), Some(info.clone()));
        self.registry.adopt(now, OpenCall { info, progress });
        self.registry.legs(now, id, found.legs, &mut self.told);
        self.tell(now);
    }

    fn parse_identity(&self, id: CallId, number: Number, identity: &str) -> Option<CallInfo> {
        let mut parts = identity.splitn(5, '/');
        if parts.next()? != &*self.settings.instance {
            return None;
        }
        let key = parts.next()?.into();
        let lang = parts.next()?.parse().ok()?;
        let room = parts.next()?.parse().ok()?;
        let caller_id = parts.next()?.parse().ok()?;
        Some(CallInfo { id, number, room, caller_id, lang, key })
    }

    fn end_round(&mut self, now: Now) {
        let Some(round) = self.reconcile.round.take() else { return };
        let undecided = self.registry.calls().filter(|call| !call.has_channel());
        let judged = undecided.map(|call| self.reconcile.judged_from(call)).min();
        let is_wanted =
            std::mem::take(&mut self.reconcile.again) || !self.reconcile.missed.is_empty();
        let again = if is_wanted { Some(now.instant) } else { judged };
        let at = again.map_or(now.instant + EVERY, |at| at.max(now.instant + AGAIN));
        self.reconcile.next = Some(at);
        if self.reconcile.settled.replace(round.began.wall).is_none() {
            self.become_ready(now);
        }
    }
}
