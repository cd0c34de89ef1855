//! How long a connection may be idle between two requests, and what clients are told of it.
//!
//! A client that sends a request at the very moment at which the daemon closes the connection gets
//! no answer, and must not send a POST again. A proxy does not ask how long we wait: nginx keeps
//! idle connections for 60 s. So a connection that was served for a valid key stays open for longer
//! than that, and each reply says for how long (`Keep-Alive: timeout=`), less `MARGIN`. A
//! connection without a key is closed soon, as ever: it costs an attacker nothing, and the daemon
//! an open file.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::Version;
use hyper::rt::{Sleep, Timer};
use hyper_util::rt::TokioTimer;
use warp::http::HeaderMap;
use warp::http::header::{CONNECTION, HeaderName, HeaderValue};

use super::places::Place;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// How much longer a connection is kept than clients are told: for a request that was sent in time
/// to arrive.
pub const MARGIN: Duration = Duration::from_secs(5);

/// hyper's timer of one connection, which it uses for nothing but the wait for a request's headers.
/// hyper takes one limit for all of them; this timer knows by the time it is set whether the
/// connection was served for a key.
#[derive(Clone)]
pub struct IdleTimer(Arc<Shared>);

struct Shared {
    place: Place,
    unknown: Limit,
    known: Limit,
}

/// How long a connection may be idle, and the header that says so.
struct Limit {
    time: Duration,
    told: HeaderValue,
}

impl Limit {
    fn new(time: Duration) -> Self {
        let told = format!("timeout={}", time.saturating_sub(MARGIN).as_secs());
        // It is letters, digits and `=`.
        Self {
            time,
            told: HeaderValue::from_maybe_shared(Bytes::from(told))
                .unwrap_or(HeaderValue::from_static("")),
        }
    }
}

impl IdleTimer {
    /// The timer of the connection that holds this place: `patience` without a key, `keep_alive`
    /// and `MARGIN` with one.
    pub fn new(place: Place, patience: Duration, keep_alive: Duration) -> Self {
        let (unknown, known) = (Limit::new(patience), Limit::new(keep_alive + MARGIN));
        Self(Arc::new(Shared { place, unknown, known }))
    }

    /// How long the connection may be idle as of now.
    pub fn limit(&self) -> Duration {
        self.now_valid().time
    }

    /// Says in a reply how long the connection stays open after it. An event stream says that it is
    /// the last reply.
    pub fn announce(&self, headers: &mut HeaderMap) {
        if !headers.contains_key(CONNECTION) {
            headers.insert(CONNECTION, HeaderValue::from_static("keep-alive"));
            headers.insert(KEEP_ALIVE, self.now_valid().told.clone());
        }
    }

    fn now_valid(&self) -> &Limit {
        if self.0.place.is_known() { &self.0.known } else { &self.0.unknown }
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
pub fn is_wanted(version: Version, headers: &HeaderMap) -> bool {
    let mut options = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    let mut says =
        |option: &[u8]| options.any(|given| given.trim_ascii().eq_ignore_ascii_case(option));
    if version == Version::HTTP_10 { says(b"keep-alive") } else { !says(b"close") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::places::Places;

    #[tokio::test]
    async fn a_connection_with_a_key_stays_open_longer_and_says_so() {
        let [patience, keep_alive] = [10, 75].map(Duration::from_secs);
        let place = Places::new(1).take().await;
        let timer = IdleTimer::new(place.clone(), patience, keep_alive);
        let told = || {
            let mut headers = HeaderMap::new();
            timer.announce(&mut headers);
            headers[KEEP_ALIVE].to_str().expect("text").to_owned()
        };
        assert_eq!((timer.limit(), told()), (patience, "timeout=5".to_owned()));
        drop(place.serve());
        assert_eq!((timer.limit(), told()), (keep_alive + MARGIN, "timeout=75".to_owned()));
        let mut last = HeaderMap::from_iter([(CONNECTION, HeaderValue::from_static("close"))]);
        timer.announce(&mut last);
        assert_eq!(last.len(), 1);
    }

    #[test]
    fn clients_say_whether_they_will_send_more() {
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
                is_wanted(version, &value.into_iter().collect()),
                expected,
                "{version:?} {connection:?}"
            );
        }
    }
}
