//! The page's files: the page loads only the daemon's own, shows texts of peers as text, and passes
//! an accessibility check.

use std::path::Path;

use serde_json::json;

use super::{
    DESKTOP, ENTER, ESCAPE, PHONE, assert_accessible, log_in, open_detail, wait_no_row, wait_row,
};
use testkit::ami::FakeAsterisk;
use testkit::browser::Browser;
use testkit::daemon::KEY;
use testkit::http;
use testkit::sim::Simulator;

#[test]
fn texts_of_peers_are_shown_as_text() {
    const EVIL: &str = "<img src=x onerror=document.title='pwned'>";
    let (asterisk, daemon) = FakeAsterisk::with_daemon(&[]);
    let page = log_in(daemon.address, KEY, DESKTOP);
    let name = "'-alert(1)-' onclick=alert(1) javascript:alert(1) %3Cb%3E";
    let body = json!({ "api_key": KEY, "phone_number": "79990980001", "room_name": "constructor", "caller_id": name });
    let id =
        daemon.post(body.to_string().as_bytes()).header("x-call-id").expect("an id").to_owned();
    let leg = [("Uniqueid", &*id), ("Linkedid", &id)];
    asterisk.send(&[&[("Event", "ConfbridgeJoin"), ("Conference", EVIL)], &leg[..]].concat());
    wait_row(&page, "+79990980001", "constructor");
    open_detail(&page, "+79990980001");
    page.wait_text("#detail-properties", name);
    page.wait_text("#detail-properties", EVIL);
    page.wait_text("#journal", EVIL);
    asterisk
        .send(&[&[("Event", "Hangup"), ("Cause", "21"), ("Cause-txt", EVIL)], &leg[..]].concat());
    daemon.wait_for(&id, "call.ended");
    page.wait_text("#detail-properties", &format!("21 {EVIL}"));
    page.click("#detail-records li:last-child summary");
    page.wait_text("#detail-records li:last-child pre", EVIL);
    assert_eq!(page.count("img"), 0);
    let title = page.run("return document.title", json!([]));
    assert!(!title.as_str().expect("a title").contains("pwned"), "{title}");
    // Even if a text got into the page as HTML, the policy would not run its scripts.
    let script = "const done = arguments[0]; addEventListener('securitypolicyviolation', (e) => done(e.violatedDirective));\
                  const s = document.createElement('script'); s.textContent = 'document.title = \"pwned\"'; document.body.append(s)";
    assert_eq!(page.run_async(script), "script-src-elem");
}

#[test]
fn invisible_characters_are_shown_as_escapes() {
    // A bidi control, a zero-width space, a C1 control and a tag character.
    const CONFERENCE: &str = "room\u{202e}gpj";
    const CAUSE: &str = "no\u{200b}thing\u{9b}2J\u{e0041}";
    let (asterisk, daemon) = FakeAsterisk::with_daemon(&[]);
    let page = log_in(daemon.address, KEY, DESKTOP);
    let id = daemon.call_ok("79990980001", "R1");
    let leg = [("Uniqueid", &*id), ("Linkedid", &id)];
    asterisk.send(&[&[("Event", "ConfbridgeJoin"), ("Conference", CONFERENCE)], &leg[..]].concat());
    wait_row(&page, "+79990980001", "In the room");
    open_detail(&page, "+79990980001");
    page.wait_text("#detail-properties", r"room\u{202e}gpj");
    page.wait_text("#journal", r"room\u{202e}gpj");
    asterisk
        .send(&[&[("Event", "Hangup"), ("Cause", "21"), ("Cause-txt", CAUSE)], &leg[..]].concat());
    page.wait_text("#detail-properties", r"21 no\u{200b}thing\u{9b}2J\u{e0041}");
    page.click("#detail-records li:last-child summary");
    // A record is shown with JSON's escapes, so that a copy of it is valid JSON.
    page.wait_text("#detail-records li:last-child pre", r"no\u200bthing\u009b2J\udb40\udc41");
    let shown = page.run("return document.documentElement.outerHTML", json!([]));
    assert!(!shown.as_str().expect("HTML").contains(['\u{202e}', '\u{200b}', '\u{9b}']));
}

