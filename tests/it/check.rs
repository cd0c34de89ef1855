//! `originatord check`, and what the command line says and ends with: the exit codes are those of
//! `sysexits.h`.

use std::path::PathBuf;
use std::time::Instant;

use tempfile::TempDir;
use testkit::ami::{FakeAsterisk, Manner, OnOriginate};
use testkit::daemon::Ami;
use testkit::pbx::Pbx;
use testkit::program::{Ended, Program, command, nobody, run};
use testkit::{PATIENCE, eventually};

/// A configuration in a folder of its own.
struct File {
    _folder: TempDir,
    path: PathBuf,
}

impl File {
    fn new(text: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().join("config.toml");
        std::fs::write(&path, text).expect("writes");
        Self { _folder: folder, path }
    }

    fn of(user: &str, ami: &Ami<'_>, more: &str) -> Self {
        Self::new(&format!(
            "[[api_keys]]\nname = \"bot\"\nkey = \"hush-hush-key\"\n[[asterisk]]\naddress = \"{}\"\n\
             username = \"{user}\"\nsecret = \"{}\"\n{more}\n",
            ami.address, ami.secret
        ))
    }

    fn path(&self) -> &str {
        self.path.to_str().expect("a path")
    }

    fn check(&self, more: &[&str]) -> Ended {
        let ended = run(command(&[&["check", "--config", self.path()], more].concat()));
        assert!(!format!("{ended:?}").contains("hush"), "{ended:?}");
        ended
    }
}

/// `check --connect` with what is at this address; the lines after the file's own.
fn connect(ami: &Ami<'_>, more: &str) -> (Option<i32>, Vec<String>) {
    connect_as("originatord", ami, more)
}

fn connect_as(user: &str, ami: &Ami<'_>, more: &str) -> (Option<i32>, Vec<String>) {
    let file = File::of(user, ami, more);
    let ended = file.check(&["--connect"]);
    let mut lines: Vec<_> = ended.stdout.lines().map(str::to_owned).collect();
    let first = format!("ok       {}: 1 API key(s), Asterisk at {}", file.path(), ami.address);
    assert_eq!((lines.remove(0), &*ended.stderr), (first, ""), "{ended:?}");
    (ended.code, lines)
}

fn starting_with(lines: &[String], word: &str) -> Vec<String> {
    lines.iter().filter(|line| line.starts_with(word)).cloned().collect()
}

