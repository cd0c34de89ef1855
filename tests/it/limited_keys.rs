//! API keys that are limited to some rooms: everything else is hidden from them, or refused.

use serde_json::{Value, json};
use testkit::daemon::Daemon;
use testkit::events::EventStream;
use testkit::eventually;
use testkit::http::{self, Reply, assert_error};
use testkit::sim::Simulator;

/// Callees answer at once; a guest is in a room of the limited key, and another one elsewhere.
const SCENARIO: &str = "
[[callee]]
number = '*'
answer_after = '10ms'
talk = '10m'
[[guest]]
room = 'TG-1'
number = '79997654321'
[[guest]]
room = 'R1'
number = '79997654322'
";

const LIMITED: &str = "k3y-of-the-limited";

fn start() -> (Simulator, Daemon) {
    let simulator = Simulator::start("22", SCENARIO);
    let key = format!("[[api_keys]]\nname = \"tg\"\nkey = \"{LIMITED}\"\nrooms = [\"tg-*\"]");
    let daemon = simulator.daemon(&[("key", &key), ("history", "file = \"history.db\"")]);
    eventually("the rooms are seen", || {
        (daemon.get("/api/rooms").json()["total"] == 2).then_some(())
    });
    (simulator, daemon)
}

fn limited(daemon: &Daemon, method: &str, path: &str, body: &str) -> Reply {
    let headers = [("X-Api-Key", LIMITED), ("Content-Type", "application/json")];
    http::request(daemon.address, method, path, &headers, body.as_bytes())
}

fn get(daemon: &Daemon, path: &str) -> Value {
    let reply = limited(daemon, "GET", path, "");
    assert_eq!(reply.status, 200, "{path}: {reply:?}");
    reply.json()
}

fn post(daemon: &Daemon, number: &str, room: &str) -> Reply {
    let body =
        json!({"api_key": LIMITED, "phone_number": number, "room_name": room, "caller_id": "B"});
    daemon.post(body.to_string().as_bytes())
}

/// Calls a number with the unlimited key; returns the call's id once the callee is in the room.
fn join(daemon: &Daemon, number: &str, room: &str) -> String {
    let id = daemon.call_ok(number, room);
    daemon.wait_for(&id, "call.joined");
    id
}

#[test]
fn limited_key_calls_into_its_rooms_alone() {
    let (_simulator, daemon) = start();
    let refused = post(&daemon, "79990000001", "R1");
    assert_error(&refused, 403, "another room");
    assert_eq!(refused.json()["error"], "room_name: this key may not invite into this room");
    assert!(daemon.records().iter().all(|record| record["event"] != "call.requested"));
    assert_eq!(post(&daemon, "79990000001", "Tg-1").json()["message"], "ok");
    // The rule of a field is checked first.
    assert_error(&post(&daemon, "12", "R1"), 400, "a wrong number");
}

#[test]
fn limited_key_sees_calls_of_its_rooms_alone() {
    let (_simulator, daemon) = start();
    let inside = join(&daemon, "79990000001", "tg-2");
    let outside = join(&daemon, "79990000002", "R2");
    let ended = join(&daemon, "79990000003", "R2");
    daemon.delete(&format!("/api/calls/{ended}"));
    daemon.wait_for(&ended, "call.ended");
    for query in ["", "?limit=1", "?room=tg-2"] {
        let calls = get(&daemon, &format!("/api/calls{query}"));
        assert_eq!((&calls["live_total"], &calls["ended"]), (&json!(1), &json!([])), "{query}");
        assert_eq!(calls["live"][0]["call_id"], json!(inside), "{query}");
    }
    assert_eq!(get(&daemon, "/api/calls?room=R2")["live"], json!([]));
    let table = limited(&daemon, "GET", "/api/calls?format=csv", "").body;
    assert!(table.contains(&inside) && !table.contains(&outside) && !table.contains(&ended));

    assert_eq!(get(&daemon, &format!("/api/calls/{inside}"))["room"], "tg-2");
    for hidden in [&outside, &ended] {
        for method in ["GET", "DELETE"] {
            let reply = limited(&daemon, method, &format!("/api/calls/{hidden}"), "");
            assert_error(&reply, 404, method);
        }
    }
    assert_eq!(daemon.get(&format!("/api/calls/{outside}")).json()["state"], "joined");
    let hung_up = limited(&daemon, "DELETE", &format!("/api/calls/{inside}"), "");
    assert_eq!(hung_up.status, 200, "{hung_up:?}");
}

