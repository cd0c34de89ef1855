//! The values of a request: which are accepted, what Asterisk receives, and which are refused.

use super::{assert_refused, fields, start};
use serde_json::{Value, json};
use testkit::ami::{FakeAsterisk, OnOriginate};
use testkit::daemon::KEY;

/// A request with one field replaced.
fn with(field: &str, value: impl Into<Value>) -> Vec<u8> {
    let mut fields = fields("79990000000");
    fields[field] = value.into();
    fields.to_string().into_bytes()
}

#[test]
fn replies_equal_the_original_byte_for_byte() {
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
        // This number is a prefix of the last one. Only an equal number is in progress.
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
            // If the number is in a call, the reply names that call.
            assert_eq!(id.as_ref(), first.as_ref().filter(|_| expected == busy), "{body}");
            assert_eq!(reply.header("location"), None);
        }
    }
}

/// The original API accepts these values. Checks how the daemon changes them, and what Asterisk
/// receives.
#[test]
fn unsafe_characters_are_removed_from_values() {
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
fn national_form_matches_the_international_number() {
    let asterisk = FakeAsterisk::start(OnOriginate::Accept);
    let settings =
        [("limits", "deny = [\"7900\"]\n[numbers]\ncountry_code = \"7\"\nnational_prefix = \"8\"")];
    let daemon = asterisk.daemon(&settings);
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
fn hostile_values_are_refused_by_name() {
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
            // The daemon removes unsafe characters from a caller id, and an empty language means
            // the default.
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
