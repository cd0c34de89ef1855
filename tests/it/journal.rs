//! The journal file of a running daemon: restarts, a full disk, and files that are moved or
//! truncated.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use originatord_core::call::CallId;
use serde_json::Value;
use testkit::ami::FakeAsterisk;
use testkit::daemon::Daemon;
use testkit::program;
use testkit::resources::limit_file_size;
use testkit::{eventually, pause};

fn start(settings: &str) -> (FakeAsterisk, Daemon) {
    FakeAsterisk::with_daemon(&[("journal", settings)])
}

/// The complete lines of the file.
fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    whole
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

/// Makes a call, and waits until the file has all records of this run; returns them.
fn call_written(daemon: &Daemon, path: &Path, number: &str) -> Vec<Value> {
    let id = daemon.call_ok(number, "КОМНАТА1");
    daemon.wait_for(&id, "call.queued");
    let records = daemon.records();
    eventually("the file has all records", || (lines(path) == records).then_some(()));
    records
}

fn seqs(lines: &[Value]) -> Vec<u64> {
    lines.iter().map(|line| line["seq"].as_u64().expect("a number")).collect()
}

#[test]
fn file_equals_stdout_and_continues_after_a_crash() {
    let (_asterisk, daemon) = start("file = \"calls.jsonl\"");
    let path = daemon.folder.path().join("calls.jsonl");
    let before = call_written(&daemon, &path, "79990000001");

    let daemon = daemon.crash_and_restart();
    let id = daemon.call_ok("79990000002", "R1");
    daemon.wait_for(&id, "call.queued");
    let all = [before, daemon.records()].concat();
    eventually("the file has all records", || (lines(&path) == all).then_some(()));
    assert_eq!(seqs(&all), (1..=all.len() as u64).collect::<Vec<_>>());
}

#[test]
fn records_lost_to_a_stalled_file_become_gaps() {
    let (_asterisk, daemon) = start("file = \"later/calls.jsonl\"\nring = 3");
    for number in 0..10 {
        daemon.call_ok(&format!("7999000000{number}"), "R1");
    }
    std::fs::create_dir(daemon.folder.path().join("later")).expect("a folder");
    let path = daemon.folder.path().join("later/calls.jsonl");
    let is_last = |line: &Value| line["event"] == "call.queued" && line["number"] == "+79990000009";
    let lines = eventually("the file has the last record", || {
        Some(lines(&path)).filter(|lines| lines.last().is_some_and(is_last))
    });
    let gaps: Vec<_> = lines.iter().filter(|line| line["event"] == "gap").collect();
    assert!(!gaps.is_empty() && gaps.iter().all(|gap| gap["reason"] == "overrun"), "{lines:?}");
    let mut next = 1;
    for line in &lines {
        assert_eq!(line.get("seq").unwrap_or(&line["from"]).as_u64(), Some(next), "{lines:?}");
        next = line.get("seq").unwrap_or(&line["to"]).as_u64().expect("a number") + 1;
    }
}

#[test]
fn full_disk_neither_loses_nor_repeats_records() {
    // Records pile up until this folder exists. Then the daemon writes them in one batch, which
    // exceeds the limit.
    let (_asterisk, daemon) = start("file = \"later/calls.jsonl\"");
    limit_file_size(daemon.child.id(), "4096");
    for number in 0..30 {
        daemon.call_ok(&format!("799900000{number:02}"), "R1");
    }
    std::fs::create_dir(daemon.folder.path().join("later")).expect("a folder");
    let path = daemon.folder.path().join("later/calls.jsonl");
    let failures = || daemon.output().matches("the journal file cannot be written").count();
    // The daemon logs one failure for the missing folder and one for the size.
    eventually("the daemon logs both failures", || (failures() == 2).then_some(()));
    limit_file_size(daemon.child.id(), "unlimited");
    let shown = daemon.records();
    assert!(shown.len() >= 60, "{shown:?}");
    let written = eventually("the file has all records", || {
        Some(lines(&path)).filter(|lines| lines.len() >= shown.len())
    });
    assert_eq!(seqs(&written), seqs(&shown));
    assert_eq!(written, shown);
    eventually("the daemon logs that the file can be written again", || {
        (daemon.output().matches("the journal file can be written again").count() == 2)
            .then_some(())
    });
}

