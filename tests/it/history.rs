//! The history as operators see it: filters, pages, CSV, restarts, and disks that fail.

use serde_json::Value;
use testkit::ami::{FakeAsterisk, OnOriginate};
use testkit::daemon::{Ami, Daemon, KEY};
use testkit::eventually;
use testkit::http::{self, assert_error};
use testkit::resources::limit_file_size;

const HISTORY: &[(&str, &str)] = &[("history", "file = \"history.db\"")];

/// The ids of the ended calls of a page.
fn ids(page: &Value) -> Vec<&str> {
    page["ended"]
        .as_array()
        .expect("calls")
        .iter()
        .map(|call| call["call_id"].as_str().expect("an id"))
        .collect()
}

/// Runs the test with a database, and with the ring of the last calls. Both must give the same
/// result.
fn both(test: impl Fn(&FakeAsterisk, &Daemon)) {
    for settings in [HISTORY, &[]] {
        let (asterisk, daemon) = FakeAsterisk::with_daemon(settings);
        test(&asterisk, &daemon);
    }
}

#[test]
fn calls_are_found_by_their_properties() {
    both(|asterisk, daemon| {
        let a = daemon.ended_call(asterisk, "79990000001", "R1");
        let b = daemon.ended_call(asterisk, "79990000002", "КОМНАТА1");
        let live = daemon.call_ok("79990000003", "R1");
        let (time_of_a, time_of_b) = (
            daemon.get(&format!("/api/calls/{a}")).json()["requested"]
                .as_str()
                .expect("a time")
                .to_owned(),
            daemon.get(&format!("/api/calls/{b}")).json()["requested"]
                .as_str()
                .expect("a time")
                .to_owned(),
        );
        for (query, expected, lives) in [
            ("", vec![&*b, &*a], true),
            ("number=79990000001", vec![&*a], false),
            ("number=%2B7%20999-000-00-01", vec![&*a], false),
            ("number=79990000003", vec![], true),
            ("room=%D0%9A%D0%9E%D0%9C%D0%9D%D0%90%D0%A2%D0%901", vec![&*b], false),
            ("room=R1", vec![&*a], true),
            ("outcome=busy", vec![&*b, &*a], false),
            ("outcome=completed", vec![], false),
            ("key=tester&limit=1", vec![&*b], true),
            ("key=another", vec![], false),
            (&*format!("from={time_of_b}"), vec![&*b], true),
            (&*format!("to={time_of_b}"), vec![&*a], false),
            (&*format!("from={time_of_a}&to={time_of_b}&number=79990000002"), vec![], false),
        ] {
            let page = daemon.get(&format!("/api/calls?{query}")).json();
            assert_eq!(ids(&page), expected, "{query}");
            let shown =
                page["live"].as_array().expect("calls").iter().any(|call| call["call_id"] == *live);
            assert_eq!(shown, lives, "{query}: {page}");
        }
        for wrong in [
            "outcome=bsy",
            "number=x",
            "nubmer=7999",
            "from=today",
            "limit=1001",
            "cursor=1",
            "format=xml",
            "from=2026-11-26&to=2026-11-25",
        ] {
            assert_error(&daemon.get(&format!("/api/calls?{wrong}")), 400, wrong);
        }
    });
}

#[test]
fn times_are_accepted_in_several_forms() {
    both(|asterisk, daemon| {
        let id = daemon.ended_call(asterisk, "79990000001", "R1");
        let call = daemon.get(&format!("/api/calls/{id}")).json();
        let requested = call["requested"].as_str().expect("a time");
        let (day, clock) = requested.split_once('T').expect("a time");
        let clock = clock.trim_end_matches('Z');
        for query in [
            format!("from={day}&to={day}"),
            // A `+` in a query is a space.
            format!("from={day}T{clock}+00:00"),
            format!("from={day}T{clock}%2B00:00"),
        ] {
            assert_eq!(ids(&daemon.get(&format!("/api/calls?{query}")).json()), [&*id], "{query}");
        }
    });
}

#[test]
fn pages_are_consistent_while_calls_end() {
    both(|asterisk, daemon| {
        daemon.call_ok("79990000007", "R1");
        let calls: Vec<_> =
            (0..5).map(|n| daemon.ended_call(asterisk, &format!("7999000000{n}"), "R1")).collect();
        let first = daemon.get("/api/calls?limit=2").json();
        assert_eq!(ids(&first), [&*calls[4], &*calls[3]]);
        daemon.ended_call(asterisk, "79990000009", "R1");
        daemon.call_ok("79990000008", "R1");
        let mut cursor = first["next"].as_str().expect("a cursor").to_owned();
        let mut rest = Vec::new();
        loop {
            let page = daemon.get(&format!("/api/calls?limit=2&cursor={cursor}")).json();
            assert_eq!(page["live"].as_array().map(Vec::len), Some(0), "{page}");
            rest.extend(ids(&page).into_iter().map(str::to_owned));
            match page["next"].as_str() {
                Some(next) => cursor = next.to_owned(),
                None => break,
            }
        }
        assert_eq!(rest, [&*calls[2], &*calls[1], &*calls[0]]);
    });
}

