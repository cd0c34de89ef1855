//! The session on one connection to Asterisk: login, pending actions, keepalive.
//!
//! Parsed items and the time go in; bytes to send and events come out. `P` is the purpose of an
//! action: the owner passes it with the action and gets it back with the response.

use std::fmt::Write;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use foldhash::HashMap;
use md5::{Digest, Md5};
use secrecy::ExposeSecret;

use super::action::{Action, ActionId, Secret, Unsendable};
use super::frame::Frame;
use super::message::{Message, Response};
use super::parser::Received;
use super::settings::{Auth, SessionSettings};
use crate::clock::DeadlineQueue;

/// The reason why a session has failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// Asterisk refused the login, with this message: for a wrong user or secret, or an address
    /// that is not permitted.
    #[error("login refused: {0}")]
    LoginRefused(String),
    /// The login cannot go on, for this reason.
    #[error("login failed: {0}")]
    Protocol(&'static str),
    /// Asterisk has answered nothing for two keepalives.
    #[error("Asterisk has not answered for {} ms", .0.as_millis())]
    Silent(Duration),
}

/// The consequence of a received item.
#[derive(Debug, PartialEq, Eq)]
pub enum SessionEvent<P> {
    /// Logged in; actions can be sent.
    LoggedIn,
    /// The response to an action.
    Response(P, Response),
    /// A Ping was answered, after this time.
    Pong(Duration),
    /// Asterisk refused a Ping, with this message.
    PingRefused(String),
    /// A frame that is an event, unparsed.
    Event(Frame),
    /// Nothing that concerns the owner.
    Nothing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Greeting,
    Challenged,
    LoggingIn,
    Up,
}

enum Purpose<P> {
    Login,
    /// Sent at this instant.
    Ping(Instant),
    Owner(P),
}

/// The session.
pub struct Session<P> {
    settings: SessionSettings,
    phase: Phase,
    banner: String,
    output: BytesMut,
    next_id: u64,
    pending: HashMap<ActionId, Purpose<P>>,
    /// The deadline of each pending action's response.
    deadlines: DeadlineQueue<ActionId>,
    /// When Asterisk last answered anything.
    last_answer: Instant,
    /// When the first Ping since `last_answer` was sent.
    unanswered_ping: Option<Instant>,
    /// Whether a Ping of this session has succeeded.
    has_ping_succeeded: bool,
    synced_until: Instant,
    next_ping: Instant,
}

impl<P> Session<P> {
    /// A session on a new connection.
    pub fn new(settings: SessionSettings, now: Instant) -> Self {
        let next_ping = now + settings.keepalive;
        Self {
            settings,
            phase: Phase::Greeting,
            banner: String::new(),
            output: BytesMut::new(),
            next_id: 1,
            pending: HashMap::default(),
            deadlines: DeadlineQueue::default(),
            last_answer: now,
            unanswered_ping: None,
            has_ping_succeeded: false,
            synced_until: now,
            next_ping,
        }
    }

    /// Asterisk's greeting.
    pub fn banner(&self) -> &str {
        &self.banner
    }

    /// Whether the login is done.
    pub fn is_up(&self) -> bool {
        self.phase == Phase::Up
    }

    /// All events that Asterisk sent before this instant have been received: it is the send time of
    /// the last answered Ping.
    pub(crate) fn synced_until(&self) -> Instant {
        self.synced_until
    }

    /// The bytes to write to the connection; the driver removes from the front what it has written.
    pub fn output(&mut self) -> &mut BytesMut {
        &mut self.output
    }

    /// How many actions wait for their response.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// The purposes of the owner's actions that wait for their response.
    pub(crate) fn purposes(&self) -> impl Iterator<Item = &P> {
        self.pending.values().filter_map(|purpose| match purpose {
            Purpose::Owner(purpose) => Some(purpose),
            Purpose::Login | Purpose::Ping(_) => None,
        })
    }

    /// Sends an action under the session's next id.
    pub fn send(&mut self, now: Instant, action: &Action, purpose: P) -> Result<(), Unsendable> {
        let id = self.next_id();
        self.send_as(now, id, action, Purpose::Owner(purpose))
    }

