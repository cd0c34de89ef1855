//! One conversation with one Asterisk, from its banner to its end: login, pending actions, signs of
//! life.
//!
//! Received items and the time go in; bytes to send and what was learnt come out. `P` is whatever
//! the owner wants back with the answer to an action.

use std::collections::VecDeque;
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

/// Why a session is at its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// Wrong user or secret, or not allowed from here; Asterisk's words.
    #[error("login refused: {0}")]
    LoginRefused(String),
    /// Something other than what a login has to consist of.
    #[error("login failed: {0}")]
    Protocol(&'static str),
    /// Nothing was answered for two keepalives.
    #[error("Asterisk has not answered for {} ms", .0.as_millis())]
    Silent(Duration),
}

/// What was learnt from a received item.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard<P> {
    /// Logged in; actions can be sent.
    LoggedIn,
    /// The answer to an action.
    Answer(P, Response),
    /// The answer to a Ping, and how long it took.
    Pong(Duration),
    /// Asterisk refused a Ping, with these words.
    PingRefused(String),
    /// An event, or what looks like one.
    Event(Frame),
    /// Nothing the owner needs.
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
    /// Every action's deadline, in the order of sending, which is that of the deadlines: all wait
    /// equally long.
    deadlines: VecDeque<(Instant, ActionId)>,
    /// When it last answered.
    answered: Instant,
    /// When the first Ping was sent that nothing has been answered since.
    pinged: Option<Instant>,
    /// Whether a Ping of this session has succeeded.
    has_ponged: bool,
    told_until: Instant,
    next_ping: Instant,
}

