//! API keys, compared so that the time of a comparison reveals nothing about them.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use warp::http::HeaderMap;
use warp::http::header::AUTHORIZATION;

use super::{Digest, digest};
use crate::http::error::ApiError;
use originatord_core::call::RoomPatterns;

/// An entry of `[[api_keys]]`.
#[derive(Debug)]
pub struct ApiKey {
    /// The name in records and log lines, where the key itself never appears.
    pub name: Arc<str>,
    /// The shared secret.
    pub key: SecretString,
    /// The rights of the key.
    pub role: Role,
    /// The rooms to which these rights extend.
    pub rooms: RoomPatterns,
}

/// The rights of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Place calls, see all calls, and hang them up.
    Call,
    /// See all calls.
    Watch,
}

/// The holder of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The key's name.
    pub name: Arc<str>,
    /// The key's rights.
    pub role: Role,
    /// The rooms to which these rights extend.
    pub rooms: RoomPatterns,
}

impl Caller {
    /// Refuses a key that cannot place and hang up calls.
    pub fn require_call_role(&self) -> Result<(), ApiError> {
        match self.role {
            Role::Call => Ok(()),
            Role::Watch => Err(ApiError::WatchOnly),
        }
    }

    /// Refuses a key that is limited to some rooms, where the answer is about all of them.
    pub fn require_all_rooms(&self) -> Result<(), ApiError> {
        if self.rooms.is_all() { Ok(()) } else { Err(ApiError::SomeRooms) }
    }
}

/// The configured keys. Only their digests are kept: these have one length, so a comparison does
/// not tell the length of a key.
pub struct Keys(Vec<(Caller, Digest)>);

impl Keys {
    /// Digests the configured keys.
    pub fn new(keys: &[ApiKey]) -> Self {
        let caller = |key: &ApiKey| {
            let ApiKey { name, role, rooms, .. } = key;
            Caller { name: name.clone(), role: *role, rooms: rooms.clone() }
        };
        Self(
            keys.iter()
                .map(|key| (caller(key), digest(key.key.expose_secret().as_bytes())))
                .collect(),
        )
    }

    /// The holder of this key. Takes the same time for any key, right or wrong.
    pub fn find(&self, key: &[u8]) -> Option<&Caller> {
        self.find_digest(&digest(key))
    }

    /// The holder of the key with this digest. Takes the same time for any digest.
    pub fn find_digest(&self, given: &Digest) -> Option<&Caller> {
        let mut found = u32::MAX;
        for (index, (_, known)) in (0u32..).zip(&self.0) {
            let same: Choice = known.ct_eq(given);
            found.conditional_assign(&index, same);
        }
        self.0.get(found as usize).map(|(caller, _)| caller)
    }

    /// The holder of the key in an operator's request: `X-Api-Key`, `Authorization: Bearer`, or the
    /// password of HTTP Basic.
    pub fn find_in(&self, headers: &HeaderMap) -> Option<&Caller> {
        if let Some(key) = headers.get("x-api-key") {
            return self.find(key.as_bytes());
        }
        let (scheme, credentials) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
        if scheme.eq_ignore_ascii_case("bearer") {
            self.find(credentials.trim().as_bytes())
        } else if scheme.eq_ignore_ascii_case("basic") {
            let decoded = STANDARD.decode(credentials.trim()).ok()?;
            let colon = decoded.iter().position(|byte| *byte == b':')?;
            self.find(&decoded[colon + 1..])
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        let key = |name: &str, key: &str, role| ApiKey {
            name: name.into(),
            key: key.to_owned().into(),
            role,
            rooms: RoomPatterns::default(),
        };
        Keys::new(&[
            key("bot", "k3y-of-the-bot", Role::Call),
            key("operator", "pass:word", Role::Watch),
        ])
    }

    fn name_in(name: &'static str, value: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().expect("a header value"));
        keys().find_in(&headers).map(|caller| caller.name.to_string())
    }

    #[test]
    fn only_the_whole_key_finds_its_holder() {
        let rooms = RoomPatterns::default();
        let bot = Caller { name: "bot".into(), role: Role::Call, rooms };
        assert_eq!(keys().find(b"k3y-of-the-bot"), Some(&bot));
        for wrong in ["", "k3y-of-the-bo", "k3y-of-the-bott", "K3y-of-the-bot", "bot"] {
            assert_eq!(keys().find(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn operators_send_the_key_in_three_ways() {
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
