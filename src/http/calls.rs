//! `/api/calls`: what lives and what ended lately, and hanging up.

use std::sync::Arc;

use warp::Filter;
use warp::filters::BoxedFilter;
use warp::filters::path::FullPath;
use warp::http::{HeaderMap, Method, StatusCode};
use warp::reply::Response;

use super::places::Place;
use super::{Api, at, reply, with};
use crate::call::CallId;
use crate::handle::HangUpError;

/// How many calls of each kind are shown where nothing is said.
const DEFAULT_LIMIT: usize = 100;

/// How many are shown at most.
const MAX_LIMIT: usize = 1000;

/// `GET /api/calls?limit=N`
pub(super) fn list(api: Arc<Api>) -> BoxedFilter<(Response,)> {
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    at("/api/calls")
        .and(with(api))
        .and(warp::method())
        .and(warp::ext::get())
        .and(warp::header::headers_cloned())
        .and(query)
        .then(|api: Arc<Api>, method: Method, place: Place, headers: HeaderMap, query: String| async move {
            if method != Method::GET && method != Method::HEAD {
                return reply::other_method(&method, "GET, HEAD, OPTIONS");
            }
            let Some(caller) = api.door.caller_in(&headers) else { return reply::unauthorized() };
            let _served = place.serve();
            let response = match limit(&query) {
                None => reply::error(StatusCode::BAD_REQUEST, "limit: must be a number from 1 to 1000"),
                Some(limit) => match api.handle.calls(limit).await {
                    Ok(calls) => reply::json(StatusCode::OK, &calls),
                    Err(error) => reply::error(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
                },
            };
            reply::asked_by(&caller.name, response)
        })
        .boxed()
}

/// `GET` and `DELETE /api/calls/{id}`
pub(super) fn one(api: Arc<Api>) -> BoxedFilter<(Response,)> {
    warp::path::full()
        .and_then(|full: FullPath| async move {
            let id = full.as_str().strip_prefix("/api/calls/").filter(|id| !id.is_empty() && !id.contains('/'));
            id.map(str::to_owned).ok_or_else(warp::reject::not_found)
        })
        .and(with(api))
        .and(warp::method())
        .and(warp::ext::get())
        .and(warp::header::headers_cloned())
        .then(|id: String, api: Arc<Api>, method: Method, place: Place, headers: HeaderMap| async move {
            if method != Method::GET && method != Method::HEAD && method != Method::DELETE {
                return reply::other_method(&method, "DELETE, GET, HEAD, OPTIONS");
            }
            let Some(caller) = api.door.caller_in(&headers) else { return reply::unauthorized() };
            if method == Method::DELETE
                && let Some(refusal) = caller.may_call()
            {
                return reply::asked_by(&caller.name, refusal);
            }
            let _served = place.serve();
            let response = match id.parse::<CallId>() {
                Err(_) => reply::error(StatusCode::NOT_FOUND, HangUpError::NoSuchCall.to_string()),
                Ok(id) if method == Method::DELETE => hang_up(&api, id, caller.name.clone()).await,
                Ok(id) => show(&api, id).await,
            };
            reply::asked_by(&caller.name, response)
        })
        .boxed()
}

async fn show(api: &Api, id: CallId) -> Response {
    match api.handle.call(id).await {
        Ok(Some(call)) => reply::json(StatusCode::OK, &call),
        Ok(None) => reply::error(StatusCode::NOT_FOUND, HangUpError::NoSuchCall.to_string()),
        Err(error) => reply::error(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
    }
}

async fn hang_up(api: &Api, id: CallId, key: Arc<str>) -> Response {
    let Err(error) = api.handle.hang_up(id, key).await else { return reply::ok() };
    let status = match error {
        HangUpError::NoSuchCall => StatusCode::NOT_FOUND,
        HangUpError::AlreadyEnded => StatusCode::CONFLICT,
        HangUpError::LinkDown(_) | HangUpError::NotAsked(_) => StatusCode::SERVICE_UNAVAILABLE,
        HangUpError::Rejected(_) => StatusCode::BAD_GATEWAY,
        HangUpError::TimedOut => StatusCode::GATEWAY_TIMEOUT,
    };
    reply::error(status, error.to_string())
}

fn limit(query: &str) -> Option<usize> {
    let Some(limit) = query.split('&').find_map(|pair| pair.strip_prefix("limit=")) else {
        return Some(DEFAULT_LIMIT);
    };
    limit.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit))
}
