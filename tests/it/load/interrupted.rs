//! Runs that Ctrl-C or a broken connection interrupts.

use super::{Reports, assert_nothing_lives, load};
use serde_json::json;
use testkit::ami::{FakeAsterisk, OnOriginate};
use testkit::daemon::signal;
use testkit::eventually;
use testkit::program::Program;
use testkit::relay::Relay;
use testkit::sim::{QUICK, Simulator};

#[test]
fn ctrl_c_hangs_up_and_still_reports() {
    let simulator = Simulator::start("22", QUICK);
    let daemon = simulator.daemon(&[]);
    let reports = Reports::new();
    let mut command = load(
        daemon.address,
        &["--numbers", "79990001000-79990001099", "--rate", "20", "--duration", "5m"],
    );
    command.args(["--leave-calls", "--json"]).arg(reports.path("report.json"));
    let mut load = Program::start(command);
    eventually("some calls have joined", || {
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
    // A call that is hung up between its answer and the room ends as `not_joined`.
    let possible = ["completed", "canceled", "not_joined"];
    assert!(outcomes.keys().all(|outcome| possible.contains(&&**outcome)), "{outcomes:?}");
    eventually("the program prints the summary", || {
        load.stdout().iter().any(|line| line == "stopped early").then_some(())
    });
}

#[test]
fn second_ctrl_c_ends_at_once() {
    let asterisk = FakeAsterisk::start(OnOriginate::Accept);
    asterisk.ignore_hang_ups();
    let daemon = asterisk.daemon(&[]);
    let mut load =
        Program::start(load(daemon.address, &["--numbers", "1000-1999", "--duration", "1m"]));
    asterisk.wait_for("Originate", 3);
    signal(&load.child, "-INT");
    asterisk.wait_for("Hangup", 1);
    assert!(load.is_running());
    signal(&load.child, "-INT");
    assert_eq!(load.wait_exit(), Some(130));
    eventually("the program names the calls that are still alive", || {
        load.stderr().iter().any(|line| line.contains("still alive")).then_some(())
    });
    assert_eq!(load.stdout(), [] as [String; 0]);
}

#[test]
fn run_survives_cut_connections() {
    let simulator = Simulator::start("22", QUICK);
    let daemon = simulator.daemon(&[]);
    let relay = Relay::start(&daemon.address.to_string());
    let reports = Reports::new();
    let numbers =
        ["--numbers", "79990001700-79990001899", "--rate", "50", "--duration", "4s", "--json"];
    let mut command = load(relay.address, &numbers);
    command.arg(reports.path("report.json"));
    let mut load = Program::start(command);
    eventually("some calls have joined", || {
        let joined =
            daemon.records().iter().filter(|record| record["event"] == "call.joined").count();
        (joined > 20).then_some(())
    });
    // The generator reuses connections: with one for each request, it would have opened over 50 by
    // now.
    assert!(relay.accepted() < 30, "{}", relay.accepted());
    relay.cut();
    eventually("the program reports the cut", || {
        load.stderr().iter().any(|line| line.contains("trying again")).then_some(())
    });
    relay.restore();
    load.wait_exit();
    let report = reports.json();
    assert_eq!(
        (&report["run"]["requests"]["sent"], &report["run"]["calls"]["alive"]),
        (&json!(200), &json!(0))
    );
    assert_eq!(report["run"]["calls"]["unseen"], 0, "{report:#}");
    assert_nothing_lives(&daemon);
}
