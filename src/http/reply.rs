//! What leaves the house: JSON, compact, ended by one newline; errors have an `error` member.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use http_body_util::BodyExt;
use hyper::body::Body;
use serde::Serialize;
use warp::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue,
};
use warp::http::{Method, StatusCode};
use warp::reply::Response;
use warp::{Rejection, Reply};

use super::error::ApiError;
use crate::escape;

/// A reply of this status with `body` as JSON.
pub fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let (status, mut text) = match serde_json::to_string(body) {
        Ok(text) => (status, escape::json(text)),
        // Nothing of ours has a key that is not text, which is all that can fail here.
        Err(_) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            r#"{"error":"the answer cannot be written"}"#.to_owned(),
        ),
    };
    text.push('\n');
    of_text(status, text.into())
}

/// A reply whose body is JSON, written already.
fn of_text(status: StatusCode, text: Bytes) -> Response {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    not_stored(response)
}

/// A response that is not JSON, with the headers that all of ours have.
pub fn not_stored(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        HeaderName::from_static("x-content-type-options"),
        HeaderValue::from_static("nosniff"),
    );
    response
}

/// The name of the key that was answered.
#[derive(Clone)]
pub struct KeyName(pub Arc<str>);

/// Notes on a response whose key asked for it.
pub fn with_key_name(key: &Arc<str>, mut response: Response) -> Response {
    response.extensions_mut().insert(KeyName(key.clone()));
    response
}

/// Keeps `held` until the reply is sent, but for the last of it that the connection keeps anyway.
pub fn hold(response: Response, held: impl Send + Sync + 'static) -> Response {
    let (mut head, body) = response.into_parts();
    if let Some(length) = body.size_hint().exact() {
        head.headers.insert(CONTENT_LENGTH, length.into());
    }
    let body = body.into_data_stream().map(move |data| {
        let _held = &held;
        data
    });
    Response::from_parts(head, warp::reply::stream(body).into_response().into_body())
}

/// `{"message":"ok"}`
pub fn ok() -> Response {
    of_text(StatusCode::OK, Bytes::from_static(b"{\"message\":\"ok\"}\n"))
}

/// The answer to a method that an endpoint has not: OPTIONS is told those that it has, others are
/// refused.
pub fn method_not_allowed(method: &Method, allow: HeaderValue) -> Result<Response, ApiError> {
    if method != Method::OPTIONS {
        return Err(ApiError::MethodNotAllowed { allow });
    }
    let mut response = Response::default();
    response.headers_mut().insert(ALLOW, allow);
    Ok(response)
}

/// Answers a request that no route has taken.
pub async fn recover(rejection: Rejection) -> Result<Response, Infallible> {
    let error = if rejection.is_not_found() { ApiError::UnknownPath } else { ApiError::BadRequest };
    Ok(error.into_response())
}
