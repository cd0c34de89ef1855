//! Sessions of the operators' page: a key opens one, it has the key's rights, and only the page can
//! use it.

use std::io::{BufRead, BufReader, Write};

use serde_json::json;
use testkit::ami::{FakeAsterisk, OnOriginate};
use testkit::daemon::{Ami, Daemon, KEY};
use testkit::events::EventStream;
use testkit::http::{self, Reply, assert_error};
use testkit::tls::Ca;
use tokio_rustls::rustls::{ClientConnection, StreamOwned};

const DESK: &str = "[[api_keys]]\nname = \"desk\"\nkey = \"k3y-of-the-desk\"\nrole = \"watch\"";

/// The header that the page sends with each request.
const PAGE: (&str, &str) = ("X-Requested-With", "originatord");

fn ask(daemon: &Daemon, method: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
    http::request(daemon.address, method, path, headers, b"")
}

fn log_in_with(daemon: &Daemon, headers: &[(&str, &str)], key: &str) -> Reply {
    let headers = [&[("Content-Type", "application/json")], headers].concat();
    http::request(
        daemon.address,
        "POST",
        "/api/session",
        &headers,
        json!({ "key": key }).to_string().as_bytes(),
    )
}

/// Logs in; returns the cookie.
fn log_in(daemon: &Daemon, key: &str) -> String {
    let reply = log_in_with(daemon, &[PAGE], key);
    assert_eq!(reply.status, 200, "{reply:?}");
    let cookie = reply.header("set-cookie").expect("a cookie");
    cookie.split(';').next().expect("a name and value").to_owned()
}

#[test]
fn session_has_the_rights_of_its_key() {
    let (asterisk, daemon) = FakeAsterisk::with_daemon(&[("key", DESK)]);
    let reply = log_in_with(&daemon, &[PAGE], KEY);
    let shown = json!({ "key": "tester", "role": "call", "instance": "originatord", "version": env!("CARGO_PKG_VERSION") });
    assert_eq!((reply.status, reply.json()), (200, shown.clone()));
    let cookie = reply.header("set-cookie").expect("a cookie").to_owned();
    let (pair, attributes) = cookie.split_once("; ").expect("attributes");
    assert_eq!(attributes, "Path=/; Max-Age=43200; HttpOnly; SameSite=Strict");
    let token = pair.split_once('=').expect("a value").1;
    assert!(token.len() == 43 && !daemon.output().contains(token), "{token}");
    assert_ne!(log_in(&daemon, KEY), pair);

    let with = [("Cookie", pair)];
    let id = daemon.call_ok("79990000001", "R1");
    let path = format!("/api/calls/{id}");
    for path in ["/api/calls", "/api/stats", &path] {
        assert_eq!(ask(&daemon, "GET", path, &with).status, 200, "{path}");
    }
    assert_eq!(ask(&daemon, "GET", "/api/session", &with).json(), shown);
    // The cookie is found among others, in one header or several.
    for others in [
        vec![("Cookie", format!("a=b; {pair}; c"))],
        vec![("Cookie", "a=b".into()), ("Cookie", pair.into())],
    ] {
        let others: Vec<_> = others.iter().map(|(name, value)| (*name, &**value)).collect();
        assert_eq!(ask(&daemon, "GET", "/api/session", &others).status, 200, "{others:?}");
    }
    // A key in the header has priority over the cookie, and a wrong key is refused.
    assert_error(
        &ask(&daemon, "GET", "/api/calls", &[with[0], ("X-Api-Key", "wrong")]),
        401,
        "a wrong key",
    );

    let stream = EventStream::with(daemon.address, &with);
    let other = EventStream::open(daemon.address);
    assert_eq!(ask(&daemon, "DELETE", &path, &[with[0], PAGE]).json(), json!({ "message": "ok" }));
    assert_eq!(asterisk.wait_for("Hangup", 1).get("Channel"), Some(&*id));

    let closed = ask(&daemon, "DELETE", "/api/session", &[with[0], PAGE]);
    let emptied = closed.header("set-cookie").expect("a cookie");
    assert!(closed.status == 200 && emptied.contains("=; Path=/; Max-Age=0;"), "{closed:?}");
    stream.wait_end();
    for path in ["/api/calls", "/api/session", "/api/stats", "/api/events", &path] {
        assert_error(&ask(&daemon, "GET", path, &with), 401, path);
    }
    // Streams of other sessions continue.
    daemon.call_ok("79990000002", "R1");
    other.wait_for("call.queued");
}

