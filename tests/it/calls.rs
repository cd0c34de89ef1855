//! `originatord calls` and `originatord hangup`: how an operator lists and ends calls.

use std::process::Command;

use serde_json::Value;
use testkit::ami::FakeAsterisk;
use testkit::daemon::{Daemon, KEY};
use testkit::program::{self, Ended, run, unused_address};

const HISTORY: (&str, &str) = ("history", "file = \"history.db\"");

fn with_key(command: &str, address: impl ToString, args: &[&str]) -> Command {
    let url = format!("http://{}", address.to_string());
    let mut command = program::command(&[&[command, "--url", &url], args].concat());
    command.env("ORIGINATORD_KEY", KEY).env("TZ", "UTC0");
    command
}

/// Runs `calls`, which must succeed; returns its output.
fn calls(daemon: &Daemon, args: &[&str]) -> String {
    let ended = run(with_key("calls", daemon.address, args));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended.stdout
}

fn hangup(daemon: &Daemon, ids: &[&str]) -> Ended {
    run(with_key("hangup", daemon.address, ids))
}

/// One member of each call that was printed as JSON.
fn each(printed: &str, name: &str) -> Vec<String> {
    let parse = |line: &str| serde_json::from_str::<Value>(line).expect("JSON");
    printed.lines().map(|line| parse(line)[name].as_str().expect("text").to_owned()).collect()
}

#[test]
fn live_calls_are_printed_as_a_table() {
    let (asterisk, daemon) = FakeAsterisk::with_daemon(&[]);
    let none = run(with_key("calls", daemon.address, &[]));
    assert_eq!((none.code, &*none.stdout, &*none.stderr), (Some(0), "", "-- no calls\n"));
    let over = daemon.ended_call(&asterisk, "79990000009", "R1");
    let [a, b] = [("79990000001", "R1"), ("7999", "КОМНАТА1")]
        .map(|(number, room)| daemon.call_ok(number, room));
    let table = calls(&daemon, &[]);
    let lines: Vec<_> = table.lines().collect();
    assert_eq!(lines.len(), 3, "{table}");
    let head = format!("{:<29}  NUMBER        ROOM      STATE   FOR", "CALL");
    assert!(lines[0].starts_with(&head) && lines[0].ends_with("  KEY"), "{table}");
    for (id, rest) in
        [(&a, "  +79990000001  R1        queued  "), (&b, "  +7999         КОМНАТА1  queued  ")]
    {
        let line = lines.iter().find(|line| line.starts_with(&format!("{id}{rest}"))).expect(rest);
        assert!(
            line.ends_with(" tester")
                && line.split_whitespace().nth(4).is_some_and(|age| age.ends_with('s')),
            "{line}"
        );
    }
    assert!(!table.contains(&over), "{table}");
}

#[test]
fn ended_calls_are_printed_as_a_table() {
    for settings in [&[HISTORY][..], &[]] {
        let (asterisk, daemon) = FakeAsterisk::with_daemon(settings);
        let [a, b] =
            ["79990000001", "79990000002"].map(|number| daemon.ended_call(&asterisk, number, "R1"));
        daemon.call_ok("79990000003", "R1");
        let listed = run(with_key("calls", daemon.address, &["--ended"]));
        let lines: Vec<_> = listed.stdout.lines().collect();
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(
            words(lines[0]),
            ["CALL", "NUMBER", "ROOM", "OUTCOME", "REQUESTED", "RANG", "TALKED", "KEY"]
        );
        let time = |id: &str| {
            format!(
                "{}Z",
                &daemon.get(&format!("/api/calls/{id}")).json()["requested"]
                    .as_str()
                    .expect("a time")[..19]
            )
        };
        for (line, (id, number)) in
            lines[1..].iter().zip([(&b, "+79990000002"), (&a, "+79990000001")])
        {
            let words = words(line);
            assert_eq!(words[..5], [&**id, number, "R1", "busy", &time(id)], "{line}");
            assert!(words[5].ends_with('s') && words[6..] == ["-", "tester"], "{line}");
        }
        assert_eq!(lines.len(), 3, "{lines:#?}");
        let said = if settings.is_empty() {
            "-- there is no history: only calls that ended recently are listed\n"
        } else {
            ""
        };
        assert_eq!(listed.stderr, said);
    }
}

