//! `GET /api/events`: the live log as server-sent events.
//!
//! Each event's id is `<boot>-<seq>`, where `boot` tells this run of the daemon from others: a reader who comes
//! back after a restart is told that something is missing, and not given other records of the same number.

use std::convert::Infallible;
use std::sync::Arc;

use futures_util::{Stream, StreamExt, stream};
use warp::filters::BoxedFilter;
use warp::filters::sse::{self, Event};
use warp::http::header::{HeaderName, HeaderValue};
use warp::http::{HeaderMap, Method, StatusCode};
use warp::reply::Response;
use warp::{Filter, Reply};

use super::places::Place;
use super::{Api, at, reply, with};
use crate::journal::{Entry, Reader};

/// The route.
pub(super) fn route(api: Arc<Api>) -> BoxedFilter<(Response,)> {
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    at("/api/events")
        .and(with(api))
        .and(warp::method())
        .and(warp::ext::get())
        .and(warp::header::headers_cloned())
        .and(query)
        .then(|api: Arc<Api>, method: Method, place: Place, headers: HeaderMap, query: String| async move {
            if method != Method::GET {
                return reply::other_method(&method, "GET, OPTIONS");
            }
            let Some(caller) = api.door.caller_in(&headers) else { return reply::unauthorized(&headers) };
            let Ok((reader, start)) = reader(&api, &headers, &query) else {
                let text = "since, or Last-Event-ID, must be a record's number or an event's id";
                return reply::asked_by(&caller.name, reply::error(StatusCode::BAD_REQUEST, text));
            };
            let Ok(permit) = api.streams.clone().try_acquire_owned() else {
                let full = reply::error(StatusCode::SERVICE_UNAVAILABLE, "too many event streams");
                return reply::asked_by(&caller.name, full);
            };
            let boot = api.journal.boot();
            let start = start.map(|seq| Ok(Event::default().id(format!("{boot}-{seq}"))));
            // Both are given back when the stream is dropped.
            let held = (permit, place.serve());
            let revoked = async move { api.door.revoked(&headers).await };
            let events = entries(reader).take_until(Box::pin(revoked)).map(move |entry| {
                let _held = &held;
                Ok::<_, Infallible>(event(boot, &entry))
            });
            let events = stream::iter(start).chain(events);
            let mut response = sse::reply(sse::keep_alive().stream(events)).into_response();
            let headers = response.headers_mut();
            headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
            headers.insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
            reply::asked_by(&caller.name, response)
        })
        .boxed()
}

struct NotAPosition;

/// A reader from where the client wants to read on: after `Last-Event-ID`, after `?since=`, or from now; then with the
/// `seq` before it, to be told at once: who loses the connection before the first record has to know where it was.
fn reader(api: &Api, headers: &HeaderMap, query: &str) -> Result<(Reader, Option<u64>), NotAPosition> {
    let last = headers.get("last-event-id").map(|id| id.to_str().map_err(|_| NotAPosition)).transpose()?;
    let since = query.split('&').find_map(|pair| pair.strip_prefix("since="));
    let Some(position) = last.filter(|id| !id.is_empty()).or(since) else {
        let reader = api.journal.follow();
        let start = reader.position();
        return Ok((reader, Some(start)));
    };
    let number = |text: &str| text.parse::<u64>().ok().filter(|n| *n < u64::MAX).ok_or(NotAPosition);
    let reader = match position.split_once('-') {
        Some((boot, seq)) => api.journal.after(Some(number(boot)?), number(seq)?),
        None => api.journal.after(None, number(position)?),
    };
    Ok((reader, None))
}

fn entries(reader: Reader) -> impl Stream<Item = Entry> + Send + Sync {
    stream::unfold(reader, |mut reader| async move {
        let batch = reader.next_batch().await;
        (!batch.is_empty()).then(|| (stream::iter(batch), reader))
    })
    .flatten()
}

fn event(boot: u64, entry: &Entry) -> Event {
    let data = serde_json::to_string(entry).unwrap_or_default();
    match entry {
        Entry::Record(record) => {
            Event::default().event(record.event.name()).id(format!("{boot}-{}", record.seq)).data(data)
        }
        Entry::Gap(_) => Event::default().event("gap").data(data),
    }
}
