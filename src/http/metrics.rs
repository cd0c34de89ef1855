//! `GET /metrics`: what is counted and measured, for Prometheus and what is like it.
//!
//! It needs a key as the rest of the API does: it tells how much is called, and the names of the
//! keys.

use warp::http::HeaderMap;
use warp::http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use warp::reply::Response;

use super::endpoint::ApiRequest;
use super::error::ApiError;
use super::reply;

/// OpenMetrics, which is written where nothing else is asked for.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The format before it.
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// `GET /metrics`
pub async fn show(request: ApiRequest) -> Result<Response, ApiError> {
    let metrics = request.api.journal().metrics();
    let (body, content_type) = if wants_prometheus(&request.headers) {
        (metrics.prometheus(), PROMETHEUS)
    } else {
        (metrics.open_metrics(), OPEN_METRICS)
    };
    let mut response = Response::new(body.into());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    Ok(reply::not_stored(response))
}

/// Whether the client takes plain text and does not speak of OpenMetrics.
fn wants_prometheus(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT);
    let takes = |kind| {
        accepted.iter().any(|accepted| accepted.to_str().is_ok_and(|text| text.contains(kind)))
    };
    takes("text/plain") && !takes("application/openmetrics-text")
}
