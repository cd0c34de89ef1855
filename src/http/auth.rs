//! Who may ask: keys, compared so that the time it takes says nothing of them, and sessions opened
//! with keys.

pub mod sessions;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use tokio::sync::watch;
use tokio::time::timeout_at;
use warp::http::HeaderMap;
use warp::http::header::{AUTHORIZATION, COOKIE, HOST, ORIGIN};

use self::sessions::{Session, Sessions, Token};
use super::error::ApiError;

/// SHA-256 of a secret: all that is kept of it.
pub type Digest = [u8; 32];

/// `[[api_keys]]`
#[derive(Debug)]
pub struct ApiKey {
    /// Named in the log; the key never is.
    pub name: Arc<str>,
    /// The shared secret.
    pub key: SecretString,
    /// What may be done with it.
    pub role: Role,
}

/// What may be done with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Place calls, look at all calls, and hang them up.
    Call,
    /// Look.
    Watch,
}

/// Who asks, as far as the key tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The key's name.
    pub name: Arc<str>,
    /// What may be done with it.
    pub role: Role,
}

impl Caller {
    /// Refuses a key that may not place and hang up calls.
    pub fn may_call(&self) -> Result<(), ApiError> {
        match self.role {
            Role::Call => Ok(()),
            Role::Watch => Err(ApiError::WatchOnly),
        }
    }
}

/// The known keys. Only their digests are kept, all of one length whatever the keys' lengths are.
pub struct Keys(Vec<(Caller, Digest)>);

impl Keys {
    /// Takes in the configured keys.
    pub fn new(keys: &[ApiKey]) -> Self {
        let caller = |key: &ApiKey| Caller { name: key.name.clone(), role: key.role };
        Self(
            keys.iter()
                .map(|key| (caller(key), digest(key.key.expose_secret().as_bytes())))
                .collect(),
        )
    }

    /// Whose key `given` is. Takes as long for any key, right or wrong.
    pub fn caller_of(&self, given: &[u8]) -> Option<&Caller> {
        self.holder_of(&digest(given))
    }

    /// Whose key has this digest. Takes as long for any.
    fn holder_of(&self, given: &Digest) -> Option<&Caller> {
        let mut found = u32::MAX;
        for (index, (_, known)) in (0u32..).zip(&self.0) {
            let same: Choice = known.ct_eq(given);
            found.conditional_assign(&index, same);
        }
        self.0.get(found as usize).map(|(caller, _)| caller)
    }

    /// Whose key is in an operator's request: `Authorization: Bearer`, `X-Api-Key`, or the password
    /// of HTTP Basic.
    pub fn caller_in(&self, headers: &HeaderMap) -> Option<&Caller> {
        if let Some(key) = headers.get("x-api-key") {
            return self.caller_of(key.as_bytes());
        }
        let (scheme, credentials) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
        if scheme.eq_ignore_ascii_case("bearer") {
            self.caller_of(credentials.trim().as_bytes())
        } else if scheme.eq_ignore_ascii_case("basic") {
            let decoded = STANDARD.decode(credentials.trim()).ok()?;
            let colon = decoded.iter().position(|byte| *byte == b':')?;
            self.caller_of(&decoded[colon + 1..])
        } else {
            None
        }
    }
}

/// How often wrong keys are logged at most; a guesser must not fill the log.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// What the page sends with each request, and another site's page cannot send unless it is allowed
/// to.
const OF_THE_PAGE: &str = "x-requested-with";

/// Lets in who has a key or a session, and keeps count of who has neither.
pub struct Door {
    /// Also told when a session has been closed, for those who wait to hear of it.
    keys: watch::Sender<Arc<Keys>>,
    sessions: Mutex<Sessions>,
    cookie: String,
    wrong: Mutex<Wrong>,
}

/// Wrong keys since the last line about them.
#[derive(Default)]
struct Wrong {
    count: u64,
    logged: Option<Instant>,
}

impl Door {
    /// A door for these keys, of the daemon that listens here: browsers send the cookies of all
    /// that listen on a host's ports to each of them.
    pub fn new(keys: Keys, listen: SocketAddr) -> Self {
        let (keys, cookie) =
            (watch::Sender::new(Arc::new(keys)), format!("originatord-{}", listen.port()));
        Self { keys, sessions: Mutex::default(), cookie, wrong: Mutex::default() }
    }

    /// Takes new keys in place of the old ones; sessions of keys that are gone end.
    pub fn replace(&self, keys: Keys) {
        self.sessions().retain_keys(|key| keys.holder_of(key).is_some());
        self.keys.send_replace(Arc::new(keys));
    }

    /// See [`Keys::caller_of`].
    pub fn caller_of(&self, given: &[u8]) -> Option<Caller> {
        let caller = self.keys.borrow().caller_of(given).cloned();
        self.counted(caller)
    }

    /// Who asks, by a key in the headers or, if there is none, by a session.
    pub fn caller_in(&self, headers: &HeaderMap) -> Result<Caller, ApiError> {
        let caller = self.recognise(headers).map(|(caller, _)| caller);
        self.counted(caller).ok_or_else(|| unauthorized(headers))
    }

    /// As [`caller_in`](Self::caller_in), with the session; who has no key is not suspected of
    /// having a wrong one.
    pub fn session_in(&self, headers: &HeaderMap) -> Option<(Caller, Option<Session>)> {
        self.recognise(headers)
    }

