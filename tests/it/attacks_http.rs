//! Requests that two parsers may read differently: no second request hides in the first one, no
//! call is made, and the next bot gets an answer.

use std::io::{Read, Write};

use serde_json::json;
use testkit::ami::FakeAsterisk;
use testkit::daemon::Daemon;
use testkit::http::{self, KeptAlive, assert_error, post};
use testkit::resources::{peak, reset_peak, resident};

const HEAD: &str = "POST /api/conf HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";

/// Sends these bytes; returns the status of each reply until the daemon closes the connection.
fn statuses(daemon: &Daemon, bytes: &[u8]) -> Vec<u16> {
    let mut stream = http::connect(daemon.address);
    // The daemon may close before it has read everything.
    let _ = stream.write_all(bytes);
    let mut raw = Vec::new();
    let _ = stream.read_to_end(&mut raw);
    let text = String::from_utf8_lossy(&raw);
    text.split("HTTP/1.1 ").skip(1).map(|reply| reply[..3].parse().expect("a status")).collect()
}

#[test]
fn no_request_hides_in_another() {
    let (asterisk, daemon) = FakeAsterisk::with_daemon(&[]);
    let hidden = String::from_utf8(post("79990000666")).expect("text");
    let (whole, chunk) = (hidden.len(), format!("{:x}\r\n{hidden}\r\n0\r\n\r\n", hidden.len()));
    // By one of its two headers, each of these ends before the hidden request. By the other, the
    // hidden request is part of the body.
    let both = [
        format!("Content-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", whole + 5),
        format!("Transfer-Encoding: chunked\r\nContent-Length: {}\r\n\r\n0\r\n\r\n", whole + 5),
        format!("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n{chunk}"),
        format!("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}"),
    ];
    for framing in both {
        // After the answer, the daemon reads nothing more from this connection.
        assert_eq!(
            statuses(&daemon, format!("{HEAD}{framing}{hidden}").as_bytes()),
            [400],
            "{framing}"
        );
    }
    let lengths = [
        "1\r\nContent-Length: 0",
        "0\r\nContent-Length: 1",
        "0, 1",
        "0, 0",
        "+0",
        "-0",
        "0x0",
        "0 0",
        "",
        "0;",
    ];
    let huge = ["18446744073709551616", "99999999999999999999999999"];
    for length in lengths.into_iter().chain(huge) {
        let request = format!("{HEAD}Content-Length: {length}\r\n\r\n{hidden}");
        assert_eq!(statuses(&daemon, request.as_bytes()), [400], "Content-Length: {length}");
    }
    let codings = [
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: chunkedd",
        "Transfer-Encoding: \u{b}chunked",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding\t: chunked",
        "Transfer-Encoding\u{0}: chunked",
        " Transfer-Encoding: chunked",
        "X: y\r\n Transfer-Encoding: chunked",
        "X: y\r\n\tchunked",
        "X: y\rTransfer-Encoding: chunked",
        "Transfer-Encoding:\r\n chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding",
        ": chunked",
    ];
    for coding in codings {
        let request = format!("{HEAD}Content-Length: 0\r\n{coding}\r\n\r\n{hidden}");
        assert_eq!(statuses(&daemon, request.as_bytes()), [400], "{coding:?}");
        let request = format!("{HEAD}{coding}\r\n\r\n{chunk}");
        assert_eq!(statuses(&daemon, request.as_bytes()), [400], "{coding:?}, chunked");
    }
    let old = HEAD.replace("HTTP/1.1", "HTTP/1.0");
    assert_eq!(
        statuses(&daemon, format!("{old}Transfer-Encoding: chunked\r\n\r\n{chunk}").as_bytes()),
        [400]
    );
    // A bare LF ends the lines of the head and the length alike.
    let bare = post("79990000001").into_iter().filter(|byte| *byte != b'\r').collect::<Vec<_>>();
    let mut connection = KeptAlive::open(daemon.address);
    connection.send(&bare);
    assert_eq!(connection.reply().status, 200);
    assert!(connection.get("/healthz").status == 200, "no bytes are left over");

    let called = asterisk.actions("Originate");
    assert!(
        called.iter().all(|action| action.get("OtherChannelId") == Some("od-lock-79990000001")),
        "{called:?}"
    );
    daemon.call_ok("79990000666", "R1");
}

#[test]
fn malformed_chunks_end_the_request() {
    let (asterisk, daemon) = FakeAsterisk::with_daemon(&[]);
    let hidden = String::from_utf8(post("79990000666")).expect("text");
    let (long, many) = ("x".repeat(64 * 1024), "A: b\r\n".repeat(10_000));
    let bodies = [
        "0x5\r\nhello\r\n0\r\n\r\n".into(),
        "-5\r\nhello\r\n0\r\n\r\n".into(),
        "+5\r\nhello\r\n0\r\n\r\n".into(),
        "5 5\r\nhello\r\n0\r\n\r\n".into(),
        "5\nhello\r\n0\r\n\r\n".into(),
        "5;a\nb\r\nhello\r\n0\r\n\r\n".into(),
        "5\r\nhello0\r\n\r\n".into(),
        "5\r\nhello!\r\n0\r\n\r\n".into(),
        "\r\nhello\r\n0\r\n\r\n".into(),
        "ffffffffffffffff1\r\nhello\r\n0\r\n\r\n".into(),
        "g\r\nhello\r\n0\r\n\r\n".into(),
        format!("5;{long}\r\nhello\r\n0\r\n\r\n"),
        format!("{long}\r\nhello\r\n0\r\n\r\n"),
        format!("0\r\n{many}\r\n"),
        format!("0\r\nX: {long}\r\n\r\n"),
        "5\r\nhello\r\n0\r\nX : y\r\n\r\n".into(),
    ];
    for body in bodies {
        let request = format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n{body}{hidden}");
        let what = &body[..body.len().min(40)];
        assert_eq!(statuses(&daemon, request.as_bytes()), [400], "{what:?}");
    }
    assert!(asterisk.actions("Originate").is_empty());
    daemon.call_ok("79990000666", "R1");
}

