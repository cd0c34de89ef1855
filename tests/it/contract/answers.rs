//! The bot's answer, depending on the link and on Asterisk's reaction to the call.

use super::{assert_refused, fields, start};
use testkit::ami::{FakeAsterisk, OnOriginate};
use testkit::daemon::{Ami, Daemon};
use testkit::relay::Relay;

#[test]
fn refusals_have_a_fixed_order() {
    let watch = "[[api_keys]]\nname = \"eye\"\nkey = \"k3y-of-the-watcher\"\nrole = \"watch\"";
    let asterisk = FakeAsterisk::start(OnOriginate::Accept);
    let relay = Relay::start(&asterisk.address.to_string());
    let settings = [("key", watch), ("limits", "attempts_per_number = 1\ndeny = [\"7900\"]")];
    let daemon =
        Daemon::start(&Ami { address: &relay.address.to_string(), secret: "secret" }, &settings);
    let watcher = |number: &str| {
        let mut body = fields(number);
        body["api_key"] = "k3y-of-the-watcher".into();
        daemon.post(body.to_string().as_bytes())
    };
    assert_refused(&watcher("12"), 400, "fields before the role");
    assert_refused(&watcher("79990000001"), 403, "the role");
    let live = daemon.call_ok("79990000001", "R1");
    let over = daemon.ended_call(&asterisk, "79990000002", "R1");
    assert_ne!(live, over);
    relay.cut();
    daemon.wait_for_event("ami.disconnected");
    assert_refused(&daemon.call("79000000001", "R1"), 403, "lists before calls, limits and link");
    assert_eq!(daemon.call("79990000001", "R1").json()["text"], "call already in progress");
    assert_refused(&daemon.call("79990000002", "R1"), 429, "limits before the link");
    for _ in 0..2 {
        // A call refused for the link is no attempt, so the limit does not count it.
        assert_refused(&daemon.call("79990000003", "R1"), 503, "the link");
    }
}

#[test]
fn call_without_link_is_refused_at_once() {
    let asterisk = FakeAsterisk::start(OnOriginate::Accept);
    let relay = Relay::start(&asterisk.address.to_string());
    let daemon = Daemon::start(&Ami { address: &relay.address.to_string(), secret: "secret" }, &[]);
    relay.cut();
    daemon.wait_for_event("ami.disconnected");
    assert_refused(&daemon.call("79990000001", "R1"), 503, "down");
    relay.restore();
    daemon.wait_ready();
    daemon.call_ok("79990000002", "R1");
    let asked = asterisk.actions("Originate");
    assert_eq!(
        (asked.len(), asked[0].get("Channel")),
        (1, Some("Local/79990000002@telegram-out/n"))
    );
}

#[test]
fn refusal_of_asterisk_frees_the_number() {
    let (asterisk, daemon) = start(OnOriginate::Refuse);
    let reply = daemon.call("79990000001", "R1");
    assert_refused(&reply, 502, "refused");
    assert!(reply.body.contains("Extension does not exist."), "{reply:?}");
    asterisk.on_originate(OnOriginate::Accept);
    daemon.call_ok("79990000001", "R1");
}

#[test]
fn number_locked_by_another_daemon_is_in_progress() {
    let (_asterisk, daemon) = start(OnOriginate::LockedOut);
    let reply = daemon.call("79990000001", "R1");
    assert_eq!(
        (reply.status, reply.json()["text"].as_str()),
        (200, Some("call already in progress"))
    );
}

#[test]
fn call_without_events_is_confirmed_by_a_query() {
    let (_asterisk, daemon) = start(OnOriginate::ResponseOnly);
    let id = daemon.call_ok("79990000001", "R1");
    daemon.wait_for(&id, "call.queued");
}

#[test]
fn unconfirmed_originate_is_answered_and_not_repeated() {
    let (asterisk, daemon) = start(OnOriginate::Silence);
    let began = std::time::Instant::now();
    let reply = daemon.call("79990000001", "R1");
    assert_refused(&reply, 504, "silence");
    // The call's records have this id.
    let id = reply.header("x-call-id").expect("an id");
    assert_eq!(reply.header("location"), Some(&*format!("/api/calls/{id}")));
    daemon.wait_for(id, "call.requested");
    // Bots wait for two seconds. The machine may be slow, but the daemon does not answer before its
    // own timeout.
    assert!(began.elapsed() >= std::time::Duration::from_secs(1));
    let busy = daemon.call("79990000001", "R1");
    assert_eq!(busy.json()["text"], "call already in progress");
    assert_eq!(asterisk.actions("Originate").len(), 1);
}
