//! Where the session with Asterisk and the calls meet: inputs and the time go in, effects come out.
//!
//! The engine decides everything and does nothing: it is told what was received and asked, and says
//! what is to be sent, answered and recorded. `O` and `H` stand for whoever waits for the answer to
//! an Originate and to a hang-up.

mod hang_up;
mod link;
mod originate;
mod reconcile;
mod registry;
pub mod request;
mod rights;
mod settings;
#[cfg(test)]
mod tests;
mod unknown_calls;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use foldhash::HashMap;

use crate::call::filter::Filter;
use crate::call::limits::{Attempt, Gate, Policy};
use crate::call::machine::{CallChannel, Change, Fact, State};
use crate::call::progress::OpenCall;
use crate::call::view::CallView;
use crate::call::{CallId, CallInfo, Number, Refusal};
use crate::clock::Now;
use crate::record::Event;

use link::Link;
use originate::Waiting;
use reconcile::Reconcile;
use registry::{Registry, Told};
use request::{Calls, EraseError, HangUpError, OriginateError, Request};
pub use settings::{EngineSettings, OriginateSettings};
use unknown_calls::UnknownCalls;

/// How much later than its deadline [`Engine::tick`] has to be called for this process to have been
/// held up, by SIGSTOP for instance.
const STALL: Duration = Duration::from_secs(1);

/// The part of the reply timeout that a call may wait for its turn; the rest is Asterisk's to
/// answer in.
const PACE_PART: f64 = 0.6;

/// What the engine wants done.
#[derive(Debug)]
pub enum Effect<O, H> {
    /// Connect to Asterisk.
    Connect,
    /// Drop the connection, or the attempt to make it.
    Disconnect,
    /// Answer who asked for a call.
    Originated(O, Result<CallId, OriginateError>),
    /// Answer who asked for a hang-up.
    HungUp(H, Result<(), HangUpError>),
    /// Write into the log.
    Record(Now, Event, Option<Arc<CallInfo>>),
    /// Say that calls can be made now, or why not.
    Ready(Result<(), Arc<str>>),
    /// Measured: from a Ping to its answer.
    RoundTrip(Duration),
    /// Asterisk refuses every action from now on, with these words, or takes them again.
    Refusing(Option<Arc<str>>),
}

/// How things stand, for those who measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Census {
    /// How many calls are in each state of [`State::LIVE`].
    pub live: [usize; State::LIVE.len()],
    /// Logged in to Asterisk.
    pub link_up: bool,
    /// Actions that wait for their answer.
    pub pending: usize,
}

/// What an action was sent for.
#[derive(Debug)]
enum Purpose<H> {
    Originate(CallId),
    /// Who holds the lock of the call's number.
    Holder(CallId),
    /// To hang up a channel of the call; the answer is for whoever asked, if any.
    HangUp(CallId, CallChannel, Option<H>),
    /// The question which events the AMI user may read.
    Rights,
    /// The call whose events show that those of calls arrive.
    CallToNowhere,
    /// The list of all channels, to settle with what we believe.
    List,
    /// Whose the call is whose channels were listed.
    Whose(CallId),
    /// The end of all that Asterisk had to say when it ended the list.
    Settle,
    Logoff,
}

/// The journal's account of earlier runs.
#[derive(Debug, Default)]
pub struct EarlierRuns {
    /// The calls that were requested and neither refused nor ended.
    pub calls: Vec<OpenCall>,
    /// When Asterisk was last heard: until then, those calls lived.
    pub last_heard: Option<SystemTime>,
    /// Every call requested before this time has a record, so that the journal knows it. `None`
    /// without a journal.
    pub recorded_until: Option<SystemTime>,
}

/// The engine.
pub struct Engine<O, H> {
    settings: EngineSettings,
    rng: fastrand::Rng,
    link: Link<Purpose<H>>,
    reconcile: Reconcile,
    unknown_calls: UnknownCalls,
    registry: Registry,
    gate: Gate,
    /// Who waits to be told whether Asterisk took a call.
    waiting: HashMap<CallId, Waiting<O>>,
    waiting_deadlines: BTreeSet<(Instant, CallId)>,
    stopping: bool,
    effects: Vec<Effect<O, H>>,
    told: Vec<Told>,
}