#[test]
fn command_filters_match_the_api_filters() {
    let (asterisk, daemon) = FakeAsterisk::with_daemon(&[HISTORY]);
    let a = daemon.ended_call(&asterisk, "79990000001", "R1");
    let b = daemon.ended_call(&asterisk, "79990000002", "КОМНАТА1");
    let live = daemon.call_ok("79990000003", "R1");
    let time_of_b = daemon.get(&format!("/api/calls/{b}")).json()["requested"]
        .as_str()
        .expect("a time")
        .to_owned();
    for (args, expected) in [
        (&["--ended"][..], &[&b, &a][..]),
        (&["--ended", "--number", "+7 999 000-00-01"], &[&a]),
        (&["--ended", "--room", "КОМНАТА1"], &[&b]),
        (&["--ended", "--outcome", "busy"], &[&b, &a]),
        (&["--ended", "--outcome", "completed"], &[]),
        (&["--ended", "--key", "tester"], &[&b, &a]),
        (&["--ended", "--key", "an&other=+"], &[]),
        (&["--ended", "--from", &time_of_b], &[&b]),
        (&["--ended", "--to", &time_of_b], &[&a]),
        (&["--ended", "--from", "1h", "--limit", "1"], &[&b]),
        (&["--ended", "--to", "1h"], &[]),
        (&[], &[&live]),
        (&["--room", "R1", "--from", "1h"], &[&live]),
        (&["--number", "79990000001"], &[]),
        (&["--room", "-1001234567890"], &[]),
        (&["--key", "-x"], &[]),
    ] {
        let printed = calls(&daemon, &[&["--json"], args].concat());
        assert_eq!(each(&printed, "call_id").iter().collect::<Vec<_>>(), expected, "{args:?}");
    }
    for wrong in [
        &["--ended", "--outcome", "bsy"][..],
        &["--outcome", "busy"],
        &["--from", "soon"],
        &["--limit", "0"],
    ] {
        assert_eq!(run(with_key("calls", daemon.address, wrong)).code, Some(64), "{wrong:?}");
    }
}

#[test]
fn json_and_csv_come_from_the_api() {
    let (asterisk, daemon) = FakeAsterisk::with_daemon(&[HISTORY]);
    daemon.ended_call(&asterisk, "79990000001", "R1");
    daemon.ended_call(&asterisk, "79990000002", "R2");
    daemon.call_ok("79990000003", "R1");
    let page = daemon.get("/api/calls").json();
    for (args, kind) in [(&["--ended"][..], "ended"), (&[], "live")] {
        let lines = page[kind].as_array().expect("calls").iter().map(|call| format!("{call}\n"));
        assert_eq!(calls(&daemon, &[&["--json"], args].concat()), lines.collect::<String>());
    }
    let whole = daemon.get("/api/calls?format=csv").body;
    let rows: Vec<_> = whole.split_inclusive("\r\n").collect();
    assert_eq!(rows.len(), 4, "{whole}");
    assert_eq!(calls(&daemon, &["--csv"]), rows[..2].concat());
    assert_eq!(calls(&daemon, &["--csv", "--ended"]), [rows[0], rows[2], rows[3]].concat());
}

