//! How the daemon stops: which requests it answers, and how long it waits.

use super::start;
use testkit::ami::OnOriginate;
use testkit::daemon::{Ami, Daemon, KEY};
use testkit::events::EventStream;
use testkit::http::{KeptAlive, assert_error, post};

/// A drain timeout longer than any test waits.
const LONG_DRAIN: (&str, &str) = ("http", "drain_timeout = \"1h\"");

#[test]
fn stop_answers_pending_requests_and_refuses_new_ones() {
    for signal in ["TERM", "INT"] {
        // The long reply timeout is for slow machines.
        let more = [LONG_DRAIN, ("http", "reply_timeout = \"1900ms\"")];
        let (asterisk, mut daemon) = start(OnOriginate::Silence, &more);
        let (address, events) = (daemon.address, EventStream::open(daemon.address));
        let mut waiting = ["79990000001", "79990000002"].map(|number| {
            let mut connection = KeptAlive::open(address);
            connection.send(&post(number));
            connection
        });
        asterisk.wait_for("Originate", 2);
        let mut newcomer = KeptAlive::open(address);
        assert_eq!(newcomer.get("/readyz").status, 200);

        daemon.signal(&format!("-{signal}"));
        assert_eq!(daemon.wait_for_event("daemon.stopping")["reason"], format!("SIG{signal}"));
        testkit::eventually("the daemon is no longer ready", || {
            (newcomer.get("/readyz").status == 503).then_some(())
        });
        newcomer.send(&post("79990000003"));
        let refused = newcomer.reply();
        assert_error(&refused, 503, signal);
        for connection in &mut waiting {
            assert_error(&connection.reply(), 504, signal);
            assert_eq!(connection.wait_close(), "");
        }
        assert_eq!(daemon.wait_exit(), Some(0), "{signal}");
        assert_eq!(asterisk.actions("Originate").len(), 2);
        asterisk.wait_for("Logoff", 1);
        // The journal ends with the refused call.
        let names: Vec<_> = events.wait_end().into_iter().map(|event| event.name).collect();
        assert_eq!(names[names.len() - 3..], ["daemon.stopping", "call.requested", "call.refused"]);
    }
}

#[test]
fn stop_waits_for_a_pending_hang_up() {
    let (asterisk, mut daemon) =
        start(OnOriginate::Accept, &[LONG_DRAIN, ("asterisk", "action_timeout = \"1h\"")]);
    let id = daemon.call_ok("79990000001", "R1");
    asterisk.ignore_hang_ups();
    let mut waiting = KeptAlive::open(daemon.address);
    waiting.send(
        format!("DELETE /api/calls/{id} HTTP/1.1\r\nHost: x\r\nX-Api-Key: {KEY}\r\n\r\n")
            .as_bytes(),
    );
    let asked = asterisk.wait_for("Hangup", 1);
    daemon.signal("-TERM");
    testkit::eventually("the daemon is no longer ready", || {
        (daemon.get("/readyz").status == 503).then_some(())
    });
    asterisk.send(&[("Response", "Success"), ("ActionID", asked.get("ActionID").expect("an id"))]);
    assert_eq!(waiting.reply().body, "{\"message\":\"ok\"}\n");
    assert_eq!(daemon.wait_exit(), Some(0));
}

#[test]
fn stop_cuts_off_answers_at_its_deadline() {
    let more = [("http", "drain_timeout = \"200ms\""), ("asterisk", "action_timeout = \"1h\"")];
    let (asterisk, mut daemon) = start(OnOriginate::Accept, &more);
    let id = daemon.call_ok("79990000001", "R1");
    let events = EventStream::open(daemon.address);
    asterisk.ignore_hang_ups();
    let mut waiting = KeptAlive::open(daemon.address);
    waiting.send(
        format!("DELETE /api/calls/{id} HTTP/1.1\r\nHost: x\r\nX-Api-Key: {KEY}\r\n\r\n")
            .as_bytes(),
    );
    asterisk.wait_for("Hangup", 1);
    daemon.signal("-TERM");
    assert_eq!(daemon.wait_exit(), Some(0));
    assert_error(&waiting.reply(), 503, "the drain timeout has passed");
    assert_eq!(waiting.wait_close(), "");
    assert_eq!(events.wait_end().last().map(|event| &*event.name), Some("daemon.stopping"));
}

#[test]
fn stop_does_not_wait_for_idle_connections() {
    let (_asterisk, mut daemon) = start(OnOriginate::Accept, &[LONG_DRAIN]);
    let streams = [(); 3].map(|()| EventStream::open(daemon.address));
    let mut idle = KeptAlive::open(daemon.address);
    assert_eq!(idle.get("/healthz").status, 200);
    let mut bot = KeptAlive::open(daemon.address);
    bot.send(&post("79990000001"));
    assert_eq!(bot.reply().status, 200);
    let mut silent = KeptAlive::open(daemon.address);
    daemon.signal("-TERM");
    assert_eq!(daemon.wait_exit(), Some(0));
    assert!(!daemon.output().contains("connections were cut"), "{}", daemon.output());
    for connection in [&mut idle, &mut bot, &mut silent] {
        assert_eq!(connection.wait_close(), "");
    }
    for stream in streams {
        assert_eq!(stream.wait_end().last().map(|event| &*event.name), Some("daemon.stopping"));
    }
    testkit::eventually("stdout has the last record", || {
        (daemon.records().last()?["event"] == "daemon.stopping").then_some(())
    });
}

#[test]
fn second_signal_ends_the_daemon_at_once() {
    let more = [LONG_DRAIN, ("http", "reply_timeout = \"1900ms\"")];
    let (asterisk, mut daemon) = start(OnOriginate::Silence, &more);
    let mut waiting = KeptAlive::open(daemon.address);
    waiting.send(&post("79990000001"));
    asterisk.wait_for("Originate", 1);
    // Both signals are pending when the process resumes, however slow the machine is.
    for signal in ["-STOP", "-TERM", "-INT", "-CONT"] {
        daemon.signal(signal);
    }
    assert_eq!(daemon.wait_exit(), Some(0));
    assert_eq!(waiting.wait_close(), "");
    testkit::eventually("the daemon logs it", || {
        daemon.output().contains("second stop signal").then_some(())
    });
}

#[test]
fn stop_needs_no_asterisk() {
    // This server accepts connections and sends nothing.
    let mute = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let ami =
        Ami { address: &mute.local_addr().expect("an address").to_string(), secret: "secret" };
    let mut daemon =
        Daemon::start_unready(&ami, &[LONG_DRAIN, ("asterisk", "connect_timeout = \"1h\"")]);
    let (_connected, _) = mute.accept().expect("a connection");
    assert_error(&daemon.get("/readyz"), 503, "a silent server");
    daemon.signal("-TERM");
    assert_eq!(daemon.wait_exit(), Some(0));
}
