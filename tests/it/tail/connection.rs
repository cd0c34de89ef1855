//! `tail` and its connection: restarts, cuts, and a daemon that is not running.

use super::tail;
use serde_json::{Value, json};
use testkit::ami::FakeAsterisk;
use testkit::eventually;
use testkit::program::{Program, run, unused_address};
use testkit::relay::Relay;

#[test]
fn tail_waits_for_a_future_number() {
    let (_asterisk, daemon) = FakeAsterisk::with_daemon(&[]);
    let relay = Relay::start(&daemon.address.to_string());
    let tail = Program::start(tail(relay.address, &["--since", "99999", "--json"]));
    let newest = daemon.wait_for_event("ami.connected")["seq"].clone();
    let said = eventually("tail reports the newest record", || tail.stderr().first().cloned());
    assert_eq!(said, format!("-- the newest record is {newest}: waiting for new ones"));
    // After a reconnect, `tail` prints no old record.
    let connections = relay.accepted();
    relay.cut();
    relay.restore();
    eventually("tail has reconnected", || (relay.accepted() > connections).then_some(()));
    let id = daemon.call_ok("79990000001", "R1");
    let expected = [daemon.wait_for(&id, "call.requested"), daemon.wait_for(&id, "call.queued")];
    assert_eq!(tail.wait_for_lines(2), expected.map(|record| record.to_string()));
}

#[test]
fn tail_follows_a_restart_and_shows_the_gap() {
    let (_asterisk, daemon) = FakeAsterisk::with_daemon(&[]);
    let relay = Relay::start(&daemon.address.to_string());
    let json = Program::start(tail(relay.address, &["--since", "0", "--json"]));
    let text = Program::start(tail(relay.address, &["--since", "0"]));
    daemon.call_ok("79990000001", "R1");
    json.wait_for("call.queued");
    text.wait_for("call.queued");
    let daemon = daemon.crash_and_restart();
    relay.forward_to(daemon.address);
    daemon.call_ok("79990000002", "R1");
    json.wait_for("+79990000002");
    text.wait_for("+79990000002");

    let lines = json.stdout();
    let gap = lines.iter().position(|line| line.contains("\"gap\"")).expect("a gap");
    assert_eq!(lines[gap], r#"{"event":"gap","reason":"restarted","from":null,"to":null}"#);
    assert!(
        lines[gap + 1].contains("daemon.started")
            && lines[..gap].iter().any(|line| line.contains("call.queued"))
    );
    assert!(text.wait_for(" gap ").ends_with(" reason=restarted"));
    assert!(
        json.stderr().iter().all(|line| line.ends_with("; trying again")),
        "{:?}",
        json.stderr()
    );
}

#[test]
fn tail_resumes_after_a_cut() {
    let (_asterisk, daemon) = FakeAsterisk::with_daemon(&[]);
    let relay = Relay::start(&daemon.address.to_string());
    let mut tail = Program::start(tail(relay.address, &["--since", "0", "--json"]));
    daemon.call_ok("79990000001", "R1");
    tail.wait_for("call.queued");
    relay.cut();
    let tried = relay.accepted();
    daemon.call_ok("79990000002", "R1");
    // `tail` reports a repeated error once.
    eventually("tail has tried three times", || (relay.accepted() >= tried + 3).then_some(()));
    let said = tail.stderr();
    assert_eq!(
        said.last().map(|line| &**line),
        Some("-- the daemon has closed the connection; trying again")
    );
    assert!(said.len() <= 2, "{said:?}");
    relay.restore();
    tail.wait_for("+79990000002");
    let seqs: Vec<_> = tail
        .stdout()
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["seq"].clone())
        .collect();
    assert_eq!(seqs, (1..=seqs.len()).map(|seq| json!(seq)).collect::<Vec<_>>());
    assert!(tail.is_running());
}

#[test]
fn permanent_refusal_is_not_retried() {
    let (_asterisk, daemon) = FakeAsterisk::with_daemon(&[]);
    let ended = run(tail(daemon.address, &["--since", "18446744073709551615"]));
    assert_eq!(ended.code, Some(64), "{ended:?}");
    assert!(ended.stderr.contains("400"), "{ended:?}");
}

#[test]
fn unreachable_daemon_is_reported_once() {
    let (_held, address) = unused_address();
    let mut tail = Program::start(tail(address, &[]));
    let said = eventually("tail reports the failure", || tail.stderr().first().cloned());
    assert!(
        said.starts_with(&format!("-- cannot connect to {address}: "))
            && said.ends_with("; trying again"),
        "{said}"
    );
    assert!(tail.is_running() && tail.stdout().is_empty());
    // Ctrl-C is no failure.
    testkit::daemon::signal(&tail.child, "-INT");
    assert_eq!(tail.wait_exit(), Some(0));
    assert_eq!(tail.stderr().len(), 1, "{:?}", tail.stderr());
}
