//! An operator's actions on a room, their confirmation, and their errors.

use serde_json::{Value, json};
use testkit::browser::Browser;
use testkit::daemon::KEY;
use testkit::eventually;
use testkit::sim::Simulator;

use super::{ROOMS, click_row, focused, open_room, open_view, sent, wait_part};
use crate::{DESKTOP, DOWN, ENTER, ESCAPE, TAB, wait_true};

fn change(method: &str, path: &str, body: Value) -> (String, String, Value) {
    (method.into(), path.into(), body)
}

fn wait_sent(page: &Browser, expected: &(String, String, Value)) {
    eventually(&format!("{expected:?}, not {:?}", sent(page)), || {
        (sent(page).last() == Some(expected)).then_some(())
    });
}

#[test]
fn buttons_change_room_and_participants() {
    let simulator = Simulator::start("22", "");
    let daemon = simulator.daemon(&[]);
    let page = open_view(&daemon, KEY, DESKTOP, ROOMS);
    open_room(&page, "R1");
    wait_part(&page, "#people-body", "Ann", "Muted");
    wait_part(&page, "#people-body", "Leader", "Waiting, admin");
    page.wait_text("#room-summary", "3 participants, 0 invited");

    click_row(&page, "#people-body", "Bob", ".mute");
    wait_sent(&page, &change("PATCH", "api/rooms/R1/participants/od-1", json!({ "muted": true })));
    wait_part(&page, "#people-body", "Bob", "Unmute");
    click_row(&page, "#people-body", "Ann", ".mute");
    wait_sent(
        &page,
        &change("PATCH", "api/rooms/R1/participants/1795.3", json!({ "muted": false })),
    );
    page.wait_text("#announcer", "");
    page.click("#room-lock");
    wait_sent(&page, &change("PATCH", "api/rooms/R1", json!({ "locked": true })));
    page.wait_text("#room-lock", "Unlock");
    page.wait_text("#room-state", "Live, locked");
    wait_part(&page, "#rooms-body", "R1", "Locked");
    page.click("#room-mute");
    wait_sent(&page, &change("PATCH", "api/rooms/R1", json!({ "muted": true })));
    page.wait_text("#room-state", "Live, locked, muted");
    page.click("#room-mute");
    wait_sent(&page, &change("PATCH", "api/rooms/R1", json!({ "muted": false })));
    // The list shows the state that was asked for, and the button undoes it.
    page.press(ESCAPE);
    wait_part(&page, "#rooms-body", "КОМНАТА 1", "Empty, will be locked");
    open_room(&page, "КОМНАТА 1");
    page.wait_text("#room-lock", "Unlock");
    assert!(!page.is_visible("#room-end"));
    page.click("#room-lock");
    let path = "api/rooms/%D0%9A%D0%9E%D0%9C%D0%9D%D0%90%D0%A2%D0%90%201";
    wait_sent(&page, &change("PATCH", path, json!({ "locked": false })));
}

#[test]
fn kick_and_end_ask_once_more() {
    let simulator = Simulator::start("22", "");
    let daemon = simulator.daemon(&[]);
    let page = open_view(&daemon, KEY, DESKTOP, ROOMS);
    open_room(&page, "R1");
    click_row(&page, "#people-body", "Bob", ".kick");
    page.wait_text("#ask-title", "Kick Bob?");
    // The focus is on the safe button, so Enter cancels.
    page.press(ENTER);
    eventually("the question is closed", || (!page.is_visible("#ask")).then_some(()));
    page.click("#room-end");
    page.wait_text("#ask-title", "End R1 for everybody?");
    page.wait_text("#ask-text", "3 participants");
    page.press(ESCAPE);
    eventually("the question is closed", || (!page.is_visible("#ask")).then_some(()));
    assert_eq!(sent(&page), []);

    click_row(&page, "#people-body", "Bob", ".kick");
    page.click("#ask-yes");
    wait_sent(&page, &change("DELETE", "api/rooms/R1/participants/od-1", Value::Null));
    page.wait_text("#room-summary", "2 participants");
    assert!(!page.is_visible("#ask") && !page.text("#people-body").contains("Bob"));
    eventually("the table has the focus", || (focused(&page) == "people").then_some(()));
    page.click("#room-end");
    page.click("#ask-yes");
    wait_sent(&page, &change("DELETE", "api/rooms/R1", Value::Null));
    page.wait_text("#room-state", "Not live");
    wait_true(
        &page,
        "the end is announced",
        "document.getElementById('announcer').textContent.includes('ended')",
    );
    assert!(!page.is_visible("#room-lock") && !page.is_visible("#people"));
}

