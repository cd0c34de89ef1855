//! The filter, and the search of the history.

use serde_json::json;
use testkit::browser::Browser;
use testkit::daemon::{Daemon, KEY};
use testkit::eventually;
use testkit::sim::Simulator;

use super::{DESKTOP, ESCAPE, PHONE, log_in, open_detail, wait_no_row, wait_row};

/// Waits until a table shows exactly these numbers.
fn wait_numbers(page: &Browser, body: &str, expected: &[&str]) {
    let numbers = || {
        let mut numbers = page.texts(&format!("{body} .number"));
        numbers.sort();
        numbers.dedup();
        numbers.retain(|number| !number.is_empty());
        numbers
    };
    eventually(&format!("{expected:?} in {body}, not {:?}", numbers()), || {
        (numbers() == expected).then_some(())
    });
}

#[test]
fn filter_selects_calls_and_records() {
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
    page.type_into("#filter-room", "ALPHA");
    wait_numbers(&page, "#calls-body", &["+79990960001"]);
    wait_numbers(&page, "#journal-body", &["+79990960001", "+79990960486"]);
    page.press(ESCAPE);
    wait_numbers(&page, "#journal-body", &["+79990960001", "+79990960002", "+79990960486"]);
    page.type_into("#filter-number", "+7 (999) 096-00-02");
    wait_numbers(&page, "#calls-body", &["+79990960002"]);
    wait_numbers(&page, "#journal-body", &["+79990960002"]);
    page.click("#filter-clear");
    page.type_into("#filter-number", "abc");
    wait_numbers(&page, "#calls-body", &[]);
    page.click("#filter-clear");
    page.type_into("#filter-outcome", "Busy");
    wait_numbers(&page, "#journal-body", &["+79990960486"]);
    page.click("#show-ended");
    wait_numbers(&page, "#calls-body", &["+79990960486"]);
    page.type_into("#filter-outcome", "Declined");
    page.wait_text("#calls-empty", "No match in all history");
    page.click("#filter-clear");
    page.type_into("#filter-event", "call.joined");
    wait_numbers(&page, "#journal-body", &["+79990960001", "+79990960002"]);
    assert!(page.texts("#journal-body .event").iter().all(|event| event == "call.joined"));
    // A button in the details selects all calls of the same room.
    page.click("#filter-clear");
    page.click("#show-live");
    open_detail(&page, "+79990960002");
    page.click("#detail-same-room");
    wait_numbers(&page, "#calls-body", &["+79990960002"]);
    assert!(!page.is_visible("#detail"));
}

#[test]
fn masked_numbers_match_visible_digits() {
    let simulator = Simulator::start("22", "");
    let daemon = simulator.daemon(&[("privacy", "mask_numbers = true")]);
    let page = log_in(daemon.address, KEY, DESKTOP);
    daemon.call_ok("79990980001", "R1");
    wait_row(&page, "+7999•••0001", "In the room");
    page.type_into("#filter-number", "980");
    wait_row(&page, "+7999•••0001", "In the room");
    for digits in ["abc", "981234"] {
        page.click("#filter-clear");
        page.type_into("#filter-number", digits);
        page.wait_text("#calls-empty", "No match in 1 live call");
    }
}

#[test]
fn phone_shows_and_clears_the_filter() {
    let simulator = Simulator::start("22", "");
    let daemon = simulator.daemon(&[]);
    let page = log_in(daemon.address, KEY, PHONE);
    daemon.call_ok("79990960001", "Alpha");
    wait_row(&page, "+79990960001", "Alpha");
    assert!(!page.is_visible("#filter-summary"));
    page.click("#filter-open");
    page.type_into("#filter-room", "beta");
    page.wait_text("#calls-empty", "No match in 1 live call");
    page.click("#filter-open");
    page.wait_text("#filter-summary-text", "room beta");
    page.click("#filter-summary-clear");
    wait_row(&page, "+79990960001", "Alpha");
    assert!(!page.is_visible("#filter-summary"));
}

#[test]
fn live_filter_points_to_ended_matches() {
    let simulator = Simulator::start("22", "");
    let daemon = simulator.daemon(&[]);
    let busy = daemon.call_ok("79990960486", "R1");
    daemon.wait_for(&busy, "call.ended");
    daemon.call_ok("79990960001", "R1");
    let page = log_in(daemon.address, KEY, DESKTOP);
    wait_row(&page, "+79990960001", "In the room");
    page.type_into("#filter-number", "0486");
    page.wait_text("#calls-empty", "No match in 1 live call. 1 ended call matches.");
}

