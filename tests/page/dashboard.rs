//! What can be done at the desk, by whom, and how much it bears.

use serde_json::json;

use super::{DESKTOP, DOWN, ENTER, ESCAPE, TAB, log_in, open_detail, row, wait_live, wait_row};
use testkit::ami::{FakeAsterisk, Manner, OnOriginate};
use testkit::browser::Browser;
use testkit::daemon::{Ami, Daemon, KEY};
use testkit::eventually;
use testkit::http::KeptAlive;
use testkit::sim::Simulator;

/// A key that only watches.
const WALL: &str = "[[api_keys]]\nname = \"wall\"\nkey = \"k3y-of-the-wall\"\nrole = \"watch\"";

#[test]
fn who_has_no_key_sees_nothing_and_who_logs_out_neither() {
    let simulator = Simulator::start("22", "");
    let daemon = simulator.daemon(&[]);
    daemon.call_ok("79990940001", "R1");
    let page = Browser::start(DESKTOP.0, DESKTOP.1);
    page.open(&format!("http://{}/", daemon.address));
    page.type_into("#login-key", "a-wrong-key");
    page.press(ENTER);
    page.wait_text("#login-error", "Unknown API key");
    assert!(!page.sees("#dashboard") && !page.body().contains("7999"));
    assert_eq!(page.run("return document.getElementById('login-key').value", json!([])), "");

    page.type_into("#login-key", KEY);
    page.press(ENTER);
    wait_row(&page, "+79990940001", "In the room");
    // No script can get at the session.
    assert_eq!(page.run("return document.cookie", json!([])), "");
    page.reload();
    wait_row(&page, "+79990940001", "In the room");
    page.click("#log-out");
    page.wait_sees("#login-key");
    assert!(!page.sees("#dashboard") && !page.body().contains("7999"));
    page.reload();
    page.wait_sees("#login-key");
}

#[test]
fn who_watches_has_no_button_to_hang_up() {
    let simulator = Simulator::start("22", "");
    let daemon = simulator.daemon(&[("key", WALL)]);
    let page = log_in(daemon.address, "k3y-of-the-wall", DESKTOP);
    page.wait_text("#role", "watch only");
    let id = daemon.call_ok("79990950001", "R1");
    wait_row(&page, "+79990950001", "In the room");
    open_detail(&page, "+79990950001");
    page.wait_text("#detail-status", "In the room");
    page.press("x");
    assert!(!page.sees(".hang-up") && !page.sees("#detail-hang-up") && !page.sees("#confirm"));
    // Nor does it help to ask past the page.
    let script = "const done = arguments[0]; fetch('api/calls/ID', { method: 'DELETE', headers: { 'x-requested-with': 'x' } })\
                  .then((response) => done(response.status))";
    assert_eq!(page.run_async(&script.replace("ID", &id)), 403);
    assert_eq!(row(&page, "+79990950001").map(|row| row.contains("In the room")), Some(true));
}

#[test]
fn calls_and_records_are_looked_for() {
    let simulator = Simulator::start("22", "");
    let daemon = simulator.daemon(&[]);
    let page = log_in(daemon.address, KEY, DESKTOP);
    for (number, room) in
        [("79990960001", "Alpha"), ("79990960002", "beta"), ("79990960486", "alphabet")]
    {
        daemon.call_ok(number, room);
    }
    wait_row(&page, "+79990960001", "In the room");
    wait_row(&page, "+79990960002", "In the room");
    let numbers = |body: &str| {
        let mut numbers = page.texts(&format!("{body} .number"));
        numbers.sort();
        numbers.dedup();
        numbers.retain(|number| !number.is_empty());
        numbers
    };
    let wait_numbers = |body: &str, expected: &[&str]| {
        eventually(&format!("{expected:?} in {body}, not {:?}", numbers(body)), || {
            (numbers(body) == expected).then_some(())
        });
    };
    page.type_into("#filter-room", "ALPHA");
    wait_numbers("#calls-body", &["+79990960001"]);
    wait_numbers("#journal-body", &["+79990960001", "+79990960486"]);
    page.press(ESCAPE);
    wait_numbers("#journal-body", &["+79990960001", "+79990960002", "+79990960486"]);
    page.type_into("#filter-number", "+7 (999) 096-00-02");
    wait_numbers("#calls-body", &["+79990960002"]);
    wait_numbers("#journal-body", &["+79990960002"]);
    page.click("#filter-clear");
    page.type_into("#filter-number", "abc");
    wait_numbers("#calls-body", &[]);
    page.click("#filter-clear");
    page.type_into("#filter-outcome", "Busy");
    wait_numbers("#journal-body", &["+79990960486"]);
    page.click("#show-ended");
    wait_numbers("#calls-body", &["+79990960486"]);
    page.type_into("#filter-outcome", "Declined");
    page.wait_text("#calls-empty", "No match in all history");
    page.click("#filter-clear");
    page.type_into("#filter-event", "call.joined");
    wait_numbers("#journal-body", &["+79990960001", "+79990960002"]);
    assert!(page.texts("#journal-body .event").iter().all(|event| event == "call.joined"));
    // From a story to all of its room.
    page.click("#filter-clear");
    page.click("#show-live");
    open_detail(&page, "+79990960002");
    page.click("#detail-same-room");
    wait_numbers("#calls-body", &["+79990960002"]);
    assert!(!page.sees("#detail"));
}

