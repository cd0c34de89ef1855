//! Manual pages and shell completions, which the program makes from its command line definition.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;
use testkit::program::{command, run, unused_address};

/// The commands in the help text.
fn commands() -> Vec<String> {
    let help = run(command(&["--help"])).stdout;
    let listed =
        help.split_once("Commands:\n").expect("commands").1.split("\n\n").next().expect("a list");
    let names =
        listed.lines().filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

/// The output of a program, or nothing if it is not installed.
fn output_of(
    program: &str,
    args: &[&str],
    environment: &[(&str, &str)],
) -> Option<(bool, String, String)> {
    let mut command = Command::new(program);
    let output =
        command.args(args).envs(environment.iter().copied()).stdin(Stdio::null()).output().ok()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some((output.status.success(), text(&output.stdout), text(&output.stderr)))
}

/// The warnings of groff, which `man` uses, if it is installed.
fn console_errors(page: &Path) -> String {
    let page = page.to_str().expect("a path");
    let args = ["--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", page];
    output_of("man", &args, &[("LC_ALL", "C.UTF-8"), ("MANROFFSEQ", "")])
        .map(|(_, _, errors)| errors)
        .unwrap_or_default()
}

#[test]
fn man_pages_have_options_and_exit_codes() {
    let folder = TempDir::new().expect("a folder");
    let pages = folder.path().join("share/man1");
    let written = run(command(&["man", pages.to_str().expect("a path")]));
    assert_eq!((written.code, &*written.stdout, &*written.stderr), (Some(0), "", ""));
    let commands = commands();
    for expected in [
        "serve",
        "check",
        "tail",
        "call",
        "calls",
        "hangup",
        "rooms",
        "room",
        "erase",
        "load",
        "simulate",
        "completions",
        "man",
    ] {
        assert!(commands.iter().any(|name| name == expected), "{expected}: {commands:?}");
    }
    let names = commands
        .iter()
        .map(|name| format!("originatord-{name}.1"))
        .chain(["originatord.1".to_owned()]);
    let mut names: Vec<_> = names.collect();
    names.sort();
    let files =
        fs::read_dir(&pages).expect("a folder").map(|file| file.expect("a file").file_name());
    let mut files: Vec<_> = files.map(|name| name.into_string().expect("a name")).collect();
    files.sort();
    assert_eq!(files, names);

    for name in files {
        let text = fs::read_to_string(pages.join(&name)).expect("a page");
        let macros: Vec<_> = text.lines().filter(|line| line.starts_with('.')).collect();
        assert!(
            text.lines().next().is_some_and(|line| line.starts_with(".ie "))
                || macros[0].starts_with(".TH"),
            "{name}"
        );
        for heading in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS"] {
            assert!(macros.contains(&&*format!(".SH {heading}")), "{name}: {heading}");
        }
        let count = |what: &str| macros.iter().filter(|line| **line == what).count();
        assert_eq!(count(".nf"), count(".fi"), "{name}");
        assert_eq!(console_errors(&pages.join(&name)), "", "{name}");
        let Some(subcommand) =
            name.strip_prefix("originatord-").and_then(|name| name.strip_suffix(".1"))
        else {
            continue;
        };
        // The page has each option, and each exit code on its own line.
        let help = run(command(&[subcommand, "--help"])).stdout;
        let plain = text.replace('\\', "");
        for option in help
            .lines()
            .filter_map(|line| line.trim_start().strip_prefix("--")?.split_whitespace().next())
        {
            assert!(plain.contains(&format!("--{option}")), "{name}: --{option}");
        }
        let (_, codes) = help.split_once("Exit codes:\n").unwrap_or_default();
        assert_eq!(codes.is_empty(), matches!(subcommand, "completions" | "man"), "{name}");
        for line in codes.lines() {
            assert!(plain.lines().any(|of_page| of_page == line.trim_start()), "{name}: {line}");
        }
    }
}

