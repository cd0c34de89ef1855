//! The engine decides about calls: inputs and the time go in, effects come out.
//!
//! The engine does no input or output itself. The driver passes it received bytes, requests and the
//! time, and carries out its effects: bytes to send, answers to give, records to append. So tests
//! run the engine on any order of inputs and at any speed.
//!
//! Each part of the engine owns its state and returns the consequences of each change: the link,
//! the registry of calls, the list of waiting requests, and reconciling. `Engine` passes the
//! consequences of one part on to the others.
//!
//! [`Replies`] names the types of the reply handles: the engine keeps the handle of a request and
//! returns it with the answer, and the driver answers through it.

mod connection;
mod effect;
mod hang_up;
mod identity;
mod link;
mod originate;
mod purpose;
mod reconcile;
mod registry;
pub mod request;
pub mod room_request;
mod rooms;
mod settings;
#[cfg(test)]
mod tests;
mod waitlist;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::call::filter::Filter;
use crate::call::limits::{Attempt, CallGate, Policy};
use crate::call::machine::{Change, Fact, State};
use crate::call::progress::OpenCall;
use crate::call::view::CallView;
use crate::call::{CallId, CallInfo, Number, Refusal};
use crate::clock::Now;
use crate::record::Event;
use crate::room::OpenRoom;

pub use effect::{Effect, EngineStats};
use link::{Link, LinkSettings};
use reconcile::Reconcile;
use registry::{CallChange, Registry};
use request::{Calls, EraseError, ListLimits, OriginateError, Replies, Request};
pub use rooms::RoomSettings;
use rooms::Rooms;
pub use settings::{EngineSettings, OriginateSettings};
use waitlist::Waitlist;

/// A call of [`Engine::tick`] that is this much later than its deadline shows that this process was
/// held up, by SIGSTOP for instance.
const STALL: Duration = Duration::from_secs(1);

/// The part of the reply timeout that a call may wait for its slot; the rest remains for Asterisk
/// to answer.
const PACING_SHARE: f64 = 0.6;

/// The calls and rooms of earlier runs, as read from the journal.
#[derive(Debug, Default)]
pub struct EarlierRuns {
    /// The calls that were requested and neither refused nor ended.
    pub calls: Vec<OpenCall>,
    /// The rooms that had not ended, oldest first.
    pub rooms: Vec<OpenRoom>,
    /// The time of the last record that an event of Asterisk caused. The calls were alive until
    /// then.
    pub last_event: Option<SystemTime>,
    /// Every call requested before this time has a record, so the journal knows it. `None` without
    /// a journal.
    pub recorded_until: Option<SystemTime>,
}

/// The engine.
pub struct Engine<R: Replies> {
    instance: Arc<str>,
    originate: OriginateSettings,
    reply_timeout: Duration,
    rng: fastrand::Rng,
    link: Link<R>,
    reconcile: Reconcile,
    rooms: Rooms,
    registry: Registry,
    gate: CallGate,
    /// The requests for calls that wait for their answer.
    waitlist: Waitlist<R::Originate>,
    stopping: bool,
    effects: Vec<Effect<R>>,
    /// Changes of calls that are not recorded yet.
    changes: Vec<CallChange>,
}

impl<R: Replies> Engine<R> {
    /// An engine that connects at its first [`tick`](Self::tick). It draws ids and pauses from
    /// `rng`.
    pub fn new(settings: EngineSettings, rng: fastrand::Rng, now: Now) -> Self {
        let EngineSettings {
            instance,
            asterisk,
            session,
            connect_timeout,
            backoff,
            originate,
            reply_timeout,
            policy,
            rooms,
        } = settings;
        let mut gate = CallGate::default();
        gate.set_policy(policy);
        Self {
            instance,
            originate,
            reply_timeout,
            rng,
            link: Link::new(LinkSettings { asterisk, session, connect_timeout, backoff }, now),
            reconcile: Reconcile::new(now.wall),
            rooms: Rooms::new(rooms),
            registry: Registry::default(),
            gate,
            waitlist: Waitlist::default(),
            stopping: false,
            effects: Vec::new(),
            changes: Vec::new(),
        }
    }

