//! Sessions of the operators' page. Each is opened with a key and has the rights of that key.
//!
//! A session's token is random, and only the browser has it. The daemon keeps its digest.

use std::fmt;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq;

use super::{Digest, digest};

/// How long a session lasts.
pub const LIFETIME: Duration = Duration::from_secs(12 * 3600);

/// Most sessions of one key. A further one ends the oldest of them.
const MAX_OF_KEY: usize = 32;

/// The secret in a session's cookie: 256 bits from the system's random source, as base64.
pub struct Token(String);

impl Token {
    fn new() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        Ok(Self(URL_SAFE_NO_PAD.encode(bytes)))
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A session.
#[derive(Debug, Clone, Copy)]
pub struct Session {
    token: Digest,
    /// Digest of the key that the session was opened with.
    pub key: Digest,
    /// When the session expires.
    pub ends: Instant,
}

/// All sessions.
#[derive(Default)]
pub struct Sessions(Vec<Session>);

impl Sessions {
    /// Opens a session with this key.
    ///
    /// # Errors
    ///
    /// The system has no random bytes.
    pub fn open(&mut self, now: Instant, key: Digest) -> Result<Token, getrandom::Error> {
        let token = Token::new()?;
        self.0.retain(|session| session.ends > now);
        let mut of_key = self.0.iter().enumerate().filter(|(_, session)| session.key == key);
        if let Some((oldest, _)) = of_key.next()
            && of_key.count() + 1 >= MAX_OF_KEY
        {
            self.0.remove(oldest);
        }
        self.0.push(Session { token: digest(token.0.as_bytes()), key, ends: now + LIFETIME });
        Ok(token)
    }

    /// The session with this token.
    pub fn find(&self, now: Instant, token: &[u8]) -> Option<Session> {
        let token = digest(token);
        let is_it =
            |session: &&Session| bool::from(session.token.ct_eq(&token)) && session.ends > now;
        self.0.iter().find(is_it).copied()
    }

    /// Ends the session with this token.
    pub fn close(&mut self, token: &[u8]) {
        let token = digest(token);
        self.0.retain(|session| !bool::from(session.token.ct_eq(&token)));
    }

    /// Ends the sessions of unknown keys.
    pub fn retain_keys(&mut self, is_known: impl Fn(&Digest) -> bool) {
        self.0.retain(|session| is_known(&session.key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Digest = [1; 32];

    #[test]
    fn whole_token_finds_its_session_until_it_ends() {
        let (mut sessions, now) = (Sessions::default(), Instant::now());
        let (one, other) = (sessions.open(now, KEY).unwrap(), sessions.open(now, [2; 32]).unwrap());
        let key_of = |sessions: &Sessions, at, token: &str| {
            sessions.find(at, token.as_bytes()).map(|found| found.key)
        };
        assert_eq!(key_of(&sessions, now, &one.0), Some(KEY));
        assert_eq!(key_of(&sessions, now, &other.0), Some([2; 32]));
        for wrong in ["", &one.0[1..], &one.0.to_lowercase(), &format!("{one}x")] {
            assert_eq!(key_of(&sessions, now, wrong), None, "{wrong}");
        }
        let last = now + LIFETIME - Duration::from_nanos(1);
        assert_eq!(key_of(&sessions, last, &one.0), Some(KEY));
        assert_eq!(key_of(&sessions, now + LIFETIME, &one.0), None);
        sessions.close(one.0.as_bytes());
        assert_eq!(key_of(&sessions, now, &one.0), None);
        sessions.retain_keys(|key| *key == KEY);
        assert_eq!(key_of(&sessions, now, &other.0), None);
    }

    #[test]
    fn too_many_sessions_end_the_oldest_of_the_key() {
        let (mut sessions, now) = (Sessions::default(), Instant::now());
        let other = sessions.open(now, [2; 32]).unwrap();
        let mut open = || sessions.open(now, KEY).unwrap();
        let (first, second) = (open(), open());
        let newest = (2..=MAX_OF_KEY).map(|_| open()).last().unwrap();
        assert!(sessions.find(now, first.0.as_bytes()).is_none());
        for kept in [&second, &newest, &other] {
            assert!(sessions.find(now, kept.0.as_bytes()).is_some());
        }
        assert_eq!(sessions.0.len(), MAX_OF_KEY + 1);
        // Expired sessions are removed.
        sessions.open(now + LIFETIME, KEY).unwrap();
        assert_eq!(sessions.0.len(), 1);
    }
}
