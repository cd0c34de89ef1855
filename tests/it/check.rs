//! `originatord check`: problems of the configuration file, and of the Asterisk that it names.

use testkit::ami::{FakeAsterisk, Manner, OnOriginate};
use testkit::check::{ConfigFile, connect, starting_with};
use testkit::daemon::Ami;
use testkit::program::{Program, command, run, unused_address};

#[test]
fn command_line_has_help_version_and_usage_errors() {
    for (args, said) in [
        (&["--version"][..], concat!("originatord ", env!("CARGO_PKG_VERSION"), "\n")),
        (&["--help"], "Usage: originatord <COMMAND>"),
        (&["serve", "--help"], "--config <FILE>"),
        (&["help", "tail"], "--since <WHEN>"),
    ] {
        let ended = run(command(args));
        assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{ended:?}");
        assert!(ended.stdout.contains(said), "{ended:?}");
    }
    for (args, said) in [
        (&[][..], "Usage: originatord <COMMAND>"),
        (&["--nope"], "--nope"),
        (&["bogus"], "bogus"),
        (&["serve", "--confg", "x"], "--config"),
        (&["check", "extra"], "extra"),
        (&["tail", "--since", "soon"], "soon"),
        (&["tail", "--url"], "--url <URL>"),
    ] {
        let ended = run(command(args));
        assert_eq!((ended.code, &*ended.stdout), (Some(64), ""), "{ended:?}");
        assert!(ended.stderr.contains(said), "{ended:?}");
    }
}

/// The note of `check` if no file is configured that the state could stand beside.
const STATE_IN_MEMORY: &str = "note     no [state], [history] or [journal] file: locks and mutes of rooms end with the daemon\n";

const EXAMPLE: &str = include_str!("../../config.toml.example");

/// The number of the first line with this beginning.
fn line_of(text: &str, beginning: &str) -> usize {
    text.lines().position(|line| line.starts_with(beginning)).expect("such a line") + 1
}

#[test]
fn example_configuration_needs_only_new_secrets() {
    let file = ConfigFile::new(EXAMPLE);
    let good = format!("ok       {}: 1 API key(s), Asterisk at 127.0.0.1:5038\n", file.path());
    let samples = |key: &str, beginning: &str| {
        let line = line_of(EXAMPLE, beginning);
        format!(
            "failure  {}:{line}: {key} is the sample's, which everybody knows; choose another\n",
            file.path()
        )
    };
    let expected = good
        + &samples("api_keys.key", "key = ")
        + &samples("asterisk.secret", "secret = ")
        + STATE_IN_MEMORY;
    let ended = file.check(&[]);
    assert_eq!((ended.code, &*ended.stdout, &*ended.stderr), (Some(78), &*expected, ""));

    let ended = ConfigFile::new(&EXAMPLE.replace("change-me", "hush")).check(&[]);
    assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{ended:?}");
    assert!(
        ended.stdout.contains("/config.toml: 1 API key(s), Asterisk at 127.0.0.1:5038\n"),
        "{ended:?}"
    );
    // A file in which locks and mutes of rooms outlive a restart, set or beside another one.
    for file in ["[state]\nfile = 's.db'", "[journal]\nfile = 'calls.jsonl'"] {
        let (section, setting) = file.split_once('\n').expect("two lines");
        let text = EXAMPLE.replace("change-me", "hush");
        let text = text.replace(&format!("\n{section}\n"), &format!("\n{section}\n{setting}\n"));
        let ended = ConfigFile::new(&text).check(&[]);
        assert_eq!(ended.stdout.lines().count(), 1, "{ended:?}");
    }
}

#[test]
fn sample_secrets_are_accepted_on_loopback_only() {
    let everywhere = EXAMPLE.replace("127.0.0.1:8080", "0.0.0.0:0");
    let file = ConfigFile::new(&everywhere);
    let ended = Program::start(command(&["serve", "--config", file.path()])).end();
    assert_eq!((ended.code, &*ended.stdout), (Some(78), ""), "{ended:?}");
    let first =
        format!("{}:{}: api_keys.key is the sample's", file.path(), line_of(&everywhere, "key = "));
    assert!(
        ended.stderr.starts_with(&first) && ended.stderr.contains("asterisk.secret is"),
        "{ended:?}"
    );

    let file = ConfigFile::new(&EXAMPLE.replace("127.0.0.1:8080", "127.0.0.1:0"));
    let served = Program::start(command(&["serve", "--config", file.path()]));
    let warned = served.wait_for("api_keys.key is the sample's");
    assert!(warned.contains("WARN"), "{warned}");
    served.wait_for("listening");
}

