//! How long a connection can be idle between two requests, and the `Keep-Alive` header about it.
//!
//! A client that sends a request at the very moment at which the daemon closes the connection gets
//! no response, and must not send a POST again. Proxies do not read how long the daemon waits: nginx
//! keeps idle connections for 60 s. So a connection on which a valid key was shown stays open for
//! longer than that, and each response has `Keep-Alive: timeout=`, with `MARGIN` less. The daemon
//! closes a connection without a key after `client_timeout`: an idle connection costs an attacker
//! nothing, and the daemon an open file.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::Version;
use hyper::rt::{Sleep, Timer};
use hyper_util::rt::TokioTimer;
use warp::http::HeaderMap;
use warp::http::header::{CONNECTION, HeaderName, HeaderValue};

use super::connection_limiter::Slot;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// Difference between the real limit and the one in `Keep-Alive`, so that a request which was sent
/// in time also arrives in time.
pub(super) const MARGIN: Duration = Duration::from_secs(5);

/// The timer that one hyper connection uses for its wait for a request's headers. hyper takes one
/// limit for all requests of a connection. This timer ignores that limit, and chooses its own each
/// time it is set, depending on whether a valid key was shown until then.
#[derive(Clone)]
pub(super) struct IdleTimer(Arc<Shared>);

struct Shared {
    slot: Slot,
    unknown: Limit,
    known: Limit,
}

/// How long a connection can be idle, and the value of `Keep-Alive` for it.
struct Limit {
    time: Duration,
    header: HeaderValue,
}

impl Limit {
    fn new(time: Duration) -> Self {
        let header = format!("timeout={}", time.saturating_sub(MARGIN).as_secs());
        // Letters, digits and `=` are always a valid value.
        Self {
            time,
            header: HeaderValue::from_maybe_shared(Bytes::from(header))
                .unwrap_or(HeaderValue::from_static("")),
        }
    }
}

impl IdleTimer {
    /// The timer of the connection that holds this slot: `client_timeout` without a key, `keep_alive`
    /// and `MARGIN` with one.
    pub(super) fn new(slot: Slot, client_timeout: Duration, keep_alive: Duration) -> Self {
        let (unknown, known) = (Limit::new(client_timeout), Limit::new(keep_alive + MARGIN));
        Self(Arc::new(Shared { slot, unknown, known }))
    }

    /// How long the connection can be idle from now on.
    pub(super) fn limit(&self) -> Duration {
        self.current().time
    }

    /// Adds `Keep-Alive` to a response. An event stream has `Connection: close` already, as it is
    /// the last response.
    pub(super) fn announce(&self, headers: &mut HeaderMap) {
        if !headers.contains_key(CONNECTION) {
            headers.insert(CONNECTION, HeaderValue::from_static("keep-alive"));
            headers.insert(KEEP_ALIVE, self.current().header.clone());
        }
    }

    fn current(&self) -> &Limit {
        if self.0.slot.is_known() { &self.0.known } else { &self.0.unknown }
    }
}

impl Timer for IdleTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        TokioTimer::new().sleep(duration)
    }

    fn sleep_until(&self, _: Instant) -> Pin<Box<dyn Sleep>> {
        TokioTimer::new().sleep_until(self.now() + self.limit())
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn Sleep>>, _: Instant) {
        TokioTimer::new().reset(sleep, self.now() + self.limit());
    }
}

/// Whether the client wants to send another request on the same connection.
pub(super) fn keeps_alive(version: Version, headers: &HeaderMap) -> bool {
    let mut options = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    let mut has =
        |option: &[u8]| options.any(|given| given.trim_ascii().eq_ignore_ascii_case(option));
    if version == Version::HTTP_10 { has(b"keep-alive") } else { !has(b"close") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::connection_limiter::ConnectionLimiter;

    #[tokio::test]
    async fn valid_key_keeps_the_connection_open_longer() {
        let [client_timeout, keep_alive] = [10, 75].map(Duration::from_secs);
        let slot = ConnectionLimiter::new(1).take().await;
        let timer = IdleTimer::new(slot.clone(), client_timeout, keep_alive);
        let header = || {
            let mut headers = HeaderMap::new();
            timer.announce(&mut headers);
            headers[KEEP_ALIVE].to_str().expect("text").to_owned()
        };
        assert_eq!((timer.limit(), header()), (client_timeout, "timeout=5".to_owned()));
        drop(slot.activate());
        assert_eq!((timer.limit(), header()), (keep_alive + MARGIN, "timeout=75".to_owned()));
        let mut last = HeaderMap::from_iter([(CONNECTION, HeaderValue::from_static("close"))]);
        timer.announce(&mut last);
        assert_eq!(last.len(), 1);
    }

    #[test]
    fn connection_header_decides_about_keep_alive() {
        let rows = [
            (Version::HTTP_11, None, true),
            (Version::HTTP_11, Some("upgrade, Close"), false),
            (Version::HTTP_11, Some("closed"), true),
            (Version::HTTP_10, None, false),
            (Version::HTTP_10, Some("TE , Keep-Alive"), true),
        ];
        for (version, connection, expected) in rows {
            let value = connection.map(|value| (CONNECTION, HeaderValue::from_static(value)));
            assert_eq!(
                keeps_alive(version, &value.into_iter().collect()),
                expected,
                "{version:?} {connection:?}"
            );
        }
    }
}