impl<O, H> Engine<O, H> {
    /// An engine that connects at its first [`tick`](Self::tick). Its choices are drawn from `rng`.
    pub fn new(settings: EngineSettings, rng: fastrand::Rng, now: Now) -> Self {
        let mut gate = Gate::default();
        gate.set_policy(settings.policy.clone());
        Self {
            settings,
            rng,
            link: Link::new(now),
            reconcile: Reconcile::default(),
            unknown_calls: UnknownCalls::new(now.wall),
            registry: Registry::default(),
            gate,
            waiting: HashMap::default(),
            waiting_deadlines: BTreeSet::new(),
            stopping: false,
            effects: Vec::new(),
            told: Vec::new(),
        }
    }

    /// Takes over what the journal says of earlier runs; the first lists of channels say which of
    /// their calls live on. To be called before the first [`tick`](Self::tick).
    pub fn remember(&mut self, now: Now, earlier: EarlierRuns) {
        if !earlier.calls.is_empty() {
            // If nothing is known of it, a call may have ended as soon as it was requested.
            self.link.was_last_heard(earlier.last_heard.unwrap_or(SystemTime::UNIX_EPOCH));
        }
        self.unknown_calls.recorded_until(earlier.recorded_until);
        for call in earlier.calls {
            if call.progress.state == State::Requested {
                // Its fate is not known. If the number is in a call, that is: it was refused, and
                // the run before did not get to record that.
                if let Err(by) =
                    self.registry.open(now.back_to(call.info.id.time()), call.info.clone())
                {
                    self.record(
                        now,
                        Event::CallRefused(Refusal::InProgress { by: Some(by) }),
                        Some(call.info),
                    );
                }
            } else {
                self.registry.adopt(now, call);
            }
        }
    }

    /// Counts the calls that earlier runs started a moment ago, oldest first. To be called before
    /// the first [`tick`](Self::tick).
    pub fn remember_attempts(&mut self, now: Now, attempts: &[Attempt]) {
        for Attempt { time, number, key } in attempts {
            // A clock that was set back must not make them count for longer.
            self.gate.remember(now.back_to((*time).min(now.wall)).instant, *number, key);
        }
    }

