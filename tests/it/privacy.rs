//! Numbers that are masked, and numbers that are erased: nowhere is anything left of them.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::ami::{FakeAsterisk, OnOriginate};
use testkit::daemon::{Daemon, KEY};
use testkit::events::EventStream;
use testkit::eventually;
use testkit::http::{self, assert_error};
use testkit::program::{self, Ended};
use testkit::sim::Simulator;

const NUMBER: &str = "79991234567";
const MASKED: &str = "+7999•••4567";
const OTHER: &str = "79991230002";

/// All that is written down, in files so small that they are rotated.
const WRITTEN: &[(&str, &str)] = &[
    ("journal", "file = \"calls.jsonl\"\nfile_max_size = \"4KiB\""),
    ("history", "file = \"history.db\""),
];

fn start(settings: &[(&str, &str)]) -> (FakeAsterisk, Daemon) {
    FakeAsterisk::with_daemon(&[WRITTEN, settings].concat())
}

/// Makes a call that is over, and waits until that is written down; returns its id.
fn ended(asterisk: &FakeAsterisk, daemon: &Daemon, number: &str) -> String {
    let id = daemon.call_ok(number, "R1");
    asterisk.hang_up(&id);
    daemon.wait_for(&id, "call.ended");
    let folder = daemon.folder.path();
    eventually("it is written", || (files_with(folder, &id).len() >= 2).then_some(()));
    id
}

/// The files of a folder, but for the configuration, that have this text in them, as bytes.
fn files_with(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        // SQLite's come and go.
        let Ok(bytes) = fs::read(&path) else { continue };
        let has_it = bytes.windows(text.len()).any(|bytes| bytes == text.as_bytes());
        if has_it && path.extension().is_none_or(|extension| extension != "toml") {
            found.push(path.file_name().expect("a name").to_string_lossy().into_owned());
        }
    }
    found
}

/// The records of all log files, oldest first. Lines that repeat live calls at a file's top are
/// none, and have no `seq`.
fn log(folder: &Path) -> Vec<Value> {
    let rotated = (1..20).rev().map(|number| folder.join(format!("calls.jsonl.{number}")));
    let files = rotated.chain([folder.join("calls.jsonl")]);
    let text: String = files.filter_map(|path| fs::read_to_string(path).ok()).collect();
    // The last one may be written just now.
    let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    let lines = whole
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")));
    lines.filter(|line: &Value| line.get("seq").is_some()).collect()
}

/// Nothing of the number is in any file; all of the other is; and no record is missing.
fn assert_erased(folder: &Path, records_before: usize) {
    assert_eq!(files_with(folder, NUMBER), [""; 0]);
    assert!(files_with(folder, OTHER).len() >= 2, "{:?}", files_with(folder, OTHER));
    let log = log(folder);
    let seqs: Vec<_> = log.iter().map(|line| line["seq"].as_u64().expect("a number")).collect();
    assert!(
        seqs.len() >= records_before && seqs.windows(2).all(|pair| pair[1] == pair[0] + 1),
        "{seqs:?}"
    );
    let erased = log.iter().filter(|line| line["event"] == "erased").count();
    assert!(erased >= 3, "{log:?}");
}

#[test]
fn with_masking_nobody_but_asterisk_is_told_the_number() {
    let (asterisk, daemon) = start(&[("privacy", "mask_numbers = true")]);
    let stream = EventStream::open(daemon.address);
    let live = daemon.call_ok(NUMBER, "R1");
    let channel = asterisk.wait_for("Originate", 1);
    assert_eq!(channel.get("Channel"), Some(&*format!("Local/{NUMBER}@telegram-out/n")));
    let live_page = daemon.get("/api/calls");
    assert_eq!(live_page.json()["live"][0]["number"], MASKED);
    assert_eq!(daemon.call(NUMBER, "R1").json()["text"], "call already in progress");
    asterisk.hang_up(&live);
    daemon.wait_for(&live, "call.ended");
    let folder = daemon.folder.path();
    eventually("it is written", || (files_with(folder, &live).len() >= 2).then_some(()));

    let told: Vec<_> = stream.wait_len(4).iter().map(|event| event.data.clone()).collect();
    let by_number = daemon.get(&format!("/api/calls?number={NUMBER}"));
    assert_eq!(by_number.json()["ended"][0]["call_id"], *live);
    let shown = [
        live_page.body,
        daemon.get(&format!("/api/calls/{live}")).body,
        by_number.body,
        daemon.get("/api/calls?format=csv").body,
        daemon.output(),
        told.concat(),
    ];
    for text in shown {
        assert!(text.contains(&MASKED[1..]) && !text.contains(NUMBER), "{text}");
    }
    assert_eq!(files_with(folder, NUMBER), [""; 0]);
    assert!(files_with(folder, MASKED).len() >= 2);
}

