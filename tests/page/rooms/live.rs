//! Rooms from the first participant to the story, with a daemon and a simulated Asterisk.

use serde_json::{Value, json};
use testkit::browser::Browser;
use testkit::daemon::{Daemon, KEY};
use testkit::eventually;
use testkit::http;
use testkit::sim::Simulator;

use super::{click_row, open_room, wait_part};
use crate::{DESKTOP, log_in, open_detail, wait_row};

/// A telephone that is in R1 from the beginning.
const GUEST: &str = "[[guest]]\nroom = \"R1\"\nnumber = \"74951234567\"\nname = \"Ann\"\n";

/// A page that shows the rooms, with a call in R1 beside the guest.
fn start(simulator: &Simulator) -> (Daemon, Browser, String) {
    let daemon = simulator.daemon(&[("history", "file = \"history.db\"")]);
    let page = log_in(daemon.address, KEY, DESKTOP);
    page.click("#tabs [value=rooms]");
    let call = daemon.call_ok("79990960001", "R1");
    open_room(&page, "R1");
    wait_part(&page, "#people-body", "+79990960001", "In the room");
    wait_part(&page, "#people-body", "Ann", "In the room");
    (daemon, page, call)
}

fn room(daemon: &Daemon, name: &str) -> Value {
    daemon.get(&format!("/api/rooms/{name}")).json()
}

fn wait_room(daemon: &Daemon, name: &str, member: &str, expected: &Value) {
    eventually(&format!("{member} of {name}: {}", room(daemon, name)), || {
        (&room(daemon, name)[member] == expected).then_some(())
    });
}

#[test]
fn operator_runs_a_room_and_reads_its_story() {
    let simulator = Simulator::start("22", GUEST);
    let (daemon, page, call) = start(&simulator);
    wait_part(&page, "#rooms-body", "R1", "2");
    click_row(&page, "#people-body", "Ann", ".mute");
    wait_part(&page, "#people-body", "Ann", "Muted");
    click_row(&page, "#people-body", "Ann", ".mute");
    wait_part(&page, "#people-body", "Ann", "In the room");
    page.click("#room-mute");
    wait_part(&page, "#people-body", "Ann", "Muted");
    wait_part(&page, "#people-body", "+79990960001", "Muted");
    click_row(&page, "#people-body", "Ann", ".mute");
    page.wait_text("#room-error", "Could not unmute Ann: the room is muted");
    page.click("#room-lock");
    page.wait_text("#room-state", "Live, locked, muted");
    assert_eq!(daemon.call("79990960002", "R1").status, 409);
    page.click("#room-lock");
    page.click("#room-mute");
    page.wait_text("#room-state", "Live");
    wait_part(&page, "#people-body", "+79990960001", "In the room");

    // Calls on the way, and those that nobody answered.
    daemon.call_ok("79990960180", "R1");
    wait_part(&page, "#people-body", "+79990960180", "Ringing");
    daemon.call_ok("79990960486", "R1");
    wait_part(&page, "#people-body", "+79990960486", "Busy");
    page.wait_text("#room-summary", "2 participants, 2 invited");

    click_row(&page, "#people-body", "Ann", ".move");
    page.type_into("#ask-room", "R2");
    page.click("#ask-yes");
    wait_part(&page, "#rooms-body", "R2", "1");
    wait_room(&daemon, "R1", "participant_count", &json!(1));
    click_row(&page, "#people-body", "+79990960001", ".kick");
    page.click("#ask-yes");
    daemon.wait_for(&call, "call.kicked");
    page.wait_text("#room-state", "Not live");
    page.click("#room-story");
    wait_part(&page, "#visitors-body", "Ann", "moved to R2 by tester");
    wait_part(&page, "#visitors-body", "+79990960001", "kicked by tester");
    wait_part(&page, "#visitors-body", "+79990960486", "invited, busy");

    page.click("#story-close");
    page.click("#room-close");
    open_room(&page, "R2");
    page.click("#room-end");
    page.click("#ask-yes");
    page.wait_text("#room-state", "Not live");
    page.click("#room-close");
    page.click("#show-conferences");
    wait_part(&page, "#conferences-body", "R2", "1");
    page.wait_text("#journal", "room.ended");
    let errors: Vec<_> = page
        .console_errors()
        .into_iter()
        .filter(|line| !["401", "404", "409"].iter().any(|status| line.contains(status)))
        .collect();
    assert_eq!(errors, [""; 0]);
}

#[test]
fn change_by_another_key_shows_by_itself() {
    let simulator = Simulator::start("22", GUEST);
    let (daemon, page, call) = start(&simulator);
    let patch = |path: &str, body: Value| {
        let headers = [("X-Api-Key", KEY), ("Content-Type", "application/json")];
        let body = body.to_string();
        let reply = http::request(daemon.address, "PATCH", path, &headers, body.as_bytes());
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
    };
    patch(&format!("/api/rooms/R1/participants/{call}"), json!({ "muted": true }));
    wait_part(&page, "#people-body", "+79990960001", "Muted");
    patch("/api/rooms/R1", json!({ "locked": true }));
    page.wait_text("#room-state", "Live, locked");
    wait_part(&page, "#rooms-body", "R1", "Locked");
    daemon.delete(&format!("/api/rooms/R1/participants/{call}"));
    page.wait_text("#room-summary", "1 participant,");
    // A lock is kept for a room that is empty.
    daemon.delete("/api/rooms/R1");
    page.wait_text("#room-state", "Empty, will be locked");
    wait_part(&page, "#rooms-body", "R1", "Empty, will be locked");
}

#[test]
fn call_and_journal_lead_to_the_room() {
    let simulator = Simulator::start("22", GUEST);
    let (daemon, page, _) = start(&simulator);
    page.click("#room-close");
    page.click("#tabs [value=calls]");
    wait_row(&page, "+79990960001", "In the room");
    open_detail(&page, "+79990960001");
    page.click("#detail-open-room");
    page.wait_text("#room-name", "R1");
    wait_part(&page, "#people-body", "Ann", "In the room");
    page.click("#room-close");
    click_row(&page, "#journal-body", "guest.joined", ".detail");
    page.wait_text("#room-name", "R1");
    // A call in the room leads back to its details.
    click_row(&page, "#people-body", "+79990960001", ".link");
    page.wait_text("#detail-number", "+79990960001");
    page.wait_text("#detail-records", "call.joined");
    drop(daemon);
}
