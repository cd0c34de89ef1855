//! The page without a mouse.

use serde_json::json;
use testkit::browser::Browser;
use testkit::daemon::KEY;
use testkit::eventually;
use testkit::sim::Simulator;

use super::{DESKTOP, DOWN, ENTER, ESCAPE, TAB, log_in, wait_row, wait_true};

/// Text of the element that has the focus.
fn focused_text(page: &Browser) -> String {
    page.run("return document.activeElement.textContent", json!([]))
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn page_works_by_keyboard_alone() {
    let simulator = Simulator::start("22", "");
    let daemon = simulator.daemon(&[]);
    let page = log_in(daemon.address, KEY, DESKTOP);
    let first = daemon.call_ok("79990970001", "R1");
    wait_row(&page, "+79990970001", "In the room");
    daemon.call_ok("79990970002", "R1");
    wait_row(&page, "+79990970002", "In the room");
    // The newest call is at the top.
    page.press("j");
    assert_eq!(focused_text(&page), "+79990970002");
    page.press(DOWN);
    assert_eq!(focused_text(&page), "+79990970001");
    page.press(ENTER);
    page.wait_text("#detail-number", "+79990970001");
    page.press(ESCAPE);
    assert!(!page.is_visible("#detail"));
    assert_eq!(focused_text(&page), "+79990970001");
    // A new row above does not move the focus.
    daemon.call_ok("79990970003", "R1");
    wait_row(&page, "+79990970003", "In the room");
    assert_eq!(focused_text(&page), "+79990970001");
    page.press("x");
    page.wait_text("#confirm", "+79990970001");
    // The focus is on the safe button, so Enter cancels.
    assert_eq!(focused_text(&page), "Cancel");
    page.press(TAB);
    page.press(ENTER);
    assert_eq!(daemon.wait_for(&first, "call.ended")["hung_up_by"], "tester");
    page.press("/");
    wait_true(&page, "the field has the focus", "document.activeElement.id === 'filter-number'");
    // A letter typed into a field is no shortcut.
    page.press("x");
    assert!(!page.is_visible("#confirm"));
}

#[test]
fn x_acts_on_the_selected_row() {
    let simulator = Simulator::start("22", "");
    let daemon = simulator.daemon(&[]);
    let page = log_in(daemon.address, KEY, DESKTOP);
    for number in ["79990970001", "79990970002"] {
        daemon.call_ok(number, "R1");
        wait_row(&page, &format!("+{number}"), "In the room");
    }
    page.press("j");
    page.press(ENTER);
    page.wait_text("#detail-number", "+79990970002");
    // The details of the first row stay open while the second is selected.
    page.press("j");
    page.press("j");
    page.press("x");
    page.wait_text("#confirm-number", "+79990970001");
    page.press(ESCAPE);
    // The focus ring is drawn inside the row, so that no cell cuts it off.
    page.press("k");
    page.press("j");
    let ring = "const row = document.activeElement.closest('.row');
                const { outlineStyle, outlineOffset } = getComputedStyle(row);
                return outlineStyle === 'solid' && parseFloat(outlineOffset) < 0";
    assert_eq!(page.run(ring, json!([])), true);
}

#[test]
fn tab_leaves_a_table_after_the_selected_row() {
    let simulator = Simulator::start("22", "");
    let daemon = simulator.daemon(&[]);
    let page = log_in(daemon.address, KEY, DESKTOP);
    for n in 0..10 {
        daemon.call_ok(&format!("799909800{n:02}"), "R1");
    }
    wait_row(&page, "+79990980009", "In the room");
    page.press("j");
    page.press("j");
    let selected = focused_text(&page);
    assert_eq!(selected, "+79990980008");
    page.press(TAB);
    let label = page.run("return document.activeElement.getAttribute('aria-label')", json!([]));
    assert_eq!(label, "Hang up +79990980008");
    page.press(TAB);
    assert_eq!(page.run("return document.activeElement.id", json!([])), "journal-pause");
}

#[test]
fn j_selects_records_without_a_call() {
    let simulator = Simulator::start("22", "");
    let daemon = simulator.daemon(&[]);
    let page = log_in(daemon.address, KEY, DESKTOP);
    eventually("the journal has two records", || {
        (page.count("#journal-body .row") >= 2).then_some(())
    });
    page.run("document.getElementById('journal').focus()", json!([]));
    page.press(DOWN);
    for row in ["2", "3"] {
        let script = "return document.activeElement.closest('.row')?.ariaRowIndex";
        assert_eq!(page.run(script, json!([])), row);
        page.press("j");
    }
}
