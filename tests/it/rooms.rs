//! `/api/rooms` against the simulator: seeing rooms, and changing them.

use serde_json::{Value, json};
use testkit::daemon::Daemon;
use testkit::http::{self, Reply};
use testkit::sim::Simulator;
use testkit::{KEY, eventually};

/// Callees answer at once; a guest is in room R1, and another one in the room "Room 2+#".
const SCENARIO: &str = "
[[callee]]
number = '*'
answer_after = '10ms'
talk = '10m'
[[guest]]
room = 'R1'
number = '79997654321'
name = \"Guest \\u001b[31m\"
[[guest]]
room = 'Комната 2+#'
number = '101'
";

fn start() -> (Simulator, Daemon) {
    let simulator = Simulator::start("22", SCENARIO);
    let settings = [("journal", "file = \"calls.jsonl\""), ("asterisk", "keepalive = \"1s\"")];
    let daemon = simulator.daemon(&settings);
    eventually("the rooms are seen", || (list(&daemon).len() == 2).then_some(()));
    (simulator, daemon)
}

fn list(daemon: &Daemon) -> Vec<Value> {
    daemon.get("/api/rooms").json()["rooms"].as_array().expect("a list").clone()
}

fn room(daemon: &Daemon, path: &str) -> Value {
    let reply = daemon.get(path);
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()
}

fn patch(daemon: &Daemon, path: &str, body: &Value) -> Reply {
    let headers = [("X-Api-Key", KEY), ("Content-Type", "application/json")];
    http::request(daemon.address, "PATCH", path, &headers, body.to_string().as_bytes())
}

/// Calls a number into a room; returns the call's id once the callee is there.
fn join(daemon: &Daemon, number: &str, name: &str) -> String {
    let id = daemon.call_ok(number, name);
    daemon.wait_for(&id, "call.joined");
    id
}

/// The participant of this id.
fn participant(room: &Value, id: &str) -> Value {
    let all = room["participants"].as_array().expect("a list");
    all.iter().find(|one| one["id"] == id).cloned().unwrap_or(Value::Null)
}

fn guest_of(room: &Value) -> Value {
    let all = room["participants"].as_array().expect("a list");
    all.iter().find(|one| one["call_id"].is_null()).cloned().expect("a guest")
}

#[test]
fn room_shows_callee_guest_and_invited() {
    let (_simulator, daemon) = start();
    let id = join(&daemon, "79990000001", "r1");
    let shown = room(&daemon, "/api/rooms/r1");
    assert_eq!((&shown["room"], &shown["live"]), (&json!("R1"), &json!(true)));
    assert_eq!(shown["participant_count"], 2, "{shown}");
    let callee = participant(&shown, &id);
    assert_eq!((&callee["call_id"], &callee["number"]), (&json!(id), &json!("+79990000001")));
    assert_eq!((&callee["muted"], &callee["talking"]), (&json!(false), &Value::Null));
    let guest = guest_of(&shown);
    assert_eq!(guest["number"], "+79997654321");
    let text = daemon.get("/api/rooms/R1").body;
    assert!(!text.contains('\u{1b}'), "{text}");
    let other = room(&daemon, "/api/rooms/%D0%9A%D0%BE%D0%BC%D0%BD%D0%B0%D1%82%D0%B0%202%2B%23");
    assert_eq!(
        (&guest_of(&other)["caller_id"], &guest_of(&other)["number"]),
        (&json!("101"), &Value::Null)
    );
}

#[test]
fn kept_lock_refuses_calls_until_it_is_opened() {
    let (_simulator, daemon) = start();
    let locked = patch(&daemon, "/api/rooms/R1", &json!({"locked": true}));
    assert_eq!((locked.status, &locked.json()["locked"]), (200, &json!(true)), "{locked:?}");
    let refused = daemon.call("79990000001", "r1");
    assert_eq!(refused.status, 409, "{refused:?}");
    assert!(refused.body.contains("error") && refused.body.contains("locked"), "{refused:?}");
    let again = patch(&daemon, "/api/rooms/R1", &json!({"locked": true}));
    assert_eq!(again.status, 200);
    assert_eq!(daemon.wait_for_event("room.locked")["by"], "tester");
    let records = daemon.records();
    assert_eq!(records.iter().filter(|record| record["event"] == "room.locked").count(), 1);

    // A restarted daemon keeps it.
    let daemon = daemon.crash_and_restart();
    eventually("the room is seen", || (daemon.get("/api/rooms/R1").status == 200).then_some(()));
    assert_eq!(daemon.call("79990000001", "R1").status, 409);
    let opened = patch(&daemon, "/api/rooms/R1", &json!({"locked": false}));
    assert_eq!((opened.status, &opened.json()["locked"]), (200, &json!(false)));
    join(&daemon, "79990000001", "R1");
}

