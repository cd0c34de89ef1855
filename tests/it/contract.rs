//! The original API's contract, row by row and to the byte, over a real socket.

use std::io::Write;

use serde_json::{Value, json};
use testkit::ami::{FakeAsterisk, OnOriginate};
use testkit::daemon::{Ami, Daemon, KEY};
use testkit::http::{self, Reply};
use testkit::relay::Relay;

const JSON: (&str, &str) = ("Content-Type", "application/json");

fn start(on_originate: OnOriginate) -> (FakeAsterisk, Daemon) {
    let asterisk = FakeAsterisk::start(on_originate);
    let daemon =
        Daemon::start(&Ami { address: &asterisk.address.to_string(), secret: "secret" }, &[]);
    (asterisk, daemon)
}

fn fields(number: &str) -> Value {
    json!({ "api_key": KEY, "phone_number": number, "room_name": "R1", "caller_id": "Bob" })
}

/// `fields` with one of them replaced.
fn with(field: &str, value: impl Into<Value>) -> Vec<u8> {
    let mut fields = fields("79990000000");
    fields[field] = value.into();
    fields.to_string().into_bytes()
}

fn assert_refused(reply: &Reply, status: u16, what: &str) {
    assert_eq!(reply.status, status, "{what}: {reply:?}");
    assert!(reply.json().get("error").is_some_and(Value::is_string), "{what}: {reply:?}");
    assert_eq!(reply.header("content-type"), Some("application/json"), "{what}");
    assert!(reply.body.ends_with('\n'), "{what}: {reply:?}");
}

#[test]
fn replies_of_the_original_to_the_byte() {
    let (_asterisk, daemon) = start(OnOriginate::Accept);
    let missing =
        "{\"error\":\"Authentication required\",\"message\":\"Please specify api key\"}\n";
    let wrong = "{\"error\":\"Authentication failure\",\"message\":\"Wrong api key\"}\n";
    let incomplete = "{\"error\":\"not all parameters are specified\"}\n";
    let ok = "{\"message\":\"ok\"}\n";
    let busy = "{\"message\":\"error\",\"text\":\"call already in progress\"}\n";
    let without = |field: &str| {
        let mut fields = fields("79990000001");
        fields.as_object_mut().expect("an object").remove(field);
        fields.to_string()
    };
    let rows: Vec<(String, u16, &str)> = vec![
        (without("api_key"), 401, missing),
        ("{}".into(), 401, missing),
        ("[]".into(), 401, missing),
        ("[1, {\"api_key\": 1}]".into(), 401, missing),
        ("\"a string\"".into(), 401, missing),
        (json!({ "api_key": "wrong" }).to_string(), 401, wrong),
        (json!({ "api_key": KEY.to_owned() + "x" }).to_string(), 401, wrong),
        (json!({ "api_key": 1 }).to_string(), 401, wrong),
        (json!({ "api_key": null }).to_string(), 401, wrong),
        (without("phone_number"), 400, incomplete),
        (without("room_name"), 400, incomplete),
        (without("caller_id"), 400, incomplete),
        (fields("+79990000001").to_string(), 200, ok),
        (fields("79990000001").to_string(), 200, busy),
        (fields("+7 (999) 000-00-01").to_string(), 200, busy),
        (fields("0079990000001").to_string(), 200, busy),
        (fields("\u{202a}+7\u{a0}999\u{2011}000\u{2013}00/01\u{202c}\n").to_string(), 200, busy),
        // Only equal numbers collide: this one is a prefix of the last.
        (fields("7999000000").to_string(), 200, ok),
        (format!("\u{feff}{}", fields("79990000002")), 200, ok),
    ];
    let mut first = None;
    for (body, status, expected) in rows {
        let reply = daemon.post(body.as_bytes());
        assert_eq!((reply.status, &*reply.body), (status, expected), "{body}");
        assert_eq!(reply.header("content-type"), Some("application/json"));
        let id = reply.header("x-call-id").map(str::to_owned);
        assert_eq!(reply.body.contains("error"), expected != ok);
        if expected == ok {
            let id = id.expect("an id");
            assert_eq!(reply.header("location"), Some(&*format!("/api/calls/{id}")));
            first.get_or_insert(id);
        } else {
            // The call that has the number is named.
            assert_eq!(id.as_ref(), first.as_ref().filter(|_| expected == busy), "{body}");
            assert_eq!(reply.header("location"), None);
        }
    }
}