/// Waits for a log line with this text; asserts that there is only one.
fn logged_once(daemon: &Daemon, text: &str) {
    eventually(text, || daemon.output().contains(text).then_some(()));
    assert_eq!(daemon.output().matches(text).count(), 1);
}

#[test]
fn moved_file_is_noticed_and_numbering_continues() {
    let (_asterisk, daemon) = start("file = \"calls.jsonl\"");
    let path = daemon.folder.path().join("calls.jsonl");
    let before = call_written(&daemon, &path, "79990000001");
    let last = before.len() as u64;

    // The daemon is idle: there is no call and no signal.
    std::fs::rename(&path, path.with_extension("jsonl-20261126")).expect("the file is moved");
    let begun = eventually("the daemon begins a new file", || {
        Some(lines(&path)).filter(|lines| !lines.is_empty())
    });
    assert_eq!(
        (&begun[0]["event"], begun[0]["to"].as_u64()),
        (&"gap".into(), Some(last)),
        "{begun:?}"
    );
    logged_once(&daemon, "the journal file was moved or deleted");

    let daemon = daemon.crash_and_restart();
    assert_eq!(daemon.wait_for_event("daemon.started")["seq"], last + 1);
    assert!(
        daemon.get("/metrics").body.contains("originatord_journal_writer_up{writer=\"file\"} 1\n")
    );
}

#[test]
fn truncated_file_gets_every_later_record() {
    let (_asterisk, daemon) = start("file = \"calls.jsonl\"");
    let path = daemon.folder.path().join("calls.jsonl");
    let before = call_written(&daemon, &path, "79990000001").len();

    // logrotate's `copytruncate` truncates the file like this.
    std::fs::File::create(&path).expect("the file is truncated");
    let id = daemon.call_ok("79990000002", "R1");
    daemon.wait_for(&id, "call.queued");
    let after = daemon.records()[before..].to_vec();
    let left = eventually("the file has all records", || {
        Some(lines(&path)).filter(|lines| lines.len() > after.len() + 1)
    });
    assert_eq!((&left[0]["event"], left[0]["to"].as_u64()), (&"gap".into(), Some(before as u64)));
    // The new file begins with the live call.
    assert_eq!(
        (&left[1]["event"], &left[1]["number"]),
        (&"call.carried".into(), &"+79990000001".into())
    );
    assert_eq!(left[2..], after);
    logged_once(&daemon, "the journal file was truncated");
}

#[test]
fn unusable_journal_file_is_refused() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let made = Command::new("mkfifo").arg(path("fifo")).status().expect("mkfifo runs");
    assert!(made.success());
    let config = path("config.toml");
    for (journal, history, said) in [
        ("fifo", "history.db", "9: journal.file: it is a FIFO, not a regular file"),
        ("calls.jsonl", "fifo", "11: history.file: it is a FIFO, not a regular file"),
        ("config.toml", "history.db", "9: journal.file would overwrite the configuration"),
        (
            "calls.jsonl",
            "calls.jsonl.1",
            "9: journal.file would overwrite the file of history.file",
        ),
        ("out", "history.db", "9: journal.file is the file that stdout goes to"),
    ] {
        let text = format!(
            "[[api_keys]]\nname = \"bot\"\nkey = \"k3y-of-the-tests\"\n[[asterisk]]\naddress = \"127.0.0.1:1\"\n\
             username = \"me\"\nsecret = \"s3cret\"\n[journal]\nfile = \"{journal}\"\n[history]\nfile = \"{history}\"\n\
             [http]\nlisten = \"127.0.0.1:0\"\n"
        );
        std::fs::write(&config, &text).expect("a configuration");
        for command in ["check", "serve"] {
            let mut command = program::command(&[command, "--config", &config]);
            if journal == "out" {
                command.stdout(std::fs::File::create(path("out")).expect("a file"));
            }
            let ended = command
                .spawn()
                .and_then(|child| child.wait_with_output())
                .expect("the program runs");
            let stderr = String::from_utf8_lossy(&ended.stderr);
            assert_eq!(ended.status.code(), Some(78), "{stderr}");
            assert!(stderr.contains(said), "{stderr}");
        }
        assert_eq!(std::fs::read_to_string(&config).expect("a configuration"), text);
    }
}

