//! Keys, URLs and colours, and an output that cannot be written.

use std::io::{BufRead, BufReader};

use super::{start, tail};
use testkit::daemon::KEY;
use testkit::eventually;
use testkit::program::{self, Program, run};

#[test]
fn a_key_comes_from_the_environment_or_a_file_and_has_to_be_known() {
    let (_asterisk, daemon) = start();
    let url = format!("http://{}", daemon.address);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("key");
    let file = file.to_str().expect("a path");

    let missing = run(program::command(&["tail", "--url", &url, "--key-file", file]));
    assert_eq!((missing.code, missing.stdout.as_str()), (Some(66), ""), "{missing:?}");
    assert!(missing.stderr.contains(file), "{missing:?}");

    std::fs::write(file, "wr0ng-key\n").expect("writes");
    let mut wrong_in_environment = program::command(&["tail", "--url", &url]);
    wrong_in_environment.env("ORIGINATORD_KEY", "wr0ng-key");
    for command in [
        program::command(&["tail", "--url", &url]),
        program::command(&["tail", "--url", &url, "--key-file", file]),
        wrong_in_environment,
    ] {
        let ended = run(command);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(77), ""), "{ended:?}");
        assert!(
            ended.stderr.contains("does not know this key") && !ended.stderr.contains("wr0ng"),
            "{ended:?}"
        );
    }

    std::fs::write(file, format!("{KEY}\n")).expect("writes");
    let tail = Program::start(program::command(&[
        "tail",
        "--url",
        &url,
        "--key-file",
        file,
        "--since",
        "0",
    ]));
    tail.wait_for("daemon.started");
}

#[test]
fn what_is_no_url_of_a_daemon_is_a_wrong_command_line() {
    for url in [
        "",
        "x",
        "127.0.0.1:8080",
        "ftp://127.0.0.1",
        "http://",
        "http://127.0.0.1/api",
        "http://a b/",
    ] {
        let ended = run(program::command(&["tail", "--url", url]));
        assert_eq!(ended.code, Some(64), "{url}: {ended:?}");
        assert!(
            ended.stderr.contains("is not a URL like http://127.0.0.1:8080"),
            "{url}: {ended:?}"
        );
    }
}

#[test]
fn colours_are_for_terminals_and_for_those_who_want_them() {
    let (_asterisk, daemon) = start();
    let with = |variables: &[(&str, &str)]| {
        let mut command = tail(daemon.address, &["--since", "0"]);
        command.envs(variables.iter().copied());
        Program::start(command).wait_for("ami.connected")
    };
    assert!(with(&[("CLICOLOR_FORCE", "1")]).contains("\u{1b}["));
    assert!(!with(&[]).contains('\u{1b}'));
    assert!(!with(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]).contains('\u{1b}'));
}

#[test]
fn a_full_disk_behind_it_is_said_so() {
    let (_asterisk, daemon) = start();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("a full disk");
    let mut command = tail(daemon.address, &["--since", "0"]);
    command.stdout(full);
    let ended = run(command);
    assert_eq!(ended.code, Some(74), "{ended:?}");
    assert!(ended.stderr.contains("the output cannot be written: No space left"), "{ended:?}");
}

#[test]
fn closing_the_pipe_ends_it_quietly() {
    let (_asterisk, daemon) = start();
    let mut child = tail(daemon.address, &["--since", "0"]).spawn().expect("it starts");
    let mut first = String::new();
    // As `head -1` does.
    BufReader::new(child.stdout.take().expect("stdout")).read_line(&mut first).expect("a line");
    assert!(first.starts_with("-- "), "{first}");
    let status = eventually("it ends", || {
        daemon.call("79990000001", "R1");
        child.try_wait().expect("a child")
    });
    let stderr = std::io::read_to_string(child.stderr.take().expect("stderr")).expect("text");
    assert_eq!((status.code(), stderr.as_str()), (Some(0), ""));
}
