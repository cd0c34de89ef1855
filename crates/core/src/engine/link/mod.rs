//! The link: connecting to Asterisk, logging in, being ready, and losing it.
//!
//! The link knows nothing of calls. Each of its methods returns the consequences for the rest of
//! the engine, and `engine/connection.rs` carries them out.
//!
//! After a failure the daemon connects again, after a pause that grows with each failure
//! (`ami/backoff.rs`). While the attempts fail for the same reason, it records only every hundredth
//! failure, so that a peer that refuses it again and again does not fill the journal.

mod call_events;
mod records;
mod start;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::BytesMut;

use self::call_events::CallEvents;
pub(super) use self::call_events::NO_EVENTS;
use self::records::LinkRecords;
use self::start::StartWait;
use super::purpose::Purpose;
use super::request::Replies;
use crate::ami::action::{Action, ActionId, Unsendable};
use crate::ami::backoff::Backoff;
use crate::ami::frame::Frame;
use crate::ami::message::Response;
use crate::ami::parser::Received;
use crate::ami::session::{Session, SessionEvent};
use crate::ami::settings::SessionSettings;
use crate::clock::Now;
use crate::record::Event;

/// A reason that stays the same is recorded once in so many failed attempts.
const RECORD_EVERY: u32 = 100;

/// The link's part of the engine's settings.
pub(super) struct LinkSettings {
    /// The name of this Asterisk in records.
    pub(super) asterisk: Arc<str>,
    pub(super) session: SessionSettings,
    /// Limit for TCP, TLS and login together.
    pub(super) connect_timeout: Duration,
    pub(super) backoff: Backoff,
}

/// The link.
pub(super) struct Link<R: Replies> {
    settings: LinkSettings,
    phase: Phase<R>,
    /// The reason of the last loss or failed attempt.
    down_reason: Arc<str>,
    /// How many further attempts in a row have failed for `down_reason`.
    same_failures: u32,
    lost_at: SystemTime,
    start: StartWait,
    /// Asterisk's message, while it refuses every action.
    refusal: Option<Arc<str>>,
    call_events: CallEvents,
    /// Whether `ami.connected` was recorded for this connection.
    is_recorded: bool,
    records: LinkRecords,
}

enum Phase<R: Replies> {
    /// No connection. The next attempt starts at the instant.
    Pausing(Instant),
    /// The driver is connecting. The attempt, with the login, has to succeed by the instant.
    Connecting(Instant),
    /// The driver is connected. The login has to be done by the instant.
    Connected(Box<Session<Purpose<R>>>, Instant),
}

/// The reason why an action was not sent.
#[derive(Debug)]
pub(super) enum NotSent {
    /// The daemon is not logged in.
    LinkDown,
    /// A header cannot be sent.
    Unsendable(Unsendable),
}

/// The consequence of a received item.
pub(super) enum LinkEvent<R: Replies> {
    Nothing,
    LoggedIn,
    /// A Ping was answered. `accepts_again` is true if Asterisk refused all actions before.
    Pong {
        round_trip: Duration,
        accepts_again: bool,
    },
    /// Asterisk refuses every action from now on, with this message.
    Refusing(Arc<str>),
    /// The response to an action. `refusing` is Asterisk's message if this response is the first
    /// one that refuses every action.
    Response {
        purpose: Purpose<R>,
        response: Response,
        refusing: Option<Arc<str>>,
    },
    Event(Frame),
    /// The session has failed for this reason, and the connection has to be closed.
    Failed(String),
}

/// The consequence of a deadline.
pub(super) enum LinkTick<R: Replies> {
    Nothing,
    /// The pause is over; connect.
    Connect,
    /// The actions of these purposes got no response in time.
    TimedOut(Vec<Purpose<R>>),
    /// The connection has to be closed for this reason.
    Failed(String),
}

/// The consequence of the loss of the link.
pub(super) struct LostLink<R: Replies> {
    /// The actions that a request waits for and that got no response.
    pub(super) unanswered: Vec<Purpose<R>>,
    /// The record of the loss, unless it has to wait.
    pub(super) record: Option<Event>,
}

impl<R: Replies> Link<R> {
    pub(super) fn new(settings: LinkSettings, now: Now) -> Self {
        Self {
            settings,
            phase: Phase::Pausing(now.instant),
            down_reason: "not connected yet".into(),
            same_failures: 0,
            lost_at: now.wall,
            start: StartWait::default(),
            refusal: None,
            call_events: CallEvents::Expected,
            is_recorded: false,
            records: LinkRecords::new(now.instant),
        }
    }

    /// The session, if logged in.
    fn session(&mut self) -> Option<&mut Session<Purpose<R>>> {
        match &mut self.phase {
            Phase::Connected(session, _) if session.is_up() => Some(session),
            _ => None,
        }
    }

    pub(super) fn is_up(&self) -> bool {
        matches!(&self.phase, Phase::Connected(session, _) if session.is_up())
    }