#[test]
fn errors_are_shown_beside_their_control() {
    let simulator = Simulator::start("22", "");
    let daemon = simulator.daemon(&[]);
    let page = open_view(&daemon, KEY, DESKTOP, ROOMS);
    open_room(&page, "R1");
    let refuse = |status: u16, error: &str| {
        page.run("window.refuse = arguments[0]", json!([[status, error]]));
    };
    refuse(409, "the room is muted: nobody in it can be unmuted alone");
    click_row(&page, "#people-body", "Ann", ".mute");
    page.wait_text("#room-error", "Could not unmute Ann: the room is muted");
    refuse(504, "Asterisk did not answer in time");
    page.click("#room-lock");
    page.wait_text("#room-error", "Could not lock the room: Asterisk did not answer in time.");
    refuse(409, "the room R2 is locked");
    click_row(&page, "#people-body", "Bob", ".move");
    assert_eq!(focused(&page), "ask-room");
    page.type_into("#ask-room", "R2");
    page.press(ENTER);
    // The dialog stays open, and the user can type another room.
    page.wait_text("#ask-error", "Could not move Bob: the room R2 is locked.");
    assert!(page.is_visible("#ask"));
    page.run("window.refuse = undefined", json!([]));
    page.press(ENTER);
    wait_sent(&page, &change("PATCH", "api/rooms/R1/participants/od-1", json!({ "room": "R2" })));
    page.wait_text("#room-summary", "2 participants");
    assert!(!page.is_visible("#ask"));
    refuse(502, "Permission denied");
    page.click("#room-end");
    page.click("#ask-yes");
    page.wait_text("#ask-error", "Could not end the room: Permission denied.");
}

#[test]
fn rooms_work_by_keyboard_alone() {
    let simulator = Simulator::start("22", "");
    let daemon = simulator.daemon(&[]);
    let page = open_view(&daemon, KEY, DESKTOP, ROOMS);
    page.press("c");
    wait_true(
        &page,
        "calls are shown",
        "document.getElementById('dashboard').dataset.tab === 'calls'",
    );
    assert!(page.is_visible("#calls") && !page.is_visible("#rooms"));
    page.press("r");
    wait_part(&page, "#rooms-body", "R1", "Open");
    page.press("j");
    page.press(ENTER);
    page.wait_text("#room-name", "R1");
    assert_eq!(focused(&page), "room-name");
    wait_part(&page, "#people-body", "Bob", "Mute");
    page.run("document.getElementById('people').focus()", json!([]));
    page.press(DOWN);
    page.press("m");
    wait_part(&page, "#people-body", "Bob", "Unmute");
    page.press("j");
    page.press("x");
    page.wait_text("#ask-title", "Kick Ann?");
    page.press(TAB);
    page.press(ENTER);
    wait_sent(&page, &change("DELETE", "api/rooms/R1/participants/1795.3", Value::Null));
    eventually("the question is closed", || (!page.is_visible("#ask")).then_some(()));
    page.press(ESCAPE);
    assert!(!page.is_visible("#room"));
    wait_true(&page, "the row has the focus", "document.activeElement.textContent === 'R1'");
}

#[test]
fn watch_key_sees_no_controls() {
    const WALL: &str = "[[api_keys]]\nname = \"wall\"\nkey = \"k3y-of-the-wall\"\nrole = \"watch\"";
    let simulator = Simulator::start("22", "");
    let daemon = simulator.daemon(&[("key", WALL)]);
    let page = open_view(&daemon, "k3y-of-the-wall", DESKTOP, ROOMS);
    open_room(&page, "R1");
    wait_part(&page, "#people-body", "Bob", "In the room");
    for control in ["#room-lock", "#room-mute", "#room-end", "#people .row-action"] {
        assert!(!page.is_visible(control), "{control}");
    }
    page.run("document.getElementById('people').focus()", json!([]));
    for key in [DOWN, "m", "x"] {
        page.press(key);
    }
    assert!(!page.is_visible("#ask"));
    assert_eq!(sent(&page), []);
}

#[test]
fn controls_are_disabled_without_a_link() {
    let simulator = Simulator::start("22", "");
    let daemon = simulator.daemon(&[("asterisk", "backoff_max = \"300ms\"")]);
    let page = open_view(&daemon, KEY, DESKTOP, ROOMS);
    open_room(&page, "R1");
    wait_part(&page, "#people-body", "Bob", "Mute");
    let disabled = "['#room-lock', '#people-body .mute'].every((name) => document.querySelector(name).disabled)";
    wait_true(&page, "the controls are enabled", &format!("!({disabled})"));
    drop(simulator);
    page.wait_text("#banner", "No link to Asterisk");
    wait_true(&page, "the controls are disabled", disabled);
    let title = page.run("return document.getElementById('room-lock').title", json!([]));
    assert_eq!(title, "there is no link to Asterisk");
}
