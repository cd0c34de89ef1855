//! This build opens the files of an earlier build and loses nothing.
//! `tests/fixtures/earlier/README.md` describes the files.

use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;
use testkit::ami::{FakeAsterisk, OnOriginate};
use testkit::daemon::Daemon;
use testkit::{eventually, program};

/// Calls that were alive when the earlier build ended: Asterisk still lists the first, the number
/// of the second begins with zeros, and the fate of the third was unknown.
const TALKING: &str = "od-01m8ckmtsvzrtjagw9qz270m9k";
const WITH_ZEROS: &str = "od-01m8ckmvkkkb47ynk2vf9hs83z";
const UNKNOWN: &str = "od-01m8ckmyhyfjqq08etn0yv4w6t";

/// The number of the last record in the earlier build's journal.
const LAST_SEQ: u64 = 268;

/// The number of ended calls in the earlier build's history.
const ENDED: usize = 45;

/// A copy of the earlier build's files, and an Asterisk that still lists the call to +79990009001.
struct Upgrade {
    asterisk: FakeAsterisk,
    folder: TempDir,
}

impl Upgrade {
    fn new() -> Self {
        let asterisk = FakeAsterisk::start(OnOriginate::Accept);
        let half = |uniqueid: &str, more: &str| {
            format!("Uniqueid: {uniqueid}\r\nLinkedid: {TALKING}\r\nChannelStateDesc: Up\r\n{more}")
        };
        asterisk.list(vec![
            half(TALKING, "Application: ConfBridge\r\nApplicationData: R1\r\nBridgeId: b-1"),
            half("od-lock-79990009001", "Application: Dial\r\nBridgeId: b-2"),
        ]);
        asterisk.variable("pbx-1/telegram-bot/ru/R1/Боб B");
        Self { asterisk, folder: TempDir::new().expect("a folder") }
    }

    fn copy(&self, from: &str, to: &str) -> &Self {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/earlier");
        std::fs::copy(fixtures.join(from), self.folder.path().join(to))
            .expect("the fixture is copied");
        self
    }

    fn with_journal(self) -> Self {
        for name in ["calls.jsonl", "calls.jsonl.1", "calls.jsonl.2", "history.db"] {
            self.copy(name, name);
        }
        self
    }

    /// Starts this build on the files, with the earlier build's configuration and these
    /// replacements in it.
    fn start(self, replace: &[(&str, &str)]) -> (FakeAsterisk, Daemon) {
        self.copy("config.toml", "config.toml");
        let path = self.folder.path().join("config.toml");
        let mut config = std::fs::read_to_string(path).expect("a configuration");
        let address = self.asterisk.address.to_string();
        for (from, to) in [("AMI", &*address)].iter().chain(replace) {
            config = config.replace(from, to);
        }
        let daemon = Daemon::start_as_configured(self.folder, config);
        (self.asterisk, daemon)
    }
}

fn call(daemon: &Daemon, id: &str) -> Value {
    daemon.get(&format!("/api/calls/{id}")).json()
}

#[test]
fn live_call_continues_and_lost_calls_end_once() {
    let (_asterisk, daemon) = Upgrade::new().with_journal().start(&[]);
    for id in [WITH_ZEROS, UNKNOWN] {
        assert_eq!(daemon.wait_for(id, "call.ended")["outcome"], "unknown");
    }
    let talking = call(&daemon, TALKING);
    assert_eq!(
        (&talking["state"], &talking["number"], &talking["caller_id"]),
        (&"joined".into(), &"+79990009001".into(), &"Боб B".into()),
        "{talking}"
    );
    assert_eq!(daemon.records()[0]["seq"], LAST_SEQ + 1);
    let ended = daemon.events(WITH_ZEROS).into_iter().filter(|event| event == "call.ended").count();
    assert_eq!(ended, 1);
}

#[test]
fn live_call_is_recognised_without_a_journal() {
    let (asterisk, daemon) = Upgrade::new().start(&[("file = \"calls.jsonl\"", "")]);
    let talking = call(&daemon, TALKING);
    assert_eq!(
        (&talking["state"], &talking["key"]),
        (&"joined".into(), &"telegram-bot".into()),
        "{talking}"
    );
    assert_eq!(
        daemon.call("+79990009001", "R1").body,
        "{\"message\":\"error\",\"text\":\"call already in progress\"}\n"
    );
    assert!(asterisk.actions("Originate").is_empty());
}

