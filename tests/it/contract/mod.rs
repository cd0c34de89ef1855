//! The original API's contract, row by row and to the byte, over a real socket.

mod answers;
mod requests;
mod values;

use serde_json::{Value, json};
use testkit::ami::{FakeAsterisk, OnOriginate};
use testkit::daemon::{Daemon, KEY};
use testkit::http::Reply;

fn start(on_originate: OnOriginate) -> (FakeAsterisk, Daemon) {
    let asterisk = FakeAsterisk::start(on_originate);
    let daemon = asterisk.daemon(&[]);
    (asterisk, daemon)
}

fn fields(number: &str) -> Value {
    json!({ "api_key": KEY, "phone_number": number, "room_name": "R1", "caller_id": "Bob" })
}

fn assert_refused(reply: &Reply, status: u16, what: &str) {
    assert_eq!(reply.status, status, "{what}: {reply:?}");
    assert!(reply.json().get("error").is_some_and(Value::is_string), "{what}: {reply:?}");
    assert_eq!(reply.header("content-type"), Some("application/json"), "{what}");
    assert!(reply.body.ends_with('\n'), "{what}: {reply:?}");
}
