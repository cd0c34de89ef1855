//! Follows the daemon's event stream, and reconnects whenever the connection is lost.

use std::time::Duration;

use futures_util::FutureExt;
use http_body_util::BodyExt;
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{ACCEPT, HeaderValue};
use hyper::{Method, StatusCode, Uri};
use tokio::time::{Instant, sleep_until, timeout};

use super::sse::{Event, Parser};
use super::{Client, ClientError, request};
use originatord_core::ami::backoff::Backoff;

/// The daemon sends a comment every 15 s; without one for this long, the connection is dead.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(40);

/// About how many events are returned together.
const BATCH: usize = 256;

/// The result of [`EventStream::next`].
#[derive(Debug)]
pub enum Update {
    /// The next events. The first event of a connection may have no data: its id is the position at
    /// which the stream begins.
    Events(Vec<Event>),
    /// The connection is lost. The next call reconnects, and continues after the last event.
    Lost(StreamError),
}

/// The reason why a connection ended; a new one may work.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The request failed, or the body broke off.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The daemon cannot serve the stream now.
    #[error("the daemon answers {0}")]
    Status(StatusCode),
    /// The daemon ended the stream properly, as when it stops.
    #[error("the daemon has closed the stream")]
    Closed,
    /// Nothing was received for [`SILENCE_TIMEOUT`].
    #[error("the connection is dead")]
    Silent,
    /// The body is not the event stream of a daemon.
    #[error("the response is not an event stream")]
    Garbled,
}

/// The reason why the daemon refuses the stream; another attempt would not help.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The key is wrong, or missing.
    #[error("the daemon does not know this key")]
    Unauthorized,
    /// The daemon rejects the request.
    #[error("the daemon answers {0}")]
    Status(StatusCode),
}

/// A reader of the event stream.
pub struct EventStream {
    client: Client,
    /// The id of the last event, or the `seq` of the record to begin after.
    position: Option<String>,
    stream: Option<Stream>,
    /// The earliest time for the next connection.
    connect_at: Instant,
    backoff: Backoff,
    rng: fastrand::Rng,
}

/// One connection.
struct Stream {
    body: Incoming,
    parser: Parser,
    /// The reason for the end of the connection, kept until all events before the end are returned.
    lost: Option<StreamError>,
}

impl EventStream {
    /// Begins with the next event, or after the record with `seq` `since`.
    pub fn new(client: Client, since: Option<u64>) -> Self {
        let position = since.map(|seq| seq.to_string());
        let (connect_at, backoff, rng) = (Instant::now(), Backoff::default(), fastrand::Rng::new());
        Self { client, position, stream: None, connect_at, backoff, rng }
    }

    /// Waits for the next events. If the connection is lost, the next call waits for the back-off
    /// and reconnects. The future is cancel-safe: dropping it loses no event.
    ///
    /// # Errors
    ///
    /// The daemon refuses the stream.
    pub async fn next(&mut self) -> Result<Update, Refused> {
        let lost = match self.read().await? {
            Ok(events) => {
                if let Some(id) = events.iter().rev().find_map(|event| event.id.clone()) {
                    self.position = Some(id);
                    self.backoff.reset();
                }
                return Ok(Update::Events(events));
            }
            Err(lost) => lost,
        };
        self.stream = None;
        self.connect_at = Instant::now() + self.backoff.next(&mut self.rng);
        Ok(Update::Lost(lost))
    }

    async fn read(&mut self) -> Result<Result<Vec<Event>, StreamError>, Refused> {
        if let Some(stream) = &mut self.stream {
            return Ok(stream.next().await);
        }
        match self.connect().await? {
            Ok(body) => {
                let stream = Stream { body, parser: Parser::default(), lost: None };
                Ok(self.stream.insert(stream).next().await)
            }
            Err(lost) => Ok(Err(lost)),
        }
    }

    async fn connect(&self) -> Result<Result<Incoming, StreamError>, Refused> {
        sleep_until(self.connect_at).await;
        let mut request = request(Method::GET, Uri::from_static("/api/events"));
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        // Every id that a daemon sends is a valid header value.
        if let Some(position) = self.position.as_deref().and_then(|position| position.parse().ok())
        {
            request.headers_mut().insert("last-event-id", position);
        }
        let response = match timeout(SILENCE_TIMEOUT, self.client.send(request)).await {
            Err(_) => return Ok(Err(StreamError::Silent)),
            Ok(Err(error)) => return Ok(Err(error.into())),
            Ok(Ok(response)) => response,
        };
        match response.status() {
            StatusCode::OK => Ok(Ok(response.into_body())),
            StatusCode::UNAUTHORIZED => Err(Refused::Unauthorized),
            status if status.is_client_error() => Err(Refused::Status(status)),
            status => Ok(Err(StreamError::Status(status))),
        }
    }
}

impl Stream {
    /// Waits for at least one event, and returns it with all others that have already arrived.
    async fn next(&mut self) -> Result<Vec<Event>, StreamError> {
        let mut events = Vec::new();
        while self.lost.is_none() && events.len() < BATCH {
            let read = match events.is_empty() {
                true => timeout(SILENCE_TIMEOUT, self.body.frame())
                    .await
                    .map_err(|_| StreamError::Silent),
                false => match self.body.frame().now_or_never() {
                    Some(read) => Ok(read),
                    None => break,
                },
            };
            if let Err(lost) = read.and_then(|read| self.parse(read, &mut events)) {
                self.lost = Some(lost);
            }
        }
        match self.lost.take() {
            Some(lost) if events.is_empty() => Err(lost),
            lost => {
                self.lost = lost;
                Ok(events)
            }
        }
    }

    fn parse(
        &mut self,
        read: Option<hyper::Result<Frame<Bytes>>>,
        events: &mut Vec<Event>,
    ) -> Result<(), StreamError> {
        let frame = read.ok_or(StreamError::Closed)?.map_err(ClientError::from)?;
        let Some(bytes) = frame.data_ref() else { return Ok(()) };
        self.parser.feed(bytes, |event| events.push(event)).map_err(|_| StreamError::Garbled)
    }
}