/// The values that the original takes, what becomes of them, and what Asterisk is told.
#[test]
fn what_can_be_made_safe_is_taken() {
    let (asterisk, daemon) = start(OnOriginate::Accept);
    let rows = [
        ("caller_id", json!("Tom & Jerry"), "caller_id", "Tom Jerry"),
        ("caller_id", json!("Иванов, Пётр"), "caller_id", "Иванов Пётр"),
        ("caller_id", json!("Пе\u{301}тр \u{202e}"), "caller_id", "Пе\u{301}тр"),
        ("caller_id", json!("я".repeat(300)), "caller_id", &"я".repeat(32)),
        ("caller_id", json!("<&>"), "caller_id", ""),
        ("caller_id", json!(""), "caller_id", ""),
        ("room_name", json!(" Room 1 "), "room", "Room 1"),
        ("room_name", json!("#5"), "room", "#5"),
        ("room_name", json!("+1"), "room", "+1"),
        ("room_name", json!("*"), "room", "*"),
        ("room_name", json!("Заи\u{306}ка"), "room", "Зайка"),
        ("lang", json!(""), "lang", "ru"),
        ("lang", json!(null), "lang", "ru"),
        ("lang", json!(" en "), "lang", "en"),
        ("phone_number", json!("(+7) 999/000.00-99"), "number", "+79990000099"),
        ("phone_number", json!("00\u{200b}7\u{2009}999\u{2212}0000098"), "number", "+79990000098"),
    ];
    for (n, (field, value, shown_as, shown)) in rows.into_iter().enumerate() {
        let mut body = fields(&format!("799900001{n:02}"));
        body[field] = value.clone();
        let reply = daemon.post(body.to_string().as_bytes());
        assert_eq!(
            (reply.status, &*reply.body),
            (200, "{\"message\":\"ok\"}\n"),
            "{field} = {value}"
        );
        let id = reply.header("x-call-id").expect("an id");
        assert_eq!(
            daemon.get(&format!("/api/calls/{id}")).json()[shown_as],
            shown,
            "{field} = {value}"
        );
        let sent = asterisk.wait_for("Originate", n + 1);
        match shown_as {
            "caller_id" if shown.is_empty() => assert_eq!(sent.get("CallerID"), None),
            "caller_id" => assert_eq!(sent.get("CallerID"), Some(&*format!("<{shown}>"))),
            "room" => assert_eq!(sent.get("Exten"), Some(shown)),
            _ => {}
        }
    }
}

#[test]
fn national_form_is_the_same_number_where_it_is_configured() {
    let asterisk = FakeAsterisk::start(OnOriginate::Accept);
    let settings =
        [("limits", "deny = [\"7900\"]\n[numbers]\ncountry_code = \"7\"\nnational_prefix = \"8\"")];
    let daemon =
        Daemon::start(&Ami { address: &asterisk.address.to_string(), secret: "secret" }, &settings);
    let id = daemon.call_ok("8 (999) 000-00-01", "R1");
    for same in ["79990000001", "+79990000001", "007 999 000 00 01", "89990000001"] {
        let busy = daemon.call(same, "R1");
        assert_eq!(
            (busy.json()["text"].as_str(), busy.header("x-call-id")),
            (Some("call already in progress"), Some(&*id))
        );
        let found = daemon
            .get(&format!("/api/calls?number={}", same.replace('+', "%2B").replace(' ', "%20")));
        assert_eq!(found.json()["live"][0]["call_id"], *id, "{same}");
    }
    for denied in ["89000000001", "0079000000001", "+79000000001"] {
        assert_refused(&daemon.call(denied, "R1"), 403, denied);
    }
    // Neither a short number nor a foreign one is in the national form.
    for (other, called) in
        [("8123", "8123"), ("+89990000001", "89990000001"), ("861012345678", "861012345678")]
    {
        let id = daemon.call_ok(other, "R1");
        assert_eq!(daemon.get(&format!("/api/calls/{id}")).json()["number"], format!("+{called}"));
    }
}

