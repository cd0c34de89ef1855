//! The operators' page, in a browser.

mod accuracy;
mod assets;
mod call_flow;
mod dashboard;
mod filter;
mod keyboard;
mod operator;
mod rooms;
mod volume;

use std::fmt::Display;
use std::path::Path;

use serde_json::{Value, json};
use testkit::browser::Browser;
use testkit::eventually;

/// Widths and heights, in pixels.
const DESKTOP: (u32, u32) = (1280, 800);
const PHONE: (u32, u32) = (390, 844);

/// Keys of the keyboard, as the WebDriver protocol names them.
const ESCAPE: &str = "\u{E00C}";
const ENTER: &str = "\u{E007}";
const TAB: &str = "\u{E004}";
const DOWN: &str = "\u{E015}";

/// A browser with the page, logged in with this key.
fn log_in(address: impl Display, key: &str, (width, height): (u32, u32)) -> Browser {
    let browser = Browser::start(width, height);
    browser.open(&format!("http://{address}/"));
    enter_key(&browser, key);
    browser
}

/// Makes the browser run a script before those of the page, at each load.
fn run_before_page(page: &Browser, script: &str) {
    page.devtools("Page.addScriptToEvaluateOnNewDocument", json!({ "source": script }));
}

/// Fills in the login form, and waits for the event stream.
fn enter_key(browser: &Browser, key: &str) {
    browser.type_into("#login-key", key);
    browser.click("#login-submit");
    browser.wait_text("#stream-status", "Live");
}

/// Waits until this JavaScript expression is true.
fn wait_true(browser: &Browser, what: &str, expression: &str) {
    eventually(what, || {
        (browser.run(&format!("return {expression}"), json!([])) == true).then_some(())
    });
}

/// The text of a number's row in the table of calls.
fn row(browser: &Browser, number: &str) -> Option<String> {
    browser
        .texts("#calls-body .row")
        .into_iter()
        .find(|row| row.contains(number))
        .map(|row| row.replace('\n', " "))
}

/// Waits until the row of this number contains this text.
fn wait_row(browser: &Browser, number: &str, part: &str) {
    eventually(&format!("{number} {part}: {}", browser.body()), || {
        row(browser, number).filter(|row| row.contains(part)).map(drop)
    });
}

fn wait_no_row(browser: &Browser, number: &str) {
    eventually(&format!("{number} is gone"), || row(browser, number).is_none().then_some(()));
}

/// The events of this number in the journal, oldest first.
fn journal_events(browser: &Browser, number: &str) -> Vec<String> {
    let rows =
        browser.texts("#journal-body .row").into_iter().rev().filter(|row| row.contains(number));
    rows.map(|row| {
        row.split('\n').find(|cell| cell.starts_with("call.")).unwrap_or_default().to_owned()
    })
    .collect()
}

/// Asserts that axe finds nothing serious in the page as it is now; `place` is for the message.
fn assert_accessible(page: &Browser, place: &str) {
    let axe =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/axe/axe_playwright_python/axe.min.js");
    let axe = std::fs::read_to_string(axe).expect("axe, from make setup-tests");
    page.run(&axe, json!([]));
    let script = "const done = arguments[0]; axe.run().then((found) => done(found.violations\
        .filter((v) => ['serious', 'critical'].includes(v.impact)).map((v) => [v.id, v.nodes.map((n) => n.html)])))";
    assert_eq!(page.run_async(script), Value::Array(Vec::new()), "{place}");
}

fn wait_live(browser: &Browser, count: usize) {
    eventually(&format!("{count} live calls: {}", browser.body()), || {
        (browser.text("#live-count") == count.to_string()).then_some(())
    });
}

/// Opens the details of the call to this number by a click on its row in the table of calls.
fn open_detail(browser: &Browser, number: &str) {
    let find = "return [...document.querySelectorAll('#calls-body button.link')]\
                .findIndex((button) => button.textContent === arguments[0])";
    let index = eventually("the table has the row", || {
        browser.run(find, json!([number])).as_i64().filter(|index| *index >= 0)
    });
    browser.run(
        "document.querySelectorAll('#calls-body button.link')[arguments[0]].click()",
        json!([index]),
    );
    browser.wait_text("#detail-number", number);
}
