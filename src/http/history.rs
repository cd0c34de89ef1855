//! `DELETE /api/history?number=N`: erases a number from all that was written down.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::http::{HeaderMap, Method, StatusCode};
use warp::reply::Response;

use super::places::Place;
use super::{Api, at, reply, with};
use crate::call::Number;
use crate::engine::request::EraseError;
use crate::journal::sink::Erased;

/// How long those who write may take: a history of a GiB is written anew in less.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many erasures of one key may be under way at once. Each may hold its connection for as long
/// as `PATIENCE`.
pub(super) const MAX_ERASURES: u32 = 4;

/// The route.
pub(super) fn route(api: Arc<Api>) -> BoxedFilter<(Response,)> {
    let query = warp::query::<Vec<(String, String)>>().or(warp::any().map(Vec::new)).unify();
    at("/api/history")
        .and(with(api))
        .and(warp::method())
        .and(warp::ext::get())
        .and(warp::header::headers_cloned())
        .and(query)
        .then(
            |api: Arc<Api>,
             method: Method,
             place: Place,
             headers: HeaderMap,
             query: Vec<(String, String)>| async move {
                if method != Method::DELETE {
                    return reply::other_method(&method, "DELETE, OPTIONS");
                }
                let caller = match api.door.admit(&headers) {
                    Ok(caller) => caller,
                    Err(refusal) => return refusal,
                };
                let _served = place.serve();
                let response = match &query[..] {
                    [(name, number)] if name == "number" => match api.numbering.read_sought(number)
                    {
                        Ok(number) => match api.erasures.take(&caller.name, 1) {
                            Some(_part) => erase(&api, number).await,
                            None => reply::error(
                                StatusCode::SERVICE_UNAVAILABLE,
                                "too many erasures at once; ask again",
                            ),
                        },
                        Err(_) => reply::error(
                            StatusCode::BAD_REQUEST,
                            "number: must be 3 to 15 digits, with or without +",
                        ),
                    },
                    _ => reply::error(
                        StatusCode::BAD_REQUEST,
                        "say which number: /api/history?number=79991234567",
                    ),
                };
                reply::asked_by(&caller.name, response)
            },
        )
        .boxed()
}

/// First from memory, so that nothing more is written of it, then by those who write.
async fn erase(api: &Api, number: Number) -> Response {
    match api.handle.erase(number).await {
        Ok(()) => {}
        Err(error @ EraseError::InCall) => {
            return reply::error(StatusCode::CONFLICT, error.to_string());
        }
        Err(error @ EraseError::NotAsked(_)) => {
            return reply::error(StatusCode::SERVICE_UNAVAILABLE, error.to_string());
        }
    }
    api.journal.erase(number);
    let mut erased = Erased::default();
    for eraser in &api.erasers {
        let late = |_| io::Error::from(io::ErrorKind::TimedOut);
        match timeout(PATIENCE, eraser.erase(number)).await.map_err(late).flatten() {
            Ok(part) => erased.add(part),
            Err(error) => erased.failed.push(error.to_string()),
        }
    }
    if !erased.failed.is_empty() {
        let text =
            format!("something of the number may be left; ask again: {}", erased.failed.join("; "));
        return reply::error(StatusCode::SERVICE_UNAVAILABLE, text);
    }
    let mut answer = json!({ "message": "ok", "erased": erased.count });
    if !erased.kept.is_empty() {
        answer["kept"] = erased.kept.into();
    }
    reply::json(StatusCode::OK, &answer)
}
