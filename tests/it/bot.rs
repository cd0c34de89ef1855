//! The daemon as bots see it: through their HTTP library, with its timeout. They conclude the
//! result from the text of the reply alone.

use std::path::Path;
use std::process::Command;

use testkit::ami::{FakeAsterisk, OnOriginate};
use testkit::daemon::{Ami, Daemon, KEY};
use testkit::eventually;
use testkit::program::unused_address;

/// The bot's conclusion from the daemon's reply.
fn bot(daemon: &Daemon, key: &str, number: &str) -> String {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = checkout.join(".cache/venv/bin/python");
    assert!(python.exists(), "the bots' library is missing: run make setup-tests");
    let output = Command::new(python)
        .arg(checkout.join("tests/bot/place_call.py"))
        .arg(format!("http://{}/api/conf", daemon.address))
        .args([key, number, "КОМНАТА1", "Боб"])
        .output()
        .expect("the bot runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn bot_reads_each_answer_as_intended() {
    let asterisk = FakeAsterisk::start(OnOriginate::Accept);
    let limits = ("limits", "deny = [\"7900\"]");
    let daemon = asterisk.daemon(&[limits]);
    let too_long = "7".repeat(20_000);
    let rows = [
        (OnOriginate::Accept, KEY, "+79990000001", "success"),
        (OnOriginate::Accept, KEY, "79990000001", "busy"),
        (OnOriginate::LockedOut, KEY, "79990000002", "busy"),
        (OnOriginate::Accept, "wr0ng-key", "79990000003", "failure"),
        (OnOriginate::Accept, KEY, "79990000003,evil", "failure"),
        (OnOriginate::Refuse, KEY, "79990000004", "failure"),
        (OnOriginate::ResponseOnly, KEY, "79990000005", "success"),
        // The fate is unknown, and the daemon answers so before the bot's timeout.
        (OnOriginate::Silence, KEY, "79990000006", "failure"),
        (OnOriginate::Silence, KEY, "79990000006", "busy"),
        (OnOriginate::Accept, KEY, "79000000007", "failure"),
        (OnOriginate::Accept, KEY, &too_long, "failure"),
    ];
    for (what, key, number, expected) in rows {
        asterisk.on_originate(what);
        assert_eq!(bot(&daemon, key, number), expected, "{what:?} {number}");
    }
    // The journal has the reason of each refusal.
    let expected = ["in_progress", "in_progress", "rejected", "in_progress", "not_allowed"];
    let refused = || {
        let records = daemon.records();
        let reasons =
            records.iter().filter_map(|record| record["reason"].as_str().map(str::to_owned));
        Some(reasons.collect::<Vec<_>>()).filter(|reasons| reasons.len() == expected.len())
    };
    assert_eq!(eventually("all refusals are recorded", refused), expected);
}

#[test]
fn bot_sees_failure_without_asterisk() {
    let (_held, address) = unused_address();
    let daemon =
        Daemon::start_unready(&Ami { address: &address.to_string(), secret: "secret" }, &[]);
    assert_eq!(bot(&daemon, KEY, "79990000001"), "failure");
}

#[test]
fn bot_sees_failure_at_a_limit() {
    let asterisk = FakeAsterisk::start(OnOriginate::Accept);
    let ami = Ami { address: &asterisk.address.to_string(), secret: "secret" };
    let daemon = Daemon::start(&ami, &[("limits", "calls_alive = 1")]);
    assert_eq!(bot(&daemon, KEY, "79990000001"), "success");
    assert_eq!(bot(&daemon, KEY, "79990000002"), "failure");
    assert_eq!(daemon.wait_for_event("call.refused")["reason"], "limited");
}
