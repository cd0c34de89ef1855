//! Who may ask: keys, compared so that the time it takes says nothing of them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use tokio::sync::watch;
use warp::http::header::AUTHORIZATION;
use warp::http::{HeaderMap, StatusCode};
use warp::reply::Response;

use super::reply;
use crate::config::{ApiKey, Role};

/// Who asks, as far as the key tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The key's name.
    pub name: Arc<str>,
    /// What may be done with it.
    pub role: Role,
}

impl Caller {
    /// Nothing, if calls may be placed and hung up with this key; else the 403.
    pub fn may_call(&self) -> Option<Response> {
        let refusal = || reply::error(StatusCode::FORBIDDEN, "this key may look at calls, not place or hang them up");
        (self.role == Role::Watch).then(refusal)
    }
}

/// The known keys. Only their digests are kept, all of one length whatever the keys' lengths are.
pub struct Keys(Vec<(Caller, [u8; 32])>);

impl Keys {
    /// Takes in the configured keys.
    pub fn new(keys: &[ApiKey]) -> Self {
        let caller = |key: &ApiKey| Caller { name: key.name.clone(), role: key.role };
        Self(keys.iter().map(|key| (caller(key), digest(key.key.expose_secret().as_bytes()))).collect())
    }

    /// Whose key `given` is. Takes as long for any key, right or wrong.
    pub fn caller_of(&self, given: &[u8]) -> Option<&Caller> {
        let given = digest(given);
        let mut found = u32::MAX;
        for (index, (_, known)) in (0u32..).zip(&self.0) {
            let same: Choice = known.ct_eq(&given);
            found.conditional_assign(&index, same);
        }
        self.0.get(found as usize).map(|(caller, _)| caller)
    }

    /// Whose key is in an operator's request: `Authorization: Bearer`, `X-Api-Key`, or the password of HTTP Basic.
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

/// Lets in who has a key, and keeps count of who has none.
pub struct Door {
    keys: watch::Sender<Arc<Keys>>,
    wrong: Mutex<Wrong>,
}

/// Wrong keys since the last line about them.
#[derive(Default)]
struct Wrong {
    count: u64,
    logged: Option<Instant>,
}

impl Door {
    /// A door for these keys.
    pub fn new(keys: Keys) -> Self {
        Self { keys: watch::Sender::new(Arc::new(keys)), wrong: Mutex::default() }
    }

    /// Takes new keys in place of the old ones.
    pub fn replace(&self, keys: Keys) {
        self.keys.send_replace(Arc::new(keys));
    }

    /// See [`Keys::caller_of`].
    pub fn caller_of(&self, given: &[u8]) -> Option<Caller> {
        let caller = self.keys.borrow().caller_of(given).cloned();
        self.counted(caller)
    }

    /// See [`Keys::caller_in`].
    pub fn caller_in(&self, headers: &HeaderMap) -> Option<Caller> {
        let caller = self.keys.borrow().caller_in(headers).cloned();
        self.counted(caller)
    }

    /// Returns once the key in these headers is no longer one of ours.
    pub fn revoked(&self, headers: HeaderMap) -> impl Future<Output = ()> + Send + use<> {
        let mut keys = self.keys.subscribe();
        async move {
            // The sender going means that the daemon ends, and with it whoever waits here.
            let _ = keys.wait_for(|keys| keys.caller_in(&headers).is_none()).await;
        }
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

fn digest(key: &[u8]) -> [u8; 32] {
    Sha256::digest(key).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        let key = |name: &str, key: &str, role| ApiKey { name: name.into(), key: key.to_owned().into(), role };
        Keys::new(&[key("bot", "k3y-of-the-bot", Role::Call), key("operator", "pass:word", Role::Watch)])
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
        for wrong in ["Bearer", "Bearer x", "Basic x", "Basic cGFzcw==", "Digest k3y-of-the-bot", "k3y-of-the-bot"] {
            assert_eq!(name_in("authorization", wrong), None, "{wrong}");
        }
    }
}
