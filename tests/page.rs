//! The operators' page, in a browser: on the simulator, and on a real Asterisk.

mod support;

use serde_json::{Value, json};
use support::ami::{FakeAsterisk, Manner, OnOriginate};
use support::browser::Browser;
use support::daemon::{Ami, Daemon, KEY};
use support::eventually;
use support::http::{self, KeptAlive};
use support::pbx::Pbx;
use support::relay::Relay;
use support::sim::Simulator;

/// Makes each of these a test on the simulator and on a real Asterisk.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod simulated {
            use super::Simulator;
            $(#[test] fn $name() { super::$name(&Simulator::start("22", "").ami()); })*
        }
        mod asterisk_22 { $(#[test] fn $name() { super::$name(&super::Pbx::shared("22").ami()); })* }
    };
}

on_both!(
    a_call_is_followed_from_its_request_to_its_end,
    calls_are_hung_up_by_button,
    a_restart_of_the_daemon_is_told,
    the_link_to_asterisk_is_lost_and_comes_back,
);

/// A key that only watches.
const WALL: &str = "[[api_keys]]\nname = \"wall\"\nkey = \"k3y-of-the-wall\"\nrole = \"watch\"";

/// On an Asterisk that is shared, a daemon that comes back must not find the calls of other tests'.
fn instance(name: &str) -> String {
    format!("instance = \"page-{name}\"")
}

const ESCAPE: &str = "\u{E00C}";
const ENTER: &str = "\u{E007}";
const DOWN: &str = "\u{E015}";

const DESKTOP: (u32, u32) = (1280, 800);
const TELEPHONE: (u32, u32) = (390, 844);

/// The page, with somebody logged in.
fn log_in(address: impl std::fmt::Display, key: &str, (width, height): (u32, u32)) -> Browser {
    let browser = Browser::start(width, height);
    browser.open(&format!("http://{address}/"));
    browser.type_into("#login-key", key);
    browser.click("#login-go");
    browser.wait_text("#stream-word", "Live");
    browser
}

/// The page's row of the call to this number.
fn row(browser: &Browser, number: &str) -> Option<String> {
    browser.texts("#calls-body .row").into_iter().find(|row| row.contains(number)).map(|row| row.replace('\n', " "))
}

/// Waits until the row of this number says this.
fn wait_row(browser: &Browser, number: &str, part: &str) {
    eventually(&format!("{number} {part}: {}", browser.body()), || {
        row(browser, number).filter(|row| row.contains(part)).map(drop)
    });
}

fn wait_no_row(browser: &Browser, number: &str) {
    eventually(&format!("{number} is gone"), || row(browser, number).is_none().then_some(()));
}

/// The log's events of this number, oldest first.
fn told(browser: &Browser, number: &str) -> Vec<String> {
    let rows = browser.texts("#log-body .row").into_iter().rev().filter(|row| row.contains(number));
    rows.map(|row| row.split('\n').find(|cell| cell.starts_with("call.")).unwrap_or_default().to_owned()).collect()
}

fn wait_live(browser: &Browser, count: usize) {
    eventually(&format!("{count} live calls: {}", browser.body()), || {
        (browser.text("#live-count") == count.to_string()).then_some(())
    });
}

/// Opens the story of the call whose row of the log or the table is clicked on.
fn open_story(browser: &Browser, number: &str) {
    let find = "return [...document.querySelectorAll('#calls-body button.link')].findIndex((b) => b.textContent === arguments[0])";
    let place = eventually("the row", || browser.run(find, json!([number])).as_i64().filter(|place| *place >= 0));
    browser.run("document.querySelectorAll('#calls-body button.link')[arguments[0]].click()", json!([place]));
    browser.wait_text("#story-number", number);
}