#[test]
fn history_shows_a_limited_key_its_rooms_alone() {
    let (_simulator, daemon) = start();
    let ids = ["tg-2", "R2", "R3"].map(|room| {
        let id = join(&daemon, "79990000001", room);
        daemon.delete(&format!("/api/calls/{id}"));
        daemon.wait_for(&id, "call.ended");
        eventually("the room is over", || {
            (daemon.get(&format!("/api/rooms/{room}")).status == 404).then_some(())
        });
        id
    });
    let all = eventually("the history has all conferences", || {
        let all = daemon.get("/api/conferences").json()["conferences"].clone();
        (all.as_array()?.len() == 5).then_some(all)
    });
    // The restarted daemon knows the calls from its history alone.
    let daemon = daemon.restart();
    let calls = get(&daemon, "/api/calls?limit=1");
    assert_eq!((&calls["history"], &calls["ended"][0]["call_id"]), (&json!("ok"), &json!(ids[0])));
    assert_error(&limited(&daemon, "GET", &format!("/api/calls/{}", ids[1]), ""), 404, "R2");

    let seen = get(&daemon, "/api/conferences");
    let seen = seen["conferences"].as_array().expect("a list");
    assert!(seen.iter().all(|one| one["room"] == "tg-2" || one["room"] == "TG-1"), "{seen:?}");
    assert!(seen.iter().any(|one| one["room"] == "tg-2"), "{seen:?}");
    for one in all.as_array().expect("a list") {
        let id = one["conference_id"].as_str().expect("an id");
        let is_visible = one["room"].as_str().is_some_and(|room| !room.starts_with('R'));
        let reply = limited(&daemon, "GET", &format!("/api/conferences/{id}"), "");
        assert_eq!(reply.status, if is_visible { 200 } else { 404 }, "{one}");
    }
}

