//! `GET /api/conferences`: the list and the story of conferences, from a history with some.

use rusqlite::{Connection, params};
use serde_json::{Value, json};
use testkit::ami::FakeAsterisk;
use testkit::daemon::Daemon;
use testkit::eventually;
use testkit::http::{self, assert_error};
use testkit::sim::Simulator;

const FIRST: &str = "cf-01m86ptqk30000000000000001";
const SECOND: &str = "cf-01m86ptqk30000000000000002";

/// 2026-11-24T12:00:01Z in milliseconds.
const STARTED: i64 = 1_795_521_601_000;

/// Starts a daemon with two conferences in its history.
fn start(settings: &[(&str, &str)]) -> (FakeAsterisk, Daemon) {
    let settings = [&[("history", "file = \"history.db\"\nkeep = \"3650d\"")], settings].concat();
    let (asterisk, daemon) = FakeAsterisk::with_daemon(&settings);
    let path = daemon.folder.path().join("history.db");
    let database = eventually("the history has its tables", || {
        let connection = Connection::open(&path).ok()?;
        let has_tables = connection.prepare("SELECT id FROM conferences").is_ok();
        has_tables.then_some(connection)
    });
    let conference = "INSERT INTO conferences VALUES (?1, ?2, ?3, NULL, ?4, NULL, NULL, 2, 0, 1)";
    let visit = "INSERT INTO visits (conference, participant, joined, \"left\", number, caller_id) \
                 VALUES (?1, ?2, ?3, ?4, ?5, 'Боб')";
    for (id, room, ended) in [(FIRST, "КОМНАТА 1", Some(STARTED + 9000)), (SECOND, "=1+1", None)]
    {
        database.execute(conference, params![id, room, STARTED, ended]).expect("a row");
    }
    let (joined, left) = (STARTED + 1000, STARTED + 2500);
    for (participant, number) in
        [("od-01m86ptpkv0000000000000001", "+79991230001"), ("1795521600.7", "+79981230001")]
    {
        let values = params![FIRST, participant, joined, left, number];
        database.execute(visit, values).expect("a row");
    }
    (asterisk, daemon)
}

fn ids(page: &Value) -> Vec<&str> {
    let page = page["conferences"].as_array().expect("conferences");
    page.iter().map(|one| one["conference_id"].as_str().expect("an id")).collect()
}

#[test]
fn conferences_are_listed_and_one_is_shown() {
    let (_asterisk, daemon) = start(&[]);
    for (query, expected) in [
        ("", vec![SECOND, FIRST]),
        ("limit=1", vec![SECOND]),
        (&*format!("limit=1&cursor={SECOND}"), vec![FIRST]),
        ("room=%D0%9A%D0%9E%D0%9C%D0%9D%D0%90%D0%A2%D0%90%201", vec![FIRST]),
        ("room=%3D1%2B1", vec![SECOND]),
        ("number=%2B7%20999%20123-00-01", vec![FIRST]),
        ("number=79991230009", vec![]),
        ("from=2026-11-24&to=2026-11-24", vec![SECOND, FIRST]),
        ("to=2026-11-24T12:00:00Z", vec![]),
    ] {
        let page = daemon.get(&format!("/api/conferences?{query}")).json();
        assert_eq!((ids(&page), &page["history"]), (expected, &json!("ok")), "{query}");
    }
    let story = daemon.get(&format!("/api/conferences/{FIRST}")).json();
    assert_eq!((&story["room"], &story["participant_count"]), (&json!("КОМНАТА 1"), &json!(2)));
    let guest = json!({ "id": "1795521600.7", "call_id": null, "number": "+79981230001",
        "caller_id": "Боб", "visits": [{ "joined": "2026-11-24T12:00:02.000Z",
        "left": "2026-11-24T12:00:03.500Z", "seconds": 1.5, "reason": null }], "mutes": [] });
    assert_eq!(story["participants"][0], guest);
    assert_eq!((&story["locks"], &story["invited"]), (&json!([]), &json!([])));
}

#[test]
fn wrong_queries_and_ids_are_refused() {
    let (_asterisk, daemon) = start(&[]);
    for wrong in [
        "outcome=busy",
        "limit=1001",
        "cursor=od-1",
        "number=x",
        "room=",
        "from=today",
        "format=xml",
    ] {
        assert_error(&daemon.get(&format!("/api/conferences?{wrong}")), 400, wrong);
    }
    assert_error(&daemon.get(&format!("/api/conferences/{FIRST}?x=1")), 400, "a query");
    for unknown in ["cf-01m86ptqk30000000000000009", "R1", "od-01m86ptpkv0000000000000001"] {
        assert_error(&daemon.get(&format!("/api/conferences/{unknown}")), 404, unknown);
    }
    for path in ["/api/conferences", &format!("/api/conferences/{FIRST}")] {
        assert_error(&http::request(daemon.address, "GET", path, &[], b""), 401, path);
        assert_error(&daemon.delete(path), 405, path);
    }
}

