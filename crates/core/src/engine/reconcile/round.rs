//! One list of channels, and what remains to be done with it.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::unknown_calls::UnknownCalls;
use super::{EndlessList, MAX_OWNER_QUERIES};
use crate::ami::message::{ChannelState, ListedChannel};
use crate::call::machine::{CallChannel, MAX_LEGS};
use crate::call::{CallId, Number, locked_number};
use crate::clock::Now;
use crate::engine::registry::Registry;

/// How long Asterisk may take for the next part of a list, and for each response about it.
const LIST_TIMEOUT: Duration = Duration::from_secs(30);

/// Most channels of calls like ours that a list may have, besides those of the known calls.
pub(in crate::engine) const MAX_LISTED: usize = if cfg!(test) { 1000 } else { 400_000 };

/// Longest id or conference name that is taken from a list; `AST_MAX_PUBLIC_UNIQUEID`.
const MAX_NAME: usize = 149;

/// One list and what comes of it.
pub(super) struct Round {
    began: Now,
    /// When the next part of the list, or the next response, has to have come.
    next_part_by: Instant,
    /// The calls that have to be in the list if they live.
    expected: HashSet<CallId>,
    /// How many channels were counted.
    listed: usize,
    is_complete: bool,
    found: BTreeMap<CallId, Found>,
    /// The known calls that are not judged yet.
    to_judge: VecDeque<CallId>,
    /// Whether the known calls were handed out to be judged.
    has_judged: bool,
    /// The calls that the list before lacked, and when they were last known to be alive.
    absent_before: HashMap<CallId, SystemTime>,
    /// Unknown calls that are to be asked for their owner; `None` before the known ones are judged.
    to_ask: Option<VecDeque<CallId>>,
    asked: HashSet<CallId>,
}

/// One call as the list shows it.
#[derive(Default)]
pub(in crate::engine) struct Found {
    pub(super) local1: bool,
    /// The callee's number, which the id of the second Local half, the lock channel, contains.
    pub(super) number: Option<Number>,
    /// Whether the first Local half is up; a leg, where there is no first half.
    pub(super) up: bool,
    pub(super) conference: Option<Arc<str>>,
    pub(super) legs: Vec<Box<str>>,
}

impl Found {
    pub(super) fn is_empty(&self) -> bool {
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

impl Round {
    pub(super) fn new(
        now: Now,
        expected: HashSet<CallId>,
        absent_before: HashMap<CallId, SystemTime>,
    ) -> Self {
        Self {
            began: now,
            next_part_by: now.instant + LIST_TIMEOUT,
            expected,
            listed: 0,
            is_complete: false,
            found: BTreeMap::new(),
            to_judge: VecDeque::new(),
            has_judged: false,
            absent_before,
            to_ask: None,
            asked: HashSet::new(),
        }
    }

    /// When the list was asked for.
    pub(super) fn began(&self) -> SystemTime {
        self.began.wall
    }

    pub(super) fn deadline(&self) -> Instant {
        if self.is_judging() { self.began.instant } else { self.next_part_by }
    }

    /// Whether there are calls to judge.
    pub(super) fn is_judging(&self) -> bool {
        !self.to_judge.is_empty()
    }

    pub(super) fn into_absent_before(self) -> HashMap<CallId, SystemTime> {
        self.absent_before
    }

    /// When the call was last known to be alive, if the list before lacked it.
    pub(super) fn absent_before(&self, id: CallId) -> Option<SystemTime> {
        self.absent_before.get(&id).copied()
    }

    /// Adds one listed channel to what was found of its call, if that may be ours.
    pub(super) fn add(
        &mut self,
        now: Now,
        listed: &ListedChannel<'_>,
        registry: &Registry,
        unknown_calls: &mut UnknownCalls,
    ) -> Result<(), EndlessList> {
        self.next_part_by = now.instant + LIST_TIMEOUT;
        let ListedChannel { channel, state, application, application_data, is_bridged } = listed;
        let is_short = |text: &&str| text.len() <= MAX_NAME;
        let uniqueid = channel.uniqueid.parse::<CallId>();
        let known_leg = registry.call_of_leg(&channel.uniqueid);
        let Some(id) = uniqueid.ok().or(known_leg).or_else(|| channel.linkedid.parse().ok()) else {
            return Ok(());
        };
        self.listed += 1;
        // Each known call has two halves, and as many legs as are remembered.
        if self.listed > MAX_LISTED + (2 + MAX_LEGS) * registry.len() {
            return Err(EndlessList);
        }
        if registry.get(id).is_none() && !unknown_calls.may_be_ours(id) {
            return Ok(());
        }
        let found = self.found.entry(id).or_default();
        if uniqueid.is_ok() {
            found.local1 = true;
            found.up = *state == ChannelState::Up;
            // Before it is in the bridge the callee only hears announcements, and ConfbridgeJoin is
            // yet to come.
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
        Ok(())
    }

    /// Notes the end of the list; returns whether it is the first one.
    pub(super) fn complete(&mut self, now: Now) -> bool {
        if self.is_complete {
            return false;
        }
        self.is_complete = true;
        self.next_part_by = now.instant + LIST_TIMEOUT;
        true
    }

    /// Lines up all known calls to be judged.
    pub(super) fn begin_judging(&mut self, now: Now, registry: &Registry) {
        self.next_part_by = now.instant + LIST_TIMEOUT;
        self.to_judge = registry.calls().map(|call| call.info.id).collect();
        self.has_judged = true;
    }

    /// The next known call to judge, and what was found of it.
    pub(super) fn next_known(&mut self) -> Option<(CallId, Found)> {
        let id = self.to_judge.pop_front()?;
        Some((id, self.found.remove(&id).unwrap_or_default()))
    }

    /// The call's channels that existed when the list was asked for and are not in it; `None` if
    /// all are there, or the call need not be in the list.
    pub(super) fn absent_channels(
        &self,
        registry: &Registry,
        id: CallId,
        found: &Found,
    ) -> Option<Vec<CallChannel>> {
        if !self.expected.contains(&id) {
            return None;
        }
        let before = self.began.instant;
        let absent: Vec<_> =
            registry.get(id)?.channels_up(before).filter(|channel| !found.has(channel)).collect();
        (found.is_empty() || !absent.is_empty()).then_some(absent)
    }

    /// The next unknown call to ask for its owner.
    pub(super) fn next_owner_query(&mut self, unknown_calls: &mut UnknownCalls) -> Option<CallId> {
        if !self.has_judged || self.is_judging() || self.asked.len() >= MAX_OWNER_QUERIES {
            return None;
        }
        // All known calls were taken out; the rest is ours from before a restart, or another
        // daemon's.
        let to_ask = self.to_ask.get_or_insert_with(|| {
            let may_be_ours = unknown_calls.end_list();
            self.found.retain(|id, found| found.local1 && may_be_ours.contains(id));
            self.found.keys().copied().collect()
        });
        let id = to_ask.pop_front()?;
        self.asked.insert(id);
        Some(id)
    }

    /// Asterisk has named the call's owner, or will not.
    pub(super) fn receive_owner(&mut self, now: Now, id: CallId) -> Option<Found> {
        self.next_part_by = now.instant + LIST_TIMEOUT;
        self.asked.remove(&id);
        self.found.remove(&id)
    }

    /// Whether all known calls are judged and no question for an owner is open.
    pub(super) fn is_over(&self) -> bool {
        self.asked.is_empty() && self.to_ask.as_ref().is_some_and(VecDeque::is_empty)
    }
}
