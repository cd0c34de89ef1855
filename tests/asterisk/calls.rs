//! Calls on a real Asterisk, with sipp as the gateway. The last three digits of a number choose the
//! gateway's answer.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::daemon::{Ami, Daemon, KEY};
use testkit::eventually;
use testkit::pbx::Pbx;

on_both_versions!(
    answered_call_joins_its_room,
    rooms_with_unusual_names_are_joined,
    callee_who_leaves_completes_the_call,
    outcome_names_the_cause,
    unanswered_call_ends_as_no_answer,
    number_is_called_once_and_free_at_once,
    delete_hangs_up_a_joined_call,
    delete_cancels_a_ringing_call,
    missing_context_is_answered_with_502,
    killed_daemon_adopts_its_call,
);

fn answered_call_joins_its_room(version: &'static str) {
    let pbx = Pbx::shared(version);
    let daemon = pbx.daemon();
    let body = json!({
        "api_key": KEY, "phone_number": "+79990100001", "room_name": "КОМНАТА1", "caller_id": "Боб", "lang": "ru",
    });
    let reply = daemon.post(body.to_string().as_bytes());
    let id = reply.header("x-call-id").unwrap_or_else(|| panic!("{reply:?}")).to_owned();
    let joined = daemon.wait_for(&id, "call.joined");
    assert_eq!(joined["conference"], "КОМНАТА1");
    assert_eq!((&joined["number"], &joined["caller_id"]), (&json!("+79990100001"), &json!("Боб")));
    let steps = ["call.requested", "call.queued", "call.ringing", "call.answered", "call.joined"];
    assert_eq!(daemon.events(&id), steps);

    assert!(pbx.rx("confbridge list КОМНАТА1").contains("Local/79990100001@telegram-out"));
    let channels = pbx.channels();
    let channel = channels
        .lines()
        .find(|line| line.contains("79990100001") && line.contains(";1!"))
        .expect("a channel");
    let channel = channel.split('!').next().expect("a name");
    let channel = pbx.rx(&format!("core show channel {channel}"));
    assert!(
        channel.contains("Language: ru") && channel.contains("Connected Line ID: Боб"),
        "{channel}"
    );

    let call = daemon.get(&format!("/api/calls/{id}")).json();
    assert_eq!((&call["state"], &call["room"]), (&json!("joined"), &json!("КОМНАТА1")));
    daemon.delete(&format!("/api/calls/{id}"));
    daemon.wait_for(&id, "call.ended");
}

fn rooms_with_unusual_names_are_joined(version: &'static str) {
    let pbx = Pbx::shared(version);
    let daemon = pbx.daemon();
    let rooms = ["Room 1", "#5", "+1", "*", "_x", "1-1", "हिन्दी"];
    let numbers = (0..).map(|n| format!("799901{n:02}001")).zip(rooms);
    let calls: Vec<_> = numbers
        .map(|(number, room)| {
            // Some calls have a caller id and some have none.
            let caller_id = if number.contains("01001") { "Tom & Jerry" } else { "" };
            let body = json!({ "api_key": KEY, "phone_number": number, "room_name": room, "caller_id": caller_id });
            let reply = daemon.post(body.to_string().as_bytes());
            (reply.header("x-call-id").unwrap_or_else(|| panic!("{room}: {reply:?}")).to_owned(), room)
        })
        .collect();
    for (id, room) in &calls {
        assert_eq!(daemon.wait_for(id, "call.joined")["conference"], *room);
    }
    let daemon = daemon.crash_and_restart();
    for (id, room) in &calls {
        // Without a journal, the channel variable identifies the call.
        assert_eq!(daemon.get(&format!("/api/calls/{id}")).json()["room"], *room);
        daemon.delete(&format!("/api/calls/{id}"));
    }
}

fn callee_who_leaves_completes_the_call(version: &'static str) {
    let pbx = Pbx::shared(version);
    let daemon = pbx.daemon();
    let id = daemon.call_ok("79990101200", "R1");
    let end = daemon.wait_for(&id, "call.ended");
    assert_eq!((&end["outcome"], &end["cause"]), (&json!("completed"), &json!(16)));
    // The gateway's callee stays for three seconds. The measured time depends on the machine.
    assert!(end["talk_seconds"].as_f64() >= Some(2.5), "{end}");
    assert!(daemon.events(&id).contains(&"call.left".to_owned()));
    assert_eq!(daemon.events(&id).iter().filter(|event| *event == "call.ended").count(), 1);
}

