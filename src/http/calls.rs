//! `/api/calls`: what lives and what has ended, and hanging up.

mod csv;
mod query;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use tracing::Span;
use tracing::field::display;
use warp::Filter as _;
use warp::filters::BoxedFilter;
use warp::filters::path::FullPath;
use warp::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderName, HeaderValue};
use warp::http::{HeaderMap, Method, StatusCode};
use warp::reply::Response;

use self::query::Query;
use super::places::Place;
use super::{Api, Parameters, at, parameters, raw_query, reply, unasked, with};
use crate::call::view::CallView;
use crate::call::{CallId, hide};
use crate::engine::request::{Calls, HangUpError};

/// How many lists of 1000 calls may be on their way to one key at once: each can have most of a
/// megabyte, and a client that does not take it in. Longer ones count for several.
pub(super) const MAX_LISTS: u32 = 16;

/// `GET /api/calls`
pub(super) fn list(api: Arc<Api>) -> BoxedFilter<(Response,)> {
    at("/api/calls")
        .and(with(api))
        .and(warp::method())
        .and(warp::ext::get())
        .and(warp::header::headers_cloned())
        .and(parameters())
        .then(
            |api: Arc<Api>,
             method: Method,
             place: Place,
             headers: HeaderMap,
             parameters: Parameters| async move {
                if method != Method::GET && method != Method::HEAD {
                    return reply::other_method(&method, "GET, HEAD, OPTIONS");
                }
                let Some(caller) = api.door.caller_in(&headers) else {
                    return reply::unauthorized(&headers);
                };
                let _served = place.serve();
                let response = match parameters
                    .map(|parameters| Query::parse(&parameters, &headers, &api.numbering))
                {
                    None => reply::error(StatusCode::BAD_REQUEST, "the query cannot be read"),
                    Some(Err(error)) => reply::error(StatusCode::BAD_REQUEST, error.to_string()),
                    Some(Ok(query)) => match api.lists.take(&caller.name, query.weight()) {
                        Some(part) => reply::hold(answer(&api, query).await, part),
                        None => reply::error(
                            StatusCode::SERVICE_UNAVAILABLE,
                            "too many lists at once for one key",
                        ),
                    },
                };
                reply::asked_by(&caller.name, response)
            },
        )
        .boxed()
}

/// A page of calls.
#[derive(Serialize)]
struct Page {
    #[serde(flatten)]
    calls: Calls,
    /// The `cursor` of the next page of ended calls, if there can be one.
    next: Option<CallId>,
    /// Whether the history is there: `off` where none is kept, else `ok` or what is wrong with it.
    history: String,
    /// The id in the event stream of the newest record that is surely in all this: who reads on
    /// from there misses nothing.
    as_of: String,
}

async fn answer(api: &Api, query: Query) -> Response {
    let Query { filter, live, limit, csv } = query;
    // Read before the engine is asked: all that is in the log by now has happened to its calls.
    let as_of = format!("{}-{}", api.journal.boot(), api.journal.follow().position());
    let mut calls = match api.handle.calls(filter.clone(), live.unwrap_or(limit), limit).await {
        Ok(calls) => calls,
        Err(error) => return reply::error(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
    };
    if api.masks {
        calls.live = calls.live.into_iter().map(CallView::masked).collect();
        calls.ended = calls.ended.into_iter().map(CallView::masked).collect();
    }
    if filter.before.is_some() {
        // They were on the first page.
        calls.live.clear();
    }
    let mut history = "off".to_owned();
    if let Some(known) = &api.history {
        history = known.state().map_or_else(|trouble| trouble.to_string(), |()| "ok".to_owned());
        match known.page(filter, limit).await {
            Ok(older) => calls.ended = merge(calls.ended, older, limit),
            // What ended lately is known all the same.
            Err(error) => history = error.to_string(),
        }
    }
    let next = limit.checked_sub(1).and_then(|last| calls.ended.get(last)).map(|last| last.info.id);
    let mut response = if csv {
        let mut response = Response::new(csv::table(calls.live.iter().chain(&calls.ended)).into());
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/csv; charset=utf-8; header=present"),
        );
        headers.insert(
            CONTENT_DISPOSITION,
            HeaderValue::from_static("attachment; filename=\"calls.csv\""),
        );
        reply::not_stored(response)
    } else {
        reply::json(StatusCode::OK, &Page { calls, next, history, as_of })
    };
    // A table has no other place for it.
    if let Some(next) = next.and_then(|id| id.to_string().parse().ok()) {
        response.headers_mut().insert(HeaderName::from_static("x-next-cursor"), next);
    }
    response
}

