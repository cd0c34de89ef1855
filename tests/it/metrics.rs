//! `GET /metrics`: keys, formats and values. Peers cannot add time series. The dashboard and the
//! alert rules in `dist/` work with a real Prometheus.

use std::path::Path;

use originatord_core::call::outcome::Outcome;
use originatord_core::record::EventKind;
use serde_json::Value;
use testkit::ami::{FakeAsterisk, OnOriginate};
use testkit::daemon::{Daemon, KEY};
use testkit::eventually;
use testkit::http::{self, Reply, assert_error};
use testkit::prometheus::{Prometheus, lint, promtool};
use testkit::sim::Simulator;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

fn scrape(daemon: &Daemon, accept: &str) -> Reply {
    http::request(
        daemon.address,
        "GET",
        "/metrics",
        &[("Authorization", &format!("Bearer {KEY}")), ("Accept", accept)],
        b"",
    )
}

/// The value of a time series, if it exists.
fn value(text: &str, series: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

/// Waits until a time series has this value.
fn wait_for(daemon: &Daemon, series: &str, expected: f64) {
    let mut last = None;
    eventually(&format!("{series} is {expected}"), || {
        last = value(&daemon.get("/metrics").body, series);
        (last == Some(expected)).then_some(())
    });
}

#[test]
fn metrics_need_a_key_and_negotiate_the_format() {
    let (_asterisk, daemon) = FakeAsterisk::with_daemon(&[]);
    assert_error(&http::request(daemon.address, "GET", "/metrics", &[], b""), 401, "no key");
    assert_error(
        &http::request(daemon.address, "GET", "/metrics", &[("X-Api-Key", "wrong-key")], b""),
        401,
        "wrong",
    );
    assert_error(
        &http::request(daemon.address, "POST", "/metrics", &[("X-Api-Key", KEY)], b"{}"),
        405,
        "POST",
    );
    let newest =
        "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    for accept in ["*/*", newest] {
        let reply = scrape(&daemon, accept);
        assert_eq!(
            (reply.status, reply.header("content-type")),
            (200, Some(OPEN_METRICS)),
            "{accept}"
        );
        assert!(reply.body.ends_with("\n# EOF\n"), "{accept}");
    }
    let older = scrape(&daemon, "text/plain");
    assert_eq!(older.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(
        older.body.contains("# TYPE originatord_calls_ended_total counter\n"),
        "{}",
        older.body
    );
    assert_eq!(
        value(
            &older.body,
            &format!("originatord_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"))
        ),
        Some(1.0)
    );
}

#[test]
fn promtool_accepts_names_units_and_help() {
    let (_asterisk, daemon) = FakeAsterisk::with_daemon(&[("journal", "file = \"calls.jsonl\"")]);
    daemon.call_ok("79990000001", "R1");
    let linted = lint(&scrape(&daemon, "text/plain").body);
    assert_eq!((linted.code, &*linted.stdout, &*linted.stderr), (Some(0), "", ""));
    // promtool does find faults.
    assert_ne!(lint("# TYPE calls counter\ncalls 1\n").code, Some(0));
}

#[test]
fn calls_are_counted_by_outcome() {
    let (asterisk, daemon) = FakeAsterisk::with_daemon(&[
        ("limits", "attempts_per_number = 2"),
        ("journal", "file = \"calls.jsonl\""),
    ]);
    let conf = |code: u16| {
        format!(
            "originatord_http_requests_total{{path=\"/api/conf\",code=\"{code}\",key=\"tester\"}}"
        )
    };
    let first = daemon.call_ok("79990000001", "R1");
    assert_eq!(daemon.call("79990000001", "R1").json()["text"], "call already in progress");
    daemon.call_ok("79990000002", "R1");
    wait_for(&daemon, "originatord_calls_live{state=\"queued\"}", 2.0);
    asterisk.hang_up(&first);
    daemon.wait_for(&first, "call.ended");
    let again = daemon.call_ok("79990000001", "R1");
    asterisk.hang_up(&again);
    daemon.wait_for(&again, "call.ended");
    assert_eq!(daemon.call("79990000001", "R1").status, 429);
    assert_eq!(daemon.call("79990000003", "R,1").status, 400);

    let text = scrape(&daemon, "*/*").body;
    for (series, expected) in [
        (&*conf(200), 4.0),
        (&*conf(429), 1.0),
        (&*conf(400), 1.0),
        ("originatord_calls_live{state=\"queued\"}", 1.0),
        ("originatord_calls_live{state=\"joined\"}", 0.0),
        ("originatord_calls_ended_total{outcome=\"busy\"}", 2.0),
        ("originatord_calls_ended_total{outcome=\"completed\"}", 0.0),
        ("originatord_calls_refused_total{reason=\"in_progress\",limit=\"\"}", 1.0),
        ("originatord_calls_refused_total{reason=\"limited\",limit=\"attempts_per_number\"}", 1.0),
        ("originatord_call_receipt_seconds_count", 3.0),
        ("originatord_records_total{event=\"call.requested\"}", 5.0),
        ("originatord_records_total{event=\"call.ended\"}", 2.0),
        ("originatord_ami_events_total{event=\"Hangup\"}", 2.0),
        ("originatord_journal_gaps_total{reader=\"file\"}", 0.0),
        ("originatord_journal_writer_up{writer=\"file\"}", 1.0),
        ("originatord_ready", 1.0),
        ("originatord_ami_up", 1.0),
        ("originatord_ami_connections_total", 1.0),
        ("originatord_ami_connect_attempts_total", 1.0),
    ] {
        assert_eq!(value(&text, series), Some(expected), "{series} in\n{text}");
    }
    for process in
        ["cpu_seconds_total", "resident_memory_bytes", "open_fds", "max_fds", "start_time_seconds"]
    {
        assert!(
            value(&text, &format!("process_{process}")).is_some_and(|value| value >= 0.0),
            "{process} in\n{text}"
        );
    }
}

#[test]
fn metrics_show_the_link_and_pending_actions() {
    let (asterisk, daemon) = FakeAsterisk::with_daemon(&[(
        "asterisk",
        "keepalive = \"100ms\"\nbackoff_min = \"1ms\"\nbackoff_max = \"1ms\"",
    )]);
    eventually("a round trip is measured", || {
        value(&daemon.get("/metrics").body, "originatord_ami_round_trip_seconds_count")
            .filter(|count| *count > 0.0)
    });
    asterisk.cut();
    wait_for(&daemon, "originatord_ami_connections_total", 2.0);
    wait_for(&daemon, "originatord_ami_up", 1.0);
    asterisk.on_originate(OnOriginate::Silence);
    std::thread::scope(|scope| {
        let late = scope.spawn(|| daemon.call("79990000001", "R1").status);
        asterisk.wait_for("Originate", 1);
        let pending = || value(&daemon.get("/metrics").body, "originatord_ami_actions_pending");
        eventually("an action is pending", || pending().filter(|pending| *pending >= 1.0));
        assert_eq!(late.join().expect("an answer"), 504);
    });
}

#[test]
fn metrics_show_a_full_disk_and_lost_records() {
    let (_asterisk, daemon) =
        FakeAsterisk::with_daemon(&[("journal", "file = \"later/calls.jsonl\"\nring = 3")]);
    wait_for(&daemon, "originatord_journal_writer_up{writer=\"file\"}", 0.0);
    for number in 0..10 {
        daemon.call_ok(&format!("7999000000{number}"), "R1");
    }
    std::fs::create_dir(daemon.folder.path().join("later")).expect("a folder");
    wait_for(&daemon, "originatord_journal_writer_up{writer=\"file\"}", 1.0);
    let lost = eventually("the lost records are counted", || {
        value(
            &daemon.get("/metrics").body,
            "originatord_journal_lost_records_total{reader=\"file\"}",
        )
        .filter(|n| *n > 0.0)
    });
    let text = eventually("the file has the last record", || {
        let text = std::fs::read_to_string(daemon.folder.path().join("later/calls.jsonl")).ok()?;
        text.lines().last().is_some_and(|line| line.contains("+79990000009")).then_some(text)
    });
    let gaps = text.lines().filter_map(|line| {
        serde_json::from_str::<Value>(line).ok().filter(|l| l["event"] == "gap")
    });
    let missing =
        gaps.map(|gap| gap["to"].as_f64().expect("to") - gap["from"].as_f64().expect("from") + 1.0);
    assert_eq!(missing.sum::<f64>(), lost, "{text}");
}

#[test]
fn unknown_paths_create_no_time_series() {
    let (_asterisk, daemon) = FakeAsterisk::with_daemon(&[]);
    let ask = |path: &str, key: &str| {
        http::request(daemon.address, "GET", path, &[("X-Api-Key", key)], b"").status
    };
    let series =
        || daemon.get("/metrics").body.lines().filter(|line| !line.starts_with('#')).count();
    // One request of each kind, so that every series exists before they are counted.
    for path in ["/nowhere", "/api/calls/x", "/metrics"] {
        ask(path, "wrong-key");
        ask(path, KEY);
    }
    series();
    let before = series();
    for number in 0..300 {
        ask(&format!("/{number}"), &format!("wrong-key-{number}"));
        ask(&format!("/api/calls/{number}"), KEY);
        ask("/api/calls/%22%7D%201%0Aforged%202", KEY);
    }
    assert_eq!(series(), before);
    let text = daemon.get("/metrics").body;
    assert_eq!(
        value(&text, "originatord_http_requests_total{path=\"other\",code=\"404\",key=\"\"}"),
        Some(302.0)
    );
}

#[test]
fn alert_rules_pass_their_tests() {
    for args in [["check", "rules", "alerts.yml"], ["test", "rules", "alerts.test.yml"]] {
        let ended = promtool(&args);
        assert_eq!(ended.code, Some(0), "{args:?}: {ended:?}");
    }
    // Each rule has a test.
    let read = |name: &str| {
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).expect("a file")
    };
    let (rules, tests) = (read("dist/alerts.yml"), read("dist/alerts.test.yml"));
    let names: Vec<_> =
        rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(names.len() > 5, "{names:?}");
    for name in names {
        assert!(tests.contains(&format!("alertname: {name}\n")), "{name} has no test");
    }
}

