//! What is posted: how much of a body is read, and what that of `POST /api/conf` has to be.

#![allow(clippy::result_large_err, reason = "a refusal is a reply like any other, and moved once")]

use std::pin::pin;

use bytes::{Buf, Bytes};
use futures_util::{Stream, StreamExt};
use serde_json::{Map, Value, json};
use warp::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use warp::http::{HeaderMap, StatusCode};
use warp::reply::Response;

use super::auth::Door;
use super::reply;
use crate::call::numbering::Numbering;
use crate::call::{Invalid, Lang};
use crate::engine::request::Request;

/// Longest body taken, in bytes.
const MAX_BODY: usize = 16 * 1024;

/// Reads a body of at most [`MAX_BODY`], or says why not.
pub(super) async fn read(
    headers: &HeaderMap,
    body: impl Stream<Item = Result<impl Buf, warp::Error>>,
) -> Result<Vec<u8>, Response> {
    let too_large = || reply::error(StatusCode::PAYLOAD_TOO_LARGE, "the body is over 16 KiB");
    let announced =
        headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > MAX_BODY) {
        return Err(too_large());
    }
    let mut whole = Vec::with_capacity(announced.unwrap_or(512));
    let mut body = pin!(body);
    while let Some(chunk) = body.next().await {
        let mut chunk =
            chunk.map_err(|_| reply::error(StatusCode::BAD_REQUEST, "the body broke off"))?;
        if whole.len() + chunk.remaining() > MAX_BODY {
            return Err(too_large());
        }
        let bytes: Bytes = chunk.copy_to_bytes(chunk.remaining());
        whole.extend_from_slice(&bytes);
    }
    Ok(whole)
}

/// Nothing, if the body is `application/json` or `application/*+json`, with or without parameters;
/// else the 415.
pub(super) fn check_type(headers: &HeaderMap) -> Result<(), Response> {
    let is_json = || {
        let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
        let media_type = value.split(';').next()?.trim().to_ascii_lowercase();
        let subtype = media_type.strip_prefix("application/")?;
        (subtype == "json" || subtype.ends_with("+json")).then_some(())
    };
    let wrong = || {
        reply::error(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content-type must be application/json")
    };
    is_json().ok_or_else(wrong)
}

/// Makes a checked request of a body, or says what is wrong with it.
pub fn parse(
    door: &Door,
    default_lang: &Lang,
    numbering: &Numbering,
    body: &[u8],
) -> Result<Request, Response> {
    // Python's JSON, and so the original, takes a byte order mark.
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let value: Value = serde_json::from_slice(body).map_err(|error| {
        reply::error(StatusCode::BAD_REQUEST, format!("the body is not JSON: {error}"))
    })?;
    let fields = match value {
        Value::Object(fields) => fields,
        // The original asks whether "api_key" is in the value, and so says of these that the key is
        // missing.
        Value::Array(items) if !items.iter().any(|item| item == "api_key") => {
            return Err(key_missing());
        }
        Value::String(text) if !text.contains("api_key") => return Err(key_missing()),
        _ => return Err(reply::error(StatusCode::BAD_REQUEST, "the body must be a JSON object")),
    };
    let caller = match fields.get("api_key") {
        None => return Err(key_missing()),
        Some(key) => {
            key.as_str().and_then(|key| door.caller_of(key.as_bytes())).ok_or_else(key_wrong)?
        }
    };
    let refuse = |text| reply::asked_by(&caller.name, reply::error(StatusCode::BAD_REQUEST, text));
    if ["phone_number", "room_name", "caller_id"].iter().any(|field| !fields.contains_key(*field)) {
        return Err(refuse("not all parameters are specified".to_owned()));
    }
    let checked = || {
        Ok(Request {
            number: numbering.read(text(&fields, "phone_number")?)?,
            room: text(&fields, "room_name")?.parse()?,
            caller_id: text(&fields, "caller_id")?.parse()?,
            lang: lang(&fields)?.unwrap_or_else(|| default_lang.clone()),
            key: caller.name.clone(),
        })
    };
    let request = checked().map_err(|invalid: Invalid| refuse(invalid.to_string()))?;
    match caller.may_call() {
        Some(refusal) => Err(reply::asked_by(&caller.name, refusal)),
        None => Ok(request),
    }
}

/// The language that is asked for; an empty one and null are as if the field were not there.
fn lang(fields: &Map<String, Value>) -> Result<Option<Lang>, Invalid> {
    match fields.get("lang") {
        None | Some(Value::Null) => Ok(None),
        Some(_) => match text(fields, "lang")?.trim() {
            "" => Ok(None),
            tag => tag.parse().map(Some),
        },
    }
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
