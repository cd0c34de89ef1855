//! Locks and mutes of rooms, in `state.db`, outlive the daemon.

use serde_json::{Value, json};
use testkit::daemon::{Daemon, KEY};
use testkit::eventually;
use testkit::http::{self, Reply, assert_error};
use testkit::sim::Simulator;

/// A simulated Asterisk with a telephone in R1.
const GUEST: &str = "[timing]\nwait = \"0s\"\n[[guest]]\nroom = \"R1\"\nnumber = \"101\"\n";

fn patch(daemon: &Daemon, path: &str, body: &Value) -> Reply {
    let headers = [("X-Api-Key", KEY), ("Content-Type", "application/json")];
    http::request(daemon.address, "PATCH", path, &headers, body.to_string().as_bytes())
}

/// Locks and mutes R1, and then ends it. Only the daemon knows of the lock now.
fn lock_and_end(simulator: &Simulator, daemon: &Daemon) {
    daemon.wait_for_event("guest.joined");
    let changed = patch(daemon, "/api/rooms/R1", &json!({ "locked": true, "muted": true }));
    assert_eq!(changed.status, 200, "{}", changed.body);
    assert_eq!(daemon.delete("/api/rooms/R1").status, 200);
    daemon.wait_for_event("room.ended");
    // Asterisk plays a prompt to the guest, who is listed until it is over.
    eventually("the room is gone", || {
        let list = simulator.ask("Action: ConfbridgeListRooms\r\n\r\nAction: Ping", "Pong");
        list.contains("No active conferences").then_some(())
    });
}

fn state_of(daemon: &Daemon) -> String {
    let rooms = daemon.get("/api/rooms").json();
    rooms["state"].as_str().expect("a text").to_owned()
}

#[test]
fn lock_outlives_a_killed_daemon() {
    let simulator = Simulator::start("22", GUEST);
    // The state stands beside the journal.
    let daemon = simulator.daemon(&[("journal", "file = \"calls.jsonl\"")]);
    lock_and_end(&simulator, &daemon);
    assert_eq!(state_of(&daemon), "ok");
    let mut daemon = daemon;
    daemon.crash();
    let daemon = daemon.restart();
    daemon.wait_ready();
    let room = daemon.get("/api/rooms/r1").json();
    assert_eq!((&room["live"], &room["participant_count"]), (&json!(false), &json!(0)), "{room}");
    assert_eq!(room["desired"], json!({ "locked": true, "muted": true }), "{room}");
    assert_error(&daemon.call("79990000001", "R1"), 409, "an invitation into a locked room");
    assert_eq!(patch(&daemon, "/api/rooms/R1", &json!({ "locked": false })).status, 200);
    let id = daemon.call_ok("79990000001", "R1");
    daemon.wait_for(&id, "call.joined");
    // The room is muted still, and so is whoever comes.
    eventually("the callee is muted", || {
        let room = daemon.get("/api/rooms/R1").json();
        (room["participants"][0]["muted"] == true).then_some(())
    });
}

#[test]
fn damaged_state_is_reported_and_stops_nothing() {
    let simulator = Simulator::start("22", GUEST);
    let daemon = simulator.daemon(&[("journal", "file = \"calls.jsonl\"")]);
    daemon.wait_for_event("guest.joined");
    let path = daemon.folder.path().join("state.db");
    std::fs::write(&path, "somebody's notes".repeat(1000)).expect("writes");
    let daemon = daemon.crash_and_restart();
    daemon.wait_ready();
    let state = state_of(&daemon);
    assert!(state.contains("file is not a database"), "{state}");
    let up = |value| format!("originatord_journal_writer_up{{writer=\"state\"}} {value}\n");
    assert!(daemon.get("/metrics").body.contains(&up(0)));
    let locked = patch(&daemon, "/api/rooms/R1", &json!({ "locked": true }));
    assert_eq!((locked.status, &locked.json()["locked"]), (200, &json!(true)));
    // The file is moved away, and the next one has everything.
    std::fs::rename(&path, path.with_extension("notes")).expect("the file is moved");
    eventually("the state is written again", || (state_of(&daemon) == "ok").then_some(()));
    assert!(daemon.get("/metrics").body.contains(&up(1)));
    let mut daemon = daemon;
    daemon.crash();
    let daemon = daemon.restart();
    assert_error(&daemon.call("79990000001", "R1"), 409, "an invitation into a locked room");
}

#[test]
fn state_without_a_file_ends_with_the_daemon() {
    let simulator = Simulator::start("22", GUEST);
    let daemon = simulator.daemon(&[]);
    lock_and_end(&simulator, &daemon);
    assert_eq!(state_of(&daemon), "off");
    let daemon = daemon.crash_and_restart();
    daemon.wait_ready();
    assert_error(&daemon.get("/api/rooms/R1"), 404, "a room that is neither live nor kept");
}