#[test]
fn a_call_whose_number_is_masked_in_the_file_is_known_again_after_a_crash() {
    let simulator = Simulator::start("22", "[timing]\nwait = \"0s\"\nbeep = \"10ms\"\n");
    let daemon = simulator.daemon(&[WRITTEN, &[("privacy", "mask_numbers = true")]].concat());
    let id = daemon.call_ok(NUMBER, "R1");
    daemon.wait_for(&id, "call.joined");
    eventually("it is written", || {
        (!files_with(daemon.folder.path(), "call.joined").is_empty()).then_some(())
    });
    let daemon = daemon.crash_and_restart();
    let again = daemon.call(NUMBER, "R1");
    assert_eq!(again.json()["text"], "call already in progress");
    // It is our own registry that knows it, and not only Asterisk's lock.
    let refused = daemon.wait_for_event("call.refused");
    assert_eq!(refused["in_progress"], *id, "{refused}");
    assert_eq!(daemon.delete(&format!("/api/calls/{id}")).status, 200);
    let end = daemon.wait_for(&id, "call.ended");
    assert_eq!((&end["outcome"], &end["number"]), (&json!("completed"), &json!(MASKED)));
}

#[test]
fn a_number_is_erased_by_the_daemon_that_runs() {
    let watch = "[[api_keys]]\nname = \"watcher\"\nkey = \"key-of-the-watcher\"\nrole = \"watch\"";
    let (asterisk, daemon) = start(&[("key", watch)]);
    let calls: Vec<_> = (0..4)
        .map(|_| [ended(&asterisk, &daemon, NUMBER), ended(&asterisk, &daemon, OTHER)])
        .collect();
    let path = format!("/api/history?number=%2B{NUMBER}");
    let folder = daemon.folder.path();
    assert!(files_with(folder, NUMBER).len() >= 3, "{:?}", files_with(folder, NUMBER));
    let before = log(folder).len();

    assert_error(&http::request(daemon.address, "DELETE", &path, &[], b""), 401, "no key");
    let watcher = [("X-Api-Key", "key-of-the-watcher")];
    assert_error(
        &http::request(daemon.address, "DELETE", &path, &watcher, b""),
        403,
        "may only look",
    );
    for wrong in ["/api/history", "/api/history?number=x", "/api/history?number=7999&number=7998"] {
        assert_error(&daemon.delete(wrong), 400, wrong);
    }
    assert_error(&daemon.get(&path), 405, "GET");
    assert!(!files_with(folder, NUMBER).is_empty());

    let reply = daemon.delete(&path);
    assert_eq!((reply.status, &reply.json()["message"]), (200, &json!("ok")), "{reply:?}");
    // Three records or more of each call, and the calls themselves.
    assert!(reply.json()["erased"].as_u64().is_some_and(|count| count >= 4 * 3 + 4), "{reply:?}");
    assert_erased(folder, before);
    for [erased, kept] in &calls {
        assert_error(&daemon.get(&format!("/api/calls/{erased}")), 404, "erased");
        assert_eq!(daemon.get(&format!("/api/calls/{kept}")).status, 200);
    }
    assert_eq!(daemon.get(&format!("/api/calls?number={NUMBER}")).json()["ended"], json!([]));
    let remembered = EventStream::from(daemon.address, "?since=0", &[]).wait_len(before);
    assert!(remembered.iter().all(|event| !event.data.contains(NUMBER)));
    assert!(remembered.iter().any(|event| event.name == "erased"));
    // What is written next is written as ever.
    ended(&asterisk, &daemon, OTHER);
    assert_eq!(daemon.get("/api/calls").json()["history"], "ok");
    assert_eq!(daemon.delete(&path).json()["erased"], 0);
}

