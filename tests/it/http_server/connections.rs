//! How long the daemon keeps a connection, and which one it closes to free a slot.

use std::io::Write;
use std::time::{Duration, Instant};

use super::start;
use testkit::ami::OnOriginate;
use testkit::daemon::{Daemon, KEY};
use testkit::events::{self, EventStream};
use testkit::http::{KeptAlive, assert_error, post};

#[test]
fn silent_connection_is_closed_after_ten_seconds() {
    let (_asterisk, daemon) = start(OnOriginate::Accept, &[]);
    let began = Instant::now();
    let mut silent = KeptAlive::open(daemon.address);
    let mut halfway = KeptAlive::open(daemon.address);
    halfway.send(b"GET /healthz HTTP/1.1\r\nHost");
    // This header has no end, so the request's head has none.
    let mut trickling = KeptAlive::open(daemon.address);
    trickling.send(b"GET /healthz HTTP/1.1\r\nX: ");
    let mut trickle = trickling.stream();
    std::thread::spawn(move || {
        while trickle.write_all(b"x").is_ok() {
            testkit::pause(Duration::from_millis(200));
        }
    });
    // A connection between two requests is silent, too, and occupies one of few slots. The daemon
    // closes it without sending bytes, which the client could take for the next reply.
    let mut idle = KeptAlive::open(daemon.address);
    testkit::pause(Duration::from_secs(2));
    let reply = idle.get("/healthz");
    assert_eq!((reply.status, reply.header("keep-alive")), (200, Some("timeout=5")));
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
    // A file of the page needs no key, but a browser sends the key with every request.
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
fn idle_connection_is_kept_longer_than_announced() {
    let (_asterisk, daemon) = start(OnOriginate::Accept, &[("http", "keep_alive = \"1s\"")]);
    let mut bot = KeptAlive::open(daemon.address);
    let sent = Instant::now();
    bot.send(&post("79990000001"));
    assert_eq!(bot.reply().header("keep-alive"), Some("timeout=1"));
    assert_eq!(bot.wait_close(), "");
    assert!(sent.elapsed() >= Duration::from_secs(6), "{:?}", sent.elapsed());
}

#[test]
fn client_can_ask_to_close_the_connection() {
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
fn longest_idle_connection_is_evicted() {
    let (_asterisk, daemon) = start(OnOriginate::Accept, &[("http", "max_connections = 2")]);
    let [mut first, mut second] = [(); 2].map(|()| KeptAlive::open(daemon.address));
    for connection in [&mut first, &mut second] {
        assert_eq!(connection.get("/healthz").status, 200);
    }
    // After a request with a key, the first connection is no longer the longest idle one. So the
    // daemon closes the second.
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
fn active_request_is_not_evicted() {
    // Two requests wait for Asterisk, and one connection reads events. They take all slots, so
    // other requests wait.
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
        assert_error(&connection.reply(), 504, "a waiting request");
    }
    assert_eq!(outside[0].reply().status, 200);
    assert_eq!(outside[9].reply().status, 200);
    daemon.signal("-TERM");
    assert_eq!(stream.wait_end().last().map(|event| &*event.name), Some("daemon.stopping"));
}

#[test]
fn event_streams_leave_slots_for_bots() {
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

/// Opens an event stream; returns the connection and the status.
fn open_stream(daemon: &Daemon) -> (KeptAlive, u16) {
    let mut stream = KeptAlive::open(daemon.address);
    stream.send(events::request("", &[]).as_bytes());
    let head = stream.reply();
    (stream, head.status)
}

#[test]
fn closed_stream_frees_its_slot_at_once() {
    let (_asterisk, daemon) = start(OnOriginate::Accept, &[("http", "max_connections = 2")]);
    // The daemon must notice a closed stream without writing to it: it writes a comment to a silent
    // stream only every 15 s.
    let began = Instant::now();
    for round in 0..20 {
        let stream = testkit::eventually("a slot is free", || {
            let (stream, status) = open_stream(&daemon);
            (status == 200).then_some(stream)
        });
        match round % 3 {
            // A client that closes its sending half ends the stream, as behind nginx.
            0 => stream.close_write(),
            // The daemon notices that a client has left even if it sent bytes after its request.
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
