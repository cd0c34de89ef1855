//! `/api/calls`: lists active and ended calls, shows one, and hangs up.

mod csv;
mod query;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use tracing::Span;
use tracing::field::display;
use warp::http::StatusCode;
use warp::reply::Response;

use self::query::Query;
use super::auth::Caller;
use super::endpoint::{ApiRequest, Authenticated};
use super::error::ApiError;
use super::{Api, reply};
use originatord_core::call::filter::Filter;
use originatord_core::call::view::CallView;
use originatord_core::call::{CallId, hide};
use originatord_core::engine::request::{Calls, HangUpError, ListLimits};

/// Most lists of 1000 calls that are sent to one key at once. Each takes nearly a megabyte of memory
/// until the client has read it. A longer list counts as several.
pub(super) const MAX_LISTS: u32 = 16;

/// `GET /api/calls`
pub(super) async fn list(
    request: ApiRequest,
    Authenticated { caller, .. }: Authenticated,
) -> Result<Response, ApiError> {
    let api = &request.api;
    let query = Query::parse(&request.parameters(), &request.headers, &api.settings.numbering)?;
    let part = api.lists.take(&caller.name, query.weight()).ok_or(ApiError::TooManyLists)?;
    let query = Query { filter: Filter { rooms: caller.rooms, ..query.filter }, ..query };
    Ok(reply::with_guard(answer(api, query).await?, part))
}

/// A page of calls.
#[derive(Serialize)]
struct Page {
    #[serde(flatten)]
    calls: Calls,
    /// The `cursor` of the next page of ended calls, if there may be one.
    next: Option<CallId>,
    /// State of the history: `off` if none is configured, `ok`, or the reason why it is not used.
    history: String,
    /// Id of the newest record that the lists surely contain. A client that follows the event
    /// stream from there misses nothing.
    as_of: String,
}

async fn answer(api: &Api, query: Query) -> Result<Response, ApiError> {
    let Query { filter, live, limit, csv } = query;
    // Read the position before the engine answers, so that its lists reflect every record up to it.
    let as_of = format!("{}-{}", api.journal().run_id(), api.journal().follow().position());
    let limits = ListLimits { live: live.unwrap_or(limit), ended: limit };
    let mut calls = api.handle().calls(filter.clone(), limits).await?;
    if api.settings.mask_numbers {
        calls.live = calls.live.into_iter().map(CallView::masked).collect();
        calls.ended = calls.ended.into_iter().map(CallView::masked).collect();
    }
    if filter.before.is_some() {
        // The first page already had the active calls.
        calls.live.clear();
    }
    let mut history = "off".to_owned();
    if let Some(known) = api.history() {
        history = known.state().map_or_else(|error| error.to_string(), |()| "ok".to_owned());
        match known.page(filter, limit).await {
            Ok(older) => calls.ended = merge(calls.ended, older, limit),
            // The list still has the recently ended calls, which the engine knows.
            Err(error) => history = error.to_string(),
        }
    }
    let next = limit.checked_sub(1).and_then(|last| calls.ended.get(last)).map(|last| last.info.id);
    let mut response = if csv {
        reply::csv(csv::table(calls.live.iter().chain(&calls.ended)), "calls.csv")
    } else {
        reply::json(StatusCode::OK, &Page { calls, next, history, as_of })
    };
    reply::name_next(&mut response, next);
    Ok(response)
}

/// The newest `limit` calls of both lists without duplicates, newest first. The history may not have
/// written the most recent ones yet.
fn merge(recent: Vec<CallView>, older: Vec<CallView>, limit: usize) -> Vec<CallView> {
    let both: BTreeMap<_, _> =
        older.into_iter().chain(recent).map(|call| (call.info.id, call)).collect();
    both.into_values().rev().take(limit).collect()
}

/// `GET /api/calls/{id}`
pub(super) async fn show(
    request: ApiRequest,
    Authenticated { caller, .. }: Authenticated,
) -> Result<Response, ApiError> {
    let (api, id) = (&request.api, call_id(&request)?);
    let call = find(api, id).await?.ok_or(ApiError::NoSuchCall)?;
    require_room(&caller, &call)?;
    Ok(reply::json(StatusCode::OK, &call))
}

/// One call of the engine's or of the history's, as the API shows it.
async fn find(api: &Api, id: CallId) -> Result<Option<CallView>, ApiError> {
    if let Some(call) = api.handle().call(id).await? {
        let call = if api.settings.mask_numbers { call.masked() } else { call };
        return Ok(Some(call));
    }
    match api.history() {
        Some(history) => Ok(history.find(id).await?),
        None => Ok(None),
    }
}

/// Hides a call from a key that may not see its room.
fn require_room(caller: &Caller, call: &CallView) -> Result<(), ApiError> {
    let is_visible = caller.rooms.contains(call.info.room.as_str());
    if is_visible { Ok(()) } else { Err(ApiError::NoSuchCall) }
}

/// `DELETE /api/calls/{id}`
pub(super) async fn hang_up(
    request: ApiRequest,
    Authenticated { caller, .. }: Authenticated,
) -> Result<Response, ApiError> {
    let (api, id) = (&request.api, call_id(&request)?);
    if !caller.rooms.is_all() {
        require_room(&caller, &find(api, id).await?.ok_or(ApiError::NoSuchCall)?)?;
    }
    match api.handle().hang_up(id, caller.name).await {
        Ok(()) => Ok(reply::ok()),
        Err(HangUpError::NoSuchCall) if is_in_history(api, id).await => {
            Err(HangUpError::AlreadyEnded.into())
        }
        Err(HangUpError::Rejected(message)) => {
            Err(HangUpError::Rejected(masked(api, id, message).await).into())
        }
        Err(error) => Err(error.into()),
    }
}

/// The call id in the path, which is also recorded for the debug log.
fn call_id(request: &ApiRequest) -> Result<CallId, ApiError> {
    let id = request.parameter.parse::<CallId>();
    if let Ok(id) = id {
        Span::current().record("call_id", display(id));
    }
    request.expect_no_query()?;
    id.map_err(|_| ApiError::NoSuchCall)
}

async fn is_in_history(api: &Api, id: CallId) -> bool {
    match api.history() {
        Some(history) => matches!(history.find(id).await, Ok(Some(_))),
        None => false,
    }
}

/// Masks the call's number in a message from Asterisk, if `mask_numbers` is set.
async fn masked(api: &Api, id: CallId, message: Arc<str>) -> Arc<str> {
    if api.settings.mask_numbers
        && let Ok(Some(call)) = api.handle().call(id).await
    {
        return hide(call.info.number, &message).into();
    }
    message
}
