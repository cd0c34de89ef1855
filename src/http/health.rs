//! `GET /healthz` and `GET /readyz`, for those who start and stop the daemon. They need no key and
//! tell nothing but that.

use serde_json::json;
use warp::http::StatusCode;
use warp::reply::Response;

use super::endpoint::ApiRequest;
use super::error::ApiError;
use super::reply;

/// `GET /healthz`: the process lives.
pub async fn live() -> Result<Response, ApiError> {
    Ok(well())
}

/// `GET /readyz`: calls can be made.
pub async fn ready(request: ApiRequest) -> Result<Response, ApiError> {
    request.api.handle().ready().map(|()| well()).map_err(ApiError::NotReady)
}

fn well() -> Response {
    reply::json(StatusCode::OK, &json!({ "status": "ok" }))
}
