//! `GET /metrics`, for Prometheus and compatible collectors.
//!
//! It needs a key like the rest of the API, as it shows the number of calls and the names of keys.

use warp::http::HeaderMap;
use warp::http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use warp::reply::Response;

use super::endpoint::{ApiRequest, Authenticated};
use super::error::ApiError;
use super::reply;

/// Content type of OpenMetrics, the default format.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Content type of the older Prometheus text format.
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// `GET /metrics`
pub(super) async fn show(
    request: ApiRequest,
    Authenticated { caller, .. }: Authenticated,
) -> Result<Response, ApiError> {
    caller.require_all_rooms()?;
    let metrics = request.api.journal().metrics();
    let (body, content_type) = if wants_prometheus(&request.headers) {
        (metrics.prometheus(), PROMETHEUS)
    } else {
        (metrics.open_metrics(), OPEN_METRICS)
    };
    let mut response = Response::new(body.into());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    Ok(reply::with_api_headers(response))
}

/// Whether the client accepts plain text, and does not mention OpenMetrics.
fn wants_prometheus(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT);
    let accepts = |kind| {
        accepted.iter().any(|accepted| accepted.to_str().is_ok_and(|text| text.contains(kind)))
    };
    accepts("text/plain") && !accepts("application/openmetrics-text")
}
