//! The page claims no more about calls and about the link than the daemon knows.

use std::thread;

use serde_json::{Value, json};

use super::{DESKTOP, log_in, open_detail, row, wait_live, wait_row};
use testkit::browser::Browser;
use testkit::daemon::{Ami, Daemon, KEY};
use testkit::eventually;
use testkit::pbx::Pbx;
use testkit::relay::Relay;
use testkit::sim::{QUICK, Simulator};

/// A scenario in which callees enter the room right after they have answered.
/// The local time that the page shows for a record's time.
fn shown(page: &Browser, time: &Value) -> String {
    let script = "return new Date(arguments[0]).toTimeString().slice(0, 8)";
    page.run(script, json!([time])).as_str().expect("a time").to_owned()
}

#[test]
fn lost_calls_count_as_answered_and_show_bounds() {
    let simulator = Simulator::start("22", QUICK);
    let daemon = simulator.daemon(&[]);
    let page = log_in(daemon.address, KEY, DESKTOP);
    let calls: Vec<_> =
        (0..30).map(|n| daemon.call_ok(&format!("799900010{n:02}"), "R1")).collect();
    for id in &calls {
        daemon.wait_for(id, "call.joined");
    }
    // The figures count the current minute before it is over.
    page.wait_text("#value-calls", "30 calls");
    let answer = page.text("#value-answer");
    assert!(answer.starts_with("≤ ") && answer.ends_with(" s"), "{answer}");
    let slowest = calls.iter().map(|id| answered_after(&daemon, id)).fold(0.0, f64::max);
    let bound: f64 = answer.trim_matches(|c: char| !c.is_ascii_digit()).parse().expect("seconds");
    assert!((1.0..=slowest + 0.01).contains(&bound), "{answer}, the slowest {slowest}");

    simulator.ask("Action: SimFault\r\nRestart: true", "Faults set");
    let ends: Vec<_> = calls.iter().map(|id| daemon.wait_for(id, "call.ended")).collect();
    assert!(
        ends.iter().all(|end| end["outcome"] == "unknown" && end["talk_seconds"].is_null()),
        "{ends:?}"
    );
    page.wait_text("#value-rate", "100 %");
    page.wait_text("#note-rate", "30 of 30 ended calls answered");
    page.click("#show-ended");
    wait_row(&page, "+79990001007", "Unknown");
    let shown = row(&page, "+79990001007").expect("a row");
    assert!(shown.contains('–') && shown.contains("by "), "{shown}");
    open_detail(&page, "+79990001007");
    page.wait_text("#detail-summary", "Talk time: 0:0");
    assert!(page.text("#detail-summary").contains(" to 0:"), "{}", page.text("#detail-summary"));
    assert!(page.text("#detail-total").contains(" to "), "{}", page.text("#detail-total"));
}

/// Time from a call's request to its answer, in seconds.
fn answered_after(daemon: &Daemon, id: &str) -> f64 {
    let time = |event: &str| {
        let time = daemon.wait_for(id, event)["time"].as_str().expect("a time").to_owned();
        humantime::parse_rfc3339(&time).expect("a time")
    };
    time("call.answered").duration_since(time("call.requested")).unwrap_or_default().as_secs_f64()
}

