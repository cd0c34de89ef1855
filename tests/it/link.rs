//! The AMI link. The daemon retries a refused login with pauses. After SIGSTOP and SIGCONT, it
//! reads its socket before it decides that a timeout has passed.

use std::thread;
use std::time::{Duration, Instant};

use testkit::ami::{FakeAsterisk, Manner, OnOriginate};
use testkit::daemon::{Ami, Daemon};
use testkit::eventually;
use testkit::relay::Relay;

/// The daemon gives up the link after two of these periods without a message.
const KEEPALIVE: Duration = Duration::from_millis(500);

/// Asterisk's settings, with all other timeouts much longer.
const LINK: &str = "keepalive = \"500ms\"\naction_timeout = \"60s\"\nconnect_timeout = \"60s\"";

#[test]
fn refused_login_is_retried_with_growing_pauses() {
    const ATTEMPTS: usize = 9;
    // A real Asterisk delays its refusal by a second.
    let asterisk = FakeAsterisk::start(OnOriginate::Accept);
    asterisk.behave(Manner::RejectLogin);
    let relay = Relay::start(&asterisk.address.to_string());
    let ami = Ami { address: &relay.address.to_string(), secret: "wrong" };
    let began = Instant::now();
    let backoff = ("asterisk", "backoff_min = \"100ms\"\nbackoff_max = \"1s\"");
    let daemon = Daemon::start_unready(&ami, &[backoff]);
    eventually("the daemon has tried often", || (relay.accepted() >= ATTEMPTS).then_some(()));
    // Each pause is at least half of its maximum: 100, 200, 400, 800 and then 1000 ms.
    let pauses: Duration = (0..ATTEMPTS - 1)
        .map(|failures| Duration::from_millis((100 << failures).min(1000)) / 2)
        .sum();
    assert!(began.elapsed() >= pauses, "{ATTEMPTS} attempts in {:?}", began.elapsed());
    let refused = daemon.call("79990001002", "R1");
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.body.contains("login refused"), "{refused:?}");
    let records =
        daemon.records().iter().filter(|record| record["event"] == "ami.disconnected").count();
    assert_eq!(records, 1, "{}", daemon.output());

    // With the right secret the login succeeds.
    asterisk.behave(Manner::Normal);
    daemon.wait_ready();
}

/// After SIGCONT the daemon reads the end of the call from its socket before it checks the
/// keepalive.
#[test]
fn resumed_daemon_reads_pending_end_first() {
    let (asterisk, daemon) = FakeAsterisk::with_daemon(&[("asterisk", LINK)]);
    let id = daemon.call_ok("79990001003", "R1");
    daemon.signal("-STOP");
    asterisk.hang_up(&id);
    let began = Instant::now();
    // The keepalive has long expired by then.
    eventually("time passes", || (began.elapsed() > 4 * KEEPALIVE).then_some(()));
    daemon.signal("-CONT");
    let ended = daemon.wait_for(&id, "call.ended");
    assert_ne!(ended["outcome"], "unknown", "{ended}");
    assert!(ended.get("ended_before").is_none(), "{ended}");
    let lost =
        daemon.records().iter().filter(|record| record["event"] == "ami.disconnected").count();
    assert_eq!(lost, 0, "{}", daemon.output());
}

/// The answer to a hang-up arrives in time, but the daemon is stopped until after its timeout.
#[test]
fn resumed_daemon_reads_pending_answer_first() {
    const ACTION_TIMEOUT: Duration = Duration::from_secs(5);
    let settings = "keepalive = \"1m\"\naction_timeout = \"5s\"";
    let (asterisk, daemon) = FakeAsterisk::with_daemon(&[("asterisk", settings)]);
    let id = daemon.call_ok("79990001004", "R1");
    asterisk.ignore_hang_ups();
    thread::scope(|scope| {
        let reply = scope.spawn(|| daemon.delete(&format!("/api/calls/{id}")));
        let asked = asterisk.wait_for("Hangup", 1);
        daemon.signal("-STOP");
        let action_id = asked.get("ActionID").expect("an id");
        asterisk.send(&[
            ("Response", "Success"),
            ("ActionID", action_id),
            ("Message", "Channel Hungup"),
        ]);
        let began = Instant::now();
        eventually("time passes", || (began.elapsed() > ACTION_TIMEOUT + KEEPALIVE).then_some(()));
        daemon.signal("-CONT");
        assert_eq!(reply.join().expect("an answer").status, 200);
    });
}
