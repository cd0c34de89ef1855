//! A peer that is there and does not answer is found out, without any traffic, within about two
//! keepalives; whatever was wrong with the link, it comes back by itself; and who is not let in
//! does not hammer at the door.
//!
//! `ROUNDS=20` has each link die so many times (default 1).

use std::thread;
use std::time::{Duration, Instant};

use testkit::ami::{FakeAsterisk, Manner, OnOriginate};
use testkit::daemon::{Ami, Daemon};
use testkit::pbx::Pbx;
use testkit::relay::Relay;
use testkit::{eventually, measured, rounds};

/// Any other timer would take much longer to find out.
const KEEPALIVE: Duration = Duration::from_millis(500);
const LINK: &str = "keepalive = \"500ms\"\naction_timeout = \"60s\"\nconnect_timeout = \"60s\"";
const OTHER_TIMERS: Duration = Duration::from_secs(60);

/// How often the link has come up.
fn connected(daemon: &Daemon) -> usize {
    daemon.records().iter().filter(|record| record["event"] == "ami.connected").count()
}

/// The link goes silent while nobody calls, and later comes back.
fn goes_silent(name: &str, daemon: &Daemon, fall_silent: impl Fn(), go_on: impl Fn()) {
    let began = Instant::now();
    fall_silent();
    let lost = daemon.wait_for_event("ami.disconnected");
    measured(&format!("{name}: noticed"), began.elapsed());
    assert!(began.elapsed() < OTHER_TIMERS, "{lost}");
    // As the daemon itself has measured it, from the last word it heard.
    let silence = lost["reason"]
        .as_str()
        .and_then(|reason| reason.strip_suffix(" ms")?.rsplit(' ').next()?.parse().ok());
    assert!(silence.is_some_and(|ms| Duration::from_millis(ms) >= 2 * KEEPALIVE), "{lost}");
    let refused = daemon.call("79990001001", "R1");
    assert_eq!(refused.status, 503, "{refused:?}");
    let before = connected(daemon);

    let over = Instant::now();
    go_on();
    daemon.wait_ready();
    measured(&format!("{name}, idle: recovered"), over.elapsed());
    eventually("it is told once more", || (connected(daemon) == before + 1).then_some(()));
    let id = daemon.call_ok("79990001001", "R1");
    daemon.delete(&format!("/api/calls/{id}"));
    daemon.wait_for(&id, "call.ended");
}

#[test]
fn an_asterisk_that_is_stopped() {
    let pbx = Pbx::start("22");
    for _ in 0..rounds(1) {
        let daemon = Daemon::start(&pbx.ami(), &[("asterisk", LINK)]);
        goes_silent("Asterisk stopped", &daemon, || pbx.stop(), || pbx.go_on());
    }
}

#[test]
fn a_network_that_drops_every_packet() {
    let pbx = Pbx::shared("22");
    let relay = Relay::start(pbx.setting("AMI_ADDRESS"));
    let ami = Ami { address: &relay.address.to_string(), secret: pbx.setting("AMI_SECRET") };
    for _ in 0..rounds(1) {
        let daemon = Daemon::start(&ami, &[("asterisk", LINK)]);
        goes_silent("link silent", &daemon, || relay.hold(), || relay.go_on());
    }
}

#[test]
fn who_is_not_let_in_waits_longer_and_longer() {
    const ATTEMPTS: usize = 9;
    // A real one takes a second to refuse, so that nobody could hammer at it.
    let asterisk = FakeAsterisk::start(OnOriginate::Accept);
    asterisk.behave(Manner::RejectLogin);
    let relay = Relay::start(&asterisk.address.to_string());
    let ami = Ami { address: &relay.address.to_string(), secret: "wrong" };
    let began = Instant::now();
    let backoff = ("asterisk", "backoff_min = \"100ms\"\nbackoff_max = \"1s\"");
    let daemon = Daemon::start_unready(&ami, &[backoff]);
    eventually("it is tried again and again", || (relay.tried() >= ATTEMPTS).then_some(()));
    // Each pause is half of its longest at least: 100, 200, 400, 800, and then 1000 ms.
    let pauses: Duration = (0..ATTEMPTS - 1)
        .map(|failures| Duration::from_millis((100 << failures).min(1000)) / 2)
        .sum();
    assert!(began.elapsed() >= pauses, "{ATTEMPTS} attempts in {:?}", began.elapsed());
    let refused = daemon.call("79990001002", "R1");
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.body.contains("login refused"), "{refused:?}");
    let told =
        daemon.records().iter().filter(|record| record["event"] == "ami.disconnected").count();
    assert_eq!(told, 1, "{}", daemon.output());

    // Once the secret is right, it is let in.
    asterisk.behave(Manner::Normal);
    daemon.wait_ready();
}

