//! The link to Asterisk: connecting, logged in, lost, and connecting again.

mod records;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::BytesMut;

use records::LinkRecords;

use super::reconcile::Reconcile;
use super::request::HangUpError;
use super::rights::{CallEvents, NO_EVENTS};
use super::{Effect, Engine, Purpose};
use crate::ami::action::Action;
use crate::ami::message::{Event as AmiEvent, Message, Response};
use crate::ami::parser::Received;
use crate::ami::session::{Heard, Session};
use crate::clock::Now;
use crate::record::Event;

/// How often the same trouble with the link is recorded again, in attempts.
const RECORD_EVERY: u32 = 100;

/// How long after the login an Asterisk that has told us before that it has started is waited for
/// to do so again, and one that never has: perhaps it tells this user nothing of the kind.
const START_TIMEOUT: Duration = Duration::from_secs(30);
const START_UNKNOWN: Duration = Duration::from_secs(3);

/// The link.
pub(super) struct Link<P> {
    phase: Phase<P>,
    /// Why there is no link, while there is none.
    trouble: Arc<str>,
    /// How many attempts have ended in the same trouble.
    repeated: u32,
    lost_at: SystemTime,
    start: Start,
    /// Whether Asterisk tells us when it has started.
    tells_start: bool,
    /// Asterisk's words, if it refuses every action.
    refusing: Option<Arc<str>>,
    pub(super) call_events: CallEvents,
    /// Whether `ami.connected` was recorded of this connection.
    is_recorded: bool,
    records: LinkRecords,
}

/// Whether Asterisk has started. It lets in before, and then refuses calls as if there were no
/// dialplan.
enum Start {
    /// It has; or it seems that we are not told.
    Done,
    /// It has not said so; until the instant.
    Awaited(Instant),
}

enum Phase<P> {
    /// Until the next attempt.
    Pausing(Instant),
    /// Until the connection is made; to be given up at the instant.
    Connecting(Instant),
    /// The connection is made; the login is to be done by the instant.
    Connected(Box<Session<P>>, Instant),
}

impl<H> Link<Purpose<H>> {
    pub(super) fn new(now: Now) -> Self {
        Self {
            phase: Phase::Pausing(now.instant),
            trouble: "not connected yet".into(),
            repeated: 0,
            lost_at: now.wall,
            start: Start::Done,
            tells_start: false,
            refusing: None,
            call_events: CallEvents::Expected,
            is_recorded: false,
            records: LinkRecords::new(now.instant),
        }
    }

    /// The session, if logged in.
    pub(super) fn session(&mut self) -> Option<&mut Session<Purpose<H>>> {
        match &mut self.phase {
            Phase::Connected(session, _) if session.is_up() => Some(session),
            _ => None,
        }
    }

    /// Up to when all that happened was heard before the link was lost, and with it sight of the
    /// calls.
    pub(super) fn lost_at(&self) -> SystemTime {
        self.lost_at
    }

    /// Takes note that Asterisk was heard at `time` by an earlier run.
    pub(super) fn was_last_heard(&mut self, time: SystemTime) {
        self.lost_at = time;
    }

    pub(super) fn is_up(&self) -> bool {
        matches!(&self.phase, Phase::Connected(session, _) if session.is_up())
    }

    /// How many actions wait for their answer.
    pub(super) fn pending(&self) -> usize {
        match &self.phase {
            Phase::Connected(session, _) => session.pending(),
            _ => 0,
        }
    }

    /// Whether somebody waits for the answer to a hang-up.
    pub(super) fn owes_hang_up(&self) -> bool {
        match &self.phase {
            Phase::Connected(session, _) => {
                session.purposes().any(|purpose| matches!(purpose, Purpose::HangUp(..)))
            }
            _ => false,
        }
    }

    pub(super) fn is_ready(&self, reconcile: &Reconcile) -> Result<(), Arc<str>> {
        if !self.is_up() {
            Err(self.trouble.clone())
        } else if let Some(words) = &self.refusing {
            Err(format!("Asterisk refuses all actions: {words}").into())
        } else if let CallEvents::Doubted(_) = self.call_events {
            Err(NO_EVENTS.into())
        } else if !reconcile.is_settled() {
            Err("finding out which calls live".into())
        } else if let Start::Awaited(_) = self.start {
            Err("Asterisk is starting".into())
        } else {
            Ok(())
        }
    }

    pub(super) fn is_refusing(&self) -> bool {
        self.refusing.is_some()
    }

    /// Sets the deadline of connecting and logging in anew.
    pub(super) fn postpone_login(&mut self, until: Instant) {
        match &mut self.phase {
            Phase::Connecting(by) | Phase::Connected(_, by) => *by = until,
            Phase::Pausing(_) => {}
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let next = match &self.phase {
            Phase::Pausing(until) | Phase::Connecting(until) => *until,
            Phase::Connected(session, _) if session.is_up() => {
                let start = if let Start::Awaited(until) = self.start { Some(until) } else { None };
                let events = self.call_events.deadline();
                [start, events].into_iter().flatten().fold(session.deadline(), Instant::min)
            }
            Phase::Connected(session, login_by) => session.deadline().min(*login_by),
        };
        self.records.deadline().map_or(Some(next), |at| Some(at.min(next)))
    }
}

impl<O, H> Engine<O, H> {
    /// The connection is made.
    pub fn connected(&mut self, now: Now) {
        if let Phase::Connecting(by) = self.link.phase {
            let session = Session::new(self.settings.session.clone(), now.instant);
            self.link.phase = Phase::Connected(Box::new(session), by);
        }
    }