/// The newest `limit` of both, newest first, each once: what ended a moment ago may not be written
/// yet.
fn merge(lately: Vec<CallView>, older: Vec<CallView>, limit: usize) -> Vec<CallView> {
    let both: BTreeMap<_, _> =
        older.into_iter().chain(lately).map(|call| (call.info.id, call)).collect();
    both.into_values().rev().take(limit).collect()
}

/// `GET` and `DELETE /api/calls/{id}`
pub(super) fn one(api: Arc<Api>) -> BoxedFilter<(Response,)> {
    warp::path::full()
        .and_then(|full: FullPath| async move {
            let id = full
                .as_str()
                .strip_prefix("/api/calls/")
                .filter(|id| !id.is_empty() && !id.contains('/'));
            id.map(str::to_owned).ok_or_else(warp::reject::not_found)
        })
        .and(with(api))
        .and(warp::method())
        .and(warp::ext::get())
        .and(warp::header::headers_cloned())
        .and(raw_query())
        .then(
            |id: String,
             api: Arc<Api>,
             method: Method,
             place: Place,
             headers: HeaderMap,
             query: String| async move {
                if method != Method::GET && method != Method::HEAD && method != Method::DELETE {
                    return reply::other_method(&method, "DELETE, GET, HEAD, OPTIONS");
                }
                let caller = if method == Method::DELETE {
                    api.door.admit(&headers)
                } else {
                    api.door.caller_in(&headers).ok_or_else(|| reply::unauthorized(&headers))
                };
                let caller = match caller {
                    Ok(caller) => caller,
                    Err(refusal) => return refusal,
                };
                let _served = place.serve();
                let id = id.parse::<CallId>();
                if let Ok(id) = id {
                    Span::current().record("call_id", display(id));
                }
                let response = match (id, unasked(&query)) {
                    (_, Some(refusal)) => refusal,
                    (Err(_), None) => {
                        reply::error(StatusCode::NOT_FOUND, HangUpError::NoSuchCall.to_string())
                    }
                    (Ok(id), None) if method == Method::DELETE => {
                        hang_up(&api, id, caller.name.clone()).await
                    }
                    (Ok(id), None) => show(&api, id).await,
                };
                reply::asked_by(&caller.name, response)
            },
        )
        .boxed()
}

async fn show(api: &Api, id: CallId) -> Response {
    match api.handle.call(id).await {
        Ok(Some(call)) => {
            let call = if api.masks { call.masked() } else { call };
            return reply::json(StatusCode::OK, &call);
        }
        Ok(None) => {}
        Err(error) => return reply::error(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
    }
    let Some(history) = &api.history else { return no_such_call() };
    match history.find(id).await {
        Ok(Some(call)) => reply::json(StatusCode::OK, &call),
        Ok(None) => no_such_call(),
        Err(error) => reply::error(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
    }
}

fn no_such_call() -> Response {
    reply::error(StatusCode::NOT_FOUND, HangUpError::NoSuchCall.to_string())
}

async fn hang_up(api: &Api, id: CallId, key: Arc<str>) -> Response {
    let Err(mut error) = api.handle.hang_up(id, key).await else { return reply::ok() };
    if error == HangUpError::NoSuchCall
        && let Some(history) = &api.history
        && let Ok(Some(_)) = history.find(id).await
    {
        error = HangUpError::AlreadyEnded;
    }
    if api.masks
        && let HangUpError::Rejected(words) = &error
        && let Ok(Some(call)) = api.handle.call(id).await
    {
        error = HangUpError::Rejected(hide(call.info.number, words).into());
    }
    let status = match error {
        HangUpError::NoSuchCall => StatusCode::NOT_FOUND,
        HangUpError::AlreadyEnded => StatusCode::CONFLICT,
        HangUpError::LinkDown(_) | HangUpError::NotAsked(_) => StatusCode::SERVICE_UNAVAILABLE,
        HangUpError::Rejected(_) => StatusCode::BAD_GATEWAY,
        HangUpError::TimedOut => StatusCode::GATEWAY_TIMEOUT,
    };
    reply::error(status, error.to_string())
}
