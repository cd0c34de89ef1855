//! Calls from request to end, with restarts and lost links in between, on the simulator and on a
//! real Asterisk.

use serde_json::json;

use super::{
    DESKTOP, ENTER, ESCAPE, PHONE, journal_events, log_in, open_detail, row, wait_live,
    wait_no_row, wait_row,
};
use testkit::daemon::{Ami, Daemon, KEY};
use testkit::eventually;
use testkit::pbx::Pbx;
use testkit::relay::Relay;
use testkit::sim::Simulator;

/// Runs each of these as a test on the simulator and on a real Asterisk.
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
    page_follows_a_call_to_its_end,
    buttons_hang_up_after_confirmation,
    page_continues_after_a_restart,
    page_shows_a_lost_link,
);

/// The setting of a test's own instance name. The tests share an Asterisk, and a restarted daemon
/// adopts the calls of its instance.
fn instance(name: &str) -> String {
    format!("instance = \"page-{name}\"")
}

fn page_follows_a_call_to_its_end(ami: &Ami<'_>) {
    let daemon = Daemon::start(
        ami,
        &[("top", &instance("follow")), ("originate", "ring_timeout = \"20s\"")],
    );
    let page = log_in(daemon.address, KEY, DESKTOP);
    page.wait_text("#link", "Asterisk main: connected");
    page.wait_text("#calls-empty", "No live calls");
    page.wait_text("#link-since", "since ");

    let rings = daemon.call_ok("79990900180", "R1");
    wait_row(&page, "+79990900180", "Ringing");
    assert!(
        row(&page, "+79990900180").is_some_and(|row| row.contains("R1") && row.contains("tester"))
    );
    daemon.delete(&format!("/api/calls/{rings}"));
    wait_no_row(&page, "+79990900180");

    // This callee hangs up after three seconds.
    let id = daemon.call_ok("79990900200", "КОМНАТА1");
    wait_row(&page, "+79990900200", "In the room");
    open_detail(&page, "+79990900200");
    page.wait_text("#detail-status", "In the room");
    wait_no_row(&page, "+79990900200");
    page.wait_text("#detail-status", "Completed");
    let steps: Vec<_> = page.texts("#detail-steps .step");
    assert_eq!(steps.first().map(String::as_str), Some("Requested"));
    assert_eq!(steps.last().map(String::as_str), Some("Ended: Completed"));
    assert!(
        ["Dialling", "Answered", "In the room"].iter().all(|step| steps.iter().any(|s| s == step)),
        "{steps:?}"
    );
    // The page has the daemon's records in their order. The event stream may be faster than stdout.
    daemon.wait_for(&id, "call.ended");
    assert_eq!(journal_events(&page, "+79990900200"), daemon.events(&id));
    assert_eq!(page.texts("#detail-records summary").len(), daemon.events(&id).len());
    page.wait_text("#detail-properties", &id);
    assert!(!page.is_visible("#detail-hang-up") && !page.is_visible("#detail-records-note"));

    page.click("#show-ended");
    wait_row(&page, "+79990900200", "Completed");
    wait_row(&page, "+79990900180", "Canceled");
    assert_eq!((page.text("#live-count"), page.text("#ended-count")), ("0".into(), "2".into()));
    page.wait_text("#value-outcomes", "2 ended");
    page.wait_text("#value-rate", "50 %");
    page.wait_text("#note-calls", "2 calls requested, 0 refused");
    assert!(
        page.is_visible("#chart-outcomes rect.good") && page.is_visible("#chart-calls rect.quiet")
    );
    assert_eq!(
        page.console_errors().into_iter().filter(|line| !line.contains("401")).collect::<Vec<_>>(),
        [""; 0]
    );
}

