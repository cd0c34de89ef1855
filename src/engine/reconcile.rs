//! Settling what we believe with what Asterisk says lives: after every login, and now and then.
//!
//! One list of all channels shows which calls of ours live. Those we know are brought up to date, those we do
//! not know (from before a restart) are taken in once their channel has told whose they are, and those that
//! are not there have ended unseen.

#[cfg(test)]
mod tests;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::originate::IDENTITY;
use super::{Engine, Purpose};
use crate::ami::action::Action;
use crate::ami::message::{ChannelState, ListedChannel, Response};
use crate::call::machine::{Fact, MAX_LEGS, State};
use crate::call::{CallId, CallInfo, Number, locked_number};
use crate::clock::Now;

/// How often a list is asked for while calls live, in case an event was lost.
const EVERY: Duration = Duration::from_secs(60);

/// When to look again for calls that could not be judged.
const AGAIN: Duration = Duration::from_secs(3);

/// How old a call that no channel was seen of has to be for its absence from the list to mean that it is over: its
/// Originate may still be on its way, on a connection that we have given up.
const MIN_AGE: Duration = Duration::from_secs(10);

/// How long a list may take.
const LIST_TIMEOUT: Duration = Duration::from_secs(30);

/// Most calls that a list can make us take in; no Asterisk carries as many.
const MAX_TAKEN_IN: usize = 100_000;

/// How many channels are asked at once whose they are.
const ASKED_AT_ONCE: usize = 64;

/// What is known of the state of settling.
#[derive(Default)]
pub(super) struct Reconcile {
    /// Settled at least once since the login.
    settled: bool,
    round: Option<Round>,
    next: Option<Instant>,
}

/// One list and what comes of it.
struct Round {
    began: Now,
    /// The calls that have to be in the list if they live: only what was there before the list was asked for.
    expected: HashSet<CallId>,
    found: BTreeMap<CallId, Found>,
    /// The list has come to its end.
    listed: bool,
    to_ask: VecDeque<CallId>,
    asked: HashSet<CallId>,
}

/// What the list says of one call.
#[derive(Default)]
struct Found {
    local1: bool,
    number: Option<Number>,
    up: bool,
    conference: Option<Arc<str>>,
    legs: Vec<Box<str>>,
}

impl Round {
    /// What is found of a call; none if it is one too many of those we do not expect.
    fn entry(&mut self, id: CallId) -> Option<&mut Found> {
        let is_full = self.found.len() >= MAX_TAKEN_IN + self.expected.len();
        match self.found.entry(id) {
            Entry::Vacant(_) if is_full && !self.expected.contains(&id) => None,
            entry => Some(entry.or_default()),
        }
    }
}

impl Reconcile {
    pub(super) fn is_settled(&self) -> bool {
        self.settled
    }

    pub(super) fn deadline(&self, link_is_up: bool) -> Option<Instant> {
        match &self.round {
            Some(round) => Some(round.began.instant + LIST_TIMEOUT),
            None => self.next.filter(|_| link_is_up),
        }
    }

    /// The link is lost, and with it what was asked.
    pub(super) fn abandon(&mut self) {
        *self = Self::default();
    }
}

impl<O, H> Engine<O, H> {
    pub(super) fn begin_reconcile(&mut self, now: Now) {
        let Some(session) = self.link.session() else { return };
        // The action holds nothing that could be unsendable.
        let _ = session.send(now.instant, &Action::CoreShowChannels, Purpose::List);
        let (to_ask, asked) = Default::default();
        let expected = self.registry.ids().into_iter().filter(|id| self.is_in_asterisk(now, *id)).collect();
        let (found, listed) = (BTreeMap::new(), false);
        self.reconcile.round = Some(Round { began: now, expected, found, listed, to_ask, asked });
        self.reconcile.next = None;
    }

    /// Whether the call, if it lives, has its channels by now.
    fn is_in_asterisk(&self, now: Now, id: CallId) -> bool {
        self.registry.get(id).is_some_and(|call| {
            call.has_channel() || now.instant.saturating_duration_since(call.requested.instant) >= MIN_AGE
        })
    }

    /// Some call's fate is unknown: looks at the list soon.
    pub(super) fn reconcile_later(&mut self, now: Now) {
        if self.reconcile.round.is_none() {
            let soon = now.instant + AGAIN;
            self.reconcile.next = Some(self.reconcile.next.map_or(soon, |next| next.min(soon)));
        }
    }

    pub(super) fn tick_reconcile(&mut self, now: Now) {
        if self.reconcile.deadline(self.link.is_up()).is_none_or(|deadline| deadline > now.instant) {
            return;
        }
        if self.reconcile.round.is_some() {
            self.drop_link(now, "Asterisk did not list its channels in time");
        } else if self.registry.is_empty() {
            self.reconcile.next = Some(now.instant + EVERY);
        } else {
            self.begin_reconcile(now);
        }
    }