#[test]
fn next_run_finds_the_written_calls() {
    let (asterisk, daemon) = FakeAsterisk::with_daemon(HISTORY);
    let id = daemon.ended_call(&asterisk, "79990000001", "КОМНАТА1");
    let path = format!("/api/calls/{id}");
    let before = daemon.get(&path).json();
    assert_eq!((&before["outcome"], &before["cause_text"]), (&"busy".into(), &"User busy".into()));
    let file = daemon.folder.path().join("history.db");
    eventually("the call is in the file", || written(&file, &id).then_some(()));
    let daemon = daemon.crash_and_restart();
    assert_eq!(daemon.get(&path).json(), before);
    assert_eq!(daemon.get("/api/calls").json()["ended"][0], before);
    assert_error(&daemon.delete(&path), 409, "the call has ended");
    assert_error(&daemon.get("/api/calls/od-01m89yz9ajwm2xxqced5v9dh3y"), 404, "no such call");
}

/// Whether another process than the daemon finds this call in the database.
fn written(file: &std::path::Path, id: &str) -> bool {
    let found = rusqlite::Connection::open(file).and_then(|database| {
        database.query_row("SELECT count(*) FROM calls WHERE id = ?", [id], |row| row.get(0))
    });
    found.unwrap_or(0) == 1
}

#[test]
fn csv_contains_no_formula() {
    let (asterisk, daemon) = FakeAsterisk::with_daemon(HISTORY);
    let body = serde_json::json!({
        "api_key": KEY, "phone_number": "+79990000001", "room_name": "-R1", "caller_id": "=1+1 (work)",
    });
    let id =
        daemon.post(body.to_string().as_bytes()).header("x-call-id").expect("an id").to_owned();
    asterisk.hang_up(&id);
    daemon.wait_for(&id, "call.ended");
    let accepts = [("X-Api-Key", KEY), ("Accept", "text/csv")];
    let negotiated = http::request(daemon.address, "GET", "/api/calls?limit=1", &accepts, b"");
    for reply in [daemon.get("/api/calls?limit=1&format=csv"), negotiated] {
        assert_eq!(reply.header("content-type"), Some("text/csv; charset=utf-8; header=present"));
        assert_eq!(reply.header("x-next-cursor"), Some(&*id));
        let lines: Vec<_> = reply.body.split_terminator("\r\n").collect();
        let [head, line] = lines[..] else { panic!("{reply:?}") };
        assert!(
            head.starts_with("call_id,number,room,caller_id,lang,key,state,requested,"),
            "{head}"
        );
        assert!(
            line.starts_with(&format!(
                "{id},79990000001,\"'-R1\",\"'=1+1 (work)\",ru,tester,ended,20"
            )),
            "{line}"
        );
        assert!(line.contains(",busy,17,\"User busy\","), "{line}");
    }
}

#[test]
fn unwritable_history_is_reported_and_stops_no_call() {
    let (asterisk, daemon) =
        FakeAsterisk::with_daemon(&[("history", "file = \"later/history.db\"")]);
    eventually("the daemon logs it", || {
        daemon.output().contains("the history cannot be written").then_some(())
    });
    let id = daemon.ended_call(&asterisk, "79990000001", "R1");
    let page = daemon.get("/api/calls").json();
    assert_eq!(ids(&page), [&*id]);
    assert!(
        page["history"].as_str().is_some_and(|state| state.contains("the history cannot be")),
        "{page}"
    );
    assert!(
        daemon
            .get("/metrics")
            .body
            .contains("originatord_journal_writer_up{writer=\"history\"} 0\n")
    );
    assert_eq!(daemon.get("/readyz").status, 200);

    std::fs::create_dir(daemon.folder.path().join("later")).expect("a folder");
    let file = daemon.folder.path().join("later/history.db");
    eventually("the call is in the file", || written(&file, &id).then_some(()));
    eventually("the daemon logs it", || {
        daemon.output().contains("the history can be written again").then_some(())
    });
    eventually("the API reports that the history works", || {
        (daemon.get("/api/calls").json()["history"] == "ok").then_some(())
    });
    assert!(
        daemon
            .get("/metrics")
            .body
            .contains("originatord_journal_writer_up{writer=\"history\"} 1\n")
    );
}

