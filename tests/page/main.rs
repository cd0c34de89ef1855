//! The operators' page, in a browser.

mod accuracy;
mod assets;
mod call_flow;
mod dashboard;
mod operator;

use std::fmt::Display;

use serde_json::json;
use testkit::browser::Browser;
use testkit::eventually;

/// Widths and heights, in pixels.
const DESKTOP: (u32, u32) = (1280, 800);
const TELEPHONE: (u32, u32) = (390, 844);

/// Keys of the keyboard, as the protocol has them.
const ESCAPE: &str = "\u{E00C}";
const ENTER: &str = "\u{E007}";
const TAB: &str = "\u{E004}";
const DOWN: &str = "\u{E015}";

/// The page, with somebody logged in.
fn log_in(address: impl Display, key: &str, (width, height): (u32, u32)) -> Browser {
    let browser = Browser::start(width, height);
    browser.open(&format!("http://{address}/"));
    browser.type_into("#login-key", key);
    browser.click("#login-submit");
    browser.wait_text("#stream-status", "Live");
    browser
}

/// The page's row of the call to this number.
fn row(browser: &Browser, number: &str) -> Option<String> {
    browser
        .texts("#calls-body .row")
        .into_iter()
        .find(|row| row.contains(number))
        .map(|row| row.replace('\n', " "))
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
    let rows =
        browser.texts("#journal-body .row").into_iter().rev().filter(|row| row.contains(number));
    rows.map(|row| {
        row.split('\n').find(|cell| cell.starts_with("call.")).unwrap_or_default().to_owned()
    })
    .collect()
}

fn wait_live(browser: &Browser, count: usize) {
    eventually(&format!("{count} live calls: {}", browser.body()), || {
        (browser.text("#live-count") == count.to_string()).then_some(())
    });
}

/// Opens the story of the call whose row of the log or the table is clicked on.
fn open_detail(browser: &Browser, number: &str) {
    let find = "return [...document.querySelectorAll('#calls-body button.link')].findIndex((b) => b.textContent === arguments[0])";
    let place = eventually("the row", || {
        browser.run(find, json!([number])).as_i64().filter(|place| *place >= 0)
    });
    browser.run(
        "document.querySelectorAll('#calls-body button.link')[arguments[0]].click()",
        json!([place]),
    );
    browser.wait_text("#detail-number", number);
}