    /// Adds the calls of earlier runs; the first lists of channels show which of them are still
    /// alive. To be called before the first [`tick`](Self::tick).
    pub fn remember(&mut self, now: Now, earlier: EarlierRuns) {
        if earlier.last_event.is_some() {
            self.rooms.set_watched();
        }
        if !earlier.calls.is_empty() || !earlier.rooms.is_empty() {
            // Without that time, a call may have ended as soon as it was requested.
            self.link.set_lost_at(earlier.last_event.unwrap_or(SystemTime::UNIX_EPOCH));
        }
        self.remember_rooms(now, earlier.rooms);
        self.reconcile.set_recorded_until(earlier.recorded_until);
        for call in earlier.calls {
            if call.progress.state != State::Requested {
                self.registry.adopt(now, call);
                continue;
            }
            // The journal does not tell whether this call was made. If its number is in another
            // call, the earlier run refused it, but ended before it recorded the refusal.
            let requested = now.back_to(call.info.id.time());
            if let Err(by) = self.registry.open(requested, call.info.clone()) {
                let refusal = Refusal::InProgress { by: Some(by) };
                self.record(now, Event::CallRefused(refusal), Some(call.info));
            }
        }
    }

    /// Counts the latest calls of earlier runs, oldest first, against the limits of this one. To be
    /// called before the first [`tick`](Self::tick).
    pub fn remember_attempts(&mut self, now: Now, attempts: &[Attempt]) {
        for Attempt { time, number, key } in attempts {
            // A clock that was set back must not make them count for longer.
            self.gate.remember(now.back_to((*time).min(now.wall)).instant, *number, key);
        }
    }

