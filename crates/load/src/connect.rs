//! The start of a load test: checks that the daemon is ready for calls, and opens its event stream.

use std::sync::Arc;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use secrecy::SecretString;
use tokio::sync::mpsc;

use super::numbers::Numbers;
use super::plan::Plan;
use super::progress::Progress;
use super::requests::Requests;
use super::runner::{Runner, StreamUpdate, follow};
use originatord_core::escape::escaped;
use originatord_net::client::event_stream::{EventStream, Refused};
use originatord_net::client::pool::Pool;
use originatord_net::client::{Client, ClientError};

/// Maximum of bytes to read of the daemon's reason for not being ready.
const MAX_REASON: usize = 16 * 1024;

/// One message for each signal that asks the load test to stop; never closed.
pub type Interrupts = mpsc::Receiver<()>;

/// Why no load test can begin.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The URL or the CA file cannot be used.
    #[error(transparent)]
    Client(ClientError),
    /// The daemon does not know the API key.
    #[error("the daemon does not know this key")]
    Unauthorized,
    /// The daemon cannot be reached, or cannot make calls.
    #[error("{0}")]
    Unavailable(String),
}

impl Runner {
    /// Connects to the daemon, checks that it is ready, and waits until the event stream has begun,
    /// so that no step of a call is missed.
    ///
    /// # Errors
    ///
    /// The daemon cannot be reached, is not ready, or does not know `key`.
    pub async fn connect(
        client: impl Fn() -> Result<Client, ClientError>,
        plan: Arc<Plan>,
        key: &SecretString,
        interrupts: Interrupts,
        progress: Progress,
    ) -> Result<Self, StartError> {
        let client = || client().map_err(StartError::Client);
        require_ready(&client()?).await?;
        let mut updates = follow(EventStream::new(client()?, None), plan.call_matcher());
        match updates.recv().await {
            Some(StreamUpdate::Steps(_)) => {}
            Some(StreamUpdate::Refused(Refused::Unauthorized)) => {
                return Err(StartError::Unauthorized);
            }
            Some(StreamUpdate::Refused(refused)) => {
                return Err(StartError::Unavailable(refused.to_string()));
            }
            Some(StreamUpdate::Lost(lost)) => return Err(StartError::Unavailable(lost)),
            Some(StreamUpdate::Gap) | None => {
                return Err(StartError::Unavailable(
                    "the event stream is not available".to_owned(),
                ));
            }
        }
        let requests = Requests::new(&plan, Pool::new(client()?), key);
        let numbers = Numbers::new(plan.numbers);
        Ok(Self { plan, requests, updates, stream_ended: false, interrupts, progress, numbers })
    }
}

/// Asks the daemon whether it can make calls.
async fn require_ready(client: &Client) -> Result<(), StartError> {
    let unavailable = |error: ClientError| StartError::Unavailable(error.to_string());
    let mut request = Request::new(Full::from(Bytes::new()));
    *request.uri_mut() = "/readyz".parse().unwrap_or_default();
    let response = client.send(request).await.map_err(unavailable)?;
    if response.status() == StatusCode::OK {
        return Ok(());
    }
    let status = response.status();
    let body = Limited::new(response.into_body(), MAX_REASON).collect().await;
    let body = body
        .map(|body| String::from_utf8_lossy(&body.to_bytes()).trim().to_owned())
        .unwrap_or_default();
    let body = escaped(&body);
    Err(StartError::Unavailable(format!("the daemon is not ready: {status} {body}")))
}
