//! The lines that `tail` prints, and its filters.

use super::{records, tail};
use serde_json::Value;
use testkit::ami::FakeAsterisk;
use testkit::daemon::Daemon;
use testkit::eventually;
use testkit::program::{Program, run};

#[test]
fn each_record_is_a_line_in_columns() {
    let (_asterisk, daemon) = FakeAsterisk::with_daemon(&[]);
    daemon.call_ok("79990000001", "КОМНАТА1");
    daemon.call("79990000001", "R2");
    let records = records(&daemon, "call.refused");
    let tail = Program::start(tail(daemon.address, &["--since", "0"]));
    let lines = tail.wait_for_lines(records.len() + 1);
    assert_eq!(lines[0], format!("-- {} UTC", &records[0]["time"].as_str().expect("a time")[..10]));
    for (record, line) in records.iter().zip(&lines[1..]) {
        let text = |name: &str| record[name].as_str().unwrap_or_default();
        let mut expected = format!(
            "{} {:>7} {:<16}",
            &text("time")[11..23],
            format!("#{}", record["seq"]),
            text("event")
        );
        if record.get("call_id").is_some() {
            let id = &text("call_id")[21..];
            expected +=
                &format!(" {:<16} {:<16} {:<14} {id}", text("number"), text("room"), text("key"));
        }
        expected += &match text("event") {
            "daemon.started" => {
                format!(" version={} instance=originatord", env!("CARGO_PKG_VERSION"))
            }
            "ami.connected" => {
                " asterisk=main banner=\"Asterisk Call Manager/11.0.0\" live=0".to_owned()
            }
            "call.refused" => {
                let id = text("in_progress");
                format!(" reason=in_progress text=\"call already in progress\" in_progress={id}")
            }
            _ => String::new(),
        };
        assert_eq!(line, expected.trim_end());
    }
    assert!(
        lines.iter().any(|line| line.contains("call.queued      +79990000001     КОМНАТА1 ")),
        "{lines:#?}"
    );
}

#[test]
fn lines_show_local_time_and_name_the_zone() {
    let (_asterisk, daemon) = FakeAsterisk::with_daemon(&[]);
    let started = daemon.wait_for_event("daemon.started");
    let time = started["time"].as_str().expect("a time");
    let lines = |zone: &str, args: &[&str]| {
        let mut command = tail(daemon.address, &[&["--since", "0"], args].concat());
        command.env("TZ", zone);
        Program::start(command).wait_for_lines(2)
    };
    let seconds = |clock: &str| -> i64 {
        clock.split(':').fold(0, |sum, part| sum * 60 + part[..2].parse::<i64>().expect("a number"))
    };
    // The offset of a POSIX zone is the time to add to get UTC.
    let east = lines("EAST-05:30", &[]);
    assert!(east[0].starts_with("-- ") && east[0].ends_with(" UTC+05:30"), "{east:?}");
    let ahead = (seconds(&east[1]) - seconds(&time[11..])).rem_euclid(24 * 3600);
    assert_eq!(ahead, 5 * 3600 + 30 * 60, "{east:?}");
    let utc = lines("EAST-05:30", &["--utc"]);
    assert_eq!(utc[0], format!("-- {} UTC", &time[..10]));
    assert!(utc[1].starts_with(&time[11..23]), "{utc:?}");
    // JSON has UTC in every zone.
    assert!(lines_of_json(&daemon, "EAST-05:30").contains(&started.to_string()));
}

fn lines_of_json(daemon: &Daemon, zone: &str) -> Vec<String> {
    let mut command = tail(daemon.address, &["--since", "0", "--json"]);
    command.env("TZ", zone);
    Program::start(command).wait_for_lines(1)
}

#[test]
fn end_of_an_id_selects_the_call() {
    let (_asterisk, daemon) = FakeAsterisk::with_daemon(&[]);
    let [first, second] = ["79990000001", "79990000002"].map(|number| daemon.call_ok(number, "R1"));
    let shown = Program::start(tail(daemon.address, &["--since", "0"]));
    let line = shown.wait_for("call.queued      +79990000002");
    let end = line.split_whitespace().last().expect("an id").to_owned();
    assert!(second.ends_with(&end) && !first.ends_with(&end) && end.len() == 8, "{line}");
    let one = Program::start(tail(daemon.address, &["--since", "0", "--json", "--call", &end]));
    one.wait_for("call.queued");
    assert!(
        one.stdout().iter().all(|line| line.contains(&second) || line.contains("ami.")),
        "{:?}",
        one.stdout()
    );
}

#[test]
fn json_output_is_the_records_unchanged() {
    let (_asterisk, daemon) = FakeAsterisk::with_daemon(&[]);
    daemon.call_ok("79990000001", "КОМНАТА1");
    let records = records(&daemon, "call.queued");
    let tail = Program::start(tail(daemon.address, &["--since", "0", "--json"]));
    // The bytes are equal, with the members in the same order.
    let expected: Vec<_> = records.iter().map(Value::to_string).collect();
    assert_eq!(tail.wait_for_lines(expected.len())[..expected.len()], expected);
    daemon.call_ok("79990000002", "R1");
    tail.wait_for("+79990000002");
}

