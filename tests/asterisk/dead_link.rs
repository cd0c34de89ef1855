//! The keepalive detects a silent peer within about two intervals, even without traffic. The link
//! recovers by itself from every fault.
//!
//! `ROUNDS=20` repeats each fault 20 times (default 1).

use std::thread;
use std::time::{Duration, Instant};

use testkit::daemon::{Ami, Daemon};
use testkit::pbx::Pbx;
use testkit::relay::Relay;
use testkit::{eventually, measured, rounds};

/// The keepalive interval. All other timers take [`OTHER_TIMERS`], so none of them can detect the
/// silence first.
const KEEPALIVE: Duration = Duration::from_millis(500);
const LINK: &str = "keepalive = \"500ms\"\naction_timeout = \"60s\"\nconnect_timeout = \"60s\"";
const OTHER_TIMERS: Duration = Duration::from_secs(60);

/// How many times the link has come up.
fn connected(daemon: &Daemon) -> usize {
    daemon.records().iter().filter(|record| record["event"] == "ami.connected").count()
}

/// Silences the link while no call is alive, and resumes it later. Asserts that the daemon detects
/// the silence by its keepalive, refuses calls meanwhile, and recovers.
fn assert_silence_detected(name: &str, daemon: &Daemon, fall_silent: impl Fn(), resume: impl Fn()) {
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

    let resumed = Instant::now();
    resume();
    daemon.wait_ready();
    measured(&format!("{name}, idle: recovered"), resumed.elapsed());
    eventually("the journal has the new link", || (connected(daemon) == before + 1).then_some(()));
    let id = daemon.call_ok("79990001001", "R1");
    daemon.delete(&format!("/api/calls/{id}"));
    daemon.wait_for(&id, "call.ended");
}

#[test]
fn keepalive_detects_a_stopped_asterisk() {
    let pbx = Pbx::start("22");
    for _ in 0..rounds(1) {
        let daemon = Daemon::start(&pbx.ami(), &[("asterisk", LINK)]);
        assert_silence_detected("Asterisk stopped", &daemon, || pbx.stop(), || pbx.resume());
    }
}

#[test]
fn keepalive_detects_a_silent_network() {
    let pbx = Pbx::shared("22");
    let relay = Relay::start(pbx.setting("AMI_ADDRESS"));
    let ami = Ami { address: &relay.address.to_string(), secret: pbx.setting("AMI_SECRET") };
    for _ in 0..rounds(1) {
        let daemon = Daemon::start(&ami, &[("asterisk", LINK)]);
        assert_silence_detected("link silent", &daemon, || relay.hold(), || relay.resume());
    }
}

/// Asserts that the daemon refuses calls while Asterisk stops gracefully, and keeps its link.
fn assert_stopping_asterisk_not_ready(version: &'static str) {
    let pbx = Pbx::start(version);
    let daemon = Daemon::start(&pbx.ami(), &[("asterisk", "keepalive = \"500ms\"")]);
    let id = daemon.call_ok("79990001001", "R1");
    daemon.wait_for(&id, "call.joined");
    thread::scope(|scope| {
        // The command returns when the call has ended or the shutdown is aborted.
        scope.spawn(|| pbx.rx("core stop gracefully"));
        // The daemon detects the shutdown even if no bot requests a call.
        let reply = eventually("the daemon is not ready", || {
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
    assert_eq!(connected(&daemon), 1, "the link was lost: {}", daemon.output());
}

#[test]
fn stopping_asterisk_22_is_not_ready() {
    assert_stopping_asterisk_not_ready("22");
}

#[test]
fn stopping_asterisk_16_is_not_ready() {
    assert_stopping_asterisk_not_ready("16");
}

/// Asserts that the daemon refuses a link without call events: numbers would stay blocked for a
/// minute, and the daemon would not notice answers.
fn assert_read_call_needed(version: &'static str) {
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
    assert_read_call_needed("22");
}

#[test]
fn login_fails_without_read_call_on_16() {
    assert_read_call_needed("16");
}