#[test]
fn operating_guide_names_each_metric_and_record() {
    let read = |name: &str| {
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).expect("a file")
    };
    let (page, rules) = (read("docs/operating.md"), read("dist/alerts.yml"));
    let (_asterisk, daemon) = FakeAsterisk::with_daemon(&[("journal", "file = \"calls.jsonl\"")]);
    let text = scrape(&daemon, "text/plain").body;
    let metrics = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let metrics =
        metrics.filter(|name| !name.starts_with("process_")).map(|name| format!("`{name}"));
    let alerts = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .map(|name| format!("`{name}`"));
    let records = EventKind::OF_RECORDS.map(|kind| format!("`{}`", kind.as_str()));
    let outcomes = Outcome::ALL.iter().filter(|outcome| **outcome != Outcome::Completed);
    let outcomes = outcomes.map(|outcome| format!("`{}`", outcome.as_str()));
    let all: Vec<_> = metrics.chain(alerts).chain(records).chain(outcomes).collect();
    assert!(all.len() > 50, "{all:?}");
    let missing: Vec<_> = all.iter().filter(|name| !page.contains(&***name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// The dashboard's expressions by panel, with the variables filled in as Grafana does.
fn panels() -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("dist/grafana.json");
    let dashboard: Value =
        serde_json::from_str(&std::fs::read_to_string(path).expect("a file")).expect("JSON");
    let filled = |expression: &str| {
        let filled = expression.replace("$__rate_interval", "10s").replace("$job", "originatord");
        filled.replace("$instance", ".*")
    };
    let panels = dashboard["panels"].as_array().expect("panels").iter();
    panels
        .flat_map(|panel| {
            let targets = panel["targets"].as_array().into_iter().flatten();
            let title = panel["title"].as_str().expect("a title");
            targets.map(move |target| {
                (title.to_owned(), filled(target["expr"].as_str().expect("an expression")))
            })
        })
        .collect()
}

#[test]
fn each_dashboard_panel_shows_data_from_prometheus() {
    let simulator = Simulator::start("22", "[timing]\nwait = \"0s\"\nbeep = \"10ms\"\n");
    let keepalive = ("asterisk", "keepalive = \"500ms\"");
    let daemon = simulator.daemon(&[("journal", "file = \"calls.jsonl\""), keepalive]);
    let prometheus = Prometheus::of(&daemon);
    eventually("Prometheus has scraped the daemon", || {
        prometheus.number("up{job=\"originatord\"}").filter(|up| *up == 1.0)
    });
    let (answered, busy) =
        (daemon.call_ok("79990000200", "R1"), daemon.call_ok("79990000486", "R1"));
    daemon.call_ok("79990000001", "R1");
    for call in [&answered, &busy] {
        daemon.wait_for(call, "call.ended");
    }
    for (expression, expected) in [
        ("originatord_calls_ended_total{outcome=\"completed\"}", 1.0),
        ("originatord_calls_ended_total{outcome=\"busy\"}", 1.0),
        ("originatord_calls_live{state=\"joined\"}", 1.0),
        ("originatord_call_talk_seconds_count", 1.0),
        ("sum(originatord_call_receipt_seconds_count)", 3.0),
        ("originatord_http_requests_total{path=\"/api/conf\",code=\"200\",key=\"tester\"}", 3.0),
    ] {
        eventually(expression, || prometheus.number(expression).filter(|found| *found == expected));
    }
    let panels = panels();
    assert!(panels.len() > 20, "{panels:?}");
    for (title, expression) in panels {
        eventually(&format!("{title} shows data: {expression}"), || {
            (!prometheus.query(&expression).is_empty()).then_some(())
        });
    }
}