#[test]
fn only_our_page_opens_a_session() {
    let (_asterisk, daemon) = FakeAsterisk::with_daemon(&[]);
    for wrong in ["", "wrong", "K3Y-of-the-tests"] {
        let reply = log_in_with(&daemon, &[PAGE], wrong);
        assert_error(&reply, 401, wrong);
        // The page has its own login form, so the browser must not ask for a password.
        assert!(
            reply.header("www-authenticate").is_none() && reply.header("set-cookie").is_none(),
            "{reply:?}"
        );
    }
    let origin = format!("http://{}", daemon.address);
    for own in [vec![PAGE, ("Sec-Fetch-Site", "same-origin")], vec![PAGE, ("Origin", &origin)]] {
        assert_eq!(log_in_with(&daemon, &own, KEY).status, 200, "{own:?}");
    }
    for foreign in [
        vec![],
        vec![("Sec-Fetch-Site", "same-origin")],
        vec![PAGE, ("Sec-Fetch-Site", "cross-site")],
        vec![PAGE, ("Sec-Fetch-Site", "same-site")],
        vec![PAGE, ("Sec-Fetch-Site", "none")],
        vec![PAGE, ("Origin", "http://127.0.0.1")],
        vec![PAGE, ("Origin", "null")],
    ] {
        let reply = log_in_with(&daemon, &foreign, KEY);
        assert_error(&reply, 403, "foreign");
        assert!(reply.header("set-cookie").is_none(), "{foreign:?}");
    }
    for (kind, body) in
        [("text/plain", "{}"), ("application/x-www-form-urlencoded", "key=k3y-of-the-tests")]
    {
        let headers = [PAGE, ("Content-Type", kind)];
        let reply =
            http::request(daemon.address, "POST", "/api/session", &headers, body.as_bytes());
        assert_error(&reply, 415, kind);
    }
    for body in ["", "{}", "[]", r#"{"key":1}"#, r#"{"key":"x""#] {
        let headers = [PAGE, ("Content-Type", "application/json")];
        let reply =
            http::request(daemon.address, "POST", "/api/session", &headers, body.as_bytes());
        assert_error(&reply, 400, body);
    }
    let options = ask(&daemon, "OPTIONS", "/api/session", &[]);
    assert_eq!(options.header("allow"), Some("DELETE, GET, HEAD, OPTIONS, POST"));
    assert!(options.header("access-control-allow-origin").is_none());
}

#[test]
fn foreign_page_cannot_use_our_cookie() {
    let (asterisk, daemon) = FakeAsterisk::with_daemon(&[]);
    let cookie = log_in(&daemon, KEY);
    let path = format!("/api/calls/{}", daemon.call_ok("79990000001", "R1"));
    let with = ("Cookie", &*cookie);
    for foreign in [
        vec![with],
        vec![with, ("Sec-Fetch-Site", "same-origin")],
        vec![with, PAGE, ("Sec-Fetch-Site", "cross-site")],
        vec![with, PAGE, ("Origin", "https://elsewhere.example")],
    ] {
        assert_error(&ask(&daemon, "DELETE", &path, &foreign), 403, "a call");
        assert_error(&ask(&daemon, "DELETE", "/api/session", &foreign), 403, "the session");
    }
    assert_eq!(asterisk.actions("Hangup").len(), 0);
    assert_eq!(ask(&daemon, "GET", "/api/session", &[with]).status, 200);
}

#[test]
fn session_of_a_watch_key_only_reads() {
    let (asterisk, daemon) = FakeAsterisk::with_daemon(&[("key", DESK)]);
    let cookie = log_in(&daemon, "k3y-of-the-desk");
    let with = ("Cookie", &*cookie);
    assert_eq!(ask(&daemon, "GET", "/api/session", &[with]).json()["role"], "watch");
    let path = format!("/api/calls/{}", daemon.call_ok("79990000001", "R1"));
    assert_eq!(ask(&daemon, "GET", &path, &[with]).status, 200);
    assert_error(&ask(&daemon, "DELETE", &path, &[with, PAGE]), 403, "hang up");
    assert_eq!(asterisk.actions("Hangup").len(), 0);
}

