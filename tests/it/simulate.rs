//! The daemon with the simulator, both as processes: the setup of a bot's developer.

use std::process::Command;

use serde_json::{Value, json};
use testkit::eventually;
use testkit::sim::{QUICK, Simulator};

const RING_TIMEOUT: (&str, &str) = ("originate", "ring_timeout = \"2s\"");

#[test]
fn each_callee_ends_as_documented() {
    for version in ["22", "16"] {
        let simulator = Simulator::start(version, QUICK);
        let daemon = simulator.daemon(&[RING_TIMEOUT]);
        let rows = [
            ("404", "not_on_telegram", json!(1)),
            ("420", "invalid_number", json!(3)),
            ("486", "busy", json!(17)),
            ("500", "flood_wait", json!(38)),
            ("603", "declined", json!(21)),
            ("480", "no_answer", json!(19)),
            ("180", "no_answer", Value::Null),
            ("408", "no_answer", Value::Null),
            ("200", "completed", json!(16)),
        ];
        let calls: Vec<_> = rows
            .iter()
            .map(|(digits, ..)| daemon.call_ok(&format!("7999000{digits}"), "R1"))
            .collect();
        for ((digits, outcome, cause), id) in rows.iter().zip(&calls) {
            let end = daemon.wait_for(id, "call.ended");
            assert_eq!(end["outcome"], *outcome, "{version}, {digits}: {end}");
            assert!(cause.is_null() || end["cause"] == *cause, "{version}, {digits}: {end}");
            if *digits == "500" {
                assert_eq!(end["flood_wait_seconds"], 291, "{end}");
            }
        }
        assert!(daemon.events(&calls[8]).contains(&"call.left".to_owned()));
        assert!(daemon.events(&calls[6]).contains(&"call.ringing".to_owned()));
    }
}

#[test]
fn delete_hangs_up_a_simulated_call() {
    let simulator = Simulator::start("22", QUICK);
    let daemon = simulator.daemon(&[]);
    let id = daemon.call_ok("79990000001", "КОМНАТА1");
    assert_eq!(daemon.wait_for(&id, "call.joined")["conference"], "КОМНАТА1");
    let steps = ["call.requested", "call.queued", "call.ringing", "call.answered", "call.joined"];
    assert_eq!(daemon.events(&id), steps);
    assert_eq!(daemon.call("79990000001", "R2").json()["text"], "call already in progress");
    assert_eq!(daemon.delete(&format!("/api/calls/{id}")).status, 200);
    let end = daemon.wait_for(&id, "call.ended");
    assert_eq!((&end["outcome"], &end["hung_up_by"]), (&json!("completed"), &json!("tester")));
    let again = daemon.call_ok("79990000001", "R1");
    daemon.wait_for(&again, "call.joined");
}

#[test]
fn call_outlives_the_daemon() {
    let simulator = Simulator::start("22", QUICK);
    let daemon = simulator.daemon(&[]);
    let id = daemon.call_ok("79990000001", "R1");
    daemon.wait_for(&id, "call.joined");
    let daemon = daemon.crash_and_restart();
    assert_eq!(daemon.get(&format!("/api/calls/{id}")).json()["state"], "joined");
    assert_eq!(daemon.delete(&format!("/api/calls/{id}")).status, 200);
    assert_eq!(daemon.wait_for(&id, "call.ended")["outcome"], "completed");
}

#[test]
fn two_daemons_share_the_lock_of_a_number() {
    let simulator = Simulator::start("22", QUICK);
    let daemons =
        ["a", "b"].map(|name| simulator.daemon(&[("top", &format!("instance = \"{name}\""))]));
    let first = daemons[0].call_ok("79990000001", "R1");
    let busy = daemons[1].call("79990000001", "R1");
    assert_eq!(busy.json()["text"], "call already in progress");
    daemons[0].delete(&format!("/api/calls/{first}"));
    daemons[0].wait_for(&first, "call.ended");
    daemons[1].call_ok("79990000001", "R1");
}

#[test]
fn check_accepts_the_simulator() {
    let simulator = Simulator::start("22", "");
    let daemon = simulator.daemon(&[]);
    let config = daemon.folder.path().join("config.toml");
    let checked = Command::new(env!("CARGO_BIN_EXE_originatord"))
        .args(["check", "--connect", "--config"])
        .arg(config)
        .output()
        .expect("check runs");
    let report = String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success(), "{report}");
    assert!(!report.contains("warning") && !report.contains("failure"), "{report}");
}

