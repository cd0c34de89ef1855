//! `GET /healthz` and `GET /readyz`, for service managers and load balancers. They need no key.

use serde_json::json;
use warp::http::StatusCode;
use warp::reply::Response;

use super::endpoint::ApiRequest;
use super::error::ApiError;
use super::reply;

/// `GET /healthz`: the process runs.
pub(super) async fn live() -> Result<Response, ApiError> {
    Ok(ok())
}

/// `GET /readyz`: calls can be made.
pub(super) async fn ready(request: ApiRequest) -> Result<Response, ApiError> {
    request.api.handle().ready().map(|()| ok()).map_err(ApiError::NotReady)
}

fn ok() -> Response {
    reply::json(StatusCode::OK, &json!({ "status": "ok" }))
}
