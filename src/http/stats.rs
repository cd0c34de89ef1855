//! `GET /api/stats`: counts of the last hours for each minute.

use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use warp::http::StatusCode;
use warp::reply::Response;

use super::endpoint::{ApiRequest, Authenticated};
use super::error::ApiError;
use super::reply;
use crate::journal::Reader;
use crate::stats::Stats;
use originatord_core::record::Entry;

/// `GET /api/stats`
pub(super) async fn show(
    request: ApiRequest,
    Authenticated { caller, .. }: Authenticated,
) -> Result<Response, ApiError> {
    caller.require_all_rooms()?;
    request.expect_no_query()?;
    let unready = request.api.handle().ready().err();
    // The lock is never left poisoned for long: a panic ends the process.
    let stats = &*request.api.stats.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(reply::json(StatusCode::OK, &Body { stats, unready }))
}

/// The counts, and the state of `/readyz` at the same time.
#[derive(Serialize)]
struct Body<'s> {
    #[serde(flatten)]
    stats: &'s Stats,
    /// The reason why calls cannot be made, if any. The link can be up nevertheless.
    unready: Option<Arc<str>>,
}

/// Counts the records of the journal until it is closed.
pub(crate) async fn gather(mut reader: Reader, stats: Arc<Mutex<Stats>>) {
    loop {
        let batch = reader.next_batch().await;
        if batch.is_empty() {
            return;
        }
        let mut stats = stats.lock().unwrap_or_else(PoisonError::into_inner);
        // Records that the ring dropped before this reader got them are not counted. This needs a
        // very short ring.
        for entry in &batch {
            if let Entry::Record(record) = entry {
                stats.count(record);
            }
        }
    }
}
