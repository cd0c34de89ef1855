//! Runs that are refused before the first call.

use std::process::Command;

use super::load;
use testkit::ami::{FakeAsterisk, Manner, OnOriginate};
use testkit::daemon::{Ami, Daemon, KEY};
use testkit::program::{self, run, unused_address};

#[test]
fn load_calls_only_named_hosts_and_numbers() {
    let (asterisk, daemon) = FakeAsterisk::with_daemon(&[]);
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
fn impossible_run_is_refused_before_any_call() {
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
    let (_held, address) = unused_address();
    refused(load(address, &numbers), 69, "cannot connect");
    asterisk.behave(Manner::RejectLogin);
    let unready = Daemon::start_unready(&ami, &[]);
    refused(load(unready.address, &numbers), 69, "not ready: 503");
    assert_eq!(asterisk.actions("Originate").len(), 0);
}