fn a_call_is_followed_from_its_request_to_its_end(ami: &Ami<'_>) {
    let daemon = Daemon::start(ami, &[("top", &instance("follow")), ("originate", "ring_timeout = \"20s\"")]);
    let page = log_in(daemon.address, KEY, DESKTOP);
    page.wait_text("#link", "Asterisk main: connected");
    page.wait_text("#calls-none", "No call lives right now");
    page.wait_text("#link-since", "since ");

    let rings = daemon.call_ok("79990900180", "R1");
    wait_row(&page, "+79990900180", "Ringing");
    assert!(row(&page, "+79990900180").is_some_and(|row| row.contains("R1") && row.contains("tester")));
    daemon.delete(&format!("/api/calls/{rings}"));
    wait_no_row(&page, "+79990900180");

    // It stays for three seconds, and hangs up.
    let id = daemon.call_ok("79990900200", "КОМНАТА1");
    wait_row(&page, "+79990900200", "In the room");
    open_story(&page, "+79990900200");
    page.wait_text("#story-word", "In the room");
    wait_no_row(&page, "+79990900200");
    page.wait_text("#story-word", "Completed");
    let steps: Vec<_> = page.texts("#story-steps .step");
    assert_eq!(steps.first().map(String::as_str), Some("Requested"));
    assert_eq!(steps.last().map(String::as_str), Some("Ended: Completed"));
    assert!(["Dialling", "Answered", "In the room"].iter().all(|step| steps.iter().any(|s| s == step)), "{steps:?}");
    // The page tells what the daemon told, in its order.
    assert_eq!(told(&page, "+79990900200"), daemon.events(&id));
    assert_eq!(page.texts("#story-records summary").len(), daemon.events(&id).len());
    page.wait_text("#story-facts", &id);
    assert!(!page.sees("#story-hang-up") && !page.sees("#story-missing"));

    page.click("#show-ended");
    wait_row(&page, "+79990900200", "Completed");
    wait_row(&page, "+79990900180", "Canceled");
    assert_eq!((page.text("#live-count"), page.text("#ended-count")), ("0".into(), "2".into()));
    page.wait_text("#value-outcomes", "2 ended");
    page.wait_text("#value-rate", "50 %");
    page.wait_text("#note-calls", "2 calls asked for, 0 refused");
    assert!(page.sees("#chart-outcomes rect.good") && page.sees("#chart-calls rect.quiet"));
    assert_eq!(page.complaints().into_iter().filter(|line| !line.contains("401")).collect::<Vec<_>>(), [""; 0]);
}

fn calls_are_hung_up_by_button(ami: &Ami<'_>) {
    let daemon = Daemon::start(ami, &[("top", &instance("hang-up"))]);
    let page = log_in(daemon.address, KEY, TELEPHONE);
    for (number, by) in [("79990910001", "the row's button"), ("79990910002", "the story's button")] {
        let id = daemon.call_ok(number, "R1");
        let number = format!("+{number}");
        wait_row(&page, &number, "In the room");
        if by == "the row's button" {
            page.click("#calls-body .hang-up");
        } else {
            open_story(&page, &number);
            page.click("#story-hang-up");
        }
        // Not before it is confirmed.
        page.wait_text("#confirm", &number);
        page.press(ENTER);
        eventually("it is not confirmed", || (!page.sees("#confirm")).then_some(()));
        assert!(!daemon.events(&id).contains(&"call.ended".to_owned()), "{by}");
        page.click(if by == "the row's button" { "#calls-body .hang-up" } else { "#story-hang-up" });
        page.click("#confirm-yes");
        assert_eq!(daemon.wait_for(&id, "call.ended")["hung_up_by"], "tester", "{by}");
        wait_live(&page, 0);
    }
    page.wait_text("#story-facts", "tester");
    page.wait_text("#story-word", "Completed");
    page.press(ESCAPE);
    assert!(!page.sees("#story"));
}

