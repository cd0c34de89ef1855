//! The operators' endpoints: keys and roles, the list of calls, hanging up, readiness.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::ami::{FakeAsterisk, Manner, OnOriginate};
use testkit::daemon::{Ami, Daemon, KEY};
use testkit::events::EventStream;
use testkit::http::{self, assert_error};

/// A back-off longer than any test.
const NO_RECONNECT: (&str, &str) = ("asterisk", "backoff_min = \"1h\"\nbackoff_max = \"1h\"");

#[test]
fn key_is_accepted_in_a_header_only() {
    let (_asterisk, daemon) = FakeAsterisk::with_daemon(&[]);
    let id = daemon.call_ok("79990000001", "R1");
    let one = format!("/api/calls/{id}");
    // base64 of "anybody:k3y-of-the-tests" and of "anybody:wrong"
    let (basic, wrong_basic) =
        ("Basic YW55Ym9keTprM3ktb2YtdGhlLXRlc3Rz", "Basic YW55Ym9keTp3cm9uZw==");
    let bearer = format!("Bearer {KEY}");
    let in_query = format!("?api_key={KEY}&key={KEY}&x-api-key={KEY}&access_token={KEY}");
    let right = [("Authorization", &bearer[..]), ("X-Api-Key", KEY), ("Authorization", basic)];
    let wrong = [
        vec![],
        vec![("Authorization", "Bearer wrong")],
        vec![("Authorization", wrong_basic)],
        vec![("Authorization", KEY)],
        vec![("Cookie", &bearer[..])],
        // A wrong key is refused even beside a valid one.
        vec![("X-Api-Key", "wrong"), ("Authorization", &bearer[..])],
    ];
    for (method, path) in
        [("GET", "/api/calls"), ("GET", &one), ("GET", "/api/events"), ("DELETE", &one)]
    {
        for headers in &wrong {
            for query in ["", &in_query] {
                let reply =
                    http::request(daemon.address, method, &format!("{path}{query}"), headers, b"");
                assert_error(&reply, 401, path);
                let ways = reply.header("www-authenticate").unwrap_or_default();
                assert!(ways.contains("Bearer") && ways.contains("Basic realm="), "{reply:?}");
            }
        }
    }
    for header in right {
        for path in ["/api/calls", &one] {
            assert_eq!(
                http::request(daemon.address, "GET", path, &[header], b"").status,
                200,
                "{header:?}"
            );
        }
        EventStream::from(daemon.address, "", &[]);
    }
    assert!(!daemon.output().contains(KEY));
}

