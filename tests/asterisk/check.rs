//! `originatord check --connect` on real Asterisks, configured as in the samples or wrongly.

use std::time::Instant;

use testkit::check::{connect, connect_as, starting_with};
use testkit::daemon::Ami;
use testkit::pbx::Pbx;
use testkit::{TEST_TIMEOUT, eventually};

#[test]
fn check_accepts_asterisk_with_the_samples() {
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
            "ConfbridgeListRooms",
            "[conf-in] uses OD_MUTED",
            "[conf-in] uses OD_TALK",
            "ConfbridgeStart arrives",
            "ConfbridgeEnd arrives",
            "ConfbridgeMute arrives",
            "ConfbridgeUnmute arrives",
            "ConfbridgeTalking arrives",
        ] {
            assert!(lines.iter().any(|line| line.contains(found)), "{found}: {lines:#?}");
        }
        let is_gone = || !pbx.channels().contains("originatord-check");
        eventually("the channels of the check are gone", || is_gone().then_some(()));
    }
}

/// ConfBridge plays an announcement to a single participant before the join.
#[test]
fn check_waits_for_a_join_after_an_announcement() {
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
fn check_names_filtered_events_and_their_loss() {
    let pbx = Pbx::shared("22");
    let user = "[filtered]\nsecret = hush\nread = call\nwrite = originate,call,reporting\neventfilter = !Event: Confbridge";
    pbx.add_to("manager.conf", user);
    pbx.rx("manager reload");
    let (code, lines) = connect_as("filtered", &Ami { secret: "hush", ..pbx.ami() }, "");
    assert_eq!(code, Some(0), "{lines:#?}");
    let never = |event: &str, lost: &str, class: &str| {
        format!(
            "warning  the event {event} does not arrive, so that {lost}: add {class} to the user's read =, and let its \
             eventfilter through"
        )
    };
    let mut expected = vec![
        never("ConfbridgeJoin", "nobody is seen joining", "call"),
        never("ConfbridgeLeave", "nobody is seen leaving", "call"),
        never("UserEvent", "a flood wait shows as congestion", "user"),
    ];
    expected.extend(hidden_room_events("22"));
    assert_eq!(starting_with(&lines, "warning"), expected);
    assert!(lines.contains(&"ok       the event Newstate arrives".to_owned()), "{lines:#?}");
    eventually("the channels of the check are gone", || {
        (!pbx.channels().contains("originatord-check")).then_some(())
    });
}

/// The warnings about filters that let no event of a room through.
fn hidden_room_events(version: &str) -> [String; 5] {
    [
        ("ConfbridgeStart", "the start of a room is seen up to a minute late"),
        ("ConfbridgeEnd", "the end of a room is seen up to a minute late"),
        ("ConfbridgeMute", "a mute by somebody else is seen up to a minute late"),
        ("ConfbridgeUnmute", "an unmute by somebody else is seen up to a minute late"),
        ("ConfbridgeTalking", "nobody is seen speaking, even with talk_detection"),
    ]
    .map(|(event, lost)| {
        let line = match version {
            "16" => format!("eventfilter = Event: {event}"),
            _ => format!("eventfilter(action(include),name({event})) ="),
        };
        format!(
            "warning  the event {event} does not arrive, so that {lost}: add the line {line} to the user in manager.conf"
        )
    })
}

/// The samples before the daemon saw rooms had no line for the variables of `ConfBridge` and five
/// filters less.
#[test]
fn earlier_samples_pass_with_warnings() {
    for version in ["22", "16"] {
        let pbx = Pbx::start(version);
        pbx.remove_lines("extensions.conf", &["ExecIf("]);
        let further = ["Start", "End", "Mute", "Unmute", "Talking", "Record", "StopRecord"];
        let further = further.map(|event| format!("Confbridge{event}"));
        pbx.remove_lines("manager.conf", &further.each_ref().map(|event| &**event));
        pbx.rx("dialplan reload");
        pbx.rx("manager reload");
        let (code, lines) = connect(&pbx.ami(), "");
        assert_eq!(code, Some(0), "{lines:#?}");
        let others: Vec<_> = lines.iter().filter(|line| !line.starts_with("ok ")).collect();
        let (of_dialplan, of_events) = others.split_at(2);
        for (line, variable) in of_dialplan.iter().zip(["OD_MUTED", "OD_TALK"]) {
            let beginning =
                format!("warning  extensions.conf: [conf-in] does not use {variable}, so that ");
            assert!(line.starts_with(&beginning), "{version}: {others:#?}");
        }
        assert_eq!(of_events, hidden_room_events(version).each_ref(), "{version}");
        pbx.down();
    }
}

/// Without a codec of their own, the check's silent channels make Asterisk 16 release its ulaw format
/// once too often: it logs FRACK after five checks and crashes after about ten.
#[test]
fn asterisk_survives_many_checks() {
    let pbx = Pbx::start("16");
    for _ in 0..10 {
        let (code, lines) = connect(&pbx.ami(), "");
        assert_eq!(code, Some(0), "{lines:#?}");
    }
    let log = std::fs::read_to_string(pbx.setting("ASTERISK_LOG")).expect("Asterisk's log");
    assert!(!log.contains("FRACK"), "{log}");
    pbx.down();
}

/// Broken installations: the file, the text to replace, the replacement, and the line that `check`
/// prints.
const BROKEN: [(&str, &str, &str, &str); 12] = [
    (
        "extensions.conf",
        "@telegram)\n",
        "@telegrm)\n",
        "failure  pjsip.conf: there is no endpoint telegrm, which [telegram-out] dials, so no call gets through; write \
         [telegrm] with type = endpoint as in asterisk/pjsip.conf",
    ),
    (
        "extensions.conf",
        "ConfBridge(",
        "ConfBrige(",
        "failure  extensions.conf: [conf-in] _.!,7 runs ConfBrige, which Asterisk does not have: write ConfBridge",
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
        "warning  extensions.conf: [conf-in] has no extension failed, and its pattern matches it: after a failed call, a \
         channel without a callee joins a room of that name, and the number stays blocked meanwhile; write exten => failed,1,Hangup()",
    ),
    (
        "extensions.conf",
        "exten => h,1,Hangup()",
        "exten => h,1,NoOp()",
        "warning  extensions.conf: [conf-in] h does not end after its step 1, and its pattern continues: after a hangup, \
         the channel runs the context for the room again; write exten => h,1,Hangup()",
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
        "exten => _.!,1,Answer()",
        "exten => h,1,NoOp()\nexten => _.!,1,Answer()",
        "warning  extensions.conf: [rooms-dial-in] h does not end after its step 1, and its pattern continues: after a \
         hangup, the channel runs the context for the room again; write exten => h,1,Hangup()",
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
        "warning  extensions.conf: the hangup handler telegram-hangup of [telegram-out] does not exist, so a flood wait shows \
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
        "pjsip.conf",
        "password = ",
        "password = change-me;",
        "failure  pjsip.conf: the password in [phone-auth] is the sample's, which everybody knows; choose another",
    ),
    (
        "manager.conf",
        "allowmultiplelogin = yes",
        "allowmultiplelogin = no",
        "warning  user originatord: a second login is refused, as after a lost connection: login refused: Login Already \
         In Use; write allowmultiplelogin = yes in [general] of manager.conf",
    ),
];

/// Makes Asterisk apply a changed file. It is restarted for `manager.conf`, as a reload does not
/// apply every setting of that file.
fn apply(pbx: &Pbx, file: &str) {
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
fn check_names_the_fault_of_an_installation() {
    for version in ["22", "16"] {
        let pbx = Pbx::start(version);
        for (file, from, to, expected) in BROKEN {
            let sample = pbx.replace_in(file, from, to);
            apply(&pbx, file);
            let code = Some(if expected.starts_with("failure") { 78 } else { 0 });
            let (mut last, began) = (Vec::new(), Instant::now());
            // The reload may not be complete yet.
            while last != [expected] {
                assert!(began.elapsed() < TEST_TIMEOUT, "{version}: {to}: {last:#?}");
                let (exit_code, lines) = connect(&pbx.ami(), "");
                last = lines.into_iter().filter(|line| !line.starts_with("ok ")).collect();
                assert!(last != [expected] || exit_code == code, "{version}: {to}: {exit_code:?}");
            }
            pbx.write(file, &sample);
            apply(&pbx, file);
        }
        pbx.down();
    }
}

#[test]
fn check_names_a_missing_gateway_module() {
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
fn check_names_missing_contexts_and_wrong_secret() {
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
