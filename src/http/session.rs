//! `/api/session`: logging in to the operators' page with a key, and out again.

use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use warp::http::header::{ORIGIN, SET_COOKIE};
use warp::http::{HeaderMap, StatusCode};
use warp::reply::Response;

use super::auth::sessions::LIFETIME;
use super::auth::{self, Caller, Role};
use super::endpoint::{ApiRequest, Authenticated};
use super::error::ApiError;
use super::{Api, body, reply};
use originatord_core::call::RoomPatterns;

/// The body of a login.
#[derive(Deserialize)]
struct LogIn {
    key: String,
}

/// The response about a session: its key, and the daemon.
#[derive(Serialize)]
struct SessionBody<'a> {
    key: &'a str,
    role: Role,
    /// The rooms that the key is limited to.
    #[serde(skip_serializing_if = "RoomPatterns::is_all")]
    rooms: &'a RoomPatterns,
    instance: &'a str,
    version: &'static str,
}

/// `GET /api/session`
pub(super) async fn show(
    request: ApiRequest,
    Authenticated { caller, .. }: Authenticated,
) -> Result<Response, ApiError> {
    Ok(session_response(&request.api, &caller))
}

fn session_response(api: &Api, caller: &Caller) -> Response {
    let body = SessionBody {
        key: &caller.name,
        role: caller.role,
        rooms: &caller.rooms,
        instance: &api.settings.instance,
        version: env!("CARGO_PKG_VERSION"),
    };
    reply::json(StatusCode::OK, &body)
}

/// `POST /api/session`
pub(super) async fn log_in(mut request: ApiRequest) -> Result<Response, ApiError> {
    let deadline = Instant::now() + request.api.settings.reply_timeout;
    let body = body::read_json(&mut request, deadline).await?;
    let ApiRequest { api, headers, .. } = &request;
    let LogIn { key } = serde_json::from_slice(&body).map_err(|_| ApiError::NoLoginKey)?;
    let opened = api.authenticator.open_session(key.as_bytes()).map_err(|error| {
        tracing::error!(%error, "no random bytes for a session");
        ApiError::NoSession
    })?;
    let (caller, token) = opened.ok_or_else(|| auth::unauthorized(headers))?;
    let mut response = reply::with_key_name(&caller.name, session_response(api, &caller));
    set_cookie(api, headers, &mut response, &token.to_string(), LIFETIME.as_secs());
    Ok(response)
}

/// `DELETE /api/session`
pub(super) async fn log_out(request: ApiRequest) -> Result<Response, ApiError> {
    let ApiRequest { api, headers, .. } = &request;
    api.authenticator.close_session(headers);
    let mut response = reply::ok();
    set_cookie(api, headers, &mut response, "", 0);
    Ok(response)
}

/// Sets the session's cookie. `HttpOnly` hides it from scripts, and `SameSite=Strict` keeps it out of
/// requests that other sites start. `Secure` keeps it off plain HTTP; it is set if the browser uses
/// HTTPS, to the daemon or to a proxy before it.
fn set_cookie(api: &Api, headers: &HeaderMap, response: &mut Response, token: &str, seconds: u64) {
    let is_https = |origin: &warp::http::HeaderValue| origin.as_bytes().starts_with(b"https://");
    let secure =
        if api.settings.tls || headers.get(ORIGIN).is_some_and(is_https) { "; Secure" } else { "" };
    let name = api.authenticator.cookie();
    let cookie =
        format!("{name}={token}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    // Letters, digits and punctuation are always a valid value.
    if let Ok(cookie) = cookie.parse() {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
}
