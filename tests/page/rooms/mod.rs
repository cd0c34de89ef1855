//! The view of rooms: who is in, what an operator can do, and what a conference was.

mod controls;
mod layout;
mod live;
mod reading;
mod story;

use serde_json::{Value, json};
use testkit::browser::Browser;
use testkit::daemon::Daemon;
use testkit::eventually;

use super::{enter_key, run_before_page};

/// Answers requests about rooms in the browser; see the file.
const STANDIN: &str = include_str!("standin.js");

/// Rooms for most tests: two of three in R1 are guests.
const ROOMS: &str = "
    const bob = participant('od-1', 'Bob', { number: '+79990000001' });
    const ann = participant('1795.3', 'Ann', { muted: true, number: '+74951234567' });
    const leader = participant('1795.4', 'Leader', { admin: true, waiting: true });
    rooms.push(room('R1', [bob, ann, leader]),
      room('КОМНАТА 1', [], { live: false, conference_id: null, started: null, desired: { locked: true } }));";

/// A page with the view of rooms, whose rooms come from the stand-in. `setup` is a script that fills
/// them.
fn open_view(daemon: &Daemon, key: &str, (width, height): (u32, u32), setup: &str) -> Browser {
    let page = Browser::start(width, height);
    run_before_page(&page, &format!("{{ {STANDIN}\n{setup} }}"));
    page.open(&format!("http://{}/#tab=rooms", daemon.address));
    enter_key(&page, key);
    page
}

/// Opens a room by a click on its row.
fn open_room(page: &Browser, name: &str) {
    click_row(page, "#rooms-body", name, ".link");
    page.wait_text("#room-name", name);
}

/// Clicks on a button in the row that contains this text.
fn click_row(page: &Browser, body: &str, text: &str, button: &str) {
    let script = "const rows = [...document.querySelectorAll(`${arguments[0]} .row`)];
                  const row = rows.find((row) => row.innerText.includes(arguments[1]));
                  const button = row?.querySelector(arguments[2]);
                  button?.focus(); button?.click(); return Boolean(button)";
    eventually(&format!("{button} of {text}: {}", page.body()), || {
        (page.run(script, json!([body, text, button])) == true).then_some(())
    });
}

/// Waits until the row with this text contains `part`, too.
fn wait_part(page: &Browser, body: &str, text: &str, part: &str) {
    eventually(&format!("{text} {part}: {}", page.body()), || {
        let rows = page.texts(&format!("{body} .row"));
        rows.iter().any(|row| row.contains(text) && row.contains(part)).then_some(())
    });
}

/// The changes that the page has asked for: method, path and body.
fn sent(page: &Browser) -> Vec<(String, String, Value)> {
    let sent = page.run(
        "return sent.map(({ method, path, body }) => [method, path, body ?? null])",
        json!([]),
    );
    serde_json::from_value(sent).expect("changes")
}

/// The `id` of the element that has the focus.
fn focused(page: &Browser) -> Value {
    page.run("return document.activeElement.id", json!([]))
}
