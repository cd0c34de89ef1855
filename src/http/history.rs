//! `DELETE /api/history?number=N`: erases a number from all that was written down.

use std::io;
use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;
use warp::http::StatusCode;
use warp::reply::Response;

use super::endpoint::{ApiRequest, Authenticated};
use super::error::ApiError;
use super::{Api, reply};
use crate::call::Number;
use crate::journal::sink::Erased;

/// How long those who write may take: a history of a GiB is written anew in less.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many erasures of one key may be under way at once. Each may hold its connection for as long
/// as `PATIENCE`.
pub(super) const MAX_ERASURES: u32 = 4;

/// `DELETE /api/history`
pub async fn erase(
    request: ApiRequest,
    Authenticated { caller, .. }: Authenticated,
) -> Result<Response, ApiError> {
    let api = &request.api;
    let [(name, number)] = &request.parameters()[..] else { return Err(ApiError::NoNumber) };
    if name != "number" {
        return Err(ApiError::NoNumber);
    }
    let number = api.settings.numbering.read_sought(number).map_err(|_| ApiError::BadNumber)?;
    let _part = api.erasures.take(&caller.name, 1).ok_or(ApiError::TooManyErasures)?;
    erase_everywhere(api, number).await
}

/// First from memory, so that nothing more is written of it, then by those who write.
async fn erase_everywhere(api: &Api, number: Number) -> Result<Response, ApiError> {
    api.handle().erase(number).await?;
    api.journal().erase(number);
    let mut erased = Erased::default();
    for eraser in &api.services.erasers {
        let late = |_| io::Error::from(io::ErrorKind::TimedOut);
        match timeout(PATIENCE, eraser.erase(number)).await.map_err(late).flatten() {
            Ok(part) => erased.add(part),
            Err(error) => erased.failed.push(error.to_string()),
        }
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
