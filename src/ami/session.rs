//! One conversation with one Asterisk, from its banner to its end: login, pending actions, signs of life.
//!
//! Received items and the time go in; bytes to send and what was learnt come out. `P` is whatever the owner
//! wants back with the answer to an action.

use std::collections::{HashMap, VecDeque};
use std::fmt::Write;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use md5::{Digest, Md5};
use secrecy::{ExposeSecret, SecretString};

use super::codec::Received;
use super::frame::Frame;
use super::message::{Action, ActionId, Message, Response, Secret, Unsendable};
use crate::config::{Asterisk, Auth};

/// What a session has to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The AMI user.
    pub username: String,
    /// Its secret.
    pub secret: SecretString,
    /// The way to log in.
    pub auth: Auth,
    /// How often Asterisk is pinged; after twice that without a byte from it the link is dead.
    pub keepalive: Duration,
    /// How long an action's response is waited for.
    pub action_timeout: Duration,
}

impl Settings {
    /// Takes what a session needs from the configuration.
    pub fn of(asterisk: &Asterisk) -> Self {
        Self {
            username: asterisk.username.clone(),
            secret: asterisk.secret.clone(),
            auth: asterisk.auth,
            keepalive: asterisk.keepalive,
            action_timeout: asterisk.action_timeout,
        }
    }
}

/// Why a session is at its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// Wrong user or secret, or not allowed from here; Asterisk's words.
    #[error("login refused: {0}")]
    LoginRefused(String),
    /// Something other than what a login has to consist of.
    #[error("login failed: {0}")]
    Protocol(&'static str),
    /// Nothing was heard for two keepalives.
    #[error("Asterisk has been silent for {} ms", .0.as_millis())]
    Silent(Duration),
}

/// What was learnt from a received item.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard<P> {
    /// Logged in; actions can be sent.
    LoggedIn,
    /// The answer to an action.
    Answer(P, Response),
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
    Ping,
    Owner(P),
}

/// The session.
pub struct Session<P> {
    settings: Settings,
    phase: Phase,
    banner: String,
    output: BytesMut,
    next_id: u64,
    pending: HashMap<ActionId, Purpose<P>>,
    /// Every action's deadline, in the order of sending, which is that of the deadlines: all wait equally long.
    deadlines: VecDeque<(Instant, ActionId)>,
    heard: Instant,
    next_ping: Instant,
}

