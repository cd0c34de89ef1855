//! `DELETE /api/history?number=N`: erases a number from memory, journal and history.

use std::io;
use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;
use warp::http::StatusCode;
use warp::reply::Response;

use super::endpoint::{ApiRequest, Authenticated};
use super::error::ApiError;
use super::{Api, reply};
use crate::journal::sink::Erased;
use originatord_core::call::Number;

/// Longest time that one writer may take to erase. Rewriting a history of 1 GiB takes less.
const ERASE_TIMEOUT: Duration = Duration::from_secs(60);

/// Most erasures of one key at once. Each can keep its connection for `ERASE_TIMEOUT`.
pub(super) const MAX_ERASURES: u32 = 4;

/// `DELETE /api/history`
pub(super) async fn erase(
    request: ApiRequest,
    Authenticated { caller, .. }: Authenticated,
) -> Result<Response, ApiError> {
    caller.require_all_rooms()?;
    let api = &request.api;
    let [(name, number)] = &request.parameters()[..] else { return Err(ApiError::NoNumber) };
    if name != "number" {
        return Err(ApiError::NoNumber);
    }
    let number = api.settings.numbering.read_to_search(number).map_err(|_| ApiError::BadNumber)?;
    let _part = api.erasures.take(&caller.name, 1).ok_or(ApiError::TooManyErasures)?;
    erase_everywhere(api, number).await
}

/// Erases first in the engine, so that no new record contains the number, and then in the files.
async fn erase_everywhere(api: &Api, number: Number) -> Result<Response, ApiError> {
    api.handle().erase(number).await?;
    api.journal().erase(number);
    let mut erased = Erased::default();
    for eraser in &api.services.erasers {
        let late = |_| io::Error::from(io::ErrorKind::TimedOut);
        match timeout(ERASE_TIMEOUT, eraser.erase(number)).await.map_err(late).flatten() {
            Ok(part) => erased.add(part),
            Err(error) => erased.failed.push(error.to_string()),
        }
    }
    let late = |_| io::Error::from(io::ErrorKind::TimedOut);
    match timeout(ERASE_TIMEOUT, api.state().erase(number)).await.map_err(late).flatten() {
        Ok(part) => erased.add(part),
        Err(error) => erased.failed.push(error.to_string()),
    }
    if !erased.failed.is_empty() {
        return Err(ApiError::PartlyErased(erased.failed.join("; ")));
    }
    let mut answer = json!({ "message": "ok", "erased": erased.count });
    if !erased.kept.is_empty() {
        answer["kept"] = erased.kept.into();
    }
    Ok(reply::json(StatusCode::OK, &answer))
}