    /// What is to be done, in this order. Asked for after every input.
    pub fn take_effects(&mut self) -> std::vec::Drain<'_, Effect<O, H>> {
        self.effects.drain(..)
    }

    /// Does what is due. Everything that Asterisk had sent by `now` has to be given to
    /// [`receive`](Self::receive) before: else an answer that waits in the socket is taken for one
    /// that never came.
    pub fn tick(&mut self, now: Now) {
        self.excuse_stall(now);
        self.tick_link(now);
        self.tick_reconcile(now);
        self.tick_waiting(now);
        self.registry.tick(now, &mut self.told);
        self.tell(now);
    }

    /// Gives a login under way its whole time anew if this process was held up: it could take no
    /// step of it meanwhile.
    fn excuse_stall(&mut self, now: Now) {
        let late = self.deadline().map(|deadline| now.instant.saturating_duration_since(deadline));
        if late.is_some_and(|late| late >= STALL) {
            self.link.postpone_login(now.instant + self.settings.connect_timeout);
        }
    }

    /// When [`tick`](Self::tick) has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        let waiting = self.waiting_deadlines.first().map(|(deadline, _)| *deadline);
        let reconcile = self.reconcile.deadline(self.link.is_up());
        [self.link.deadline(), reconcile, waiting, self.registry.deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Refuses new calls from now on.
    pub fn stop(&mut self) {
        self.stopping = true;
        self.effects.push(Effect::Ready(Err("the daemon is stopping".into())));
    }

    /// Whether nobody waits for an answer.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && !self.link.owes_hang_up()
    }

    /// How things stand; costs the same however many calls live.
    pub fn census(&self) -> Census {
        Census {
            live: self.registry.by_state(),
            link_up: self.link.is_up(),
            pending: self.link.pending(),
        }
    }

    /// Calls for those who watch: of those that the filter takes this many newest `live` ones, and
    /// this many that `ended` lately.
    pub fn list(&self, filter: &Filter, live: usize, ended: usize) -> Calls {
        Calls {
            live: self.registry.live(filter, live, !self.link.is_up()),
            ended: self.registry.ended(filter, ended),
            live_total: self.registry.len(),
        }
    }

    /// Forgets the calls to this number that ended lately; not while one lives, and then says so.
    pub fn erase(&mut self, number: Number) -> Result<(), EraseError> {
        if self.registry.erase(number) { Err(EraseError::InCall) } else { Ok(()) }
    }

    /// One call.
    pub fn show(&self, id: CallId) -> Option<CallView> {
        self.registry.show(id, !self.link.is_up())
    }

    /// A call a bot asks for.
    pub fn originate(&mut self, now: Now, request: Request, reply: O) {
        // Those whose turn has come go first, and how late they are decides when this one's is.
        self.tick_waiting(now);
        let id = CallId::new(now.wall, self.rng.u128(..));
        let info = Arc::new(request.into_info(id));
        self.record(now, Event::CallRequested, Some(info.clone()));
        match self.admit(now, &info) {
            Ok(turn) => self.begin_originate(now, turn, info, reply),
            Err(refusal) => {
                self.record(now, Event::CallRefused(refusal.clone()), Some(info));
                self.effects.push(Effect::Originated(reply, Err(OriginateError::Refused(refusal))));
            }
        }
    }

    /// Takes new limits.
    pub fn set_policy(&mut self, policy: Policy) {
        self.gate.set_policy(policy);
    }

    /// When the call may be sent to Asterisk. The refusals have the order in which a bot can do
    /// something about them: the number's lists, the call in progress, the limits, the daemon and
    /// its link.
    fn admit(&mut self, now: Now, info: &CallInfo) -> Result<Instant, Refusal> {
        self.gate.permits(info)?;
        if let Some(by) = self.registry.holder(info.number) {
            return Err(Refusal::InProgress { by: Some(by) });
        }
        let latest = now.instant + self.settings.reply_timeout.mul_f64(PACE_PART);
        self.gate.admit(now.instant, latest, info, self.registry.alive(&info.key))?;
        if self.stopping {
            return Err(Refusal::Stopping);
        }
        self.ready().map_err(Refusal::LinkDown)?;
        Ok(self.gate.count(now.instant, info))
    }

    /// Whether calls can be made, or why not.
    fn ready(&self) -> Result<(), Arc<str>> {
        self.link.is_ready(&self.reconcile)
    }

    /// Adds a fact to a call and does what follows.
    fn fact(&mut self, now: Now, id: CallId, fact: Fact) {
        self.registry.fact(now, id, fact, &mut self.told);
        self.tell(now);
    }

    /// Records what has changed.
    fn tell(&mut self, now: Now) {
        let mut held = Vec::new();
        for (info, change) in self.told.drain(..) {
            let event = match change {
                Change::Queued => Event::CallQueued,
                Change::Ringing => Event::CallRinging,
                Change::Answered { after } => Event::CallAnswered { after },
                Change::Joined(conference) => Event::CallJoined { conference },
                Change::Left(conference) => Event::CallLeft { conference },
                Change::Ended(end) => Event::CallEnded(end),
                Change::Freed => continue,
                Change::HeldByLeg => {
                    held.push(info.id);
                    continue;
                }
            };
            self.effects.push(Effect::Record(now, event, Some(info)));
        }
        for id in held {
            self.hang_up_held(now, id);
            self.reconcile_later(now);
        }
    }

    fn record(&mut self, now: Now, event: Event, call: Option<Arc<CallInfo>>) {
        self.effects.push(Effect::Record(now, event, call));
    }
}
