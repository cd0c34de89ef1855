//! `GET /api/events`: the event stream has each record once, and a gap for missing ones.

use std::io::{Read, Write};

use serde_json::{Value, json};
use testkit::ami::{FakeAsterisk, OnOriginate};
use testkit::daemon::{Ami, Daemon, KEY};
use testkit::events::{Event, EventStream, request};
use testkit::http::{self, KeptAlive};
use testkit::{eventually, stalled};

const SECRET: &str = "s3cret-of-the-ami";

fn start(more: &[(&str, &str)]) -> (FakeAsterisk, Daemon) {
    let asterisk = FakeAsterisk::start(OnOriginate::Accept);
    let daemon =
        Daemon::start(&Ami { address: &asterisk.address.to_string(), secret: SECRET }, more);
    (asterisk, daemon)
}

/// Makes a call and ends it, which adds three records; returns its id.
fn call(asterisk: &FakeAsterisk, daemon: &Daemon, number: &str) -> String {
    let id = daemon.call_ok(number, "R1");
    asterisk.hang_up(&id);
    daemon.wait_for(&id, "call.ended");
    id
}

fn resume(daemon: &Daemon, last: &str) -> EventStream {
    EventStream::from(daemon.address, "", &[("Last-Event-ID", last)])
}

fn seqs(events: &[Event]) -> Vec<Option<u64>> {
    events.iter().map(Event::seq).collect()
}

fn gap(event: &Event) -> Value {
    assert_eq!(event.name, "gap");
    // A gap has no id: a reader that reconnects after it gets the same gap again.
    assert_eq!(event.id, None);
    event.json()
}

/// Asserts that records and gaps cover every number from 1; returns the number of gaps.
fn gaps_in(entries: impl IntoIterator<Item = Value>) -> usize {
    let (mut next, mut gaps) = (1, 0);
    for entry in entries {
        if entry["event"] == "gap" {
            assert_eq!((&entry["reason"], entry["from"].as_u64()), (&json!("overrun"), Some(next)));
            next = entry["to"].as_u64().expect("an end") + 1;
            gaps += 1;
        } else {
            assert_eq!(entry["seq"], next);
            next += 1;
        }
    }
    gaps
}