fn buttons_hang_up_after_confirmation(ami: &Ami<'_>) {
    let daemon = Daemon::start(ami, &[("top", &instance("hang-up"))]);
    let page = log_in(daemon.address, KEY, PHONE);
    // Notes the methods of the page's requests.
    page.run("window.asked = []; const ask = fetch; window.fetch = (path, how) => { asked.push(how?.method); return ask(path, how) }", json!([]));
    let asks_to_hang_up =
        || page.run("return asked.filter((method) => method === 'DELETE').length", json!([]));
    for (number, by) in
        [("79990910001", "the row's button"), ("79990910002", "the details' button")]
    {
        let id = daemon.call_ok(number, "R1");
        let number = format!("+{number}");
        wait_row(&page, &number, "In the room");
        if by == "the row's button" {
            page.click("#calls-body .hang-up");
        } else {
            open_detail(&page, &number);
            page.click("#detail-hang-up");
        }
        // Nothing happens before the user confirms.
        page.wait_text("#confirm", &number);
        page.press(ENTER);
        eventually("the confirmation is closed", || (!page.is_visible("#confirm")).then_some(()));
        assert_eq!(asks_to_hang_up(), 0, "{by}");
        page.click(if by == "the row's button" {
            "#calls-body .hang-up"
        } else {
            "#detail-hang-up"
        });
        page.click("#confirm-yes");
        assert_eq!(daemon.wait_for(&id, "call.ended")["hung_up_by"], "tester", "{by}");
        wait_live(&page, 0);
        assert_eq!(asks_to_hang_up(), 1, "{by}");
        page.run("asked = []", json!([]));
    }
    page.wait_text("#detail-properties", "tester");
    page.wait_text("#detail-status", "Completed");
    page.press(ESCAPE);
    assert!(!page.is_visible("#detail"));
}

fn page_continues_after_a_restart(ami: &Ami<'_>) {
    let daemon = Daemon::start(ami, &[("top", &instance("restart"))]);
    let relay = Relay::start(&daemon.address.to_string());
    let page = log_in(relay.address, KEY, DESKTOP);
    let id = daemon.call_ok("79990920001", "R1");
    wait_row(&page, "+79990920001", "In the room");
    page.type_into("#filter-room", "r1");

    let mut daemon = daemon;
    daemon.crash();
    page.wait_text("#stream-status", "Reconnecting");
    page.wait_text("#banner", "Lost contact with originatord. Showing data as of");
    assert!(row(&page, "+79990920001").is_some(), "the row is gone");
    let daemon = daemon.restart();
    relay.forward_to(daemon.address);
    // A restart ends all sessions.
    page.wait_text("#login-error", "Your session has ended");
    assert!(!page.is_visible("#dashboard") && !page.body().contains("79990920001"));
    page.type_into("#login-key", KEY);
    page.click("#login-submit");
    page.wait_text("#stream-status", "Live");
    page.wait_text("#journal .gap", "are missing here: they belong to an earlier run");
    wait_row(&page, "+79990920001", "R1");
    assert_eq!(page.text("#live-count"), "1");
    assert!(!page.is_visible("#banner"));
    daemon.delete(&format!("/api/calls/{id}"));
    wait_no_row(&page, "+79990920001");
    assert_eq!(
        journal_events(&page, "+79990920001").last().map(String::as_str),
        Some("call.ended")
    );

    // A reload keeps the filter.
    page.reload();
    page.wait_text("#stream-status", "Live");
    assert_eq!(page.run("return document.getElementById('filter-room').value", json!([])), "r1");
    page.click("#show-ended");
    wait_row(&page, "+79990920001", "Completed");
}

fn page_shows_a_lost_link(ami: &Ami<'_>) {
    let relay = Relay::start(ami.address);
    let through = Ami { address: &relay.address.to_string(), secret: ami.secret };
    let daemon = Daemon::start(
        &through,
        &[("top", &instance("link")), ("asterisk", "backoff_max = \"300ms\"")],
    );
    let page = log_in(daemon.address, KEY, DESKTOP);
    let id = daemon.call_ok("79990930001", "R1");
    wait_row(&page, "+79990930001", "In the room");
    let is_stale = || page.count("#calls-body .row.stale") == 1;
    assert!(!is_stale());

    relay.cut();
    page.wait_text("#link", "no link");
    page.wait_text("#banner", "No link to Asterisk");
    eventually("the call is shown as stale", || is_stale().then_some(()));
    assert_eq!(page.run("return document.title", json!([])), "No link · originatord");
    page.wait_text("#journal", "ami.disconnected");
    // A page that the user opens without a link shows the same.
    page.reload();
    page.wait_text("#banner", "No link to Asterisk");
    eventually("the call is shown as stale", || is_stale().then_some(()));
    page.wait_text("#link-since", "since ");

    relay.restore();
    page.wait_text("#link", "connected");
    eventually("the call is not stale", || {
        (!is_stale() && row(&page, "+79990930001").is_some()).then_some(())
    });
    assert!(!page.is_visible("#banner"));
    assert_eq!(page.run("return document.title", json!([])), "1 live · originatord");
    daemon.delete(&format!("/api/calls/{id}"));
    wait_no_row(&page, "+79990930001");
}