#[test]
fn callee_outside_the_room_is_no_success() {
    let simulator = Simulator::start("22", "");
    let daemon = simulator.daemon(&[]);
    let page = log_in(daemon.address, KEY, DESKTOP);
    // No call has joined on this link yet, so the daemon may miss joins.
    let first = daemon.call_ok("79990002201", "R1");
    assert_eq!(daemon.wait_for(&first, "call.ended")["outcome"], "completed");
    let joins = daemon.call_ok("79990002001", "R1");
    daemon.wait_for(&joins, "call.joined");
    let never = daemon.call_ok("79990003201", "R1");
    assert_eq!(daemon.wait_for(&never, "call.ended")["outcome"], "not_joined");
    page.click("#show-ended");
    wait_row(&page, "+79990003201", "Not joined");
    assert!(
        !row(&page, "+79990003201").is_some_and(|row| row.contains("0:0")),
        "{:?}",
        row(&page, "+79990003201")
    );
    for (number, tone, says) in [
        ("+79990002201", "none", "Whether they entered the room is not known. Answered after "),
        ("+79990003201", "warn", "ended before they entered the room. Answered after "),
    ] {
        open_detail(&page, number);
        page.wait_text("#detail-summary", says);
        assert_eq!(page.count(&format!("#detail-tone.tone.{tone}")), 1, "{number}");
        assert!(
            !page.text("#detail-summary").contains("Talk time"),
            "{}",
            page.text("#detail-summary")
        );
    }
    page.type_into("#filter-outcome", "Not joined");
    assert_eq!(page.count("#calls-body .row"), 1);
}

#[test]
fn link_status_shows_its_begin() {
    let simulator = Simulator::start("22", QUICK);
    let link = Relay::start(&simulator.address);
    let ami = Ami { address: &link.address.to_string(), ..simulator.ami() };
    let daemon = Daemon::start(&ami, &[("asterisk", "backoff_max = \"300ms\"")]);
    let relay = Relay::start(&daemon.address.to_string());
    let page = log_in(relay.address, KEY, DESKTOP);
    let id = daemon.call_ok("79990004001", "R1");
    daemon.wait_for(&id, "call.joined");
    wait_live(&page, 1);
    let connected =
        || daemon.records().into_iter().rfind(|record| record["event"] == "ami.connected");
    let first = connected().expect("a record");
    page.wait_text("#link-since", &format!("since {}", shown(&page, &first["time"])));

    // The page misses the loss of the link.
    relay.cut();
    page.wait_text("#stream-status", "Reconnecting");
    // Waits, so that the page shows different times for the two links.
    eventually("two seconds have passed", || later(&page, &first["time"]).then_some(()));
    link.cut();
    daemon.wait_for_event("ami.disconnected");
    link.restore();
    let second = eventually("the link is back", || {
        connected().filter(|record| record["seq"] != first["seq"])
    });
    relay.restore();
    page.wait_text("#stream-status", "Live");
    page.wait_text("#link-since", &format!("since {}", shown(&page, &second["time"])));

    link.cut();
    page.wait_text("#banner", "No link to Asterisk. Its calls may go on");
    eventually("the row marks its state as unknown", || {
        row(&page, "+79990004001").filter(|row| row.contains('?'))
    });
}

#[test]
fn refusing_asterisk_is_not_a_lost_link() {
    let pbx = Pbx::start("22");
    let daemon = Daemon::start(&pbx.ami(), &[("asterisk", "keepalive = \"500ms\"")]);
    let page = log_in(daemon.address, KEY, DESKTOP);
    let id = daemon.call_ok("79990005001", "R1");
    daemon.wait_for(&id, "call.joined");
    thread::scope(|scope| {
        // The command returns when the shutdown is aborted below.
        scope.spawn(|| pbx.rx("core stop gracefully"));
        // The page learns this from /api/stats; there is no record of it.
        page.wait_text("#link-status", "connected, makes no calls");
        page.wait_text("#banner", "No calls can be made: Asterisk refuses all actions");
        wait_row(&page, "+79990005001", "In the room");
        assert!(
            !row(&page, "+79990005001").is_some_and(|row| row.contains('?')),
            "the row is marked as unknown, although events arrive"
        );
        pbx.rx("core abort shutdown");
    });
    page.wait_text("#link-status", "connected");
    eventually("the banner is gone", || (!page.is_visible("#banner")).then_some(()));
    pbx.down();
}

/// Whether more than two seconds have passed since this time.
fn later(page: &Browser, time: &Value) -> bool {
    page.run("return Date.now() - new Date(arguments[0]) > 2000", json!([time])) == true
}
