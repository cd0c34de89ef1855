//! Whole runs: each call is followed to its end, and the report adds up.

use super::{BUSY, Reports, assert_nothing_lives, load, report};
use serde_json::json;
use testkit::program::run;
use testkit::sim::{QUICK, Simulator};

#[test]
fn each_call_is_followed_to_its_end() {
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
    // The simulated callees answer after 1 s.
    assert!(run["latency_ms"]["answered"]["min"].as_f64().is_some_and(|ms| ms >= 1000.0), "{run}");
    assert!(
        ended.stdout.contains("completed") && ended.stdout.contains("POST → joined"),
        "{}",
        ended.stdout
    );
    // A flood wait counts as a failure, unlike other outcomes.
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
fn run_without_failures_exits_with_zero() {
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
fn refusals_are_counted_by_reason() {
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
fn calls_with_masked_numbers_are_followed() {
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
    assert!(daemon.output().contains("+7999•••00"), "no number is masked");
}

#[test]
fn number_is_in_one_call_at_a_time() {
    let simulator = Simulator::start("22", QUICK);
    let daemon = simulator.daemon(&[]);
    let args = ["--numbers", "79990001000-79990001004", "--rate", "50", "--duration", "1s"];
    let (ended, report) = report(load(daemon.address, &args));
    let requests = &report["run"]["requests"];
    // The five callees stay in their calls, so the generator has no free number for the other
    // requests and holds them back.
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
fn calls_end_after_hold_or_are_left() {
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
fn search_finds_the_highest_rate_that_holds() {
    let simulator = Simulator::start("22", BUSY);
    // The limit allows 20 calls at once, then one every 50 ms.
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
