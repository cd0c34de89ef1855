//! Carries out the decisions of reconciling: sends actions, and turns verdicts into facts.

use std::sync::Arc;

use super::round::ListedCall;
use super::{Due, EndlessList, Fate, Verdict};
use crate::ami::action::Action;
use crate::ami::message::{ListedChannel, Response};
use crate::call::CallId;
use crate::call::machine::{Fact, State};
use crate::call::progress::{OpenCall, Progress};
use crate::clock::Now;
use crate::engine::purpose::Purpose;
use crate::engine::request::Replies;
use crate::engine::{Engine, identity};
use crate::record::Event;

/// How many calls are judged before other inputs get a turn: less than a millisecond's work.
const VERDICTS_AT_ONCE: usize = 256;

impl<R: Replies> Engine<R> {
    /// Asks Asterisk for a list of all channels.
    pub(in crate::engine) fn begin_reconcile(&mut self, now: Now) {
        if !self.link.send(now, &Action::CoreShowChannels, Purpose::List) {
            return;
        }
        if self.reconcile.begin_round(now, &self.registry) {
            self.registry.begin_link();
        }
    }

    /// Asks for a list at once, unless one is under way.
    pub(in crate::engine) fn reconcile_now(&mut self, now: Now) {
        if !self.reconcile.is_running() {
            self.begin_reconcile(now);
        }
    }

    /// Acts on the deadlines of reconciling.
    pub(in crate::engine) fn tick_reconcile(&mut self, now: Now) {
        match self.reconcile.due(now, self.link.is_up(), &self.registry) {
            Due::Nothing => {}
            Due::Round => self.begin_reconcile(now),
            Due::Verdicts => self.judge_calls(now),
            Due::TimedOut => self.close_link(now, "Asterisk did not list its channels in time"),
        }
    }

    /// The response to the request for a list.
    pub(in crate::engine) fn receive_list_response(&mut self, now: Now, response: &Response) {
        if let Err(reason) = self.reconcile.receive_response(response) {
            self.close_link(now, &reason);
        }
    }

    pub(in crate::engine) fn receive_listed_channel(
        &mut self,
        now: Now,
        listed: &ListedChannel<'_>,
    ) {
        if let Err(EndlessList) = self.reconcile.receive_channel(now, listed, &self.registry) {
            self.close_link(now, "Asterisk lists channels without end");
        }
    }

    pub(in crate::engine) fn receive_list_end(&mut self, now: Now) {
        if self.reconcile.receive_end(now) {
            self.link.send(now, &Action::Ping, Purpose::ListBarrier);
        }
    }

    /// Every event queued before the end of the list has been read.
    pub(in crate::engine) fn receive_list_barrier(&mut self, now: Now) {
        self.reconcile.receive_barrier(now, &self.registry);
        self.judge_calls(now);
    }

    /// Judges the next known calls; after the last one queries the owners of the unknown calls.
    fn judge_calls(&mut self, now: Now) {
        for _ in 0..VERDICTS_AT_ONCE {
            let verdict = self.reconcile.next_verdict(&self.registry, self.link.lost_at());
            let Some(verdict) = verdict else { break };
            self.apply_verdict(now, verdict);
        }
        self.query_call_owners(now);
    }

    fn apply_verdict(&mut self, now: Now, verdict: Verdict) {
        let id = verdict.id;
        if !verdict.found.is_empty() {
            self.update_from_list(now, &verdict);
        }
        match verdict.fate {
            Fate::Listed => {}
            Fate::ChannelsGone(channels) => {
                for channel in channels {
                    self.apply_fact(now, id, Fact::Absent(channel));
                }
            }
            Fate::Ended(last_alive) => self.apply_fact(now, id, Fact::Vanished(last_alive)),
        }
    }

    /// Adds the facts about a known call that are in the list.
    fn update_from_list(&mut self, now: Now, verdict: &Verdict) {
        let Verdict { id, ref found, synced_until, .. } = *verdict;
        let state = self.registry.get(id).map(|call| call.state());
        let is_live = self.registry.get(id).is_some_and(|call| !call.is_over());
        if found.local1 {
            self.apply_fact(now, id, Fact::Local1Seen);
        }
        if is_live {
            let accepted = found.number.is_some() || !found.legs.is_empty();
            self.apply_fact(now, id, Fact::Listed { accepted, up: found.up, synced_until });
        }
        if let Some(number) = found.number {
            self.registry.set_number(id, number);
            self.apply_fact(now, id, Fact::Local2Seen);
        }
        self.registry.add_legs(now, id, &found.legs, &mut self.changes);
        if let Some(conference) = found.conference.clone().filter(|_| state < Some(State::Joined)) {
            if verdict.is_link_old {
                // The link was up all the time, and no event has reported this join.
                self.registry.doubt_joins();
            }
            self.callee_found(now, id, &conference, synced_until);
            let after = Some(synced_until);
            self.apply_fact(now, id, Fact::Joined { conference, after });
        }
        self.answer_if_decided(now, id);
        self.record_changes(now);
    }

    /// Queries the owners of the next unknown calls. If no unknown call is left, ends the round.
    fn query_call_owners(&mut self, now: Now) {
        while let Some(id) = self.reconcile.next_owner_query() {
            let action = Action::GetVar { channel: id.to_string(), variable: identity::VARIABLE };
            self.link.send(now, &action, Purpose::CallOwner(id));
        }
        if self.reconcile.end_round(now, &self.registry) {
            self.begin_room_round(now);
            self.become_ready(now);
        }
    }

    /// Handles the response with the call's owner; `None` if Asterisk did not respond in time.
    pub(in crate::engine) fn receive_call_owner(
        &mut self,
        now: Now,
        id: CallId,
        response: Option<&Response>,
    ) {
        if response.is_some_and(Response::refuses_all_actions) {
            return self.reconcile.cancel_round();
        }
        let found = self.reconcile.receive_owner(now, id);
        let owner = response.and_then(|response| response.frame.text("Value"));
        if let (Some(found), Some(owner)) = (found, owner) {
            self.adopt(now, id, found, &owner);
        }
        self.query_call_owners(now);
    }

    /// Adopts a call that was made before this run, if this daemon owns it.
    fn adopt(&mut self, now: Now, id: CallId, found: ListedCall, owner: &str) {
        let Some(number) = found.number else { return };
        let info = identity::parse(&self.instance, id, number, owner);
        // A call that has ended already must not be adopted: its end would be recorded twice.
        let Some(info) = info.filter(|_| self.registry.show(id, false).is_none()) else {
            return self.reconcile.note_foreign(id);
        };
        let state = match &found {
            ListedCall { conference: Some(_), .. } => State::Joined,
            ListedCall { up: true, .. } => State::Answered,
            _ => State::Queued,
        };
        let (info, progress) = (Arc::new(info), Progress::of(state));
        self.reconcile.note_adopted(id);
        self.record(now, Event::CallAdopted(Box::new(progress)), Some(info.clone()));
        self.registry.adopt(now, OpenCall { info, progress });
        self.registry.add_legs(now, id, &found.legs, &mut self.changes);
        self.record_changes(now);
    }
}
