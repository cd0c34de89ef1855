//! The page with thousands of calls and records.

use serde_json::json;
use testkit::ami::{FakeAsterisk, Manner, OnOriginate};
use testkit::browser::Browser;
use testkit::daemon::{Ami, Daemon, KEY};
use testkit::eventually;
use testkit::http::KeptAlive;

use super::{DESKTOP, log_in, wait_live, wait_row};

const CALLS: usize = 5000;

/// A daemon that has adopted 5000 calls of an earlier run.
///
/// Its Asterisk accepts the connection and sends nothing, so the calls stay live and the daemon
/// refuses each request. The long timeouts keep it from reconnecting, which would add records.
fn busy_daemon() -> (FakeAsterisk, Daemon) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("calls.jsonl"), queued_calls()).expect("a written file");
    let asterisk = FakeAsterisk::start(OnOriginate::Accept);
    asterisk.behave(Manner::NoBanner);
    let ami = Ami { address: &asterisk.address.to_string(), secret: "secret" };
    let settings = [
        ("journal", "file = \"calls.jsonl\""),
        ("asterisk", "connect_timeout = \"1h\"\nkeepalive = \"1h\""),
    ];
    let daemon = Daemon::start_in(folder, &ami, &settings);
    (asterisk, daemon)
}

/// A journal with a queued call for each N, with the number +7999000NNNN and the room RN.
fn queued_calls() -> String {
    let line = |seq: usize| {
        let call = json!({
            "seq": seq,
            "time": "2026-11-25T18:00:00.000Z",
            "event": "call.queued",
            "call_id": format!("od-01m89yz9ajwm2xxqced5v{seq:04}y"),
            "number": format!("+7999000{seq:04}"),
            "room": format!("R{seq}"),
            "caller_id": "Bob",
            "lang": "ru",
            "key": "tester",
        });
        format!("{call}\n")
    };
    (1..=CALLS).map(line).collect()
}

/// Requests calls that the daemon refuses. Each makes two records.
fn request_calls(bot: &mut KeptAlive, count: usize) {
    let call = json!({
        "api_key": KEY,
        "phone_number": "79991110001",
        "room_name": "R1",
        "caller_id": "Bob",
    });
    let body = call.to_string();
    let post = format!(
        "POST /api/conf HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    for _ in 0..count {
        bot.send(post.as_bytes());
        assert_eq!(bot.reply().status, 503);
    }
}

/// The number of the newest record.
fn newest_record(daemon: &Daemon) -> u64 {
    let list = daemon.get("/api/calls?limit=1").json();
    let id = list["as_of"].as_str().expect("an id");
    id.rsplit('-').next().and_then(|seq| seq.parse().ok()).expect("a number")
}

/// Whether the first row of the journal is this record.
fn shows_record(page: &Browser, seq: u64) -> bool {
    let script = "return document.querySelector('#journal-body .time')?.title ?? ''";
    let title = page.run(script, json!([]));
    title.as_str().is_some_and(|title| title.ends_with(&format!("record {seq}")))
}

/// The number of rows, with the head, that the page announces to screen readers.
fn row_count(page: &Browser, table: &str) -> usize {
    let script = "return document.querySelector(arguments[0]).getAttribute('aria-rowcount')";
    let count = page.run(script, json!([table]));
    count.as_str().and_then(|count| count.parse().ok()).expect("a count")
}

fn assert_few_elements(page: &Browser, table: &str) {
    let rows = page.count(&format!("{table}-body .row"));
    let elements = page.count(&format!("{table} *"));
    assert!((5..=60).contains(&rows), "{table}: {rows} rows");
    assert!(elements < 1000, "{table}: {elements} elements");
}

#[test]
fn thousands_of_calls_make_few_elements() {
    let (_asterisk, daemon) = busy_daemon();
    let page = log_in(daemon.address, KEY, DESKTOP);
    wait_live(&page, CALLS);
    assert_few_elements(&page, "#calls");
    assert_eq!(row_count(&page, "#calls"), CALLS + 1);
    let to_end = "const box = document.getElementById('calls'); box.scrollTop = box.scrollHeight";
    page.run(to_end, json!([]));
    wait_row(&page, "+79990000001", "R1");
    assert_few_elements(&page, "#calls");
    page.click("#calls-sort");
    page.run("document.getElementById('calls').scrollTop = 0", json!([]));
    wait_row(&page, "+79990000001", "R1");
}

#[test]
fn new_records_do_not_move_a_scrolled_journal() {
    let (_asterisk, daemon) = busy_daemon();
    let page = log_in(daemon.address, KEY, DESKTOP);
    let mut bot = KeptAlive::open(daemon.address);
    request_calls(&mut bot, 3000);
    let first = newest_record(&daemon);
    eventually("the newest record is shown", || shows_record(&page, first).then_some(()));
    assert_few_elements(&page, "#journal");
    let kept = row_count(&page, "#journal");
    assert!((5000..5502).contains(&kept), "{kept}");

    page.run("document.getElementById('journal').scrollTop = 700", json!([]));
    eventually("the journal has scrolled", || (!shows_record(&page, first)).then_some(()));
    let rows = || page.texts("#journal-body .row");
    let before = rows();
    request_calls(&mut bot, 100);
    let second = newest_record(&daemon);
    page.wait_text("#journal-new", &format!("Show {} new records", second - first));
    assert_eq!(rows(), before);
    page.click("#journal-new");
    eventually("the newest record is shown", || shows_record(&page, second).then_some(()));

    page.click("#journal-pause");
    request_calls(&mut bot, 1);
    let third = newest_record(&daemon);
    page.wait_text("#journal-new", &format!("Show {} new records", third - second));
    assert!(shows_record(&page, second));
}
