//! `originatord rooms` and `originatord room`: how an operator sees and runs conferences.

use std::process::Command;

use serde_json::Value;
use testkit::daemon::{Daemon, KEY};
use testkit::program::{self, Ended, Program, run, unused_address};
use testkit::sim::Simulator;
use testkit::{eventually, http};

/// Callees answer at once; a guest with a hostile name is in R1, and another one in "Зал 2+#".
const SCENARIO: &str = "
[[callee]]
number = '79990000180'
ring_after = '10ms'
[[callee]]
number = '*'
answer_after = '10ms'
talk = '10m'
[[guest]]
room = 'R1'
number = '79997654321'
name = \"Guest \\u001b[31m\"
[[guest]]
room = 'Зал 2+#'
number = '101'
";

fn start(settings: &[(&str, &str)]) -> (Simulator, Daemon) {
    let simulator = Simulator::start("22", SCENARIO);
    let daemon = simulator.daemon(settings);
    eventually("the guests are seen", || {
        let count = daemon.get("/api/rooms").json()["rooms"].as_array()?.len();
        (count == 2).then_some(())
    });
    (simulator, daemon)
}

fn command(address: impl ToString, args: &[&str]) -> Command {
    let url = format!("http://{}", address.to_string());
    let mut command = program::command(&[args, &["--url", &url]].concat());
    command.env("ORIGINATORD_KEY", KEY).env("TZ", "UTC0");
    command
}

/// Runs `originatord room` or `rooms`.
fn ask(daemon: &Daemon, args: &[&str]) -> Ended {
    run(command(daemon.address, args))
}

/// Runs a command that must succeed without a note; returns its output.
fn output(daemon: &Daemon, args: &[&str]) -> String {
    let ended = ask(daemon, args);
    assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{args:?}: {ended:?}");
    ended.stdout
}

/// Runs a command that must fail with exit code 1 and this note.
fn assert_not_done(daemon: &Daemon, args: &[&str], note: &str) {
    let ended = ask(daemon, args);
    assert_eq!((ended.code, &*ended.stdout), (Some(1), ""), "{args:?}: {ended:?}");
    assert_eq!(ended.stderr, format!("-- {note}\n"), "{args:?}");
}

