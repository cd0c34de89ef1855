//! `/api/session`: logging in to the operators' page with a key, and out again.

#![allow(clippy::result_large_err, reason = "a refusal is a reply like any other, and moved once")]

use std::sync::Arc;

use bytes::Buf;
use futures_util::Stream;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::http::header::{ORIGIN, SET_COOKIE};
use warp::http::{HeaderMap, Method, StatusCode};
use warp::reply::Response;

use super::auth::sessions::LIFETIME;
use super::auth::{self, Caller};
use super::{Api, at, body, noting_keys, reply, with};
use crate::config::Role;

/// What is sent to log in.
#[derive(Deserialize)]
struct LogIn {
    key: String,
}

/// Whose the session is, and what it is a session of.
#[derive(Serialize)]
struct Shown<'a> {
    key: &'a str,
    role: Role,
    instance: &'a str,
    version: &'static str,
}

/// `GET`, `POST` and `DELETE /api/session`
pub(super) fn route(api: Arc<Api>) -> BoxedFilter<(Response,)> {
    at("/api/session")
        .and(noting_keys(api.clone()))
        .and(with(api))
        .and(warp::method())
        .and(warp::header::headers_cloned())
        .and(warp::body::stream())
        .then(|api: Arc<Api>, method: Method, headers: HeaderMap, body| async move {
            match method {
                Method::GET | Method::HEAD => match api.door.session_in(&headers) {
                    Some((caller, _)) => show(&api, &caller),
                    None => reply::unauthorized(&headers),
                },
                Method::POST | Method::DELETE if !auth::is_own_page(&headers) => auth::foreign(),
                Method::POST => {
                    log_in(&api, &headers, body).await.unwrap_or_else(|refusal| refusal)
                }
                Method::DELETE => log_out(&api, &headers),
                _ => reply::other_method(&method, "DELETE, GET, HEAD, OPTIONS, POST"),
            }
        })
        .boxed()
}

fn show(api: &Api, caller: &Caller) -> Response {
    let version = env!("CARGO_PKG_VERSION");
    let shown = Shown { key: &caller.name, role: caller.role, instance: &api.instance, version };
    reply::asked_by(&caller.name, reply::json(StatusCode::OK, &shown))
}

async fn log_in(
    api: &Api,
    headers: &HeaderMap,
    body: impl Stream<Item = Result<impl Buf, warp::Error>>,
) -> Result<Response, Response> {
    body::check_type(headers)?;
    let late = |_| reply::error(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time");
    let body = timeout(api.reply_timeout, body::read(headers, body)).await.map_err(late)??;
    let LogIn { key } = serde_json::from_slice(&body).map_err(|_| {
        reply::error(StatusCode::BAD_REQUEST, "the body must be a JSON object with the key")
    })?;
    let opened = api.door.open_session(key.as_bytes()).map_err(|error| {
        tracing::error!(%error, "no random bytes for a session");
        reply::error(StatusCode::SERVICE_UNAVAILABLE, "no session can be opened")
    })?;
    let (caller, token) = opened.ok_or_else(|| reply::unauthorized(headers))?;
    let mut response = show(api, &caller);
    set_cookie(api, headers, &mut response, &token.to_string(), LIFETIME.as_secs());
    Ok(response)
}

fn log_out(api: &Api, headers: &HeaderMap) -> Response {
    api.door.close_session(headers);
    let mut response = reply::ok();
    set_cookie(api, headers, &mut response, "", 0);
    response
}

/// No script sees the cookie, and no other site's page gets it sent. Browsers that see us over
/// HTTPS, be it ours or a proxy's, never send it without.
fn set_cookie(api: &Api, headers: &HeaderMap, response: &mut Response, token: &str, seconds: u64) {
    let is_https = |origin: &warp::http::HeaderValue| origin.as_bytes().starts_with(b"https://");
    let secure = if api.tls || headers.get(ORIGIN).is_some_and(is_https) { "; Secure" } else { "" };
    let name = api.door.cookie();
    let cookie =
        format!("{name}={token}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    // Letters, digits and punctuation.
    if let Ok(cookie) = cookie.parse() {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
}
