//! The view of rooms on every screen: accessible, nothing cut off, and peers' texts as text.

use serde_json::{Value, json};
use testkit::browser::Browser;
use testkit::daemon::KEY;
use testkit::sim::Simulator;

use super::{ROOMS, click_row, open_room, open_view, wait_part};
use crate::{DESKTOP, ESCAPE, PHONE, assert_accessible, wait_true};

#[test]
fn rooms_are_accessible_on_every_screen() {
    let simulator = Simulator::start("22", "");
    let daemon = simulator.daemon(&[]);
    let story = "conferences.push({ conference_id: 'cf-R1', room: 'R1', started: bob.joined, ended: null, most_at_once: 1,
        participants: [{ id: 'od-1', call_id: 'od-1', number: null, caller_id: 'Bob', mutes: [], visits: [{ joined: bob.joined, left: null }] }],
        room_mutes: [], locks: [], invited: [] });";
    for scheme in ["light", "dark"] {
        for size in [DESKTOP, PHONE] {
            let page = open_view(&daemon, KEY, size, &format!("{ROOMS}{story}"));
            page.prefer(scheme);
            let check =
                |place: &str| assert_accessible(&page, &format!("{place}, {scheme} {size:?}"));
            wait_part(&page, "#rooms-body", "R1", "Open");
            check("rooms");
            open_room(&page, "R1");
            wait_part(&page, "#people-body", "Bob", "In the room");
            page.run("window.refuse = [409, 'it cannot be']", json!([]));
            page.click("#room-lock");
            page.wait_text("#room-error", "it cannot be");
            check("a room");
            click_row(&page, "#people-body", "Bob", ".move");
            page.wait_visible("#ask-room");
            check("a dialog");
            page.press(ESCAPE);
            // The room covers the whole of a small screen.
            page.click("#room-close");
            page.click("#show-conferences");
            wait_part(&page, "#conferences-body", "R1", "so far");
            check("conferences");
            click_row(&page, "#conferences-body", "R1", ".link");
            wait_part(&page, "#visitors-body", "Bob", "there");
            check("people of a conference");
            page.click("#story-events");
            wait_part(&page, "#events-body", "Bob", "came");
            check("events of a conference");
            let beyond = "return [document.documentElement.scrollHeight - innerHeight, document.documentElement.scrollWidth - innerWidth]";
            assert_eq!(page.run(beyond, json!([])), json!([0, 0]), "{scheme} {size:?}");
        }
    }
}

/// The cells of this table's first row that are cut off.
fn cut_off(page: &Browser, body: &str) -> Value {
    let script = "const cells = [...document.querySelector(`${arguments[0]} .row`).children];
                  return cells.filter((cell) => cell.scrollWidth > cell.clientWidth).map((cell) => cell.className)";
    page.run(script, json!([body]))
}

#[test]
fn no_cell_is_cut_off_at_any_width() {
    let simulator = Simulator::start("22", "");
    let daemon = simulator.daemon(&[]);
    // The widest texts of most rooms: an admin with a number, muted, for hours.
    let wide =
        "Object.assign(bob, { muted: true, joined: new Date(Date.now() - 36e6).toISOString() });
                rooms[0].locked = true;";
    for width in [1440, 1251, 1101, 1001, 800, 390] {
        let page = open_view(&daemon, KEY, (width, 800), &format!("{ROOMS}{wide}"));
        wait_part(&page, "#rooms-body", "R1", "Locked");
        assert_eq!(cut_off(&page, "#rooms-body"), json!([]), "rooms at {width}");
        open_room(&page, "R1");
        wait_part(&page, "#people-body", "Bob", "Muted");
        assert_eq!(cut_off(&page, "#people-body"), json!([]), "people at {width}");
    }
}

#[test]
fn texts_of_rooms_are_shown_as_text() {
    const EVIL: &str = "<img src=x onerror=document.title='pwned'>";
    let simulator = Simulator::start("22", "");
    let daemon = simulator.daemon(&[]);
    let setup = format!(
        "rooms.push(room(\"{EVIL}/../x?#%2F\", [participant('../all', \"{EVIL}\\u202egpj\"), participant('17.1', '')]), room('a\\u202eb', []));"
    );
    let page = open_view(&daemon, KEY, DESKTOP, &setup);
    open_room(&page, EVIL);
    wait_part(&page, "#people-body", EVIL, r"\u{202e}gpj");
    click_row(&page, "#people-body", EVIL, ".mute");
    wait_part(&page, "#people-body", EVIL, "Unmute");
    // Every part of the path is encoded, so that it names nothing else.
    let path = page.run("return sent[0].path", json!([]));
    let path = path.as_str().expect("a path");
    assert!(path.ends_with("x%3F%23%252F/participants/..%2Fall"), "{path}");
    click_row(&page, "#people-body", EVIL, ".kick");
    page.wait_text("#ask-title", EVIL);
    page.click("#ask-no");
    click_row(&page, "#people-body", EVIL, ".move");
    page.wait_text("#rooms-body", r"a\u{202e}b");
    assert_eq!(page.count("#ask-rooms option"), 0);
    page.click("#ask-no");
    let shown = page.run("return document.documentElement.outerHTML", json!([]));
    assert!(!shown.as_str().expect("HTML").contains('\u{202e}'));
    assert_eq!(page.count("img"), 0);
    // The room's name survives a reload.
    page.reload();
    page.wait_text("#room-name", EVIL);
}

#[test]
fn key_of_some_rooms_sees_no_charts() {
    let simulator = Simulator::start("22", "");
    let daemon = simulator.daemon(&[]);
    let limited = "window.session = { rooms: ['R*'] };";
    for size in [DESKTOP, PHONE] {
        let page = open_view(&daemon, KEY, size, &format!("{ROOMS}{limited}"));
        wait_part(&page, "#rooms-body", "R1", "Open");
        assert!(!page.is_visible("#charts") && !page.is_visible("#tabs [value=charts]"));
        page.run("location.hash = '#tab=charts'", json!([]));
        wait_true(
            &page,
            "calls are shown instead",
            "document.getElementById('dashboard').dataset.tab === 'calls'",
        );
        page.wait_text("#link", "connected");
    }
    let page = open_view(&daemon, KEY, DESKTOP, ROOMS);
    page.wait_visible("#charts");
}