#[test]
fn the_page_is_used_by_keyboard_alone() {
    let simulator = Simulator::start("22", "");
    let daemon = simulator.daemon(&[]);
    let page = log_in(daemon.address, KEY, DESKTOP);
    let first = daemon.call_ok("79990970001", "R1");
    wait_row(&page, "+79990970001", "In the room");
    daemon.call_ok("79990970002", "R1");
    wait_row(&page, "+79990970002", "In the room");
    let focus = || {
        page.run("return document.activeElement.textContent", json!([]))
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    // The newest is on top.
    page.press("j");
    assert_eq!(focus(), "+79990970002");
    page.press(DOWN);
    assert_eq!(focus(), "+79990970001");
    page.press(ENTER);
    page.wait_text("#detail-number", "+79990970001");
    page.press(ESCAPE);
    assert!(!page.sees("#detail"));
    assert_eq!(focus(), "+79990970001");
    // A call that comes does not take the focus away.
    daemon.call_ok("79990970003", "R1");
    wait_row(&page, "+79990970003", "In the room");
    assert_eq!(focus(), "+79990970001");
    page.press("x");
    page.wait_text("#confirm", "+79990970001");
    // The safe answer is the one that Enter gives.
    assert_eq!(focus(), "Cancel");
    page.press(TAB);
    page.press(ENTER);
    assert_eq!(daemon.wait_for(&first, "call.ended")["hung_up_by"], "tester");
    page.press("/");
    eventually("the focus is in the field", || {
        (page.run("return document.activeElement.id", json!([])) == "filter-number").then_some(())
    });
    // Letters that are typed are no shortcuts.
    page.press("x");
    assert!(!page.sees("#confirm"));
}

#[test]
fn masked_numbers_are_looked_for_by_digits_only() {
    let simulator = Simulator::start("22", "");
    let daemon = simulator.daemon(&[("privacy", "mask_numbers = true")]);
    let page = log_in(daemon.address, KEY, DESKTOP);
    daemon.call_ok("79990980001", "R1");
    wait_row(&page, "+7999•••0001", "In the room");
    page.type_into("#filter-number", "980");
    wait_row(&page, "+7999•••0001", "In the room");
    for not_there in ["abc", "981234"] {
        page.click("#filter-clear");
        page.type_into("#filter-number", not_there);
        page.wait_text("#calls-empty", "No match in 1 live call");
    }
}

/// The width of each cell, with what it would need: no text of a list is lost, whatever the
/// window's width.
#[test]
fn lists_say_who_where_and_when_at_any_width() {
    let simulator = Simulator::start("22", "");
    let daemon = simulator.daemon(&[]);
    for (number, room) in [("79990970001", "R1"), ("79990970404", "R1")] {
        daemon.call_ok(number, room);
    }
    for width in [1400, 1251, 1101, 1001, 800, 390] {
        let page = log_in(daemon.address, KEY, (width, 800));
        for (shown, number, cells) in [
            ("#show-live", "+79990970001", &["state", "number", "room", "time"][..]),
            ("#show-ended", "+79990970404", &["state", "number", "room", "key"][..]),
        ] {
            page.click(shown);
            wait_row(&page, number, "R1");
            for cell in cells {
                let script = "const cell = document.querySelector(`#calls-body .${arguments[0]}`);
                              return cell.clientWidth > 0 && cell.scrollWidth <= cell.clientWidth";
                assert_eq!(page.run(script, json!([cell])), true, "{cell} in {shown} at {width}");
            }
        }
    }
}

#[test]
fn thousands_of_calls_and_records_make_no_more_rows_than_are_seen() {
    const CALLS: usize = 5000;
    let folder = tempfile::tempdir().expect("a folder");
    let line = |seq: usize| {
        let (number, id) =
            (79_990_000_000 + seq as u64, format!("od-01m89yz9ajwm2xxqced5v{seq:04}y"));
        let fields = format!(
            "\"number\":\"+{number}\",\"room\":\"R{seq}\",\"caller_id\":\"Bob\",\"lang\":\"ru\",\"key\":\"tester\""
        );
        format!(
            "{{\"seq\":{seq},\"time\":\"2026-11-25T18:00:00.000Z\",\"event\":\"call.queued\",\"call_id\":\"{id}\",{fields}}}\n"
        )
    };
    let past: String = (1..=CALLS).map(line).collect();
    std::fs::write(folder.path().join("calls.jsonl"), past).expect("writes");
    // Asterisk does not answer, so the daemon cannot know that they are over. The daemon waits for
    // it all the time, too: each link that it gives up would be one more record, which this test
    // counts.
    let asterisk = FakeAsterisk::start(OnOriginate::Accept);
    asterisk.behave(Manner::Mute);
    let ami = Ami { address: &asterisk.address.to_string(), secret: "secret" };
    let daemon = Daemon::start_in(
        folder,
        &ami,
        &[
            ("journal", "file = \"calls.jsonl\""),
            ("asterisk", "connect_timeout = \"1h\"\nkeepalive = \"1h\""),
        ],
    );
    let page = log_in(daemon.address, KEY, DESKTOP);
    wait_live(&page, CALLS);
    let rows = |table: &str| {
        (page.count(&format!("{table}-body .row")), page.count(&format!("{table} *")))
    };
    let is_few = |table: &str| {
        let (rows, elements) = rows(table);
        assert!(
            (5..=60).contains(&rows) && elements < 1000,
            "{table}: {rows} rows, {elements} elements"
        );
    };
    is_few("#calls");
    assert_eq!(
        page.run(
            "return document.getElementById('calls').getAttribute('aria-rowcount')",
            json!([])
        ),
        "5001"
    );
    page.run(
        "const box = document.getElementById('calls'); box.scrollTop = box.scrollHeight",
        json!([]),
    );
    wait_row(&page, "+79990000001", "R1");
    is_few("#calls");
    page.click("#calls-sort");
    page.run("document.getElementById('calls').scrollTop = 0", json!([]));
    wait_row(&page, "+79990000001", "R1");

    // Each is two records.
    let mut bot = KeptAlive::open(daemon.address);
    let body =
        json!({ "api_key": KEY, "phone_number": "79991110001", "room_name": "R1", "caller_id": "Bob" }).to_string();
    let post = format!(
        "POST /api/conf HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut place = |count: usize| {
        for _ in 0..count {
            bot.send(post.as_bytes());
            assert_eq!(bot.reply().status, 503);
        }
    };
    place(3000);
    let as_of = daemon.get("/api/calls").json()["as_of"].as_str().expect("an id").to_owned();
    let last: u64 = as_of.rsplit('-').next().and_then(|seq| seq.parse().ok()).expect("a number");
    let newest =
        || page.run("return document.querySelector('#journal-body .time')?.title ?? ''", json!([]));
    let shows =
        |seq: u64| newest().as_str().is_some_and(|title| title.ends_with(&format!("record {seq}")));
    eventually("the newest record is shown", || shows(last).then_some(()));
    is_few("#journal");
    let kept = || -> usize {
        let count = page.run(
            "return document.getElementById('journal').getAttribute('aria-rowcount')",
            json!([]),
        );
        count.as_str().and_then(|count| count.parse().ok()).expect("a count")
    };
    assert!((5000..5502).contains(&kept()), "{}", kept());

    // Who reads on further down is not moved by what comes.
    page.run("document.getElementById('journal').scrollTop = 700", json!([]));
    let seen = || page.texts("#journal-body .row");
    eventually("it has scrolled", || (!shows(last)).then_some(()));
    let before = seen();
    place(100);
    page.wait_text("#journal-new", "200 new records");
    assert_eq!(seen(), before);
    page.click("#journal-new");
    eventually("the newest record is shown", || shows(last + 200).then_some(()));
    page.click("#journal-pause");
    place(1);
    page.wait_text("#journal-new", "2 new records");
    assert!(shows(last + 200));
}

#[test]
fn what_ended_long_ago_is_found_in_the_history() {
    const LONG_AGO: &str = "79995550486";
    let simulator = Simulator::start("22", "[timing]\ndial = \"0s\"\n");
    let daemon = simulator.daemon(&[("history", "file = \"history.db\"")]);
    let ended = |number: &str| {
        let page = daemon.get(&format!("/api/calls?number={number}")).json();
        page["ended"].as_array().is_some_and(|calls| !calls.is_empty()).then_some(())
    };
    daemon.call_ok(LONG_AGO, "R1");
    eventually("it has ended", || ended(LONG_AGO));
    for number in 0..1100 {
        daemon.call_ok(&format!("7999{number:04}486"), "R1");
    }
    eventually("the last has ended", || ended("79991099486"));
    let page = log_in(daemon.address, KEY, DESKTOP);
    page.click("#show-ended");
    page.wait_text("#ended-count", "1000");
    // A whole number is asked for in the history at once; a part of one when it is asked for.
    page.type_into("#filter-number", LONG_AGO);
    wait_row(&page, LONG_AGO, "Busy");
    page.click("#filter-clear");
    page.type_into("#filter-number", "5550486");
    page.wait_text("#calls-empty", "No match in the 1000 newest calls");
    page.click("#load-older");
    wait_row(&page, LONG_AGO, "Busy");
    page.wait_text("#older-status", "1 match in all history");
    assert!(!page.sees("#load-older"));
    open_detail(&page, &format!("+{LONG_AGO}"));
    page.wait_text("#detail-status", "Busy");
}
