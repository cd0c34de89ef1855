//! The daemon's log on stdout: JSON lines, with the id of the call that they concern. No peer can
//! make the daemon fill a disk with log lines.

use std::io::Write;

use serde_json::Value;
use testkit::ami::FakeAsterisk;
use testkit::daemon::{Daemon, KEY};
use testkit::eventually;
use testkit::http;

/// All lines so far; panics unless each is JSON with a time.
fn lines(daemon: &Daemon) -> Vec<Value> {
    let output = daemon.output();
    let lines = output
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")));
    let lines: Vec<Value> = lines.collect();
    for line in &lines {
        let time = line.get("time").or(line.get("timestamp")).and_then(Value::as_str);
        assert!(time.is_some_and(|time| humantime::parse_rfc3339(time).is_ok()), "{line}");
    }
    lines
}

#[test]
fn debug_lines_carry_the_call_id() {
    let debug = ("log", "filter = \"info,originatord=debug\"");
    let (asterisk, daemon) =
        FakeAsterisk::with_daemon(&[debug, ("privacy", "mask_numbers = true")]);
    let id = daemon.call_ok("79991234567", "R1");
    daemon.get(&format!("/api/calls/{id}"));
    daemon.get("/api/calls?number=79991234567");
    asterisk.hang_up(&id);
    daemon.wait_for(&id, "call.ended");
    for (span, path, message, more) in [
        ("request", "/api/conf", "answered", ("status", Value::from(200))),
        ("request", &*format!("/api/calls/{id}"), "answered", ("key", "tester".into())),
        ("call", "", "received", ("ami_response", "Success".into())),
        ("call", "", "received", ("ami_event", "Newchannel".into())),
        ("call", "", "received", ("ami_event", "Hangup".into())),
    ] {
        let fits = |line: &&Value| {
            line["span"]["name"] == span
                && line["span"]["call_id"] == *id
                && (path.is_empty() || line["span"]["path"] == path)
                && line["message"] == message
                && line["level"] == "DEBUG"
                && line[more.0] == more.1
        };
        eventually(&format!("{span} {path} {more:?}"), || {
            lines(&daemon).iter().find(fits).map(|_| ())
        });
    }
    // Masking applies to the debug log, too.
    assert!(!daemon.output().contains("79991234567"), "{}", daemon.output());
}

#[test]
fn no_peer_can_fill_the_log() {
    let (_asterisk, daemon) = FakeAsterisk::with_daemon(&[]);
    let noise = || {
        for number in 0..100 {
            let wrong = format!("wrong-key-{number}");
            http::request(daemon.address, "GET", "/api/calls", &[("X-Api-Key", &wrong)], b"");
            http::request(daemon.address, "GET", &format!("/nowhere/{number}"), &[], b"");
            http::request(daemon.address, "PATCH", "/api/conf", &[], b"{}");
            http::request(daemon.address, "GET", "/api/calls?limit=x", &[("X-Api-Key", KEY)], b"");
            http::request(daemon.address, "GET", "/api/history", &[("X-Api-Key", KEY)], b"");
            http::request(daemon.address, "GET", "/metrics", &[], b"");
            daemon.post(b"no json");
            drop(http::connect(daemon.address));
            let _ =
                http::connect(daemon.address).write_all(b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n");
        }
    };
    noise();
    eventually("the daemon logs the wrong keys", || {
        daemon.output().contains("requests with a wrong key").then_some(())
    });
    // Log lines and records are in order: when a call's records arrive, all earlier lines are
    // there.
    let records = |number: &str| {
        let id = daemon.call_ok(number, "R1");
        daemon.wait_for(&id, "call.queued");
        lines(&daemon)
    };
    let log_only = |lines: Vec<Value>| {
        lines.into_iter().filter(|line| line.get("event").is_none()).collect::<Vec<_>>()
    };
    let before = log_only(records("79990000001"));
    noise();
    let after = log_only(records("79990000002"));
    // Wrong keys may be logged once more on a slow machine.
    let new: Vec<_> = after[before.len()..]
        .iter()
        .filter(|line| line["message"] != "requests with a wrong key, or none")
        .collect();
    assert!(new.is_empty(), "{new:?}");
    assert!(after.len() <= before.len() + 10, "{after:?}");
}
