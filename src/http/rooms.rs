//! `/api/rooms`: lists rooms, shows and changes one, and changes its participants.

mod body;
mod path;

use std::sync::Arc;

use serde::Serialize;
use warp::http::StatusCode;
use warp::reply::Response;

use self::body::{ParticipantChange, RoomChange};
pub(super) use self::path::{is_participant, is_room};
use super::auth::Caller;
use super::endpoint::{ApiRequest, Authenticated};
use super::error::ApiError;
use super::{Api, body as http_body, reply};
use originatord_core::engine::room_request::{
    RoomAction, RoomAnswer, RoomError, RoomRequest, Rooms,
};
use tokio::time::Instant;

/// A list of rooms.
#[derive(Serialize)]
struct List {
    #[serde(flatten)]
    rooms: Rooms,
    /// Whether locks and mutes are kept over a restart: `ok`, `off`, or the reason why not.
    state: Arc<str>,
    /// Id of the newest record that the list surely contains.
    as_of: String,
}

/// `GET /api/rooms`
pub(super) async fn list(
    request: ApiRequest,
    Authenticated { caller, .. }: Authenticated,
) -> Result<Response, ApiError> {
    let api = &request.api;
    let limit = path::limit(&request.parameters())?;
    let weight = limit.div_ceil(path::DEFAULT_LIMIT) as u32;
    let part = api.lists.take(&caller.name, weight).ok_or(ApiError::TooManyLists)?;
    // Read the position before the engine answers, so that the list reflects every record up to it.
    let as_of = format!("{}-{}", api.journal().run_id(), api.journal().follow().position());
    let rooms = api.handle().rooms(caller.rooms, limit).await?;
    let list = List { rooms, state: api.state().status(), as_of };
    Ok(reply::with_guard(reply::json(StatusCode::OK, &list), part))
}

/// `GET /api/rooms/{room}`
pub(super) async fn show(
    request: ApiRequest,
    Authenticated { caller, .. }: Authenticated,
) -> Result<Response, ApiError> {
    request.expect_no_query()?;
    let api = &request.api;
    let room = visible(&caller, path::room(&request.parameter)?)?;
    let part = api.lists.take(&caller.name, 1).ok_or(ApiError::TooManyLists)?;
    let found = api.handle().room(&room).await?.ok_or(RoomError::NoSuchRoom)?;
    let answer = answer(api, RoomAnswer::Room(Box::new(found)));
    Ok(reply::with_guard(answer, part))
}

/// `PATCH /api/rooms/{room}`
pub(super) async fn change(
    mut request: ApiRequest,
    client: Authenticated,
) -> Result<Response, ApiError> {
    let room = visible(&client.caller, path::room(&request.parameter)?)?;
    let RoomChange { locked, muted } = RoomChange::parse(&read(&mut request).await?)?;
    act(&request.api, &client, room, RoomAction::Change { locked, muted }).await
}

/// `DELETE /api/rooms/{room}`
pub(super) async fn end(request: ApiRequest, client: Authenticated) -> Result<Response, ApiError> {
    request.expect_no_query()?;
    let room = visible(&client.caller, path::room(&request.parameter)?)?;
    act(&request.api, &client, room, RoomAction::End).await
}

/// `PATCH /api/rooms/{room}/participants/{id}`
pub(super) async fn change_participant(
    mut request: ApiRequest,
    client: Authenticated,
) -> Result<Response, ApiError> {
    let (room, id) = path::participant(&request.parameter)?;
    let room = visible(&client.caller, room)?;
    let ParticipantChange { muted, room: target } =
        ParticipantChange::parse(&read(&mut request).await?)?;
    if target.as_ref().is_some_and(|target| !client.caller.rooms.contains(target.as_str())) {
        return Err(ApiError::OtherRoom { field: "room" });
    }
    act(&request.api, &client, room, RoomAction::ChangeParticipant { id, muted, room: target })
        .await
}

/// `DELETE /api/rooms/{room}/participants/{id}`
pub(super) async fn kick(request: ApiRequest, client: Authenticated) -> Result<Response, ApiError> {
    request.expect_no_query()?;
    let (room, id) = path::participant(&request.parameter)?;
    let room = visible(&client.caller, room)?;
    act(&request.api, &client, room, RoomAction::Kick { id }).await
}

/// The room, if the client's key may see it.
fn visible(caller: &Caller, room: Arc<str>) -> Result<Arc<str>, RoomError> {
    if caller.rooms.contains(&room) { Ok(room) } else { Err(RoomError::NoSuchRoom) }
}

async fn read(request: &mut ApiRequest) -> Result<Vec<u8>, ApiError> {
    request.expect_no_query()?;
    let give_up = Instant::now() + request.api.settings.reply_timeout;
    http_body::read_json(request, give_up).await
}

/// Lets the engine carry the request out. A change of what is kept is on disk when the client gets
/// its answer.
async fn act(
    api: &Api,
    client: &Authenticated,
    room: Arc<str>,
    action: RoomAction,
) -> Result<Response, ApiError> {
    let key = client.caller.name.clone();
    let name = action.name();
    let result = api.handle().change_room(RoomRequest { room, action, key }).await;
    api.journal().metrics().room_action(name, result.is_ok());
    let done = result?;
    api.state().written().await;
    Ok(answer(api, done))
}

fn answer(api: &Api, answer: RoomAnswer) -> Response {
    let masks = api.settings.mask_numbers;
    match answer {
        RoomAnswer::Done => reply::ok(),
        RoomAnswer::Room(room) => {
            let room = if masks { room.masked() } else { *room };
            reply::json(StatusCode::OK, &room)
        }
        RoomAnswer::Participant(one) => {
            let one = if masks { one.masked() } else { *one };
            reply::json(StatusCode::OK, &one)
        }
    }
}