fn outcome_names_the_cause(version: &'static str) {
    let pbx = Pbx::shared(version);
    let daemon = pbx.daemon();
    let outcomes = [
        ("404", "not_on_telegram", 1),
        ("420", "invalid_number", 3),
        ("486", "busy", 17),
        ("480", "no_answer", 19),
        ("500", "flood_wait", 38),
        ("603", "declined", 21),
    ];
    for (digits, outcome, cause) in outcomes {
        let id = daemon.call_ok(&format!("79990102{digits}"), "R1");
        let end = daemon.wait_for(&id, "call.ended");
        assert_eq!((&end["outcome"], &end["cause"]), (&json!(outcome), &json!(cause)), "{end}");
        assert_eq!(end["talk_seconds"], Value::Null);
        let events = daemon.events(&id);
        assert!(!events.contains(&"call.answered".to_owned()), "{events:?}");
        if outcome == "flood_wait" {
            assert_eq!(end["flood_wait_seconds"], 291, "{end}");
        }
    }
}

fn unanswered_call_ends_as_no_answer(version: &'static str) {
    let pbx = Pbx::shared(version);
    let daemon = pbx.daemon();
    let id = daemon.call_ok("79990103180", "R1");
    let end = daemon.wait_for(&id, "call.ended");
    assert_eq!(end["outcome"], "no_answer", "{end}");
    assert!(end["ring_seconds"].as_f64() >= Some(3.5), "{end}");
}

fn number_is_called_once_and_free_at_once(version: &'static str) {
    let pbx = Pbx::shared(version);
    let daemon = pbx.daemon();
    let first = daemon.call_ok("79990104001", "R1");
    for same in ["79990104001", "+79990104001", "+7 (999) 010-40-01"] {
        let busy = daemon.call(same, "R2");
        assert_eq!((busy.status, &busy.json()["text"]), (200, &json!("call already in progress")));
    }
    assert_eq!(daemon.delete(&format!("/api/calls/{first}")).status, 200);
    daemon.wait_for(&first, "call.ended");
    let second = daemon.call_ok("79990104001", "R1");
    daemon.delete(&format!("/api/calls/{second}"));

    // Redials thirty times, each time as soon as the call has ended. Asterisk may still hold the
    // lock of the last call.
    let mut quickest = Duration::MAX;
    for _ in 0..30 {
        let began = Instant::now();
        let id = daemon.call_ok("79990104486", "R1");
        let end = daemon.wait_for(&id, "call.ended");
        assert_eq!(end["outcome"], "busy");
        quickest = quickest.min(began.elapsed());
    }
    // Even a slow machine redials quickly once in thirty times. The daemon's predecessor took about
    // four seconds.
    assert!(quickest < Duration::from_secs(1), "{quickest:?}");
}

fn delete_hangs_up_a_joined_call(version: &'static str) {
    let pbx = Pbx::shared(version);
    let daemon = pbx.daemon();
    let id = daemon.call_ok("79990105001", "R1");
    daemon.wait_for(&id, "call.joined");
    assert_eq!(daemon.delete(&format!("/api/calls/{id}")).body, "{\"message\":\"ok\"}\n");
    let end = daemon.wait_for(&id, "call.ended");
    assert_eq!((&end["outcome"], &end["hung_up_by"]), (&json!("completed"), &json!("tester")));
    assert_eq!(daemon.delete(&format!("/api/calls/{id}")).status, 409);
    assert_eq!(daemon.get(&format!("/api/calls/{id}")).json()["outcome"], "completed");
    eventually("the channels are gone", || (!pbx.channels().contains("79990105001")).then_some(()));
}

fn delete_cancels_a_ringing_call(version: &'static str) {
    let pbx = Pbx::shared(version);
    let daemon = pbx.daemon();
    let id = daemon.call_ok("79990106180", "R1");
    daemon.wait_for(&id, "call.ringing");
    assert_eq!(daemon.delete(&format!("/api/calls/{id}")).status, 200);
    let end = daemon.wait_for(&id, "call.ended");
    assert_eq!((&end["outcome"], &end["hung_up_by"]), (&json!("canceled"), &json!("tester")));
}

