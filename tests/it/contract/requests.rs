//! Media types, paths, methods and bodies.

use std::io::Write;

use super::{assert_refused, fields, start};
use testkit::ami::OnOriginate;
use testkit::http;

const JSON: (&str, &str) = ("Content-Type", "application/json");

#[test]
fn only_json_media_types_are_accepted() {
    let (_asterisk, daemon) = start(OnOriginate::Accept);
    let post = |headers: &[(&str, &str)], number: u32| {
        let body = fields(&format!("7999000{number:04}")).to_string();
        http::request(daemon.address, "POST", "/api/conf", headers, body.as_bytes())
    };
    let accepted = [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/vnd.api+json",
    ];
    for (number, media_type) in (0..).zip(accepted) {
        assert_eq!(post(&[("Content-Type", media_type)], number).status, 200, "{media_type}");
    }
    for media_type in
        ["text/json", "text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""]
    {
        assert_refused(&post(&[("Content-Type", media_type)], 99), 415, media_type);
    }
    assert_refused(&post(&[], 99), 415, "no content type");
}

#[test]
fn other_paths_and_methods_are_refused() {
    let (_asterisk, daemon) = start(OnOriginate::Accept);
    let ask = |method: &str, path: &str| http::request(daemon.address, method, path, &[JSON], b"");
    for method in ["GET", "PUT", "DELETE", "PATCH"] {
        let reply = ask(method, "/api/conf");
        assert_refused(&reply, 405, method);
        assert_eq!(reply.header("allow"), Some("OPTIONS, POST"));
    }
    let head = ask("HEAD", "/api/conf");
    assert_eq!((head.status, &*head.body, head.header("allow")), (405, "", Some("OPTIONS, POST")));
    let options = ask("OPTIONS", "/api/conf");
    assert_eq!(
        (options.status, &*options.body, options.header("allow")),
        (200, "", Some("OPTIONS, POST"))
    );
    for path in ["/api/conf/", "/api", "/api/confx", "/API/CONF", "//api/conf", "/api/conf/x"] {
        assert_refused(&ask("POST", path), 404, path);
        assert_refused(&ask("GET", path), 404, path);
    }
}

#[test]
fn other_json_than_objects_is_refused() {
    let (asterisk, daemon) = start(OnOriginate::Accept);
    let deep = "[".repeat(10_000);
    let bodies = [
        "",
        " ",
        "{",
        "nope",
        "null",
        "1",
        "true",
        "\"api_key\"",
        "[\"api_key\"]",
        "{\"a\":}",
        "{} {}",
        &deep,
    ];
    for body in bodies {
        assert_refused(&daemon.post(body.as_bytes()), 400, body);
    }
    assert_refused(&daemon.post(b"{\"api_key\":\"\xff\xfe\"}"), 400, "not UTF-8");
    assert_refused(&daemon.post(b"{\"api_key\":\"\\ud800\"}"), 400, "half a surrogate");
    assert!(asterisk.actions("Originate").is_empty());
}

#[test]
fn bodies_have_a_size_limit() {
    let (asterisk, daemon) = start(OnOriginate::Accept);
    // A body of exactly this length, in bytes.
    let of_length = |number: &str, length: usize| {
        let mut body = fields(number);
        body["padding"] = "".into();
        body["padding"] = "x".repeat(length - body.to_string().len()).into();
        body.to_string()
    };
    let large = of_length("79990000001", 16 * 1024 + 1);
    assert_refused(&daemon.post(large.as_bytes()), 413, "announced");
    let chunked = |body: &str| {
        let head = "POST /api/conf HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n\
                    Transfer-Encoding: chunked\r\n\r\n";
        let (a, b) = body.split_at(body.len() / 2);
        let bytes = format!("{head}{:x}\r\n{a}\r\n{:x}\r\n{b}\r\n0\r\n\r\n", a.len(), b.len());
        http::exchange(daemon.address, bytes.as_bytes())
    };
    assert_refused(&chunked(&large), 413, "chunked");
    assert!(asterisk.actions("Originate").is_empty());
    assert_eq!(daemon.post(of_length("79990000001", 16 * 1024).as_bytes()).status, 200);
    assert_eq!(chunked(&of_length("79990000002", 16 * 1024)).status, 200);
}

#[test]
fn incomplete_request_is_answered_with_408() {
    let (_asterisk, daemon) = start(OnOriginate::Accept);
    let head = "POST /api/conf HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n\
                Content-Length: 1000\r\n\r\n{";
    let mut stream = http::connect(daemon.address);
    stream.write_all(head.as_bytes()).expect("a sent request");
    let mut raw = Vec::new();
    std::io::Read::read_to_end(&mut stream, &mut raw).expect("a reply");
    let text = String::from_utf8_lossy(&raw);
    assert!(text.starts_with("HTTP/1.1 408") && text.contains("\"error\""), "{text}");
}
