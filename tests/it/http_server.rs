//! The HTTP side as a server: what it does with clients that are slow, greedy or gone, and how it
//! ends.

use std::io::Write;
use std::time::{Duration, Instant};

use serde_json::json;
use testkit::ami::{FakeAsterisk, OnOriginate};
use testkit::daemon::{Ami, Daemon, KEY};
use testkit::events::{self, EventStream};
use testkit::http::{self, KeptAlive, assert_error, post};

/// A drain that takes longer than any test waits.
const LONG_DRAIN: (&str, &str) = ("http", "drain_timeout = \"1h\"");

fn start(on_originate: OnOriginate, more: &[(&str, &str)]) -> (FakeAsterisk, Daemon) {
    let asterisk = FakeAsterisk::start(on_originate);
    let daemon =
        Daemon::start(&Ami { address: &asterisk.address.to_string(), secret: "secret" }, more);
    (asterisk, daemon)
}

#[test]
fn who_says_nothing_for_ten_seconds_is_hung_up_on() {
    let (_asterisk, daemon) = start(OnOriginate::Accept, &[]);
    let began = Instant::now();
    let mut silent = KeptAlive::open(daemon.address);
    let mut halfway = KeptAlive::open(daemon.address);
    halfway.send(b"GET /healthz HTTP/1.1\r\nHost");
    // A header that grows for ever is no headers at all.
    let mut trickling = KeptAlive::open(daemon.address);
    trickling.send(b"GET /healthz HTTP/1.1\r\nX: ");
    let mut trickle = trickling.stream();
    std::thread::spawn(move || {
        while trickle.write_all(b"x").is_ok() {
            testkit::pause(Duration::from_millis(200));
        }
    });
    // A connection between two requests counts as silent too: it holds one of few places, and the
    // original did not keep connections at all. It is closed without a word that could pass for the
    // next request's reply.
    let mut idle = KeptAlive::open(daemon.address);
    testkit::pause(Duration::from_secs(2));
    let told = idle.get("/healthz");
    assert_eq!((told.status, told.header("keep-alive")), (200, Some("timeout=5")));
    let last_used = Instant::now();
    for (what, connection) in
        [("silent", &mut silent), ("halfway", &mut halfway), ("trickling", &mut trickling)]
    {
        assert_eq!(connection.wait_close(), "", "{what}");
        assert!(began.elapsed() >= Duration::from_secs(9), "{what}: {:?}", began.elapsed());
    }
    assert_eq!(idle.wait_close(), "");
    assert!(last_used.elapsed() >= Duration::from_secs(9), "{:?}", last_used.elapsed());
}

#[test]
fn connection_with_a_key_outlives_those_without() {
    let (_asterisk, daemon) = start(OnOriginate::Accept, &[]);
    let mut bot = KeptAlive::open(daemon.address);
    bot.send(&post("79990000001"));
    let reply = bot.reply();
    assert_eq!((reply.status, reply.header("keep-alive")), (200, Some("timeout=75")));
    assert_eq!(reply.header("connection"), Some("keep-alive"));
    // A file of the page is given to anybody, and the browser shows its key.
    let mut page = KeptAlive::open(daemon.address);
    page.send(format!("GET / HTTP/1.1\r\nHost: x\r\nX-Api-Key: {KEY}\r\n\r\n").as_bytes());
    assert_eq!(page.reply().header("keep-alive"), Some("timeout=75"));
    let mut strangers = ["", "X-Api-Key: wrong\r\n"].map(|key| {
        let mut stranger = KeptAlive::open(daemon.address);
        stranger.send(format!("GET / HTTP/1.1\r\nHost: x\r\n{key}\r\n").as_bytes());
        assert_eq!(stranger.reply().header("keep-alive"), Some("timeout=5"));
        stranger
    });
    for stranger in &mut strangers {
        assert_eq!(stranger.wait_close(), "");
    }
    for connection in [&mut bot, &mut page] {
        assert_eq!(connection.get("/healthz").header("keep-alive"), Some("timeout=75"));
    }
}

#[test]
fn idle_connection_is_kept_longer_than_clients_are_told() {
    let (_asterisk, daemon) = start(OnOriginate::Accept, &[("http", "keep_alive = \"1s\"")]);
    let mut bot = KeptAlive::open(daemon.address);
    let sent = Instant::now();
    bot.send(&post("79990000001"));
    assert_eq!(bot.reply().header("keep-alive"), Some("timeout=1"));
    assert_eq!(bot.wait_close(), "");
    assert!(sent.elapsed() >= Duration::from_secs(6), "{:?}", sent.elapsed());
}