fn missing_context_is_answered_with_502(version: &'static str) {
    let pbx = Pbx::shared(version);
    let daemon = Daemon::start(&pbx.ami(), &[("originate", "context = \"nowhere\"")]);
    let reply = daemon.call("79990107001", "R1");
    assert_eq!((reply.status, reply.json()["error"].is_string()), (502, true), "{reply:?}");
    assert!(reply.body.contains("Extension does not exist"), "{reply:?}");
    // The refused call does not block the number, so the second request gets the same answer.
    assert_eq!(daemon.call("79990107001", "R1").status, 502);
}

fn killed_daemon_adopts_its_call(version: &'static str) {
    let pbx = Pbx::shared(version);
    let daemon = Daemon::start(&pbx.ami(), &[("top", "instance = \"killed\"")]);
    let id = daemon.call_ok("79990109001", "КОМНАТА2");
    daemon.wait_for(&id, "call.joined");
    let before = daemon.get(&format!("/api/calls/{id}")).json();

    let daemon = daemon.crash_and_restart();
    let after = daemon.get(&format!("/api/calls/{id}")).json();
    for same in ["number", "room", "caller_id", "lang", "key", "requested", "state"] {
        assert_eq!(after[same], before[same], "{same}");
    }
    let busy = daemon.call("79990109001", "R1");
    assert_eq!(busy.json()["text"], "call already in progress");
    assert_eq!(daemon.delete(&format!("/api/calls/{id}")).status, 200);
    let end = daemon.wait_for(&id, "call.ended");
    assert_eq!((&end["outcome"], &end["room"]), (&json!("completed"), &json!("КОМНАТА2")));
    let again = daemon.call_ok("79990109001", "R1");
    daemon.delete(&format!("/api/calls/{again}"));
}

#[test]
fn call_is_unknown_after_asterisk_was_killed() {
    for version in ["22", "16"] {
        let pbx = Pbx::start(version);
        let daemon = pbx.daemon();
        let id = daemon.call_ok("79990110001", "R1");
        daemon.wait_for(&id, "call.joined");
        pbx.kill();
        eventually("the daemon is not ready", || {
            (daemon.get("/readyz").status == 503).then_some(())
        });
        let reply = daemon.call("79990110002", "R1");
        assert_eq!(reply.status, 503, "{reply:?}");
        assert_eq!(daemon.get(&format!("/api/calls/{id}")).json()["stale"], true);
        pbx.start_again();
        daemon.wait_ready();
        let end = daemon.wait_for(&id, "call.ended");
        assert_eq!(end["outcome"], "unknown", "{end}");
        assert!(
            end["ended_after"].as_str() <= end["ended_before"].as_str()
                && end["ended_after"].is_string(),
            "{end}"
        );
        let [talk, min, max] =
            ["talk_seconds", "talk_seconds_min", "talk_seconds_max"].map(|name| end[name].as_f64());
        assert!(talk.is_none() && min.is_some() && min <= max, "{end}");
        let again = daemon.call_ok("79990110001", "R1");
        daemon.wait_for(&again, "call.joined");
        pbx.down();
    }
}

#[test]
fn callee_who_hangs_up_early_is_not_joined() {
    for version in ["22", "16"] {
        let pbx = Pbx::start_with(&["--version", version, "--wait", "3"]);
        pbx.add_to(
            "extensions.conf",
            "[echo-in]\nexten => _.!,1,Answer()\n same => n,Echo()\nexten => h,1,Hangup()",
        );
        pbx.rx("dialplan reload");
        let daemon = pbx.daemon();
        let stays = daemon.call_ok("79990113001", "R1");
        daemon.wait_for(&stays, "call.joined");
        let leaves = daemon.call_ok("79990113201", "R1");
        let end = daemon.wait_for(&leaves, "call.ended");
        assert_eq!(end["outcome"], "not_joined", "{version}: {end}");
        let call = daemon.get(&format!("/api/calls/{leaves}")).json();
        assert!(call["answered"].is_string() && call["joined"].is_null(), "{version}: {call}");
        daemon.delete(&format!("/api/calls/{stays}"));
        assert_eq!(daemon.wait_for(&stays, "call.ended")["outcome"], "completed", "{version}");

        // In this context no call can join, so the daemon must not conclude `not_joined`.
        let elsewhere = [("top", "instance = \"echo\""), ("originate", "context = \"echo-in\"")];
        let elsewhere = Daemon::start(&pbx.ami(), &elsewhere);
        let leaves = elsewhere.call_ok("79990114201", "R1");
        assert_eq!(elsewhere.wait_for(&leaves, "call.ended")["outcome"], "completed", "{version}");
        pbx.down();
    }
}

