//! Limits on calls and numbers, and settings that SIGHUP applies.

use std::io::Read;

use serde_json::json;
use testkit::ami::{FakeAsterisk, OnOriginate};
use testkit::daemon::{Ami, Daemon, KEY};
use testkit::{eventually, http};

#[test]
fn refusal_names_the_limit_and_retry_time() {
    let rows = [
        ("calls_alive = 2", "key", "calls_alive = 2 of key tester"),
        ("calls_per_second = 1", "key", "calls_per_second = 1 of key tester"),
        ("calls_alive = 1", "limits", "calls_alive = 1"),
        ("attempts_per_number = 1", "limits", "attempts_per_number = 1"),
    ];
    for (limit, section, text) in rows {
        let (asterisk, daemon) = FakeAsterisk::with_daemon(&[(section, limit)]);
        let mut numbers = 79_990_000_001_u64..;
        // On a slow machine the calls may spread over several seconds.
        let reply = eventually("the daemon refuses a call", || {
            let number =
                numbers.next().filter(|_| !limit.starts_with("attempts")).unwrap_or(79_990_000_001);
            let reply = daemon.call(&number.to_string(), "R1");
            if reply.status == 200 && limit.starts_with("attempts") {
                // The next attempt must not find the number in a call.
                hang_up(&asterisk, reply.header("x-call-id").expect("an id"), number);
                eventually("the number is free", || {
                    (daemon.get("/api/calls").json()["live_total"] == 0).then_some(())
                });
            }
            (reply.status != 200).then_some(reply)
        });
        assert_eq!(reply.status, 429, "{limit}: {reply:?}");
        let name = limit.split(' ').next().expect("a name");
        assert_eq!(
            (&reply.json()["limit"], &reply.json()["error"]),
            (&json!(name), &json!(format!("limit reached: {text}")))
        );
        let seconds: u64 =
            reply.header("retry-after").and_then(|seconds| seconds.parse().ok()).expect("seconds");
        assert_eq!(reply.json()["retry_after_seconds"], seconds);
        assert!((1..=60).contains(&seconds), "{seconds}");
        assert_eq!(daemon.wait_for_event("call.refused")["limit"], name);
    }
}

/// Ends a call, as Asterisk would.
fn hang_up(asterisk: &FakeAsterisk, call: &str, number: u64) {
    let lock = format!("od-lock-{number}");
    asterisk.send(&[("Event", "Hangup"), ("Uniqueid", &lock), ("Linkedid", call), ("Cause", "16")]);
    asterisk.send(&[("Event", "Hangup"), ("Uniqueid", call), ("Linkedid", call), ("Cause", "16")]);
}

#[test]
fn denied_number_is_refused_by_name() {
    let (asterisk, daemon) = FakeAsterisk::with_daemon(&[
        ("limits", "deny = [\"7900\"]"),
        ("key", "allow = [\"79\", \"375\"]"),
    ]);
    for number in ["79001234567", "+7 (900) 123-45-67", "18005551234", "78121234567"] {
        let reply = daemon.call(number, "R1");
        assert_eq!(reply.status, 403, "{number}: {reply:?}");
        assert!(reply.body.contains("\"error\":\"phone_number: "), "{reply:?}");
    }
    assert!(asterisk.actions("Originate").is_empty());
    daemon.call_ok("375291234567", "R1");
}

#[test]
fn burst_reaches_asterisk_at_the_configured_rate() {
    let (asterisk, daemon) = FakeAsterisk::with_daemon(&[("limits", "calls_per_second = 10")]);
    let began = std::time::Instant::now();
    let replies: Vec<_> = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..30)
            .map(|n| {
                scope.spawn({
                    let daemon = &daemon;
                    move || daemon.call(&format!("799900000{n:02}"), "R1")
                })
            })
            .collect();
        calls.into_iter().map(|call| call.join().expect("a reply")).collect()
    });
    let count = |status| replies.iter().filter(|reply| reply.status == status).count();
    assert_eq!(count(200) + count(429), 30, "{replies:?}");
    assert_eq!(asterisk.actions("Originate").len(), count(200), "a refused call is not sent");
    // At ten a second, the last of n calls is sent after (n - 1) / 10 s at the earliest.
    assert!(
        began.elapsed().as_millis() >= 100 * (count(200) as u128 - 1),
        "{:?} {}",
        began.elapsed(),
        count(200)
    );
    assert!(count(200) >= 10, "the burst was refused, not smoothed");
}

