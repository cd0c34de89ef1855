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
    assert_eq!(
        starting_with(&lines, "warning"),
        [
            never("ConfbridgeJoin", "nobody is seen joining", "call"),
            never("ConfbridgeLeave", "nobody is seen leaving", "call"),
            never("UserEvent", "a flood wait shows as congestion", "user"),
        ]
    );
    assert!(lines.contains(&"ok       the event Newstate arrives".to_owned()), "{lines:#?}");
    eventually("the channels of the check are gone", || {
        (!pbx.channels().contains("originatord-check")).then_some(())
    });
}

/// Broken installations: the file, the text to replace, the replacement, and the line that `check`
/// prints.
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