#[test]
fn full_disk_loses_no_call_in_the_ring() {
    let (asterisk, daemon) = FakeAsterisk::with_daemon(HISTORY);
    daemon.ended_call(&asterisk, "79990000001", "R1");
    let file = daemon.folder.path().join("history.db");
    eventually("the file exists", || file.exists().then_some(()));
    limit_file_size(daemon.child.id(), "8192");
    let calls: Vec<_> =
        (10..40).map(|n| daemon.ended_call(&asterisk, &format!("799900000{n}"), "R1")).collect();
    eventually("the daemon logs the failure", || {
        daemon.output().contains("the history cannot be written").then_some(())
    });
    limit_file_size(daemon.child.id(), "unlimited");
    eventually("all calls are in the file", || {
        calls.iter().all(|id| written(&file, id)).then_some(())
    });
}

#[test]
fn foreign_file_is_refused_as_history() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let file = folder.path().join("history.db");
    std::fs::write(&file, "this is no database, but somebody's notes".repeat(100)).expect("a file");
    let asterisk = FakeAsterisk::start(OnOriginate::Accept);
    let ami = Ami { address: &asterisk.address.to_string(), secret: "secret" };
    let daemon = Daemon::start_in(folder, &ami, HISTORY);
    daemon.wait_ready();
    eventually("the daemon logs it", || {
        daemon.output().contains("file is not a database").then_some(())
    });
    let id = daemon.ended_call(&asterisk, "79990000001", "R1");
    assert_eq!(ids(&daemon.get("/api/calls").json()), [&*id]);
    assert!(std::fs::read_to_string(&file).expect("a file").starts_with("this is no database"));
    std::fs::rename(&file, file.with_extension("old")).expect("the file is moved");
    eventually("the call is in the file", || written(&file, &id).then_some(()));
}

#[test]
fn list_names_a_missing_history() {
    let (asterisk, daemon) = FakeAsterisk::with_daemon(&[]);
    daemon.ended_call(&asterisk, "79990000001", "R1");
    assert_eq!(daemon.get("/api/calls").json()["history"], "off");
}

#[test]
fn moved_or_corrupt_history_is_noticed_when_idle() {
    let (asterisk, daemon) = FakeAsterisk::with_daemon(HISTORY);
    let first = daemon.ended_call(&asterisk, "79990000001", "R1");
    let file = daemon.folder.path().join("history.db");
    eventually("the call is in the file", || written(&file, &first).then_some(()));
    let old = file.with_extension("old");
    std::fs::rename(&file, &old).expect("the file is moved");
    eventually("the daemon begins a new file", || file.exists().then_some(()));
    eventually("the daemon logs it", || {
        daemon.output().contains("file was moved or deleted").then_some(())
    });
    assert!(written(&old, &first));
    let up = |value| format!("originatord_journal_writer_up{{writer=\"history\"}} {value}\n");
    eventually("the metric shows that the history works", || {
        daemon.get("/metrics").body.contains(&up(1)).then_some(())
    });

    // Until the first call is written, the new file may be incomplete.
    let second = daemon.ended_call(&asterisk, "79990000002", "R1");
    eventually("the call is in the file", || written(&file, &second).then_some(()));
    std::fs::write(&file, "no database".repeat(1000)).expect("the file is overwritten");
    eventually("the metric shows that the history has failed", || {
        daemon.get("/metrics").body.contains(&up(0)).then_some(())
    });
    let third = daemon.ended_call(&asterisk, "79990000003", "R1");
    std::fs::remove_file(&file).expect("the file is deleted");
    eventually("the call is in the file", || written(&file, &third).then_some(()));
    eventually("the metric shows that the history works", || {
        daemon.get("/metrics").body.contains(&up(1)).then_some(())
    });
    assert_eq!(daemon.output().matches("file was overwritten").count(), 1);
}

#[test]
fn clock_years_ahead_deletes_no_call() {
    let (asterisk, mut daemon) = FakeAsterisk::with_daemon(HISTORY);
    let id = daemon.ended_call(&asterisk, "79990000001", "R1");
    let file = daemon.folder.path().join("history.db");
    eventually("the call is in the file", || written(&file, &id).then_some(()));
    daemon.crash();
    // Makes the files look as if the last run was in 2023.
    let old = format!("od-01h0000000{}", &id[id.len() - 16..]);
    let database = rusqlite::Connection::open(&file).expect("a database");
    database.execute("UPDATE calls SET id = ?1", [&old]).expect("the call is older");
    database.execute("DELETE FROM clean_up", []).expect("the last clean-up is deleted");
    let daemon = daemon.restart();
    let has_run =
        || database.query_row("SELECT count(*) FROM clean_up", [], |row| row.get::<_, u64>(0));
    eventually("the clean-up has run", || (has_run().expect("a count") == 1).then_some(()));
    eventually("the daemon logs it", || {
        daemon.output().contains("the clock is far ahead").then_some(())
    });
    assert!(written(&file, &old));
}