fn a_restart_of_the_daemon_is_told(ami: &Ami<'_>) {
    let daemon = Daemon::start(ami, &[("top", &instance("restart"))]);
    let relay = Relay::start(&daemon.address.to_string());
    let page = log_in(relay.address, KEY, DESKTOP);
    let id = daemon.call_ok("79990920001", "R1");
    wait_row(&page, "+79990920001", "In the room");
    page.type_into("#filter-room", "r1");

    let mut daemon = daemon;
    daemon.crash();
    page.wait_text("#stream-word", "Reconnecting");
    page.wait_text("#banner", "The daemon is not reached");
    assert!(row(&page, "+79990920001").is_some(), "what was seen stays");
    let daemon = daemon.restart();
    relay.turn_to(daemon.address);
    // Sessions are the last run's.
    page.wait_text("#login-error", "The session has ended");
    assert!(!page.sees("#desk") && !page.body().contains("79990920001"));
    page.type_into("#login-key", KEY);
    page.click("#login-go");
    page.wait_text("#stream-word", "Live");
    page.wait_text("#log .gap", "are missing here: they were the last run's");
    wait_row(&page, "+79990920001", "R1");
    assert_eq!(page.text("#live-count"), "1");
    assert!(!page.sees("#banner"));
    daemon.delete(&format!("/api/calls/{id}"));
    wait_no_row(&page, "+79990920001");
    assert_eq!(told(&page, "+79990920001").last().map(String::as_str), Some("call.ended"));

    // Loaded anew, it shows what it showed.
    page.reload();
    page.wait_text("#stream-word", "Live");
    assert_eq!(page.run("return document.getElementById('filter-room').value", json!([])), "r1");
    page.click("#show-ended");
    wait_row(&page, "+79990920001", "Completed");
}

fn the_link_to_asterisk_is_lost_and_comes_back(ami: &Ami<'_>) {
    let relay = Relay::start(ami.address);
    let through = Ami { address: &relay.address.to_string(), secret: ami.secret };
    let daemon = Daemon::start(&through, &[("top", &instance("link")), ("asterisk", "backoff_max = \"300ms\"")]);
    let page = log_in(daemon.address, KEY, DESKTOP);
    let id = daemon.call_ok("79990930001", "R1");
    wait_row(&page, "+79990930001", "In the room");
    let is_stale = || page.count("#calls-body .row.stale") == 1;
    assert!(!is_stale());

    relay.cut();
    page.wait_text("#link", "no link");
    page.wait_text("#banner", "The link to Asterisk is down");
    eventually("the call is shown as stale", || is_stale().then_some(()));
    assert_eq!(page.run("return document.title", json!([])), "No link · originatord");
    page.wait_text("#log", "ami.disconnected");
    // Whoever comes now sees the same.
    page.reload();
    page.wait_text("#banner", "The link to Asterisk is down");
    eventually("the call is shown as stale", || is_stale().then_some(()));
    page.wait_text("#link-since", "since ");

    relay.mend();
    page.wait_text("#link", "connected");
    eventually("the call is not stale", || (!is_stale() && row(&page, "+79990930001").is_some()).then_some(()));
    assert!(!page.sees("#banner"));
    assert_eq!(page.run("return document.title", json!([])), "1 live · originatord");
    daemon.delete(&format!("/api/calls/{id}"));
    wait_no_row(&page, "+79990930001");
}

#[test]
fn who_has_no_key_sees_nothing_and_who_logs_out_neither() {
    let simulator = Simulator::start("22", "");
    let daemon = simulator.daemon(&[]);
    daemon.call_ok("79990940001", "R1");
    let page = Browser::start(DESKTOP.0, DESKTOP.1);
    page.open(&format!("http://{}/", daemon.address));
    page.type_into("#login-key", "a-wrong-key");
    page.press(ENTER);
    page.wait_text("#login-error", "This key is not known");
    assert!(!page.sees("#desk") && !page.body().contains("7999"));
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
    assert!(!page.sees("#desk") && !page.body().contains("7999"));
    page.reload();
    page.wait_sees("#login-key");
}

