//! Refused requests: one enum, with one function for the status and one for the body.
//!
//! Every body contains the word `error`, as bots of the original API look for nothing else.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};
use tracing::Span;
use tracing::field::display;
use warp::http::header::{ALLOW, HeaderName, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use warp::http::{HeaderMap, HeaderValue, StatusCode};
use warp::reply::Response;

use super::events::BadPosition;
use super::query::BadQuery;
use super::reply;
use super::{endpoint, routes};
use crate::history::QueryError;
use originatord_core::call::refusal::Limit;
use originatord_core::call::{CallId, Invalid, Refusal};
use originatord_core::engine::request::{EraseError, HangUpError, SubmitError};
use originatord_core::engine::room_request::RoomError;

/// The header that names a call.
const CALL_ID: HeaderName = HeaderName::from_static("x-call-id");

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// No endpoint has this path.
    #[error("not found")]
    UnknownPath,
    /// warp rejected the request for another reason. No endpoint causes this.
    #[error("bad request")]
    BadRequest,
    /// The endpoint has no such method.
    #[error("method not allowed")]
    MethodNotAllowed {
        /// The value of the `Allow` header.
        allow: HeaderValue,
    },
    /// An operator's request without a valid key or session.
    #[error("a valid API key is needed")]
    Unauthorized {
        /// Whether a browser opens a login window. It must not for the page, which has a form.
        challenge: bool,
    },
    /// A bot's request without the member `api_key`.
    #[error("Authentication required")]
    KeyMissing,
    /// A bot's request with an unknown key.
    #[error("Authentication failure")]
    KeyWrong,
    /// A key of the role `watch` cannot place or hang up calls.
    #[error("this key may look at calls, not place or hang them up")]
    WatchOnly,
    /// A key that is limited to some rooms asked for what is about all of them.
    #[error("this key may see only some rooms, and this is about all of them")]
    SomeRooms,
    /// A key that is limited to some rooms named another one. `field` is its name in the request.
    #[error("{field}: this key may not invite into this room")]
    OtherRoom {
        /// `room_name`, or `room` for a move.
        field: &'static str,
    },
    /// A session was used by another site's page.
    #[error("a session can change something only from the daemon's own page")]
    CrossOrigin,
    /// Another media type than JSON.
    #[error("content-type must be application/json")]
    NotJsonType,
    /// The body is longer than `body::MAX_BODY`.
    #[error("the body is over 16 KiB")]
    BodyTooLarge,
    /// The connection broke in the middle of the body.
    #[error("the body broke off")]
    BodyBrokeOff,
    /// The body was not complete after `reply_timeout`.
    #[error("the body did not arrive in time")]
    BodyTimeout,
    /// The body is not JSON.
    #[error("the body is not JSON: {0}")]
    NotJson(serde_json::Error),
    /// The body is JSON, but no object.
    #[error("the body must be a JSON object")]
    NotAnObject,
    /// The body of a login has no key.
    #[error("the body must be a JSON object with the key")]
    NoLoginKey,
    /// A required field of the original API is missing.
    #[error("not all parameters are specified")]
    FieldMissing,
    /// A field's value breaks a rule.
    #[error(transparent)]
    Field(#[from] Invalid),
    /// The endpoint takes no query. An ignored parameter would return other data than the client
    /// expects.
    #[error("this endpoint has no parameters")]
    UnexpectedQuery,
    /// The query of a list cannot be used.
    #[error(transparent)]
    Query(#[from] BadQuery),
    /// The position from which an event stream should begin is invalid.
    #[error(transparent)]
    Position(#[from] BadPosition),
    /// `DELETE /api/history` needs exactly one number.
    #[error("a number is needed: /api/history?number=79991234567")]
    NoNumber,
    /// The number to erase is invalid.
    #[error("number: must be 3 to 15 digits, with or without +")]
    BadNumber,
    /// One key has `calls::MAX_LISTS` lists under way.
    #[error("too many lists at once for one key")]
    TooManyLists,
    /// All slots for event streams are taken.
    #[error("too many event streams")]
    TooManyStreams,
    /// One key has `history::MAX_ERASURES` erasures under way.
    #[error("too many erasures at once for one key; try again later")]
    TooManyErasures,
    /// The engine refused the call, for this reason.
    #[error("{0}")]
    Refused(Refusal),
    /// Asterisk did not confirm this call in time.
    #[error("Asterisk did not answer in time; the call may still be made")]
    Unconfirmed(CallId),
    /// The engine did not answer in time.
    #[error("no answer in time; the call may still be made")]
    EngineTimeout,
    /// A member of a body breaks a rule. The text names it.
    #[error("{0}")]
    Member(String),
    /// The engine did not change or show a room.
    #[error(transparent)]
    Room(#[from] RoomError),
    /// No call has this id.
    #[error("no such call")]
    NoSuchCall,
    /// No conference has this id.
    #[error("no such conference")]
    NoSuchConference,
    /// The hang-up failed.
    #[error(transparent)]
    HangUp(#[from] HangUpError),
    /// The engine did not erase the number.
    #[error(transparent)]
    Erase(#[from] EraseError),
    /// The number is erased from memory, but not from every file. These are the reasons.
    #[error("the number may be left in some files; try again: {0}")]
    PartlyErased(String),
    /// The request did not reach the engine.
    #[error(transparent)]
    NotSubmitted(#[from] SubmitError),
    /// The query of the history failed.
    #[error(transparent)]
    History(#[from] QueryError),
    /// The system has no random bytes for a session's token.
    #[error("no session can be opened")]
    NoSession,
    /// `GET /readyz`: calls cannot be made, for this reason.
    #[error("{0}")]
    NotReady(Arc<str>),
    /// The daemon stops, and the request was not finished in time.
    #[error(
        "the daemon is stopping; the request was not finished and may have no effect; try again"
    )]
    StoppedMeanwhile,
}

impl ApiError {
    /// The status of the response. It is 200 for a busy number, as in the original API.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Refused(Refusal::InProgress { .. }) => StatusCode::OK,
            Self::BadRequest
            | Self::BodyBrokeOff
            | Self::NotJson(_)
            | Self::NotAnObject
            | Self::NoLoginKey
            | Self::FieldMissing
            | Self::Field(_)
            | Self::UnexpectedQuery
            | Self::Query(_)
            | Self::Position(_)
            | Self::NoNumber
            | Self::BadNumber
            | Self::Member(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized { .. } | Self::KeyMissing | Self::KeyWrong => {
                StatusCode::UNAUTHORIZED
            }
            Self::WatchOnly
            | Self::SomeRooms
            | Self::OtherRoom { .. }
            | Self::CrossOrigin
            | Self::Refused(Refusal::NotAllowed { .. }) => StatusCode::FORBIDDEN,
            Self::UnknownPath
            | Self::NoSuchCall
            | Self::NoSuchConference
            | Self::HangUp(HangUpError::NoSuchCall) => StatusCode::NOT_FOUND,
            Self::Room(error) => room_status(error),
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::Refused(Refusal::RoomLocked)
            | Self::HangUp(HangUpError::AlreadyEnded)
            | Self::Erase(EraseError::InCall) => StatusCode::CONFLICT,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NotJsonType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Refused(Refusal::Limited(_)) => StatusCode::TOO_MANY_REQUESTS,
            Self::Refused(Refusal::Rejected(_)) | Self::HangUp(HangUpError::Rejected(_)) => {
                StatusCode::BAD_GATEWAY
            }
            Self::Refused(Refusal::LinkDown(_) | Refusal::Overloaded | Refusal::Stopping)
            | Self::HangUp(HangUpError::LinkDown(_) | HangUpError::NotSubmitted(_))
            | Self::Erase(EraseError::NotSubmitted(_))
            | Self::TooManyLists
            | Self::TooManyStreams
            | Self::TooManyErasures
            | Self::PartlyErased(_)
            | Self::NotSubmitted(_)
            | Self::History(_)
            | Self::NoSession
            | Self::NotReady(_)
            | Self::StoppedMeanwhile => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unconfirmed(_) | Self::EngineTimeout | Self::HangUp(HangUpError::TimedOut) => {
                StatusCode::GATEWAY_TIMEOUT
            }
        }
    }

    /// The body of the response: an `error` member, and more members for some errors.
    pub fn body(&self) -> Value {
        match self {
            Self::Refused(Refusal::InProgress { .. }) => {
                json!({ "message": "error", "text": self.to_string() })
            }
            Self::Refused(Refusal::Limited(limit)) => json!({
                "error": limit.to_string(),
                "limit": limit.name,
                "retry_after_seconds": retry_after_seconds(limit),
            }),
            Self::KeyMissing => {
                json!({ "error": self.to_string(), "message": "Please specify api key" })
            }
            Self::KeyWrong => json!({ "error": self.to_string(), "message": "Wrong api key" }),
            _ => json!({ "error": self.to_string() }),
        }
    }

    /// The response, with the headers that some errors need.
    pub fn into_response(self) -> Response {
        let mut response = reply::json(self.status(), &self.body());
        let headers = response.headers_mut();
        match self {
            Self::MethodNotAllowed { allow } => _ = headers.insert(ALLOW, allow),
            Self::Unauthorized { challenge: true } => {
                let schemes = HeaderValue::from_static("Bearer, Basic realm=\"originatord\"");
                headers.insert(WWW_AUTHENTICATE, schemes);
            }
            Self::Refused(Refusal::InProgress { by: Some(id) }) => {
                insert(headers, CALL_ID, Bytes::from(id.to_string()));
            }
            Self::Refused(Refusal::Limited(limit)) => {
                headers.insert(RETRY_AFTER, retry_after_seconds(&limit).into());
            }
            Self::Unconfirmed(id) => name_call(headers, id),
            _ => {}
        }
        response
    }
}

fn room_status(error: &RoomError) -> StatusCode {
    match error {
        RoomError::NoSuchRoom | RoomError::NoSuchParticipant => StatusCode::NOT_FOUND,
        RoomError::TargetLocked(_) | RoomError::RoomMuted | RoomError::NotLive => {
            StatusCode::CONFLICT
        }
        RoomError::Rejected(_) => StatusCode::BAD_GATEWAY,
        RoomError::LinkDown(_) | RoomError::NotSubmitted(_) => StatusCode::SERVICE_UNAVAILABLE,
        RoomError::TimedOut => StatusCode::GATEWAY_TIMEOUT,
    }
}

/// Adds the id of a call to the headers of its response and to the debug log. The body stays as in
/// the original API.
pub(crate) fn name_call(headers: &mut HeaderMap, id: CallId) {
    Span::current().record("call_id", display(id));
    let prefix = endpoint::prefix(routes::CALL);
    let location = Bytes::from(format!("{prefix}{id}"));
    let id = location.slice(prefix.len()..);
    insert(headers, LOCATION, location);
    insert(headers, CALL_ID, id);
}

/// Inserts a value of letters, digits, "-" and "/".
fn insert(headers: &mut HeaderMap, name: HeaderName, value: Bytes) {
    if let Ok(value) = HeaderValue::from_maybe_shared(value) {
        headers.insert(name, value);
    }
}

/// `Retry-After` in whole seconds, and never 0: that would mean at once.
fn retry_after_seconds(limit: &Limit) -> u64 {
    limit.retry_after.as_secs_f64().ceil().max(1.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_contains_error() {
        let errors = [
            ApiError::UnknownPath,
            ApiError::KeyMissing,
            ApiError::KeyWrong,
            ApiError::Refused(Refusal::InProgress { by: None }),
            ApiError::Refused(Refusal::Overloaded),
            ApiError::StoppedMeanwhile,
        ];
        for error in errors {
            assert!(error.body().to_string().contains("error"), "{error:?}");
        }
    }
}
