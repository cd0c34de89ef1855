//! Requests to the daemon, and their replies.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::timeout;

use super::plan::Plan;
use super::run::{HangUpOutcome, Unanswered};
use originatord_core::call::CallId;
use originatord_net::client::ClientError;
use originatord_net::client::pool::Pool;
use originatord_net::client::reply::Reply;

/// Sends requests on kept-alive connections. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Requests {
    pool: Arc<Pool>,
    /// The request body up to the name of the room.
    before: Arc<SecretString>,
    timeout: Duration,
}

impl Requests {
    /// Requests with the values of a plan and an API key.
    pub(crate) fn new(plan: &Plan, pool: Pool, key: &SecretString) -> Self {
        let text = |text: &str| serde_json::Value::from(text).to_string();
        let lang = plan
            .lang
            .as_ref()
            .map(|lang| format!("\"lang\":{},", text(lang.as_str())))
            .unwrap_or_default();
        let (key, caller_id) = (text(key.expose_secret()), text(plan.caller_id.as_str()));
        let before =
            format!("{{\"api_key\":{key},\"caller_id\":{caller_id},{lang}\"room_name\":\"");
        Self { pool: Arc::new(pool), before: Arc::new(before.into()), timeout: plan.timeout }
    }

    /// Opens connections, so that the first requests need not.
    ///
    /// # Errors
    ///
    /// The daemon cannot be reached.
    pub(crate) async fn warm_up(&self, count: usize) -> Result<(), ClientError> {
        self.pool.warm_up(count).await
    }

    /// Requests a call. Returns the time of the reply, or of the decision not to wait any longer.
    pub(crate) async fn post(
        &self,
        digits: &str,
        room: &str,
    ) -> (Instant, Result<Reply, Unanswered>) {
        // `Room` and `Number` allow no character that JSON would have to escape.
        let body =
            [self.before.expose_secret(), room, "\",\"phone_number\":\"+", digits, "\"}"].concat();
        let mut request = Request::new(Full::from(Bytes::from(body)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::from_static("/api/conf");
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let answer = timeout(self.timeout, self.pool.send(request)).await;
        let at = Instant::now();
        let reply = match answer {
            Ok(Ok(response)) => Ok(Reply::read(&response)),
            Ok(Err(error @ ClientError::Connect(..))) => {
                Err(Unanswered::ConnectFailed(error.to_string()))
            }
            Ok(Err(error)) => Err(Unanswered::Lost(error.to_string())),
            Err(_) => {
                let limit = humantime::format_duration(self.timeout);
                Err(Unanswered::Lost(format!("no answer within {limit}")))
            }
        };
        (at, reply)
    }

    /// Hangs a call up.
    pub(crate) async fn hang_up(&self, id: CallId) -> HangUpOutcome {
        let Ok(uri) = format!("/api/calls/{id}").parse() else { return HangUpOutcome::Failed };
        let mut request = Request::new(Full::from(Bytes::new()));
        *request.method_mut() = Method::DELETE;
        *request.uri_mut() = uri;
        self.pool.authorize(&mut request);
        match timeout(self.timeout, self.pool.send(request)).await {
            Ok(Ok(response)) => match response.status() {
                StatusCode::OK => HangUpOutcome::Accepted,
                StatusCode::NOT_FOUND | StatusCode::CONFLICT => HangUpOutcome::AlreadyOver,
                _ => HangUpOutcome::Failed,
            },
            _ => HangUpOutcome::Failed,
        }
    }
}
