//! Stalled readers of the journal: a page, a `tail`, stdout, a journal file on a full disk. They
//! delay nothing, other readers miss no record, and each gets a gap for the records it missed.

use std::time::Instant;

use serde_json::Value;
use testkit::ami::{FakeAsterisk, OnOriginate};
use testkit::daemon::{Ami, Daemon, KEY, Watcher, signal};
use testkit::events::{EventStream, request};
use testkit::http::{KeptAlive, post};
use testkit::program::{Program, command};
use testkit::resources::limit_file_size;
use testkit::{eventually, measured, stalled};

/// Requests `count` calls to a number that is in a call. Each request adds two records.
fn refusals(daemon: &Daemon, count: usize) {
    let mut bot = KeptAlive::open(daemon.address);
    for _ in 0..count / 100 {
        bot.send(&post("79990000001").repeat(100));
        for _ in 0..100 {
            assert_eq!(bot.reply().json()["text"], "call already in progress");
        }
    }
}

/// Returns the number of gaps, if the records and gaps among these lines cover every number up to
/// `last`.
fn gaps<'l>(lines: impl IntoIterator<Item = &'l str>, last: u64) -> Option<usize> {
    let (mut next, mut gaps) = (1, 0);
    for line in lines {
        let Ok(line) = serde_json::from_str::<Value>(line) else { continue };
        let (from, to) = match (line["seq"].as_u64(), line["event"] == "gap") {
            (Some(seq), _) => (seq, seq),
            (None, true) => (line["from"].as_u64()?, line["to"].as_u64()?),
            // A log line of the daemon, which is no record.
            (None, false) => continue,
        };
        assert_eq!(from, next, "{line}");
        gaps += usize::from(line["event"] == "gap");
        next = to + 1;
    }
    (next == last + 1).then_some(gaps)
}

#[test]
fn stalled_readers_block_nobody_and_get_gaps() {
    let asterisk = FakeAsterisk::start(OnOriginate::Accept);
    let ami = Ami { address: &asterisk.address.to_string(), secret: "secret" };
    let settings = ("journal", "ring = 500\nfile = \"later/calls.jsonl\"");
    let daemon = Daemon::start_watched(Watcher::of_pipe(), &ami, &[settings]);
    let url = format!("http://{}", daemon.address);
    let mut tail = command(&["tail", "--json", "--since", "0", "--url", &url]);
    tail.env("ORIGINATORD_KEY", KEY);
    let tail = Program::start(tail);
    tail.wait_for("ami.connected");
    let watcher = daemon.watcher.as_ref().expect("a watcher");

    for reader in [&tail.child, watcher] {
        signal(reader, "-STOP");
    }
    let page = stalled::connect(daemon.address, request("?since=0", &[]).as_bytes());
    let quick = EventStream::from(daemon.address, "?since=0", &[]);
    daemon.call_ok("79990000001", "R1");
    let began = Instant::now();
    refusals(&daemon, 2000);
    measured(
        "2000 requests while stdout, a tail, a page and the journal file are stalled",
        began.elapsed(),
    );
    let last = 4 + 2 * 2000;
    let all = quick.wait_len(last as usize);
    let lines = |events: &[testkit::events::Event]| {
        events.iter().map(|event| event.data.clone()).collect::<Vec<_>>()
    };
    let gaps_of = |lines: &[String]| gaps(lines.iter().map(String::as_str), last);
    assert_eq!(gaps_of(&lines(&all)), Some(0), "the quick reader missed records");

    for reader in [&tail.child, watcher] {
        signal(reader, "-CONT");
    }
    std::fs::create_dir(daemon.folder.path().join("later")).expect("a folder");
    let file = || {
        std::fs::read_to_string(daemon.folder.path().join("later/calls.jsonl")).unwrap_or_default()
    };
    let readers: [(&str, &dyn Fn() -> Option<usize>); 3] = [
        ("tail", &|| gaps_of(&tail.stdout())),
        ("stdout", &|| gaps(daemon.output().lines(), last)),
        ("the file", &|| gaps(file().lines(), last)),
    ];
    for (name, read) in readers {
        let gaps = eventually(name, read);
        assert!(gaps > 0, "{name} was not stalled");
    }
    drop(page);
}

#[test]
fn stalled_stdout_does_not_delay_the_stop() {
    for reader_ends_by in ["-STOP", "-KILL"] {
        let asterisk = FakeAsterisk::start(OnOriginate::Accept);
        let ami = Ami { address: &asterisk.address.to_string(), secret: "secret" };
        let more = [("journal", "file = \"calls.jsonl\""), ("log", "filter = \"debug\"")];
        // Stderr goes to the same pipe.
        let both = ["sh", "-c", "exec \"$@\" 2>&1", "sh"];
        let mut daemon = Daemon::start_watched_under(&both, Watcher::of_pipe(), &ami, &more);
        daemon.call_ok("79990000001", "R1");
        signal(daemon.watcher.as_ref().expect("a watcher"), reader_ends_by);
        refusals(&daemon, 1000);
        daemon.signal("-HUP");
        refusals(&daemon, 1000);
        daemon.signal("-TERM");
        assert_eq!(daemon.wait_exit(), Some(0), "{reader_ends_by}");
        let file = std::fs::read_to_string(daemon.folder.path().join("calls.jsonl"))
            .expect("the journal file");
        assert_eq!(gaps(file.lines(), 4 + 4000 + 1), Some(0), "{reader_ends_by}");
    }
}

#[test]
fn stdout_continues_when_the_disk_has_room() {
    let asterisk = FakeAsterisk::start(OnOriginate::Accept);
    let ami = Ami { address: &asterisk.address.to_string(), secret: "secret" };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("stdout");
    let daemon = Daemon::start_watched(Watcher::of_file(&path), &ami, &[]);
    let limit = |bytes: &str| limit_file_size(daemon.child.id(), bytes);
    // The limit falls within a line.
    limit("10000");
    daemon.call_ok("79990000001", "R1");
    let quick = EventStream::from(daemon.address, "?since=0", &[]);
    refusals(&daemon, 200);
    let last = 4 + 2 * 200;
    quick.wait_len(last as usize);
    eventually("the disk is full", || {
        (std::fs::metadata(&path).ok()?.len() == 10_000).then_some(())
    });
    limit("unlimited");
    eventually("stdout has each record once", || {
        gaps(daemon.output().lines(), last).filter(|gaps| *gaps == 0)
    });
}
