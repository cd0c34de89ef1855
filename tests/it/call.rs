//! `originatord call`: places a call, prints each step, and exits with a code for the outcome.

use std::process::Command;

use serde_json::{Value, json};
use testkit::ami::{FakeAsterisk, OnOriginate};
use testkit::daemon::{self, Ami, Daemon, KEY};
use testkit::eventually;
use testkit::program::{self, Program, run, unused_address};
use testkit::relay::Relay;
use testkit::sim::{QUICK, Simulator};

/// `originatord call` with the key, through the daemon at this address.
fn call(address: impl ToString, args: &[&str]) -> Command {
    let url = format!("http://{}", address.to_string());
    let mut command = program::command(&[&["call", "--url", &url], args].concat());
    command.env("ORIGINATORD_KEY", KEY);
    command
}

/// Waits until a `--json` program has printed a record of its call; returns the call's id.
fn id_of(program: &Program) -> String {
    let record: Value = serde_json::from_str(&program.wait_for("call.queued")).expect("a record");
    record["call_id"].as_str().expect("an id").to_owned()
}

#[test]
fn exit_code_shows_how_the_call_ended() {
    let simulator = Simulator::start("22", QUICK);
    let daemon = simulator.daemon(&[("originate", "ring_timeout = \"2s\"")]);
    let expected = [
        ("200", 0, "completed"),
        ("480", 10, "no_answer"),
        ("486", 11, "busy"),
        ("603", 12, "declined"),
        ("404", 13, "not_on_telegram"),
        ("420", 14, "invalid_number"),
        ("500", 15, "flood_wait"),
    ];
    // All run at once, and each follows its own call.
    let calls = expected.map(|(digits, ..)| {
        let number = format!("+7999000{digits}");
        Program::start(call(daemon.address, &[&number, "R1", "--caller-id", "Боб", "--lang", "en"]))
    });
    for ((digits, code, outcome), program) in expected.into_iter().zip(calls) {
        let ended = program.end();
        assert_eq!((ended.code, &*ended.stderr), (Some(code), ""), "{digits}: {ended:?}");
        let lines: Vec<_> = ended.stdout.lines().skip(1).collect();
        assert!(
            ended.stdout.starts_with("-- ")
                && lines.iter().all(|line| line.contains(&format!(" +7999000{digits}  "))),
            "{ended:?}"
        );
        assert!(
            lines[0].contains(" call.requested ") && lines[1].contains(" call.queued "),
            "{ended:?}"
        );
        let last = lines[lines.len() - 1];
        assert!(
            last.contains(" call.ended ") && last.contains(&format!(" outcome={outcome} ")),
            "{ended:?}"
        );
        assert_eq!(ended.stdout.contains(" call.joined "), code == 0, "{ended:?}");
    }
    let requested = daemon.wait_for_event("call.requested");
    assert_eq!((&requested["caller_id"], &requested["lang"]), (&json!("Боб"), &json!("en")));
}

#[test]
fn answer_without_join_is_no_success() {
    let simulator = Simulator::start("22", "[timing]\nwait = \"10s\"\n");
    let daemon = simulator.daemon(&[]);
    let program = Program::start(call(daemon.address, &["79990000001", "R1", "--json"]));
    program.wait_for("call.answered");
    assert_eq!(daemon.delete(&format!("/api/calls/{}", id_of(&program))).status, 200);
    let ended = program.end();
    // No other call has joined on this link, so the daemon cannot exclude that this one joined
    // unseen.
    assert!(ended.stdout.contains("\"outcome\":\"completed\""), "{ended:?}");
    assert_eq!(ended.code, Some(1), "{ended:?}");
    // The outcome alone would look like success.
    assert_eq!(ended.stderr, "-- answered, but not seen in the room\n");
}

