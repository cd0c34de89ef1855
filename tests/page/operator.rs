//! An operator's expectations: Back undoes a step, buttons say why they are disabled, and the page
//! claims nothing while data is on its way.

use serde_json::json;
use testkit::browser::Browser;
use testkit::daemon::{Ami, Daemon, KEY};
use testkit::eventually;
use testkit::relay::Relay;
use testkit::sim::Simulator;

use super::{
    DESKTOP, ESCAPE, PHONE, enter_key, log_in, open_detail, run_before_page, wait_live, wait_row,
    wait_true,
};

#[test]
fn back_undoes_one_step_at_a_time() {
    let simulator = Simulator::start("22", "");
    let daemon = simulator.daemon(&[]);
    let page = log_in(daemon.address, KEY, PHONE);
    daemon.call_ok("79990960001", "R1");
    wait_row(&page, "+79990960001", "In the room");
    let back = || page.run("history.back()", json!([]));
    let tab_is_journal = "document.getElementById('dashboard').dataset.tab === 'journal'";
    page.click("#tabs [value=journal]");
    page.click("#tabs [value=calls]");
    page.click("#show-ended");
    page.click("#show-live");
    wait_row(&page, "+79990960001", "In the room");
    open_detail(&page, "+79990960001");
    back();
    let closed = "document.getElementById('detail').hidden && location.hash === ''";
    wait_true(&page, "the details are closed", closed);
    back();
    let shows_ended = "document.getElementById('calls').dataset.shown === 'ended'";
    wait_true(&page, "ended calls are shown", shows_ended);
    back();
    back();
    wait_true(&page, "the journal is shown", tab_is_journal);
    // Closing the details goes one step back in the browser's history, so Back does not open them
    // again.
    page.click("#tabs [value=calls]");
    wait_row(&page, "+79990960001", "In the room");
    open_detail(&page, "+79990960001");
    page.press(ESCAPE);
    wait_true(&page, "the URL names no call", "!location.hash.includes('call=')");
    back();
    wait_true(&page, "the journal is shown again", tab_is_journal);
    assert!(!page.is_visible("#detail"));
}

#[test]
fn phone_tab_closes_the_details() {
    let simulator = Simulator::start("22", "");
    let daemon = simulator.daemon(&[]);
    let page = log_in(daemon.address, KEY, PHONE);
    daemon.call_ok("79990960001", "R1");
    open_detail(&page, "+79990960001");
    page.click("#tabs [value=journal]");
    wait_true(&page, "the URL has the tab alone", "location.hash === '#tab=journal'");
    assert!(page.is_visible("#journal") && !page.is_visible("#detail"));
    page.run("history.back()", json!([]));
    wait_true(&page, "Back leads to the calls", "location.hash === ''");
    assert!(page.is_visible("#calls") && !page.is_visible("#detail"));
}

#[test]
fn phone_header_keeps_its_buttons_in_one_line() {
    let simulator = Simulator::start("22", "");
    let daemon = simulator.daemon(&[]);
    let relay = Relay::start(&daemon.address.to_string());
    let page = Browser::start(PHONE.0, PHONE.1);
    page.devtools("Emulation.setTimezoneOverride", json!({ "timezoneId": "Asia/Kolkata" }));
    page.open(&format!("http://{}/", relay.address));
    enter_key(&page, KEY);
    page.wait_text("#zone", "UTC+05:30");
    let in_line = "new Set(['filter-open', 'log-out'].map((id) => \
                   document.getElementById(id).getBoundingClientRect().top)).size === 1";
    wait_true(&page, "one line while live", in_line);
    relay.cut();
    page.wait_text("#stream-status", "Reconnecting");
    wait_true(&page, "one line while reconnecting", in_line);
}

/// Whether this button is disabled.
fn is_disabled(page: &Browser, button: &str) -> bool {
    page.run("return document.querySelector(arguments[0]).disabled", json!([button])) == true
}

#[test]
fn hang_up_is_disabled_without_a_link() {
    let simulator = Simulator::start("22", "");
    let relay = Relay::start(&simulator.address);
    let ami = simulator.ami();
    let through = Ami { address: &relay.address.to_string(), secret: ami.secret };
    let daemon = Daemon::start(&through, &[("asterisk", "backoff_max = \"300ms\"")]);
    let page = log_in(daemon.address, KEY, DESKTOP);
    daemon.call_ok("79990930001", "R1");
    wait_row(&page, "+79990930001", "In the room");
    open_detail(&page, "+79990930001");
    let buttons = ["#detail-hang-up", "#calls-body .hang-up"];
    let all = |expected: bool| {
        buttons.iter().all(|button| is_disabled(&page, button) == expected).then_some(())
    };
    assert_eq!(all(false), Some(()));
    relay.cut();
    page.wait_text("#detail-hang-up-note", "there is no link to Asterisk");
    eventually("both buttons are disabled", || all(true));
    // A button that has the focus while it becomes disabled swallows keys until the next frame.
    eventually("the key x shows why", || {
        page.press("x");
        page.text("#alerts")
            .contains("cannot be hung up: there is no link to Asterisk")
            .then_some(())
    });
    assert!(!page.is_visible("#confirm"));
    relay.restore();
    eventually("both buttons are enabled", || all(false));
}