#[test]
fn history_is_read_and_written() {
    let (asterisk, daemon) = Upgrade::new().with_journal().start(&[]);
    let ended = |query: &str| {
        let calls = daemon.get(&format!("/api/calls?limit=1000{query}")).json();
        calls["ended"].as_array().expect("calls").clone()
    };
    // This run has added the two lost calls.
    eventually("the history has all ended calls", || (ended("").len() == ENDED + 2).then_some(()));
    // That build knew no conferences.
    let page = daemon.get("/api/conferences").json();
    assert_eq!((&page["history"], &page["conferences"]), (&"ok".into(), &Value::Array(vec![])));
    let declined = ended("&outcome=declined");
    assert_eq!((declined.len(), &declined[0]["number"]), (1, &"+79991230603".into()));
    let id = daemon.ended_call(&asterisk, "+79991230000", "R1");
    eventually("the new call is in the history", || {
        ended("&number=79991230000").iter().any(|call| call["call_id"] == *id).then_some(())
    });
}

#[test]
fn unlisted_calls_of_a_masked_journal_end() {
    let upgrade = Upgrade::new();
    upgrade.copy("masked.jsonl", "calls.jsonl");
    let (_asterisk, daemon) = upgrade.start(&[("mask_numbers = false", "mask_numbers = true")]);
    // Another daemon wrote this journal. Asterisk lists none of its calls, so all of them have
    // ended.
    let ended = eventually("three calls end", || {
        let records = daemon.records();
        let ended: Vec<_> =
            records.into_iter().filter(|record| record["event"] == "call.ended").collect();
        (ended.len() == 3).then_some(ended)
    });
    assert!(ended.iter().all(|record| record["outcome"] == "unknown"), "{ended:?}");
}

#[test]
fn number_with_leading_zeros_matches_its_new_form() {
    for (files, mask) in [
        (&["calls.jsonl", "calls.jsonl.1", "calls.jsonl.2"][..], "false"),
        (&["masked.jsonl"], "true"),
    ] {
        let upgrade = Upgrade::new();
        for name in files {
            upgrade.copy(name, &name.replace("masked", "calls"));
        }
        let folder = upgrade.folder.path().to_owned();
        let written = |text: &str| {
            let files = std::fs::read_dir(&folder)
                .expect("a folder")
                .filter_map(|entry| std::fs::read_to_string(entry.ok()?.path()).ok());
            files.filter(|file| file.contains(text)).count()
        };
        let (_asterisk, daemon) =
            upgrade.start(&[("mask_numbers = false", &format!("mask_numbers = {mask}"))]);
        let found = |query: &str| {
            let calls = daemon.get(&format!("/api/calls?{query}")).json();
            calls["ended"].as_array().expect("calls").len()
        };
        eventually("the call is in the history", || (found("number=799912301") == 1).then_some(()));
        assert_eq!(found("number=%2B00799912301"), 1);
        let recorded = if mask == "true" { "+0079•••2301" } else { "+00799912301" };
        assert!(written(recorded) > 0);
        let erased = daemon.delete("/api/history?number=799912301");
        assert_eq!(erased.status, 200, "{erased:?}");
        assert_eq!(written(recorded), 0);
        assert_eq!(found("number=799912301"), 0);
    }
}

#[test]
fn check_warns_of_lists_in_the_old_form() {
    let folder = TempDir::new().expect("a folder");
    let upgrade = Upgrade::new();
    upgrade.copy("config.toml", "config.toml");
    let config = std::fs::read_to_string(upgrade.folder.path().join("config.toml"))
        .expect("a configuration");
    let path = folder.path().join("config.toml");
    std::fs::write(&path, config.replace("AMI", "127.0.0.1:5038")).expect("a written file");
    let checked = program::run(program::command(&["check", "--config", &path.to_string_lossy()]));
    assert_eq!(checked.code, Some(0), "{checked:?}");
    for entry in [
        "api_keys.allow: no number begins with 0079",
        "api_keys.deny: no number begins with 007900",
        "limits.allow: no number begins with 00:",
    ] {
        assert!(checked.stdout.contains(entry), "{entry}: {checked:?}");
    }
}