#[test]
fn callee_who_hangs_up_early_is_not_joined() {
    let simulator = Simulator::start("22", "");
    let daemon = simulator.daemon(&[]);
    let joined = Program::start(call(daemon.address, &["79990000001", "R1"]));
    joined.wait_for("call.joined");
    let ended = Program::start(call(daemon.address, &["79990000201", "R1"])).end();
    assert_eq!((ended.code, &*ended.stderr), (Some(1), ""), "{ended:?}");
    let last = ended.stdout.lines().last().expect("a line");
    assert!(last.contains(" call.ended ") && last.contains(" outcome=not_joined "), "{ended:?}");
    let page = daemon.get("/api/calls?outcome=not_joined").json();
    let [one] = &page["ended"].as_array().expect("calls")[..] else { panic!("{page}") };
    assert_eq!((&one["number"], &one["joined"]), (&json!("+79990000201"), &Value::Null));
    assert!(one["answered"].is_string(), "{one}");
    let metrics = daemon.get("/metrics").body;
    for series in ["calls_ended_total", "calls_ended_answered_total"] {
        let line = format!("originatord_{series}{{outcome=\"not_joined\"}} 1\n");
        assert!(metrics.contains(&line), "{line} in {metrics}");
    }
}

#[test]
fn hang_up_before_the_answer_is_canceled() {
    let simulator = Simulator::start("22", QUICK);
    let daemon = simulator.daemon(&[]);
    let program = Program::start(call(daemon.address, &["79990000180", "R1", "--json"]));
    program.wait_for("call.ringing");
    assert_eq!(daemon.delete(&format!("/api/calls/{}", id_of(&program))).status, 200);
    assert_eq!(program.end().code, Some(17));
}

#[test]
fn json_output_is_the_records_unchanged() {
    let (asterisk, daemon) = FakeAsterisk::with_daemon(&[]);
    let other = daemon.call_ok("79990000002", "R2");
    let program = Program::start(call(daemon.address, &["79990000001", "R1", "--json"]));
    let id = id_of(&program);
    asterisk.hang_up(&other);
    asterisk.hang_up(&id);
    let ended = program.end();
    daemon.wait_for(&id, "call.ended");
    let records = daemon.records();
    let ours = records
        .iter()
        .filter(|record| record["call_id"] == *id)
        .map(|record| format!("{record}\n"));
    assert_eq!(ended.stdout, ours.collect::<String>());
    assert_eq!(daemon.wait_for(&id, "call.requested")["caller_id"], "originatord");
}

#[test]
fn refused_call_shows_the_reason() {
    let (asterisk, daemon) =
        FakeAsterisk::with_daemon(&[("limits", "deny = [\"7800\"]\nattempts_per_number = 1")]);
    daemon.call_ok("79990000001", "R1");
    let no = |number: &str| {
        let ended = run(call(daemon.address, &[number, "R1"]));
        assert_eq!(ended.stdout, "", "{ended:?}");
        (ended.code, ended.stderr)
    };
    assert_eq!(no("79990000001"), (Some(20), "-- refused: call already in progress\n".to_owned()));
    let denied = "-- refused: phone_number: this number must not be called\n";
    assert_eq!(no("78000000001"), (Some(21), denied.to_owned()));
    let ended_id = daemon.call_ok("79990000002", "R1");
    asterisk.hang_up(&ended_id);
    daemon.wait_for(&ended_id, "call.ended");
    assert_eq!(
        no("79990000002"),
        (Some(22), "-- refused: limit reached: attempts_per_number = 1\n".to_owned())
    );
    asterisk.on_originate(OnOriginate::Refuse);
    let (code, message) = no("79990000003");
    assert!(
        code == Some(23) && message.starts_with("-- refused: Asterisk refused the call: "),
        "{code:?} {message}"
    );
    asterisk.cut();
    daemon.wait_for_event("ami.disconnected");
}

