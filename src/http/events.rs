//! `GET /api/events`: the live log as server-sent events.
//!
//! Each event's id is `<run_id>-<seq>`, where `run_id` tells this run of the daemon from others: a
//! reader who comes back after a restart is told that something is missing, and not given other
//! records of the same number.

use std::convert::Infallible;
use std::sync::Arc;

use futures_util::{Stream, StreamExt, stream};
use tokio::time::{Duration, timeout};
use warp::Reply;
use warp::http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue};
use warp::reply::Response;

use super::Api;
use super::endpoint::{ApiRequest, Authenticated};
use super::error::ApiError;
use crate::journal::Reader;
use crate::record::Entry;

/// How long nothing may be said, so that no proxy takes the stream for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// An empty comment.
const KEPT_ALIVE: &str = ":\n\n";

/// `GET /api/events`
pub async fn follow(
    request: ApiRequest,
    Authenticated { caller, active }: Authenticated,
) -> Result<Response, ApiError> {
    let (reader, start) = reader(&request)?;
    let ApiRequest { api, headers, slot, .. } = request;
    let slot =
        api.streams.take(&caller.name, slot.eviction_token()).ok_or(ApiError::TooManyStreams)?;
    let run_id = api.journal().run_id();
    let start = start.map(|seq| Ok(format!("id:{run_id}-{seq}\n\n")));
    // Both are given back when the stream is dropped.
    let held = (slot, active.for_stream());
    let authenticator = api.clone();
    let revoked = async move { authenticator.authenticator.revoked(&headers).await };
    let chunks = chunks(api, reader).take_until(Box::pin(revoked)).map(move |chunk| {
        let _held = &held;
        Ok::<_, Infallible>(chunk)
    });
    let mut response = warp::reply::stream(stream::iter(start).chain(chunks)).into_response();
    for (name, value) in [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-cache"),
        // The daemon no longer reads what comes on this connection.
        (CONNECTION, "close"),
        (HeaderName::from_static("x-accel-buffering"), "no"),
        (HeaderName::from_static("x-content-type-options"), "nosniff"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

/// Why no stream begins.
#[derive(Debug, thiserror::Error)]
pub enum BadPosition {
    /// It is neither a number nor an id.
    #[error("since, or Last-Event-ID, must be a record's number or an event's id")]
    NotAPosition,
    /// To ignore it would send other records than are asked for.
    #[error("{0:?} cannot be asked for; known is since")]
    Unknown(String),
    /// Which of them is meant?
    #[error("since is given twice")]
    Twice,
}

/// The value of `since`, the only parameter there is.
fn since(parameters: Vec<(String, String)>) -> Result<Option<String>, BadPosition> {
    if let Some((unknown, _)) = parameters.iter().find(|(name, _)| name != "since") {
        return Err(BadPosition::Unknown(unknown.chars().take(32).collect()));
    }
    let mut given = parameters.into_iter().map(|(_, value)| value);
    let since = given.next();
    if given.next().is_some() { Err(BadPosition::Twice) } else { Ok(since) }
}

/// A reader from where the client wants to read on: after `Last-Event-ID`, after `?since=`, or from
/// now; then, and for a record that is not reached yet, with the `seq` before it, to be told at
/// once: who loses the connection before the first record has to know where it was.
fn reader(request: &ApiRequest) -> Result<(Reader, Option<u64>), BadPosition> {
    let journal = request.api.journal();
    let since = since(request.parameters())?;
    let last = request
        .headers
        .get("last-event-id")
        .map(|id| id.to_str().map_err(|_| BadPosition::NotAPosition))
        .transpose()?;
    let Some(position) = last.filter(|id| !id.is_empty()).or(since.as_deref()) else {
        let reader = journal.follow();
        let start = reader.position();
        return Ok((reader, Some(start)));
    };
    let number = |text: &str| {
        text.parse::<u64>().ok().filter(|n| *n < u64::MAX).ok_or(BadPosition::NotAPosition)
    };
    let (run_id, seq) = match position.split_once('-') {
        Some((run_id, seq)) => (Some(number(run_id)?), number(seq)?),
        None => (None, number(position)?),
    };
    let reader = journal.after(run_id, seq);
    let is_ahead = !reader.begins_with_gap() && reader.position() < seq;
    let start = is_ahead.then(|| reader.position());
    Ok((reader, start))
}

/// What is read from now on, as events; whenever nothing was for a while, a comment.
fn chunks(api: Arc<Api>, reader: Reader) -> impl Stream<Item = String> + Send + Sync {
    stream::unfold((api, reader), |(api, mut reader)| async move {
        if timeout(KEEP_ALIVE, api.wake_queue.wait(&reader)).await.is_err() {
            return Some((KEPT_ALIVE.to_owned(), (api, reader)));
        }
        let batch = reader.next_batch().await;
        let run_id = api.journal().run_id();
        (!batch.is_empty())
            .then(|| (batch.iter().map(|entry| event(run_id, entry)).collect(), (api, reader)))
    })
}

/// The entry as an event. Its JSON has no line break.
fn event(run_id: u64, entry: &Entry) -> String {
    let json = entry.json();
    match entry {
        Entry::Record(record) => {
            format!("event:{}\ndata:{json}\nid:{run_id}-{}\n\n", record.event.name(), record.seq)
        }
        Entry::Gap(_) => format!("event:gap\ndata:{json}\n\n"),
    }
}
