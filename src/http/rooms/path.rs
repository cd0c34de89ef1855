//! Names of rooms and ids of participants in a path, and the query of a list.
//!
//! Both are percent-encoded, as they hold any character. The daemon only compares them with what its
//! view of Asterisk has.

use std::sync::Arc;

use percent_encoding::percent_decode_str;

use crate::http::query::BadQuery;
use originatord_core::engine::room_request::RoomError;

/// How many rooms are listed without `limit`.
pub(super) const DEFAULT_LIMIT: usize = 1000;

/// The most that `limit` can be.
const MAX_LIMIT: usize = 10_000;

/// The part of the path between a room and a participant.
const PARTICIPANTS: &str = "/participants/";

/// Whether the rest of a path is a room's name.
pub(in crate::http) fn is_room(rest: &str) -> bool {
    !rest.is_empty() && !rest.contains('/')
}

/// Whether the rest of a path is a room's name and a participant's id.
pub(in crate::http) fn is_participant(rest: &str) -> bool {
    rest.split_once(PARTICIPANTS).is_some_and(|(room, id)| is_room(room) && is_room(id))
}

/// The room in the rest of a path.
pub(super) fn room(rest: &str) -> Result<Arc<str>, RoomError> {
    decoded(rest).ok_or(RoomError::NoSuchRoom)
}

/// The room and the participant in the rest of a path.
pub(super) fn participant(rest: &str) -> Result<(Arc<str>, Arc<str>), RoomError> {
    let (name, id) = rest.split_once(PARTICIPANTS).ok_or(RoomError::NoSuchRoom)?;
    Ok((room(name)?, decoded(id).ok_or(RoomError::NoSuchParticipant)?))
}

/// The decoded text; none if it is not UTF-8, and so no name of Asterisk's.
fn decoded(text: &str) -> Option<Arc<str>> {
    percent_decode_str(text).decode_utf8().ok().map(|text| text.as_ref().into())
}

/// The value of `limit`, the only parameter.
pub(super) fn limit(parameters: &[(String, String)]) -> Result<usize, BadQuery> {
    let mut limit = DEFAULT_LIMIT;
    for (name, value) in parameters {
        if name != "limit" {
            return Err(BadQuery::unknown(name, "limit"));
        }
        let value = value.parse().ok().filter(|value| (1..=MAX_LIMIT).contains(value));
        limit = value.ok_or(BadQuery::Value("limit", "a number from 1 to 10000"))?;
    }
    Ok(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_percent_decoded() {
        let of = |rest| participant(rest).ok().map(|(room, id)| format!("{room}|{id}"));
        assert_eq!(of("R%201%23+/participants/1795.3").as_deref(), Some("R 1#+|1795.3"));
        assert_eq!(of("%D0%9A/participants/Local%2F7999%40x").as_deref(), Some("К|Local/7999@x"));
        for bad in ["%FF/participants/1", "R1/participants/%FF"] {
            assert_eq!(of(bad), None, "{bad}");
        }
        for other in ["R1/participants/", "/participants/1", "R1/participants/1/2", "R1/x/1"] {
            assert!(!is_participant(other), "{other}");
        }
    }

    #[test]
    fn limit_is_the_only_parameter() {
        let of = |name: &str, value: &str| {
            limit(&[(name.to_owned(), value.to_owned())]).map_err(|error| error.to_string())
        };
        assert!(limit(&[]).is_ok_and(|limit| limit == DEFAULT_LIMIT));
        assert_eq!(of("limit", "10000"), Ok(10_000));
        for bad in ["0", "10001", "-1", ""] {
            assert!(of("limit", bad).is_err_and(|error| error.starts_with("limit: ")), "{bad}");
        }
        assert!(of("x", "1").is_err_and(|error| error.contains("\"x\"")));
    }
}