#[test]
fn tail_begins_after_a_record_or_now() {
    let (_asterisk, daemon) = FakeAsterisk::with_daemon(&[]);
    daemon.call_ok("79990000001", "R1");
    let before = records(&daemon, "call.queued").len();
    let since = Program::start(tail(daemon.address, &["--since", "2", "--json"]));
    let seq = |line: &str| serde_json::from_str::<Value>(line).expect("JSON")["seq"].as_u64();
    assert_eq!(seq(&since.wait_for_lines(1)[0]), Some(3));
    let now = Program::start(tail(daemon.address, &["--json"]));
    let first = eventually("tail prints a new record", || {
        daemon.call("79990000001", "R1");
        now.stdout().first().cloned()
    });
    assert!(seq(&first) > Some(before as u64), "{first}");
}

/// Requests three calls, in this order: one has ended, one is alive and one was refused.
fn three_calls(asterisk: &FakeAsterisk, daemon: &Daemon) {
    let ended = daemon.call_ok("79990000001", "КОМНАТА1");
    asterisk.hang_up(&ended);
    daemon.wait_for(&ended, "call.ended");
    daemon.call_ok("79990000002", "R2");
    daemon.call("79990000002", "R3");
    daemon.wait_for_event("call.refused");
}

/// The number, event and room of each record.
fn steps(lines: &[String]) -> Vec<String> {
    let step = |line: &String| {
        let record: Value = serde_json::from_str(line).expect("JSON");
        let of_call = [&record["number"], &record["event"], &record["room"]]
            .map(|text| text.as_str().unwrap_or("-"));
        of_call.join(" ")
    };
    lines.iter().map(step).collect()
}

#[test]
fn filters_keep_records_that_concern_all_calls() {
    let (asterisk, daemon) = FakeAsterisk::with_daemon(&[]);
    three_calls(&asterisk, &daemon);
    let link = "- ami.connected -";
    for (args, expected) in [
        (
            &["--number", "+7 999 000-00-01", "--event", "call.ended"][..],
            &["+79990000001 call.ended КОМНАТА1"][..],
        ),
        (
            &["--room", "R2", "--room", "R3"],
            &[
                "+79990000002 call.requested R2",
                "+79990000002 call.queued R2",
                "+79990000002 call.requested R3",
                "+79990000002 call.refused R3",
            ],
        ),
        (
            &["--outcome", "busy", "--outcome", "in_progress"],
            &["+79990000001 call.ended КОМНАТА1", "+79990000002 call.refused R3"],
        ),
        (
            &["--event", "daemon.*", "--event", "call.ended"],
            &["- daemon.started -", "+79990000001 call.ended КОМНАТА1"],
        ),
    ] {
        let tail =
            Program::start(tail(daemon.address, &[&["--json", "--since", "0"], args].concat()));
        let mut seen = steps(&tail.wait_for_lines(expected.len() + 1)[..=expected.len()]);
        assert_eq!(seen.iter().filter(|step| *step == link).count(), 1, "{args:?}: {seen:?}");
        seen.retain(|step| step != link);
        assert_eq!(seen, expected, "{args:?}");
    }
    for wrong in
        [["--event", "call.end"], ["--outcome", "bsy"], ["--number", "x"], ["--room", "a  b"]]
    {
        assert_eq!(run(tail(daemon.address, &wrong)).code, Some(64), "{wrong:?}");
    }
}

#[test]
fn gap_is_shown_despite_filters() {
    let (asterisk, daemon) = FakeAsterisk::with_daemon(&[("journal", "ring = 3")]);
    three_calls(&asterisk, &daemon);
    let tail = Program::start(tail(daemon.address, &["--since", "0", "--number", "79990000009"]));
    assert!(tail.wait_for(" gap ").ends_with(" reason=overrun from=1 to=6"), "{:?}", tail.stdout());
}

#[test]
fn tail_begins_at_a_time_without_earlier_gaps() {
    let (_asterisk, daemon) = FakeAsterisk::with_daemon(&[("journal", "ring = 3")]);
    daemon.call_ok("79990000001", "R1");
    daemon.call("79990000001", "R1");
    daemon.wait_for_event("call.refused");
    // Times have millisecond precision.
    testkit::pause(std::time::Duration::from_millis(5));
    let id = daemon.call_ok("79990000002", "R2");
    let queued = daemon.wait_for(&id, "call.queued");
    let requested = daemon.wait_for(&id, "call.requested");
    let begun = |since: &str| {
        let tail = Program::start(tail(daemon.address, &["--json", "--since", since]));
        tail.wait_for(&queued.to_string());
        tail.stdout()
    };
    let [ago, at] = [begun("1h"), begun(requested["time"].as_str().expect("a time"))];
    assert_eq!(at, [requested.to_string(), queued.to_string()]);
    assert_eq!(ago[0], r#"{"event":"gap","reason":"overrun","from":1,"to":5}"#);
    assert_eq!(ago.len(), 4, "{ago:#?}");
    let east = requested["time"].as_str().expect("a time").replace('Z', "+00:00");
    assert_eq!(begun(&east), at);
}

#[test]
fn erased_record_is_shown_as_erased() {
    let (asterisk, daemon) = FakeAsterisk::with_daemon(&[]);
    three_calls(&asterisk, &daemon);
    assert_eq!(daemon.delete("/api/history?number=79990000001").status, 200);
    let tail = Program::start(tail(daemon.address, &["--since", "0", "--event", "erased"]));
    let lines = tail.wait_for_lines(5).split_off(1);
    let erased = lines.iter().filter(|line| line.ends_with(" erased")).count();
    assert_eq!((erased, lines.len()), (3, 4), "{lines:#?}");
    assert!(
        lines.iter().all(|line| line.contains(" ami.connected ") || line.contains(" #")),
        "{lines:#?}"
    );
}
