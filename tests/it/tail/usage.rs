//! Keys, URLs and colours, and an output that cannot be written.

use std::io::{BufRead, BufReader};

use super::tail;
use testkit::ami::FakeAsterisk;
use testkit::daemon::KEY;
use testkit::eventually;
use testkit::program::{self, Program, run};

#[test]
fn key_comes_from_environment_or_file() {
    let (_asterisk, daemon) = FakeAsterisk::with_daemon(&[]);
    let url = format!("http://{}", daemon.address);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("key");
    let file = file.to_str().expect("a path");

    let missing = run(program::command(&["tail", "--url", &url, "--key-file", file]));
    assert_eq!((missing.code, missing.stdout.as_str()), (Some(66), ""), "{missing:?}");
    assert!(missing.stderr.contains(file), "{missing:?}");

    std::fs::write(file, "wr0ng-key\n").expect("a written file");
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

    std::fs::write(file, format!("{KEY}\n")).expect("a written file");
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
fn invalid_url_is_a_usage_error() {
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
fn colours_need_a_terminal_or_a_request() {
    let (_asterisk, daemon) = FakeAsterisk::with_daemon(&[]);
    let first_line = |variables: &[(&str, &str)]| {
        let mut command = tail(daemon.address, &["--since", "0"]);
        command.envs(variables.iter().copied());
        Program::start(command).wait_for("ami.connected")
    };
    assert!(first_line(&[("CLICOLOR_FORCE", "1")]).contains("\u{1b}["));
    assert!(!first_line(&[]).contains('\u{1b}'));
    assert!(!first_line(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]).contains('\u{1b}'));
}

#[test]
fn unwritable_output_is_an_error() {
    let (_asterisk, daemon) = FakeAsterisk::with_daemon(&[]);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("a full disk");
    let mut command = tail(daemon.address, &["--since", "0"]);
    command.stdout(full);
    let ended = run(command);
    assert_eq!(ended.code, Some(74), "{ended:?}");
    assert!(ended.stderr.contains("the output cannot be written: No space left"), "{ended:?}");
}

#[test]
fn closed_pipe_ends_tail_quietly() {
    let (_asterisk, daemon) = FakeAsterisk::with_daemon(&[]);
    let mut child = tail(daemon.address, &["--since", "0"]).spawn().expect("tail starts");
    let mut first = String::new();
    // `head -1` reads like this.
    BufReader::new(child.stdout.take().expect("stdout")).read_line(&mut first).expect("a line");
    assert!(first.starts_with("-- "), "{first}");
    let status = eventually("tail ends", || {
        daemon.call("79990000001", "R1");
        child.try_wait().expect("a child")
    });
    let stderr = std::io::read_to_string(child.stderr.take().expect("stderr")).expect("text");
    assert_eq!((status.code(), stderr.as_str()), (Some(0), ""));
}
