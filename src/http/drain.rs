//! Requests under way when the daemon is told to stop: each of them is answered.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use warp::reply::Response;

use super::error::ApiError;

/// What is known of a request that has to be answered before the daemon leaves. Nothing is ever
/// sent: the receiver ends once every clone is gone.
type Ticket = mpsc::Sender<Infallible>;

/// The requests under way, and how far the stop has come. Cheap to clone.
#[derive(Clone)]
pub struct Drain(Arc<Shared>);

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
        let (ticket, tickets) = (Mutex::new(Some(ticket)), tokio::sync::Mutex::new(tickets));
        Self(Arc::new(Shared {
            ticket,
            tickets,
            overdue: CancellationToken::new(),
            ending: CancellationToken::new(),
        }))
    }
}

impl Drain {
    /// Waits for the answer to a request, or answers 503 once [`give_up`](Self::give_up) was
    /// called.
    pub async fn answer(
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

    /// Waits until every request that has come by now is answered.
    pub async fn answered(&self) {
        // Requests that come from now on hold up nobody.
        drop(self.ticket().take());
        while self.0.tickets.lock().await.recv().await.is_some() {}
    }

    /// Has all requests that are still under way, and those to come, answered at once.
    pub fn give_up(&self) {
        self.0.overdue.cancel();
    }

    /// Ends all connections, each once its request is answered and taken in.
    pub fn end_connections(&self) {
        self.0.ending.cancel();
    }

    /// Waits until the connections are to end.
    pub async fn ending(&self) {
        self.0.ending.cancelled().await;
    }

    /// Whether the connections are to end.
    pub fn is_ending(&self) -> bool {
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
    async fn stop_waits_for_requests_that_came_before_it() {
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
        drain.give_up();
        assert_eq!(late.await.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(drain.answer(ready(Ok(reply::ok()))).await.status(), StatusCode::OK);
    }
}