#[test]
fn session_follows_changes_of_its_key() {
    let (_asterisk, daemon) = FakeAsterisk::with_daemon(&[("key", DESK)]);
    let (tester, desk) = (log_in(&daemon, KEY), log_in(&daemon, "k3y-of-the-desk"));
    let stream = EventStream::with(daemon.address, &[("Cookie", &desk)]);
    let kept = EventStream::with(daemon.address, &[("Cookie", &tester)]);
    let path = daemon.folder.path().join("config.toml");
    let config = std::fs::read_to_string(&path).expect("the configuration");
    // A changed key under the same name is another key. The other key's role changes to watch.
    let changed = config
        .replace("k3y-of-the-desk", "another-k3y-of-the-desk")
        .replace(&format!("key = \"{KEY}\""), &format!("key = \"{KEY}\"\nrole = \"watch\""));
    std::fs::write(&path, changed).expect("a written file");
    daemon.signal("-HUP");
    stream.wait_end();
    assert_error(&ask(&daemon, "GET", "/api/session", &[("Cookie", &desk)]), 401, "the old key's");
    assert_eq!(ask(&daemon, "GET", "/api/session", &[("Cookie", &tester)]).json()["role"], "watch");
    assert_error(
        &ask(&daemon, "DELETE", "/api/calls/x", &[("Cookie", &tester), PAGE]),
        403,
        "hang up",
    );
    assert!(!kept.names().contains(&"gap".to_owned()));
    // The old configuration does not bring the old session back.
    std::fs::write(&path, config).expect("a written file");
    daemon.signal("-HUP");
    testkit::eventually("the role is back", || {
        (ask(&daemon, "GET", "/api/session", &[("Cookie", &tester)]).json()["role"] == "call")
            .then_some(())
    });
    assert_error(&ask(&daemon, "GET", "/api/session", &[("Cookie", &desk)]), 401, "the old key's");
}

#[test]
fn cookie_over_https_is_secure() {
    let (_asterisk, plain) = FakeAsterisk::with_daemon(&[]);
    // Behind an HTTPS proxy, the browser's `Origin` header shows that the page uses HTTPS.
    let proxied = [PAGE, ("Sec-Fetch-Site", "same-origin"), ("Origin", "https://calls.example")];
    let cookie =
        log_in_with(&plain, &proxied, KEY).header("set-cookie").expect("a cookie").to_owned();
    assert!(cookie.ends_with("; Secure"), "{cookie}");

    let asterisk = FakeAsterisk::start(OnOriginate::Accept);
    let (ca, folder) = (Ca::generate(), tempfile::tempdir().expect("a folder"));
    let (certificate, key) = ca.pem("localhost");
    std::fs::write(folder.path().join("http.crt"), certificate).expect("a written file");
    std::fs::write(folder.path().join("http.key"), key).expect("a written file");
    let tls = "tls = { cert_file = \"http.crt\", key_file = \"http.key\" }";
    let ami = Ami { address: &asterisk.address.to_string(), secret: "secret" };
    let daemon = Daemon::start_in(folder, &ami, &[("http", tls)]);
    let config = originatord_net::tls::client_config(Some(&ca.file())).expect("a CA");
    let name = "localhost".try_into().expect("a name");
    let session = ClientConnection::new(config, name).expect("a client");
    let mut stream = StreamOwned::new(session, http::connect(daemon.address));
    let body = json!({ "key": KEY }).to_string();
    let head = "POST /api/session HTTP/1.1\r\nHost: x\r\nX-Requested-With: x\r\nContent-Type: application/json\r\n";
    write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).expect("a sent request");
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let cookie = lines.find(|line| line.starts_with("set-cookie:")).expect("a cookie");
    assert!(cookie.ends_with("SameSite=Strict; Secure"), "{cookie}");
}