impl<P> Session<P> {
    /// A session on a connection that was made just now.
    pub fn new(settings: Settings, now: Instant) -> Self {
        let next_ping = now + settings.keepalive;
        Self {
            settings,
            phase: Phase::Greeting,
            banner: String::new(),
            output: BytesMut::new(),
            next_id: 1,
            pending: HashMap::new(),
            deadlines: VecDeque::new(),
            heard: now,
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

    /// What is to be written to the connection; the driver takes from its front what it has written.
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
            Purpose::Login | Purpose::Ping => None,
        })
    }

    /// Sends an action under the session's next id.
    pub fn send(&mut self, now: Instant, action: &Action, purpose: P) -> Result<(), Unsendable> {
        let id = self.next_id();
        self.send_as(now, id, action, Purpose::Owner(purpose))
    }

    /// Sends an action under an id of the owner's.
    pub fn send_with_id(&mut self, now: Instant, id: ActionId, action: &Action, purpose: P) -> Result<(), Unsendable> {
        self.send_as(now, id, action, Purpose::Owner(purpose))
    }

    /// Takes what was received.
    pub fn receive(&mut self, now: Instant, received: Received) -> Result<Heard<P>, SessionError> {
        self.heard = now;
        match received {
            Received::Banner(banner) => {
                self.banner = banner;
                self.begin_login(now)
            }
            Received::Oversized(_) => Ok(Heard::Nothing),
            Received::Frame(frame) => match Message::parse(&frame) {
                Message::Response(id, response) => self.receive_response(now, id, response),
                Message::Event(_) if self.is_up() => Ok(Heard::Event(frame)),
                Message::Event(_) | Message::Other => Ok(Heard::Nothing),
            },
        }
    }

    /// Does what is due. Returns what the actions were for that were not answered in time.
    pub fn tick(&mut self, now: Instant) -> Result<Vec<P>, SessionError> {
        let silence = now.saturating_duration_since(self.heard);
        if silence >= 2 * self.settings.keepalive {
            return Err(SessionError::Silent(silence));
        }
        if self.is_up() && now >= self.next_ping {
            self.next_ping = now + self.settings.keepalive;
            let id = self.next_id();
            // A Ping holds nothing that could be unsendable.
            let _ = self.send_as(now, id, &Action::Ping, Purpose::Ping);
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
        let silent = self.heard + 2 * self.settings.keepalive;
        let first = self.deadlines.front().map_or(silent, |(deadline, _)| *deadline).min(silent);
        if self.is_up() { first.min(self.next_ping) } else { first }
    }

    /// Ends the session; returns what the unanswered actions were for.
    pub fn into_pending(self) -> impl Iterator<Item = P> {
        self.pending.into_values().filter_map(|purpose| match purpose {
            Purpose::Owner(purpose) => Some(purpose),
            Purpose::Login | Purpose::Ping => None,
        })
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
                self.next_ping = now + self.settings.keepalive;
                Ok(Heard::LoggedIn)
            }
            (Purpose::Login, _) => Err(SessionError::LoginRefused(response.message)),
            (Purpose::Ping, _) => Ok(Heard::Nothing),
        }
    }

    fn answer_challenge(&mut self, now: Instant, response: &Response) -> Result<Heard<P>, SessionError> {
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
            (false, _) if self.settings.auth == Auth::Auto => self.login_plain(now),
            (false, _) => Err(SessionError::LoginRefused(response.message.clone())),
        }
    }

    /// Drops the deadlines of what was answered from the front, so that they do not outnumber what is pending.
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

    fn send_as(&mut self, now: Instant, id: ActionId, action: &Action, purpose: Purpose<P>) -> Result<(), Unsendable> {
        action.encode(&id, &mut self.output)?;
        self.pending.insert(id, purpose);
        self.deadlines.push_back((now + self.settings.action_timeout, id));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEPALIVE: Duration = Duration::from_secs(3);

    fn session(auth: Auth) -> (Session<u32>, Instant) {
        let now = Instant::now();
        let settings = Settings {
            username: "originatord".into(),
            secret: "s3cr3t".to_owned().into(),
            auth,
            keepalive: KEEPALIVE,
            action_timeout: Duration::from_secs(5),
        };
        (Session::new(settings, now), now)
    }

    fn sent(session: &mut Session<u32>) -> String {
        String::from_utf8(session.output().split().to_vec()).expect("text")
    }

    fn frame(text: &str) -> Received {
        Received::Frame(Frame::new(text.to_owned().into()))
    }

    fn logged_in() -> (Session<u32>, Instant) {
        let (mut session, now) = session(Auth::Plain);
        session.receive(now, Received::Banner("Asterisk Call Manager/11.0.0".into())).expect("greets");
        let login = sent(&mut session);
        assert!(login.contains("Secret: s3cr3t\r\n") && login.contains("Events: "), "{login}");
        let answer = session.receive(now, frame("Response: Success\r\nActionID: 1")).expect("logs in");
        assert_eq!(answer, Heard::LoggedIn);
        (session, now)
    }

    #[test]
    fn md5_login() {
        let (mut session, now) = session(Auth::Md5);
        session.receive(now, Received::Banner("Asterisk Call Manager/11.0.0".into())).expect("greets");
        assert!(sent(&mut session).starts_with("Action: Challenge\r\nActionID: 1\r\nAuthType: MD5\r\n"));
        session.receive(now, frame("Response: Success\r\nActionID: 1\r\nChallenge: 840415273")).expect("goes on");
        // echo -n 840415273s3cr3t | md5sum
        let login = sent(&mut session);
        assert!(login.contains("Key: cc5da49435fc4c44ff1252628d392068\r\n"), "{login}");
        assert!(!login.contains("s3cr3t"));
        let refusal = frame("Response: Error\r\nActionID: 2\r\nMessage: Authentication failed");
        let error = SessionError::LoginRefused("Authentication failed".into());
        assert_eq!(session.receive(now, refusal), Err(error));
    }

    #[test]
    fn without_a_challenge_only_auto_sends_the_secret() {
        for (auth, falls_back) in [(Auth::Auto, true), (Auth::Md5, false)] {
            let (mut session, now) = session(auth);
            session.receive(now, Received::Banner("Asterisk Call Manager/1.0".into())).expect("greets");
            let refusal = frame("Response: Error\r\nActionID: 1\r\nMessage: Must specify AuthType");
            assert_eq!(session.receive(now, refusal).is_ok(), falls_back);
            assert_eq!(sent(&mut session).contains("Secret: "), falls_back);
        }
    }

    #[test]
    fn answers_find_what_asked_in_any_order() {
        let (mut session, now) = logged_in();
        session.send(now, &Action::CoreShowChannels, 10).expect("sends");
        session.send(now, &Action::Ping, 11).expect("sends");
        for (id, purpose) in [(3, 11), (2, 10)] {
            let answer = frame(&format!("Response: Error\r\nActionID: {id}\r\nMessage: no"));
            let Ok(Heard::Answer(for_what, response)) = session.receive(now, answer) else { panic!() };
            assert_eq!((for_what, response.success, &response.message[..]), (purpose, false, "no"));
        }
        for stray in ["Response: Success\r\nActionID: 2", "Response: Success", "Response: Success\r\nActionID: x"] {
            assert_eq!(session.receive(now, frame(stray)), Ok(Heard::Nothing), "{stray}");
        }
        assert_eq!((session.pending(), session.deadlines.len()), (0, 0));
    }

    #[test]
    fn what_is_not_answered_in_time_is_given_back_once() {
        let (mut session, now) = logged_in();
        session.send(now, &Action::CoreShowChannels, 10).expect("sends");
        let later = now + Duration::from_secs(5);
        session.receive(later, frame("Event: Other")).expect("is heard");
        assert_eq!(session.tick(later), Ok(vec![10]));
        assert_eq!(session.tick(later), Ok(vec![]));
        let late = frame("Response: Success\r\nActionID: 2");
        assert_eq!(session.receive(later, late), Ok(Heard::Nothing));
    }

    #[test]
    fn two_keepalives_without_a_byte_are_the_end() {
        let (mut session, now) = logged_in();
        assert_eq!(session.deadline(), now + KEEPALIVE);
        assert_eq!(session.tick(now + KEEPALIVE), Ok(vec![]));
        assert!(sent(&mut session).starts_with("Action: Ping\r\n"));
        assert_eq!(session.tick(now + 2 * KEEPALIVE), Err(SessionError::Silent(2 * KEEPALIVE)));
    }

    #[test]
    fn any_byte_is_a_sign_of_life() {
        let (mut session, now) = logged_in();
        for second in 1..20 {
            let now = now + Duration::from_secs(second);
            session.receive(now, Received::Oversized(100_000)).expect("is heard");
            assert!(session.tick(now).is_ok());
        }
    }

    #[test]
    fn before_the_login_events_are_not_believed() {
        let (mut session, now) = session(Auth::Md5);
        assert_eq!(session.receive(now, frame("Event: Shutdown")), Ok(Heard::Nothing));
    }
}
