//! `GET /api/stats`: how it went in the last hours, by the minute.

use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use warp::filters::BoxedFilter;
use warp::http::StatusCode;
use warp::reply::Response;

use super::{Api, looked_at, reply, unasked};
use crate::journal::Reader;
use crate::record::Entry;
use crate::stats::Stats;

/// The route.
pub(super) fn route(api: Arc<Api>) -> BoxedFilter<(Response,)> {
    // A panic elsewhere ends the process; until then the counts are as good as they were.
    looked_at("/api/stats", api, |api, _, query| {
        if let Some(refusal) = unasked(query) {
            return refusal;
        }
        let unready = api.handle.ready().err();
        let stats = &*api.stats.lock().unwrap_or_else(PoisonError::into_inner);
        reply::json(StatusCode::OK, &Told { stats, unready })
    })
}

/// The counts, and what `/readyz` says at the same time.
#[derive(Serialize)]
struct Told<'s> {
    #[serde(flatten)]
    stats: &'s Stats,
    /// Why calls cannot be made, if they cannot. The link can be up all the same.
    unready: Option<Arc<str>>,
}

/// Counts what the log says, until it is closed.
pub async fn gather(mut log: Reader, stats: Arc<Mutex<Stats>>) {
    loop {
        let batch = log.next_batch().await;
        if batch.is_empty() {
            return;
        }
        let mut stats = stats.lock().unwrap_or_else(PoisonError::into_inner);
        // Records that the ring has lost before they were read are not counted; it would have to be
        // very short.
        for entry in &batch {
            if let Entry::Record(record) = entry {
                stats.count(record);
            }
        }
    }
}
