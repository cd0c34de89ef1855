//! `GET /api/stats`: how it went in the last hours, by the minute.

use std::sync::{Arc, Mutex, PoisonError};

use warp::Filter;
use warp::filters::BoxedFilter;
use warp::http::{HeaderMap, Method, StatusCode};
use warp::reply::Response;

use super::places::Place;
use super::{Api, at, reply, with};
use crate::journal::{Entry, Reader};
use crate::stats::Stats;

/// The route.
pub(super) fn route(api: Arc<Api>) -> BoxedFilter<(Response,)> {
    at("/api/stats")
        .and(with(api))
        .and(warp::method())
        .and(warp::header::headers_cloned())
        .and(warp::ext::get())
        .map(|api: Arc<Api>, method: Method, headers: HeaderMap, place: Place| {
            if method != Method::GET && method != Method::HEAD {
                return reply::other_method(&method, "GET, HEAD, OPTIONS");
            }
            let Some(caller) = api.door.caller_in(&headers) else { return reply::unauthorized(&headers) };
            let _served = place.serve();
            // A panic elsewhere ends the process; until then the counts are as good as they were.
            let stats = reply::json(StatusCode::OK, &*api.stats.lock().unwrap_or_else(PoisonError::into_inner));
            reply::asked_by(&caller.name, stats)
        })
        .boxed()
}

/// Counts what the log says, until it is closed.
pub async fn gather(mut log: Reader, stats: Arc<Mutex<Stats>>) {
    loop {
        let batch = log.next_batch().await;
        if batch.is_empty() {
            return;
        }
        let mut stats = stats.lock().unwrap_or_else(PoisonError::into_inner);
        // Records that the ring has lost before they were read are not counted; it would have to be very short.
        for entry in &batch {
            if let Entry::Record(record) = entry {
                stats.count(record);
            }
        }
    }
}
