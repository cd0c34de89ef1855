//! `originatord erase`, with and without a running daemon.

use std::fs;

use super::{NUMBER, OTHER, assert_erased, ended, files_with, records, start};
use testkit::daemon::KEY;
use testkit::eventually;
use testkit::program::{self, Ended};

fn erase(args: &[&str]) -> Ended {
    program::run(program::command(&[&["erase"], args].concat()))
}

#[test]
fn erase_works_with_and_without_a_daemon() {
    let (asterisk, mut daemon) = start(&[]);
    ended(&asterisk, &daemon, NUMBER);
    ended(&asterisk, &daemon, OTHER);
    let folder = daemon.folder.clone();
    let folder = folder.path();
    let config = folder.join("config.toml");
    // The command needs the port that the daemon got.
    let text = fs::read_to_string(&config).expect("a file");
    fs::write(folder.join("there.toml"), text.replace("127.0.0.1:0", &daemon.address.to_string()))
        .expect("a file");
    let there = folder.join("there.toml").to_string_lossy().into_owned();

    let erased = erase(&[NUMBER, "--config", &there]);
    assert_eq!((erased.code, &*erased.stderr), (Some(0), ""), "{erased:?}");
    assert!(
        erased.stdout.starts_with("erased: ") && !erased.stdout.starts_with("erased: 0 "),
        "{erased:?}"
    );
    assert_erased(folder, 0);
    let live = daemon.call_ok(NUMBER, "R1");
    let refused = erase(&[NUMBER, "--config", &there]);
    assert_eq!(refused.code, Some(69), "{refused:?}");
    assert!(refused.stderr.contains("the number is in a call"), "{refused:?}");
    asterisk.hang_up(&live);
    daemon.wait_for(&live, "call.ended");
    eventually("the files have the call", || (files_with(folder, &live).len() >= 2).then_some(()));

    daemon.crash();
    let before = records(folder).len();
    let erased = erase(&[NUMBER, "--config", &there]);
    assert_eq!((erased.code, &*erased.stderr), (Some(0), ""), "{erased:?}");
    assert_erased(folder, before);
    // The next run continues the numbering.
    let daemon = daemon.restart();
    eventually("the next records have higher numbers", || {
        let last = records(folder).iter().filter_map(|line| line["seq"].as_u64()).max()?;
        (last as usize > before).then_some(())
    });
    assert_eq!(daemon.get("/api/calls").json()["history"], "ok");
}

#[test]
fn erase_reaches_a_remote_daemon_by_key() {
    let watch = "[[api_keys]]\nname = \"eye\"\nkey = \"k3y-of-the-watcher\"\nrole = \"watch\"";
    let (asterisk, daemon) = start(&[("key", watch)]);
    ended(&asterisk, &daemon, NUMBER);
    let url = format!("http://{}", daemon.address);
    let with_key = |key: &str| {
        let mut command =
            program::command(&["erase", NUMBER, "--url", &url, "--config", "no/such/file.toml"]);
        command.env("ORIGINATORD_KEY", key);
        program::run(command)
    };
    for (key, said) in [
        ("k3y-of-the-watcher", "this key may look at calls"),
        ("wr0ng-key", "does not know this key"),
    ] {
        let refused = with_key(key);
        assert_eq!(refused.code, Some(77), "{refused:?}");
        assert!(refused.stderr.contains(said), "{refused:?}");
    }
    assert!(files_with(daemon.folder.path(), NUMBER).len() >= 2);
    let erased = with_key(KEY);
    assert_eq!((erased.code, &*erased.stderr), (Some(0), ""), "{erased:?}");
    assert_eq!(files_with(daemon.folder.path(), NUMBER), [""; 0]);
}

#[test]
fn erase_names_the_copies_it_leaves_unchanged() {
    let (asterisk, mut daemon) = start(&[]);
    ended(&asterisk, &daemon, NUMBER);
    let folder = daemon.folder.clone();
    let path = |name: &str| folder.path().join(name);
    let config = path("there.toml").to_string_lossy().into_owned();
    let text = fs::read_to_string(path("config.toml")).expect("a file");
    fs::write(&config, text.replace("127.0.0.1:0", &daemon.address.to_string())).expect("a file");
    // logrotate leaves such copies.
    fs::copy(path("calls.jsonl"), path("calls.jsonl-20261126")).expect("a copy");
    fs::write(path("calls.jsonl.3.gz"), "compressed").expect("a file");
    for runs in [true, false] {
        if !runs {
            daemon.crash();
            let torn = format!("{{\"seq\":99,\"number\":\"+{NUMBER}\",\"cal");
            let mut journal =
                fs::OpenOptions::new().append(true).open(path("calls.jsonl")).expect("a file");
            std::io::Write::write_all(&mut journal, torn.as_bytes()).expect("a written line");
        }
        let erased = erase(&[NUMBER, "--config", &config]);
        assert_eq!((erased.code, erased.stderr.lines().count()), (Some(1), 2), "{erased:?}");
        for name in ["calls.jsonl-20261126", "calls.jsonl.3.gz"] {
            assert!(
                erased.stderr.contains(&format!("{name} is not the daemon's own")),
                "{erased:?}"
            );
        }
        assert_eq!(files_with(folder.path(), NUMBER), ["calls.jsonl-20261126"]);
    }
}

#[test]
fn erase_refuses_files_of_another_daemon() {
    let (asterisk, daemon) = start(&[]);
    ended(&asterisk, &daemon, NUMBER);
    let config = daemon.folder.path().join("config.toml").to_string_lossy().into_owned();
    // No daemon listens at the port of this configuration.
    let refused = erase(&[NUMBER, "--config", &config]);
    assert_eq!(refused.code, Some(69), "{refused:?}");
    assert!(refused.stderr.contains("writes to the journal"), "{refused:?}");
    assert!(files_with(daemon.folder.path(), NUMBER).len() >= 2);
}

#[test]
fn erase_names_what_is_wrong() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let config = folder.path().join("config.toml").to_string_lossy().into_owned();
    let missing = erase(&[NUMBER, "--config", &config]);
    assert_eq!(missing.code, Some(78), "{missing:?}");
    let text = format!(
        "[http]\nlisten = \"127.0.0.1:0\"\n[[api_keys]]\nname = \"bot\"\nkey = \"{KEY}\"\n[[asterisk]]\n\
         address = \"127.0.0.1:1\"\nusername = \"me\"\nsecret = \"secret\"\n[history]\nfile = \"notes.txt\"\n"
    );
    fs::write(&config, text).expect("a file");
    assert_eq!(erase(&["12", "--config", &config]).code, Some(64));
    // There are no files yet, so the command erases nothing.
    assert_eq!(
        erase(&[NUMBER, "--config", &config]).stdout,
        "erased: 0 records of the journal and calls of the history\n"
    );
    fs::write(folder.path().join("notes.txt"), "no database".repeat(100)).expect("a file");
    let broken = erase(&[NUMBER, "--config", &config]);
    assert_eq!(broken.code, Some(74), "{broken:?}");
    assert!(
        broken.stderr.contains("notes.txt cannot be changed: file is not a database"),
        "{broken:?}"
    );
}
