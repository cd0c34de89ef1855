//! A client that keeps connections alive, for many requests in a row.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::SendRequest;
use hyper::header::HOST;
use hyper::{Request, Response};

use super::{Client, ClientError};

/// The longest idle time after which a connection is used again. The daemon closes connections
/// without a key after 10 s. If a request crosses with the close, the client cannot know whether
/// the daemon executed it.
const MAX_IDLE: Duration = Duration::from_secs(5);

/// The longest accepted body, in bytes.
const MAX_BODY: usize = 1 << 20;

/// A client with as many connections as there are concurrent requests.
pub struct Pool {
    client: Client,
    /// A stack: requests use the connection that was used last, so that superfluous connections
    /// reach [`MAX_IDLE`].
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    connection: SendRequest<Full<Bytes>>,
    since: Instant,
}

impl Pool {
    /// A pool that has no connections yet.
    pub fn new(client: Client) -> Self {
        Self { client, idle: Mutex::default() }
    }

    /// Connects until `count` connections are idle.
    ///
    /// # Errors
    ///
    /// The daemon cannot be reached.
    pub async fn warm_up(&self, count: usize) -> Result<(), ClientError> {
        while self.usable() < count {
            let connection = self.client.connect().await?;
            self.keep(connection);
        }
        Ok(())
    }

    /// Adds the key to a request. The bots' endpoint expects it in the body instead.
    pub fn authorize(&self, request: &mut Request<Full<Bytes>>) {
        self.client.authorize(request);
    }

    /// Sends a request, and reads the whole response.
    ///
    /// # Errors
    ///
    /// The daemon cannot be reached, closes the connection early, or does not speak HTTP. After any
    /// error but [`ClientError::Connect`], the daemon may have executed the request.
    pub async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, ClientError> {
        request.headers_mut().insert(HOST, self.client.host.clone());
        loop {
            let (mut connection, is_new) = match self.idle_connection() {
                Some(connection) => (connection, false),
                None => (self.client.connect().await?, true),
            };
            if connection.ready().await.is_err() && !is_new {
                continue;
            }
            let response = match connection.try_send_request(request).await {
                Ok(response) => response,
                Err(mut error) => match error.take_message() {
                    // The idle connection was closed before anything was sent.
                    Some(unsent) if !is_new => {
                        request = unsent;
                        continue;
                    }
                    _ => return Err(error.into_error().into()),
                },
            };
            let (head, body) = response.into_parts();
            let body = Limited::new(body, MAX_BODY)
                .collect()
                .await
                .map_err(ClientError::of_body)?
                .to_bytes();
            self.keep(connection);
            return Ok(Response::from_parts(head, body));
        }
    }

    /// The number of idle connections that can be used.
    fn usable(&self) -> usize {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|idle| idle.since.elapsed() < MAX_IDLE);
        idle.len()
    }

    fn idle_connection(&self) -> Option<SendRequest<Full<Bytes>>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        match idle.pop() {
            Some(newest) if newest.since.elapsed() < MAX_IDLE => Some(newest.connection),
            // All others are older.
            _ => {
                idle.clear();
                None
            }
        }
    }

    fn keep(&self, connection: SendRequest<Full<Bytes>>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(Idle { connection, since: Instant::now() });
    }
}