#[test]
fn connection_ends_when_the_client_wants_it_to() {
    let (_asterisk, daemon) = start(OnOriginate::Accept, &[]);
    for (version, connection, is_kept) in [
        ("1.1", "close", false),
        ("1.1", "TE", true),
        ("1.0", "TE", false),
        ("1.0", "Keep-Alive", true),
    ] {
        let mut client = KeptAlive::open(daemon.address);
        let head =
            format!("GET /api/stats HTTP/{version}\r\nHost: x\r\nConnection: {connection}\r\n");
        client.send(format!("{head}X-Api-Key: {KEY}\r\n\r\n").as_bytes());
        let reply = client.reply();
        let what = format!("{version} {connection}");
        assert_eq!(reply.header("keep-alive").is_some(), is_kept, "{what}: {reply:?}");
        if is_kept {
            assert_eq!(client.get("/healthz").status, 200, "{what}");
        } else {
            assert_eq!(client.wait_close(), "", "{what}");
        }
    }
}

#[test]
fn who_waits_longest_makes_room_for_who_comes() {
    let (_asterisk, daemon) = start(OnOriginate::Accept, &[("http", "max_connections = 2")]);
    let [mut first, mut second] = [(); 2].map(|()| KeptAlive::open(daemon.address));
    for connection in [&mut first, &mut second] {
        assert_eq!(connection.get("/healthz").status, 200);
    }
    // A key makes the first one's wait begin anew; so the second is the one to go.
    first.send(&post("79990000001"));
    assert_eq!(first.reply().status, 200);
    let mut third = KeptAlive::open(daemon.address);
    assert_eq!(third.get("/healthz").status, 200);
    assert_eq!(second.wait_close(), "");
    for connection in [&mut first, &mut third] {
        assert_eq!(connection.get("/healthz").status, 200);
    }
}