#[test]
fn bad_file_is_refused_line_by_line() {
    let file = ConfigFile::new(
        "[htttp]\n[[api_keys]]\nname = \"bot\"\nkey = \"hush\"\n[[asterisk]]\naddress = \"pbx\"\nusername = \"me\"\n\
         secret = \"hush-hush-secret\"\nauth = \"sha1\"\ntls = { ca_file = \"nowhere.pem\" }\n\
         [journal]\nfile_max_size = \"1\"\n",
    );
    let checked = file.check(&[]);
    let expected = [
        (1, "unknown key htttp; did you mean http?"),
        (4, "api_keys.key must be at least 8 bytes long"),
        (6, "asterisk.address must be a host and port, as \"127.0.0.1:5038\""),
        (9, "asterisk.auth must be \"md5\", \"plain\" or \"auto\""),
        (
            10,
            "asterisk.tls.ca_file cannot be used: I/O error: No such file or directory (os error 2)",
        ),
        (12, "journal.file_max_size must be a size from \"4KiB\", as \"64MiB\""),
    ];
    let expected: String =
        expected.iter().map(|(line, text)| format!("{}:{line}: {text}\n", file.path())).collect();
    assert_eq!((checked.code, &*checked.stdout, &*checked.stderr), (Some(78), "", &*expected));
    // The daemon prints the same problems and does not start. `--connect` connects nowhere.
    for command_line in
        [&["serve", "--config", file.path()][..], &["check", "--connect", "--config", file.path()]]
    {
        let ended = run(command(command_line));
        assert_eq!((ended.code, &*ended.stdout, &*ended.stderr), (Some(78), "", &*expected));
    }
}

#[test]
fn missing_file_and_invalid_toml_are_named() {
    let ended = run(command(&["check", "--config", "no/such/file.toml"]));
    assert_eq!((ended.code, &*ended.stdout), (Some(78), ""));
    assert!(
        ended.stderr.starts_with("no/such/file.toml:1: cannot be read: No such file"),
        "{ended:?}"
    );
    let file = ConfigFile::new("[http]\nlisten = \"hush\n");
    let ended = file.check(&[]);
    assert_eq!(ended.code, Some(78));
    assert!(ended.stderr.starts_with(&format!("{}:2: not TOML: ", file.path())), "{ended:?}");
}

#[test]
fn check_names_an_unreachable_or_foreign_server() {
    let (_held, address) = unused_address();
    let address = address.to_string();
    let (code, lines) = connect(&Ami { address: &address, secret: "hush" }, "");
    assert_eq!((code, lines.len()), (Some(78), 1), "{lines:?}");
    assert!(lines[0].starts_with(&format!("failure  {address}: Connection refused")), "{lines:?}");

    let asterisk = FakeAsterisk::start(OnOriginate::Accept);
    let address = asterisk.address.to_string();
    let ami = Ami { address: &address, secret: "hush" };
    asterisk.behave(Manner::NoBanner);
    let (code, lines) = connect(&ami, "connect_timeout = \"200ms\"");
    assert_eq!((code, lines), (Some(78), vec![format!("failure  {address}: no banner in time")]));
    asterisk.behave(Manner::NotAsterisk);
    let (code, lines) = connect(&ami, "");
    assert_eq!((code, lines.len()), (Some(78), 1), "{lines:?}");
    assert!(
        lines[0].starts_with(&format!("failure  {address}: not an Asterisk manager: ")),
        "{lines:?}"
    );
    assert!(asterisk.actions("Login").is_empty());
}

#[test]
fn check_names_refused_login_and_missing_rights() {
    let asterisk = FakeAsterisk::start(OnOriginate::Accept);
    let address = asterisk.address.to_string();
    let ami = Ami { address: &address, secret: "hush" };
    let reachable = format!("ok       {address}: reachable, Asterisk Call Manager/11.0.0");
    asterisk.behave(Manner::RejectLogin);
    let (code, lines) = connect(&ami, "");
    let refused = "failure  user originatord: login refused: Authentication failed".to_owned();
    assert_eq!((code, lines), (Some(78), vec![reachable.clone(), refused]));

    asterisk.behave(Manner::DenyActions);
    let (code, lines) = connect(&ami, "");
    assert_eq!(
        (code, &lines[..2]),
        (Some(78), &[reachable, "ok       user originatord: logged in".to_owned()][..])
    );
    let add = |action: &str, class: &str| {
        format!(
            "failure  the user may not use {action}: add {class} to its write = in manager.conf"
        )
    };
    let never = |event: &str| {
        format!(
            "failure  the event {event} does not arrive: add call to the user's read =, and let its eventfilter through"
        )
    };
    assert_eq!(
        starting_with(&lines, "failure"),
        [
            add("Originate", "originate"),
            add("Hangup", "call"),
            add("GetVar", "call or reporting"),
            add("CoreShowChannels", "call or reporting"),
            never("Newchannel"),
            never("Hangup"),
            never("OriginateResponse"),
        ]
    );
    let [context, channel] =
        ["originate.context conf-in", "originate.channel's telegram-out and its gateway"].map(
            |what| {
                format!("warning  {what}: not checked, because the user may not list the dialplan")
            },
        );
    let list_rooms = "warning  the user may not use ConfbridgeListRooms, so that what happens in rooms while the daemon \
                      is not connected remains unknown: add reporting to its write = in manager.conf";
    assert_eq!(starting_with(&lines, "warning"), [list_rooms.to_owned(), context, channel]);
}