#[test]
fn other_protocols_are_disconnected() {
    let (asterisk, daemon) = FakeAsterisk::with_daemon(&[]);
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    assert_eq!(
        statuses(&daemon, &[&preface[..], &settings, &post("79990000001")].concat()),
        [0; 0]
    );
    let upgrade = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n";
    let request = format!("GET /healthz HTTP/1.1\r\nHost: x\r\n{upgrade}\r\n");
    let mut connection = KeptAlive::open(daemon.address);
    connection.send(request.as_bytes());
    assert_eq!(connection.reply().status, 200, "the daemon ignores the upgrade");
    assert_eq!(connection.get("/healthz").status, 200);
    let others = [
        "GET /healthz HTTP/1.2\r\n\r\n",
        "GET /healthz HTTP/0.9\r\n\r\n",
        "GET /healthz\r\n\r\n",
        "\u{16}\u{3}\u{1}",
    ];
    for other in others {
        let mut bytes = other.as_bytes().to_vec();
        bytes.extend(post("79990000001"));
        assert_eq!(statuses(&daemon, &bytes), [400], "{other:?}");
    }
    assert!(asterisk.actions("Originate").is_empty());
    daemon.call_ok("79990000001", "R1");
}

#[test]
fn any_target_with_any_method_is_answered() {
    let (asterisk, daemon) = FakeAsterisk::with_daemon(&[]);
    let methods =
        ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PRI", "BREW"];
    let targets = "/ // /% /%00 /%ff /.. /api/conf /api/conf? /api/conf#a /api/calls /api/calls/ /api/calls/%2e%2e \
                   /api/calls?limit= /api/calls?limit=%00 /api/calls/? /api/events /api/events?since= /healthz /readyz? \
                   * ? # : x x:1 x:99999999 [::1]:80 [::1 http://x http://x/api/conf http://x?a http:/// http:// mailto:x \
                   a@b @ \u{e9} /\u{e9} /\u{7f} \\ /{} /| /\" /<>";
    for target in targets.split(' ') {
        for method in methods {
            let request =
                format!("{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            let reply = http::exchange(daemon.address, request.as_bytes());
            assert!(
                [200, 400, 401, 404, 405, 415].contains(&reply.status),
                "{method} {target}: {reply:?}"
            );
        }
    }
    assert!(asterisk.actions("Originate").is_empty());
    daemon.call_ok("79990000001", "R1");
}

#[test]
fn half_closed_connection_ends_an_incomplete_request() {
    let (asterisk, daemon) = FakeAsterisk::with_daemon(&[]);
    let whole = String::from_utf8(post("79990000001")).expect("text");
    let head = whole.find("\r\n\r\n").expect("a head") + 4;
    for (cut, status) in
        [(0, None), (10, None), (head - 1, None), (head, Some(400)), (whole.len() - 1, Some(400))]
    {
        let mut connection = KeptAlive::open(daemon.address);
        connection.send(&whole.as_bytes()[..cut]);
        connection.close_write();
        if let Some(status) = status {
            assert_error(&connection.reply(), status, &whole[..cut]);
        }
        assert_eq!(connection.wait_close(), "", "after {cut} bytes");
    }
    assert!(asterisk.actions("Originate").is_empty());
}

#[test]
fn guessing_keys_takes_no_memory() {
    const ROUNDS: usize = 10;
    let (asterisk, daemon) = FakeAsterisk::with_daemon(&[]);
    let guess = |n: usize| {
        let body =
            json!({ "api_key": format!("{n:0>100}"), "phone_number": "79990000001", "room_name": "R1" }).to_string();
        format!("{HEAD}Content-Length: {}\r\n\r\n{body}", body.len())
    };
    let mut bot = KeptAlive::open(daemon.address);
    let mut guesser = KeptAlive::open(daemon.address);
    let mut peaks = Vec::new();
    for round in 0..ROUNDS {
        reset_peak(daemon.child.id());
        let before = resident(daemon.child.id());
        for batch in 0..10 {
            let guesses: String = (0..100).map(|n| guess((round * 10 + batch) * 100 + n)).collect();
            guesser.send(guesses.as_bytes());
            for _ in 0..100 {
                assert_error(&guesser.reply(), 401, "a guess");
            }
        }
        peaks.push(peak(daemon.child.id()).saturating_sub(before));
        bot.send(&post(&format!("7999000000{round}")));
        assert_eq!(bot.reply().status, 200);
    }
    println!("memory grew by {peaks:?} KiB in {ROUNDS} rounds of 1000 guesses each");
    assert!(peaks[1..].iter().sum::<u64>() < 4 * 1024, "{peaks:?}");
    assert_eq!(asterisk.actions("Originate").len(), ROUNDS);
    assert!(daemon.output().matches("wrong key").count() <= 10, "{}", daemon.output());
}
