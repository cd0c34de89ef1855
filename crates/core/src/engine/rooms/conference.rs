//! One live conference, and its participants.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use foldhash::HashMap;

use crate::ami::message::Member;
use crate::call::{CallId, CallInfo};
use crate::clock::Now;
use crate::room::{ConferenceId, Guest, LeaveReason};

/// How long after an action its leave may come.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the sound of a join may take. Until it is over, ConfBridge answers a kick with Success, and
/// does nothing (observed on 16 and 22: 0.8 s).
const JOIN_SOUND: Duration = Duration::from_secs(2);

/// A live conference.
pub(super) struct Conference {
    pub(super) id: ConferenceId,
    /// The name as Asterisk spells it.
    pub(super) name: Arc<str>,
    /// When the first participant came in; none if that was before this daemon could see it.
    pub(super) started: Option<SystemTime>,
    /// Whether its ConfbridgeStart was received, so that a ConfbridgeEnd will follow. Event filters of
    /// earlier samples hide both.
    pub(super) has_end_event: bool,
    pub(super) locked: bool,
    /// When the daemon last changed the lock: an older list is outdated.
    pub(super) lock_changed: Instant,
    /// The key that ends it for everybody, and since when.
    pub(super) ended_by: Option<(Instant, Arc<str>)>,
    /// The participants by their Uniqueid.
    pub(super) participants: HashMap<Arc<str>, Participant>,
    /// Number of the next participant.
    pub(super) next: u64,
    /// When the view began to have it.
    pub(super) seen: Instant,
    /// Whether an earlier run left it, and no list has shown since who is in it.
    pub(super) is_remembered: bool,
}

/// A participant.
#[derive(Debug, Clone)]
pub(super) struct Participant {
    pub(super) who: Who,
    /// The channel's full name, which AMI actions need.
    pub(super) channel: Arc<str>,
    /// The place in the order in which the participants came.
    pub(super) order: u64,
    /// When the view began to have them.
    pub(super) seen: Instant,
    pub(super) joined: Option<SystemTime>,
    pub(super) muted: bool,
    /// When the mute last changed: an older list is outdated.
    pub(super) mute_changed: Instant,
    pub(super) waiting: bool,
    pub(super) admin: bool,
    /// Since when the participant talks.
    pub(super) talking: Option<Instant>,
    /// How long the participant has talked before; none without any event about it.
    pub(super) talked: Option<Duration>,
    /// The action that takes the participant out, and when Asterisk confirmed it.
    pub(super) leaving: Option<(Instant, Leaving)>,
}

/// An action that takes a participant out.
#[derive(Debug, Clone)]
pub(super) struct Leaving {
    pub(super) reason: LeaveReason,
    pub(super) by: Arc<str>,
    pub(super) moved_to: Option<Arc<str>>,
}

/// The person behind a participant's channel.
#[derive(Debug, Clone)]
pub(super) enum Who {
    /// The callee of a call of ours.
    Call(Arc<CallInfo>),
    /// Anybody else.
    Guest(Arc<Guest>),
}

impl Who {
    pub(super) fn call(&self) -> Option<&Arc<CallInfo>> {
        match self {
            Who::Call(info) => Some(info),
            Who::Guest(_) => None,
        }
    }

    pub(super) fn call_id(&self) -> Option<CallId> {
        self.call().map(|info| info.id)
    }
}

impl Conference {
    pub(super) fn new(id: ConferenceId, name: Arc<str>, now: Now) -> Self {
        Self {
            id,
            name,
            started: None,
            has_end_event: false,
            locked: false,
            lock_changed: now.instant,
            ended_by: None,
            participants: HashMap::default(),
            next: 0,
            seen: now.instant,
            is_remembered: false,
        }
    }

    /// The ids of the participants that match, in the order in which they came.
    pub(super) fn ids(&self, matches: impl Fn(&Participant) -> bool) -> Vec<Arc<str>> {
        let matching = self.participants.iter().filter(|(_, one)| matches(one));
        let mut ids: Vec<_> = matching.map(|(id, one)| (one.order, id.clone())).collect();
        ids.sort_unstable();
        ids.into_iter().map(|(_, id)| id).collect()
    }

    /// Adds a participant, the last in the order.
    pub(super) fn add(&mut self, id: Arc<str>, participant: Participant) {
        let order = self.next;
        self.next += 1;
        self.participants.insert(id, Participant { order, ..participant });
    }

    /// The key that ends it for everybody, unless that was too long ago to be the reason of its end.
    pub(super) fn ended_by(&self, now: Now) -> Option<&Arc<str>> {
        let (since, by) = self.ended_by.as_ref()?;
        (now.instant.saturating_duration_since(*since) < LEAVE_TIMEOUT).then_some(by)
    }

    /// Whether somebody who joins now was in the join sound when a key ended the conference.
    pub(super) fn missed_end(&self, now: Now) -> bool {
        let since = self.ended_by.as_ref().map(|(since, _)| *since);
        since.is_some_and(|since| now.instant.saturating_duration_since(since) < JOIN_SOUND)
    }

    /// Whether nobody but admins is heard.
    pub(super) fn is_muted(&self) -> bool {
        let mut others = self.participants.values().filter(|one| !one.admin).peekable();
        others.peek().is_some() && others.all(|one| one.muted)
    }
}

impl Participant {
    pub(super) fn new(now: Now, who: Who, member: &Member<'_>) -> Self {
        Self {
            who,
            channel: member.name.as_ref().into(),
            order: 0,
            seen: now.instant,
            joined: None,
            muted: member.muted,
            mute_changed: now.instant,
            waiting: member.waiting,
            admin: member.admin,
            talking: member.talking.then_some(now.instant),
            talked: member.talking.then_some(Duration::ZERO),
            leaving: None,
        }
    }

    /// Notes that the participant begins or stops to talk.
    pub(super) fn set_talking(&mut self, now: Now, talking: bool) {
        let before = self.talked(now).unwrap_or_default();
        self.talked = Some(before);
        self.talking = talking.then_some(now.instant);
    }

    /// How long the participant has talked.
    pub(super) fn talked(&self, now: Now) -> Option<Duration> {
        let before = self.talked?;
        let current = self.talking.map(|since| now.instant.saturating_duration_since(since));
        Some(before + current.unwrap_or_default())
    }

    /// Whether a kick might do nothing, as the join sound may still play: a list shows the participant
    /// already, and their ConfbridgeJoin was not received.
    pub(super) fn may_miss_kick(&self, now: Now) -> bool {
        let age = now.instant.saturating_duration_since(self.seen);
        self.joined.is_none() && age < JOIN_SOUND
    }

    /// The action that takes the participant out, if it is not too old to be the reason of a leave.
    pub(super) fn leaving(&self, now: Now) -> Option<&Leaving> {
        let (since, leaving) = self.leaving.as_ref()?;
        (now.instant.saturating_duration_since(*since) < LEAVE_TIMEOUT).then_some(leaving)
    }
}