#[test]
fn order_of_the_refusals() {
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
    let over = daemon.call_over(&asterisk, "79990000002", "R1");
    assert_ne!(live, over);
    relay.cut();
    daemon.wait_for_event("ami.disconnected");
    assert_refused(&daemon.call("79000000001", "R1"), 403, "lists before all that follows");
    assert_eq!(daemon.call("79990000001", "R1").json()["text"], "call already in progress");
    assert_refused(&daemon.call("79990000002", "R1"), 429, "limits before the link");
    for _ in 0..2 {
        // Nothing was attempted, and so nothing is counted.
        assert_refused(&daemon.call("79990000003", "R1"), 503, "the link");
    }
}

#[test]
fn unknown_fields_are_ignored_and_lang_is_optional() {
    let (asterisk, daemon) = start(OnOriginate::Accept);
    let mut body = fields("79990000001");
    body["extra"] = json!({ "deep": [1, 2] });
    assert_eq!(daemon.post(body.to_string().as_bytes()).status, 200);
    let sent = asterisk.wait_for("Originate", 1);
    let value = |name| sent.get(name);
    assert_eq!(value("Channel"), Some("Local/79990000001@telegram-out/n"));
    assert_eq!(
        (value("Context"), value("Exten"), value("Priority")),
        (Some("conf-in"), Some("R1"), Some("1"))
    );
    assert_eq!((value("CallerID"), value("Async")), (Some("<Bob>"), Some("true")));
    assert_eq!(value("OtherChannelId"), Some("od-lock-79990000001"));
    assert_eq!(value("Variable"), Some("LANG=ru"));
}

