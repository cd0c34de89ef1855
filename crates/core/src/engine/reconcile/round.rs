//! One round: a list of channels, and the calls that are still to be judged by it.

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

/// How long Asterisk may take for the next channel of a list, and for each response after it.
const LIST_TIMEOUT: Duration = Duration::from_secs(30);

/// Most channels with an id like those of our calls that a list may have, besides those of the
/// known calls.
pub(in crate::engine) const MAX_LISTED: usize = if cfg!(test) { 1000 } else { 400_000 };

/// Longest id or conference name that is kept from a list, in bytes: Asterisk's
/// `AST_MAX_PUBLIC_UNIQUEID`.
const MAX_NAME: usize = 149;

/// One round of reconciling.
pub(super) struct Round {
    began: Now,
    /// The deadline of the next channel or response.
    next_part_by: Instant,
    /// The calls that have to be in the list if they are alive.
    expected: HashSet<CallId>,
    /// How many channels with an id like those of our calls were listed.
    listed: usize,
    is_complete: bool,
    found: BTreeMap<CallId, ListedCall>,
    /// The known calls that are not judged yet.
    to_judge: VecDeque<CallId>,
    /// Whether judging has begun: `to_judge` is empty before, too.
    has_judged: bool,
    /// The calls of which the list before lacked a channel, and when they were last known to be
    /// alive.
    absent_before: HashMap<CallId, SystemTime>,
    /// The unknown calls whose owner is to be queried; `None` before the known calls are judged.
    to_query: Option<VecDeque<CallId>>,
    /// The unknown calls whose owner query has no response yet.
    queried: HashSet<CallId>,
}

/// One call as the list shows it.
#[derive(Default)]
pub(in crate::engine) struct ListedCall {
    pub(super) local1: bool,
    /// The callee's number, which the id of the second Local half, the lock channel, contains.
    pub(super) number: Option<Number>,
    /// Whether the first Local half is up or, if that is gone, a leg.
    pub(super) up: bool,
    pub(super) conference: Option<Arc<str>>,
    pub(super) legs: Vec<Box<str>>,
}

impl ListedCall {
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
            to_query: None,
            queried: HashSet::new(),
        }
    }

    /// When the daemon asked for the list.
    pub(super) fn began(&self) -> SystemTime {
        self.began.wall
    }

    pub(super) fn deadline(&self) -> Instant {
        // Judging goes on at the next tick, which is due at once.
        if self.is_judging() { self.began.instant } else { self.next_part_by }
    }

    /// Whether there are calls to judge.
    pub(super) fn is_judging(&self) -> bool {
        !self.to_judge.is_empty()
    }

    pub(super) fn into_absent_before(self) -> HashMap<CallId, SystemTime> {
        self.absent_before
    }

    /// When the call was last known to be alive, if the list before lacked a channel of it.
    pub(super) fn absent_before(&self, id: CallId) -> Option<SystemTime> {
        self.absent_before.get(&id).copied()
    }

    /// Adds a listed channel to its call, if the call is known or may be ours.
    ///
    /// # Errors
    ///
    /// The list has more channels than the calls can have.
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
        // Each known call has two halves, and at most MAX_LEGS legs.
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
            // ConfBridge plays announcements before it puts the channel into the bridge, and sends
            // ConfbridgeJoin only then.
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

    /// Queues all known calls to be judged.
    pub(super) fn begin_judging(&mut self, now: Now, registry: &Registry) {
        self.next_part_by = now.instant + LIST_TIMEOUT;
        self.to_judge = registry.calls().map(|call| call.info.id).collect();
        self.has_judged = true;
    }

    /// The next known call to judge, and its channels in the list.
    pub(super) fn next_known(&mut self) -> Option<(CallId, ListedCall)> {
        let id = self.to_judge.pop_front()?;
        Some((id, self.found.remove(&id).unwrap_or_default()))
    }

    /// The call's channels that the list lacks, though they existed when the daemon asked for it.
    /// `None` if the list lacks none, or need not have the call.
    pub(super) fn absent_channels(
        &self,
        registry: &Registry,
        id: CallId,
        found: &ListedCall,
    ) -> Option<Vec<CallChannel>> {
        if !self.expected.contains(&id) {
            return None;
        }
        let before = self.began.instant;
        let absent: Vec<_> =
            registry.get(id)?.channels_up(before).filter(|channel| !found.has(channel)).collect();
        (found.is_empty() || !absent.is_empty()).then_some(absent)
    }

    /// The next unknown call whose owner has to be queried.
    pub(super) fn next_owner_query(&mut self, unknown_calls: &mut UnknownCalls) -> Option<CallId> {
        if !self.has_judged || self.is_judging() || self.queried.len() >= MAX_OWNER_QUERIES {
            return None;
        }
        // Judging has removed all known calls from `found`. The others are our own from before a
        // restart, or another daemon's.
        let to_query = self.to_query.get_or_insert_with(|| {
            let may_be_ours = unknown_calls.end_list();
            self.found.retain(|id, found| found.local1 && may_be_ours.contains(id));
            self.found.keys().copied().collect()
        });
        let id = to_query.pop_front()?;
        self.queried.insert(id);
        Some(id)
    }

    /// Closes an owner query, answered or not.
    pub(super) fn receive_owner(&mut self, now: Now, id: CallId) -> Option<ListedCall> {
        self.next_part_by = now.instant + LIST_TIMEOUT;
        self.queried.remove(&id);
        self.found.remove(&id)
    }

    /// Whether all known calls are judged and no owner query is open or to be made.
    pub(super) fn is_over(&self) -> bool {
        self.queried.is_empty() && self.to_query.as_ref().is_some_and(VecDeque::is_empty)
    }
}