/// Calls a number into a room; returns the call's id once the callee is there.
fn join(daemon: &Daemon, number: &str, room: &str) -> String {
    let id = daemon.call_ok(number, room);
    daemon.wait_for(&id, "call.joined");
    id
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

#[test]
fn rooms_are_listed_as_table_and_json() {
    let (_simulator, daemon) = start(&[]);
    join(&daemon, "79990000001", "r1");
    let table = output(&daemon, &["rooms"]);
    let lines: Vec<_> = table.lines().collect();
    assert_eq!(words(lines[0]), ["ROOM", "SINCE", "PARTICIPANTS", "LOCKED", "MUTED"]);
    let started = daemon.get("/api/rooms/R1").json()["started"].as_str().map(str::to_owned);
    let since = started.map_or_else(|| "-".to_owned(), |time| format!("{}Z", &time[..19]));
    let row = lines.iter().find(|line| line.starts_with("R1 ")).expect("R1");
    assert_eq!(words(row), ["R1", &since, "2", "no", "no"]);
    assert!(lines.iter().any(|line| line.starts_with("\"Зал 2+#\"  ")), "{table}");
    assert_eq!(lines.len(), 3, "{table}");

    let rooms = daemon.get("/api/rooms").json()["rooms"].as_array().expect("rooms").clone();
    let expected: String = rooms.iter().map(|room| format!("{room}\n")).collect();
    assert_eq!(output(&daemon, &["rooms", "--json"]), expected);
}

#[test]
fn room_shows_participants_and_invited() {
    let (_simulator, daemon) = start(&[]);
    let id = join(&daemon, "79990000001", "R1");
    let ringing = daemon.call_ok("79990000180", "R1");
    daemon.wait_for(&ringing, "call.ringing");
    let shown = output(&daemon, &["room", "r1"]);
    assert!(!shown.contains('\u{1b}'), "{shown:?}");
    let tables: Vec<Vec<_>> = shown.split("\n\n").map(|table| table.lines().collect()).collect();
    let [room, participants, invited] = &tables[..] else { panic!("{shown}") };
    assert_eq!((words(room[1])[0], words(room[1])[2]), ("R1", "2"), "{shown}");
    let heads = ["PARTICIPANT", "NUMBER", "CALLER", "SINCE", "MUTED", "TALKING", "ROLE"];
    assert_eq!(words(participants[0]), heads);
    assert_eq!(participants.len(), 3, "{shown}");
    let callee = participants.iter().find(|line| line.starts_with(&id)).expect("the callee");
    assert_eq!(words(callee)[1], "+79990000001");
    assert_eq!(words(callee)[4..], ["no", "-", "-"], "{callee}");
    let guest = participants.iter().find(|line| line.contains("+79997654321")).expect("a guest");
    assert!(guest.contains(r#""Guest \u{1b}[31m""#), "{guest}");
    assert!(invited[1].starts_with(&format!("{ringing}  +79990000180")), "{shown}");
    assert!(invited[1].contains(" ringing ") && invited.len() == 2, "{shown}");

    let json: Value =
        serde_json::from_str(&output(&daemon, &["room", "R1", "--json"])).expect("JSON");
    assert_eq!(json["participants"].as_array().map(Vec::len), Some(2), "{json}");
    let other = output(&daemon, &["room", "Зал 2+#"]);
    assert!(other.contains(" 101 "), "{other}");
    assert_not_done(&daemon, &["room", "R2"], "R2: no such room");
    assert_not_done(&daemon, &["room", "-1001234567890"], "-1001234567890: no such room");
    assert_not_done(&daemon, &["room", "lock", "--json"], "lock: no such room");
}

#[test]
fn room_is_locked_muted_and_ended() {
    let (_simulator, daemon) = start(&[]);
    let id = join(&daemon, "79990000001", "R1");
    let row = || {
        let table = output(&daemon, &["room", "R1"]);
        words(table.lines().nth(1).expect("a row"))[3..].join(" ")
    };
    for (action, printed, state) in [
        ("lock", "R1: locked\n", "yes no"),
        ("mute", "R1: muted\n", "yes yes"),
        ("unlock", "R1: unlocked\n", "no yes"),
        ("unmute", "R1: unmuted\n", "no no"),
    ] {
        // Every change can be repeated, and the room is spelled as Asterisk does.
        for _ in 0..2 {
            assert_eq!(output(&daemon, &["room", "r1", action]), printed);
        }
        assert_eq!(row(), state, "{action}");
    }
    let json: Value =
        serde_json::from_str(&output(&daemon, &["room", "R1", "lock", "--json"])).expect("JSON");
    assert_eq!((&json["room"], &json["locked"]), (&"R1".into(), &true.into()), "{json}");
    assert_eq!(output(&daemon, &["room", "R1", "end"]), "R1: ended\n");
    assert_eq!(daemon.wait_for(&id, "call.ended")["outcome"], "completed");

    // The lock is kept for the next conference.
    eventually("the room is over", || {
        let room = daemon.get("/api/rooms/R1");
        (room.status == 200 && room.json()["live"] == false).then_some(())
    });
    assert_eq!(row(), "wanted no");
    let muted = ask(&daemon, &["room", "R1", "mute"]);
    assert_eq!((muted.code, &*muted.stdout), (Some(0), "R1: muted\n"), "{muted:?}");
    let note = "-- nobody is in the room; the daemon keeps this for the next conference\n";
    assert_eq!(muted.stderr, note);
    assert_not_done(&daemon, &["room", "R2", "lock"], "R2: no such room");
}

#[test]
fn participant_is_muted_moved_and_kicked() {
    let (_simulator, daemon) = start(&[]);
    let id = join(&daemon, "79990000001", "R1");
    let end = &id[21..];
    let printed = |args: &[&str]| output(&daemon, &[&["room", "R1"], args].concat());
    assert_eq!(printed(&["mute", end]), format!("{id}: muted\n"));
    assert_eq!(daemon.wait_for(&id, "call.muted")["by"], "tester");
    assert_eq!(printed(&["unmute", &id]), format!("{id}: unmuted\n"));
    assert_eq!(daemon.wait_for(&id, "call.unmuted")["by"], "tester");
    assert_eq!(printed(&["move", end, "R9"]), format!("{id}: moved to R9\n"));
    eventually("the callee is in R9", || {
        ask(&daemon, &["room", "R9"]).stdout.contains(&id).then_some(())
    });
    let gone = format!("{end}: no participant has an id that ends like this");
    assert_not_done(&daemon, &["room", "R1", "kick", end], &gone);
    assert_not_done(&daemon, &["room", "R1", "kick", &id], &format!("{id}: no such participant"));
    assert_eq!(output(&daemon, &["room", "R9", "kick", end]), format!("{id}: kicked\n"));
    assert_eq!(daemon.wait_for(&id, "call.kicked")["by"], "tester");

    // A guest has the id of a channel.
    let guest = daemon.get("/api/rooms/R1").json()["participants"][0]["id"].clone();
    let guest = guest.as_str().expect("an id");
    assert_eq!(printed(&["mute", guest]), format!("{guest}: muted\n"));
    assert_eq!(printed(&["kick", &guest[1..]]), format!("{guest}: kicked\n"));
}

#[test]
fn refused_change_is_explained() {
    let (_simulator, daemon) = start(&[]);
    let id = join(&daemon, "79990000001", "R1");
    output(&daemon, &["room", "R1", "mute"]);
    let alone = ask(&daemon, &["room", "R1", "unmute", &id]);
    assert_eq!((alone.code, &*alone.stdout), (Some(1), ""), "{alone:?}");
    assert!(alone.stderr.starts_with(&format!("-- {id}: the room is muted")), "{alone:?}");
    for word in ["participants", "all", "Local/"] {
        let note = format!("{word}: no participant has an id that ends like this");
        match word.len() {
            0..4 => assert_eq!(ask(&daemon, &["room", "R1", "kick", word]).code, Some(64)),
            _ => assert_not_done(&daemon, &["room", "R1", "kick", word], &note),
        }
    }
    for wrong in [
        &["room"][..],
        &["room", ""],
        &["room", "R1", "lokc"],
        &["room", "R1", "lock", &id],
        &["room", "R1", "kick"],
        &["room", "R1", "move", &id],
        &["room", "R1", "mute", &id, "R2"],
        &["room", "R1", "move", &id, "a,b"],
        &["rooms", "R1"],
    ] {
        assert_eq!(ask(&daemon, wrong).code, Some(64), "{wrong:?}");
    }
    let (_held, nowhere) = unused_address();
    for args in [&["rooms"][..], &["room", "R1"], &["room", "R1", "end"]] {
        let gone = run(command(nowhere, args));
        assert!(gone.code == Some(69) && gone.stderr.contains("cannot connect to"), "{gone:?}");
    }
}

#[test]
fn watch_key_sees_rooms_and_cannot_change_them() {
    let watch = "[[api_keys]]\nname = \"eye\"\nkey = \"k3y-of-the-watcher\"\nrole = \"watch\"";
    let (_simulator, daemon) = start(&[("key", watch)]);
    let watcher = |args: &[&str]| {
        let mut command = command(daemon.address, args);
        command.env("ORIGINATORD_KEY", "k3y-of-the-watcher");
        run(command)
    };
    assert!(watcher(&["rooms"]).stdout.contains("R1 "));
    assert_eq!(watcher(&["room", "R1"]).code, Some(0));
    let guest = daemon.get("/api/rooms/R1").json()["participants"][0]["id"].clone();
    let guest = guest.as_str().expect("an id");
    for args in [&["end"][..], &["lock"], &["kick", guest], &["move", guest, "R2"]] {
        let refused = watcher(&[&["room", "R1"], args].concat());
        assert_eq!((refused.code, &*refused.stdout), (Some(77), ""), "{refused:?}");
        assert!(refused.stderr.starts_with("originatord room: this key may look"), "{refused:?}");
    }
    let stranger = {
        let mut command = command(daemon.address, &["rooms"]);
        command.env("ORIGINATORD_KEY", "wr0ng-key");
        run(command)
    };
    assert!(stranger.code == Some(77) && stranger.stderr.contains("does not know this key"));
    let reply = http::request(daemon.address, "GET", "/api/rooms/R1", &[("X-Api-Key", KEY)], b"");
    assert_eq!(reply.json()["participant_count"], 1);
}

#[test]
fn tail_shows_the_records_of_one_room() {
    let (_simulator, daemon) = start(&[]);
    let id = join(&daemon, "79990000001", "R1");
    output(&daemon, &["room", "R1", "lock"]);
    daemon.wait_for_event("room.locked");
    let tail = Program::start(command(daemon.address, &["tail", "--since", "0", "--room", "r1"]));
    let locked = tail.wait_for(" room.locked ");
    assert!(locked.contains(" R1 ") && locked.ends_with("by=tester"), "{locked}");
    let guest = tail.wait_for(" guest.joined ");
    assert!(guest.contains("+79997654321     R1 "), "{guest}");
    assert!(guest.contains(r#" caller_id="Guest \u{1b}[31m""#), "{guest}");
    assert!(tail.wait_for(" room.started ").contains(" R1 "));
    assert!(tail.wait_for(" call.joined ").contains(&id[21..]));
    assert!(!tail.stdout().iter().any(|line| line.contains("Зал")), "{:?}", tail.stdout());
}