#[test]
fn filtering_a_scrolled_journal_raises_no_error() {
    let simulator = Simulator::start("22", "");
    let daemon = simulator.daemon(&[]);
    for n in 0..20 {
        daemon.call_ok(&format!("799909600{n:02}"), "R1");
    }
    let page = log_in(daemon.address, KEY, DESKTOP);
    wait_row(&page, "+79990960019", "In the room");
    let script = "const journal = document.getElementById('journal');
                  journal.scrollTop = journal.scrollHeight; return journal.scrollTop > 0";
    eventually("the journal scrolls", || (page.run(script, json!([])) == true).then_some(()));
    page.console_errors();
    // The scroll event makes the table draw before the journal has filtered its records.
    let script = "const field = document.getElementById('filter-room'); field.value = 'none';
                  field.dispatchEvent(new Event('input', { bubbles: true }));
                  document.getElementById('journal').dispatchEvent(new Event('scroll'))";
    page.run(script, json!([]));
    page.wait_text("#journal-empty", "No match in");
    assert_eq!(page.console_errors(), [""; 0]);
}

/// Whether the daemon lists an ended call to this number.
fn has_ended(daemon: &Daemon, number: &str) -> Option<()> {
    let page = daemon.get(&format!("/api/calls?number={number}")).json();
    page["ended"].as_array().is_some_and(|calls| !calls.is_empty()).then_some(())
}

#[test]
fn old_calls_are_found_in_the_history() {
    const OLD: &str = "79995550486";
    let simulator = Simulator::start("22", "[timing]\ndial = \"0s\"\n");
    let daemon = simulator.daemon(&[("history", "file = \"history.db\"")]);
    daemon.call_ok(OLD, "R1");
    eventually("the old call has ended", || has_ended(&daemon, OLD));
    for number in 0..1100 {
        daemon.call_ok(&format!("7999{number:04}486"), "R1");
    }
    eventually("the last call has ended", || has_ended(&daemon, "79991099486"));
    let page = log_in(daemon.address, KEY, DESKTOP);
    page.click("#show-ended");
    // The plus means that the history has more calls.
    page.wait_text("#ended-count", "1000+");
    // The page searches the history for a whole number by itself, and for a part of one on request.
    page.type_into("#filter-number", OLD);
    wait_row(&page, OLD, "Busy");
    page.click("#filter-clear");
    page.type_into("#filter-number", "5550486");
    page.wait_text("#calls-empty", "No match in the 1000 newest calls. Search all history.");
    page.click("#load-older");
    wait_row(&page, OLD, "Busy");
    page.wait_text("#older-status", "1 match in all history");
    assert!(!page.is_visible("#load-older"));
    open_detail(&page, &format!("+{OLD}"));
    page.wait_text("#detail-status", "Busy");
}

#[test]
fn older_calls_show_how_far_they_reach() {
    let simulator = Simulator::start("22", "[timing]\ndial = \"0s\"\n");
    let daemon = simulator.daemon(&[("history", "file = \"history.db\"")]);
    for number in 0..1050 {
        daemon.call_ok(&format!("7999{number:04}486"), "R1");
    }
    eventually("the last call has ended", || has_ended(&daemon, "79991049486"));
    let page = log_in(daemon.address, KEY, DESKTOP);
    page.click("#show-ended");
    let oldest = || {
        let ended = daemon.get("/api/calls?live=0&limit=1000").json();
        page.run(
            "return new Date(arguments[0]).toTimeString().slice(0, 8)",
            json!([ended["ended"][999]["ended"]]),
        )
    };
    page.wait_text("#older-status", &format!("Back to {}", oldest().as_str().expect("a time")));
    page.click("#load-older");
    page.wait_text("#ended-count", "1050");
    page.wait_text("#older-status", "There are no older calls");
}

#[test]
fn erased_call_leaves_the_page() {
    let simulator = Simulator::start("22", "");
    let daemon = simulator.daemon(&[("history", "file = \"history.db\"")]);
    let page = log_in(daemon.address, KEY, DESKTOP);
    let id = daemon.call_ok("79990990486", "R1");
    daemon.wait_for(&id, "call.ended");
    eventually("the history has the call", || has_ended(&daemon, "79990990486"));
    page.click("#show-ended");
    wait_row(&page, "+79990990486", "Busy");
    assert_eq!(daemon.delete("/api/history?number=79990990486").status, 200);
    open_detail(&page, "+79990990486");
    page.wait_text("#detail-summary", "originatord no longer has this call");
    wait_no_row(&page, "+79990990486");
}