#[test]
fn call_survives_a_cut_link() {
    let pbx = Pbx::shared("22");
    let relay = testkit::relay::Relay::start(pbx.setting("AMI_ADDRESS"));
    let ami = Ami { address: &relay.address.to_string(), secret: pbx.setting("AMI_SECRET") };
    let daemon = Daemon::start(&ami, &[("top", "instance = \"cut\"")]);
    let stays = daemon.call_ok("79990111001", "R1");
    let leaves = daemon.call_ok("79990111200", "R1");
    daemon.wait_for(&stays, "call.joined");
    relay.cut();
    daemon.wait_for_event("ami.disconnected");
    eventually("one callee has left", || (!pbx.channels().contains("79990111200")).then_some(()));
    relay.restore();
    daemon.wait_ready();
    let end = daemon.wait_for(&leaves, "call.ended");
    assert_eq!(end["outcome"], "unknown", "{end}");
    let call = daemon.get(&format!("/api/calls/{stays}")).json();
    assert_eq!((&call["state"], &call["stale"]), (&json!("joined"), &json!(false)));
    assert_eq!(daemon.call("79990111001", "R1").json()["text"], "call already in progress");
    daemon.delete(&format!("/api/calls/{stays}"));
    assert_eq!(daemon.wait_for(&stays, "call.ended")["outcome"], "completed");
    assert!(!daemon.events(&stays).contains(&"call.refused".to_owned()));
}

#[test]
fn next_run_records_unobserved_ends() {
    let pbx = Pbx::shared("22");
    let more = [("top", "instance = \"past\""), ("journal", "file = \"calls.jsonl\"")];
    let mut daemon = Daemon::start(&pbx.ami(), &more);
    let leaves = daemon.call_ok("79990112200", "R1");
    let stays = daemon.call_ok("79990112001", "R1");
    daemon.wait_for(&leaves, "call.answered");
    daemon.wait_for(&stays, "call.joined");
    let path = daemon.folder.path().join("calls.jsonl");
    let written =
        |event: &str| std::fs::read_to_string(&path).is_ok_and(|text| text.contains(event));
    eventually("the file has the join", || written("call.joined").then_some(()));
    daemon.crash();
    eventually("one callee has left", || (!pbx.channels().contains("79990112200")).then_some(()));
    let daemon = daemon.restart();
    daemon.wait_ready();
    let end = daemon.wait_for(&leaves, "call.ended");
    assert_eq!(
        (&end["outcome"], &end["number"]),
        (&json!("unknown"), &json!("+79990112200")),
        "{end}"
    );
    assert!(end["ended_after"].as_str() < end["ended_before"].as_str(), "{end}");
    assert_eq!(daemon.get(&format!("/api/calls/{stays}")).json()["state"], "joined");
    let daemon = daemon.crash_and_restart();
    daemon.delete(&format!("/api/calls/{stays}"));
    daemon.wait_for(&stays, "call.ended");
    let ends = || {
        let text = std::fs::read_to_string(&path).expect("the journal file");
        let records: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("a record in each line"))
            .collect();
        let seqs: Vec<u64> = records.iter().filter_map(|record| record["seq"].as_u64()).collect();
        assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>(), "a number is missing");
        let ended = records.iter().filter(|record| record["event"] == "call.ended");
        let mut ids: Vec<_> =
            ended.map(|record| record["call_id"].as_str().unwrap_or_default().to_owned()).collect();
        ids.sort();
        (ids.len() >= 2).then_some(ids)
    };
    let mut both = [leaves, stays];
    both.sort();
    assert_eq!(eventually("the file has both ends", ends), both, "each call has one end");
}
