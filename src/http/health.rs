//! `GET /healthz` and `GET /readyz`, for those who start and stop the daemon. They need no key and
//! tell nothing but that.

use std::sync::Arc;

use serde_json::json;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::http::{Method, StatusCode};
use warp::reply::Response;

use super::{Api, at, noting_keys, reply, with};

/// `GET /healthz`: the process lives.
pub(super) fn live(api: Arc<Api>) -> BoxedFilter<(Response,)> {
    let route = at("/healthz").and(noting_keys(api)).and(warp::method());
    route.map(|method: Method| answer(&method, Ok(()))).boxed()
}

/// `GET /readyz`: calls can be made.
pub(super) fn ready(api: Arc<Api>) -> BoxedFilter<(Response,)> {
    at("/readyz")
        .and(noting_keys(api.clone()))
        .and(with(api))
        .and(warp::method())
        .map(|api: Arc<Api>, method: Method| answer(&method, api.handle.ready()))
        .boxed()
}

fn answer(method: &Method, state: Result<(), Arc<str>>) -> Response {
    if method != Method::GET && method != Method::HEAD {
        return reply::other_method(method, "GET, HEAD, OPTIONS");
    }
    match state {
        Ok(()) => reply::json(StatusCode::OK, &json!({ "status": "ok" })),
        Err(reason) => reply::error(StatusCode::SERVICE_UNAVAILABLE, reason),
    }
}
