//! The daemon's live log, followed over one connection after the other.

use std::time::Duration;

use futures_util::FutureExt;
use http_body_util::BodyExt;
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{ACCEPT, HeaderValue};
use hyper::{Method, StatusCode, Uri};
use tokio::time::{Instant, sleep_until, timeout};

use super::sse::{Event, Parser};
use super::{Client, ClientError, request};
use crate::ami::backoff::Backoff;

/// The daemon sends a sign of life every 15 s; after this long without one the connection is dead.
const SILENCE: Duration = Duration::from_secs(40);

/// How many events are handed on together, about.
const BATCH: usize = 256;

/// What there is to tell.
#[derive(Debug)]
pub enum Told {
    /// The next events. The first one of a connection may have no data: it only says where the
    /// stream begins.
    Events(Vec<Event>),
    /// The connection is lost; it will be made again, and go on where it was.
    Lost(Lost),
}

/// Why the connection ended.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    /// As the client says.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The daemon cannot serve it now.
    #[error("the daemon says {0}")]
    Status(StatusCode),
    /// The stream was ended in order.
    #[error("the daemon has closed the stream")]
    Closed,
    /// Not even a sign of life comes.
    #[error("the connection is dead")]
    Silent,
    /// This is somebody else.
    #[error("what comes is no event stream")]
    Garbled,
}

/// Asking again would change nothing.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The key is wrong, or missing.
    #[error("the daemon does not know this key")]
    Unauthorized,
    /// The request is wrong in another way.
    #[error("the daemon says {0}")]
    Status(StatusCode),
}

/// A reader of the log.
pub struct LiveLog {
    client: Client,
    /// The id of the last event, or the number of the record to begin after.
    position: Option<String>,
    stream: Option<Stream>,
    /// When the next connection may be made.
    connect_at: Instant,
    backoff: Backoff,
    rng: fastrand::Rng,
}

/// One connection.
struct Stream {
    body: Incoming,
    parser: Parser,
    /// Why nothing more will come.
    lost: Option<Lost>,
}

impl LiveLog {
    /// Reads from now on, or after the record of number `since`.
    pub fn new(client: Client, since: Option<u64>) -> Self {
        let position = since.map(|seq| seq.to_string());
        let (connect_at, backoff, rng) = (Instant::now(), Backoff::default(), fastrand::Rng::new());
        Self { client, position, stream: None, connect_at, backoff, rng }
    }

    /// The next events, or that the connection is lost: then the next call waits a little, and
    /// connects anew. May be dropped while waiting without losing anything.
    ///
    /// # Errors
    ///
    /// The daemon refuses for good.
    pub async fn next(&mut self) -> Result<Told, Refused> {
        let lost = match self.read().await? {
            Ok(events) => {
                if let Some(id) = events.iter().rev().find_map(|event| event.id.clone()) {
                    self.position = Some(id);
                    self.backoff.reset();
                }
                return Ok(Told::Events(events));
            }
            Err(lost) => lost,
        };
        self.stream = None;
        self.connect_at = Instant::now() + self.backoff.next(&mut self.rng);
        Ok(Told::Lost(lost))
    }

    async fn read(&mut self) -> Result<Result<Vec<Event>, Lost>, Refused> {
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

    async fn connect(&self) -> Result<Result<Incoming, Lost>, Refused> {
        sleep_until(self.connect_at).await;
        let mut request = request(Method::GET, Uri::from_static("/api/events"));
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        // A position that can be no header is none that the daemon has given.
        if let Some(position) = self.position.as_deref().and_then(|position| position.parse().ok())
        {
            request.headers_mut().insert("last-event-id", position);
        }
        let response = match timeout(SILENCE, self.client.send(request)).await {
            Err(_) => return Ok(Err(Lost::Silent)),
            Ok(Err(error)) => return Ok(Err(error.into())),
            Ok(Ok(response)) => response,
        };
        match response.status() {
            StatusCode::OK => Ok(Ok(response.into_body())),
            StatusCode::UNAUTHORIZED => Err(Refused::Unauthorized),
            status if status.is_client_error() => Err(Refused::Status(status)),
            status => Ok(Err(Lost::Status(status))),
        }
    }
}

impl Stream {
    /// The next events: as many as are there, and at least one.
    async fn next(&mut self) -> Result<Vec<Event>, Lost> {
        let mut events = Vec::new();
        while self.lost.is_none() && events.len() < BATCH {
            let read = match events.is_empty() {
                true => timeout(SILENCE, self.body.frame()).await.map_err(|_| Lost::Silent),
                false => match self.body.frame().now_or_never() {
                    Some(read) => Ok(read),
                    None => break,
                },
            };
            if let Err(lost) = read.and_then(|read| self.take(read, &mut events)) {
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

    fn take(
        &mut self,
        read: Option<hyper::Result<Frame<Bytes>>>,
        events: &mut Vec<Event>,
    ) -> Result<(), Lost> {
        let frame = read.ok_or(Lost::Closed)?.map_err(ClientError::from)?;
        let Some(bytes) = frame.data_ref() else { return Ok(()) };
        self.parser.feed(bytes, |event| events.push(event)).map_err(|_| Lost::Garbled)
    }
}
