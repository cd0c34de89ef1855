//! `/api/conferences`: lists conferences, and tells the story of one.

mod csv;
mod query;

use serde::Serialize;
use warp::http::StatusCode;
use warp::reply::Response;

use self::query::Query;
use super::endpoint::{ApiRequest, Authenticated};
use super::error::ApiError;
use super::{Api, reply};
use crate::history::{ConferenceDetail, ConferenceView};
use originatord_core::call::Room;
use originatord_core::call::filter::Filter;
use originatord_core::call::view::CallView;
use originatord_core::clock::Rfc3339;
use originatord_core::engine::request::ListLimits;
use originatord_core::room::ConferenceId;

/// Most calls of each kind that are searched for those invited into a conference.
const INVITED: usize = 1000;

/// A page of conferences.
#[derive(Serialize)]
struct Page {
    conferences: Vec<ConferenceView>,
    /// The `cursor` of the next page, if there may be one.
    next: Option<ConferenceId>,
    /// State of the history: `off` if none is configured, `ok`, or the reason why it is not used.
    history: String,
}

/// `GET /api/conferences`
pub(super) async fn list(
    request: ApiRequest,
    Authenticated { caller, .. }: Authenticated,
) -> Result<Response, ApiError> {
    let api = &request.api;
    let query = Query::parse(&request.parameters(), &request.headers, &api.settings.numbering)?;
    let part = api.lists.take(&caller.name, 1).ok_or(ApiError::TooManyLists)?;
    let Query { filter, limit, csv } = query;
    let rooms = caller.rooms;
    let mut page = Page { conferences: Vec::new(), next: None, history: "off".to_owned() };
    if let Some(history) = api.history() {
        page.history = history.state().map_or_else(|error| error.to_string(), |()| "ok".to_owned());
        page.conferences =
            history.conferences(filter, limit, move |room| rooms.contains(room)).await?;
    }
    let last = limit.checked_sub(1).and_then(|last| page.conferences.get(last));
    page.next = last.map(|last| last.conference.conference_id);
    let next = page.next;
    let mut response = if csv {
        reply::csv(csv::table(&page.conferences), "conferences.csv")
    } else {
        reply::json(StatusCode::OK, &page)
    };
    reply::name_next(&mut response, next);
    Ok(reply::with_guard(response, part))
}

/// `GET /api/conferences/{id}`
pub(super) async fn show(
    request: ApiRequest,
    Authenticated { caller, .. }: Authenticated,
) -> Result<Response, ApiError> {
    request.expect_no_query()?;
    let api = &request.api;
    let id = request.parameter.parse().map_err(|_| ApiError::NoSuchConference)?;
    let part = api.lists.take(&caller.name, 1).ok_or(ApiError::TooManyLists)?;
    let history = api.history().ok_or(ApiError::NoSuchConference)?;
    let found = history.conference(id).await?;
    let is_visible = |found: &ConferenceDetail| caller.rooms.contains(&found.conference.room);
    let mut found = found.filter(is_visible).ok_or(ApiError::NoSuchConference)?;
    add_invited(api, &mut found).await?;
    Ok(reply::with_guard(reply::json(StatusCode::OK, &found), part))
}

/// Adds the calls that the history does not have, or not yet.
async fn add_invited(api: &Api, found: &mut ConferenceDetail) -> Result<(), ApiError> {
    let Ok(room) = found.conference.room.parse::<Room>() else { return Ok(()) };
    let filter = Filter { room: Some(room), ..Filter::default() };
    let limits = ListLimits { live: INVITED, ended: INVITED };
    let calls = api.handle().calls(filter, limits).await?;
    let known = found.participants.iter().filter_map(|participant| participant.call_id);
    let mut known: std::collections::BTreeSet<_> = known.collect();
    known.extend(found.invited.iter().map(|call| call.info.id));
    let Rfc3339(started) = found.conference.started;
    let ended = found.conference.ended.map(|Rfc3339(ended)| ended);
    let is_invited = |call: &CallView| {
        let over = call.timestamps.ended.or_else(|| Some(call.end.as_ref()?.ended_between?.1));
        !known.contains(&call.info.id)
            && ended.is_none_or(|ended| call.requested < ended)
            && over.is_none_or(|over| over >= started)
    };
    let calls = calls.live.into_iter().chain(calls.ended).filter(is_invited);
    let mask = |call: CallView| if api.settings.mask_numbers { call.masked() } else { call };
    found.invited.extend(calls.map(mask));
    found.invited.sort_by_key(|call| call.info.id);
    Ok(())
}