#[test]
fn media_types_of_json_are_taken_and_no_others() {
    let (_asterisk, daemon) = start(OnOriginate::Accept);
    let post = |headers: &[(&str, &str)], number: u32| {
        let body = fields(&format!("7999000{number:04}")).to_string();
        http::request(daemon.address, "POST", "/api/conf", headers, body.as_bytes())
    };
    let taken = [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/vnd.api+json",
    ];
    for (number, media_type) in (0..).zip(taken) {
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
fn paths_and_methods() {
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
fn what_is_no_json_object_is_refused() {
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
fn hostile_values_are_refused_by_name_and_never_reach_asterisk() {
    let (asterisk, daemon) = start(OnOriginate::Accept);
    let long = "7".repeat(100);
    let strings = [
        "",
        "a\r\nAction: Command",
        "a\nb",
        "a\rb",
        "a\0b",
        "a,default_bridge,admin_user",
        "1@evil",
        "1&2",
        "1/n",
        "1;2",
        "a\tb",
        "a\u{9b}b",
        "a\u{2028}b",
        "${SHELL(id)}",
        "$[1+1]",
        "a|b",
        "a\"b",
        "a\\b",
        "<a>",
        &long,
    ];
    let others =
        [json!(79990000000u64), json!(1.5), json!(true), json!(null), json!([]), json!({ "a": 1 })];
    for field in ["phone_number", "room_name", "caller_id", "lang"] {
        let values = strings.iter().map(|value| json!(value)).chain(others.clone());
        for value in values {
            // A display name is made harmless, and no language is the default one.
            let is_harmless = match value.as_str() {
                Some(text) if field == "caller_id" => {
                    !text.contains(|c: char| c.is_control() || c == '\u{2028}')
                }
                Some(text) => field == "lang" && text.is_empty(),
                None => field == "lang" && value.is_null(),
            };
            if is_harmless {
                continue;
            }
            let reply = daemon.post(&with(field, value.clone()));
            assert_refused(&reply, 400, &format!("{field} = {value}"));
            assert!(reply.body.contains(field), "{value} in {field} is not named: {reply:?}");
        }
    }
    for special in ["a", "e", "h", "i", "o", "s", "t", "T", "fax", "talk", "failed"] {
        assert_refused(&daemon.post(&with("room_name", special)), 400, special);
    }
    assert_refused(
        &daemon.post(&with("lang", "ru,FILE(/tmp/pwned)=x")),
        400,
        "a dialplan function",
    );
    assert!(asterisk.actions("Originate").is_empty(), "{:?}", asterisk.actions("Originate"));
}

#[test]
fn bodies_have_a_limit_however_they_come() {
    let (asterisk, daemon) = start(OnOriginate::Accept);
    // A body of so many bytes.
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
fn asterisk_down_is_said_at_once_and_nothing_is_queued() {
    let asterisk = FakeAsterisk::start(OnOriginate::Accept);
    let relay = Relay::start(&asterisk.address.to_string());
    let daemon = Daemon::start(&Ami { address: &relay.address.to_string(), secret: "secret" }, &[]);
    relay.cut();
    daemon.wait_for_event("ami.disconnected");
    assert_refused(&daemon.call("79990000001", "R1"), 503, "down");
    relay.mend();
    daemon.wait_ready();
    daemon.call_ok("79990000002", "R1");
    let asked = asterisk.actions("Originate");
    assert_eq!(
        (asked.len(), asked[0].get("Channel")),
        (1, Some("Local/79990000002@telegram-out/n"))
    );
}

#[test]
fn refusals_of_asterisk_are_passed_on_and_the_number_is_free() {
    let (asterisk, daemon) = start(OnOriginate::Refuse);
    let reply = daemon.call("79990000001", "R1");
    assert_refused(&reply, 502, "refused");
    assert!(reply.body.contains("Extension does not exist."), "{reply:?}");
    asterisk.on_originate(OnOriginate::Accept);
    daemon.call_ok("79990000001", "R1");
}

#[test]
fn a_number_locked_by_another_daemon_is_in_progress() {
    let (_asterisk, daemon) = start(OnOriginate::LockedOut);
    let reply = daemon.call("79990000001", "R1");
    assert_eq!(
        (reply.status, reply.json()["text"].as_str()),
        (200, Some("call already in progress"))
    );
}

#[test]
fn without_events_asterisk_is_asked_whether_it_makes_the_call() {
    let (_asterisk, daemon) = start(OnOriginate::ReceiptOnly);
    let id = daemon.call_ok("79990000001", "R1");
    daemon.wait_for(&id, "call.queued");
}

#[test]
fn an_unknown_fate_is_said_in_time_and_never_sent_again() {
    let (asterisk, daemon) = start(OnOriginate::Silence);
    let began = std::time::Instant::now();
    let reply = daemon.call("79990000001", "R1");
    assert_refused(&reply, 504, "silence");
    // The log will tell, under this id.
    let id = reply.header("x-call-id").expect("an id");
    assert_eq!(reply.header("location"), Some(&*format!("/api/calls/{id}")));
    daemon.wait_for(id, "call.requested");
    // Bots wait for two seconds; the machine may be slow, but not slower than the timeout it was
    // told.
    assert!(began.elapsed() >= std::time::Duration::from_secs(1));
    let busy = daemon.call("79990000001", "R1");
    assert_eq!(busy.json()["text"], "call already in progress");
    assert_eq!(asterisk.actions("Originate").len(), 1);
}

#[test]
fn a_reply_leaves_even_if_the_request_does_not_arrive() {
    let (_asterisk, daemon) = start(OnOriginate::Accept);
    let head = "POST /api/conf HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n\
                Content-Length: 1000\r\n\r\n{";
    let mut stream = http::connect(daemon.address);
    stream.write_all(head.as_bytes()).expect("sends");
    let mut raw = Vec::new();
    std::io::Read::read_to_end(&mut stream, &mut raw).expect("is answered");
    let text = String::from_utf8_lossy(&raw);
    assert!(text.starts_with("HTTP/1.1 408") && text.contains("\"error\""), "{text}");
}
