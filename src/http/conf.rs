//! `POST /api/conf`: the endpoint of the original API, to the byte.
//!
//! The order of the checks is the original's: method, media type, body, key, fields. Bots look for the word
//! `error` in the answer's text, so every refusal holds it and no success does.

#![allow(clippy::result_large_err, reason = "a refusal is a reply like any other, and moved once")]

use std::pin::pin;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use futures_util::{Stream, StreamExt};
use serde_json::{Map, Value, json};
use tokio::time::{Instant, timeout_at};
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use warp::http::{HeaderMap, Method, StatusCode};
use warp::reply::Response;

use super::{Api, at, reply, with};
use crate::call::refusal::Limit;
use crate::call::{CallId, Invalid, Refusal};
use crate::handle::{OriginateError, Request};

/// Longest body taken, in bytes.
const MAX_BODY: usize = 16 * 1024;

/// The methods of this path.
const ALLOWED: &str = "OPTIONS, POST";

/// The route.
pub(super) fn route(api: Arc<Api>) -> BoxedFilter<(Response,)> {
    at("/api/conf")
        .and(with(api))
        .and(warp::method())
        .and(warp::header::headers_cloned())
        .and(warp::body::stream())
        .then(|api: Arc<Api>, method, headers, body| async move {
            let give_up = Instant::now() + api.reply_timeout;
            match answer(&api, method, headers, body, give_up).await {
                Ok(response) | Err(response) => response,
            }
        })
        .boxed()
}

