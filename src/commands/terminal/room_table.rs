//! Tables of rooms and their participants for a terminal.

use anstyle::Style;
use serde_json::{Map, Value};

use super::line::style;
use super::table::{Cell, no_value, plain, table, text, time};
use super::zone::Zone;
use originatord_core::record::EventKind;

/// The members of a room, participant or call as the API returns it.
pub(crate) type Members = Map<String, Value>;

/// A table of rooms, with times in `zone`.
pub(crate) fn rooms(rooms: &[Members], zone: &Zone) -> String {
    let rows = rooms.iter().map(|room| {
        let count = room.get("participant_count").and_then(Value::as_u64);
        // Without the link to Asterisk, others may be in the room by now.
        let mark = if is(room, "stale") && is(room, "live") { "?" } else { "" };
        let count = count.map_or_else(no_value, |count| format!("{count}{mark}"));
        [
            plain(room, "room"),
            time(room, "started", zone),
            (count, Style::new()),
            desired(room, "locked", EventKind::RoomLocked),
            desired(room, "muted", EventKind::RoomMuted),
        ]
    });
    table(["ROOM", "SINCE", "PARTICIPANTS", "LOCKED", "MUTED"], rows.collect())
}

/// The tables of one room: the room, its participants, and those who are invited.
pub(crate) fn one(room: Members, zone: &Zone) -> String {
    let list = |name: &str| -> Vec<Members> {
        let all = room.get(name).and_then(Value::as_array).into_iter().flatten();
        all.filter_map(Value::as_object).cloned().collect()
    };
    let (participants, invited) = (list("participants"), list("invited"));
    let mut tables = rooms(&[room], zone);
    for (rows, table) in [
        (participants, participants_table as fn(&[Members], &Zone) -> String),
        (invited, invited_table),
    ] {
        if !rows.is_empty() {
            tables.push('\n');
            tables.push_str(&table(&rows, zone));
        }
    }
    tables
}

fn participants_table(participants: &[Members], zone: &Zone) -> String {
    let rows = participants.iter().map(|one| {
        let roles = ["admin", "waiting"].into_iter().filter(|role| is(one, role));
        let roles = roles.collect::<Vec<_>>().join(",");
        [
            plain(one, "id"),
            plain(one, "number"),
            plain(one, "caller_id"),
            time(one, "joined", zone),
            flag(one, "muted", EventKind::CallMuted),
            flag(one, "talking", EventKind::CallJoined),
            (if roles.is_empty() { no_value() } else { roles }, Style::new()),
        ]
    });
    table(["PARTICIPANT", "NUMBER", "CALLER", "SINCE", "MUTED", "TALKING", "ROLE"], rows.collect())
}

fn invited_table(calls: &[Members], zone: &Zone) -> String {
    let rows = calls.iter().map(|call| {
        let outcome = text(call, "outcome");
        let (mut state, event) = if outcome.is_empty() {
            (plain(call, "state").0, format!("call.{}", text(call, "state")).parse().ok())
        } else {
            (plain(call, "outcome").0, Some(EventKind::CallEnded))
        };
        if is(call, "stale") {
            state.push('?');
        }
        [
            plain(call, "call_id"),
            plain(call, "number"),
            plain(call, "caller_id"),
            time(call, "requested", zone),
            (state, style(event, outcome)),
            plain(call, "key"),
        ]
    });
    table(["INVITED", "NUMBER", "CALLER", "REQUESTED", "STATE", "KEY"], rows.collect())
}

/// Whether a member is `true`.
fn is(members: &Members, name: &str) -> bool {
    members.get(name) == Some(&Value::Bool(true))
}

/// The cell for a member that is true or false, in the style of the event if it is true.
fn flag(members: &Members, name: &str, event: EventKind) -> Cell {
    match members.get(name) {
        Some(Value::Bool(true)) => ("yes".to_owned(), style(Some(event), "")),
        Some(Value::Bool(false)) => ("no".to_owned(), Style::new()),
        _ => (no_value(), Style::new()),
    }
}

/// The cell for a lock or mute. If the daemon has been asked for something else than Asterisk
/// shows: `wanted`, or `unwanted`.
fn desired(room: &Members, name: &str, event: EventKind) -> Cell {
    let desired = room.get("desired").and_then(|desired| desired.get(name)?.as_bool());
    let word = match desired {
        Some(true) => "wanted",
        Some(false) => "unwanted",
        None => return flag(room, name, event),
    };
    (word.to_owned(), style(Some(event), ""))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn members(value: Value) -> Members {
        value.as_object().expect("an object").clone()
    }

    fn stripped(table: &str) -> String {
        anstream::adapter::strip_str(table).to_string()
    }

    #[test]
    fn kept_and_outdated_states_are_marked() {
        let all = [
            members(json!({"room": "R1", "live": true, "stale": true, "participant_count": 2,
                "started": "2026-11-25T18:20:02.258Z", "locked": true, "muted": false})),
            members(json!({"room": "КОМНАТА", "live": false, "stale": true, "started": null,
                "participant_count": 0, "locked": false, "muted": true,
                "desired": {"locked": true, "muted": false}})),
        ];
        let expected = "\
ROOM     SINCE                 PARTICIPANTS  LOCKED  MUTED
R1       2026-11-25T18:20:02Z  2?            yes     no
КОМНАТА  -                     0             wanted  unwanted
";
        assert_eq!(stripped(&rooms(&all, &Zone::UTC)), expected);
    }

    #[test]
    fn one_room_shows_participants_and_invited() {
        let room = members(json!({
            "room": "R1", "live": true, "stale": false, "participant_count": 2,
            "started": "2026-11-25T18:20:02.258Z", "locked": false, "muted": false,
            "participants": [
                {"id": "od-1", "number": "+7999", "caller_id": "Bob", "muted": true,
                 "joined": "2026-11-25T18:20:02.258Z", "talking": null, "waiting": false},
                {"id": "1795.3", "number": null, "caller_id": "a\u{1b}[2J b", "joined": null,
                 "muted": false, "talking": true, "waiting": true, "admin": true},
            ],
            "invited": [
                {"call_id": "od-2", "number": "+7998", "caller_id": "", "state": "ringing",
                 "stale": true, "requested": "2026-11-25T18:20:03.258Z", "key": "bot"},
                {"call_id": "od-3", "number": "+7997", "caller_id": "Ann", "state": "ended",
                 "outcome": "busy", "requested": "2026-11-25T18:20:03.258Z", "key": "bot"},
            ],
        }));
        let expected = r#"ROOM  SINCE                 PARTICIPANTS  LOCKED  MUTED
R1    2026-11-25T18:20:02Z  2             no      no

PARTICIPANT  NUMBER  CALLER          SINCE                 MUTED  TALKING  ROLE
od-1         +7999   Bob             2026-11-25T18:20:02Z  yes    -        -
1795.3       -       "a\u{1b}[2J b"  -                     no     yes      admin,waiting

INVITED  NUMBER  CALLER  REQUESTED             STATE     KEY
od-2     +7998   -       2026-11-25T18:20:03Z  ringing?  bot
od-3     +7997   Ann     2026-11-25T18:20:03Z  busy      bot
"#;
        assert_eq!(stripped(&one(room, &Zone::UTC)), expected);
        let empty =
            one(members(json!({"room": "R1", "participants": [], "invited": 3})), &Zone::UTC);
        assert_eq!(stripped(&empty).lines().count(), 2, "{empty}");
    }
}