#[test]
fn calls_are_listed_across_pages_to_the_limit() {
    let (asterisk, daemon) = FakeAsterisk::with_daemon(&[HISTORY]);
    let template = daemon.ended_call(&asterisk, "79990000001", "R1");
    let file = daemon.folder.path().join("history.db");
    // Inserts older calls, as earlier runs would have written them.
    let mut history = rusqlite::Connection::open(file).expect("the history");
    testkit::eventually("the call is in the history", || {
        let count = history.query_row("SELECT count(*) FROM calls", [], |row| row.get::<_, u64>(0));
        (count.expect("a count") == 1).then_some(())
    });
    let columns = {
        let mut table = history
            .prepare("SELECT name FROM pragma_table_info('calls') WHERE name <> 'id'")
            .expect("columns");
        let names = table.query_map([], |row| row.get::<_, String>(0)).expect("columns");
        names.map(|name| format!("\"{}\"", name.expect("a name"))).collect::<Vec<_>>().join(", ")
    };
    let older = history.transaction().expect("a transaction");
    for count in 0..2100 {
        let sql = format!(
            "INSERT INTO calls (id, {columns}) SELECT ?, {columns} FROM calls WHERE id = ?"
        );
        let id = format!("od-01m86xdxhfb48v1e7mge9r{count:04}");
        older.execute(&sql, [&id, &template]).expect("a row");
    }
    older.commit().expect("rows");

    let all = each(&calls(&daemon, &["--ended", "--json", "--limit", "5000"]), "call_id");
    assert_eq!(
        (all.len(), &all[0], &all[1]),
        (2101, &template, &"od-01m86xdxhfb48v1e7mge9r2099".to_owned())
    );
    assert!(all.is_sorted_by(|a, b| a > b), "each once, newest first");
    for limit in [1, 999, 1000, 1001, 2000] {
        let some =
            each(&calls(&daemon, &["--ended", "--json", "--limit", &limit.to_string()]), "call_id");
        assert_eq!(some, all[..limit], "{limit}");
    }
    let csv = calls(&daemon, &["--ended", "--csv", "--limit", "2500"]);
    let ids: Vec<_> = csv.lines().map(|line| line.split(',').next().expect("a cell")).collect();
    assert_eq!(
        (ids[0], &ids[1..]),
        ("call_id", &all.iter().map(|id| &**id).collect::<Vec<_>>()[..])
    );
    assert_eq!(calls(&daemon, &["--ended", "--limit", "1500"]).lines().count(), 1 + 1500);
    let unlimited = run(with_key("calls", daemon.address, &["--ended"]));
    assert_eq!(unlimited.stdout.lines().count(), 1 + 100);
    assert_eq!(unlimited.stderr, "-- there may be more calls; use --limit to list more\n");
}

#[test]
fn hangup_reports_the_result_for_each_call() {
    let (asterisk, daemon) = FakeAsterisk::with_daemon(&[]);
    let [a, b] = ["79990000001", "79990000002"].map(|number| daemon.call_ok(number, "R1"));
    let both = hangup(&daemon, &[&a, &b]);
    let expected = format!("{a}: hung up\n{b}: hung up\n");
    assert_eq!((both.code, both.stdout, &*both.stderr), (Some(0), expected, ""));
    for id in [&a, &b] {
        assert_eq!(
            asterisk
                .actions("Hangup")
                .iter()
                .filter(|action| action.get("Channel") == Some(id))
                .count(),
            1
        );
        asterisk.hang_up(id);
        assert_eq!(daemon.wait_for(id, "call.ended")["hung_up_by"], "tester");
    }
    let live = daemon.call_ok("79990000003", "R1");
    let unknown = "od-01m86xdxhfb48v1e7mge9r1r7g";
    let some = hangup(&daemon, &[unknown, &a, &live]);
    assert_eq!((some.code, some.stdout), (Some(1), format!("{live}: hung up\n")));
    assert_eq!(some.stderr, format!("-- {unknown}: no such call\n-- {a}: the call is over\n"));
    let wrong = hangup(&daemon, &["od-1"]);
    assert!(wrong.code == Some(64) && wrong.stderr.contains("must be a call's id"), "{wrong:?}");
    assert_eq!(hangup(&daemon, &[]).code, Some(64));
}