#[test]
fn watch_key_reads_and_cannot_write() {
    let desk = "[[api_keys]]\nname = \"desk\"\nkey = \"k3y-of-the-desk\"\nrole = \"watch\"";
    let (asterisk, daemon) = FakeAsterisk::with_daemon(&[("key", desk)]);
    let shown = [("X-Api-Key", "k3y-of-the-desk")];
    let body = r#"{"api_key":"k3y-of-the-desk","phone_number":"79990000002","room_name":"R1","caller_id":"Bob"}"#;
    let refused = daemon.post(body.as_bytes());
    assert_error(&refused, 403, "POST");
    // The fields are checked before the key's role.
    assert_error(&daemon.post(br#"{"api_key":"k3y-of-the-desk"}"#), 400, "POST");

    let id = daemon.call_ok("79990000001", "R1");
    let path = format!("/api/calls/{id}");
    let reply = http::request(daemon.address, "DELETE", &path, &shown, b"");
    assert_eq!((reply.status, &reply.body), (403, &refused.body));
    for path in [&path, "/api/calls"] {
        assert_eq!(http::request(daemon.address, "GET", path, &shown, b"").status, 200, "{path}");
    }
    assert_eq!((asterisk.actions("Originate").len(), asterisk.actions("Hangup").len()), (1, 0));
    assert!(!daemon.records().iter().any(|record| record["key"] == "desk"));
}

#[test]
fn list_is_newest_first_up_to_the_limit() {
    let (asterisk, daemon) = FakeAsterisk::with_daemon(&[]);
    let ids = ["79990000001", "79990000002", "79990000003", "79990000004"].map(|number| {
        // Ids are ordered by milliseconds.
        testkit::pause(Duration::from_millis(2));
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
            calls
                .map(|call| call["call_id"].as_str().expect("an id").to_owned())
                .collect::<Vec<_>>()
        };
        (ids("live"), ids("ended"), list["live_total"].as_u64())
    };
    let [a, b, c, d] = ids.clone();
    let all = (vec![d.clone(), c.clone()], vec![b.clone(), a], Some(2));
    let paths = [
        "/api/calls",
        "/api/calls?limit=1000",
        "/api/calls?limit=2",
        "/api/calls?key=tester&limit=2",
        "/api/calls?live=10000",
    ];
    for path in paths {
        assert_eq!(listed(path), all, "{path}");
    }
    assert_eq!(
        listed("/api/calls?limit=1&live=2"),
        (vec![d.clone(), c.clone()], vec![b.clone()], Some(2))
    );
    assert_eq!(listed("/api/calls?limit=0&live=2"), (vec![d.clone(), c.clone()], vec![], Some(2)));
    assert_eq!(listed("/api/calls?live=0&limit=1"), (vec![], vec![b.clone()], Some(2)));
    assert_eq!(listed("/api/calls?limit=1"), (vec![d], vec![b], Some(2)));
    for bad in ["1001", "x", "-1", "", "1.0", "99999999999999999999"] {
        let reply = daemon.get(&format!("/api/calls?limit={bad}"));
        assert_error(&reply, 400, bad);
        assert!(reply.body.contains("limit"), "{reply:?}");
    }

    let live = daemon.get(&format!("/api/calls/{c}")).json();
    let shown = ["number", "room", "caller_id", "lang", "key"]
        .map(|member| live[member].as_str().unwrap_or_default());
    assert_eq!(shown, ["+79990000003", "R1", "tests", "en", "tester"]);
    assert_eq!(
        (&live["state"], &live["stale"], &live["ended"]),
        (&json!("queued"), &json!(false), &Value::Null)
    );
    let ended = daemon.get(&format!("/api/calls/{}", ids[0])).json();
    assert_eq!((&ended["state"], &ended["outcome"]), (&json!("ended"), &json!("busy")));
    assert!(ended["ended"].is_string(), "{ended}");
}

#[test]
fn stream_continues_a_list_without_loss() {
    let (asterisk, daemon) = FakeAsterisk::with_daemon(&[]);
    let as_of = || daemon.get("/api/calls").json()["as_of"].as_str().expect("an id").to_owned();
    let before = as_of();
    let id = daemon.call_ok("79990000001", "R1");
    let (after, stream) =
        (as_of(), EventStream::from(daemon.address, &format!("?since={before}"), &[]));
    let read = stream.wait_len(2);
    assert_eq!(stream.names(), ["call.requested", "call.queued"]);
    assert_eq!(read[1].id.as_ref(), Some(&after));
    let rest = EventStream::from(daemon.address, &format!("?since={after}"), &[]);
    asterisk.hang_up(&id);
    assert_eq!(rest.wait_len(1)[0].name, "call.ended");
}

#[test]
fn stats_count_the_last_hours() {
    let (asterisk, daemon) = FakeAsterisk::with_daemon(&[NO_RECONNECT]);
    assert_error(&http::request(daemon.address, "GET", "/api/stats", &[], b""), 401, "stats");
    let id = daemon.call_ok("79990000001", "R1");
    assert_eq!(daemon.call("79990000001", "R1").json()["message"], "error");
    asterisk.hang_up(&id);
    daemon.wait_for(&id, "call.ended");
    // Sums all minutes, as the clock may reach the next one meanwhile.
    let stats = || daemon.get("/api/stats").json();
    let sum = |name: &str| -> u64 {
        stats()["minutes"]
            .as_array()
            .expect("minutes")
            .iter()
            .filter_map(|minute| minute.pointer(name)?.as_u64())
            .sum()
    };
    testkit::eventually("the end is counted", || (sum("/ended/busy") == 1).then_some(()));
    assert_eq!((sum("/requested"), sum("/refused")), (2, 1));
    assert_eq!(
        (&stats()["link"]["connected"], &stats()["link"]["asterisk"]),
        (&json!(true), &json!("main"))
    );
    asterisk.cut();
    let lost = daemon.wait_for_event("ami.disconnected");
    testkit::eventually("the stats show the lost link", || {
        (stats()["link"]["since"] == lost["time"]).then_some(())
    });
    assert_eq!(stats()["link"]["connected"], false);
}

#[test]
fn call_can_be_hung_up_once() {
    let (asterisk, daemon) = FakeAsterisk::with_daemon(&[NO_RECONNECT]);
    let id = daemon.call_ok("79990000001", "R1");
    let path = format!("/api/calls/{id}");
    let reply = daemon.delete(&path);
    assert_eq!((reply.status, &*reply.body), (200, "{\"message\":\"ok\"}\n"));
    assert_eq!(asterisk.wait_for("Hangup", 1).get("Channel"), Some(&*id));
    asterisk.hang_up(&id);
    assert_eq!(daemon.wait_for(&id, "call.ended")["hung_up_by"], "tester");
    assert_error(&daemon.delete(&path), 409, "ended");

    // The id is well formed but unknown.
    let unknown =
        format!("{}{}", &id[..id.len() - 4], if id.ends_with("0000") { "1111" } else { "0000" });
    for unknown in [&unknown, "x", "od-", "..", "%2e", "1795000000.12", &id.to_uppercase()] {
        let path = format!("/api/calls/{unknown}");
        assert_error(&daemon.get(&path), 404, unknown);
        assert_error(&daemon.delete(&path), 404, unknown);
    }
    assert_eq!(asterisk.actions("Hangup").len(), 1);

    let id = daemon.call_ok("79990000002", "R1");
    asterisk.cut();
    daemon.wait_for_event("ami.disconnected");
    assert_error(&daemon.delete(&format!("/api/calls/{id}")), 503, "link down");
    // Known calls are still listed, marked as possibly outdated.
    assert_eq!(daemon.get(&format!("/api/calls/{id}")).json()["stale"], true);
}

#[test]
fn each_path_names_its_methods() {
    let (_asterisk, daemon) = FakeAsterisk::with_daemon(&[]);
    let one = format!("/api/calls/{}", daemon.call_ok("79990000001", "R1"));
    let all = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
    let rows = [
        ("/api/calls", "GET, HEAD, OPTIONS"),
        (&one, "DELETE, GET, HEAD, OPTIONS"),
        ("/api/events", "GET, OPTIONS"),
        ("/api/stats", "GET, HEAD, OPTIONS"),
        ("/healthz", "GET, HEAD, OPTIONS"),
        ("/readyz", "GET, HEAD, OPTIONS"),
    ];
    for (path, allowed) in rows {
        let ask = |method| http::request(daemon.address, method, path, &[("X-Api-Key", KEY)], b"");
        let options = ask("OPTIONS");
        assert_eq!(
            (options.status, &*options.body, options.header("allow")),
            (200, "", Some(allowed)),
            "{path}"
        );
        for method in all.into_iter().filter(|method| !allowed.contains(method)) {
            let reply = ask(method);
            assert_eq!(
                (reply.status, reply.header("allow")),
                (405, Some(allowed)),
                "{method} {path}"
            );
            assert!(
                method == "HEAD" || reply.json()["error"].is_string(),
                "{method} {path}: {reply:?}"
            );
        }
        if allowed.contains("HEAD") {
            let (head, get) = (ask("HEAD"), ask("GET"));
            assert_eq!((head.status, &*head.body), (200, ""), "{path}");
            assert_eq!(head.header("content-length"), get.header("content-length"), "{path}");
        }
    }
}

#[test]
fn readiness_names_the_fault_without_secrets() {
    let asterisk = FakeAsterisk::start(OnOriginate::Accept);
    asterisk.behave(Manner::RejectLogin);
    let secret = "s3cret-of-the-ami";
    let ami = Ami { address: &asterisk.address.to_string(), secret };
    for auth in ["md5", "plain"] {
        let more = [
            ("asterisk", &*format!("auth = \"{auth}\"\nbackoff_max = \"200ms\"")),
            ("log", "filter = \"debug\""),
        ];
        let daemon = Daemon::start_unready(&ami, &more);
        let refused = daemon.wait_for_event("ami.disconnected");
        let reply = daemon.get("/readyz");
        assert_error(&reply, 503, auth);
        assert!(reply.body.contains("Authentication failed"), "{auth}: {reply:?}");
        assert!(
            refused["reason"]
                .as_str()
                .is_some_and(|reason| reason.contains("Authentication failed")),
            "{refused}"
        );
        // The daemon is alive, and a restart would not help.
        assert_eq!(daemon.get("/healthz").status, 200);
        assert_error(&daemon.call("79990000001", "R1"), 503, auth);
        asterisk.behave(Manner::Normal);
        daemon.wait_ready();
        assert_eq!(daemon.get("/readyz").json()["status"], "ok");
        asterisk.behave(Manner::RejectLogin);
        for hidden in [secret, KEY] {
            assert!(!daemon.output().contains(hidden) && !reply.body.contains(hidden), "{auth}");
        }
    }
    // The daemon sent the secret to Asterisk, so it could have leaked it.
    assert_eq!(
        asterisk.actions("Login").last().and_then(|login| login.get("Secret")),
        Some(secret)
    );
}