#[test]
fn table_has_no_formula() {
    let (_asterisk, daemon) = start(&[]);
    let reply = daemon.get("/api/conferences?format=csv&limit=2");
    assert_eq!(reply.header("x-next-cursor"), Some(FIRST));
    let expected = format!(
        "conference_id,room,started,started_after,ended,ended_after,ended_by,participants,most_at_once\r\n\
         {SECOND},\"'=1+1\",2026-11-24T12:00:01.000Z,,,,,2,1\r\n\
         {FIRST},\"КОМНАТА 1\",2026-11-24T12:00:01.000Z,,2026-11-24T12:00:10.000Z,,,2,1\r\n"
    );
    assert_eq!(reply.body, expected);
}

#[test]
fn erased_number_leaves_the_story() {
    let (_asterisk, daemon) = start(&[]);
    let erased = daemon.delete("/api/history?number=79981230001").json();
    assert_eq!(erased["erased"], 1, "{erased}");
    let story = daemon.get(&format!("/api/conferences/{FIRST}")).json();
    let left = story["participants"].as_array().expect("participants");
    assert_eq!((left.len(), &left[0]["number"]), (1, &json!("+79991230001")));
}

#[test]
fn daemon_without_a_history_has_no_conferences() {
    let (_asterisk, daemon) = FakeAsterisk::with_daemon(&[]);
    let page = daemon.get("/api/conferences").json();
    assert_eq!(page, json!({ "conferences": [], "next": null, "history": "off" }));
    assert_error(&daemon.get(&format!("/api/conferences/{FIRST}")), 404, FIRST);
}

/// A simulated Asterisk with a telephone in R1.
const GUEST: &str = "[timing]\nwait = \"0s\"\nbeep = \"10ms\"\n\
                     [[guest]]\nroom = \"R1\"\nnumber = \"79981230001\"\nname = \"Desk\"\n";

#[test]
fn story_of_a_live_room_outlives_a_killed_daemon() {
    for version in ["22", "16"] {
        let simulator = Simulator::start(version, GUEST);
        let files = [("history", "file = \"history.db\""), ("journal", "file = \"calls.jsonl\"")];
        let daemon = simulator.daemon(&files);
        let started = daemon.wait_for_event("room.started");
        daemon.wait_for_event("guest.joined");
        let busy = daemon.call_ok("79990000486", "r1");
        daemon.wait_for(&busy, "call.ended");
        let call = daemon.call_ok("79990000001", "R1");
        daemon.wait_for(&call, "call.joined");
        let id = started["conference_id"].as_str().expect("an id").to_owned();
        let story = |daemon: &Daemon| daemon.get(&format!("/api/conferences/{id}")).json();
        eventually("the story has both", || {
            (story(&daemon)["participant_count"] == 2).then_some(())
        });

        let daemon = daemon.crash_and_restart();
        daemon.wait_ready();
        assert_eq!(daemon.delete(&format!("/api/calls/{call}")).status, 200);
        daemon.wait_for(&call, "call.left");
        let told = eventually("the call has left", || {
            let story = story(&daemon);
            let visit = &story["participants"][1]["visits"][0];
            (!visit["left"].is_null()).then_some(story)
        });
        let [guest, callee] = [&told["participants"][0], &told["participants"][1]];
        assert_eq!(
            (&guest["number"], &guest["caller_id"]),
            (&json!("+79981230001"), &json!("Desk"))
        );
        assert!(guest["visits"][0]["left"].is_null() && guest["call_id"].is_null(), "{guest}");
        assert_eq!(callee["call_id"], *call);
        assert!(callee["visits"][0]["seconds"].as_f64().is_some_and(|s| s > 0.0), "{callee}");
        assert_eq!((&told["room"], &told["ended"]), (&json!("R1"), &Value::Null));
        assert_eq!(told["most_at_once"], 2);
        let invited = told["invited"].as_array().expect("calls");
        assert_eq!((invited.len(), &invited[0]["call_id"]), (1, &json!(busy)), "{told}");
        // Both runs tell of one conference.
        let list = daemon.get("/api/conferences").json();
        assert_eq!(ids(&list), [&*id]);
        assert!(daemon.records().iter().all(|record| record["event"] != "room.started"));
    }
}
