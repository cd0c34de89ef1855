//! What an operator expects of the page: Back, keys that act on what is selected, reasons, and a
//! filter that is seen.

use serde_json::json;

use super::{DESKTOP, ENTER, ESCAPE, TELEPHONE, log_in, open_detail, wait_row};
use testkit::daemon::{Ami, Daemon, KEY};
use testkit::eventually;
use testkit::relay::Relay;
use testkit::sim::Simulator;

#[test]
fn back_undoes_steps_and_stays_on_the_page() {
    let simulator = Simulator::start("22", "");
    let daemon = simulator.daemon(&[]);
    let page = log_in(daemon.address, KEY, TELEPHONE);
    daemon.call_ok("79990960001", "R1");
    wait_row(&page, "+79990960001", "In the room");
    let back = || page.run("history.back()", json!([]));
    let wait = |what: &str, script: &str| {
        eventually(what, || {
            (page.run(&format!("return {script}"), json!([])) == true).then_some(())
        });
    };
    page.click("#tabs [value=journal]");
    page.click("#tabs [value=calls]");
    page.click("#show-ended");
    page.click("#show-live");
    wait_row(&page, "+79990960001", "In the room");
    open_detail(&page, "+79990960001");
    back();
    wait("the story is closed", "document.getElementById('detail').hidden && location.hash === ''");
    back();
    wait("ended calls are shown", "document.getElementById('calls').dataset.shown === 'ended'");
    back();
    back();
    wait("the log is shown", "document.getElementById('dashboard').dataset.tab === 'log'");
    // A story that was closed is not opened by Back: to close it was to go back.
    page.click("#tabs [value=calls]");
    wait_row(&page, "+79990960001", "In the room");
    open_detail(&page, "+79990960001");
    page.press(ESCAPE);
    wait("the address is without the call", "!location.hash.includes('call=')");
    back();
    wait("the log is shown again", "document.getElementById('dashboard').dataset.tab === 'log'");
    assert!(!page.sees("#detail"));
}

#[test]
fn filter_is_seen_and_cleared_on_a_telephone() {
    let simulator = Simulator::start("22", "");
    let daemon = simulator.daemon(&[]);
    let page = log_in(daemon.address, KEY, TELEPHONE);
    daemon.call_ok("79990960001", "Alpha");
    wait_row(&page, "+79990960001", "Alpha");
    assert!(!page.sees("#filter-summary"));
    page.click("#filter-open");
    page.type_into("#filter-room", "beta");
    page.wait_text("#calls-empty", "No match in 1 live call");
    page.click("#filter-open");
    page.wait_text("#filter-summary-text", "room beta");
    page.click("#filter-summary-clear");
    wait_row(&page, "+79990960001", "Alpha");
    assert!(!page.sees("#filter-summary"));
}

#[test]
fn x_acts_on_the_selected_row_not_on_the_story() {
    let simulator = Simulator::start("22", "");
    let daemon = simulator.daemon(&[]);
    let page = log_in(daemon.address, KEY, DESKTOP);
    for number in ["79990970001", "79990970002"] {
        daemon.call_ok(number, "R1");
        wait_row(&page, &format!("+{number}"), "In the room");
    }
    // The newest is on top.
    page.press("j");
    page.press(ENTER);
    page.wait_text("#detail-number", "+79990970002");
    page.press("j");
    page.press("j");
    page.press("x");
    page.wait_text("#confirm-number", "+79990970001");
    page.press(ESCAPE);
    // The ring is drawn around the row, inside of it, so that no cell clips it.
    page.press("k");
    page.press("j");
    let ring = "const row = document.activeElement.closest('.row'); const { outlineStyle, outlineOffset } = getComputedStyle(row);
                return outlineStyle === 'solid' && parseFloat(outlineOffset) < 0";
    assert_eq!(page.run(ring, json!([])), true);
}

#[test]
fn without_a_link_nothing_can_be_hung_up_and_the_page_says_why() {
    let simulator = Simulator::start("22", "");
    let relay = Relay::start(&simulator.address);
    let ami = simulator.ami();
    let through = Ami { address: &relay.address.to_string(), secret: ami.secret };
    let daemon = Daemon::start(&through, &[("asterisk", "backoff_max = \"300ms\"")]);
    let page = log_in(daemon.address, KEY, DESKTOP);
    daemon.call_ok("79990930001", "R1");
    wait_row(&page, "+79990930001", "In the room");
    open_detail(&page, "+79990930001");
    let is_disabled = |button: &str| {
        page.run("return document.querySelector(arguments[0]).disabled", json!([button])) == true
    };
    assert!(!is_disabled("#detail-hang-up") && !is_disabled("#calls-body .hang-up"));
    relay.cut();
    page.wait_text("#detail-hang-up-note", "there is no link to Asterisk");
    eventually("both are disabled", || {
        (is_disabled("#detail-hang-up") && is_disabled("#calls-body .hang-up")).then_some(())
    });
    page.press("x");
    page.wait_text("#alerts", "cannot be hung up: there is no link to Asterisk");
    assert!(!page.sees("#confirm"));
    relay.mend();
    eventually("both can be used", || {
        (!is_disabled("#detail-hang-up") && !is_disabled("#calls-body .hang-up")).then_some(())
    });
}

#[test]
fn rare_outcomes_are_in_legend_and_chart() {
    let simulator = Simulator::start("22", "");
    let daemon = simulator.daemon(&[]);
    for number in 0..60 {
        let id = daemon.call_ok(&format!("799909{number:02}486"), "R1");
        daemon.wait_for(&id, "call.ended");
    }
    let id = daemon.call_ok("79990990404", "R1");
    daemon.wait_for(&id, "call.ended");
    let page = log_in(daemon.address, KEY, (1440, 900));
    page.wait_text("#legend-outcomes .warn", "wrong number 1");
    page.wait_text("#legend-outcomes .quiet", "not reached 60");
    let height = page.run(
        "return document.querySelector('#chart-outcomes rect.warn').getBBox().height",
        json!([]),
    );
    assert!(height.as_f64().is_some_and(|height| height >= 2.0), "{height}");
    page.wait_text("#zone", "UTC");
    // Names of events are whole.
    let clipped = "return [...document.querySelectorAll('#journal-body .event span')].filter((e) => e.parentElement.scrollWidth > e.parentElement.clientWidth).length";
    page.run(
        "const word = document.querySelector('#journal-body .event span'); word.textContent = 'ami.disconnected'",
        json!([]),
    );
    assert_eq!(page.run(clipped, json!([])), 0);
}