#[test]
fn a_number_in_a_call_is_not_erased_as_more_would_be_written_of_it() {
    let (_asterisk, daemon) = start(&[]);
    daemon.call_ok(NUMBER, "R1");
    assert_error(&daemon.delete(&format!("/api/history?number={NUMBER}")), 409, "in a call");
}

fn erase(args: &[&str]) -> Ended {
    program::run(program::command(&[&["erase"], args].concat()))
}

#[test]
fn the_command_has_the_daemon_do_it_or_does_it_where_none_runs() {
    let (asterisk, mut daemon) = start(&[]);
    ended(&asterisk, &daemon, NUMBER);
    ended(&asterisk, &daemon, OTHER);
    let folder = daemon.folder.clone();
    let folder = folder.path();
    let config = folder.join("config.toml");
    // The tests' daemons listen where there is room; here it matters where.
    let text = fs::read_to_string(&config).expect("a file");
    fs::write(folder.join("there.toml"), text.replace("127.0.0.1:0", &daemon.address.to_string()))
        .expect("a file");
    let there = folder.join("there.toml").to_string_lossy().into_owned();

    let erased = erase(&[NUMBER, "--config", &there]);
    assert_eq!((erased.code, &*erased.stderr), (Some(0), ""), "{erased:?}");
    assert!(
        erased.stdout.starts_with("erased: ") && !erased.stdout.starts_with("erased: 0 "),
        "{erased:?}"
    );
    assert_erased(folder, 0);
    let live = daemon.call_ok(NUMBER, "R1");
    let refused = erase(&[NUMBER, "--config", &there]);
    assert_eq!(refused.code, Some(69), "{refused:?}");
    assert!(refused.stderr.contains("the number is in a call"), "{refused:?}");
    asterisk.hang_up(&live);
    daemon.wait_for(&live, "call.ended");
    eventually("it is written", || (files_with(folder, &live).len() >= 2).then_some(()));

    daemon.crash();
    let before = log(folder).len();
    let erased = erase(&[NUMBER, "--config", &there]);
    assert_eq!((erased.code, &*erased.stderr), (Some(0), ""), "{erased:?}");
    assert_erased(folder, before);
    // And the next run goes on from there.
    let daemon = daemon.restart();
    eventually("its records are numbered on", || {
        let last = log(folder).iter().filter_map(|line| line["seq"].as_u64()).max()?;
        (last as usize > before).then_some(())
    });
    assert_eq!(daemon.get("/api/calls").json()["history"], "ok");
}

#[test]
fn the_command_reaches_a_daemon_elsewhere_with_a_key_that_may() {
    let watch = "[[api_keys]]\nname = \"eye\"\nkey = \"k3y-of-the-watcher\"\nrole = \"watch\"";
    let (asterisk, daemon) = start(&[("key", watch)]);
    ended(&asterisk, &daemon, NUMBER);
    let url = format!("http://{}", daemon.address);
    let with_key = |key: &str| {
        let mut command =
            program::command(&["erase", NUMBER, "--url", &url, "--config", "no/such/file.toml"]);
        command.env("ORIGINATORD_KEY", key);
        program::run(command)
    };
    for (key, said) in [
        ("k3y-of-the-watcher", "this key may look at calls"),
        ("wr0ng-key", "does not know this key"),
    ] {
        let refused = with_key(key);
        assert_eq!(refused.code, Some(77), "{refused:?}");
        assert!(refused.stderr.contains(said), "{refused:?}");
    }
    assert!(files_with(daemon.folder.path(), NUMBER).len() >= 2);
    let erased = with_key(KEY);
    assert_eq!((erased.code, &*erased.stderr), (Some(0), ""), "{erased:?}");
    assert_eq!(files_with(daemon.folder.path(), NUMBER), [""; 0]);
}