#[test]
fn nothing_is_requested_without_daemon_or_key() {
    let watch = "[[api_keys]]\nname = \"eye\"\nkey = \"k3y-of-the-watcher\"\nrole = \"watch\"";
    let (asterisk, daemon) = FakeAsterisk::with_daemon(&[("key", watch)]);
    let as_key = |key: &str| {
        let mut command = call(daemon.address, &["79990000001", "R1"]);
        command.env("ORIGINATORD_KEY", key);
        run(command)
    };
    let watcher = as_key("k3y-of-the-watcher");
    assert_eq!((watcher.code, &*watcher.stdout), (Some(77), ""), "{watcher:?}");
    assert!(
        watcher.stderr.starts_with("originatord call: ")
            && watcher.stderr.contains("this key may look at calls"),
        "{watcher:?}"
    );
    let stranger = as_key("wr0ng-key");
    assert_eq!(stranger.code, Some(77), "{stranger:?}");
    assert!(stranger.stderr.contains("does not know this key"), "{stranger:?}");
    assert!(asterisk.actions("Originate").is_empty());

    let (_held, address) = unused_address();
    let ended = run(call(address, &["79990000001", "R1"]));
    assert_eq!(ended.code, Some(69), "{ended:?}");
    assert!(ended.stderr.contains("cannot connect to"), "{ended:?}");
    for wrong in
        [&["12", "R1"][..], &["7999", "a  b"], &["7999"], &["7999", "R", "--caller-id", "x\ty"]]
    {
        assert_eq!(run(call(address, wrong)).code, Some(64), "{wrong:?}");
    }
}

#[test]
fn ctrl_c_keeps_the_call_and_explains_hangup() {
    let (_asterisk, daemon) = FakeAsterisk::with_daemon(&[]);
    let mut program = Program::start(call(daemon.address, &["79990000001", "R1", "--json"]));
    let id = id_of(&program);
    daemon::signal(&program.child, "-INT");
    assert_eq!(program.wait_exit(), Some(130));
    let said = eventually("the program explains hangup", || program.stderr().first().cloned());
    let command = format!("originatord hangup {id} --url http://{}", daemon.address);
    assert_eq!(said, format!("-- the call continues; to hang it up: {command}"));
    assert_eq!(daemon.get(&format!("/api/calls/{id}")).json()["ended"], Value::Null);
    // The printed command works.
    let mut hangup = program::command(&command.split(' ').skip(1).collect::<Vec<_>>());
    hangup.env("ORIGINATORD_KEY", KEY);
    let ended = run(hangup);
    assert_eq!((ended.code, ended.stdout), (Some(0), format!("{id}: hung up\n")));
}

#[test]
fn cut_stream_is_resumed() {
    let (asterisk, daemon) = FakeAsterisk::with_daemon(&[]);
    let relay = Relay::start(&daemon.address.to_string());
    let program = Program::start(call(relay.address, &["79990000001", "R1", "--json"]));
    let id = id_of(&program);
    relay.cut();
    asterisk.hang_up(&id);
    daemon.wait_for(&id, "call.ended");
    eventually("the program reports the cut", || program.stderr().first().cloned());
    relay.restore();
    let ended = program.end();
    assert!(
        ended.stdout.ends_with(&format!("{}\n", daemon.wait_for(&id, "call.ended"))),
        "{ended:?}"
    );
    assert_eq!(ended.code, Some(11), "{ended:?}");
    assert!(ended.stderr.lines().all(|line| line.ends_with("; trying again")), "{ended:?}");
}

#[test]
fn end_lost_in_a_gap_is_queried() {
    let (asterisk, daemon) = FakeAsterisk::with_daemon(&[("journal", "ring = 4")]);
    let relay = Relay::start(&daemon.address.to_string());
    let start = |args: &[&str]| Program::start(call(relay.address, args));
    let json = start(&["79990000001", "R1", "--json"]);
    let text = start(&["79990000002", "R2"]);
    let id = id_of(&json);
    let other = text.wait_for("call.queued");
    assert!(other.contains("+79990000002"), "{other}");
    relay.cut();
    for call in daemon.get("/api/calls").json()["live"].as_array().expect("calls") {
        asterisk.hang_up(call["call_id"].as_str().expect("an id"));
    }
    let ends = || daemon.records().iter().filter(|record| record["event"] == "call.ended").count();
    eventually("both calls have ended", || (ends() == 2).then_some(()));
    let live = daemon.call_ok("79990000003", "R3");
    (0..4).for_each(|_| drop(daemon.call("79990000003", "R3")));
    relay.restore();

    let json = json.end();
    assert_eq!(json.code, Some(11), "{json:?}");
    let lines: Vec<Value> =
        json.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let [.., gap, end] = &lines[..] else { panic!("{json:?}") };
    assert_eq!((&gap["event"], &gap["reason"]), (&json!("gap"), &json!("overrun")));
    assert_eq!(*end, daemon.get(&format!("/api/calls/{id}")).json());
    let text = text.end();
    assert_eq!(text.code, Some(11), "{text:?}");
    let last = text.stdout.lines().last().expect("a line");
    assert!(
        last.contains(" call.ended       +79990000002 ") && last.contains(" outcome=busy "),
        "{text:?}"
    );
    assert!(!last.contains("requested="), "{text:?}");
    drop(live);
}