/// The channels that Asterisk lists for an answered call.
fn listed(id: &str, number: &str) -> Vec<String> {
    let half =
        |uniqueid: &str| format!("Uniqueid: {uniqueid}\r\nLinkedid: {id}\r\nChannelStateDesc: Up");
    vec![half(id), half(&format!("od-lock-{number}"))]
}

#[test]
fn live_call_outlives_its_rotated_records() {
    let (asterisk, daemon) =
        start("file = \"calls.jsonl\"\nfile_max_size = \"4KiB\"\nfile_keep = 0");
    let id = daemon.call_ok("79990000001", "R1");
    asterisk.send(&[
        ("Event", "Newstate"),
        ("Uniqueid", &id),
        ("Linkedid", &id),
        ("ChannelStateDesc", "Up"),
    ]);
    let answered = daemon.wait_for(&id, "call.answered");
    for number in 0..20 {
        let other = daemon.call_ok(&format!("799900001{number:02}"), "R1");
        asterisk.hang_up(&other);
        daemon.wait_for(&other, "call.ended");
    }
    let path = daemon.folder.path().join("calls.jsonl");
    eventually("the call's records are rotated away", || {
        let of_call: Vec<_> =
            lines(&path).into_iter().filter(|line| line["call_id"] == *id).collect();
        (!of_call.is_empty() && of_call.iter().all(|line| line["event"] == "call.carried"))
            .then_some(())
    });

    asterisk.list(listed(&id, "79990000001"));
    let daemon = daemon.crash_and_restart();
    let call = daemon.get(&format!("/api/calls/{id}")).json();
    assert_eq!(
        (&call["state"], &call["answered"]),
        (&"answered".into(), &answered["time"]),
        "{call}"
    );
    asterisk.hang_up(&id);
    let ended = daemon.wait_for(&id, "call.ended");
    assert!(ended["talk_seconds"].as_f64().is_some_and(|seconds| seconds > 0.0), "{ended}");
}

#[test]
fn call_with_lost_records_is_adopted_once() {
    let (asterisk, daemon) = start("file = \"calls.jsonl\"");
    let path = daemon.folder.path().join("calls.jsonl");
    let of_call = |id: &str| {
        let of_call = lines(&path).into_iter().filter(|line| line["call_id"] == *id);
        of_call.map(|line| line["event"].as_str().expect("an event").to_owned()).collect::<Vec<_>>()
    };
    daemon.wait_for_event("ami.connected");
    // The daemon is killed before it writes a line about this call.
    let lost = CallId::new(SystemTime::now() + Duration::from_millis(1), 1).to_string();
    pause(Duration::from_millis(2));
    asterisk.list(listed(&lost, "79990000001"));
    asterisk.variable("originatord/tester/ru/R1/Bob");
    let daemon = daemon.crash_and_restart();
    assert_eq!(daemon.wait_for(&lost, "call.adopted")["state"], "answered");
    eventually("the file has the adoption", || (of_call(&lost) == ["call.adopted"]).then_some(()));
    // Another restart with the call alive, then its end while no daemon runs.
    let daemon = daemon.crash_and_restart();
    asterisk.list(Vec::new());
    let daemon = daemon.crash_and_restart();
    assert_eq!(daemon.wait_for(&lost, "call.ended")["outcome"], "unknown");
    eventually("the file has the end", || {
        (of_call(&lost) == ["call.adopted", "call.ended"]).then_some(())
    });
    let daemon = daemon.crash_and_restart();
    daemon.wait_for_event("ami.connected");
    assert_eq!(of_call(&lost), ["call.adopted", "call.ended"]);
}
