//! `GET /api/events`: the journal as an event stream (server-sent events).
//!
//! The id of each event is `<run_id>-<seq>`, where `run_id` identifies this run of the daemon. So a
//! reader that reconnects after a restart gets a `gap`, and not other records with the same numbers.

use std::convert::Infallible;
use std::sync::Arc;

use futures_util::{Stream, StreamExt, stream};
use tokio::time::{Duration, timeout};
use warp::Reply;
use warp::http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue};
use warp::reply::Response;

use super::Api;
use super::auth::RoomsOfClient;
use super::endpoint::{ApiRequest, Authenticated};
use super::error::ApiError;
use crate::journal::Reader;
use originatord_core::call::RoomPatterns;
use originatord_core::record::Entry;

/// After this silence the stream sends a comment, so that no proxy closes it.
const KEEP_ALIVE_AFTER: Duration = Duration::from_secs(15);

/// An empty comment of server-sent events.
const KEEP_ALIVE_COMMENT: &str = ":\n\n";

/// `GET /api/events`
pub(super) async fn follow(
    request: ApiRequest,
    Authenticated { caller, active }: Authenticated,
) -> Result<Response, ApiError> {
    let (reader, start) = reader(&request)?;
    let ApiRequest { api, headers, slot, .. } = request;
    let slot =
        api.streams.take(&caller.name, slot.eviction_token()).ok_or(ApiError::TooManyStreams)?;
    let run_id = api.journal().run_id();
    let start = start.map(|seq| Ok(format!("id:{run_id}-{seq}\n\n")));
    // Both are released when the stream is dropped.
    let guards = (slot, active.for_stream());
    let rooms = RoomsOfClient::new(&api.authenticator, headers.clone());
    let authenticator = api.clone();
    let revoked = async move { authenticator.authenticator.wait_until_revoked(&headers).await };
    let chunks = chunks(api, reader, rooms).take_until(Box::pin(revoked)).map(move |chunk| {
        let _guards = &guards;
        Ok::<_, Infallible>(chunk)
    });
    let mut response = warp::reply::stream(stream::iter(start).chain(chunks)).into_response();
    for (name, value) in [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-cache"),
        // The daemon reads no further request on this connection.
        (CONNECTION, "close"),
        (HeaderName::from_static("x-accel-buffering"), "no"),
        (HeaderName::from_static("x-content-type-options"), "nosniff"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

/// The error for an invalid start of a stream.
#[derive(Debug, thiserror::Error)]
pub enum BadPosition {
    /// The value is neither a record's number nor an event's id.
    #[error("since, or Last-Event-ID, must be a record's number or an event's id")]
    NotAPosition,
    /// No parameter has this name. If it were ignored, the stream would have other records than the
    /// client expects.
    #[error("unknown parameter {0:?}; known is since")]
    Unknown(String),
    /// Two values of `since`, of which only one can be right.
    #[error("since is given twice")]
    Twice,
}

/// The value of `since`, the only parameter.
fn since(parameters: Vec<(String, String)>) -> Result<Option<String>, BadPosition> {
    if let Some((unknown, _)) = parameters.iter().find(|(name, _)| name != "since") {
        return Err(BadPosition::Unknown(unknown.chars().take(32).collect()));
    }
    let mut given = parameters.into_iter().map(|(_, value)| value);
    let since = given.next();
    if given.next().is_some() { Err(BadPosition::Twice) } else { Ok(since) }
}

/// A reader that begins after `Last-Event-ID`, else after `?since=`, else now.
///
/// The second value is the `seq` before the first record, if the client cannot know it: when the
/// stream begins now, or when the given position is beyond the newest record. The stream sends it at
/// once, so that the client can reconnect without loss even before the first record.
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

/// The chunks of the stream: the events that the client may see, or a comment after a silence.
fn chunks(
    api: Arc<Api>,
    reader: Reader,
    rooms: RoomsOfClient,
) -> impl Stream<Item = String> + Send + Sync {
    stream::unfold((api, reader, rooms), |(api, mut reader, mut rooms)| async move {
        if timeout(KEEP_ALIVE_AFTER, api.wake_queue.wait(&reader)).await.is_err() {
            return Some((KEEP_ALIVE_COMMENT.to_owned(), (api, reader, rooms)));
        }
        let batch = reader.next_batch().await;
        if batch.is_empty() {
            return None;
        }
        let text = events(api.journal().run_id(), &batch, rooms.now(&api.authenticator)?);
        Some((text, (api, reader, rooms)))
    })
}

/// The entries that a client with these rooms may see, as server-sent events. If it may not see the last
/// one, its id follows alone: else a client that sees little would reconnect with an old position, and
/// get a gap without having missed anything.
fn events(run_id: u64, batch: &[Entry], rooms: &RoomPatterns) -> String {
    let is_visible = |entry: &Entry| match entry {
        Entry::Record(record) => record.is_visible_in(rooms),
        Entry::Gap(_) => true,
    };
    let visible = batch.iter().filter(|entry| is_visible(entry));
    let mut text: String = visible.map(|entry| event(run_id, entry)).collect();
    if let Some(Entry::Record(last)) = batch.last().filter(|last| !is_visible(last)) {
        text += &format!("id:{run_id}-{}\n\n", last.seq);
    }
    text
}

/// An entry as a server-sent event. Its JSON has no line break.
fn event(run_id: u64, entry: &Entry) -> String {
    let json = entry.json();
    match entry {
        Entry::Record(record) => {
            format!("event:{}\ndata:{json}\nid:{run_id}-{}\n\n", record.event.name(), record.seq)
        }
        Entry::Gap(_) => format!("event:gap\ndata:{json}\n\n"),
    }
}