#[test]
fn the_command_names_copies_that_it_leaves_alone() {
    let (asterisk, mut daemon) = start(&[]);
    ended(&asterisk, &daemon, NUMBER);
    let folder = daemon.folder.clone();
    let path = |name: &str| folder.path().join(name);
    let config = path("there.toml").to_string_lossy().into_owned();
    let text = fs::read_to_string(path("config.toml")).expect("a file");
    fs::write(&config, text.replace("127.0.0.1:0", &daemon.address.to_string())).expect("a file");
    // As logrotate leaves them.
    fs::copy(path("calls.jsonl"), path("calls.jsonl-20261126")).expect("a copy");
    fs::write(path("calls.jsonl.3.gz"), "compressed").expect("a file");
    for runs in [true, false] {
        if !runs {
            daemon.crash();
            let torn = format!("{{\"seq\":99,\"number\":\"+{NUMBER}\",\"cal");
            let mut journal =
                fs::OpenOptions::new().append(true).open(path("calls.jsonl")).expect("a file");
            std::io::Write::write_all(&mut journal, torn.as_bytes()).expect("it is written");
        }
        let erased = erase(&[NUMBER, "--config", &config]);
        assert_eq!((erased.code, erased.stderr.lines().count()), (Some(1), 2), "{erased:?}");
        for name in ["calls.jsonl-20261126", "calls.jsonl.3.gz"] {
            assert!(
                erased.stderr.contains(&format!("{name} is not the daemon's own")),
                "{erased:?}"
            );
        }
        assert_eq!(files_with(folder.path(), NUMBER), ["calls.jsonl-20261126"]);
    }
}

#[test]
fn the_command_leaves_files_alone_that_another_daemon_writes() {
    let (asterisk, daemon) = start(&[]);
    ended(&asterisk, &daemon, NUMBER);
    let config = daemon.folder.path().join("config.toml").to_string_lossy().into_owned();
    // Nobody listens at the port of this configuration.
    let refused = erase(&[NUMBER, "--config", &config]);
    assert_eq!(refused.code, Some(69), "{refused:?}");
    assert!(refused.stderr.contains("writes to the journal"), "{refused:?}");
    assert!(files_with(daemon.folder.path(), NUMBER).len() >= 2);
}

#[test]
fn the_command_says_what_is_wrong() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let config = folder.path().join("config.toml").to_string_lossy().into_owned();
    let missing = erase(&[NUMBER, "--config", &config]);
    assert_eq!(missing.code, Some(78), "{missing:?}");
    let text = format!(
        "[http]\nlisten = \"127.0.0.1:0\"\n[[api_keys]]\nname = \"bot\"\nkey = \"{KEY}\"\n[[asterisk]]\n\
         address = \"127.0.0.1:1\"\nusername = \"me\"\nsecret = \"secret\"\n[history]\nfile = \"notes.txt\"\n"
    );
    fs::write(&config, text).expect("a file");
    assert_eq!(erase(&["12", "--config", &config]).code, Some(64));
    // There is nothing yet, and so nothing of the number.
    assert_eq!(
        erase(&[NUMBER, "--config", &config]).stdout,
        "erased: 0 records and calls that were written down\n"
    );
    fs::write(folder.path().join("notes.txt"), "no database".repeat(100)).expect("a file");
    let broken = erase(&[NUMBER, "--config", &config]);
    assert_eq!(broken.code, Some(74), "{broken:?}");
    assert!(
        broken.stderr.contains("notes.txt cannot be changed: file is not a database"),
        "{broken:?}"
    );
}

