//! Connections that are kept alive, for those who ask a lot.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::SendRequest;
use hyper::header::HOST;
use hyper::{Request, Response};

use super::{Client, ClientError};

/// A connection that has been idle for this long is not used again: the daemon keeps one that has
/// not shown a key for 10 s, and a request that crosses with the close may have been taken or not.
const IDLE: Duration = Duration::from_secs(5);

/// Longest body taken, in bytes.
const MAX_BODY: usize = 1 << 20;

/// A client with as many connections as there are requests under way.
pub struct Pool {
    client: Client,
    /// The one used last is used first, so that those which are not needed grow old.
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    connection: SendRequest<Full<Bytes>>,
    since: Instant,
}

impl Pool {
    /// A pool without a connection yet.
    pub fn new(client: Client) -> Self {
        Self { client, idle: Mutex::default() }
    }

    /// Makes connections until `count` are there to be used.
    ///
    /// # Errors
    ///
    /// The daemon cannot be reached.
    pub async fn warm_up(&self, count: usize) -> Result<(), ClientError> {
        while self.fresh() < count {
            let connection = self.client.connect().await?;
            self.keep(connection);
        }
        Ok(())
    }

    /// Shows the key in a request. The bots' endpoint wants it in the body instead.
    pub fn authorize(&self, request: &mut Request<Full<Bytes>>) {
        self.client.authorize(request);
    }

    /// Sends a request, and takes in the whole answer.
    ///
    /// # Errors
    ///
    /// The daemon cannot be reached, has gone away before it had answered, or says nothing that is
    /// HTTP. Unless it cannot be reached, the request may have been taken.
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
            let answered = match connection.try_send_request(request).await {
                Ok(response) => response,
                Err(mut error) => match error.take_message() {
                    // The connection was closed before anything was sent.
                    Some(unsent) if !is_new => {
                        request = unsent;
                        continue;
                    }
                    _ => return Err(error.into_error().into()),
                },
            };
            let (head, body) = answered.into_parts();
            let body = Limited::new(body, MAX_BODY)
                .collect()
                .await
                .map_err(ClientError::of_body)?
                .to_bytes();
            self.keep(connection);
            return Ok(Response::from_parts(head, body));
        }
    }

    /// How many connections are there to be used.
    fn fresh(&self) -> usize {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|idle| idle.since.elapsed() < IDLE);
        idle.len()
    }

    fn idle_connection(&self) -> Option<SendRequest<Full<Bytes>>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        match idle.pop() {
            Some(newest) if newest.since.elapsed() < IDLE => Some(newest.connection),
            // All others are older still.
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