impl<P> Session<P> {
    /// A session on a connection that was made just now.
    pub fn new(settings: SessionSettings, now: Instant) -> Self {
        let next_ping = now + settings.keepalive;
        Self {
            settings,
            phase: Phase::Greeting,
            banner: String::new(),
            output: BytesMut::new(),
            next_id: 1,
            pending: HashMap::default(),
            deadlines: VecDeque::new(),
            answered: now,
            pinged: None,
            has_ponged: false,
            told_until: now,
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

    /// What happened in Asterisk up to then has been heard, however long it was under way.
    pub fn told_until(&self) -> Instant {
        self.told_until
    }

    /// What is to be written to the connection; the driver takes from its front what it has
    /// written.
    pub fn output(&mut self) -> &mut BytesMut {
        &mut self.output
    }

    /// How many actions wait for their answer.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// What the owner's actions that wait for their answer were sent for.
    pub fn purposes(&self) -> impl Iterator<Item = &P> {
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

    /// Sends an action under an id of the owner's.
    pub fn send_with_id(
        &mut self,
        now: Instant,
        id: ActionId,
        action: &Action,
        purpose: P,
    ) -> Result<(), Unsendable> {
        self.send_as(now, id, action, Purpose::Owner(purpose))
    }

    /// Takes what was received.
    pub fn receive(&mut self, now: Instant, received: Received) -> Result<Heard<P>, SessionError> {
        match received {
            Received::Banner(banner) => {
                self.has_answered(now);
                self.banner = banner;
                self.begin_login(now)
            }
            Received::Oversized(_) => Ok(Heard::Nothing),
            Received::Frame(frame) => match frame.event_name() {
                Some(name) if self.is_up() => {
                    // No other event is an answer: an Asterisk that tells and does not listen is of
                    // no use.
                    if matches!(name, b"CoreShowChannel" | b"CoreShowChannelsComplete") {
                        self.has_answered(now);
                    }
                    // The owner looks into it, and nobody else.
                    Ok(Heard::Event(frame))
                }
                Some(_) => Ok(Heard::Nothing),
                None => match Message::parse(&frame) {
                    Message::Response(id, response) => {
                        self.has_answered(now);
                        self.receive_response(now, id, response)
                    }
                    Message::Event(_) | Message::Other => Ok(Heard::Nothing),
                },
            },
        }
    }

    /// Does what is due. Returns what the actions were for that were not answered in time.
    pub fn tick(&mut self, now: Instant) -> Result<Vec<P>, SessionError> {
        if self.is_up() && now >= self.next_ping {
            self.next_ping = now + self.settings.keepalive;
            self.pinged.get_or_insert(now);
            let id = self.next_id();
            // A Ping holds nothing that could be unsendable.
            let _ = self.send_as(now, id, &Action::Ping, Purpose::Ping(now));
        }
        if now >= self.silent_at() {
            return Err(SessionError::Silent(now.saturating_duration_since(self.answered)));
        }
        let mut timed_out = Vec::new();
        while let Some((deadline, id)) = self.deadlines.front().copied() {
            let is_pending = self.pending.contains_key(&id);
            if is_pending && deadline > now {
                break;
            }
            self.deadlines.pop_front();
            if let Some(Purpose::Owner(purpose)) = self.pending.remove(&id) {
                timed_out.push(purpose);
            }
        }
        Ok(timed_out)
    }

    /// When [`tick`](Self::tick) has something to do.
    pub fn deadline(&self) -> Instant {
        let silent = self.silent_at();
        let first = self.deadlines.front().map_or(silent, |(deadline, _)| *deadline).min(silent);
        if self.is_up() { first.min(self.next_ping) } else { first }
    }

    /// Ends the session; returns what the unanswered actions were for.
    pub fn into_pending(self) -> impl Iterator<Item = P> {
        self.pending.into_values().filter_map(|purpose| match purpose {
            Purpose::Owner(purpose) => Some(purpose),
            Purpose::Login | Purpose::Ping(_) => None,
        })
    }

    fn has_answered(&mut self, now: Instant) {
        self.answered = now;
        self.pinged = None;
    }

    /// When the link is dead unless Asterisk answers before: two keepalives after its last answer,
    /// and one after a Ping. A process that was stopped for longer has pinged nobody meanwhile, and
    /// must ask before it judges.
    fn silent_at(&self) -> Instant {
        let keepalive = self.settings.keepalive;
        let asked =
            if self.is_up() { self.pinged.unwrap_or(self.next_ping) } else { self.answered };
        (self.answered + 2 * keepalive).max(asked + keepalive)
    }

    fn begin_login(&mut self, now: Instant) -> Result<Heard<P>, SessionError> {
        if self.settings.auth == Auth::Plain {
            return self.login_plain(now);
        }
        self.phase = Phase::Challenged;
        self.send_login(now, &Action::Challenge)
    }

    fn login_plain(&mut self, now: Instant) -> Result<Heard<P>, SessionError> {
        self.phase = Phase::LoggingIn;
        let secret = Secret(self.settings.secret.expose_secret().to_owned());
        let username = self.settings.username.clone();
        self.send_login(now, &Action::LoginPlain { username, secret })
    }

    fn send_login(&mut self, now: Instant, action: &Action) -> Result<Heard<P>, SessionError> {
        let id = self.next_id();
        self.send_as(now, id, action, Purpose::Login)
            .map_err(|_| SessionError::Protocol("user name or secret cannot be sent"))?;
        Ok(Heard::Nothing)
    }

    fn receive_response(
        &mut self,
        now: Instant,
        id: Option<ActionId>,
        response: Response,
    ) -> Result<Heard<P>, SessionError> {
        let Some(purpose) = id.and_then(|id| self.pending.remove(&id)) else {
            return Ok(Heard::Nothing);
        };
        self.forget_answered();
        match (purpose, self.phase) {
            (Purpose::Owner(purpose), _) => Ok(Heard::Answer(purpose, response)),
            (Purpose::Login, Phase::Challenged) => self.answer_challenge(now, &response),
            (Purpose::Login, Phase::LoggingIn) if response.success => {
                self.phase = Phase::Up;
                self.told_until = now;
                self.next_ping = now + self.settings.keepalive;
                Ok(Heard::LoggedIn)
            }
            (Purpose::Login, _) => Err(SessionError::LoginRefused(response.message)),
            (Purpose::Ping(sent), _) => {
                self.told_until = sent;
                // To an Asterisk that knows no Ping, an answer of any kind is a sign of life.
                if response.refuses_all_actions() || (!response.success && self.has_ponged) {
                    return Ok(Heard::PingRefused(response.message));
                }
                self.has_ponged |= response.success;
                Ok(Heard::Pong(now.saturating_duration_since(sent)))
            }
        }
    }

    fn answer_challenge(
        &mut self,
        now: Instant,
        response: &Response,
    ) -> Result<Heard<P>, SessionError> {
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
            // An Asterisk that is shutting down refuses both ways: there is no reason to send the
            // secret.
            (false, _) if self.settings.auth == Auth::Auto && !response.refuses_all_actions() => {
                self.login_plain(now)
            }
            (false, _) => Err(SessionError::LoginRefused(response.message.clone())),
        }
    }

    /// Drops the deadlines of what was answered from the front, so that they do not outnumber what
    /// is pending.
    fn forget_answered(&mut self) {
        while self.deadlines.front().is_some_and(|(_, id)| !self.pending.contains_key(id)) {
            self.deadlines.pop_front();
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
        self.pending.insert(id, purpose);
        self.deadlines.push_back((now + self.settings.action_timeout, id));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
