//! Shutdown: every request that is being handled when the daemon stops is still answered.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use warp::reply::Response;

use super::error::ApiError;

/// Marks a request that must be answered before the daemon exits. Nothing is ever sent: the receiver
/// ends once every clone is dropped.
type Ticket = mpsc::Sender<Infallible>;

/// The requests that are being handled, and the phase of the shutdown. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Drain(Arc<Shared>);

struct Shared {
    /// Cloned for each new request, until the daemon stops.
    ticket: Mutex<Option<Ticket>>,
    tickets: tokio::sync::Mutex<mpsc::Receiver<Infallible>>,
    overdue: CancellationToken,
    ending: CancellationToken,
}

impl Default for Drain {
    fn default() -> Self {
        let (ticket, tickets) = mpsc::channel(1);
        Self(Arc::new(Shared {
            ticket: Mutex::new(Some(ticket)),
            tickets: tokio::sync::Mutex::new(tickets),
            overdue: CancellationToken::new(),
            ending: CancellationToken::new(),
        }))
    }
}

impl Drain {
    /// Waits for the answer to a request, or answers 503 once [`answer_all`](Self::answer_all) was
    /// called.
    pub(crate) async fn answer(
        &self,
        response: impl Future<Output = Result<Response, Infallible>>,
    ) -> Response {
        let _ticket = self.ticket().clone();
        tokio::select! {
            biased;
            Ok(response) = response => response,
            () = self.0.overdue.cancelled() => ApiError::StoppedMeanwhile.into_response(),
        }
    }

    /// Waits until every request that has arrived until now is answered.
    pub(crate) async fn answered(&self) {
        // The shutdown does not wait for later requests.
        drop(self.ticket().take());
        while self.0.tickets.lock().await.recv().await.is_some() {}
    }

    /// Answers all pending and all later requests at once, with 503.
    pub(crate) fn answer_all(&self) {
        self.0.overdue.cancel();
    }

    /// Ends all connections, each after its current response.
    pub(crate) fn end_connections(&self) {
        self.0.ending.cancel();
    }

    /// Waits for [`end_connections`](Self::end_connections).
    pub(crate) async fn ending(&self) {
        self.0.ending.cancelled().await;
    }

    /// Whether [`end_connections`](Self::end_connections) was called.
    pub(crate) fn is_ending(&self) -> bool {
        self.0.ending.is_cancelled()
    }

    fn ticket(&self) -> std::sync::MutexGuard<'_, Option<Ticket>> {
        self.0.ticket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use futures_util::FutureExt;
    use tokio::sync::oneshot;
    use warp::http::StatusCode;

    use super::*;
    use crate::http::reply;

    #[tokio::test]
    async fn shutdown_waits_for_earlier_requests_only() {
        let drain = Drain::default();
        let (finish, finished) = oneshot::channel::<()>();
        let mut slow = Box::pin(drain.answer(async { finished.map(|_| Ok(reply::ok())).await }));
        assert!(slow.as_mut().now_or_never().is_none());
        let mut answered = Box::pin(drain.answered());
        assert!(answered.as_mut().now_or_never().is_none());
        let mut late = Box::pin(drain.answer(pending()));
        assert!(late.as_mut().now_or_never().is_none());
        finish.send(()).expect("somebody waits");
        assert_eq!(slow.await.status(), StatusCode::OK);
        answered.await;
        drain.answer_all();
        assert_eq!(late.await.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(drain.answer(ready(Ok(reply::ok()))).await.status(), StatusCode::OK);
    }
}