/// After SIGCONT the end of a call that waits in the socket is read before the link is judged.
#[test]
fn stopped_daemon_reads_call_end_before_it_judges() {
    let (asterisk, daemon) = FakeAsterisk::with_daemon(&[("asterisk", LINK)]);
    let id = daemon.call_ok("79990001003", "R1");
    daemon.signal("-STOP");
    asterisk.hang_up(&id);
    let began = Instant::now();
    // The daemon lets no Asterisk be silent for so long.
    eventually("time passes", || (began.elapsed() > 4 * KEEPALIVE).then_some(()));
    daemon.signal("-CONT");
    let ended = daemon.wait_for(&id, "call.ended");
    assert_ne!(ended["outcome"], "unknown", "{ended}");
    assert!(ended.get("ended_before").is_none(), "{ended}");
    let lost =
        daemon.records().iter().filter(|record| record["event"] == "ami.disconnected").count();
    assert_eq!(lost, 0, "{}", daemon.output());
}

fn stops_gracefully(version: &'static str) {
    let pbx = Pbx::start(version);
    let daemon = Daemon::start(&pbx.ami(), &[("asterisk", "keepalive = \"500ms\"")]);
    let id = daemon.call_ok("79990001001", "R1");
    daemon.wait_for(&id, "call.joined");
    thread::scope(|scope| {
        // It comes back once the call has ended or the command is taken back.
        scope.spawn(|| pbx.rx("core stop gracefully"));
        // Nobody has to call for it to be found.
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
fn asterisk_22_that_stops_gracefully_is_not_ready() {
    stops_gracefully("22");
}

#[test]
fn asterisk_16_that_stops_gracefully_is_not_ready() {
    stops_gracefully("16");
}

/// Its calls would be free a minute after their end only, and nobody would be seen answering.
fn may_not_read_calls(version: &'static str) {
    let pbx = Pbx::start(version);
    // The last of several lines counts.
    pbx.add_to("manager.conf", "[originatord](+)\nread = system,user");
    pbx.rx("manager reload");
    let daemon = Daemon::start_unready(&pbx.ami(), &[]);
    let lost = daemon.wait_for_event("ami.disconnected");
    assert!(lost["reason"].as_str().is_some_and(|reason| reason.contains("read = call")), "{lost}");
    let reply = daemon.get("/readyz");
    assert_eq!(reply.status, 503);
    assert!(reply.body.contains("read = call"), "{reply:?}");
    assert_eq!(connected(&daemon), 0);
    // Found as soon as it is corrected, without a restart.
    pbx.add_to("manager.conf", "[originatord](+)\nread = call,system,user");
    pbx.rx("manager reload");
    daemon.wait_ready();
    let id = daemon.call_ok("79990001001", "R1");
    daemon.delete(&format!("/api/calls/{id}"));
    daemon.wait_for(&id, "call.ended");
}

#[test]
fn user_of_asterisk_22_who_may_not_read_calls_is_found_at_login() {
    may_not_read_calls("22");
}

#[test]
fn user_of_asterisk_16_who_may_not_read_calls_is_found_at_login() {
    may_not_read_calls("16");
}

/// The answer to a hang-up comes in time, and waits in the socket of a daemon that is stopped until
/// it would be late.
#[test]
fn stopped_daemon_takes_no_waiting_answer_for_late() {
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
