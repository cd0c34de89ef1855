//! `GET /api/stats`: how it went in the last hours, by the minute.

use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use warp::http::StatusCode;
use warp::reply::Response;

use super::endpoint::ApiRequest;
use super::error::ApiError;
use super::reply;
use crate::journal::Reader;
use crate::record::Entry;
use crate::stats::Stats;

/// `GET /api/stats`
pub(super) async fn show(request: ApiRequest) -> Result<Response, ApiError> {
    request.expect_no_query()?;
    let unready = request.api.handle().ready().err();
    // A panic elsewhere ends the process; until then the counts are as good as they were.
    let stats = &*request.api.stats.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(reply::json(StatusCode::OK, &Told { stats, unready }))
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