    /// The effects to carry out, in this order. To be called after every input.
    pub fn take_effects(&mut self) -> std::vec::Drain<'_, Effect<R>> {
        self.effects.drain(..)
    }

    /// Acts on all deadlines up to `now`. The driver has to pass all bytes that have arrived by
    /// `now` to [`receive`](Self::receive) before: otherwise a response that waits in the socket
    /// would count as one that never came.
    pub fn tick(&mut self, now: Now) {
        self.restart_login_after_stall(now);
        self.tick_link(now);
        self.tick_reconcile(now);
        self.tick_rooms(now);
        self.tick_waitlist(now);
        self.registry.tick(now, &mut self.changes);
        self.record_changes(now);
    }

    /// Restarts the timeout of a login under way if this process was held up: the delay was not
    /// Asterisk's.
    fn restart_login_after_stall(&mut self, now: Now) {
        let late = self.deadline().map(|deadline| now.instant.saturating_duration_since(deadline));
        if late.is_some_and(|late| late >= STALL) {
            self.link.restart_login_timeout(now);
        }
    }

    /// The next time at which [`tick`](Self::tick) has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        let reconcile = self.reconcile.deadline(self.link.is_up());
        let rooms = self.rooms_deadline();
        let [link, waitlist] = [self.link.deadline(), self.waitlist.deadline()];
        [link, reconcile, rooms, waitlist, self.registry.deadline()].into_iter().flatten().min()
    }

    /// Refuses new calls from now on.
    pub fn stop(&mut self) {
        self.stopping = true;
        self.effects.push(Effect::Ready(Err("the daemon is stopping".into())));
    }

    /// Whether no request waits for its answer.
    pub fn is_idle(&self) -> bool {
        self.waitlist.is_empty() && !self.link.has_waiting_request()
    }

    /// Figures for the metrics. The cost does not grow with the number of calls.
    pub fn stats(&self) -> EngineStats {
        let (rooms, participants) = self.rooms.counts();
        EngineStats {
            rooms,
            participants,
            live: self.registry.counts_by_state(),
            link_up: self.link.is_up(),
            pending: self.link.pending(),
        }
    }

    /// The newest calls that the filter accepts, as many as the limits allow.
    pub fn list(&self, filter: &Filter, limits: ListLimits) -> Calls {
        Calls {
            live: self.registry.live(filter, limits.live, !self.link.is_up()),
            ended: self.registry.ended(filter, limits.ended),
            live_total: self.registry.len_in(&filter.rooms),
        }
    }

    /// Forgets the calls to this number that ended lately.
    ///
    /// # Errors
    ///
    /// The number is in a call.
    pub fn erase(&mut self, number: Number) -> Result<(), EraseError> {
        if self.registry.erase(number) { Err(EraseError::InCall) } else { Ok(()) }
    }

    /// A live call, or one of the newest ended ones.
    pub fn show(&self, id: CallId) -> Option<CallView> {
        self.registry.show(id, !self.link.is_up())
    }

    /// Handles a bot's request for a call.
    pub fn originate(&mut self, now: Now, request: Request, reply: R::Originate) {
        // Waiting calls whose slot has come go first. If they are late, the whole schedule slips,
        // and with it the slot of this call.
        self.tick_waitlist(now);
        let id = CallId::new(now.wall, self.rng.u128(..));
        let info = Arc::new(request.into_info(id));
        self.record(now, Event::CallRequested, Some(info.clone()));
        match self.admit(now, &info) {
            Ok(slot) => self.begin_originate(now, slot, info, reply),
            Err(refusal) => {
                self.record(now, Event::CallRefused(refusal.clone()), Some(info));
                self.effects.push(Effect::Originated(reply, Err(OriginateError::Refused(refusal))));
            }
        }
    }

    /// Sets new limits.
    pub fn set_policy(&mut self, policy: Policy) {
        self.gate.set_policy(policy);
    }

    /// Returns the slot in which the call may be sent to Asterisk, or the refusal. If several
    /// refusals apply, the bot gets the one that it can do most about: first the lists of numbers,
    /// then the call in progress, the locked room, the limits, the daemon's state and the link.
    fn admit(&mut self, now: Now, info: &CallInfo) -> Result<Instant, Refusal> {
        self.gate.permits(info)?;
        if let Some(by) = self.registry.holder(info.number) {
            return Err(Refusal::InProgress { by: Some(by) });
        }
        if self.rooms.is_locked(info.room.as_str()) {
            return Err(Refusal::RoomLocked);
        }
        let latest = now.instant + self.reply_timeout.mul_f64(PACING_SHARE);
        self.gate.admit(now.instant, latest, info, self.registry.live_counts(&info.key))?;
        if self.stopping {
            return Err(Refusal::Stopping);
        }
        self.readiness().map_err(Refusal::LinkDown)?;
        Ok(self.gate.count(now.instant, info))
    }

    /// Returns the reason if no calls can be made now.
    fn readiness(&self) -> Result<(), Arc<str>> {
        self.link.readiness(self.reconcile.is_done())
    }

    /// Adds a fact to a call, and records the changes that it causes.
    fn apply_fact(&mut self, now: Now, id: CallId, fact: Fact) {
        self.registry.apply_fact(now, id, fact, &mut self.changes);
        self.record_changes(now);
    }

    /// Records the collected changes of calls. If only a leg of a call is left, it also asks for a
    /// list of channels soon.
    fn record_changes(&mut self, now: Now) {
        let mut held_by_leg = Vec::new();
        let mut ended = Vec::new();
        for CallChange { info, change } in self.changes.drain(..) {
            let event = match change {
                Change::Queued => Event::CallQueued,
                Change::Ringing => Event::CallRinging,
                Change::Answered { after } => Event::CallAnswered { after },
                Change::Joined { conference, after } => Event::CallJoined { conference, after },
                Change::Left(conference) => {
                    let talked = self.rooms.talked(now, &conference, &info.id);
                    Event::CallLeft { conference, after: None, talked }
                }
                Change::Ended(end) => Event::CallEnded(end),
                Change::Freed => continue,
                Change::HeldByLeg => {
                    held_by_leg.push(info.id);
                    continue;
                }
            };
            if matches!(event, Event::CallEnded(_)) {
                ended.push(info.clone());
            }
            self.effects.push(Effect::Record(now, event, Some(info)));
        }
        for call in ended {
            self.rooms.call_ended(now, &call);
            self.apply_room_outputs(now);
        }
        for id in held_by_leg {
            self.hang_up_remaining_leg(now, id);
            self.reconcile.request_soon(now);
        }
    }

    fn record(&mut self, now: Now, event: Event, call: Option<Arc<CallInfo>>) {
        self.effects.push(Effect::Record(now, event, call));
    }
}