#[test]
fn stream_has_each_record_once_in_order() {
    let (asterisk, daemon) = start(&[("journal", "file = \"calls.jsonl\"")]);
    let late = EventStream::open(daemon.address);
    let stream = EventStream::from(daemon.address, "?since=0", &[]);
    assert!(
        stream.head.to_ascii_lowercase().contains("content-type: text/event-stream"),
        "{}",
        stream.head
    );
    assert!(
        stream.head.to_ascii_lowercase().contains("cache-control: no-cache"),
        "{}",
        stream.head
    );
    let ids = ["79990000001", "79990000002"].map(|number| call(&asterisk, &daemon, number));

    let events = stream.wait_len(8);
    assert_eq!(seqs(&events), (1..=8).map(Some).collect::<Vec<_>>());
    let names: Vec<_> = events.iter().map(|event| &*event.name).collect();
    let of_call = ["call.requested", "call.queued", "call.ended"];
    assert_eq!(names, [&["daemon.started", "ami.connected"], &of_call[..], &of_call].concat());
    let event_ids: Vec<_> = events.iter().map(|event| event.id.clone().expect("an id")).collect();
    let run = event_ids[0].strip_suffix("-1").expect("the run and the number");
    assert_eq!(event_ids, (1..=8).map(|seq| format!("{run}-{seq}")).collect::<Vec<_>>());
    // Without a position, the stream begins with new records.
    assert_eq!(late.wait_len(6), events[2..]);

    for (event, id) in events[2..].iter().zip([&ids[0]; 3].into_iter().chain([&ids[1]; 3])) {
        let record = event.json();
        assert_eq!(record["event"], event.name);
        let time = record["time"].as_str().expect("a time");
        let shape: String =
            time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert_eq!(shape, "0000-00-00T00:00:00.000Z");
        let number = if *id == ids[0] { "+79990000001" } else { "+79990000002" };
        let called = json!({ "call_id": id, "number": number, "room": "R1", "caller_id": "tests", "lang": "en",
            "key": "tester" });
        for (member, value) in called.as_object().expect("an object") {
            assert_eq!(&record[member], value, "{member}");
        }
        let members: Vec<_> =
            record.as_object().expect("an object").keys().take(9).cloned().collect();
        let order =
            ["seq", "time", "event", "call_id", "number", "room", "caller_id", "lang", "key"];
        assert_eq!(members, order);
    }
    // The journal file has the same lines. So has stdout, apart from the level.
    let lines: Vec<_> = events.iter().map(|event| event.data.clone()).collect();
    let file = daemon.folder.path().join("calls.jsonl");
    let in_file = || {
        std::fs::read_to_string(&file)
            .unwrap_or_default()
            .lines()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    eventually("the file has the same lines", || (in_file() == lines).then_some(()));
    let on_stdout = || daemon.records().iter().map(Value::to_string).collect::<Vec<_>>();
    eventually("stdout has the same lines", || (on_stdout() == lines).then_some(()));
    for hidden in [KEY, SECRET] {
        assert!(!daemon.output().contains(hidden) && !lines.concat().contains(hidden));
    }
}

#[test]
fn new_stream_begins_with_its_position() {
    let (_asterisk, daemon) = start(&[]);
    let mut stream = http::connect(daemon.address);
    let head = format!("GET /api/events HTTP/1.1\r\nHost: x\r\nX-Api-Key: {KEY}\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("a sent request");
    let (mut text, mut bytes) = (String::new(), [0; 1024]);
    while !text.contains("\nid:") || !text.ends_with("\n\n") && !text.ends_with("\n\r\n") {
        let read = stream.read(&mut bytes).expect("an event");
        assert!(read > 0, "{text}");
        text.push_str(&String::from_utf8_lossy(&bytes[..read]));
    }
    let id = text
        .split("\nid:")
        .nth(1)
        .and_then(|rest| rest.lines().next())
        .expect("an id")
        .trim()
        .to_owned();
    assert!(!text.contains("data:"), "{text}");
    // A reader that loses the connection here misses nothing.
    drop(stream);
    daemon.call_ok("79990000001", "R1");
    assert_eq!(resume(&daemon, &id).wait_len(1)[0].name, "call.requested");
}

#[test]
fn reader_resumes_after_its_last_event() {
    let (asterisk, daemon) = start(&[]);
    call(&asterisk, &daemon, "79990000001");
    let all = EventStream::from(daemon.address, "?since=0", &[]).wait_len(5);
    let third = all[2].id.clone().expect("an id");
    let streams = [
        resume(&daemon, &third),
        resume(&daemon, "3"),
        EventStream::from(daemon.address, "?since=3", &[]),
        EventStream::from(daemon.address, &format!("?since={}", third.replace('-', "%2D")), &[]),
        // When a browser reconnects, its header has priority over its URL.
        EventStream::from(daemon.address, "?since=0", &[("Last-Event-ID", &third)]),
    ];
    for stream in &streams {
        assert_eq!(stream.wait_len(2), all[3..]);
    }
    call(&asterisk, &daemon, "79990000002");
    for stream in &streams {
        assert_eq!(seqs(&stream.wait_len(5)), [4, 5, 6, 7, 8].map(Some));
    }
    for bad in ["x", "-", "1-", "-1", "1-x", "1-2-3", "+", "0x1", "18446744073709551616", "1 2"] {
        let headers = [("X-Api-Key", KEY), ("Last-Event-ID", bad)];
        let reply = http::request(daemon.address, "GET", "/api/events", &headers, b"");
        assert_eq!(reply.status, 400, "{bad}: {reply:?}");
        assert!(reply.json()["error"].is_string(), "{bad}: {reply:?}");
    }
    for bad in ["since=x", "sinse=0", "since=0&x=1", "since=0&since=1", "since", "since=%FF"] {
        http::assert_error(&daemon.get(&format!("/api/events?{bad}")), 400, bad);
    }
}

#[test]
fn late_reader_gets_a_gap() {
    let (asterisk, daemon) = start(&[("journal", "ring = 3")]);
    let first = EventStream::open(daemon.address);
    for number in ["79990000001", "79990000002"] {
        call(&asterisk, &daemon, number);
    }
    let newest = first.wait_for("call.ended").id.expect("an id");
    let (run, _) = newest.split_once('-').expect("the run and the number");
    // Only the last three of eight records are still in the ring.
    for (last, from) in [("0", 1), ("2", 3), (&*format!("{run}-2"), 3), (&format!("{run}-4"), 5)] {
        let events = resume(&daemon, last).wait_len(4);
        assert_eq!(
            gap(&events[0]),
            json!({ "event": "gap", "reason": "overrun", "from": from, "to": 5 }),
            "{last}"
        );
        assert_eq!(seqs(&events[1..]), [6, 7, 8].map(Some), "{last}");
    }
    assert_eq!(seqs(&resume(&daemon, "5").wait_len(3)), [6, 7, 8].map(Some));
}

#[test]
fn reader_of_earlier_run_gets_a_restart_gap() {
    let (asterisk, daemon) = start(&[("journal", "ring = 3")]);
    let stream = EventStream::open(daemon.address);
    call(&asterisk, &daemon, "79990000001");
    let read = stream.wait_len(3);
    let daemon = daemon.crash_and_restart();
    // Both runs count from 1, so the number alone is ambiguous.
    let events = resume(&daemon, read[2].id.as_deref().expect("an id")).wait_len(3);
    let restarted = json!({ "event": "gap", "reason": "restarted", "from": null, "to": null });
    assert_eq!(gap(&events[0]), restarted);
    assert_eq!(seqs(&events[1..]), [1, 2].map(Some));
    // A future number without a run does not prove a restart. The reader gets new records.
    let ahead = resume(&daemon, "1000");

    // The new ring may begin with the next number by coincidence.
    for number in ["79990000002", "79990000003"] {
        call(&asterisk, &daemon, number);
    }
    for event in &read {
        let events = resume(&daemon, event.id.as_deref().expect("an id")).wait_len(5);
        assert_eq!(gap(&events[0]), restarted, "{event:?}");
        assert_eq!(
            gap(&events[1]),
            json!({ "event": "gap", "reason": "overrun", "from": 1, "to": 5 }),
            "{event:?}"
        );
        assert_eq!(seqs(&events[2..]), [6, 7, 8].map(Some));
    }
    assert_ne!(ahead.wait_len(1)[0].json()["reason"], "restarted");
}

#[test]
fn numbers_continue_over_a_restart_with_a_journal() {
    let (asterisk, mut daemon) = start(&[("journal", "ring = 4\nfile = \"calls.jsonl\"")]);
    let file = daemon.folder.path().join("calls.jsonl");
    let wait_written = |last: u64| {
        let numbers: Vec<_> = (1..=last).collect();
        eventually("the file has all records", || {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            let seq = |line| serde_json::from_str::<Value>(line).ok()?["seq"].as_u64();
            (text.lines().map_while(seq).collect::<Vec<_>>() == numbers).then_some(())
        });
    };
    wait_written(2);
    let stream = EventStream::open(daemon.address);
    call(&asterisk, &daemon, "79990000001");
    let read = stream.wait_len(3);
    wait_written(5);
    daemon.signal("-TERM");
    daemon.wait_exit();
    // The sixth record is `daemon.stopping`.
    wait_written(6);
    let daemon = daemon.restart();
    daemon.wait_ready();
    wait_written(8);
    let id = |event: &Event| event.id.clone().expect("an id");
    let run = |event: &Event| id(event).split_once('-').expect("a run").0.to_owned();

    // A reader that had read everything until the restart misses nothing.
    let last = format!("{}-6", run(&read[2]));
    let events = resume(&daemon, &last).wait_len(2);
    assert_eq!(seqs(&events), [7, 8].map(Some));
    assert_ne!(run(&events[0]), run(&read[0]));
    // A reader that had read fewer gets a gap, as the new ring does not have the others.
    let missing = json!({ "event": "gap", "reason": "restarted", "from": 4, "to": 6 });
    let events = resume(&daemon, &id(&read[0])).wait_len(3);
    assert_eq!(gap(&events[0]), missing);
    assert_eq!(seqs(&events[1..]), [7, 8].map(Some));

    // Later, the new run's own first records leave the ring.
    call(&asterisk, &daemon, "79990000002");
    let overrun = json!({ "event": "gap", "reason": "overrun", "from": 7, "to": 7 });
    let events = resume(&daemon, &last).wait_len(5);
    assert_eq!(gap(&events[0]), overrun);
    assert_eq!(seqs(&events[1..]), [8, 9, 10, 11].map(Some));
    let events = resume(&daemon, &id(&read[0])).wait_len(6);
    assert_eq!((gap(&events[0]), gap(&events[1])), (missing, overrun));
    wait_written(11);

    // A crash may lose records that were sent and not yet written.
    let last = format!("{}-11", run(&events[2]));
    let daemon = daemon.crash_and_restart();
    let unknown = json!({ "event": "gap", "reason": "restarted", "from": null, "to": null });
    assert_eq!(gap(&resume(&daemon, &last).wait_len(3)[0]), unknown);
}

#[test]
fn slow_reader_gets_gap_without_blocking_others() {
    let more = [("journal", "ring = 1000"), ("http", "drain_timeout = \"1h\"")];
    let (_asterisk, mut daemon) = start(&more);
    let [stalled, dead] =
        [(); 2].map(|()| stalled::connect(daemon.address, request("?since=0", &[]).as_bytes()));
    let quick = EventStream::from(daemon.address, "?since=0", &[]);
    // The records must exceed all buffers on the way.
    let id = daemon.call_ok("79990000001", "R1");
    let (mut sent, enough) = (0, stalled::MAX_BUFFERED + (2 << 20));
    let mut bot = KeptAlive::open(daemon.address);
    let body = json!({ "api_key": KEY, "phone_number": "79990000001", "room_name": "R".repeat(64),
        "caller_id": "C".repeat(64) })
    .to_string();
    let head = "POST /api/conf HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    let post = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    while sent < enough {
        let before = quick.count();
        bot.send(post.repeat(100).as_bytes());
        for _ in 0..100 {
            assert_eq!(bot.reply().json()["text"], "call already in progress");
        }
        sent += quick.wait_len(before + 200)[before..]
            .iter()
            .map(|event| event.data.len())
            .sum::<usize>();
    }
    let all = quick.events();
    assert_eq!(seqs(&all), (1..=all.len() as u64).map(Some).collect::<Vec<_>>());

    // The records and gaps that the slow reader then reads cover every number. If the daemon has
    // closed its stream, it reconnects.
    let mut late = EventStream::over(stalled);
    let (mut events, last) = (Vec::new(), all.len() as u64);
    eventually("the slow reader has caught up", || {
        let is_over = late.has_ended();
        events.extend(late.take());
        if is_over && let Some(id) = events.iter().rev().find_map(|event| event.id.clone()) {
            late = resume(&daemon, &id);
        }
        (events.last().and_then(Event::seq) == Some(last)).then_some(())
    });
    let gaps = gaps_in(events.iter().map(Event::json));
    assert!(gaps > 0, "no gap in {} records: all were buffered on the way", events.len());
    assert_eq!(daemon.get(&format!("/api/calls/{id}")).status, 200);
    // A reader that never reads does not delay the stop either.
    daemon.signal("-TERM");
    assert_eq!(late.wait_end().last().map(|event| &*event.name), Some("daemon.stopping"));
    assert_eq!(daemon.wait_exit(), Some(0));
    drop(dead);
}

#[test]
fn unwritable_journal_blocks_nothing_and_gets_a_gap() {
    let (asterisk, daemon) = start(&[("journal", "ring = 3\nfile = \"logs/calls.jsonl\"")]);
    eventually("the daemon logs the failure", || {
        daemon.output().contains("the journal file cannot be written").then_some(())
    });
    for number in ["79990000001", "79990000002", "79990000003"] {
        call(&asterisk, &daemon, number);
    }
    let folder = daemon.folder.path().join("logs");
    std::fs::create_dir(&folder).expect("a folder");
    let lines = eventually("the file has the newest record", || {
        let text = std::fs::read_to_string(folder.join("calls.jsonl")).ok()?;
        let lines: Vec<Value> =
            text.lines().map_while(|line| serde_json::from_str(line).ok()).collect();
        (lines.last()?["seq"] == 11).then_some(lines)
    });
    assert_eq!(gaps_in(lines), 1);
}