#[test]
fn join_lost_in_a_gap_counts() {
    let simulator = Simulator::start("22", "[timing]\nwait = \"2s\"\n");
    let daemon = simulator.daemon(&[("journal", "ring = 4")]);
    let relay = Relay::start(&daemon.address.to_string());
    let program = Program::start(call(relay.address, &["79990000001", "R1", "--json"]));
    program.wait_for("call.answered");
    let id = id_of(&program);
    relay.cut();
    daemon.wait_for(&id, "call.joined");
    assert_eq!(daemon.delete(&format!("/api/calls/{id}")).status, 200);
    daemon.wait_for(&id, "call.ended");
    (0..4).for_each(|_| drop(daemon.call("79990000486", "R3")));
    relay.restore();
    let ended = program.end();
    assert!(!ended.stdout.contains("call.joined"), "{ended:?}");
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn restarted_daemon_is_queried_until_it_is_ready() {
    let simulator = Simulator::start("22", QUICK);
    let link = Relay::start(&simulator.address);
    let mut daemon =
        Daemon::start(&Ami { address: &link.address.to_string(), ..simulator.ami() }, &[]);
    let relay = Relay::start(&daemon.address.to_string());
    let program = Program::start(call(relay.address, &["79990000001", "R1", "--json"]));
    program.wait_for("call.joined");
    let id = id_of(&program);
    daemon.crash();
    link.cut();
    let daemon = daemon.successor();
    relay.forward_to(daemon.address);
    let not_found = "originatord_http_requests_total{path=\"/api/calls/{id}\",code=\"404\"";
    eventually("the daemon answers that it does not know the call", || {
        daemon.get("/metrics").body.contains(not_found).then_some(())
    });
    link.restore();
    // The daemon has adopted the call.
    eventually("the program reports the state", || {
        program.stderr().into_iter().find(|line| line == "-- the call is joined")
    });
    assert!(program.stdout().iter().any(|line| line.contains("\"restarted\"")));
    assert_eq!(daemon.delete(&format!("/api/calls/{id}")).status, 200);
    assert_eq!(program.end().code, Some(0));
}

#[test]
fn forgotten_call_ends_as_unknown() {
    let (_asterisk, daemon) = FakeAsterisk::with_daemon(&[]);
    let relay = Relay::start(&daemon.address.to_string());
    let program = Program::start(call(relay.address, &["79990000001", "R1", "--json"]));
    id_of(&program);
    // This Asterisk lists no channels, and there is no journal of the last run.
    let daemon = daemon.crash_and_restart();
    relay.forward_to(daemon.address);
    let ended = program.end();
    assert_eq!(ended.code, Some(19), "{ended:?}");
    assert!(ended.stderr.ends_with("-- the daemon does not know the call any more\n"), "{ended:?}");
}

#[test]
fn unconfirmed_call_is_followed_too() {
    let (asterisk, daemon) = FakeAsterisk::with_daemon(&[]);
    asterisk.on_originate(OnOriginate::Silence);
    let program = Program::start(call(daemon.address, &["79990000001", "R1"]));
    let ended = program.end();
    assert_eq!(ended.code, Some(19), "{ended:?}");
    let last = ended.stdout.lines().last().expect("a line");
    assert!(last.contains(" call.ended ") && last.contains(" outcome=unknown "), "{ended:?}");
}