    /// The time up to which the daemon has received all events of Asterisk, as of the last loss of
    /// the link.
    pub(super) fn lost_at(&self) -> SystemTime {
        self.lost_at
    }

    /// Notes that an earlier run last received something from Asterisk at `time`.
    pub(super) fn set_lost_at(&mut self, time: SystemTime) {
        self.lost_at = time;
    }

    /// How many actions wait for their response.
    pub(super) fn pending(&self) -> usize {
        match &self.phase {
            Phase::Connected(session, _) => session.pending(),
            _ => 0,
        }
    }

    /// Whether a request waits for the response to an action.
    pub(super) fn has_waiting_request(&self) -> bool {
        match &self.phase {
            Phase::Connected(session, _) => session.purposes().any(Purpose::is_waited_for),
            _ => false,
        }
    }

    /// Returns the reason if no calls can be made over the link. `is_reconciled`: the calls were
    /// reconciled with Asterisk's list since the login.
    pub(super) fn readiness(&self, is_reconciled: bool) -> Result<(), Arc<str>> {
        if !self.is_up() {
            Err(self.down_reason.clone())
        } else if let Some(words) = &self.refusal {
            Err(format!("Asterisk refuses all actions: {words}").into())
        } else if self.call_events.is_doubted() {
            Err(NO_EVENTS.into())
        } else if !is_reconciled {
            Err("reconciling the calls with Asterisk".into())
        } else if self.start.is_waiting() {
            Err("Asterisk is starting".into())
        } else {
            Ok(())
        }
    }

    /// Whether `ami.connected` was recorded for this connection.
    pub(super) fn is_recorded(&self) -> bool {
        self.is_recorded
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let next = match &self.phase {
            Phase::Pausing(until) | Phase::Connecting(until) => *until,
            Phase::Connected(session, _) if session.is_up() => {
                let waits = [self.start.deadline(), self.call_events.deadline()];
                waits.into_iter().flatten().fold(session.deadline(), Instant::min)
            }
            Phase::Connected(session, login_deadline) => session.deadline().min(*login_deadline),
        };
        self.records.deadline().map_or(Some(next), |at| Some(at.min(next)))
    }

    /// The driver has connected: begins the login.
    pub(super) fn connected(&mut self, now: Now) {
        if let Phase::Connecting(deadline) = self.phase {
            let session = Session::new(self.settings.session.clone(), now.instant);
            self.phase = Phase::Connected(Box::new(session), deadline);
        }
    }

    /// Whether there is a connection or an attempt to make one.
    pub(super) fn is_open(&self) -> bool {
        !matches!(self.phase, Phase::Pausing(_))
    }

    /// Restarts the timeout of a login under way.
    pub(super) fn restart_login_timeout(&mut self, now: Now) {
        match &mut self.phase {
            Phase::Connecting(deadline) | Phase::Connected(_, deadline) => {
                *deadline = now.instant + self.settings.connect_timeout;
            }
            Phase::Pausing(_) => {}
        }
    }

    /// The bytes to write to the connection; the driver removes from the front what it has written.
    pub(super) fn output(&mut self) -> Option<&mut BytesMut> {
        match &mut self.phase {
            Phase::Connected(session, _) => Some(session.output()),
            _ => None,
        }
    }

    /// Sends an action that consists of ids and fixed words. Returns false if the daemon is not
    /// logged in.
    pub(super) fn send(&mut self, now: Now, action: &Action, purpose: Purpose<R>) -> bool {
        // Such an action always fits into its frame.
        self.session().is_some_and(|session| session.send(now.instant, action, purpose).is_ok())
    }

    /// Sends an action that a request waits for. If it cannot be sent, returns its purpose with the
    /// reason, so that the request gets an answer. A channel's name comes from Asterisk, and can hold
    /// what no header may.
    pub(super) fn send_or_return(
        &mut self,
        now: Now,
        action: &Action,
        purpose: Purpose<R>,
    ) -> Result<(), (NotSent, Purpose<R>)> {
        let Some(session) = self.session() else {
            return Err((NotSent::LinkDown, purpose));
        };
        let sent = session.send_or_return(now.instant, action, purpose);
        sent.map_err(|(unsendable, purpose)| (NotSent::Unsendable(unsendable), purpose))
    }

    /// Sends an action with this `ActionID`; `None` if the daemon is not logged in.
    pub(super) fn send_with_id(
        &mut self,
        now: Now,
        id: ActionId,
        action: &Action,
        purpose: Purpose<R>,
    ) -> Option<Result<(), Unsendable>> {
        let session = self.session()?;
        Some(session.send_with_id(now.instant, id, action, purpose))
    }

