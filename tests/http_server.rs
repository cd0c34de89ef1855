//! The HTTP side as a server: what it does with clients that are slow, greedy or gone, who may ask it what, and
//! how it ends.

mod support;

use std::io::Write;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::ami::{FakeAsterisk, Manner, OnOriginate};
use support::daemon::{Ami, Daemon, KEY};
use support::events::EventStream;
use support::http::{self, KeptAlive, Reply};

/// An attempt to connect again that no test lives to see.
const NO_RECONNECT: (&str, &str) = ("asterisk", "backoff_min = \"1h\"\nbackoff_max = \"1h\"");

/// A drain that takes longer than any test waits.
const LONG_DRAIN: (&str, &str) = ("http", "drain_timeout = \"1h\"");

fn start(on_originate: OnOriginate, more: &[(&str, &str)]) -> (FakeAsterisk, Daemon) {
    let asterisk = FakeAsterisk::start(on_originate);
    let daemon = Daemon::start(&Ami { address: &asterisk.address.to_string(), secret: "secret" }, more);
    (asterisk, daemon)
}

/// A bot's request, to be sent on a connection that is kept alive.
fn post(number: &str) -> Vec<u8> {
    let body = json!({ "api_key": KEY, "phone_number": number, "room_name": "R1", "caller_id": "Bob" }).to_string();
    let head = "POST /api/conf HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn assert_error(reply: &Reply, status: u16, what: &str) {
    assert_eq!(reply.status, status, "{what}: {reply:?}");
    assert!(reply.json()["error"].is_string(), "{what}: {reply:?}");
    assert_eq!(reply.header("content-type"), Some("application/json"), "{what}");
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
            support::pause(Duration::from_millis(200));
        }
    });
    // A connection between two requests counts as silent too: it holds one of few places, and the original did
    // not keep connections at all. It is closed without a word that could pass for the next request's reply.
    let mut idle = KeptAlive::open(daemon.address);
    support::pause(Duration::from_secs(2));
    assert_eq!(idle.get("/healthz").status, 200);
    let last_used = Instant::now();
    for (what, connection) in [("silent", &mut silent), ("halfway", &mut halfway), ("trickling", &mut trickling)] {
        assert_eq!(connection.wait_close(), "", "{what}");
        assert!(began.elapsed() >= Duration::from_secs(9), "{what}: {:?}", began.elapsed());
    }
    assert_eq!(idle.wait_close(), "");
    assert!(last_used.elapsed() >= Duration::from_secs(9), "{:?}", last_used.elapsed());
}

