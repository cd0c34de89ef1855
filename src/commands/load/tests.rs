//! Tests which command lines are a valid plan.

use clap::Parser;

use super::*;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: LoadArgs,
}

/// The plan of a default command line with the options `more`, which replace defaults.
fn plan(more: &[&str]) -> Result<Plan, String> {
    let mut args = vec!["load", "--url", "http://127.0.0.1:8080", "--numbers", "1000-1999"];
    for pair in more.chunks(2) {
        match args.iter().position(|arg| *arg == pair[0]) {
            Some(at) => args[at + 1] = pair[1],
            None => args.extend(pair),
        }
    }
    let cli = Cli::try_parse_from(args).map_err(|error| error.to_string())?;
    cli.args.plan().check(cli.args.allow_host.as_deref()).map_err(|error| error.to_string())
}

#[test]
fn other_machine_needs_allow_host() {
    for url in [
        "http://127.0.0.1",
        "https://localhost:8443",
        "http://[::1]:80",
        "http://127.9.9.9",
        "http://LOCALHOST",
    ] {
        assert!(plan(&["--url", url]).is_ok(), "{url}");
    }
    for host in [
        "pbx.example.org",
        "10.0.0.1",
        "0.0.0.0",
        "[2001:db8::1]",
        "127.0.0.1.example.org",
        "localhost.example.org",
        "127.0.0.1@pbx.example.org",
        "localhost:80@10.0.0.1",
        "2130706433",
    ] {
        let url = format!("http://{host}:8080/");
        let refused = plan(&["--url", &url]).expect_err(host);
        assert!(refused.contains("--allow-host"), "{host}: {refused}");
    }
    assert!(plan(&["--url", "http://Pbx.example.org", "--allow-host", "pbx.EXAMPLE.org"]).is_ok());
    assert!(plan(&["--url", "http://[2001:db8::1]:80", "--allow-host", "2001:db8::1"]).is_ok());
    for (url, allowed) in [("http://a.example", "b.example"), ("http://127.0.0.1", "b.example")] {
        assert!(
            plan(&["--url", url, "--allow-host", allowed])
                .expect_err(url)
                .contains("is not the host of"),
            "{url}"
        );
    }
}

#[test]
fn error_names_the_option_with_wrong_value() {
    for (name, values) in [
        ("--rate", &["0", "-1", "NaN", "inf", "100001"][..]),
        ("--duration", &["0s", "25h"]),
        ("--ramp", &["25h"]),
        ("--concurrency", &["0", "10001"]),
        ("--timeout", &["0s", "26s"]),
        ("--rooms", &["0"]),
        ("--room-prefix", &["a,admin-", "a/b", "a  b", ""][..3]),
        ("--caller-id", &["a\tb", "a\u{1b}b"]),
        ("--numbers", &["1000", "1999-1000", "12-99"]),
        ("--lang", &["ru,x"]),
    ] {
        for value in values {
            let value = &format!("{name}={value}");
            let refused = plan(&[value]).expect_err(value);
            assert!(refused.contains(name), "{value}: {refused}");
        }
    }
}

#[test]
fn plan_beyond_max_calls_is_refused() {
    assert!(plan(&["--rate", "1000", "--duration", "100s"]).is_ok());
    let refused = plan(&["--rate", "1000", "--duration", "101s"]).expect_err("too many");
    assert!(refused.contains("101000") && refused.contains("--max-calls 100000"), "{refused}");
    assert!(plan(&["--rate", "1000", "--duration", "101s", "--max-calls", "101000"]).is_ok());
}

#[test]
fn plan_shows_target_and_load() {
    let plan = plan(&["--rate", "20", "--ramp", "10s", "--rooms", "5", "--hold", "2s"])
        .expect("a plan")
        .to_string();
    for part in [
        "http://127.0.0.1:8080/api/conf",
        "+1000 to +1999 (1000)",
        "load-1 to load-5, as load",
        "20 calls a second, for a ramp of 10s and 10s: 300 calls",
        "at most 256 requests",
        "2s after the answer",
    ] {
        assert!(plan.contains(part), "{part}: {plan}");
    }
}

#[test]
fn calls_are_spread_over_the_rooms() {
    let plan = plan(&["--rooms", "3", "--room-prefix", "R"]).expect("a plan");
    assert_eq!((0..4).map(|n| plan.room(n)).collect::<Vec<_>>(), ["R1", "R2", "R3", "R1"]);
}