#[test]
fn faults_are_set_and_cleared_by_action() {
    let simulator = Simulator::start("22", QUICK);
    let daemon = simulator.daemon(&[("asterisk", "keepalive = \"1s\"")]);
    let id = daemon.call_ok("79990000001", "R1");
    daemon.wait_for(&id, "call.joined");
    simulator.ask("Action: SimFault\r\nStop_Writing: true", "Faults set");
    daemon.wait_for_event("ami.disconnected");
    eventually("the daemon is not ready", || (daemon.get("/readyz").status == 503).then_some(()));
    // The simulator no longer writes, so a test cannot clear this fault by action. Another
    // simulator takes its place.
    drop(daemon);

    let simulator = Simulator::start("22", QUICK);
    let daemon = simulator.daemon(&[]);
    let id = daemon.call_ok("79990000001", "R1");
    daemon.wait_for(&id, "call.joined");
    simulator.ask("Action: SimFault\r\nRestart: true", "Faults set");
    daemon.wait_for_event("ami.disconnected");
    let end = daemon.wait_for(&id, "call.ended");
    assert_eq!(end["outcome"], "unknown", "{end}");
    daemon.wait_ready();
    // The metric counts the call as answered, although its outcome is unknown.
    let metrics = daemon.get("/metrics").body;
    assert!(
        metrics.contains("originatord_calls_ended_answered_total{outcome=\"unknown\"} 1\n"),
        "{metrics}"
    );
    let counted = || {
        let stats = daemon.get("/api/stats").json();
        let minutes = stats["minutes"].as_array().expect("minutes").clone();
        minutes.iter().filter_map(|minute| minute["ended_answered"].as_u64()).sum::<u64>()
    };
    eventually("the stats count the answered call", || (counted() == 1).then_some(()));
    let again = daemon.call_ok("79990000001", "R1");
    daemon.wait_for(&again, "call.joined");
}

#[test]
fn call_behind_a_cut_link_is_adopted() {
    let simulator = Simulator::start("22", QUICK);
    let daemon = simulator.daemon(&[]);
    simulator.ask("Action: SimFault\r\nCut_Before_Receipt: true", "Faults set");
    let reply = daemon.call("79990000001", "R1");
    assert_eq!(reply.status, 504, "{reply:?}");
    daemon.wait_ready();
    let busy = daemon.call("79990000001", "R1");
    assert_eq!(busy.json()["text"], "call already in progress");
    let live = daemon.get("/api/calls").json();
    assert!(live.to_string().contains("+79990000001"), "{live}");
}

#[test]
fn daemon_tolerates_noise() {
    let scenario = format!(
        "{QUICK}[faults]\nrepeat = 0.3\nreorder = 0.3\nflood = 2000\nendless_line = 300000\nendless_headers = 50000\n"
    );
    let simulator = Simulator::start("22", &scenario);
    let daemon = simulator.daemon(&[]);
    for number in 0..20 {
        let id = daemon.call_ok(&format!("799900{number:02}486"), "R1");
        let end = daemon.wait_for(&id, "call.ended");
        assert_eq!(end["outcome"], "busy", "{end}");
    }
}

#[test]
fn simulator_ends_by_signal_and_refuses_bad_scenarios() {
    for signal in ["-TERM", "-INT"] {
        assert_eq!(Simulator::start("22", "").end_by(signal), Some(0));
    }
    let folder = tempfile::TempDir::new().expect("a folder");
    let file = folder.path().join("scenario.toml");
    std::fs::write(&file, "[timing]\nwiat = \"1s\"\n").expect("a written file");
    let refused = Command::new(env!("CARGO_BIN_EXE_originatord"))
        .args(["simulate", "--listen", "127.0.0.1:0", "--scenario"])
        .arg(&file)
        .output()
        .expect("the program runs");
    assert_eq!(refused.status.code(), Some(78));
    let problem = String::from_utf8_lossy(&refused.stderr);
    assert!(
        problem.contains("scenario.toml") && problem.contains("wiat") && problem.contains("line 2"),
        "{problem}"
    );
}