    /// Handles what the parser found in the received bytes.
    pub(super) fn receive(&mut self, now: Now, received: Received) -> LinkEvent<R> {
        let Phase::Connected(session, _) = &mut self.phase else { return LinkEvent::Nothing };
        match session.receive(now.instant, received) {
            Ok(SessionEvent::Nothing) => LinkEvent::Nothing,
            Ok(SessionEvent::LoggedIn) => {
                self.start.begin(now.instant);
                self.read_rights(now);
                LinkEvent::LoggedIn
            }
            Ok(SessionEvent::Pong(round_trip)) => {
                LinkEvent::Pong { round_trip, accepts_again: self.refusal.take().is_some() }
            }
            Ok(SessionEvent::PingRefused(words)) => {
                self.note_refusal(&words).map_or(LinkEvent::Nothing, LinkEvent::Refusing)
            }
            Ok(SessionEvent::Response(purpose, response)) => {
                let refusing = if response.refuses_all_actions() {
                    self.note_refusal(&response.message)
                } else {
                    None
                };
                LinkEvent::Response { purpose, response, refusing }
            }
            Ok(SessionEvent::Event(frame)) => LinkEvent::Event(frame),
            Err(error) => LinkEvent::Failed(error.to_string()),
        }
    }

    /// Notes that Asterisk refuses every action. Calls and their events go on, and Asterisk would
    /// not accept another login now, so the daemon keeps the link. Returns the message if it is the
    /// first refusal.
    fn note_refusal(&mut self, words: &str) -> Option<Arc<str>> {
        if self.refusal.is_some() {
            return None;
        }
        self.refusal = Some(words.into());
        self.refusal.clone()
    }

    /// Asterisk has sent `FullyBooted`. Returns whether the daemon waited for it.
    pub(super) fn fully_booted(&mut self) -> bool {
        self.start.fully_booted()
    }

    /// Ends the wait for `FullyBooted` if its time is over; returns whether it did.
    pub(super) fn start_timed_out(&mut self, now: Now) -> bool {
        self.is_up() && self.start.time_out(now.instant)
    }

    /// A record of the link that had to wait and may be written now.
    pub(super) fn due_record(&mut self, now: Now) -> Option<Event> {
        self.records.due(now.instant)
    }

    /// Acts on the connection's deadlines.
    pub(super) fn tick(&mut self, now: Now) -> LinkTick<R> {
        match &mut self.phase {
            Phase::Pausing(until) if *until <= now.instant => {
                self.phase = Phase::Connecting(now.instant + self.settings.connect_timeout);
                LinkTick::Connect
            }
            Phase::Connecting(deadline) if *deadline <= now.instant => {
                LinkTick::Failed("connecting took too long".into())
            }
            Phase::Connected(session, deadline) if !session.is_up() && *deadline <= now.instant => {
                let has_greeted = !session.banner().is_empty();
                LinkTick::Failed(if has_greeted {
                    "logging in took too long".into()
                } else {
                    "the peer does not greet as Asterisk does".into()
                })
            }
            Phase::Connected(session, _) => match session.tick(now.instant) {
                Ok(timed_out) => LinkTick::TimedOut(timed_out),
                Err(error) => LinkTick::Failed(error.to_string()),
            },
            _ => LinkTick::Nothing,
        }
    }

    /// Notes that calls can be made now. Returns the record `ami.connected`, with the number of
    /// `live` calls, unless the record has to wait.
    pub(super) fn record_connected(&mut self, now: Now, live: usize) -> Option<Event> {
        let Phase::Connected(session, _) = &self.phase else { return None };
        let banner = session.banner().into();
        self.is_recorded = true;
        self.settings.backoff.reset();
        let asterisk = self.settings.asterisk.clone();
        self.records.offer(now.instant, Event::AmiConnected { asterisk, banner, live })
    }

    /// The connection is gone. `is_reconciled`: the calls were reconciled with Asterisk's list
    /// since the login. If they were not, the daemon knows them only as of the loss before.
    pub(super) fn on_lost(
        &mut self,
        now: Now,
        reason: &str,
        is_reconciled: bool,
        rng: &mut fastrand::Rng,
    ) -> LostLink<R> {
        let pause = self.settings.backoff.next(rng);
        let phase = std::mem::replace(&mut self.phase, Phase::Pausing(now.instant + pause));
        let mut unanswered = Vec::new();
        if let Phase::Connected(session, _) = phase {
            if is_reconciled {
                self.lost_at = now.wall_at(session.synced_until());
            }
            unanswered = session.into_pending().filter(Purpose::is_waited_for).collect();
        }
        self.refusal = None;
        self.call_events = CallEvents::Expected;
        let was_ready = std::mem::take(&mut self.is_recorded);
        let is_new = was_ready || *self.down_reason != *reason;
        self.same_failures = if is_new { 0 } else { self.same_failures + 1 };
        self.down_reason = reason.into();
        let mut record = None;
        if self.same_failures.is_multiple_of(RECORD_EVERY) {
            let asterisk = self.settings.asterisk.clone();
            let event = Event::AmiDisconnected { asterisk, reason: reason.into() };
            record = self.records.offer(now.instant, event);
        }
        LostLink { unanswered, record }
    }
}