    /// The connection could not be made, or is gone.
    pub fn disconnected(&mut self, now: Now, reason: &str) {
        if !matches!(self.link.phase, Phase::Pausing(_)) {
            self.lose_link(now, reason);
        }
    }

    /// What is to be written to the connection; the driver takes from its front what it has
    /// written.
    pub fn output(&mut self) -> Option<&mut BytesMut> {
        match &mut self.link.phase {
            Phase::Connected(session, _) => Some(session.output()),
            _ => None,
        }
    }

    /// Something was received.
    pub fn receive(&mut self, now: Now, received: Received) {
        let Phase::Connected(session, _) = &mut self.link.phase else { return };
        match session.receive(now.instant, received) {
            Ok(Heard::Nothing) => {}
            Ok(Heard::LoggedIn) => {
                let patience = if self.link.tells_start { START_TIMEOUT } else { START_UNKNOWN };
                self.link.start = Start::Awaited(now.instant + patience);
                self.ask_rights(now);
                self.begin_reconcile(now);
                self.effects.push(Effect::Ready(self.ready()));
            }
            Ok(Heard::Pong(round_trip)) => {
                self.effects.push(Effect::RoundTrip(round_trip));
                self.takes_actions_again(now);
            }
            Ok(Heard::PingRefused(words)) => self.refuses_all_actions(&words),
            Ok(Heard::Answer(purpose, response)) => {
                if response.refuses_all_actions() {
                    self.refuses_all_actions(&response.message);
                }
                self.receive_answer(now, purpose, &response);
            }
            Ok(Heard::Event(frame)) => {
                if let Message::Event(event) = Message::parse(&frame) {
                    self.receive_event(now, &event);
                }
            }
            Err(error) => self.drop_link(now, &error.to_string()),
        }
    }

    /// Says goodbye to Asterisk; calls go on without us.
    pub fn log_off(&mut self, now: Now) {
        if let Some(session) = self.link.session() {
            // A Logoff holds nothing that could be unsendable.
            let _ = session.send(now.instant, &Action::Logoff, Purpose::Logoff);
        }
    }

    pub(super) fn tick_link(&mut self, now: Now) {
        if let Some(event) = self.link.records.due(now.instant) {
            self.record(now, event, None);
        }
        match &mut self.link.phase {
            Phase::Pausing(until) if *until <= now.instant => {
                self.link.phase = Phase::Connecting(now.instant + self.settings.connect_timeout);
                self.effects.push(Effect::Connect);
            }
            Phase::Connecting(by) if *by <= now.instant => {
                self.drop_link(now, "connecting took too long")
            }
            Phase::Connected(session, login_by) if !session.is_up() && *login_by <= now.instant => {
                let greeted = !session.banner().is_empty();
                self.drop_link(
                    now,
                    if greeted {
                        "logging in took too long"
                    } else {
                        "nobody greets as Asterisk does"
                    },
                );
            }
            Phase::Connected(session, _) => match session.tick(now.instant) {
                Ok(timed_out) => {
                    timed_out.into_iter().for_each(|purpose| self.receive_nothing(now, purpose));
                    self.tick_start(now);
                    self.tick_rights(now);
                }
                Err(error) => self.drop_link(now, &error.to_string()),
            },
            _ => {}
        }
    }

    /// Whoever is not told that Asterisk has started cannot wait for it for ever.
    fn tick_start(&mut self, now: Now) {
        if self.link.is_up()
            && matches!(self.link.start, Start::Awaited(until) if until <= now.instant)
        {
            self.link.tells_start = false;
            self.has_started(now);
        }
    }

    fn has_started(&mut self, now: Now) {
        self.link.start = Start::Done;
        if self.reconcile.is_settled() {
            self.become_ready(now);
        }
    }

    /// Asterisk refuses every action. Calls go on, and so do their events: the link is kept, as
    /// nobody is let in now.
    fn refuses_all_actions(&mut self, words: &str) {
        if !self.link.is_refusing() {
            let words: Arc<str> = words.into();
            self.link.refusing = Some(words.clone());
            self.effects.push(Effect::Refusing(Some(words)));
            self.say_ready();
        }
    }

    /// A Ping has succeeded. What Asterisk refused to list is asked for again.
    fn takes_actions_again(&mut self, now: Now) {
        if self.link.refusing.take().is_none() {
            return;
        }
        self.effects.push(Effect::Refusing(None));
        self.list_now(now);
        self.ready_again(now);
    }

    /// The obstacle to making calls is gone.
    pub(super) fn ready_again(&mut self, now: Now) {
        if self.link.is_recorded {
            self.say_ready();
        } else {
            self.become_ready(now);
        }
    }

