//! `originatord load` against the daemon and the simulator, all three as users run them.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::ami::{FakeAsterisk, Manner, OnOriginate};
use testkit::daemon::{Ami, Daemon, KEY, signal};
use testkit::eventually;
use testkit::program::{self, Ended, Program, nobody, run};
use testkit::relay::Relay;
use testkit::sim::Simulator;

const QUICK: &str = "[timing]\nwait = \"0s\"\nbeep = \"10ms\"\n";

/// All callees are busy, and say so at once.
const BUSY: &str = "[[callee]]\nnumber = \"*\"\nsip = 486\n";

/// `load` of what is at this address, with the key.
fn load(address: impl ToString, args: &[&str]) -> Command {
    let url = format!("http://{}", address.to_string());
    let mut command = program::command(&["load", "--url", &url]);
    command.args(args).env("ORIGINATORD_KEY", KEY);
    command
}

/// A place for reports.
struct Reports(TempDir);

impl Reports {
    fn new() -> Self {
        Self(TempDir::new().expect("a folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("a report")
    }

    /// The JSON report, whose figures add up.
    fn json(&self) -> Value {
        let report: Value = serde_json::from_str(&self.read("report.json")).expect("JSON");
        let run = &report["run"];
        let (requests, calls, times) = (&run["requests"], &run["calls"], &run["latency_ms"]);
        let number =
            |value: &Value| value.as_u64().unwrap_or_else(|| panic!("{value} in {report:#}"));
        let sum =
            |counts: &Value| counts.as_object().expect("counts").values().map(number).sum::<u64>();
        let of = |parts: &[&str]| parts.iter().map(|part| number(&requests[part])).sum::<u64>();
        assert_eq!(
            number(&requests["scheduled"]),
            of(&["sent", "held_back", "not_sent"]),
            "{report:#}"
        );
        let answered = number(&requests["accepted"])
            + sum(&requests["refused"])
            + sum(&requests["unanswered"]);
        assert_eq!(number(&requests["sent"]), answered, "{report:#}");
        let ended = sum(&calls["outcomes"]);
        let followed = ended + number(&calls["unseen"]) + number(&calls["alive"]);
        assert_eq!(number(&calls["followed"]), followed, "{report:#}");
        assert_eq!(times["reply"]["count"], requests["accepted"], "{report:#}");
        assert!(number(&times["channel"]["count"]) <= number(&calls["followed"]), "{report:#}");
        for (counted, whole) in [
            ("sent", number(&requests["sent"])),
            ("accepted", number(&requests["accepted"])),
            ("failed", sum(&requests["refused"]) + sum(&requests["unanswered"])),
            ("ended", ended),
        ] {
            let slices = run["timeline"].as_array().expect("slices");
            assert_eq!(
                slices.iter().map(|slice| number(&slice[counted])).sum::<u64>(),
                whole,
                "{counted}: {report:#}"
            );
        }
        report
    }
}

/// Runs `load` to its end; returns how it ended, and its JSON report.
fn report(mut command: Command) -> (Ended, Value) {
    let reports = Reports::new();
    command.arg("--json").arg(reports.path("report.json"));
    let ended = run(command);
    assert!(ended.code.is_some_and(|code| code < 64), "{ended:?}");
    (ended, reports.json())
}

#[track_caller]
fn assert_nothing_lives(daemon: &Daemon) {
    assert_eq!(daemon.get("/api/calls").json()["live_total"], 0);
}

#[test]
fn each_call_is_followed_to_the_end_that_its_number_chooses() {
    let simulator = Simulator::start("22", QUICK);
    let daemon = simulator.daemon(&[("originate", "ring_timeout = \"2s\"")]);
    let args = [
        "--numbers",
        "79990000400-79990000609",
        "--rate",
        "50",
        "--duration",
        "4200ms",
        "--rooms",
        "3",
    ];
    let (ended, report) = report(load(daemon.address, &args));
    let run = &report["run"];
    assert_eq!(run["requests"]["statuses"], json!({"200": 210}), "{ended:?}");
    let outcomes = json!({
        "not_on_telegram": 1, "no_answer": 2, "invalid_number": 1, "busy": 1, "flood_wait": 1, "declined": 1,
        "completed": 203,
    });
    assert_eq!(run["calls"]["outcomes"], outcomes);
    for (times, count) in
        [("channel", 210), ("answered", 203), ("joined", 203), ("late", 210), ("refusal", 0)]
    {
        assert_eq!(run["latency_ms"][times]["count"], count, "{times}");
    }
    // These callees answer after 1 s.
    assert!(run["latency_ms"]["answered"]["min"].as_f64().is_some_and(|ms| ms >= 1000.0), "{run}");
    assert!(
        ended.stdout.contains("completed") && ended.stdout.contains("POST → joined"),
        "{}",
        ended.stdout
    );
    // A flood wait is more than the callee's doing.
    assert_eq!((ended.code, &run["failures"]), (Some(1), &json!(1)));
    assert_nothing_lives(&daemon);
    let rooms: Vec<_> = daemon
        .records()
        .iter()
        .filter_map(|record| record["room"].as_str().map(str::to_owned))
        .collect();
    for room in ["load-1", "load-2", "load-3"] {
        assert!(rooms.iter().any(|used| used == room), "{room}");
    }
}

#[test]
fn where_nothing_fails_it_says_so_and_the_page_is_whole() {
    let simulator = Simulator::start("22", BUSY);
    let daemon = simulator.daemon(&[]);
    let reports = Reports::new();
    let mut command =
        load(daemon.address, &["--numbers", "1000-1099", "--rate", "50", "--duration", "2s"]);
    command
        .arg("--html")
        .arg(reports.path("report.html"))
        .arg("--json")
        .arg(reports.path("report.json"));
    let ended = run(command);
    assert_eq!(
        (ended.code, &reports.json()["run"]["calls"]["outcomes"]),
        (Some(0), &json!({"busy": 100})),
        "{ended:?}"
    );
    let page = reports.read("report.html");
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    assert!(page.matches("<svg").count() >= 3 && page.contains("busy"), "{page}");
    assert_eq!(
        page.matches("://").count(),
        page.matches(&format!("http://{}", daemon.address)).count()
    );
}

#[test]
fn ctrl_c_hangs_up_what_was_started_and_still_tells() {
    let simulator = Simulator::start("22", QUICK);
    let daemon = simulator.daemon(&[]);
    let reports = Reports::new();
    let mut command = load(
        daemon.address,
        &["--numbers", "79990001000-79990001099", "--rate", "20", "--duration", "5m"],
    );
    command.args(["--leave-calls", "--json"]).arg(reports.path("report.json"));
    let mut load = Program::start(command);
    eventually("calls live", || {
        let joined =
            daemon.records().iter().filter(|record| record["event"] == "call.joined").count();
        (joined > 5).then_some(())
    });
    signal(&load.child, "-INT");
    assert_eq!(load.wait_exit(), Some(130), "{:?}", load.stderr());
    assert_nothing_lives(&daemon);
    let report = reports.json();
    assert_eq!(
        (&report["interrupted"], &report["run"]["calls"]["alive"]),
        (&json!(true), &json!(0))
    );
    assert!(report["run"]["requests"]["not_sent"].as_u64() > Some(0), "{report}");
    let outcomes = report["run"]["calls"]["outcomes"].as_object().expect("counts");
    assert!(
        outcomes.keys().all(|outcome| matches!(&**outcome, "completed" | "canceled")),
        "{outcomes:?}"
    );
    eventually("the summary", || {
        load.stdout().iter().any(|line| line == "stopped early").then_some(())
    });
}

#[test]
fn the_second_ctrl_c_leaves_at_once() {
    let asterisk = FakeAsterisk::start(OnOriginate::Accept);
    asterisk.ignore_hang_ups();
    let daemon =
        Daemon::start(&Ami { address: &asterisk.address.to_string(), secret: "secret" }, &[]);
    let mut load =
        Program::start(load(daemon.address, &["--numbers", "1000-1999", "--duration", "1m"]));
    asterisk.wait_for("Originate", 3);
    signal(&load.child, "-INT");
    asterisk.wait_for("Hangup", 1);
    assert!(load.is_running());
    signal(&load.child, "-INT");
    assert_eq!(load.wait_exit(), Some(130));
    eventually("what is left behind", || {
        load.stderr().iter().any(|line| line.contains("live on")).then_some(())
    });
    assert_eq!(load.stdout(), [] as [String; 0]);
}

#[test]
fn what_was_not_named_on_purpose_is_not_called() {
    let asterisk = FakeAsterisk::start(OnOriginate::Accept);
    let daemon =
        Daemon::start(&Ami { address: &asterisk.address.to_string(), secret: "secret" }, &[]);
    let url = format!("http://{}", daemon.address);
    let refused = |args: &[&str], code: i32, why: &str| {
        let mut command = program::command(&[&["load"], args].concat());
        command.env("ORIGINATORD_KEY", KEY);
        let ended = run(command);
        assert_eq!(ended.code, Some(code), "{args:?}: {ended:?}");
        assert!(ended.stderr.contains(why) && ended.stdout.is_empty(), "{args:?}: {ended:?}");
    };
    let numbers = ["--numbers", "1000-1999"];
    let with = |more: &[&'static str]| [&["--url", &url], &numbers[..], more].concat().join(" ");
    refused(&numbers, 64, "--url");
    refused(&["--url", &url], 64, "--numbers");
    refused(&["--url", &url, "--numbers", "1000"], 64, "FROM-TO");
    refused(
        &["--url", "http://pbx.example.org", "--numbers", "1000-1999"],
        64,
        "--allow-host pbx.example.org",
    );
    for (more, why) in [
        (&["--allow-host", "pbx.example.org"][..], "is not the host of"),
        (&["--max-calls", "10"], "more than --max-calls 10"),
        (&["--find-limit", "--leave-calls"], "cannot be used with"),
    ] {
        refused(&with(more).split(' ').collect::<Vec<_>>(), 64, why);
    }
    refused(
        &with(&["--dry-run"]).split(' ').collect::<Vec<_>>(),
        0,
        "10 calls a second, for 10s: 100 calls",
    );
    assert_eq!(asterisk.actions("Originate").len(), 0);
}

#[test]
fn what_cannot_work_is_said_before_anything_is_called() {
    let asterisk = FakeAsterisk::start(OnOriginate::Accept);
    let ami = asterisk.address.to_string();
    let ami = Ami { address: &ami, secret: "secret" };
    let daemon = Daemon::start(&ami, &[]);
    let numbers = ["--numbers", "1000-1999"];
    let refused = |command: Command, code: i32, why: &str| {
        let ended = run(command);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(code), ""), "{ended:?}");
        assert!(ended.stderr.contains(why), "{why}: {ended:?}");
    };
    let with = |more: &[&str]| load(daemon.address, &[&numbers[..], more].concat());
    let mut keyless = with(&[]);
    keyless.env_remove("ORIGINATORD_KEY");
    refused(keyless, 64, "--key-file or ORIGINATORD_KEY");
    let mut wrong = with(&[]);
    wrong.env("ORIGINATORD_KEY", "wr0ng-key");
    refused(wrong, 77, "does not know this key");
    refused(with(&["--key-file", "/nowhere/key"]), 66, "/nowhere/key");
    refused(with(&["--json", "/nowhere/report.json"]), 73, "/nowhere/report.json");
    let (_held, address) = nobody();
    refused(load(address, &numbers), 69, "cannot connect");
    asterisk.behave(Manner::RejectLogin);
    let unready = Daemon::start_unready(&ami, &[]);
    refused(load(unready.address, &numbers), 69, "not ready: 503");
    assert_eq!(asterisk.actions("Originate").len(), 0);
}

#[test]
fn refusals_are_counted_by_what_they_say() {
    let simulator = Simulator::start("22", BUSY);
    let daemon = simulator.daemon(&[("key", "calls_per_second = 5")]);
    let (ended, report) = report(load(
        daemon.address,
        &["--numbers", "1000-1999", "--rate", "100", "--duration", "1s"],
    ));
    let requests = &report["run"]["requests"];
    let refused = requests["refused"]["limit reached: calls_per_second = 5 of key tester"]
        .as_u64()
        .expect("a count");
    assert_eq!(requests["statuses"]["429"], refused);
    assert_eq!(
        (ended.code, &report["run"]["latency_ms"]["refusal"]["count"]),
        (Some(1), &json!(refused))
    );
    assert!(ended.stdout.contains("calls_per_second = 5"), "{}", ended.stdout);
    assert_nothing_lives(&daemon);
}

#[test]
fn calls_are_followed_where_the_daemon_masks_their_numbers() {
    let simulator = Simulator::start("22", BUSY);
    let daemon = simulator.daemon(&[("privacy", "mask_numbers = true")]);
    let args = ["--numbers", "79990000000-79990000049", "--rate", "100", "--duration", "500ms"];
    let (ended, report) = report(load(daemon.address, &args));
    assert_eq!(
        (ended.code, &report["run"]["calls"]["outcomes"]),
        (Some(0), &json!({"busy": 50})),
        "{ended:?}"
    );
    assert_eq!(report["run"]["latency_ms"]["channel"]["count"], 50);
    assert!(daemon.output().contains("+7999•••00"), "numbers are masked");
}

#[test]
fn each_number_is_in_one_call_at_a_time() {
    let simulator = Simulator::start("22", QUICK);
    let daemon = simulator.daemon(&[]);
    let args = ["--numbers", "79990001000-79990001004", "--rate", "50", "--duration", "1s"];
    let (ended, report) = report(load(daemon.address, &args));
    let requests = &report["run"]["requests"];
    // The five that are called stay: for the others there is no number, and no second call is
    // tried.
    assert_eq!(
        (&requests["accepted"], &requests["held_back"]),
        (&json!(5), &json!(45)),
        "{ended:?}"
    );
    assert_eq!(requests["refused"], json!({}));
    assert_eq!(report["run"]["calls"]["outcomes"], json!({"completed": 5}));
    assert_eq!(ended.code, Some(1));
}

#[test]
fn calls_are_held_for_their_time_or_left_alive() {
    let simulator = Simulator::start("22", QUICK);
    let daemon = simulator.daemon(&[]);
    let args = ["--numbers", "79990001000-79990001019", "--rate", "20", "--duration", "1s"];
    let (ended, held) = report(load(daemon.address, &[&args[..], &["--hold", "200ms"]].concat()));
    assert_eq!(
        (ended.code, &held["run"]["calls"]["outcomes"]),
        (Some(0), &json!({"completed": 20}))
    );
    assert_nothing_lives(&daemon);
    let (ended, left) = report(load(daemon.address, &[&args[..], &["--leave-calls"]].concat()));
    assert_eq!((ended.code, &left["run"]["calls"]["alive"]), (Some(0), &json!(20)));
    assert_eq!(daemon.get("/api/calls").json()["live_total"], 20);
}

#[test]
fn connections_are_kept_and_a_cut_is_survived() {
    let simulator = Simulator::start("22", QUICK);
    let daemon = simulator.daemon(&[]);
    let relay = Relay::start(&daemon.address.to_string());
    let reports = Reports::new();
    let numbers =
        ["--numbers", "79990001700-79990001899", "--rate", "50", "--duration", "4s", "--json"];
    let mut command = load(relay.address, &numbers);
    command.arg(reports.path("report.json"));
    let mut load = Program::start(command);
    eventually("calls live", || {
        let joined =
            daemon.records().iter().filter(|record| record["event"] == "call.joined").count();
        (joined > 20).then_some(())
    });
    // Some are made beforehand; each request one of its own would be over 50 by now.
    assert!(relay.tried() < 30, "{}", relay.tried());
    relay.cut();
    eventually("it is noticed", || {
        load.stderr().iter().any(|line| line.contains("trying again")).then_some(())
    });
    relay.mend();
    load.wait_exit();
    let report = reports.json();
    assert_eq!(
        (&report["run"]["requests"]["sent"], &report["run"]["calls"]["alive"]),
        (&json!(200), &json!(0))
    );
    assert_eq!(report["run"]["calls"]["unseen"], 0, "{report:#}");
    assert_nothing_lives(&daemon);
}

#[test]
fn the_limit_is_found_between_what_holds_and_what_does_not() {
    let simulator = Simulator::start("22", BUSY);
    // 20 at once, and then one each 50 ms.
    let daemon = simulator.daemon(&[("key", "calls_per_second = 20")]);
    let args = ["--numbers", "1000-1999", "--rate", "20", "--duration", "500ms"];
    let search = ["--find-limit", "--p99", "20s", "--max-rate", "1000"];
    let (ended, report) = report(load(daemon.address, &[&args[..], &search].concat()));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let steps = report["steps"].as_array().expect("steps");
    let rates = |held: bool| {
        let of_kind = steps.iter().filter(move |step| step["held"] == held);
        of_kind.map(|step| step["rate"].as_f64().expect("a rate"))
    };
    let (held, broke) =
        (rates(true).fold(0.0, f64::max), rates(false).fold(f64::INFINITY, f64::min));
    assert_eq!(report["limit"], held);
    assert!(held >= 20.0 && broke <= held * 1.05 && broke < 1000.0, "{steps:#?}");
    for step in steps.iter().filter(|step| step["held"] == false) {
        assert!(step["why"].as_str().is_some_and(|why| why.contains("calls_per_second")), "{step}");
    }
    assert_eq!(report["run"]["requests"]["refused"], json!({}));
    assert!(ended.stdout.contains("calls a second hold"), "{}", ended.stdout);
}
