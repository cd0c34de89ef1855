//! Responses: compact JSON with one newline at the end.

use std::convert::Infallible;
use std::fmt::Display;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use http_body_util::BodyExt;
use hyper::body::Body;
use serde::Serialize;
use warp::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName,
    HeaderValue,
};
use warp::http::{Method, StatusCode};
use warp::reply::Response;
use warp::{Rejection, Reply};

use super::error::ApiError;
use originatord_core::escape;

/// A response with this status and `body` as JSON.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let (status, mut text) = match serde_json::to_string(body) {
        Ok(text) => (status, escape::json(text)),
        // Serializing fails only for maps with keys other than text, and no body has one.
        Err(_) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            r#"{"error":"the answer cannot be written"}"#.to_owned(),
        ),
    };
    text.push('\n');
    json_text(status, text.into())
}

/// A response with a body that is JSON already.
fn json_text(status: StatusCode, text: Bytes) -> Response {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    with_api_headers(response)
}

/// A response with a CSV table, which a browser saves under this name.
pub(crate) fn csv(table: String, file_name: &str) -> Response {
    let mut response = Response::new(table.into());
    let headers = response.headers_mut();
    headers
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8; header=present"));
    let disposition = format!("attachment; filename=\"{file_name}\"");
    if let Ok(disposition) = HeaderValue::try_from(disposition) {
        headers.insert(CONTENT_DISPOSITION, disposition);
    }
    with_api_headers(response)
}

/// Names the cursor of the next page in a header, as a CSV table cannot contain it.
pub(crate) fn name_next(response: &mut Response, next: Option<impl Display>) {
    if let Some(next) = next.and_then(|id| id.to_string().parse().ok()) {
        response.headers_mut().insert(HeaderName::from_static("x-next-cursor"), next);
    }
}

/// Adds the headers of every API response.
pub(crate) fn with_api_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        HeaderName::from_static("x-content-type-options"),
        HeaderValue::from_static("nosniff"),
    );
    response
}

/// Extension of a response: the name of the key that sent the request.
#[derive(Clone)]
pub(crate) struct KeyName(pub Arc<str>);

/// Labels a response with the key that sent the request, for metrics and the debug log.
pub(crate) fn with_key_name(key: &Arc<str>, mut response: Response) -> Response {
    response.extensions_mut().insert(KeyName(key.clone()));
    response
}

/// Drops `guard` once the connection has taken the whole body. The last part of the body may still be
/// in the connection's buffer then.
pub(crate) fn with_guard(response: Response, guard: impl Send + Sync + 'static) -> Response {
    let (mut head, body) = response.into_parts();
    if let Some(length) = body.size_hint().exact() {
        head.headers.insert(CONTENT_LENGTH, length.into());
    }
    let body = body.into_data_stream().map(move |data| {
        let _guard = &guard;
        data
    });
    Response::from_parts(head, warp::reply::stream(body).into_response().into_body())
}

/// `{"message":"ok"}`
pub(crate) fn ok() -> Response {
    json_text(StatusCode::OK, Bytes::from_static(b"{\"message\":\"ok\"}\n"))
}

/// The response to a method that an endpoint does not have. `OPTIONS` gets the list of methods.
pub(crate) fn method_not_allowed(
    method: &Method,
    allow: HeaderValue,
) -> Result<Response, ApiError> {
    if method != Method::OPTIONS {
        return Err(ApiError::MethodNotAllowed { allow });
    }
    let mut response = Response::default();
    response.headers_mut().insert(ALLOW, allow);
    Ok(response)
}

/// The response to a request that no route matches.
pub(crate) async fn recover(rejection: Rejection) -> Result<Response, Infallible> {
    let error = if rejection.is_not_found() { ApiError::UnknownPath } else { ApiError::BadRequest };
    Ok(error.into_response())
}