#[test]
fn muted_room_mutes_those_who_come_later() {
    let (_simulator, daemon) = start();
    let before = join(&daemon, "79990000001", "R1");
    let muted = patch(&daemon, "/api/rooms/R1", &json!({"muted": true}));
    assert_eq!((muted.status, &muted.json()["muted"]), (200, &json!(true)), "{muted:?}");
    assert_eq!(daemon.wait_for(&before, "call.muted")["by"], "tester");
    let later = join(&daemon, "79990000002", "R1");
    let shown = room(&daemon, "/api/rooms/R1");
    assert_eq!(participant(&shown, &later)["muted"], true, "{shown}");
    let path = format!("/api/rooms/R1/participants/{later}");
    let alone = patch(&daemon, &path, &json!({"muted": false}));
    http::assert_error(&alone, 409, "nobody in it can be unmuted alone");
    let heard = patch(&daemon, "/api/rooms/R1", &json!({"muted": false}));
    assert_eq!((heard.status, &heard.json()["muted"]), (200, &json!(false)));
    let last = join(&daemon, "79990000003", "R1");
    assert_eq!(participant(&room(&daemon, "/api/rooms/R1"), &last)["muted"], false);
}

#[test]
fn participants_are_muted_moved_and_taken_out() {
    let (_simulator, daemon) = start();
    let id = join(&daemon, "79990000001", "R1");
    let path = format!("/api/rooms/R1/participants/{id}");
    for _ in 0..2 {
        let muted = patch(&daemon, &path, &json!({"muted": true}));
        assert_eq!((muted.status, &muted.json()["muted"]), (200, &json!(true)), "{muted:?}");
    }
    let moved = patch(&daemon, &path, &json!({"room": "R9"}));
    assert_eq!((moved.status, &moved.json()["room"]), (200, &json!("R9")), "{moved:?}");
    assert_eq!(daemon.wait_for(&id, "call.moved")["moved_to"], "R9");
    eventually("the callee is in the other room", || {
        let reply = daemon.get("/api/rooms/R9");
        let joined = (reply.status == 200).then(|| participant(&reply.json(), &id));
        joined.filter(|one| !one["joined"].is_null())
    });
    let path = format!("/api/rooms/R9/participants/{id}");
    assert_eq!(daemon.delete(&path).status, 200);
    daemon.wait_for(&id, "call.kicked");
    assert_eq!(daemon.wait_for(&id, "call.ended")["outcome"], "completed");
    eventually("the room is over", || (daemon.get("/api/rooms/R9").status == 404).then_some(()));

    let guest = guest_of(&room(&daemon, "/api/rooms/R1"));
    let path = format!("/api/rooms/R1/participants/{}", guest["id"].as_str().expect("an id"));
    assert_eq!(patch(&daemon, &path, &json!({"muted": true})).status, 200);
    assert_eq!(daemon.delete("/api/rooms/R1").status, 200);
    let left = daemon.wait_for_event("guest.left");
    assert_eq!((&left["reason"], &left["by"]), (&json!("room_ended"), &json!("tester")));
    assert_eq!(daemon.wait_for_event("room.ended")["by"], "tester");
}

#[test]
fn nothing_but_a_known_participant_is_changed() {
    let (_simulator, daemon) = start();
    let id = join(&daemon, "79990000001", "R1");
    let others = "/api/rooms/%D0%9A%D0%BE%D0%BC%D0%BD%D0%B0%D1%82%D0%B0%202%2B%23/participants";
    for bad in ["all", "participants", "Local%2F", "PJSIP%2F", "%00", &id[..10]] {
        let path = format!("/api/rooms/R1/participants/{bad}");
        http::assert_error(&daemon.delete(&path), 404, "no such participant");
        let muted = patch(&daemon, &path, &json!({"muted": true}));
        http::assert_error(&muted, 404, "no such participant");
    }
    http::assert_error(&daemon.delete(&format!("{others}/{id}")), 404, "no such participant");
    for bad in ["R", "R1%2Fx", "%FF", "R1%00"] {
        http::assert_error(&daemon.get(&format!("/api/rooms/{bad}")), 404, "no such room");
    }
    for (body, named) in [
        (json!({"lock": true}), "lock"),
        (json!({"locked": "yes"}), "locked"),
        (json!({}), "empty"),
    ] {
        http::assert_error(&patch(&daemon, "/api/rooms/R1", &body), 400, named);
    }
    http::assert_error(&daemon.get("/api/rooms?limit=0"), 400, "limit");
    http::assert_error(&daemon.get("/api/rooms/R1?x=1"), 400, "");
    assert_eq!(room(&daemon, "/api/rooms/R1")["participant_count"], 2);
}