    pub(super) fn say_ready(&mut self) {
        if !self.stopping {
            self.effects.push(Effect::Ready(self.ready()));
        }
    }

    fn receive_answer(&mut self, now: Now, purpose: Purpose<H>, response: &Response) {
        match purpose {
            Purpose::Originate(id) => self.receive_receipt(now, id, response),
            Purpose::Holder(id) => self.receive_holder(now, id, response),
            Purpose::HangUp(id, channel, reply) => {
                self.receive_hung_up(now, id, channel, reply, response)
            }
            Purpose::Rights => self.receive_rights(now, response),
            Purpose::CallToNowhere => self.receive_call_to_nowhere(now, response),
            Purpose::List => self.receive_list_answer(now, response),
            Purpose::Whose(id) => self.receive_identity(now, id, Some(response)),
            Purpose::Settle => self.settle(now),
            Purpose::Logoff => {}
        }
    }

    /// An action was not answered in time.
    fn receive_nothing(&mut self, now: Now, purpose: Purpose<H>) {
        match purpose {
            Purpose::Originate(_) => self.reconcile_later(now),
            Purpose::HangUp(_, _, Some(reply)) => {
                self.effects.push(Effect::HungUp(reply, Err(HangUpError::TimedOut)));
            }
            Purpose::HangUp(_, _, None) => {}
            Purpose::List | Purpose::Settle => {
                self.drop_link(now, "Asterisk did not list its channels in time")
            }
            Purpose::Whose(id) => self.receive_identity(now, id, None),
            // Who waited was told long ago that nothing is known.
            Purpose::Holder(_) | Purpose::Logoff | Purpose::Rights | Purpose::CallToNowhere => {}
        }
    }

    fn receive_event(&mut self, now: Now, event: &AmiEvent<'_>) {
        match event {
            AmiEvent::CoreShowChannel(listed) => self.receive_listed(now, listed),
            AmiEvent::CoreShowChannelsComplete => self.receive_list_end(now),
            AmiEvent::FullyBooted => {
                self.link.tells_start = true;
                if let Start::Awaited(_) = self.link.start {
                    self.has_started(now);
                }
            }
            AmiEvent::Shutdown => self.drop_link(now, "Asterisk is shutting down"),
            _ => {
                self.note_call_event(now, event);
                if let Some(id) = self.registry.hear(now, event, &mut self.told) {
                    // Who waits is answered before the log goes on, so that "queued" is said once
                    // it is true.
                    self.look_at(now, id);
                    self.tell(now);
                }
            }
        }
    }

    /// Ends the connection from our side.
    pub(super) fn drop_link(&mut self, now: Now, reason: &str) {
        self.effects.push(Effect::Disconnect);
        self.lose_link(now, reason);
    }

    fn lose_link(&mut self, now: Now, reason: &str) {
        let pause = self.settings.backoff.next(&mut self.rng);
        let phase = std::mem::replace(&mut self.link.phase, Phase::Pausing(now.instant + pause));
        if let Phase::Connected(session, _) = phase {
            // Before the calls are settled, nothing was learnt of what has become of them since the
            // last loss.
            if self.reconcile.is_settled() {
                self.link.lost_at = now.wall_at(session.told_until());
            }
            for purpose in session.into_pending() {
                if let Purpose::HangUp(_, _, Some(reply)) = purpose {
                    let problem = HangUpError::LinkDown(reason.into());
                    self.effects.push(Effect::HungUp(reply, Err(problem)));
                }
            }
        }
        self.abandon_waiting(now);
        self.reconcile.abandon();
        self.unknown_calls.forget_others();
        self.link.refusing = None;
        self.link.call_events = CallEvents::Expected;
        let was_ready = std::mem::take(&mut self.link.is_recorded);
        // A peer that refuses us again and again must not fill the log.
        let is_new = was_ready || *self.link.trouble != *reason;
        self.link.repeated = if is_new { 0 } else { self.link.repeated + 1 };
        self.link.trouble = reason.into();
        if self.link.repeated.is_multiple_of(RECORD_EVERY) {
            let asterisk = self.settings.asterisk.clone();
            self.record_link(now, Event::AmiDisconnected { asterisk, reason: reason.into() });
        }
        self.effects.push(Effect::Ready(Err(reason.into())));
    }

    fn record_link(&mut self, now: Now, event: Event) {
        if let Some(event) = self.link.records.offer(now.instant, event) {
            self.record(now, event, None);
        }
    }

    /// The link is up and all calls are settled: calls can be made, once Asterisk has started.
    pub(super) fn become_ready(&mut self, now: Now) {
        if self.ready().is_err() {
            return self.say_ready();
        }
        let Phase::Connected(session, _) = &self.link.phase else { return };
        self.link.is_recorded = true;
        let banner = session.banner().into();
        self.settings.backoff.reset();
        let (asterisk, live) = (self.settings.asterisk.clone(), self.registry.len());
        self.record_link(now, Event::AmiConnected { asterisk, banner, live });
        self.say_ready();
    }
}