#[test]
fn the_command_line_asks_and_answers_as_others_do() {
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

const EXAMPLE: &str = include_str!("../../config.toml.example");

/// Where the first line that begins with this is in a text.
fn line_of(text: &str, beginning: &str) -> usize {
    text.lines().position(|line| line.starts_with(beginning)).expect("such a line") + 1
}

#[test]
fn the_example_is_a_good_file_once_its_secrets_are_changed() {
    let file = File::new(EXAMPLE);
    let good = format!("ok       {}: 1 API key(s), Asterisk at 127.0.0.1:5038\n", file.path());
    let samples = |key: &str, beginning: &str| {
        let line = line_of(EXAMPLE, beginning);
        format!(
            "failure  {}:{line}: {key} is the sample's, which everybody knows; choose another\n",
            file.path()
        )
    };
    let expected =
        good + &samples("api_keys.key", "key = ") + &samples("asterisk.secret", "secret = ");
    let ended = file.check(&[]);
    assert_eq!((ended.code, &*ended.stdout, &*ended.stderr), (Some(78), &*expected, ""));

    let ended = File::new(&EXAMPLE.replace("change-me", "hush")).check(&[]);
    assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{ended:?}");
    assert!(
        ended.stdout.ends_with("/config.toml: 1 API key(s), Asterisk at 127.0.0.1:5038\n"),
        "{ended:?}"
    );
}

#[test]
fn with_the_samples_secrets_only_this_machine_is_served() {
    let everywhere = EXAMPLE.replace("127.0.0.1:8080", "0.0.0.0:0");
    let file = File::new(&everywhere);
    let ended = Program::start(command(&["serve", "--config", file.path()])).end();
    assert_eq!((ended.code, &*ended.stdout), (Some(78), ""), "{ended:?}");
    let first =
        format!("{}:{}: api_keys.key is the sample's", file.path(), line_of(&everywhere, "key = "));
    assert!(
        ended.stderr.starts_with(&first) && ended.stderr.contains("asterisk.secret is"),
        "{ended:?}"
    );

    let file = File::new(&EXAMPLE.replace("127.0.0.1:8080", "127.0.0.1:0"));
    let served = Program::start(command(&["serve", "--config", file.path()]));
    let warned = served.wait_for("api_keys.key is the sample's");
    assert!(warned.contains("WARN"), "{warned}");
    served.wait_for("listening");
}

#[test]
fn a_bad_file_is_refused_line_by_line_and_never_run() {
    let file = File::new(
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
    // The daemon says the same, and does not start; nor does Asterisk matter then.
    for command_line in
        [&["serve", "--config", file.path()][..], &["check", "--connect", "--config", file.path()]]
    {
        let ended = run(command(command_line));
        assert_eq!((ended.code, &*ended.stdout, &*ended.stderr), (Some(78), "", &*expected));
    }
}

#[test]
fn a_file_that_is_not_there_or_no_toml_is_said_so() {
    let ended = run(command(&["check", "--config", "no/such/file.toml"]));
    assert_eq!((ended.code, &*ended.stdout), (Some(78), ""));
    assert!(
        ended.stderr.starts_with("no/such/file.toml:1: cannot be read: No such file"),
        "{ended:?}"
    );
    let file = File::new("[http]\nlisten = \"hush\n");
    let ended = file.check(&[]);
    assert_eq!(ended.code, Some(78));
    assert!(ended.stderr.starts_with(&format!("{}:2: not TOML: ", file.path())), "{ended:?}");
}

#[test]
fn an_asterisk_that_is_not_there_or_none_is_said_so() {
    let (_held, address) = nobody();
    let address = address.to_string();
    let (code, lines) = connect(&Ami { address: &address, secret: "hush" }, "");
    assert_eq!((code, lines.len()), (Some(78), 1), "{lines:?}");
    assert!(lines[0].starts_with(&format!("failure  {address}: Connection refused")), "{lines:?}");

    let asterisk = FakeAsterisk::start(OnOriginate::Accept);
    let address = asterisk.address.to_string();
    let ami = Ami { address: &address, secret: "hush" };
    asterisk.behave(Manner::NoBanner);
    let (code, lines) = connect(&ami, "connect_timeout = \"200ms\"");
    assert_eq!(
        (code, lines),
        (Some(78), vec![format!("failure  {address}: it does not greet in time")])
    );
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
fn a_user_who_is_not_let_in_or_may_do_nothing_is_said_so() {
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
    assert_eq!(
        starting_with(&lines, "warning"),
        ["originate.context conf-in", "originate.channel's telegram-out and its gateway"].map(
            |what| format!("warning  {what}: not looked at, as the user may not list the dialplan")
        )
    );
}

#[test]
fn rights_that_are_not_needed_are_warned_of() {
    let asterisk = FakeAsterisk::start(OnOriginate::Accept);
    // It says yes to everything, and lets the events of a call through but for one.
    let (code, lines) =
        connect(&Ami { address: &asterisk.address.to_string(), secret: "hush" }, "");
    assert_eq!(code, Some(78));
    let of_rights = starting_with(&lines, "warning  the user may use");
    assert_eq!(
        of_rights,
        [("Command", "command"), ("Filter", "system"), ("UpdateConfig", "config"), ("AGI", "agi")].map(|(action, class)| {
            format!(
                "warning  the user may use {action}, and needs it not: take {class} from its write = in manager.conf"
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
fn a_real_asterisk_with_the_samples_is_as_it_has_to_be() {
    for version in ["22", "16"] {
        let pbx = Pbx::shared(version);
        let (code, lines) = connect(&pbx.ami(), "");
        assert_eq!(code, Some(0), "{lines:#?}");
        assert!(lines.iter().all(|line| line.starts_with("ok       ")), "{lines:#?}");
        for found in [
            "originate.context conf-in",
            "originate.channel's telegram-out",
            "OriginateResponse arrives",
            "Newstate arrives",
            "ConfbridgeJoin arrives",
            "ConfbridgeLeave arrives",
            "UserEvent arrives",
        ] {
            assert!(lines.iter().any(|line| line.contains(found)), "{found}: {lines:#?}");
        }
        let is_gone = || !pbx.channels().contains("originatord-check");
        eventually("nothing is left of the look", || is_gone().then_some(()));
    }
}

/// Whoever is alone is told so before joining.
#[test]
fn a_conference_that_speaks_first_is_waited_for() {
    let pbx = Pbx::start_with(&["--version", "22", "--wait", "1"]);
    let (code, lines) = connect(&pbx.ami(), "");
    assert_eq!(
        (code, starting_with(&lines, "warning")),
        (Some(0), Vec::<String>::new()),
        "{lines:#?}"
    );
    pbx.down();
}

#[test]
fn events_that_a_real_asterisk_keeps_back_are_named_with_what_is_lost() {
    let pbx = Pbx::shared("22");
    let user = "[deaf]\nsecret = hush\nread = call\nwrite = originate,call,reporting\neventfilter = !Event: Confbridge";
    pbx.add_to("manager.conf", user);
    pbx.rx("manager reload");
    let (code, lines) = connect_as("deaf", &Ami { secret: "hush", ..pbx.ami() }, "");
    assert_eq!(code, Some(0), "{lines:#?}");
    let never = |event: &str, lost: &str, class: &str| {
        format!(
            "warning  the event {event} does not arrive, so that {lost}: add {class} to the user's read =, and let its \
             eventfilter through"
        )
    };
    assert_eq!(
        starting_with(&lines, "warning"),
        [
            never("ConfbridgeJoin", "nobody is seen joining", "call"),
            never("ConfbridgeLeave", "nobody is seen leaving", "call"),
            never("UserEvent", "a flood wait shows as congestion", "user"),
        ]
    );
    assert!(lines.contains(&"ok       the event Newstate arrives".to_owned()), "{lines:#?}");
    eventually("nothing is left of the look", || {
        (!pbx.channels().contains("originatord-check")).then_some(())
    });
}

/// Installations that reach nobody, or not well: what is replaced in which file, and how `check`
/// names it.
const BROKEN: [(&str, &str, &str, &str); 10] = [
    (
        "extensions.conf",
        "@telegram)",
        "@telegrm)",
        "failure  pjsip.conf: there is no endpoint telegrm, which [telegram-out] dials, so no call gets through; write \
         [telegrm] with type = endpoint as in asterisk/pjsip.conf",
    ),
    (
        "extensions.conf",
        "ConfBridge(",
        "ConfBrige(",
        "failure  extensions.conf: [conf-in] _.!,5 runs ConfBrige, which Asterisk does not have: write ConfBridge",
    ),
    (
        "extensions.conf",
        "Dial(PJSIP",
        "Dail(PJSIP",
        "failure  extensions.conf: [telegram-out] _X.,2 runs Dail, which Asterisk does not have: write Dial",
    ),
    (
        "extensions.conf",
        "exten => failed,1,Hangup()",
        "",
        "warning  extensions.conf: [conf-in] has no extension failed, and its pattern matches it: after a failed call a \
         ghost joins a room of that name, and the number stays blocked meanwhile; write exten => failed,1,Hangup()",
    ),
    (
        "extensions.conf",
        "exten => h,1,Hangup()",
        "exten => h,1,NoOp()",
        "warning  extensions.conf: [conf-in] h does not end after its step 1, and its pattern goes on: whoever has hung up \
         goes through the conference entry again; write exten => h,1,Hangup()",
    ),
    (
        "extensions.conf",
        "exten => T,1,Hangup()",
        "",
        "warning  extensions.conf: [conf-in] has no extension T, and its pattern matches it: a call that reaches its \
         absolute timeout enters a room of that name; write exten => T,1,Hangup()",
    ),
    (
        "extensions.conf",
        "exten => _X.,1,",
        "exten => _9.,1,",
        "failure  extensions.conf: [telegram-out] has no extension for 79990001000; write exten => _X.,1,…",
    ),
    (
        "extensions.conf",
        "[telegram-hangup]",
        "[telegram-hang]",
        "warning  extensions.conf: the hangup handler telegram-hangup of [telegram-out] is not there, so a flood wait shows \
         as congestion; write [telegram-hangup] as in asterisk/extensions.conf",
    ),
    (
        "pjsip.conf",
        "contact = ",
        ";contact = ",
        "failure  pjsip.conf: the endpoint telegram has no address to call, so no call gets through; write \
         contact = sip:HOST:PORT in the section with type = aor that it names in aors",
    ),
    (
        "manager.conf",
        "allowmultiplelogin = yes",
        "allowmultiplelogin = no",
        "warning  user originatord: a second login is not let in, as after a lost connection: login refused: Login Already \
         In Use; write allowmultiplelogin = yes in [general] of manager.conf",
    ),
];

/// Has Asterisk take up a file that was changed. A reload does not take up everything of
/// `manager.conf`.
fn take_up(pbx: &Pbx, file: &str) {
    match file {
        "extensions.conf" => _ = pbx.rx("dialplan reload"),
        "pjsip.conf" => _ = pbx.rx("module reload res_pjsip.so"),
        _ => {
            pbx.kill();
            pbx.start_again();
        }
    }
}

#[test]
fn installation_that_reaches_nobody_is_named_with_file_and_line() {
    for version in ["22", "16"] {
        let pbx = Pbx::start(version);
        for (file, from, to, expected) in BROKEN {
            let sample = pbx.replace_in(file, from, to);
            take_up(&pbx, file);
            let code = Some(if expected.starts_with("failure") { 78 } else { 0 });
            let (mut last, began) = (Vec::new(), Instant::now());
            // A reload may still be under way.
            while last != [expected] {
                assert!(began.elapsed() < PATIENCE, "{version}: {to}: {last:#?}");
                let (exit_code, lines) = connect(&pbx.ami(), "");
                last = lines.into_iter().filter(|line| !line.starts_with("ok ")).collect();
                assert!(last != [expected] || exit_code == code, "{version}: {to}: {exit_code:?}");
            }
            pbx.write(file, &sample);
            take_up(&pbx, file);
        }
        pbx.down();
    }
}

#[test]
fn sample_without_its_gateway_module_is_named() {
    let pbx = Pbx::start("22");
    pbx.add_to("modules.conf", "noload = chan_pjsip.so");
    pbx.kill();
    pbx.start_again();
    let (code, lines) = connect(&pbx.ami(), "");
    let expected = "failure  [telegram-out] dials PJSIP/…@telegram, but chan_pjsip.so is not loaded: see modules.conf";
    assert_eq!(
        (code, starting_with(&lines, "failure")),
        (Some(78), vec![expected.to_owned()]),
        "{lines:#?}"
    );
    pbx.down();
}

#[test]
fn what_a_real_asterisk_does_not_have_is_named() {
    let pbx = Pbx::shared("22");
    let more = "[originate]\ncontext = \"nowhere\"\nchannel = \"Local/{number}@nobody/n\"";
    let (code, lines) = connect(&pbx.ami(), more);
    let missing = |what: &str| {
        format!("failure  {what} is not in the dialplan: see asterisk/extensions.conf")
    };
    assert_eq!(code, Some(78));
    assert_eq!(
        starting_with(&lines, "failure"),
        [missing("originate.context nowhere"), missing("originate.channel's nobody")]
    );
    let wrong = Ami { secret: "hush", ..pbx.ami() };
    let (code, lines) = connect(&wrong, "");
    assert_eq!(code, Some(78));
    assert_eq!(lines[1..], ["failure  user originatord: login refused: Authentication failed"]);
}

#[test]
fn channel_without_n_is_a_warning_with_its_line() {
    let ami = Ami { address: "127.0.0.1:5038", secret: "s3cr3t-of-ami" };
    let checked = |channel: &str| {
        let file =
            File::of("me", &ami, &format!("[originate]\nchannel = \"Local/{{number}}@{channel}\""));
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