    /// Sends an action. If it cannot be sent, returns its purpose with the reason.
    pub(crate) fn send_or_return(
        &mut self,
        now: Instant,
        action: &Action,
        purpose: P,
    ) -> Result<(), (Unsendable, P)> {
        let id = self.next_id();
        if let Err(unsendable) = action.encode(&id, &mut self.output) {
            return Err((unsendable, purpose));
        }
        self.await_response(now, id, Purpose::Owner(purpose));
        Ok(())
    }

    /// Sends an action under an id that the owner chooses.
    pub(crate) fn send_with_id(
        &mut self,
        now: Instant,
        id: ActionId,
        action: &Action,
        purpose: P,
    ) -> Result<(), Unsendable> {
        self.send_as(now, id, action, Purpose::Owner(purpose))
    }

    /// Handles a parsed item.
    pub fn receive(
        &mut self,
        now: Instant,
        received: Received,
    ) -> Result<SessionEvent<P>, SessionError> {
        match received {
            Received::Banner(banner) => {
                self.note_answer(now);
                self.banner = banner;
                self.begin_login(now)
            }
            Received::Oversized(_) => Ok(SessionEvent::Nothing),
            Received::Frame(frame) => match frame.event_name() {
                Some(name) if self.is_up() => {
                    // Only these events answer an action. An Asterisk that sends other events and
                    // answers nothing is of no use, so they do not keep the link alive.
                    if matches!(name, b"CoreShowChannel" | b"CoreShowChannelsComplete") {
                        self.note_answer(now);
                    }
                    // The owner parses it.
                    Ok(SessionEvent::Event(frame))
                }
                Some(_) => Ok(SessionEvent::Nothing),
                None => match Message::parse(&frame) {
                    Message::Response(id, response) => {
                        self.note_answer(now);
                        self.receive_response(now, id, response)
                    }
                    Message::Event(_) | Message::Other => Ok(SessionEvent::Nothing),
                },
            },
        }
    }

    /// Sends a Ping if one is due. Returns the purposes of the actions that got no response in
    /// time.
    ///
    /// # Errors
    ///
    /// Asterisk has not answered for too long.
    pub fn tick(&mut self, now: Instant) -> Result<Vec<P>, SessionError> {
        if self.is_up() && now >= self.next_ping {
            self.next_ping = now + self.settings.keepalive;
            self.unanswered_ping.get_or_insert(now);
            let id = self.next_id();
            // A Ping has no header that could be unsendable.
            let _ = self.send_as(now, id, &Action::Ping, Purpose::Ping(now));
        }
        if now >= self.silence_deadline() {
            return Err(SessionError::Silent(now.saturating_duration_since(self.last_answer)));
        }
        let mut timed_out = Vec::new();
        while let Some(id) = self.deadlines.pop_due(now) {
            if let Some(Purpose::Owner(purpose)) = self.pending.remove(&id) {
                timed_out.push(purpose);
            }
        }
        Ok(timed_out)
    }

    /// The next time at which [`tick`](Self::tick) has something to do.
    pub fn deadline(&self) -> Instant {
        let silent = self.silence_deadline();
        let first = self.deadlines.first().map_or(silent, |deadline| deadline.min(silent));
        if self.is_up() { first.min(self.next_ping) } else { first }
    }

    /// Ends the session; returns the purposes of the actions without a response.
    pub(crate) fn into_pending(self) -> impl Iterator<Item = P> {
        self.pending.into_values().filter_map(|purpose| match purpose {
            Purpose::Owner(purpose) => Some(purpose),
            Purpose::Login | Purpose::Ping(_) => None,
        })
    }

    fn note_answer(&mut self, now: Instant) {
        self.last_answer = now;
        self.unanswered_ping = None;
    }

    /// The time at which the link counts as dead unless Asterisk answers before: two keepalives
    /// after its last answer, but not before a Ping is one keepalive old. If this process was
    /// stopped for longer, it has sent no Ping meanwhile, so Asterisk's silence proves nothing.
    fn silence_deadline(&self) -> Instant {
        let keepalive = self.settings.keepalive;
        let asked = if self.is_up() {
            self.unanswered_ping.unwrap_or(self.next_ping)
        } else {
            self.last_answer
        };
        (self.last_answer + 2 * keepalive).max(asked + keepalive)
    }