#[test]
fn check_warns_of_unneeded_rights() {
    let asterisk = FakeAsterisk::start(OnOriginate::Accept);
    // This server allows every action, and sends all events of a call but one, which is a failure.
    let (code, lines) =
        connect(&Ami { address: &asterisk.address.to_string(), secret: "hush" }, "");
    assert_eq!(code, Some(78));
    let of_rights = starting_with(&lines, "warning  the user may use");
    assert_eq!(
        of_rights,
        [("Command", "command"), ("Filter", "system"), ("UpdateConfig", "config"), ("AGI", "agi")].map(|(action, class)| {
            format!(
                "warning  the user may use {action} without need: remove {class} from its write = in manager.conf"
            )
        })
    );
    assert!(lines.contains(&"ok       the event Newchannel arrives".to_owned()), "{lines:#?}");
    assert!(
        starting_with(&lines, "failure").iter().all(|line| line.contains("the event ")),
        "{lines:#?}"
    );
}

#[test]
fn check_warns_of_a_dialplan_without_the_rooms_variables() {
    let asterisk = FakeAsterisk::start(OnOriginate::Accept);
    let address = asterisk.address.to_string();
    let checked = |steps: &[&str]| {
        asterisk.dialplan(steps);
        let (_, lines) = connect(&Ami { address: &address, secret: "hush" }, "");
        lines
            .into_iter()
            .filter(|line| line.contains("uses OD_") || line.contains("use OD_"))
            .collect()
    };
    let older: Vec<String> = checked(&["Answer()", "ConfBridge(${EXTEN})"]);
    assert_eq!(older.len(), 2, "{older:#?}");
    for (line, beginning) in older.iter().zip([
        "warning  extensions.conf: [conf-in] does not use OD_MUTED, so that later joiners of a muted room are heard for a \
         moment; write same => n,ExecIf(",
        "warning  extensions.conf: [conf-in] does not use OD_TALK, so that nobody is seen speaking, even with \
         talk_detection; write same => n,ExecIf(",
    ]) {
        assert!(line.starts_with(beginning), "{line}");
    }

    // The lines that the warnings tell to write.
    let sample = older.iter().map(|line| {
        let step =
            line.split_once("=> n,").and_then(|(_, step)| step.strip_suffix(" before ConfBridge"));
        step.expect("a step")
    });
    let sample: Vec<_> = sample.chain(["ConfBridge(${EXTEN})"]).collect();
    let uses = ["ok       [conf-in] uses OD_MUTED", "ok       [conf-in] uses OD_TALK"];
    assert_eq!(checked(&sample), uses.map(ToOwned::to_owned));
    let elsewhere: Vec<String> = checked(&["Goto(rooms,${EXTEN},1)"]);
    assert!(elsewhere.iter().all(|line| line.starts_with("note ")), "{elsewhere:#?}");
    assert_eq!(elsewhere.len(), 2, "{elsewhere:#?}");
}

#[test]
fn channel_without_n_is_a_warning() {
    let ami = Ami { address: "127.0.0.1:5038", secret: "s3cr3t-of-ami" };
    let checked = |channel: &str| {
        let file = ConfigFile::of(
            "me",
            &ami,
            &format!("[originate]\nchannel = \"Local/{{number}}@{channel}\""),
        );
        let ended = file.check(&[]);
        let lines: Vec<_> = ended.stdout.lines().skip(1).map(str::to_owned).collect();
        (
            ended.code,
            lines,
            format!("warning  {}:9: originate.channel does not end in /n: ", file.path()),
        )
    };
    let (code, lines, expected) = checked("telegram-out");
    assert_eq!((code, lines.len()), (Some(0), 1), "{lines:?}");
    assert!(lines[0].starts_with(&expected), "{lines:?}");
    assert_eq!(checked("telegram-out/n").1, Vec::<String>::new());
}