#[test]
fn button_shows_a_pending_hang_up() {
    let simulator = Simulator::start("22", "");
    let daemon = simulator.daemon(&[]);
    let page = log_in(daemon.address, KEY, DESKTOP);
    daemon.call_ok("79990930001", "R1");
    wait_row(&page, "+79990930001", "In the room");
    // Delays the request until the test releases it.
    let script = "const real = fetch; window.fetch = async (path, options) => {
                    if (options?.method === 'DELETE') await new Promise((go) => window.release = go);
                    return real(path, options) }";
    page.run(script, json!([]));
    page.click("#calls-body .hang-up");
    page.click("#confirm-yes");
    page.wait_text("#calls-body .hang-up", "Ending");
    assert!(is_disabled(&page, "#calls-body .hang-up"));
    page.run("release()", json!([]));
    wait_live(&page, 0);
}

#[test]
fn failed_log_out_is_reported() {
    let simulator = Simulator::start("22", "");
    let daemon = simulator.daemon(&[]);
    let relay = Relay::start(&daemon.address.to_string());
    let page = log_in(relay.address, KEY, DESKTOP);
    relay.cut();
    page.wait_text("#banner", "Lost contact with originatord. Showing data as of ");
    page.click("#log-out");
    page.wait_text("#alerts", "Could not log out: originatord cannot be reached");
    assert!(page.is_visible("#dashboard"));
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
}

#[test]
fn wrong_device_clock_does_not_change_durations() {
    let simulator = Simulator::start("22", "");
    let daemon = simulator.daemon(&[]);
    daemon.call_ok("79990930001", "R1");
    let page = Browser::start(DESKTOP.0, DESKTOP.1);
    // The clock of this device is twenty minutes ahead.
    run_before_page(
        &page,
        "const real = Date.now.bind(Date); Date.now = () => real() + 20 * 60_000",
    );
    page.open(&format!("http://{}/", daemon.address));
    enter_key(&page, KEY);
    wait_row(&page, "+79990930001", "In the room");
    let age = page.text("#calls-body .time");
    assert!(age.starts_with("0:"), "{age}");
    page.wait_text("#value-calls", "1 call");
    wait_true(
        &page,
        "the last bar has the call",
        "!!document.querySelector('#chart-calls rect.quiet')",
    );
}

#[test]
fn empty_tables_say_that_they_are_loading() {
    let simulator = Simulator::start("22", "");
    let daemon = simulator.daemon(&[]);
    daemon.call_ok("79990930001", "R1");
    let page = Browser::start(DESKTOP.0, DESKTOP.1);
    // Delays the request for the list of calls until the test releases it.
    run_before_page(
        &page,
        "const real = fetch; window.fetch = async (path, options) => {
           if (path.startsWith('api/calls?')) await new Promise((go) => window.release = go);
           return real(path, options) }",
    );
    page.open(&format!("http://{}/", daemon.address));
    page.type_into("#login-key", KEY);
    page.click("#login-submit");
    page.wait_text("#calls-empty", "Loading");
    page.wait_text("#journal-empty", "Loading");
    page.run("release()", json!([]));
    wait_row(&page, "+79990930001", "In the room");
}

#[test]
fn hidden_tab_updates_its_title() {
    let simulator = Simulator::start("22", "");
    let daemon = simulator.daemon(&[]);
    let page = log_in(daemon.address, KEY, DESKTOP);
    wait_true(&page, "the title counts live calls", "document.title === '0 live · originatord'");
    // Browsers give hidden tabs no animation frames.
    let script = "Object.defineProperty(document, 'hidden', { value: true });
                  window.requestAnimationFrame = () => 0";
    page.run(script, json!([]));
    daemon.call_ok("79990930001", "R1");
    wait_true(&page, "the title counts live calls", "document.title === '1 live · originatord'");
}

#[test]
fn broken_history_is_reported() {
    let simulator = Simulator::start("22", "");
    let daemon = simulator.daemon(&[]);
    let page = Browser::start(DESKTOP.0, DESKTOP.1);
    run_before_page(
        &page,
        "const real = fetch; window.fetch = async (path, options) => {
           const response = await real(path, options);
           if (!path.startsWith('api/calls?')) return response;
           const list = await response.json();
           return Response.json({ ...list, history: 'the disk is full' }) }",
    );
    page.open(&format!("http://{}/", daemon.address));
    enter_key(&page, KEY);
    page.click("#show-ended");
    page.wait_text("#history-error", "The history is incomplete: the disk is full.");
}
