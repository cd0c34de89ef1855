//! Authentication: API keys, and the sessions of the operators' page, which are opened with keys.

mod keys;
mod rooms_of_client;
pub mod sessions;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use tokio::time::timeout_at;
use warp::http::HeaderMap;
use warp::http::header::{AUTHORIZATION, COOKIE, HOST, ORIGIN};

pub use self::keys::{ApiKey, Caller, Keys, Role};
pub use self::rooms_of_client::RoomsOfClient;
use self::sessions::{Session, Sessions, Token};
use super::error::ApiError;

/// SHA-256 of a key or of a session's token. The secret itself is not kept.
pub type Digest = [u8; 32];

/// Shortest time between two log lines about wrong keys, so that guessing does not fill the log.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// The header that the page sends with each request. A browser lets another site's page send it
/// only after a preflight request (CORS), and the daemon answers none of these with permission.
const PAGE_HEADER: &str = "x-requested-with";

/// Authenticates requests by a key or a session, and counts the failures.
pub struct Authenticator {
    /// The keys. Receivers are also notified when a session is closed, as event streams wait for
    /// both.
    keys: watch::Sender<Arc<Keys>>,
    sessions: Mutex<Sessions>,
    cookie: String,
    failures: Mutex<Failures>,
}

/// Failures since the last log line about them.
#[derive(Default)]
struct Failures {
    count: u64,
    logged: Option<Instant>,
}

impl Authenticator {
    /// An authenticator with these keys, for the daemon that listens on this address. The port is
    /// part of the cookie's name, as browsers send the cookies of a host to all its ports.
    pub fn new(keys: Keys, listen: SocketAddr) -> Self {
        Self {
            keys: watch::Sender::new(Arc::new(keys)),
            sessions: Mutex::default(),
            cookie: format!("originatord-{}", listen.port()),
            failures: Mutex::default(),
        }
    }

    /// Replaces all keys, and ends the sessions of keys that are no longer configured.
    pub fn replace_keys(&self, keys: Keys) {
        self.sessions().retain_keys(|key| keys.find_digest(key).is_some());
        self.keys.send_replace(Arc::new(keys));
    }

    /// The holder of this key. An unknown key is counted as a failure.
    pub fn find(&self, key: &[u8]) -> Option<Caller> {
        let caller = self.keys.borrow().find(key).cloned();
        if caller.is_none() {
            self.record_failure();
        }
        caller
    }

    /// Authenticates a request that only reads, by the key in its headers or else by its session.
    pub fn authenticate(&self, headers: &HeaderMap) -> Result<Caller, ApiError> {
        self.identify_or_refuse(headers).map(|(caller, _)| caller)
    }

    /// Authenticates a request that changes something. With a session, the request must come from
    /// the daemon's own page.
    pub fn authorize_write(&self, headers: &HeaderMap) -> Result<Caller, ApiError> {
        let (caller, session) = self.identify_or_refuse(headers)?;
        if session.is_some() && !is_same_origin(headers) {
            return Err(ApiError::CrossOrigin);
        }
        Ok(caller)
    }

    /// Finds the sender of a request, and the session if the request used one. Counts no failures. A
    /// key in the headers, right or wrong, decides alone; the session is used only without a key.
    pub fn identify(&self, headers: &HeaderMap) -> Option<(Caller, Option<Session>)> {
        let keys = self.keys.borrow();
        if headers.contains_key("x-api-key") || headers.contains_key(AUTHORIZATION) {
            return keys.find_in(headers).map(|caller| (caller.clone(), None));
        }
        let session = self.sessions().find(Instant::now(), self.token_in(headers)?)?;
        keys.find_digest(&session.key).map(|caller| (caller.clone(), Some(session)))
    }

    fn identify_or_refuse(
        &self,
        headers: &HeaderMap,
    ) -> Result<(Caller, Option<Session>), ApiError> {
        self.identify(headers).ok_or_else(|| {
            self.record_failure();
            unauthorized(headers)
        })
    }

    /// Opens a session with this key; none if the key is unknown.
    ///
    /// # Errors
    ///
    /// The system has no random bytes.
    pub fn open_session(&self, key: &[u8]) -> Result<Option<(Caller, Token)>, getrandom::Error> {
        let Some(caller) = self.find(key) else { return Ok(None) };
        let token = self.sessions().open(Instant::now(), digest(key))?;
        Ok(Some((caller, token)))
    }

    /// Ends the session in these headers and the event streams that were opened with it.
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

    /// Returns once these headers no longer authenticate: the key was removed, or the session ended.
    pub async fn wait_until_revoked(&self, headers: &HeaderMap) {
        let mut keys = self.keys.subscribe();
        while let Some((_, session)) = self.identify(headers) {
            match session {
                None => _ = keys.changed().await,
                Some(session) => _ = timeout_at(session.ends.into(), keys.changed()).await,
            }
        }
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

    /// The lock is never left poisoned for long: a panic ends the process.
    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record_failure(&self) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.count += 1;
        if failures.logged.is_none_or(|logged| logged.elapsed() >= LOG_EVERY) {
            tracing::warn!(count = failures.count, "requests with a wrong key, or none");
            *failures = Failures { count: 0, logged: Some(Instant::now()) };
        }
    }
}

/// Whether the daemon's own page sent the request, and not another site's page in a browser that
/// has the session cookie. `PAGE_HEADER` proves it. As a second check, the origin must match if the
/// browser sent one.
pub fn is_same_origin(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let is_own_origin = match (text("sec-fetch-site"), text(ORIGIN.as_str())) {
        (Some(site), _) => site == "same-origin",
        (None, Some(origin)) => {
            origin.split_once("://").map(|(_, host)| host) == text(HOST.as_str())
        }
        (None, None) => true,
    };
    headers.contains_key(PAGE_HEADER) && is_own_origin
}

/// The refusal of an operator's request without a valid key. The page has a form for the key, so
/// its requests get no challenge: the browser would open a login window.
pub fn unauthorized(headers: &HeaderMap) -> ApiError {
    ApiError::Unauthorized { challenge: !headers.contains_key(PAGE_HEADER) }
}

fn digest(key: &[u8]) -> Digest {
    Sha256::digest(key).into()
}
