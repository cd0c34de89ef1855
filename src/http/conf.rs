//! `POST /api/conf`: the endpoint of the original API, to the byte.
//!
//! The order of the checks is the original's: method, media type, body, key, fields. Bots look for
//! the word `error` in the answer's text, so every refusal holds it and no success does.

#![allow(clippy::result_large_err, reason = "a refusal is a reply like any other, and moved once")]

use std::sync::Arc;
use std::time::SystemTime;

use bytes::{Buf, Bytes};
use futures_util::Stream;
use serde_json::json;
use tokio::time::{Instant, timeout_at};
use tracing::Span;
use tracing::field::display;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::http::header::{HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use warp::http::{HeaderMap, Method, StatusCode};
use warp::reply::Response;

use super::places::Place;
use super::{Api, at, body, reply, with};
use crate::call::refusal::Limit;
use crate::call::{CallId, Refusal};
use crate::engine::request::{AskError, OriginateError, Request};
use crate::record::Event;

/// What a call's own path begins with.
const CALLS: &str = "/api/calls/";

/// The header that names a call.
const CALL_ID: HeaderName = HeaderName::from_static("x-call-id");

/// The methods of this path.
const ALLOWED: &str = "OPTIONS, POST";

/// The route.
pub(super) fn route(api: Arc<Api>) -> BoxedFilter<(Response,)> {
    at("/api/conf")
        .and(with(api))
        .and(warp::method())
        .and(warp::ext::get())
        .and(warp::header::headers_cloned())
        .and(warp::body::stream())
        .then(|api: Arc<Api>, method, place, headers, body| async move {
            match answer(&api, method, place, headers, body, Instant::now()).await {
                Ok(response) | Err(response) => response,
            }
        })
        .boxed()
}

/// The answer, as `Ok` or, on the way there, as `Err`.
async fn answer(
    api: &Api,
    method: Method,
    place: Place,
    headers: HeaderMap,
    body: impl Stream<Item = Result<impl Buf, warp::Error>>,
    arrived: Instant,
) -> Result<Response, Response> {
    let give_up = arrived + api.reply_timeout;
    if method != Method::POST {
        return Err(reply::other_method(&method, ALLOWED));
    }
    body::check_type(&headers)?;
    let late = |_| reply::error(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time");
    let body = timeout_at(give_up, body::read(&headers, body)).await.map_err(late)??;
    let request = body::parse(&api.door, &api.default_lang, &api.numbering, &body)?;
    let _served = place.serve();
    let key = request.key.clone();
    // The engine gives up a little earlier and knows more; this is for an engine that is held up
    // itself.
    let answer = match timeout_at(give_up, api.handle.originate(request)).await {
        Ok(Ok(id)) => {
            api.journal.metrics().receipt(arrived.elapsed());
            Ok(accepted(id))
        }
        Ok(Err(error)) => Err(unmade(api, error)),
        Err(_) => Err(reply::error(
            StatusCode::GATEWAY_TIMEOUT,
            "no answer in time; the call may still be made",
        )),
    };
    let noted = |response| reply::asked_by(&key, response);
    answer.map(noted).map_err(noted)
}

/// Why there is no "ok".
fn unmade(api: &Api, error: OriginateError) -> Response {
    match error {
        OriginateError::Refused(refusal) => refused(&refusal),
        OriginateError::Unconfirmed(id) => {
            let mut response = reply::error(StatusCode::GATEWAY_TIMEOUT, error.to_string());
            insert_id(&mut response, id);
            response
        }
        OriginateError::NotAsked(error, request) => refused(&log_unasked(api, error, *request)),
    }
}

/// Tells the log of a call that the engine was not asked for.
fn log_unasked(api: &Api, error: AskError, request: Request) -> Refusal {
    let refusal = match error {
        AskError::Overloaded => Refusal::Overloaded,
        AskError::Stopping => Refusal::Stopping,
    };
    let now = SystemTime::now();
    let call = Some(Arc::new(request.into_info(CallId::new(now, fastrand::u128(..)))));
    let events = [Event::CallRequested, Event::CallRefused(refusal.clone())];
    api.journal.append(events.map(|event| (now, event, call.clone())));
    refusal
}

fn accepted(id: CallId) -> Response {
    let mut response = reply::ok();
    insert_id(&mut response, id);
    response
}

fn insert_id(response: &mut Response, id: CallId) {
    Span::current().record("call_id", display(id));
    let location = Bytes::from(format!("{CALLS}{id}"));
    let id = location.slice(CALLS.len()..);
    // An id is letters, digits and "-".
    for (name, value) in [(LOCATION, location), (CALL_ID, id)] {
        if let Ok(value) = HeaderValue::from_maybe_shared(value) {
            response.headers_mut().insert(name, value);
        }
    }
}

fn refused(refusal: &Refusal) -> Response {
    let status = match refusal {
        Refusal::InProgress { by } => return in_progress(*by),
        Refusal::NotAllowed { .. } => StatusCode::FORBIDDEN,
        Refusal::Limited(limit) => return limited(limit),
        Refusal::LinkDown(_) | Refusal::Overloaded | Refusal::Stopping => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        Refusal::Rejected(_) => StatusCode::BAD_GATEWAY,
    };
    reply::error(status, refusal.to_string())
}

/// The original's answer; in a header, which its bots do not read, the call that has the number, if
/// it is one of ours.
fn in_progress(by: Option<CallId>) -> Response {
    let body = json!({ "message": "error", "text": "call already in progress" });
    let mut response = reply::json(StatusCode::OK, &body);
    if let Some(Ok(id)) = by.map(|id| HeaderValue::from_maybe_shared(Bytes::from(id.to_string()))) {
        response.headers_mut().insert(CALL_ID, id);
    }
    response
}

fn limited(limit: &Limit) -> Response {
    // Whole seconds, and never 0, which would mean at once.
    let seconds = limit.retry_after.as_secs_f64().ceil().max(1.0) as u64;
    let body =
        json!({ "error": limit.to_string(), "limit": limit.name, "retry_after_seconds": seconds });
    let mut response = reply::json(StatusCode::TOO_MANY_REQUESTS, &body);
    response.headers_mut().insert(RETRY_AFTER, seconds.into());
    response
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, stream};
    use tokio::sync::{mpsc, watch};
    use warp::http::header::CONTENT_TYPE;

    use super::*;
    use crate::call::limits::Policy;
    use crate::config::Config;
    use crate::handle::{Command, Handle};
    use crate::http::places::Places;
    use crate::journal::Journal;
    use crate::record::Entry;

    const CONFIG: &str = "[[api_keys]]\nname = 'bot'\nkey = 'k3y-of-the-bot'\n\
                          [[asterisk]]\naddress = '127.0.0.1:5038'\nusername = 'me'\nsecret = 's3cret'\n";

    const BODY: &str =
        r#"{"api_key":"k3y-of-the-bot","phone_number":"7999","room_name":"R1","caller_id":"Bob"}"#;

    #[tokio::test]
    async fn who_finds_the_queue_full_or_closed_is_refused_at_once_and_in_the_log() {
        let config = Config::parse(CONFIG, std::path::Path::new("")).expect("a good file");
        let (commands, mut queue) = mpsc::channel(1);
        commands.try_send(Command::Stop).expect("a place");
        let (_ready, seen) = watch::channel(Ok(()));
        let journal = Journal::new(10, 1, 7, false);
        let api = Api::new(
            Handle::new(commands, seen, watch::channel(Policy::default()).0),
            journal.clone(),
            &config,
            1,
        );
        let places = Places::new(1);
        let mut log = journal.follow();
        for reason in ["overloaded", "stopping"] {
            let headers = HeaderMap::from_iter([(
                CONTENT_TYPE,
                HeaderValue::from_static("application/json"),
            )]);
            let body = stream::iter([Ok(Bytes::from_static(BODY.as_bytes()))]);
            let place = places.take().await;
            let reply = answer(&api, Method::POST, place, headers, body, Instant::now())
                .await
                .expect_err("a refusal");
            assert_eq!(reply.status(), StatusCode::SERVICE_UNAVAILABLE);
            let told: Vec<_> =
                log.next_batch().now_or_never().expect("records").iter().map(told).collect();
            assert_eq!(
                told,
                ["call.requested of +7999", &format!("call.refused of +7999: {reason}")]
            );
            queue.close();
        }
    }

    fn told(entry: &Entry) -> String {
        let Entry::Record(record) = entry else { panic!("{entry:?}") };
        let number = record.call.as_ref().map(|call| call.number.to_string()).unwrap_or_default();
        match &record.event {
            Event::CallRefused(refusal) => format!("call.refused of {number}: {}", refusal.code()),
            event => format!("{} of {number}", event.name()),
        }
    }
}
