//! `DELETE /api/history`: the daemon erases a number while it runs and while it stops.

use std::fs;
use std::time::{Duration, Instant};

use super::{NUMBER, OTHER, assert_erased, ended, files_with, records, start};
use serde_json::json;
use testkit::daemon::KEY;
use testkit::events::EventStream;
use testkit::eventually;
use testkit::http::{self, assert_error};

#[test]
fn running_daemon_erases_a_number() {
    let watch = "[[api_keys]]\nname = \"watcher\"\nkey = \"key-of-the-watcher\"\nrole = \"watch\"";
    let (asterisk, daemon) = start(&[("key", watch)]);
    let calls: Vec<_> = (0..4)
        .map(|_| [ended(&asterisk, &daemon, NUMBER), ended(&asterisk, &daemon, OTHER)])
        .collect();
    let path = format!("/api/history?number=%2B{NUMBER}");
    let folder = daemon.folder.path();
    assert!(files_with(folder, NUMBER).len() >= 3, "{:?}", files_with(folder, NUMBER));
    let before = records(folder).len();

    assert_error(&http::request(daemon.address, "DELETE", &path, &[], b""), 401, "no key");
    let watcher = [("X-Api-Key", "key-of-the-watcher")];
    assert_error(
        &http::request(daemon.address, "DELETE", &path, &watcher, b""),
        403,
        "a watch key",
    );
    for wrong in ["/api/history", "/api/history?number=x", "/api/history?number=7999&number=7998"] {
        assert_error(&daemon.delete(wrong), 400, wrong);
    }
    assert_error(&daemon.get(&path), 405, "GET");
    assert!(!files_with(folder, NUMBER).is_empty());

    let reply = daemon.delete(&path);
    assert_eq!((reply.status, &reply.json()["message"]), (200, &json!("ok")), "{reply:?}");
    // At least three records of each call, and the calls themselves.
    assert!(reply.json()["erased"].as_u64().is_some_and(|count| count >= 4 * 3 + 4), "{reply:?}");
    assert_erased(folder, before);
    for [erased, kept] in &calls {
        assert_error(&daemon.get(&format!("/api/calls/{erased}")), 404, "erased");
        assert_eq!(daemon.get(&format!("/api/calls/{kept}")).status, 200);
    }
    assert_eq!(daemon.get(&format!("/api/calls?number={NUMBER}")).json()["ended"], json!([]));
    let ring = EventStream::from(daemon.address, "?since=0", &[]).wait_len(before);
    assert!(ring.iter().all(|event| !event.data.contains(NUMBER)));
    assert!(ring.iter().any(|event| event.name == "erased"));
    // Later records are written as usual.
    ended(&asterisk, &daemon, OTHER);
    assert_eq!(daemon.get("/api/calls").json()["history"], "ok");
    assert_eq!(daemon.delete(&path).json()["erased"], 0);
}

#[test]
fn number_in_a_call_is_not_erased() {
    let (_asterisk, daemon) = start(&[]);
    daemon.call_ok(NUMBER, "R1");
    assert_error(&daemon.delete(&format!("/api/history?number={NUMBER}")), 409, "in a call");
}

/// Erases a number while this process locks the history, and stops the daemon meanwhile. Releases
/// the lock after `held`, or as soon as the daemon answers. Returns the answer.
fn erase_while_stopping(drain_timeout: &str, held: Option<Duration>) -> http::Reply {
    let (asterisk, mut daemon) =
        start(&[("http", &format!("drain_timeout = \"{drain_timeout}\""))]);
    ended(&asterisk, &daemon, NUMBER);
    let folder = daemon.folder.path().to_owned();
    let history = rusqlite::Connection::open(folder.join("history.db")).expect("the history");
    history.execute_batch("BEGIN IMMEDIATE").expect("a lock on the history");
    let address = daemon.address;
    let answer = std::thread::spawn(move || {
        let path = format!("/api/history?number={NUMBER}");
        http::request(address, "DELETE", &path, &[("X-Api-Key", KEY)], b"")
    });
    // The daemon erases from the journal first, so its file shows that the erasure has begun.
    // Reading the history's file instead would release the lock when this process closes it.
    let is_erased =
        || fs::read_to_string(folder.join("calls.jsonl")).is_ok_and(|text| !text.contains(NUMBER));
    eventually("the erasure has begun", || is_erased().then_some(()));
    daemon.signal("-TERM");
    daemon.wait_for_event("daemon.stopping");
    let began = Instant::now();
    let may_release = || answer.is_finished() || held.is_some_and(|held| began.elapsed() > held);
    eventually("the lock may be released", || may_release().then_some(()));
    drop(history);
    let answer = answer.join().expect("an answer");
    assert_eq!(daemon.wait_exit(), Some(0));
    answer
}

#[test]
fn stop_waits_for_erasure() {
    // The lock lasts longer than a stopping daemon waits for clients to read their answers.
    let answer = erase_while_stopping("1h", Some(Duration::from_millis(2500)));
    // On a slow machine the daemon may give up waiting for the history. Then its answer says so.
    let is_given_up =
        answer.status == 503 && answer.body.contains("the number may be left in some files");
    assert!(answer.status == 200 || is_given_up, "{answer:?}");
}

#[test]
fn erasure_that_outlasts_the_stop_is_answered() {
    let answer = erase_while_stopping("1s", None);
    assert_error(&answer, 503, "a stopping daemon");
    assert!(answer.body.contains("the daemon is stopping"), "{answer:?}");
}