/// The answer, as `Ok` or, on the way there, as `Err`.
async fn answer(
    api: &Api,
    method: Method,
    headers: HeaderMap,
    body: impl Stream<Item = Result<impl Buf, warp::Error>>,
    give_up: Instant,
) -> Result<Response, Response> {
    if method != Method::POST {
        return Err(reply::other_method(&method, ALLOWED));
    }
    if !is_json(&headers) {
        return Err(reply::error(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content-type must be application/json"));
    }
    let late = |status, text| move |_| reply::error(status, text);
    let body = timeout_at(give_up, read(&headers, body));
    let body = body.await.map_err(late(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time"))??;
    let request = parse(api, &body)?;
    // The engine gives up a little earlier and knows more; this is for an engine that is held up itself.
    let answer = timeout_at(give_up, api.handle.originate(request));
    match answer.await.map_err(late(StatusCode::GATEWAY_TIMEOUT, "no answer in time; the call may still be made"))? {
        Ok(id) => Ok(accepted(id)),
        Err(OriginateError::Refused(refusal)) => Err(refused(&refusal)),
        Err(error @ OriginateError::Unconfirmed(id)) => {
            let mut response = reply::error(StatusCode::GATEWAY_TIMEOUT, error.to_string());
            insert_id(&mut response, id);
            Err(response)
        }
    }
}

/// `application/json` or `application/*+json`, with or without parameters.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let media_type = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let Some(subtype) = media_type.strip_prefix("application/") else { return false };
    subtype == "json" || subtype.ends_with("+json")
}

async fn read(
    headers: &HeaderMap,
    body: impl Stream<Item = Result<impl Buf, warp::Error>>,
) -> Result<Vec<u8>, Response> {
    let too_large = || reply::error(StatusCode::PAYLOAD_TOO_LARGE, "the body is over 16 KiB");
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > MAX_BODY) {
        return Err(too_large());
    }
    let mut whole = Vec::with_capacity(announced.unwrap_or(512));
    let mut body = pin!(body);
    while let Some(chunk) = body.next().await {
        let mut chunk = chunk.map_err(|_| reply::error(StatusCode::BAD_REQUEST, "the body broke off"))?;
        if whole.len() + chunk.remaining() > MAX_BODY {
            return Err(too_large());
        }
        let bytes: Bytes = chunk.copy_to_bytes(chunk.remaining());
        whole.extend_from_slice(&bytes);
    }
    Ok(whole)
}

/// Makes a checked request of a body, or says what is wrong with it.
fn parse(api: &Api, body: &[u8]) -> Result<Request, Response> {
    // Python's JSON, and so the original, takes a byte order mark.
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| reply::error(StatusCode::BAD_REQUEST, format!("the body is not JSON: {error}")))?;
    let fields = match value {
        Value::Object(fields) => fields,
        // The original asks whether "api_key" is in the value, and so says of these that the key is missing.
        Value::Array(items) if !items.iter().any(|item| item == "api_key") => return Err(key_missing()),
        Value::String(text) if !text.contains("api_key") => return Err(key_missing()),
        _ => return Err(reply::error(StatusCode::BAD_REQUEST, "the body must be a JSON object")),
    };
    let key = match fields.get("api_key") {
        None => return Err(key_missing()),
        Some(key) => key.as_str().and_then(|key| api.door.name_of(key.as_bytes())).ok_or_else(key_wrong)?,
    };
    if ["phone_number", "room_name", "caller_id"].iter().any(|field| !fields.contains_key(*field)) {
        return Err(reply::error(StatusCode::BAD_REQUEST, "not all parameters are specified"));
    }
    let checked = || {
        Ok(Request {
            number: text(&fields, "phone_number")?.parse()?,
            room: text(&fields, "room_name")?.parse()?,
            caller_id: text(&fields, "caller_id")?.parse()?,
            lang: match fields.get("lang") {
                None => api.default_lang.clone(),
                Some(_) => text(&fields, "lang")?.parse()?,
            },
            key,
        })
    };
    checked().map_err(|invalid: Invalid| reply::error(StatusCode::BAD_REQUEST, invalid.to_string()))
}

fn text<'f>(fields: &'f Map<String, Value>, field: &'static str) -> Result<&'f str, Invalid> {
    fields.get(field).and_then(Value::as_str).ok_or(Invalid { field, rule: "must be a string" })
}

fn key_missing() -> Response {
    let body = json!({ "error": "Authentication required", "message": "Please specify api key" });
    reply::json(StatusCode::UNAUTHORIZED, &body)
}

fn key_wrong() -> Response {
    let body = json!({ "error": "Authentication failure", "message": "Wrong api key" });
    reply::json(StatusCode::UNAUTHORIZED, &body)
}

fn accepted(id: CallId) -> Response {
    let mut response = reply::ok();
    insert_id(&mut response, id);
    response
}

fn insert_id(response: &mut Response, id: CallId) {
    // An id is letters, digits and "-".
    if let (Ok(location), Ok(id)) = (format!("/api/calls/{id}").parse(), id.to_string().parse::<HeaderValue>()) {
        response.headers_mut().insert(LOCATION, location);
        response.headers_mut().insert(HeaderName::from_static("x-call-id"), id);
    }
}

fn refused(refusal: &Refusal) -> Response {
    let status = match refusal {
        Refusal::InProgress { .. } => {
            let body = json!({ "message": "error", "text": "call already in progress" });
            return reply::json(StatusCode::OK, &body);
        }
        Refusal::NotAllowed { .. } => StatusCode::FORBIDDEN,
        Refusal::Limited(limit) => return limited(limit),
        Refusal::LinkDown(_) | Refusal::Overloaded | Refusal::Stopping => StatusCode::SERVICE_UNAVAILABLE,
        Refusal::Rejected(_) => StatusCode::BAD_GATEWAY,
    };
    reply::error(status, refusal.to_string())
}

fn limited(limit: &Limit) -> Response {
    // Whole seconds, and never 0, which would mean at once.
    let seconds = limit.retry_after.as_secs_f64().ceil().max(1.0) as u64;
    let body = json!({ "error": limit.to_string(), "limit": limit.name, "retry_after_seconds": seconds });
    let mut response = reply::json(StatusCode::TOO_MANY_REQUESTS, &body);
    response.headers_mut().insert(RETRY_AFTER, seconds.into());
    response
}