#[test]
fn sighup_applies_keys_and_limits_or_nothing() {
    let (_asterisk, daemon) = FakeAsterisk::with_daemon(&[]);
    let path = daemon.folder.path().join("config.toml");
    let old = std::fs::read_to_string(&path).expect("the configuration");
    let live = daemon.call_ok("79990000001", "R1");

    // An event stream that the old key has opened.
    let mut stream = http::connect(daemon.address);
    let head = format!(
        "GET /api/events?since=0 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Api-Key: {KEY}\r\n\r\n"
    );
    std::io::Write::write_all(&mut stream, head.as_bytes()).expect("a sent request");

    let reload = |text: &str, outcome: &str| {
        let before = daemon.output().matches(outcome).count();
        std::fs::write(&path, text).expect("a written file");
        daemon.signal("-HUP");
        eventually(outcome, || (daemon.output().matches(outcome).count() > before).then_some(()));
    };
    reload(&format!("{old}\nnonsense = 1\n[limits]\ndeny = [\"7\"]\n"), "not reloaded");
    assert!(daemon.output().contains("unknown key"), "the problem is not named");
    daemon.call_ok("79990000002", "R1");

    let new = old.replace(KEY, "an0ther-k3y").replace("[log]", "[limits]\ndeny = [\"78\"]\n[log]");
    reload(&new, "configuration reloaded");
    assert_eq!(daemon.call("79990000003", "R1").status, 401, "the old key is valid");
    let mut rest = String::new();
    stream.read_to_string(&mut rest).expect("the stream of the old key ends");
    assert!(rest.contains("event:call.queued"), "{rest}");
    let body = |number: &str| {
        json!({ "api_key": "an0ther-k3y", "phone_number": number, "room_name": "R1", "caller_id": "Bob" }).to_string()
    };
    assert_eq!(daemon.post(body("79990000003").as_bytes()).status, 200);
    assert_eq!(daemon.post(body("78120000003").as_bytes()).status, 403);
    assert_eq!(
        daemon.post(body("79990000001").as_bytes()).json()["text"],
        "call already in progress"
    );
    assert!(daemon.events(&live).iter().all(|event| event != "call.ended"), "a call was dropped");
    assert!(!daemon.output().contains("an0ther-k3y"), "a key is printed");

    reload(
        &new.replace("username = \"originatord\"", "username = \"other\""),
        "these settings need a restart: [[asterisk]]",
    );
}

#[test]
fn thousand_wrong_keys_do_not_fill_the_log() {
    let (asterisk, daemon) = FakeAsterisk::with_daemon(&[]);
    for n in 0..1000 {
        let body = json!({ "api_key": format!("guess-{n}"), "phone_number": "79990000001", "room_name": "R1", "caller_id": "B" });
        assert_eq!(daemon.post(body.to_string().as_bytes()).status, 401);
    }
    daemon.call_ok("79990000001", "R1");
    eventually("the guesses are logged", || daemon.output().contains("wrong key").then_some(()));
    // The daemon logs one line at once, then one every ten seconds.
    let lines = daemon.output().matches("wrong key").count();
    assert!(lines <= 10, "{lines} lines");
    assert_eq!(asterisk.actions("Originate").len(), 1);
}

#[test]
fn attempts_are_counted_over_a_restart() {
    let asterisk = FakeAsterisk::start(OnOriginate::Accept);
    let address = asterisk.address.to_string();
    let settings = [("limits", "attempts_per_number = 3"), ("journal", "file = \"calls.jsonl\"")];
    let daemon = Daemon::start(&Ami { address: &address, secret: "secret" }, &settings);
    let began = std::time::Instant::now();
    for _ in 0..2 {
        daemon.ended_call(&asterisk, "79990000001", "R1");
    }
    let path = daemon.folder.path().join("calls.jsonl");
    let ended =
        || std::fs::read_to_string(&path).unwrap_or_default().matches("call.ended").count() == 2;
    eventually("both calls are written", || ended().then_some(()));
    let daemon = daemon.crash_and_restart();
    daemon.ended_call(&asterisk, "79990000001", "R1");
    let reply = daemon.call("79990000001", "R1");
    // The window of a minute may pass on a very slow machine.
    assert!(reply.status == 429 || began.elapsed().as_secs() >= 60, "{reply:?}");
    daemon.call_ok("79990000002", "R1");
}
