//! Request bodies: their length, and the fields of `POST /api/conf`.

use futures_util::StreamExt;
use serde_json::{Map, Value};
use tokio::time::{Instant, timeout_at};
use warp::http::HeaderMap;
use warp::http::header::{CONTENT_LENGTH, CONTENT_TYPE};

use super::auth::{Authenticator, Caller};
use super::endpoint::{ApiRequest, Body};
use super::error::ApiError;
use originatord_core::call::numbering::Numbering;
use originatord_core::call::{Invalid, Lang};
use originatord_core::engine::request::Request;

/// Longest body, in bytes.
const MAX_BODY: usize = 16 * 1024;

/// Reads the body of a request with a JSON content type.
pub(super) async fn read_json(
    request: &mut ApiRequest,
    deadline: Instant,
) -> Result<Vec<u8>, ApiError> {
    check_type(&request.headers)?;
    let body = timeout_at(deadline, read(&request.headers, &mut request.body)).await;
    body.map_err(|_| ApiError::BodyTimeout)?
}

/// Reads a body of at most [`MAX_BODY`].
async fn read(headers: &HeaderMap, body: &mut Body) -> Result<Vec<u8>, ApiError> {
    let announced =
        headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > MAX_BODY) {
        return Err(ApiError::BodyTooLarge);
    }
    let mut whole = Vec::with_capacity(announced.unwrap_or(512));
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|_| ApiError::BodyBrokeOff)?;
        if whole.len() + chunk.len() > MAX_BODY {
            return Err(ApiError::BodyTooLarge);
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole)
}

/// Accepts `application/json` and `application/*+json`, with or without parameters.
fn check_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let is_json = || {
        let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
        let media_type = value.split(';').next()?.trim().to_ascii_lowercase();
        let subtype = media_type.strip_prefix("application/")?;
        (subtype == "json" || subtype.ends_with("+json")).then_some(())
    };
    is_json().ok_or(ApiError::NotJsonType)
}

/// The body of `POST /api/conf`: a JSON object with a key in it.
#[derive(Debug)]
pub struct ConfBody(Map<String, Value>);

impl ConfBody {
    /// Reads the JSON.
    ///
    /// # Errors
    ///
    /// The body is no JSON object.
    pub fn parse(body: &[u8]) -> Result<Self, ApiError> {
        // The original accepts a byte order mark, as Python's JSON parser does.
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        match serde_json::from_slice(body).map_err(ApiError::NotJson)? {
            Value::Object(fields) => Ok(Self(fields)),
            // The original checks `"api_key" in value`, so for these it answers that the key is
            // missing.
            Value::Array(items) if !items.iter().any(|item| item == "api_key") => {
                Err(ApiError::KeyMissing)
            }
            Value::String(text) if !text.contains("api_key") => Err(ApiError::KeyMissing),
            _ => Err(ApiError::NotAnObject),
        }
    }

    /// The holder of the key in the body.
    ///
    /// # Errors
    ///
    /// The key is missing or unknown.
    pub fn caller(&self, authenticator: &Authenticator) -> Result<Caller, ApiError> {
        let key = self.0.get("api_key").ok_or(ApiError::KeyMissing)?;
        key.as_str().and_then(|key| authenticator.find(key.as_bytes())).ok_or(ApiError::KeyWrong)
    }

    /// The checked request of this caller.
    ///
    /// # Errors
    ///
    /// A field is missing or breaks a rule, or the caller cannot place calls.
    pub fn request(
        &self,
        caller: &Caller,
        default_lang: &Lang,
        numbering: &Numbering,
    ) -> Result<Request, ApiError> {
        let Self(fields) = self;
        let required = ["phone_number", "room_name", "caller_id"];
        if !required.iter().all(|field| fields.contains_key(*field)) {
            return Err(ApiError::FieldMissing);
        }
        let request = Request {
            number: numbering.read(text(fields, "phone_number")?)?,
            room: text(fields, "room_name")?.parse()?,
            caller_id: text(fields, "caller_id")?.parse()?,
            lang: lang(fields)?.unwrap_or_else(|| default_lang.clone()),
            key: caller.name.clone(),
        };
        caller.require_call_role()?;
        if !caller.rooms.contains(request.room.as_str()) {
            return Err(ApiError::OtherRoom { field: "room_name" });
        }
        Ok(request)
    }
}

/// The language of the request; none for an empty one, `null`, or a missing field.
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
