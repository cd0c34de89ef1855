//! The bodies of `PATCH`: JSON objects whose members are all known.

use serde_json::{Map, Value};

use crate::http::error::ApiError;
use originatord_core::call::Room;

/// The body of `PATCH /api/rooms/{room}`. A missing member leaves the room as it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RoomChange {
    pub(super) locked: Option<bool>,
    pub(super) muted: Option<bool>,
}

/// The body of `PATCH /api/rooms/{room}/participants/{id}`. A missing member leaves the participant as
/// it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ParticipantChange {
    pub(super) muted: Option<bool>,
    /// The room to move the participant to.
    pub(super) room: Option<Room>,
}

impl RoomChange {
    pub(super) fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let members = object(body, &["locked", "muted"])?;
        Ok(Self { locked: flag(&members, "locked")?, muted: flag(&members, "muted")? })
    }
}

impl ParticipantChange {
    pub(super) fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let members = object(body, &["muted", "room"])?;
        let room = match members.get("room") {
            None => None,
            Some(Value::String(room)) => Some(room.parse().map_err(|_| {
                ApiError::Member("room: must be the name of a room, as in POST /api/conf".into())
            })?),
            Some(_) => return Err(ApiError::Member("room: must be a string".into())),
        };
        Ok(Self { muted: flag(&members, "muted")?, room })
    }
}

/// The members of a body, all of which must be known.
fn object(body: &[u8], known: &[&str]) -> Result<Map<String, Value>, ApiError> {
    let Value::Object(members) = serde_json::from_slice(body).map_err(ApiError::NotJson)? else {
        return Err(ApiError::NotAnObject);
    };
    let known_text = known.join(" and ");
    if let Some(unknown) = members.keys().find(|name| !known.contains(&name.as_str())) {
        let unknown: String = unknown.chars().take(32).collect();
        let text = format!("{unknown:?}: unknown member; known are {known_text}");
        return Err(ApiError::Member(text));
    }
    if members.is_empty() {
        return Err(ApiError::Member(format!("the body is empty; known members are {known_text}")));
    }
    Ok(members)
}

fn flag(members: &Map<String, Value>, name: &str) -> Result<Option<bool>, ApiError> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(_) => Err(ApiError::Member(format!("{name}: must be true or false"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_named() {
        assert_eq!(
            RoomChange::parse(br#"{"locked":true}"#).ok(),
            Some(RoomChange { locked: Some(true), muted: None })
        );
        for (body, named) in [
            (r#"{"locked":1}"#, "locked: must be true or false"),
            (r#"{"muted":null}"#, "muted: must be true or false"),
            (r#"{"lock":true}"#, "\"lock\": unknown member"),
            ("{}", "the body is empty"),
            ("[]", "object"),
            ("{", "JSON"),
        ] {
            let error = RoomChange::parse(body.as_bytes()).map(|_| ()).expect_err(body).to_string();
            assert!(error.contains(named), "{body}: {error}");
        }
        for (body, named) in [
            (r#"{"room":"a,b"}"#, "room: must be the name"),
            (r#"{"room":1}"#, "room: must be a string"),
            (r#"{"room":"R2","hand":true}"#, "\"hand\": unknown member"),
        ] {
            let error = ParticipantChange::parse(body.as_bytes()).map(|_| ()).expect_err(body);
            assert!(error.to_string().contains(named), "{body}: {error}");
        }
    }
}