#[test]
fn axe_finds_nothing_serious() {
    let simulator = Simulator::start("22", "");
    let daemon = simulator.daemon(&[]);
    for scheme in ["light", "dark"] {
        for size in [DESKTOP, PHONE] {
            let page = Browser::start(size.0, size.1);
            page.prefer(scheme);
            page.open(&format!("http://{}/", daemon.address));
            page.wait_visible("#login-key");
            assert_accessible(&page, &format!("login, {scheme} {size:?}"));
            page.type_into("#login-key", KEY);
            page.press(ENTER);
            page.wait_text("#stream-status", "Live");
            assert_accessible(&page, &format!("without a call, {scheme} {size:?}"));
            let busy = daemon.call_ok("79990990486", "R1");
            daemon.wait_for(&busy, "call.ended");
            let id = daemon.call_ok("79990990001", "R1");
            wait_row(&page, "+79990990001", "In the room");
            assert_accessible(&page, &format!("calls, {scheme} {size:?}"));
            open_detail(&page, "+79990990001");
            page.wait_text("#detail-properties", &id);
            assert_accessible(&page, &format!("details, {scheme} {size:?}"));
            page.click("#detail-hang-up");
            page.wait_visible("#confirm");
            assert_accessible(&page, &format!("a confirmation, {scheme} {size:?}"));
            page.click("#confirm-yes");
            wait_no_row(&page, "+79990990001");
            let beyond =
                page.run("return document.documentElement.scrollHeight - innerHeight", json!([]));
            assert_eq!(beyond, 0, "the page itself scrolls, {scheme} {size:?}");
            if size == PHONE {
                page.press(ESCAPE);
                for tab in ["journal", "charts"] {
                    page.click(&format!("#tabs [value={tab}]"));
                    assert_accessible(&page, &format!("{tab}, {scheme}"));
                }
                // Nothing is wider than the screen.
                let width = page.run("return document.documentElement.scrollWidth", json!([]));
                assert_eq!(width, size.0);
            }
        }
    }
}

#[test]
fn page_loads_its_own_files_only() {
    let (_asterisk, daemon) = FakeAsterisk::with_daemon(&[]);
    let get = |path: &str| http::request(daemon.address, "GET", path, &[], b"");
    let page = get("/");
    assert_eq!((page.status, page.header("cache-control")), (200, Some("no-cache")));
    let policy = page.header("content-security-policy").expect("a policy");
    for directive in [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ] {
        assert!(policy.contains(directive), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
    let named = |text: &str, before: &str| -> Vec<String> {
        text.split(before)
            .skip(1)
            .filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()))
            .collect()
    };
    let mut paths: Vec<_> =
        named(&page.body, "=\"page/").into_iter().map(|name| format!("/page/{name}")).collect();
    let folder = paths[0].rsplit_once('/').expect("a folder").0.to_owned();
    let mut seen = 0;
    let named_by_page = paths.clone();
    while seen < paths.len() {
        let file = get(&paths[seen]);
        assert_eq!(
            (file.status, file.header("cache-control")),
            (200, Some("public, max-age=31536000, immutable")),
            "{}",
            paths[seen]
        );
        assert_eq!(file.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(file.header("content-security-policy"), Some(policy));
        for name in named(&file.body, "from \"./") {
            let path = format!("{folder}/{name}");
            assert!(named_by_page.contains(&path), "the page does not preload {path}");
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
        let foreign = file.body.replace("http://www.w3.org/2000/svg", "");
        assert!(!foreign.contains("http://") && !foreign.contains("https://"), "{}", paths[seen]);
        seen += 1;
    }
    // The page uses every file in the folder.
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/page/assets");
    let assets = std::fs::read_dir(assets).expect("a folder");
    let served =
        assets.filter(|entry| entry.as_ref().is_ok_and(|entry| entry.file_name() != "index.html"));
    assert_eq!(served.count(), paths.len());
    for missing in [
        &format!("{folder}/"),
        &format!("{folder}/mod.rs"),
        "/page/0000000000000000/main.js",
        "/page",
        "/index.html",
    ] {
        assert_eq!(get(missing).status, 404, "{missing}");
    }
    let post = http::request(daemon.address, "POST", "/", &[], b"");
    assert_eq!((post.status, post.header("allow")), (405, Some("GET, HEAD, OPTIONS")));
}