#[test]
fn who_is_served_makes_room_for_nobody() {
    // Two wait for Asterisk, and one reads events; nobody else is let in meanwhile.
    let (asterisk, daemon) = start(OnOriginate::Silence, &[("http", "max_connections = 3")]);
    let stream = EventStream::open(daemon.address);
    let mut waiting = ["79990000001", "79990000002"].map(|number| {
        let mut connection = KeptAlive::open(daemon.address);
        connection.send(&post(number));
        connection
    });
    asterisk.wait_for("Originate", 2);
    let mut outside: Vec<_> = (0..10).map(|_| KeptAlive::open(daemon.address)).collect();
    for connection in &mut outside {
        connection.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    for connection in &mut waiting {
        assert_error(&connection.reply(), 504, "who waited was answered");
    }
    assert_eq!(outside[0].reply().status, 200);
    assert_eq!(outside[9].reply().status, 200);
    daemon.signal("-TERM");
    assert_eq!(stream.wait_end().last().map(|event| &*event.name), Some("daemon.stopping"));
}

#[test]
fn event_streams_leave_places_to_the_bots() {
    for (connections, streams) in [(2, 1), (3, 1), (4, 2)] {
        let (_asterisk, daemon) =
            start(OnOriginate::Accept, &[("http", &format!("max_connections = {connections}"))]);
        let open = || open_stream(&daemon);
        let held: Vec<_> = (0..streams).map(|_| open()).collect();
        assert!(held.iter().all(|(_, status)| *status == 200));
        assert_eq!(open().1, 503);
        daemon.call_ok("79990000001", "R1");
    }
}

/// An event stream's connection, and the status of the reply.
fn open_stream(daemon: &Daemon) -> (KeptAlive, u16) {
    let mut stream = KeptAlive::open(daemon.address);
    stream.send(events::request("", &[]).as_bytes());
    let head = stream.reply();
    (stream, head.status)
}

#[test]
fn closed_stream_frees_its_slot_at_once() {
    let (_asterisk, daemon) = start(OnOriginate::Accept, &[("http", "max_connections = 2")]);
    // A silent stream gets a sign of life every 15 s; nothing else is written to it meanwhile.
    let began = Instant::now();
    for round in 0..20 {
        let stream = testkit::eventually("a slot is free", || {
            let (stream, status) = open_stream(&daemon);
            (status == 200).then_some(stream)
        });
        match round % 3 {
            // A closed half is the end of a stream's reader, as it is for nginx.
            0 => stream.close_write(),
            // Bytes behind the request do not hide the end.
            1 => _ = stream.stream().write_all(b"GET /healthz HTTP/1.1\r\n"),
            _ => {}
        }
        if round % 3 == 0 {
            let mut stream = stream;
            stream.wait_close();
        }
    }
    assert!(began.elapsed() < Duration::from_secs(100), "{:?}", began.elapsed());
}

#[test]
fn what_is_no_request_is_refused_and_hurts_nobody() {
    let (asterisk, daemon) = start(OnOriginate::Accept, &[]);
    let long = "x".repeat(20 * 1024);
    let many = "A: b\r\n".repeat(200);
    let rows = [
        (format!("GET /healthz HTTP/1.1\r\nX: {long}\r\n\r\n"), 431),
        (format!("GET /healthz HTTP/1.1\r\n{many}\r\n"), 431),
        (format!("GET /{long} HTTP/1.1\r\n\r\n"), 431),
        ("Action: Login\r\nUsername: x\r\n\r\n".into(), 400),
        ("GET /healthz HTTP/1.1\r\nX\0: y\r\n\r\n".into(), 400),
        ("POST /api/conf HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}".into(), 400),
        ("POST /api/conf HTTP/1.1\r\nContent-Length: -1\r\n\r\n{}".into(), 400),
    ];
    for (request, status) in rows {
        let what = &request[..request.len().min(60)];
        assert_eq!(http::exchange(daemon.address, request.as_bytes()).status, status, "{what:?}");
    }
    assert!(asterisk.actions("Originate").is_empty());
    daemon.call_ok("79990000001", "R1");
}

#[test]
fn who_announces_more_than_it_sends_is_answered_and_not_waited_for() {
    let (_asterisk, daemon) = start(OnOriginate::Accept, &[]);
    let announced = "Host: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n";
    let rows = [
        ("POST /api/conf", "", 408),
        ("POST /api/conf", "Expect: 100-continue\r\n", 408),
        ("GET /healthz", "", 200),
        ("POST /api/calls", "", 405),
        ("POST /unknown", "Expect: 100-continue\r\n", 404),
    ];
    for (request, more, status) in rows {
        let mut connection = KeptAlive::open(daemon.address);
        connection.send(format!("{request} HTTP/1.1\r\n{announced}{more}\r\n{{").as_bytes());
        let mut reply = connection.reply();
        if reply.status == 100 {
            reply = connection.reply();
        }
        assert_eq!(reply.status, status, "{request} {more}");
        assert_eq!(connection.wait_close(), "", "{request} {more}");
    }
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let (_asterisk, daemon) = start(OnOriginate::ReceiptOnly, &[]);
    let mut connection = KeptAlive::open(daemon.address);
    let health = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    let unknown = b"GET /unknown HTTP/1.1\r\nHost: x\r\n\r\n";
    connection.send(&[&post("79990000001")[..], health, &post("79990000001"), unknown].concat());
    let replies = [(); 4].map(|()| connection.reply());
    assert_eq!(replies.each_ref().map(|reply| reply.status), [200, 200, 200, 404]);
    let bodies = replies.each_ref().map(|reply| reply.json());
    assert_eq!((&bodies[0]["message"], &bodies[1]["status"]), (&json!("ok"), &json!("ok")));
    assert_eq!(bodies[2]["text"], "call already in progress");
}

#[test]
fn who_has_closed_its_half_is_still_answered() {
    // Without events, Asterisk is asked only after a while, in which the closing is seen.
    let (_asterisk, daemon) = start(OnOriginate::ReceiptOnly, &[]);
    let mut connection = KeptAlive::open(daemon.address);
    connection.send(&post("79990000001"));
    connection.close_write();
    assert_eq!(connection.reply().body, "{\"message\":\"ok\"}\n");
    assert_eq!(connection.wait_close(), "");
}

#[test]
fn a_call_outlives_the_bot_that_asked_for_it() {
    let (asterisk, daemon) = start(OnOriginate::ReceiptOnly, &[]);
    let mut connection = KeptAlive::open(daemon.address);
    connection.send(&post("79990000001"));
    asterisk.wait_for("Originate", 1);
    drop(connection);
    daemon.wait_for_event("call.queued");
    assert_eq!(daemon.call("79990000001", "R1").json()["text"], "call already in progress");
    assert_eq!(asterisk.actions("Originate").len(), 1);
}

#[test]
fn a_stop_answers_who_waits_and_refuses_who_comes() {
    for signal in ["TERM", "INT"] {
        // The longer Asterisk is waited for, the slower a machine may be that runs this.
        let more = [LONG_DRAIN, ("http", "reply_timeout = \"1900ms\"")];
        let (asterisk, mut daemon) = start(OnOriginate::Silence, &more);
        let (address, events) = (daemon.address, EventStream::open(daemon.address));
        let mut waiting = ["79990000001", "79990000002"].map(|number| {
            let mut connection = KeptAlive::open(address);
            connection.send(&post(number));
            connection
        });
        asterisk.wait_for("Originate", 2);
        let mut comes = KeptAlive::open(address);
        assert_eq!(comes.get("/readyz").status, 200);

        daemon.signal(&format!("-{signal}"));
        assert_eq!(daemon.wait_for_event("daemon.stopping")["reason"], format!("SIG{signal}"));
        testkit::eventually("it is no longer ready", || {
            (comes.get("/readyz").status == 503).then_some(())
        });
        comes.send(&post("79990000003"));
        let refused = comes.reply();
        assert_error(&refused, 503, signal);
        for connection in &mut waiting {
            assert_error(&connection.reply(), 504, signal);
            assert_eq!(connection.wait_close(), "");
        }
        assert_eq!(daemon.wait_exit(), Some(0), "{signal}");
        assert_eq!(asterisk.actions("Originate").len(), 2);
        asterisk.wait_for("Logoff", 1);
        // The log ends with what was refused.
        let names: Vec<_> = events.wait_end().into_iter().map(|event| event.name).collect();
        assert_eq!(names[names.len() - 3..], ["daemon.stopping", "call.requested", "call.refused"]);
    }
}

#[test]
fn a_stop_waits_for_the_answer_to_a_hang_up() {
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
    testkit::eventually("it is no longer ready", || {
        (daemon.get("/readyz").status == 503).then_some(())
    });
    asterisk.send(&[("Response", "Success"), ("ActionID", asked.get("ActionID").expect("an id"))]);
    assert_eq!(waiting.reply().body, "{\"message\":\"ok\"}\n");
    assert_eq!(daemon.wait_exit(), Some(0));
}

#[test]
fn a_stop_waits_for_no_answer_longer_than_its_deadline() {
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
    assert_error(&waiting.reply(), 503, "it took too long");
    assert_eq!(waiting.wait_close(), "");
    assert_eq!(events.wait_end().last().map(|event| &*event.name), Some("daemon.stopping"));
}

#[test]
fn a_stop_waits_for_nobody_who_has_nothing_to_wait_for() {
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
    testkit::eventually("the last record on stdout", || {
        (daemon.records().last()?["event"] == "daemon.stopping").then_some(())
    });
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let more = [LONG_DRAIN, ("http", "reply_timeout = \"1900ms\"")];
    let (asterisk, mut daemon) = start(OnOriginate::Silence, &more);
    let mut waiting = KeptAlive::open(daemon.address);
    waiting.send(&post("79990000001"));
    asterisk.wait_for("Originate", 1);
    // Both signals are there when it goes on, however slow this machine is.
    for signal in ["-STOP", "-TERM", "-INT", "-CONT"] {
        daemon.signal(signal);
    }
    assert_eq!(daemon.wait_exit(), Some(0));
    assert_eq!(waiting.wait_close(), "");
    testkit::eventually("it says so", || {
        daemon.output().contains("second stop signal").then_some(())
    });
}

#[test]
fn a_stop_needs_no_asterisk() {
    // One that accepts connections and says nothing.
    let mute = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let ami =
        Ami { address: &mute.local_addr().expect("an address").to_string(), secret: "secret" };
    let mut daemon =
        Daemon::start_unready(&ami, &[LONG_DRAIN, ("asterisk", "connect_timeout = \"1h\"")]);
    let (_connected, _) = mute.accept().expect("it connects");
    assert_error(&daemon.get("/readyz"), 503, "mute");
    daemon.signal("-TERM");
    assert_eq!(daemon.wait_exit(), Some(0));
}