    fn begin_login(&mut self, now: Instant) -> Result<SessionEvent<P>, SessionError> {
        if self.settings.auth == Auth::Plain {
            return self.login_plain(now);
        }
        self.phase = Phase::Challenged;
        self.send_login(now, &Action::Challenge)
    }

    fn login_plain(&mut self, now: Instant) -> Result<SessionEvent<P>, SessionError> {
        self.phase = Phase::LoggingIn;
        let secret = Secret(self.settings.secret.expose_secret().to_owned());
        let username = self.settings.username.clone();
        self.send_login(now, &Action::LoginPlain { username, secret })
    }

    fn send_login(
        &mut self,
        now: Instant,
        action: &Action,
    ) -> Result<SessionEvent<P>, SessionError> {
        let id = self.next_id();
        self.send_as(now, id, action, Purpose::Login)
            .map_err(|_| SessionError::Protocol("user name or secret cannot be sent"))?;
        Ok(SessionEvent::Nothing)
    }

    fn receive_response(
        &mut self,
        now: Instant,
        id: Option<ActionId>,
        response: Response,
    ) -> Result<SessionEvent<P>, SessionError> {
        let Some(id) = id else { return Ok(SessionEvent::Nothing) };
        let Some(purpose) = self.pending.remove(&id) else { return Ok(SessionEvent::Nothing) };
        self.deadlines.set(id, None);
        match (purpose, self.phase) {
            (Purpose::Owner(purpose), _) => Ok(SessionEvent::Response(purpose, response)),
            (Purpose::Login, Phase::Challenged) => self.answer_challenge(now, &response),
            (Purpose::Login, Phase::LoggingIn) if response.success => {
                self.phase = Phase::Up;
                self.synced_until = now;
                self.next_ping = now + self.settings.keepalive;
                Ok(SessionEvent::LoggedIn)
            }
            (Purpose::Login, _) => Err(SessionError::LoginRefused(response.message)),
            (Purpose::Ping(sent), _) => {
                self.synced_until = sent;
                // An Asterisk without the action Ping answers with an error, which proves that it
                // is alive.
                if response.refuses_all_actions() || (!response.success && self.has_ping_succeeded)
                {
                    return Ok(SessionEvent::PingRefused(response.message));
                }
                self.has_ping_succeeded |= response.success;
                Ok(SessionEvent::Pong(now.saturating_duration_since(sent)))
            }
        }
    }

    fn answer_challenge(
        &mut self,
        now: Instant,
        response: &Response,
    ) -> Result<SessionEvent<P>, SessionError> {
        match (response.success, response.frame.get("Challenge")) {
            (true, Some(challenge)) => {
                let secret = self.settings.secret.expose_secret();
                let digest = Md5::new().chain_update(challenge).chain_update(secret).finalize();
                let key = digest.iter().fold(String::new(), |mut hex, byte| {
                    let _ = write!(hex, "{byte:02x}");
                    hex
                });
                self.phase = Phase::LoggingIn;
                let username = self.settings.username.clone();
                self.send_login(now, &Action::LoginMd5 { username, key })
            }
            (true, None) => Err(SessionError::Protocol("the challenge is missing")),
            // An Asterisk that is shutting down refuses both ways to log in: there is no reason to
            // send the secret.
            (false, _) if self.settings.auth == Auth::Auto && !response.refuses_all_actions() => {
                self.login_plain(now)
            }
            (false, _) => Err(SessionError::LoginRefused(response.message.clone())),
        }
    }

    fn next_id(&mut self) -> ActionId {
        let id = self.next_id;
        self.next_id += 1;
        ActionId::Counted(id)
    }

    fn send_as(
        &mut self,
        now: Instant,
        id: ActionId,
        action: &Action,
        purpose: Purpose<P>,
    ) -> Result<(), Unsendable> {
        action.encode(&id, &mut self.output)?;
        self.await_response(now, id, purpose);
        Ok(())
    }

    fn await_response(&mut self, now: Instant, id: ActionId, purpose: Purpose<P>) {
        self.pending.insert(id, purpose);
        self.deadlines.set(id, Some(now + self.settings.action_timeout));
    }
}

#[cfg(test)]
mod tests;
