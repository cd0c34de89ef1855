//! The dashboard: only users with a key see it, a watch key only reads, and no column is cut off.

use serde_json::json;
use testkit::browser::Browser;
use testkit::daemon::KEY;
use testkit::sim::Simulator;

use super::{DESKTOP, ENTER, log_in, open_detail, row, wait_row};

/// A key with the role `watch`.
const WALL: &str = "[[api_keys]]\nname = \"wall\"\nkey = \"k3y-of-the-wall\"\nrole = \"watch\"";

#[test]
fn only_logged_in_users_see_calls() {
    let simulator = Simulator::start("22", "");
    let daemon = simulator.daemon(&[]);
    daemon.call_ok("79990940001", "R1");
    let page = Browser::start(DESKTOP.0, DESKTOP.1);
    page.open(&format!("http://{}/", daemon.address));
    page.type_into("#login-key", "a-wrong-key");
    page.press(ENTER);
    page.wait_text("#login-error", "Unknown API key");
    assert!(!page.is_visible("#dashboard") && !page.body().contains("7999"));
    assert_eq!(page.run("return document.getElementById('login-key').value", json!([])), "");

    page.type_into("#login-key", KEY);
    page.press(ENTER);
    wait_row(&page, "+79990940001", "In the room");
    // Scripts cannot read the session's cookie.
    assert_eq!(page.run("return document.cookie", json!([])), "");
    page.reload();
    wait_row(&page, "+79990940001", "In the room");
    page.click("#log-out");
    page.wait_visible("#login-key");
    assert!(!page.is_visible("#dashboard") && !page.body().contains("7999"));
    page.reload();
    page.wait_visible("#login-key");
}

#[test]
fn watch_key_gets_no_hang_up_buttons() {
    let simulator = Simulator::start("22", "");
    let daemon = simulator.daemon(&[("key", WALL)]);
    let page = log_in(daemon.address, "k3y-of-the-wall", DESKTOP);
    page.wait_text("#role", "watch only");
    let id = daemon.call_ok("79990950001", "R1");
    wait_row(&page, "+79990950001", "In the room");
    open_detail(&page, "+79990950001");
    page.wait_text("#detail-status", "In the room");
    page.press("x");
    assert!(
        !page.is_visible(".hang-up")
            && !page.is_visible("#detail-hang-up")
            && !page.is_visible("#confirm")
    );
    // The daemon refuses the request, too.
    let script = "const done = arguments[0]; fetch('api/calls/ID', { method: 'DELETE', headers: { 'x-requested-with': 'x' } })\
                  .then((response) => done(response.status))";
    assert_eq!(page.run_async(&script.replace("ID", &id)), 403);
    assert_eq!(row(&page, "+79990950001").map(|row| row.contains("In the room")), Some(true));
}

/// Whether the text of this cell in the first row of a table fits into it.
fn fits(page: &Browser, table: &str, cell: &str) -> bool {
    let script = "const cell = document.querySelector(`${arguments[0]} .row .${arguments[1]}`);
                  return cell.clientWidth > 0 && cell.scrollWidth <= cell.clientWidth";
    page.run(script, json!([table, cell])) == true
}

#[test]
fn no_column_is_cut_off_at_any_width() {
    let simulator = Simulator::start("22", "");
    let daemon = simulator.daemon(&[]);
    for (number, room) in [("79990970001", "R1"), ("79990970404", "R1")] {
        daemon.call_ok(number, room);
    }
    for width in [1440, 1251, 1101, 1001, 800, 390] {
        let page = log_in(daemon.address, KEY, (width, 800));
        for (shown, number, cells) in [
            ("#show-live", "+79990970001", &["state", "number", "room", "time"][..]),
            ("#show-ended", "+79990970404", &["state", "number", "room", "key"][..]),
        ] {
            page.click(shown);
            wait_row(&page, number, "R1");
            for cell in cells {
                assert!(fits(&page, "#calls-body", cell), "{cell} in {shown} at {width}");
            }
        }
        // Fills in the longest name of an event, and the longest talk time of a call whose end the
        // daemon did not observe.
        let script = "document.querySelector('#calls-body .time').textContent = '58:03–59:41';
                      document.querySelector('#journal-body .event span').textContent = 'ami.disconnected'";
        page.run(script, json!([]));
        assert!(width < 1251 || fits(&page, "#calls-body", "time"), "talk time at {width}");
        if width < 1001 {
            page.click("#tabs [value=journal]");
        }
        for cell in ["event", "number", "time"] {
            assert!(fits(&page, "#journal-body", cell), "{cell} in the journal at {width}");
        }
    }
}