#[test]
fn limited_key_runs_its_rooms_alone() {
    let (_simulator, daemon) = start();
    let id = join(&daemon, "79990000001", "tg-1");
    let rooms = get(&daemon, "/api/rooms");
    assert_eq!((&rooms["total"], &rooms["rooms"][0]["room"]), (&json!(1), &json!("TG-1")));
    assert_eq!(get(&daemon, "/api/rooms/tg-1")["participant_count"], 2);
    let guest = daemon.get("/api/rooms/R1").json()["participants"][0]["id"].clone();
    let guest = format!("/api/rooms/R1/participants/{}", guest.as_str().expect("an id"));
    for (method, path, body) in [
        ("GET", "/api/rooms/R1", ""),
        ("PATCH", "/api/rooms/R1", r#"{"locked":true}"#),
        ("DELETE", "/api/rooms/R1", ""),
        ("PATCH", &guest, r#"{"muted":true}"#),
        ("PATCH", &guest, r#"{"room":"tg-1"}"#),
        ("DELETE", &guest, ""),
    ] {
        let reply = limited(&daemon, method, path, body);
        assert_error(&reply, 404, path);
        assert_eq!(reply.json()["error"], "no such room", "{method} {path}");
    }
    let path = format!("/api/rooms/TG-1/participants/{id}");
    let moved = limited(&daemon, "PATCH", &path, r#"{"room":"R1"}"#);
    assert_error(&moved, 403, "a move to another room");
    assert_eq!(moved.json()["error"], "room: this key may not invite into this room");
    let muted = limited(&daemon, "PATCH", &path, r#"{"muted":true}"#);
    assert_eq!((muted.status, &muted.json()["muted"]), (200, &json!(true)), "{muted:?}");
    let locked = limited(&daemon, "PATCH", "/api/rooms/TG-1", r#"{"locked":true}"#);
    assert_eq!(locked.status, 200, "{locked:?}");
    assert_eq!(daemon.get("/api/rooms/R1").json()["locked"], false);
}

#[test]
fn what_is_about_all_rooms_is_refused() {
    let (_simulator, daemon) = start();
    for (method, path) in [
        ("GET", "/api/stats"),
        ("HEAD", "/api/stats"),
        ("GET", "/metrics"),
        ("DELETE", "/api/history?number=79997654321"),
    ] {
        let reply = limited(&daemon, method, path, "");
        assert_eq!(reply.status, 403, "{method} {path}: {reply:?}");
    }
    let session = get(&daemon, "/api/session");
    assert_eq!(session["rooms"], json!(["tg-*"]));
    assert!(daemon.get("/api/session").json().get("rooms").is_none());
}

#[test]
fn stream_of_a_limited_key_has_its_records_alone() {
    let (_simulator, daemon) = start();
    let stream = EventStream::with(daemon.address, &[("X-Api-Key", LIMITED)]);
    let outside = join(&daemon, "79990000001", "R2");
    let inside = join(&daemon, "79990000002", "tg-2");
    stream.wait_for("call.joined");
    let about = |stream: &EventStream, room: &str| {
        let named = format!("\"{room}\"");
        stream.events().iter().filter(|event| event.data.contains(&named)).count()
    };
    assert_eq!((about(&stream, "R2"), about(&stream, &outside)), (0, 0), "{:?}", stream.events());
    assert!(about(&stream, &inside) >= 4);

    // A changed configuration counts for an open stream, too.
    let path = daemon.folder.path().join("config.toml");
    let config = std::fs::read_to_string(&path).expect("the configuration");
    std::fs::write(&path, config.replace("tg-*", "r*")).expect("a new configuration");
    daemon.signal("-HUP");
    eventually("the key sees other rooms", || {
        (get(&daemon, "/api/session")["rooms"] == json!(["r*"])).then_some(())
    });
    let later = join(&daemon, "79990000003", "tg-2");
    let shown = join(&daemon, "79990000004", "R2");
    eventually("the records of the other room", || (about(&stream, &shown) >= 4).then_some(()));
    assert_eq!(about(&stream, &later), 0, "{:?}", stream.events());
}

#[test]
fn position_moves_on_past_hidden_records() {
    let (_simulator, daemon) = start();
    let head = format!("GET /api/events HTTP/1.0\r\nX-Api-Key: {LIMITED}\r\n\r\n");
    let mut stream = http::connect(daemon.address);
    std::io::Write::write_all(&mut stream, head.as_bytes()).expect("a sent request");
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(stream)).map_while(Result::ok);
    let id = daemon.call_ok("79990000001", "R2");
    let last = daemon.wait_for(&id, "call.joined")["seq"].as_u64().expect("a number");
    let seq_of = |line: &str| line.strip_prefix("id:")?.rsplit('-').next()?.parse::<u64>().ok();
    let position = lines.by_ref().filter_map(|line| seq_of(&line)).find(|seq| *seq >= last);
    assert_eq!(position, Some(last));
}

#[test]
fn busy_number_does_not_name_a_hidden_call() {
    let (_simulator, daemon) = start();
    let (hidden, visible) = ("79990000001", "79990000002");
    join(&daemon, hidden, "R1");
    let id = join(&daemon, visible, "TG-1");
    for (number, named) in [(hidden, None), (visible, Some(&*id))] {
        let busy = post(&daemon, number, "tg-2");
        assert_eq!(busy.json()["text"], "call already in progress", "{busy:?}");
        assert_eq!(busy.header("x-call-id"), named, "{busy:?}");
    }
}