#[test]
fn end_of_an_id_selects_the_call() {
    let (asterisk, daemon) = FakeAsterisk::with_daemon(&[]);
    let [a, b] = ["79990000001", "79990000002"].map(|number| daemon.call_ok(number, "R1"));
    let one = hangup(&daemon, &[&a[21..]]);
    assert_eq!((one.code, one.stdout, &*one.stderr), (Some(0), format!("{a}: hung up\n"), ""));
    let actions = asterisk.actions("Hangup");
    assert!(actions.iter().all(|action| action.get("Channel") == Some(&a)), "{b}: {actions:?}");
    let none = hangup(&daemon, &["zzzzzzzz"]);
    assert_eq!(
        (none.code, &*none.stderr),
        (Some(1), "-- zzzzzzzz: no active call has an id that ends like this\n")
    );
}

#[test]
fn ended_calls_show_local_time() {
    let (asterisk, daemon) = FakeAsterisk::with_daemon(&[HISTORY]);
    let id = daemon.ended_call(&asterisk, "79990000001", "R1");
    let requested = daemon.get(&format!("/api/calls/{id}")).json()["requested"]
        .as_str()
        .expect("a time")
        .to_owned();
    let listed = |zone: &str, args: &[&str]| {
        let mut command = with_key("calls", daemon.address, &[&["--ended"], args].concat());
        command.env("TZ", zone);
        run(command).stdout
    };
    let utc = format!("{}Z", &requested[..19]);
    assert!(listed("EAST-14", &["--utc"]).contains(&utc));
    let east = listed("EAST-14", &[]);
    let time =
        east.split_whitespace().find(|word| word.ends_with("+14:00")).expect("a time").to_owned();
    // The local day of the call, from its beginning to its end.
    let day = &time[..10];
    assert!(listed("EAST-14", &["--from", day, "--to", day]).contains(&id), "{east}");
    let elsewhere = if day == &utc[..10] { "WEST24" } else { "UTC0" };
    assert!(!listed(elsewhere, &["--from", day, "--to", day]).contains(&id), "{day} {elsewhere}");
}

#[test]
fn watch_key_lists_and_cannot_hang_up() {
    let watch = "[[api_keys]]\nname = \"eye\"\nkey = \"k3y-of-the-watcher\"\nrole = \"watch\"";
    let (asterisk, daemon) = FakeAsterisk::with_daemon(&[("key", watch)]);
    let live = daemon.call_ok("79990000001", "R1");
    let as_key = |key: &str, mut command: Command| {
        command.env("ORIGINATORD_KEY", key);
        run(command)
    };
    let watcher = |command: &str, args: &[&str]| {
        as_key("k3y-of-the-watcher", with_key(command, daemon.address, args))
    };
    assert!(watcher("calls", &[]).stdout.contains(&live));
    let refused = watcher("hangup", &[&live]);
    assert_eq!((refused.code, &*refused.stdout), (Some(77), ""), "{refused:?}");
    let said = "originatord hangup: this key may look at calls, not place or hang them up\n";
    assert_eq!(refused.stderr, said);
    assert!(asterisk.actions("Hangup").is_empty());
    for command in
        [with_key("calls", daemon.address, &[]), with_key("hangup", daemon.address, &[&live])]
    {
        let stranger = as_key("wr0ng-key", command);
        assert!(
            stranger.code == Some(77) && stranger.stderr.contains("does not know this key"),
            "{stranger:?}"
        );
    }
}

#[test]
fn url_comes_from_arguments_or_environment() {
    let (_asterisk, daemon) = FakeAsterisk::with_daemon(&[]);
    let live = daemon.call_ok("79990000001", "R1");
    let (_held, nowhere) = unused_address();
    let mut from_environment = program::command(&["calls"]);
    from_environment
        .env("ORIGINATORD_URL", format!("http://{}", daemon.address))
        .env("ORIGINATORD_KEY", KEY);
    assert!(run(from_environment).stdout.contains(&live));
    let mut named = with_key("calls", daemon.address, &[]);
    named.env("ORIGINATORD_URL", format!("http://{nowhere}"));
    assert!(run(named).stdout.contains(&live));
    let gone = run(with_key("calls", nowhere, &[]));
    assert!(gone.code == Some(69) && gone.stderr.contains("cannot connect to"), "{gone:?}");
}