/// Has a number erased while another program holds the history, and stops the daemon meanwhile. The
/// history is let go after this time, or once there is an answer. Returns the answer.
fn erase_while_stopping(drain_timeout: &str, held: Option<Duration>) -> http::Reply {
    let (asterisk, mut daemon) =
        start(&[("http", &format!("drain_timeout = \"{drain_timeout}\""))]);
    ended(&asterisk, &daemon, NUMBER);
    let folder = daemon.folder.path().to_owned();
    let history = rusqlite::Connection::open(folder.join("history.db")).expect("the history");
    history.execute_batch("BEGIN IMMEDIATE").expect("the history is held");
    let address = daemon.address;
    let answer = std::thread::spawn(move || {
        let path = format!("/api/history?number={NUMBER}");
        http::request(address, "DELETE", &path, &[("X-Api-Key", KEY)], b"")
    });
    // The journal's turn is first. The history's files must not be looked at: to close them would
    // end our hold.
    let is_erased =
        || fs::read_to_string(folder.join("calls.jsonl")).is_ok_and(|text| !text.contains(NUMBER));
    eventually("the erasure is under way", || is_erased().then_some(()));
    daemon.signal("-TERM");
    daemon.wait_for_event("daemon.stopping");
    let began = Instant::now();
    let is_enough = || answer.is_finished() || held.is_some_and(|held| began.elapsed() > held);
    eventually("the history is let go", || is_enough().then_some(()));
    drop(history);
    let answer = answer.join().expect("an answer");
    assert_eq!(daemon.wait_exit(), Some(0));
    answer
}

#[test]
fn stop_waits_for_erasure() {
    // Longer than a stop gives its clients to take their answers in.
    let answer = erase_while_stopping("1h", Some(Duration::from_millis(2500)));
    // A slow machine gives up waiting for the history, and says so.
    let is_given_up =
        answer.status == 503 && answer.body.contains("something of the number may be left");
    assert!(answer.status == 200 || is_given_up, "{answer:?}");
}

#[test]
fn erasure_that_outlasts_stop_is_answered() {
    let answer = erase_while_stopping("1s", None);
    assert_error(&answer, 503, "the daemon leaves");
    assert!(answer.body.contains("the daemon is stopping"), "{answer:?}");
}

#[test]
fn words_of_others_do_not_tell_a_masked_number() {
    let debug = "filter = \"debug\"";
    let (asterisk, daemon) = start(&[("privacy", "mask_numbers = true"), ("log", debug)]);
    let body = json!({
        "api_key": KEY, "phone_number": NUMBER, "room_name": format!("room {NUMBER}"), "caller_id": "8 999 123-45-67",
    });
    let reply = daemon.post(body.to_string().as_bytes());
    let id = reply.header("x-call-id").unwrap_or_else(|| panic!("{reply:?}")).to_owned();
    assert_eq!(daemon.get(&format!("/api/calls/{id}")).json()["room"], "room 7999•••4567");
    asterisk.send(&[
        ("Event", "UserEvent"),
        ("UserEvent", "OriginatordLeg"),
        ("Linkedid", &id),
        ("Tech", &format!("SIP 404 {NUMBER} not found")),
    ]);
    asterisk.hang_up(&id);
    let end = daemon.wait_for(&id, "call.ended");
    assert_eq!(end["gateway_reply"], "SIP 404 7999•••4567 not found", "{end}");
    assert_eq!(end["caller_id"], "8 999 •••-45-67");
    // A number that somebody types as a path.
    http::request(daemon.address, "GET", &format!("/{NUMBER}"), &[], b"");
    daemon.get(&format!("/api/calls/{NUMBER}"));
    let folder = daemon.folder.path();
    eventually("it is written", || (files_with(folder, "not found").len() >= 2).then_some(()));
    assert_eq!(files_with(folder, NUMBER), [""; 0]);
    for text in
        [daemon.output(), daemon.get("/api/calls").body, daemon.get("/api/calls?format=csv").body]
    {
        assert!(!text.contains(NUMBER) && !text.contains("123-45-67"), "{text}");
    }
    asterisk.on_originate(OnOriginate::Refuse);
    daemon.call(NUMBER, "R1");
    daemon.wait_for_event("call.refused");
}