    pub(super) fn receive_list_answer(&mut self, now: Now, response: &Response) {
        if !response.success {
            let reason = format!("Asterisk does not list its channels: {}", response.message);
            self.drop_link(now, &reason);
        }
    }

    pub(super) fn receive_listed(&mut self, listed: &ListedChannel<'_>) {
        let Some(round) = &mut self.reconcile.round else { return };
        let ListedChannel { channel, state, application, application_data, is_bridged } = listed;
        if let Ok(id) = channel.uniqueid.parse() {
            let Some(found) = round.entry(id) else { return };
            found.local1 = true;
            found.up = *state == ChannelState::Up;
            // Before it is in the bridge it only hears announcements; ConfbridgeJoin is yet to come.
            if application == "ConfBridge" && *is_bridged {
                found.conference = application_data.split(',').next().map(Arc::from);
            }
        } else if let Ok(id) = channel.linkedid.parse() {
            let Some(found) = round.entry(id) else { return };
            match locked_number(&channel.uniqueid) {
                Some(number) => found.number = Some(number),
                None if found.legs.len() < MAX_LEGS => found.legs.push(channel.uniqueid.as_ref().into()),
                None => {}
            }
        }
    }

    /// The list is complete; events that Asterisk had ready before it may still follow, but not after the
    /// answer to what is asked now.
    pub(super) fn receive_list_end(&mut self, now: Now) {
        let Some(round) = self.reconcile.round.as_mut().filter(|round| !round.listed) else { return };
        round.listed = true;
        if let Some(session) = self.link.session() {
            // A Ping holds nothing that could be unsendable.
            let _ = session.send(now.instant, &Action::Ping, Purpose::Settle);
        }
    }

    pub(super) fn settle(&mut self, now: Now) {
        let Some(mut round) = self.reconcile.round.take() else { return };
        let last_heard = if self.reconcile.settled { round.began.wall } else { self.link.lost_at() };
        for id in self.registry.ids() {
            match round.found.remove(&id) {
                Some(found) if found.local1 => self.bring_up_to_date(now, id, found),
                _ if round.expected.contains(&id) => self.end_unseen(now, id, last_heard),
                _ => {}
            }
        }
        // What is left is not known here: ours from before a restart, or another daemon's.
        round.to_ask = round.found.iter().filter(|(_, found)| found.local1).map(|(id, _)| *id).collect();
        self.reconcile.round = Some(round);
        self.ask_whose(now);
    }

    fn bring_up_to_date(&mut self, now: Now, id: CallId, found: Found) {
        self.fact(now, id, Fact::Local1Seen);
        if found.number.is_some() {
            self.fact(now, id, Fact::Local2Seen);
        }
        for leg in found.legs {
            self.registry.leg(now, id, &leg, &mut self.told);
        }
        let state = self.registry.get(id).map(|call| call.state());
        if found.up && state < Some(State::Answered) {
            self.fact(now, id, Fact::Answered);
        }
        if let Some(conference) = found.conference.filter(|_| state < Some(State::Joined)) {
            self.fact(now, id, Fact::Joined(conference));
        }
        self.look_at(now, id);
        self.tell(now);
    }

    fn end_unseen(&mut self, now: Now, id: CallId, last_heard: std::time::SystemTime) {
        let Some(call) = self.registry.get(id) else { return };
        let last_alive = last_heard.max(call.requested.wall);
        self.fact(now, id, Fact::Vanished(last_alive));
    }

    fn ask_whose(&mut self, now: Now) {
        let Some(round) = &mut self.reconcile.round else { return };
        while round.asked.len() < ASKED_AT_ONCE {
            let (Some(id), Some(session)) = (round.to_ask.pop_front(), self.link.session()) else { break };
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
        let Some(round) = &mut self.reconcile.round else { return };
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
        if self.registry.len() >= MAX_TAKEN_IN {
            return;
        }
        let Some(info) = found.number.and_then(|number| self.parse_identity(id, number, identity)) else { return };
        let state = match &found {
            Found { conference: Some(_), .. } => State::Joined,
            Found { up: true, .. } => State::Answered,
            _ => State::Queued,
        };
        self.registry.adopt(now.back_to(id.time()), Arc::new(info), state);
        for leg in found.legs {
            self.registry.leg(now, id, &leg, &mut self.told);
        }
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
        self.reconcile.round = None;
        let undecided = self
            .registry
            .ids()
            .into_iter()
            .any(|id| self.registry.get(id).is_some_and(|call| !call.has_channel() && !call.is_accepted()));
        self.reconcile.next = Some(now.instant + if undecided { AGAIN } else { EVERY });
        if !std::mem::replace(&mut self.reconcile.settled, true) {
            self.become_ready(now);
        }
    }
}