#[test]
fn who_watches_has_no_button_to_hang_up() {
    let simulator = Simulator::start("22", "");
    let daemon = simulator.daemon(&[("key", WALL)]);
    let page = log_in(daemon.address, "k3y-of-the-wall", DESKTOP);
    page.wait_text("#role", "watches only");
    let id = daemon.call_ok("79990950001", "R1");
    wait_row(&page, "+79990950001", "In the room");
    open_story(&page, "+79990950001");
    page.wait_text("#story-word", "In the room");
    page.press("x");
    assert!(!page.sees(".hang-up") && !page.sees("#story-hang-up") && !page.sees("#confirm"));
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
    for (number, room) in [("79990960001", "Alpha"), ("79990960002", "beta"), ("79990960486", "alphabet")] {
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
    wait_numbers("#log-body", &["+79990960001", "+79990960486"]);
    page.press(ESCAPE);
    wait_numbers("#log-body", &["+79990960001", "+79990960002", "+79990960486"]);
    page.type_into("#filter-number", "+7 (999) 096-00-02");
    wait_numbers("#calls-body", &["+79990960002"]);
    wait_numbers("#log-body", &["+79990960002"]);
    page.click("#filter-clear");
    page.type_into("#filter-outcome", "Busy");
    wait_numbers("#log-body", &["+79990960486"]);
    page.click("#show-ended");
    wait_numbers("#calls-body", &["+79990960486"]);
    page.type_into("#filter-outcome", "Declined");
    page.wait_text("#calls-none", "None of 1 calls is looked for");
    page.click("#filter-clear");
    page.type_into("#filter-event", "call.joined");
    wait_numbers("#log-body", &["+79990960001", "+79990960002"]);
    assert!(page.texts("#log-body .event").iter().all(|event| event == "call.joined"));
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
    let focus =
        || page.run("return document.activeElement.textContent", json!([])).as_str().unwrap_or_default().to_owned();
    // The newest is on top.
    page.press("j");
    assert_eq!(focus(), "+79990970002");
    page.press(DOWN);
    assert_eq!(focus(), "+79990970001");
    page.press(ENTER);
    page.wait_text("#story-number", "+79990970001");
    page.press(ESCAPE);
    assert!(!page.sees("#story"));
    assert_eq!(focus(), "+79990970001");
    // A call that comes does not take the focus away.
    daemon.call_ok("79990970003", "R1");
    wait_row(&page, "+79990970003", "In the room");
    assert_eq!(focus(), "+79990970001");
    page.press("x");
    page.wait_text("#confirm", "+79990970001");
    // The safe answer is the one that Enter gives.
    assert_eq!(focus(), "Cancel");
    page.press("\u{E004}");
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
fn what_asterisk_and_bots_say_is_shown_as_text() {
    const EVIL: &str = "<img src=x onerror=document.title='pwned'>";
    let asterisk = FakeAsterisk::start(OnOriginate::Accept);
    let daemon = Daemon::start(&Ami { address: &asterisk.address.to_string(), secret: "secret" }, &[]);
    let page = log_in(daemon.address, KEY, DESKTOP);
    let name = "'-alert(1)-' onclick=alert(1) javascript:alert(1) %3Cb%3E";
    let body = json!({ "api_key": KEY, "phone_number": "79990980001", "room_name": "constructor", "caller_id": name });
    let id = daemon.post(body.to_string().as_bytes()).header("x-call-id").expect("an id").to_owned();
    let leg = [("Uniqueid", &*id), ("Linkedid", &id)];
    asterisk.send(&[&[("Event", "ConfbridgeJoin"), ("Conference", EVIL)], &leg[..]].concat());
    wait_row(&page, "+79990980001", "constructor");
    open_story(&page, "+79990980001");
    page.wait_text("#story-facts", name);
    page.wait_text("#story-facts", EVIL);
    page.wait_text("#log", EVIL);
    asterisk.send(&[&[("Event", "Hangup"), ("Cause", "21"), ("Cause-txt", EVIL)], &leg[..]].concat());
    daemon.wait_for(&id, "call.ended");
    page.wait_text("#story-facts", &format!("21 {EVIL}"));
    page.click("#story-records li:last-child summary");
    page.wait_text("#story-records li:last-child pre", EVIL);
    assert_eq!(page.count("img"), 0);
    let title = page.run("return document.title", json!([]));
    assert!(!title.as_str().expect("a title").contains("pwned"), "{title}");
    // Even if it were taken for more than text, nothing that is not ours would run.
    let script = "const done = arguments[0]; addEventListener('securitypolicyviolation', (e) => done(e.violatedDirective));\
                  const s = document.createElement('script'); s.textContent = 'document.title = \"pwned\"'; document.body.append(s)";
    assert_eq!(page.run_async(script), "script-src-elem");
}

#[test]
fn thousands_of_calls_and_records_make_no_more_rows_than_are_seen() {
    const CALLS: usize = 5000;
    let folder = tempfile::tempdir().expect("a folder");
    let line = |seq: usize| {
        let (number, id) = (79_990_000_000 + seq as u64, format!("od-01m89yz9ajwm2xxqced5v{seq:04}y"));
        let fields = format!(
            "\"number\":\"+{number}\",\"room\":\"R{seq}\",\"caller_id\":\"Bob\",\"lang\":\"ru\",\"key\":\"tester\""
        );
        format!(
            "{{\"seq\":{seq},\"time\":\"2026-11-25T18:00:00.000Z\",\"event\":\"call.queued\",\"call_id\":\"{id}\",{fields}}}\n"
        )
    };
    let past: String = (1..=CALLS).map(line).collect();
    std::fs::write(folder.path().join("calls.jsonl"), past).expect("writes");
    // Asterisk does not answer, so the daemon cannot know that they are over.
    let asterisk = FakeAsterisk::start(OnOriginate::Accept);
    asterisk.behave(Manner::Mute);
    let ami = Ami { address: &asterisk.address.to_string(), secret: "secret" };
    let daemon = Daemon::start_in(
        folder,
        &ami,
        &[("journal", "file = \"calls.jsonl\""), ("asterisk", "connect_timeout = \"1h\"")],
    );
    let page = log_in(daemon.address, KEY, DESKTOP);
    wait_live(&page, CALLS);
    let rows = |table: &str| (page.count(&format!("{table}-body .row")), page.count(&format!("{table} *")));
    let is_few = |table: &str| {
        let (rows, elements) = rows(table);
        assert!((5..=60).contains(&rows) && elements < 1000, "{table}: {rows} rows, {elements} elements");
    };
    is_few("#calls");
    assert_eq!(page.run("return document.getElementById('calls').getAttribute('aria-rowcount')", json!([])), "5001");
    page.run("const box = document.getElementById('calls'); box.scrollTop = box.scrollHeight", json!([]));
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
    let newest = || page.run("return document.querySelector('#log-body .time')?.title ?? ''", json!([]));
    let shows = |seq: u64| newest().as_str().is_some_and(|title| title.ends_with(&format!("record {seq}")));
    eventually("the newest record is shown", || shows(last).then_some(()));
    is_few("#log");
    let kept = || -> usize {
        let count = page.run("return document.getElementById('log').getAttribute('aria-rowcount')", json!([]));
        count.as_str().and_then(|count| count.parse().ok()).expect("a count")
    };
    assert!((5000..5502).contains(&kept()), "{}", kept());

    // Who reads on further down is not moved by what comes.
    page.run("document.getElementById('log').scrollTop = 700", json!([]));
    let seen = || page.texts("#log-body .row");
    eventually("it has scrolled", || (!shows(last)).then_some(()));
    let before = seen();
    place(100);
    page.wait_text("#log-news", "200 new records");
    assert_eq!(seen(), before);
    page.click("#log-news");
    eventually("the newest record is shown", || shows(last + 200).then_some(()));
    page.click("#log-pause");
    place(1);
    page.wait_text("#log-news", "2 new records");
    assert!(shows(last + 200));
}

#[test]
fn axe_finds_nothing_serious() {
    let axe = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/axe/axe_playwright_python/axe.min.js");
    let axe = std::fs::read_to_string(axe).expect("make setup-tests brings axe");
    let simulator = Simulator::start("22", "");
    let daemon = simulator.daemon(&[]);
    let find = |page: &Browser, place: &str| {
        page.run(&axe, json!([]));
        let script = "const done = arguments[0]; axe.run().then((found) => done(found.violations\
            .filter((v) => ['serious', 'critical'].includes(v.impact)).map((v) => [v.id, v.nodes.map((n) => n.html)])))";
        let found = page.run_async(script);
        assert_eq!(found, Value::Array(Vec::new()), "{place}");
    };
    for scheme in ["light", "dark"] {
        for size in [DESKTOP, TELEPHONE] {
            let page = Browser::start(size.0, size.1);
            page.prefer(scheme);
            page.open(&format!("http://{}/", daemon.address));
            page.wait_sees("#login-key");
            find(&page, &format!("log-in, {scheme} {size:?}"));
            page.type_into("#login-key", KEY);
            page.press(ENTER);
            page.wait_text("#stream-word", "Live");
            find(&page, &format!("without a call, {scheme} {size:?}"));
            let busy = daemon.call_ok("79990990486", "R1");
            daemon.wait_for(&busy, "call.ended");
            let id = daemon.call_ok("79990990001", "R1");
            wait_row(&page, "+79990990001", "In the room");
            find(&page, &format!("calls, {scheme} {size:?}"));
            open_story(&page, "+79990990001");
            page.wait_text("#story-facts", &id);
            find(&page, &format!("a story, {scheme} {size:?}"));
            page.click("#story-hang-up");
            page.wait_sees("#confirm");
            find(&page, &format!("a question, {scheme} {size:?}"));
            page.click("#confirm-yes");
            wait_no_row(&page, "+79990990001");
            if size == TELEPHONE {
                page.press(ESCAPE);
                for tab in ["log", "trends"] {
                    page.click(&format!("#tabs [value={tab}]"));
                    find(&page, &format!("{tab}, {scheme}"));
                }
                // Nothing is wider than the telephone.
                let width = page.run("return document.documentElement.scrollWidth", json!([]));
                assert_eq!(width, size.0);
            }
        }
    }
}

#[test]
fn the_page_is_made_of_what_the_daemon_serves_and_nothing_else() {
    let asterisk = FakeAsterisk::start(OnOriginate::Accept);
    let daemon = Daemon::start(&Ami { address: &asterisk.address.to_string(), secret: "secret" }, &[]);
    let get = |path: &str| http::request(daemon.address, "GET", path, &[], b"");
    let page = get("/");
    assert_eq!((page.status, page.header("cache-control")), (200, Some("no-cache")));
    let policy = page.header("content-security-policy").expect("a policy");
    for directive in
        ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"]
    {
        assert!(policy.contains(directive), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
    let named = |text: &str, before: &str| -> Vec<String> {
        text.split(before).skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())).collect()
    };
    let mut paths: Vec<_> = named(&page.body, "=\"page/").into_iter().map(|name| format!("/page/{name}")).collect();
    assert_eq!(paths.len(), 3, "{paths:?}");
    let folder = paths[0].rsplit_once('/').expect("a folder").0.to_owned();
    let mut seen = 0;
    while seen < paths.len() {
        let file = get(&paths[seen]);
        assert_eq!(
            (file.status, file.header("cache-control")),
            (200, Some("public, max-age=31536000, immutable")),
            "{}",
            paths[seen]
        );
        assert_eq!(file.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(file.header("content-security-policy"), Some(policy));
        for name in named(&file.body, "from \"./") {
            let path = format!("{folder}/{name}");
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
        let foreign = file.body.replace("http://www.w3.org/2000/svg", "");
        assert!(!foreign.contains("http://") && !foreign.contains("https://"), "{}", paths[seen]);
        seen += 1;
    }
    // Every script in the folder is used.
    let scripts =
        std::fs::read_dir(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/page")).expect("a folder");
    let served = scripts.filter(|entry| {
        entry.as_ref().is_ok_and(|entry| !["mod.rs", "index.html"].iter().any(|name| entry.file_name() == *name))
    });
    assert_eq!(served.count(), paths.len());
    for nothing in
        [&format!("{folder}/"), &format!("{folder}/mod.rs"), "/page/0000000000000000/main.js", "/page", "/index.html"]
    {
        assert_eq!(get(nothing).status, 404, "{nothing}");
    }
    let post = http::request(daemon.address, "POST", "/", &[], b"");
    assert_eq!((post.status, post.header("allow")), (405, Some("GET, HEAD, OPTIONS")));
}