    /// Who asks for something to be done: a session must be used by our own page.
    pub fn admit(&self, headers: &HeaderMap) -> Result<Caller, ApiError> {
        let Some((caller, session)) = self.recognise(headers) else {
            self.counted(None);
            return Err(unauthorized(headers));
        };
        if session.is_some() && !is_own_page(headers) {
            return Err(ApiError::CrossOrigin);
        }
        Ok(caller)
    }

    /// Opens a session with this key; none if it is not known.
    ///
    /// # Errors
    ///
    /// The system has no random bytes.
    pub fn open_session(&self, key: &[u8]) -> Result<Option<(Caller, Token)>, getrandom::Error> {
        let Some(caller) = self.caller_of(key) else { return Ok(None) };
        let token = self.sessions().open(Instant::now(), digest(key))?;
        Ok(Some((caller, token)))
    }

    /// Ends the session in these headers, and the streams that were opened in it.
    pub fn close_session(&self, headers: &HeaderMap) {
        if let Some(token) = self.token_in(headers) {
            self.sessions().close(token);
            self.keys.send_modify(|_| {});
        }
    }

    /// The name of the cookie that holds a session's token.
    pub fn cookie(&self) -> &str {
        &self.cookie
    }

    /// Returns once these headers let nobody in any longer.
    pub async fn revoked(&self, headers: &HeaderMap) {
        let mut keys = self.keys.subscribe();
        while let Some((_, session)) = self.recognise(headers) {
            match session {
                None => _ = keys.changed().await,
                Some(session) => _ = timeout_at(session.ends.into(), keys.changed()).await,
            }
        }
    }

    /// A key that is shown counts, right or wrong; else the session does.
    fn recognise(&self, headers: &HeaderMap) -> Option<(Caller, Option<Session>)> {
        let keys = self.keys.borrow();
        if headers.contains_key("x-api-key") || headers.contains_key(AUTHORIZATION) {
            return keys.caller_in(headers).map(|caller| (caller.clone(), None));
        }
        let session = self.sessions().find(Instant::now(), self.token_in(headers)?)?;
        keys.holder_of(&session.key).map(|caller| (caller.clone(), Some(session)))
    }

    fn token_in<'h>(&self, headers: &'h HeaderMap) -> Option<&'h [u8]> {
        let cookies = headers
            .get_all(COOKIE)
            .iter()
            .flat_map(|cookies| cookies.as_bytes().split(|b| *b == b';'));
        let mut ours = cookies.filter_map(|cookie| {
            cookie.trim_ascii().strip_prefix(self.cookie.as_bytes())?.strip_prefix(b"=")
        });
        ours.next()
    }

    /// A panic elsewhere ends the process; until then the sessions are as good as they were.
    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn counted(&self, caller: Option<Caller>) -> Option<Caller> {
        if caller.is_none() {
            let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
            wrong.count += 1;
            if wrong.logged.is_none_or(|logged| logged.elapsed() >= LOG_EVERY) {
                tracing::warn!(count = wrong.count, "requests with a wrong key, or none");
                *wrong = Wrong { count: 0, logged: Some(Instant::now()) };
            }
        }
        caller
    }
}

/// Whether the request comes from our own page, and not from another site's page in a browser that
/// has our cookie. The header alone says so, since no browser sends it to another origin without
/// asking first, which we refuse; what browsers say of a request's origin is believed, too.
pub fn is_own_page(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let is_own_origin = match (text("sec-fetch-site"), text(ORIGIN.as_str())) {
        (Some(site), _) => site == "same-origin",
        (None, Some(origin)) => {
            origin.split_once("://").map(|(_, host)| host) == text(HOST.as_str())
        }
        (None, None) => true,
    };
    headers.contains_key(OF_THE_PAGE) && is_own_origin
}

/// The refusal of an operator's request without a valid key. Our page has a form for the key; the
/// browser must not ask for it with a window of its own.
pub fn unauthorized(headers: &HeaderMap) -> ApiError {
    ApiError::Unauthorized { challenge: !headers.contains_key(OF_THE_PAGE) }
}

fn digest(key: &[u8]) -> Digest {
    Sha256::digest(key).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        let key = |name: &str, key: &str, role| ApiKey {
            name: name.into(),
            key: key.to_owned().into(),
            role,
        };
        Keys::new(&[
            key("bot", "k3y-of-the-bot", Role::Call),
            key("operator", "pass:word", Role::Watch),
        ])
    }

    fn name_in(name: &'static str, value: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().expect("a header value"));
        keys().caller_in(&headers).map(|caller| caller.name.to_string())
    }

    #[test]
    fn a_key_is_known_by_its_name_only_if_it_is_the_whole_key() {
        let bot = Caller { name: "bot".into(), role: Role::Call };
        assert_eq!(keys().caller_of(b"k3y-of-the-bot"), Some(&bot));
        for wrong in ["", "k3y-of-the-bo", "k3y-of-the-bott", "K3y-of-the-bot", "bot"] {
            assert_eq!(keys().caller_of(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn an_operator_can_show_the_key_in_three_ways() {
        assert_eq!(name_in("x-api-key", "pass:word").as_deref(), Some("operator"));
        assert_eq!(name_in("authorization", "bearer k3y-of-the-bot").as_deref(), Some("bot"));
        let basic = format!("Basic {}", STANDARD.encode("anybody:pass:word"));
        assert_eq!(name_in("authorization", &basic).as_deref(), Some("operator"));
        for wrong in [
            "Bearer",
            "Bearer x",
            "Basic x",
            "Basic cGFzcw==",
            "Digest k3y-of-the-bot",
            "k3y-of-the-bot",
        ] {
            assert_eq!(name_in("authorization", wrong), None, "{wrong}");
        }
    }
}
