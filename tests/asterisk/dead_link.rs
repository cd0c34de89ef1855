//! The keepalive finds a silent peer within about two intervals, without traffic. The link recovers
//! by itself from every fault.
//!
//! `ROUNDS=20` has each link die so many times (default 1).

use std::thread;
use std::time::{Duration, Instant};

use testkit::daemon::{Ami, Daemon};
use testkit::pbx::Pbx;
use testkit::relay::Relay;
use testkit::{eventually, measured, rounds};

/// Every other timeout is much longer.
const KEEPALIVE: Duration = Duration::from_millis(500);
const LINK: &str = "keepalive = \"500ms\"\naction_timeout = \"60s\"\nconnect_timeout = \"60s\"";
const OTHER_TIMERS: Duration = Duration::from_secs(60);

/// The number of times that the link has come up.
fn connected(daemon: &Daemon) -> usize {
    daemon.records().iter().filter(|record| record["event"] == "ami.connected").count()
}

/// The link goes silent while no call is alive, and comes back later.
fn goes_silent(name: &str, daemon: &Daemon, fall_silent: impl Fn(), resume: impl Fn()) {
    let began = Instant::now();
    fall_silent();
    let lost = daemon.wait_for_event("ami.disconnected");
    measured(&format!("{name}: noticed"), began.elapsed());
    assert!(began.elapsed() < OTHER_TIMERS, "{lost}");
    // The daemon's own measurement, from the last message it received.
    let silence = lost["reason"]
        .as_str()
        .and_then(|reason| reason.strip_suffix(" ms")?.rsplit(' ').next()?.parse().ok());
    assert!(silence.is_some_and(|ms| Duration::from_millis(ms) >= 2 * KEEPALIVE), "{lost}");
    let refused = daemon.call("79990001001", "R1");
    assert_eq!(refused.status, 503, "{refused:?}");
    let before = connected(daemon);

    let over = Instant::now();
    resume();
    daemon.wait_ready();
    measured(&format!("{name}, idle: recovered"), over.elapsed());
    eventually("it is told once more", || (connected(daemon) == before + 1).then_some(()));
    let id = daemon.call_ok("79990001001", "R1");
    daemon.delete(&format!("/api/calls/{id}"));
    daemon.wait_for(&id, "call.ended");
}

#[test]
fn stopped_asterisk_is_found_by_keepalive() {
    let pbx = Pbx::start("22");
    for _ in 0..rounds(1) {
        let daemon = Daemon::start(&pbx.ami(), &[("asterisk", LINK)]);
        goes_silent("Asterisk stopped", &daemon, || pbx.stop(), || pbx.resume());
    }
}

#[test]
fn silent_network_is_found_by_keepalive() {
    let pbx = Pbx::shared("22");
    let relay = Relay::start(pbx.setting("AMI_ADDRESS"));
    let ami = Ami { address: &relay.address.to_string(), secret: pbx.setting("AMI_SECRET") };
    for _ in 0..rounds(1) {
        let daemon = Daemon::start(&ami, &[("asterisk", LINK)]);
        goes_silent("link silent", &daemon, || relay.hold(), || relay.resume());
    }
}

fn stops_gracefully(version: &'static str) {
    let pbx = Pbx::start(version);
    let daemon = Daemon::start(&pbx.ami(), &[("asterisk", "keepalive = \"500ms\"")]);
    let id = daemon.call_ok("79990001001", "R1");
    daemon.wait_for(&id, "call.joined");
    thread::scope(|scope| {
        // The command returns when the call has ended or the shutdown is aborted.
        scope.spawn(|| pbx.rx("core stop gracefully"));
        // The daemon finds it without a request for a call.
        let reply = eventually("it is not ready", || {
            Some(daemon.get("/readyz")).filter(|reply| reply.status == 503)
        });
        assert!(reply.body.contains("Asterisk is shutting down"), "{reply:?}");
        let refused = daemon.call("79990001002", "R1");
        assert_eq!(refused.status, 503, "{refused:?}");
        assert!(refused.body.contains("Asterisk is shutting down"), "{refused:?}");
        pbx.rx("core abort shutdown");
        daemon.wait_ready();
    });
    let second = daemon.call_ok("79990001002", "R1");
    daemon.wait_for(&second, "call.joined");
    for id in [id, second] {
        daemon.delete(&format!("/api/calls/{id}"));
        let ended = daemon.wait_for(&id, "call.ended");
        assert_ne!(ended["outcome"], "unknown", "{ended}");
    }
    assert_eq!(connected(&daemon), 1, "the link is kept: {}", daemon.output());
}

#[test]
fn stopping_asterisk_22_is_not_ready() {
    stops_gracefully("22");
}

#[test]
fn stopping_asterisk_16_is_not_ready() {
    stops_gracefully("16");
}

/// Without call events, numbers would stay blocked for a minute and answers would go unnoticed.
fn may_not_read_calls(version: &'static str) {
    let pbx = Pbx::start(version);
    // The last of several `read` lines counts.
    pbx.add_to("manager.conf", "[originatord](+)\nread = system,user");
    pbx.rx("manager reload");
    let daemon = Daemon::start_unready(&pbx.ami(), &[]);
    let lost = daemon.wait_for_event("ami.disconnected");
    assert!(lost["reason"].as_str().is_some_and(|reason| reason.contains("read = call")), "{lost}");
    let reply = daemon.get("/readyz");
    assert_eq!(reply.status, 503);
    assert!(reply.body.contains("read = call"), "{reply:?}");
    assert_eq!(connected(&daemon), 0);
    // The daemon notices the correction without a restart.
    pbx.add_to("manager.conf", "[originatord](+)\nread = call,system,user");
    pbx.rx("manager reload");
    daemon.wait_ready();
    let id = daemon.call_ok("79990001001", "R1");
    daemon.delete(&format!("/api/calls/{id}"));
    daemon.wait_for(&id, "call.ended");
}

#[test]
fn login_fails_without_read_call_on_22() {
    may_not_read_calls("22");
}

#[test]
fn login_fails_without_read_call_on_16() {
    may_not_read_calls("16");
}
