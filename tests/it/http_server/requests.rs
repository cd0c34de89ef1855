//! Requests that are malformed, incomplete or pipelined, and clients that leave early.

use super::start;
use serde_json::json;
use testkit::ami::OnOriginate;
use testkit::http::{self, KeptAlive, post};

#[test]
fn malformed_request_is_refused() {
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
fn incomplete_body_is_answered_in_time() {
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
fn pipelined_requests_are_answered_in_order() {
    let (_asterisk, daemon) = start(OnOriginate::ResponseOnly, &[]);
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
fn client_that_stops_sending_is_answered() {
    // Without events, the daemon queries Asterisk after a pause. During the pause it sees that the
    // client has closed its sending half.
    let (_asterisk, daemon) = start(OnOriginate::ResponseOnly, &[]);
    let mut connection = KeptAlive::open(daemon.address);
    connection.send(&post("79990000001"));
    connection.close_write();
    assert_eq!(connection.reply().body, "{\"message\":\"ok\"}\n");
    assert_eq!(connection.wait_close(), "");
}

#[test]
fn call_continues_after_its_bot_disconnects() {
    let (asterisk, daemon) = start(OnOriginate::ResponseOnly, &[]);
    let mut connection = KeptAlive::open(daemon.address);
    connection.send(&post("79990000001"));
    asterisk.wait_for("Originate", 1);
    drop(connection);
    daemon.wait_for_event("call.queued");
    assert_eq!(daemon.call("79990000001", "R1").json()["text"], "call already in progress");
    assert_eq!(asterisk.actions("Originate").len(), 1);
}