#[test]
fn values_may_begin_with_a_dash() {
    let (_held, nowhere) = unused_address();
    let url = format!("http://{nowhere}");
    // Ids of Telegram groups are negative numbers.
    let group = "-1001234567890";
    let url = ["--url", &url];
    for args in [
        &["call", "79990000001", group][..],
        &["call", "--caller-id", "- Bob -", group, "-1001234567891"],
        &["call", "79990000001", "R1", "--caller-id", "-x"],
        &["calls", "--room", group],
        &["calls", "--room", "-x", "--number", "-7-999-000-00-01", "--key", "--json"],
    ] {
        let mut command = command(&[args, &url].concat());
        command.env("ORIGINATORD_KEY", "k");
        let ended = run(command);
        assert!(
            ended.code == Some(69) && ended.stderr.contains("cannot connect to"),
            "{args:?}: {ended:?}"
        );
    }
    for args in [
        &["load", "--room-prefix", "-100", "--caller-id", "-x"][..],
        &["tail", "--room", group, "--call", "-"],
    ] {
        let ended = run(command(args));
        assert!(
            ended.code == Some(64) && !ended.stderr.contains("unexpected argument"),
            "{args:?}: {ended:?}"
        );
    }
    // An argument that is no number may be a misspelt option, so nothing is called.
    let misspelt = run(command(&["call", "79990000001", "--jsn"]));
    assert!(
        misspelt.code == Some(64) && misspelt.stderr.contains("unexpected argument '--jsn'"),
        "{misspelt:?}"
    );
}

#[test]
fn unusable_folder_is_named() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let folder = file.path().join("man1");
    let ended = run(command(&["man", folder.to_str().expect("a path")]));
    assert_eq!(ended.code, Some(73), "{ended:?}");
    assert!(
        ended.stderr.starts_with(&format!("originatord man: {}: ", folder.display())),
        "{ended:?}"
    );
}

#[test]
fn bash_completes_commands_options_and_values() {
    let folder = TempDir::new().expect("a folder");
    let script = folder.path().join("originatord");
    let printed = run(command(&["completions", "bash"]));
    assert_eq!((printed.code, &*printed.stderr), (Some(0), ""));
    fs::write(&script, printed.stdout).expect("a written file");
    let script = script.to_str().expect("a path");
    let checked = output_of("bash", &["-n", script], &[]).expect("bash");
    assert_eq!(checked, (true, String::new(), String::new()));
    // Does what bash does: finds the completion function and calls it with the command, the word
    // and the word before it.
    let completes = "source \"$1\"; shift; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); \
                     function=$(complete -p originatord | sed -E 's/.*-F ([^ ]+) .*/\\1/'); \
                     \"$function\" originatord \"${COMP_WORDS[COMP_CWORD]}\" \"${COMP_WORDS[COMP_CWORD-1]}\"; \
                     printf '%s\\n' \"${COMPREPLY[@]}\"";
    let complete = |words: &[&str]| {
        let args = [&["-c", completes, "bash", script, "originatord"], words].concat();
        let (_, replies, errors) = output_of("bash", &args, &[]).expect("bash");
        assert_eq!(errors, "", "{words:?}");
        replies.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(complete(&["ta"]), ["tail"]);
    assert_eq!(complete(&["ca"]), ["call", "calls"]);
    let mut all = complete(&[""]);
    all.retain(|word| !word.starts_with('-') && word != "help");
    assert_eq!(all, commands());
    assert_eq!(complete(&["room", "R1", "mo"]), ["move"]);
    assert_eq!(complete(&["tail", "--o"]), ["--outcome"]);
    assert_eq!(complete(&["tail", "--outcome", "b"]), ["busy"]);
    assert_eq!(
        complete(&["tail", "--event", "ami"]),
        ["ami.connected", "ami.disconnected", "ami.*"]
    );
    assert!(complete(&["tail", "--event", "guest"]).contains(&"guest.joined".to_owned()));
    assert_eq!(complete(&["calls", "--k"]), ["--key", "--key-file"]);
    assert_eq!(complete(&["completions", "f"]), ["fish"]);
}

#[test]
fn other_shells_have_completions() {
    for (shell, marker) in [
        ("zsh", "#compdef originatord"),
        ("fish", "complete -c originatord"),
        ("elvish", "edit:completion"),
    ] {
        let printed = run(command(&["completions", shell]));
        assert!(printed.code == Some(0) && printed.stdout.contains(marker), "{shell}: {printed:?}");
        assert!(printed.stdout.contains("hangup"), "{shell}");
    }
    let unknown = run(command(&["completions", "csh"]));
    assert!(unknown.code == Some(64) && unknown.stderr.contains("csh"), "{unknown:?}");
}