#[test]
fn who_does_not_fit_waits_for_a_place() {
    let (_asterisk, daemon) = start(OnOriginate::Accept, &[("http", "max_connections = 2")]);
    let mut inside = [KeptAlive::open(daemon.address), KeptAlive::open(daemon.address)];
    for connection in &mut inside {
        assert_eq!(connection.get("/healthz").status, 200);
    }
    let mut outside = KeptAlive::open(daemon.address);
    outside.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(outside.is_silent_for(Duration::from_millis(500)), "a third connection is served");
    for connection in &mut inside {
        assert_eq!(connection.get("/healthz").status, 200);
    }
    let [first, _second] = inside;
    drop(first);
    assert_eq!(outside.reply().status, 200);
    drop(outside);
    assert_eq!(daemon.get("/healthz").status, 200);
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
    // Asterisk's receipt alone is believed only after a while, in which the closing is seen.
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
fn operators_show_a_key_in_a_header_and_nowhere_else() {
    let (_asterisk, daemon) = start(OnOriginate::Accept, &[]);
    let id = daemon.call_ok("79990000001", "R1");
    let one = format!("/api/calls/{id}");
    // base64 of "anybody:k3y-of-the-tests" and of "anybody:wrong"
    let (basic, wrong_basic) = ("Basic YW55Ym9keTprM3ktb2YtdGhlLXRlc3Rz", "Basic YW55Ym9keTp3cm9uZw==");
    let bearer = format!("Bearer {KEY}");
    let in_query = format!("?api_key={KEY}&key={KEY}&x-api-key={KEY}&access_token={KEY}");
    let right = [("Authorization", &bearer[..]), ("X-Api-Key", KEY), ("Authorization", basic)];
    let wrong = [
        vec![],
        vec![("Authorization", "Bearer wrong")],
        vec![("Authorization", wrong_basic)],
        vec![("Authorization", KEY)],
        vec![("Cookie", &bearer[..])],
        // A wrong key is wrong, whatever else is shown.
        vec![("X-Api-Key", "wrong"), ("Authorization", &bearer[..])],
    ];
    for (method, path) in [("GET", "/api/calls"), ("GET", &one), ("GET", "/api/events"), ("DELETE", &one)] {
        for headers in &wrong {
            for query in ["", &in_query] {
                let reply = http::request(daemon.address, method, &format!("{path}{query}"), headers, b"");
                assert_error(&reply, 401, path);
                let ways = reply.header("www-authenticate").unwrap_or_default();
                assert!(ways.contains("Bearer") && ways.contains("Basic realm="), "{reply:?}");
            }
        }
    }
    for header in right {
        for path in ["/api/calls", &one] {
            assert_eq!(http::request(daemon.address, "GET", path, &[header], b"").status, 200, "{header:?}");
        }
        EventStream::from(daemon.address, "", &[]);
    }
    assert!(!daemon.output().contains(KEY));
}

#[test]
fn calls_are_shown_newest_first_and_as_many_as_wanted() {
    let (asterisk, daemon) = start(OnOriginate::Accept, &[]);
    let ids = ["79990000001", "79990000002", "79990000003", "79990000004"].map(|number| {
        // Ids are sorted by their milliseconds.
        support::pause(Duration::from_millis(2));
        daemon.call_ok(number, "R1")
    });
    for id in &ids[..2] {
        asterisk.hang_up(id);
        daemon.wait_for(id, "call.ended");
    }
    let listed = |path: &str| {
        let list = daemon.get(path).json();
        let ids = |kind: &str| {
            let calls = list[kind].as_array().expect("a list").iter();
            calls.map(|call| call["call_id"].as_str().expect("an id").to_owned()).collect::<Vec<_>>()
        };
        (ids("live"), ids("ended"), list["live_total"].as_u64())
    };
    let [a, b, c, d] = ids.clone();
    let all = (vec![d.clone(), c.clone()], vec![b.clone(), a], Some(2));
    for path in ["/api/calls", "/api/calls?limit=1000", "/api/calls?limit=2", "/api/calls?x=1&limit=2"] {
        assert_eq!(listed(path), all, "{path}");
    }
    assert_eq!(listed("/api/calls?limit=1"), (vec![d], vec![b], Some(2)));
    for bad in ["0", "1001", "x", "-1", "", "1.0", "99999999999999999999"] {
        let reply = daemon.get(&format!("/api/calls?limit={bad}"));
        assert_error(&reply, 400, bad);
        assert!(reply.body.contains("limit"), "{reply:?}");
    }

    let live = daemon.get(&format!("/api/calls/{c}")).json();
    let shown = ["number", "room", "caller_id", "lang", "key"].map(|member| live[member].as_str().unwrap_or_default());
    assert_eq!(shown, ["+79990000003", "R1", "tests", "en", "tester"]);
    assert_eq!((&live["state"], &live["stale"], &live["ended"]), (&json!("queued"), &json!(false), &Value::Null));
    let ended = daemon.get(&format!("/api/calls/{}", ids[0])).json();
    assert_eq!((&ended["state"], &ended["outcome"]), (&json!("ended"), &json!("busy")));
    assert!(ended["ended"].is_string(), "{ended}");
}

#[test]
fn a_call_can_be_hung_up_once() {
    let (asterisk, daemon) = start(OnOriginate::Accept, &[NO_RECONNECT]);
    let id = daemon.call_ok("79990000001", "R1");
    let path = format!("/api/calls/{id}");
    let reply = daemon.delete(&path);
    assert_eq!((reply.status, &*reply.body), (200, "{\"message\":\"ok\"}\n"));
    assert_eq!(asterisk.wait_for("Hangup", 1).get("Channel"), Some(&*id));
    asterisk.hang_up(&id);
    assert_eq!(daemon.wait_for(&id, "call.ended")["hung_up_by"], "tester");
    assert_error(&daemon.delete(&path), 409, "ended");

    // It is well formed, and nobody's.
    let unknown = format!("{}{}", &id[..id.len() - 4], if id.ends_with("0000") { "1111" } else { "0000" });
    for nobody in [&unknown, "x", "od-", "..", "%2e", "1795000000.12", &id.to_uppercase()] {
        let path = format!("/api/calls/{nobody}");
        assert_error(&daemon.get(&path), 404, nobody);
        assert_error(&daemon.delete(&path), 404, nobody);
    }
    assert_eq!(asterisk.actions("Hangup").len(), 1);

    let id = daemon.call_ok("79990000002", "R1");
    asterisk.cut();
    daemon.wait_for_event("ami.disconnected");
    assert_error(&daemon.delete(&format!("/api/calls/{id}")), 503, "link down");
    // What is known is still shown, and that it may be outdated.
    assert_eq!(daemon.get(&format!("/api/calls/{id}")).json()["stale"], true);
}

#[test]
fn each_path_says_which_methods_it_takes() {
    let (_asterisk, daemon) = start(OnOriginate::Accept, &[]);
    let one = format!("/api/calls/{}", daemon.call_ok("79990000001", "R1"));
    let all = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
    let rows = [
        ("/api/calls", "GET, HEAD, OPTIONS"),
        (&one, "DELETE, GET, HEAD, OPTIONS"),
        ("/api/events", "GET, OPTIONS"),
        ("/healthz", "GET, HEAD, OPTIONS"),
        ("/readyz", "GET, HEAD, OPTIONS"),
    ];
    for (path, allowed) in rows {
        let ask = |method| http::request(daemon.address, method, path, &[("X-Api-Key", KEY)], b"");
        let options = ask("OPTIONS");
        assert_eq!((options.status, &*options.body, options.header("allow")), (200, "", Some(allowed)), "{path}");
        for method in all.into_iter().filter(|method| !allowed.contains(method)) {
            let reply = ask(method);
            assert_eq!((reply.status, reply.header("allow")), (405, Some(allowed)), "{method} {path}");
            assert!(method == "HEAD" || reply.json()["error"].is_string(), "{method} {path}: {reply:?}");
        }
        if allowed.contains("HEAD") {
            let (head, get) = (ask("HEAD"), ask("GET"));
            assert_eq!((head.status, &*head.body), (200, ""), "{path}");
            assert_eq!(head.header("content-length"), get.header("content-length"), "{path}");
        }
    }
}

#[test]
fn readiness_says_what_is_wrong_and_no_secret() {
    let asterisk = FakeAsterisk::start(OnOriginate::Accept);
    asterisk.behave(Manner::Distrustful);
    let secret = "s3cret-of-the-ami";
    let ami = Ami { address: &asterisk.address.to_string(), secret };
    for auth in ["md5", "plain"] {
        let more =
            [("asterisk", &*format!("auth = \"{auth}\"\nbackoff_max = \"200ms\"")), ("log", "filter = \"debug\"")];
        let daemon = Daemon::start_unready(&ami, &more);
        let refused = daemon.wait_for_event("ami.disconnected");
        let reply = daemon.get("/readyz");
        assert_error(&reply, 503, auth);
        assert!(reply.body.contains("Authentication failed"), "{auth}: {reply:?}");
        assert!(refused["reason"].as_str().is_some_and(|reason| reason.contains("Authentication failed")), "{refused}");
        // It lives, and is not to be started anew for this.
        assert_eq!(daemon.get("/healthz").status, 200);
        assert_error(&daemon.call("79990000001", "R1"), 503, auth);
        asterisk.behave(Manner::Kind);
        daemon.wait_ready();
        assert_eq!(daemon.get("/readyz").json()["status"], "ok");
        asterisk.behave(Manner::Distrustful);
        for hidden in [secret, KEY] {
            assert!(!daemon.output().contains(hidden) && !reply.body.contains(hidden), "{auth}");
        }
    }
    // The stand-in was told it, so that it was there to be kept.
    assert_eq!(asterisk.actions("Login").last().and_then(|login| login.get("Secret")), Some(secret));
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
        support::eventually("it is no longer ready", || (comes.get("/readyz").status == 503).then_some(()));
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
fn a_stop_waits_for_nobody_who_has_nothing_to_wait_for() {
    let (_asterisk, mut daemon) = start(OnOriginate::Accept, &[LONG_DRAIN]);
    let streams = [(); 3].map(|()| EventStream::open(daemon.address));
    let mut idle = KeptAlive::open(daemon.address);
    assert_eq!(idle.get("/healthz").status, 200);
    let mut silent = KeptAlive::open(daemon.address);
    daemon.signal("-TERM");
    assert_eq!(daemon.wait_exit(), Some(0));
    assert!(!daemon.output().contains("connections were cut"), "{}", daemon.output());
    for connection in [&mut idle, &mut silent] {
        assert_eq!(connection.wait_close(), "");
    }
    for stream in streams {
        assert_eq!(stream.wait_end().last().map(|event| &*event.name), Some("daemon.stopping"));
    }
    support::eventually("the last record on stdout", || {
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
    support::eventually("it says so", || daemon.output().contains("told to stop again").then_some(()));
}

#[test]
fn a_stop_needs_no_asterisk() {
    // One that accepts connections and says nothing.
    let mute = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let ami = Ami { address: &mute.local_addr().expect("an address").to_string(), secret: "secret" };
    let mut daemon = Daemon::start_unready(&ami, &[LONG_DRAIN, ("asterisk", "connect_timeout = \"1h\"")]);
    let (_connected, _) = mute.accept().expect("it connects");
    assert_error(&daemon.get("/readyz"), 503, "mute");
    daemon.signal("-TERM");
    assert_eq!(daemon.wait_exit(), Some(0));
}
