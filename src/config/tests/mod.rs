//! Tests of whole configurations: their settings, their problems, and that no secret is printed.

mod example;

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::logging::LogFormat;
use originatord_core::ami::settings::Auth;

/// The required keys only, in seven lines.
const LEAST: &str = r#"[[api_keys]]
name = "bot"
key = "hush-hush-key"
[[asterisk]]
address = "127.0.0.1:5038"
username = "me"
secret = "hush-hush-secret"
"#;

const EXAMPLE: &str = include_str!("../../../config.toml.example");

fn parse(text: &str) -> Result<Config, Problems> {
    Config::parse(text, Path::new("")).map_err(|problems| Problems { file: "x".into(), problems })
}

/// The problems of [`LEAST`] with `more` appended, which begins in line 8; `ok` if there are none.
fn after(more: &str) -> String {
    parse(&format!("{LEAST}{more}")).map_or_else(|problems| problems.to_string(), |_| "ok".into())
}

#[test]
fn least_file_has_the_defaults() {
    let config = parse(LEAST).unwrap();
    assert_eq!(&*config.instance, "originatord");
    assert_eq!(config.http.listen, "127.0.0.1:8080".parse().unwrap());
    assert_eq!(config.http.reply_timeout, Duration::from_millis(1500));
    assert_eq!((&*config.asterisk.name, config.asterisk.session.auth), ("main", Auth::Auto));
    assert_eq!(config.originate.channel, "Local/{number}@telegram-out/n");
    assert_eq!(config.default_lang.as_str(), "ru");
    assert_eq!(config.journal.ring, 10_000);
}

#[test]
fn configured_values_are_used() {
    let config = parse(&format!(
        "instance = 'b-2'\n{LEAST}auth = 'plain'\ntls = {{ server_name = 'pbx' }}\nbackoff_max = '1m'\n\
         [originate]\npriority = 2\nvariables = {{ __A = 'x y', b = '' }}\n[log]\nformat = 'json'\n\
         [journal]\nfile = 'calls'\nfile_max_size = '1GiB'\nfile_keep = 0"
    ))
    .unwrap();
    assert_eq!(&*config.instance, "b-2");
    assert_eq!(
        (config.asterisk.session.auth, config.asterisk.backoff),
        (Auth::Plain, Backoff::new(Duration::from_millis(200), Duration::from_secs(60)).unwrap())
    );
    assert_eq!(config.asterisk.tls.unwrap().server_name.as_deref(), Some("pbx"));
    assert_eq!(config.originate.priority, 2);
    assert_eq!(config.originate.variables, [("__A".into(), "x y".into()), ("b".into(), "".into())]);
    assert_eq!(config.log.format, LogFormat::Json);
    let file = config.journal.file.unwrap();
    assert_eq!((file.path, file.max_size, file.keep), ("calls".into(), 1 << 30, 0));
    assert!(parse(&format!("{LEAST}tls = false")).unwrap().asterisk.tls.is_none());
    assert!(parse(&format!("{LEAST}tls = true")).unwrap().asterisk.tls.is_some());
}

#[test]
fn each_problem_has_its_line_and_a_remedy() {
    let variable = "originate.variables: a value is a string without line breaks and commas";
    let filter = "log.filter must be error, warn, info, debug or trace, for all or for a part as \
                  \"info,originatord::ami=debug\"";
    for (more, line, text) in [
        ("bakoff_min = '1s'", 8, "unknown key asterisk.bakoff_min; did you mean backoff_min?"),
        ("[htttp]", 8, "unknown key htttp; did you mean http?"),
        ("[log]\nzzzzzzzz = 1", 9, "unknown key log.zzzzzzzz; known here: format, filter"),
        ("name = 'a/b'", 8, "asterisk.name must be 1 to 32 letters, digits, _, - or ."),
        ("[[api_keys]]\nrole = 'admin'", 9, "api_keys.role must be \"call\" or \"watch\""),
        (
            "[[api_keys]]\nrooms = ['tg-*', '']",
            9,
            "api_keys.rooms must be a list of rooms or patterns of rooms",
        ),
        ("[[api_keys]]\nrooms = []", 9, "api_keys.rooms is empty"),
        ("auth = 'sha1'", 8, "asterisk.auth must be \"md5\", \"plain\" or \"auto\""),
        ("keepalive = '1ms'", 8, "asterisk.keepalive must be a duration from \"100ms\" to \"1h\""),
        (
            "connect_timeout = 5",
            8,
            "asterisk.connect_timeout must be a duration from \"100ms\" to \"1h\"",
        ),
        ("backoff_min = '1m'", 8, "asterisk.backoff_min must not be longer than backoff_max"),
        ("tls = 1", 8, "asterisk.tls must be a table"),
        (
            "tls = { sever_name = 'x' }",
            8,
            "unknown key asterisk.tls.sever_name; did you mean server_name?",
        ),
        (
            "[asterisk.tls]\nserver_name = '-'",
            9,
            "asterisk.tls.server_name must be a host name or address",
        ),
        ("[[asterisk]]\naddress = 'b:1'", 8, "exactly one [[asterisk]] is needed"),
        (
            "secret_env = 'X'",
            8,
            "exactly one of asterisk.secret, secret_file and secret_env is needed",
        ),
        (
            "[[api_keys]]\nname = 'bot'\nkey = 'another-key'",
            8,
            "api_keys.name is that of an earlier key; choose another",
        ),
        (
            "[[api_keys]]\nname = 'b'\nkey = 'hush-hush-key'",
            8,
            "api_keys.key is that of an earlier key; choose another",
        ),
        (
            "[[api_keys]]\nkey = 'another-key'",
            8,
            "api_keys.name is missing: records name the key by it",
        ),
        (
            "[[api_keys]]\nname = ''\nkey = 'another-key'",
            9,
            "api_keys.name must be 1 to 32 letters, digits, _, - or .",
        ),
        (
            "[[api_keys]]\nname = 'b'\nkey = 'short'",
            10,
            "api_keys.key must be at least 8 bytes long",
        ),
        ("[[api_keys]]\nname = 'b'\nkey = ''", 10, "api_keys.key is empty"),
        (
            "[[api_keys]]\nname = 'b'",
            8,
            "exactly one of api_keys.key, key_file and key_env is needed",
        ),
        (
            "[[api_keys]]\nname = 'b'\nkey_env = 'ORIGINATORD_NOT_SET'",
            10,
            "api_keys.key_env names a variable that is not set",
        ),
        (
            "[http]\nlisten = 'localhost:80'",
            9,
            "http.listen must be an address and port, as \"127.0.0.1:8080\"",
        ),
        (
            "[http]\nreply_timeout = '2s'",
            9,
            "http.reply_timeout must be a duration from \"200ms\" to \"1s 900ms\"",
        ),
        (
            "[http]\nmax_connections = 0",
            9,
            "http.max_connections must be a whole number from 2 to 1000000",
        ),
        (
            "[http]\nmax_connections = 1",
            9,
            "http.max_connections must be a whole number from 2 to 1000000",
        ),
        (
            "[http]\nkeep_alive = '500ms'",
            9,
            "http.keep_alive must be a duration from \"1s\" to \"1h\"",
        ),
        (
            "[http]\nmax_connections = -1",
            9,
            "http.max_connections must be a whole number from 2 to 1000000",
        ),
        (
            "[originate]\npriority = 'x'",
            9,
            "originate.priority must be a whole number from 1 to 10000",
        ),
        (
            "[originate]\ncontext = \"a\\r\\nb\"",
            9,
            "originate.context must be a context of the dialplan",
        ),
        (
            "[originate]\nring_timeout = '0s'",
            9,
            "originate.ring_timeout must be a duration from \"1s\" to \"1h\"",
        ),
        (
            "[originate]\ndefault_lang = 'r,'",
            9,
            "originate.default_lang must be a language tag, as \"ru\"",
        ),
        ("[originate.variables]\nA = 'x,B=y'", 9, variable),
        ("[originate.variables]\nA = 1", 9, variable),
        (
            "[originate.variables]\n\"F(x)\" = ''",
            9,
            "originate.variables: a name is made of letters, digits and _",
        ),
        (
            "[originate.variables]\n__LANG = 'en'",
            9,
            "originate.variables.__LANG is set by originatord itself",
        ),
        ("[log]\nformat = 'xml'", 9, "log.format must be \"text\" or \"json\""),
        ("[log]\nfilter = 'a=b=c'", 9, filter),
        ("[log]\nfilter = 'inof'", 9, filter),
        ("[log]\nfilter = 'info,originatord'", 9, filter),
        ("[journal]\nring = 10000001", 9, "journal.ring must be a whole number from 1 to 10000000"),
        (
            "[journal]\nfile_max_size = '64'",
            9,
            "journal.file_max_size must be a size from \"4KiB\", as \"64MiB\"",
        ),
        ("[journal]\nfile = 1", 9, "journal.file must be a path"),
        (
            "[numbers]\ncountry_code = '7'",
            8,
            "numbers: country_code and national_prefix need each other, national_digits both",
        ),
        (
            "[numbers]\nnational_digits = 10",
            8,
            "numbers: country_code and national_prefix need each other, national_digits both",
        ),
        (
            "[numbers]\ncountry_code = '07'\nnational_prefix = '8'",
            9,
            "numbers: country_code is 1 to 3 digits",
        ),
        ("[privacy]\nmask_numbers = 1", 9, "privacy.mask_numbers must be true or false"),
        ("[rooms]\nkeep = '2years'", 9, "rooms.keep must be a duration from \"0s\" to "),
        ("[rooms]\ntalk_detection = 1", 9, "rooms.talk_detection must be true or false"),
        ("[history]\nfile = ''", 9, "history.file must be a path"),
        ("[history]\nkeep = '1m'", 9, "history.keep must be a duration from \"1h\" to \"99years"),
        (
            "[history]\nmax_size = '1KiB'",
            9,
            "history.max_size must be a size from \"1MiB\", as \"1GiB\"",
        ),
        (
            "http = 1",
            8,
            "unknown key asterisk.http; known here: name, address, username, secret, secret_file, secret_env, auth, tls, \
             keepalive, connect_timeout, action_timeout, backoff_min, backoff_max",
        ),
        ("key = \"unclosed", 8, "not TOML: "),
    ] {
        let problems = after(more);
        let expected = format!("x:{line}: {text}");
        assert!(
            problems.lines().any(|problem| problem.starts_with(&expected)),
            "{more}:\n{problems}"
        );
    }
    for channel in [
        "Local/1@x",
        "Local/{number}{number}@x",
        "PJSIP/{number}@gateway",
        "Local/{number}@x\\r\\n",
    ] {
        let problems = after(&format!("[originate]\nchannel = \"{channel}\""));
        assert!(
            problems.starts_with("x:9: originate.channel must be a Local channel"),
            "{channel}: {problems}"
        );
    }
    for address in ["pbx", "pbx:", ":5038", "pbx:0", "pbx:65536", "a b:1", "pbx:+1"] {
        let problems =
            parse(&LEAST.replace("127.0.0.1:5038", address)).map(|_| ()).unwrap_err().to_string();
        assert!(
            problems.starts_with("x:5: asterisk.address must be a host and port"),
            "{address}: {problems}"
        );
    }
}

#[test]
fn secret_of_wrong_type_is_one_problem() {
    let problems =
        parse(&LEAST.replace("\"hush-hush-secret\"", "12345678")).unwrap_err().to_string();
    assert_eq!(problems, "x:7: asterisk.secret must be a string in quotes");
}

#[test]
fn all_problems_are_reported_at_once() {
    assert_eq!(
        parse("").unwrap_err().to_string(),
        "x:1: at least one [[api_keys]] with name and key is needed\nx:1: exactly one [[asterisk]] is needed"
    );
    assert_eq!(after("a = 1\nb = 2\nauth = 3").lines().count(), 3);
    assert_eq!(after(""), "ok");
}

#[test]
fn secrets_come_from_files_and_environment_too() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ami"), "from-the-file\n").unwrap();
    let text = LEAST.replace("secret = \"hush-hush-secret\"", "secret_file = \"ami\"");
    let config = Config::parse(&text, folder.path()).unwrap();
    assert_eq!(
        secrecy::ExposeSecret::expose_secret(&config.asterisk.session.secret),
        "from-the-file"
    );
    let missing =
        Config::parse(&text.replace("\"ami\"", "\"nowhere\""), folder.path()).unwrap_err();
    assert!(missing[0].text.starts_with("asterisk.secret_file cannot be read: "), "{missing:?}");
    // Cargo sets this variable when it runs tests.
    let config =
        parse(&text.replace("secret_file = \"ami\"", "secret_env = \"CARGO_PKG_NAME\"")).unwrap();
    assert_eq!(
        secrecy::ExposeSecret::expose_secret(&config.asterisk.session.secret),
        env!("CARGO_PKG_NAME")
    );
}

#[test]
fn no_secret_is_printed() {
    let leaks = |text: &str| text.contains("hush");
    assert!(!leaks(&format!("{:?}", parse(LEAST).unwrap())));
    // Every error of one keystroke: a missing or a wrong character anywhere in the file.
    for at in 0..LEAST.len() {
        for wrong in ["", "\n", "\"", "'", "=", "]", "[", "{", "\\", "#", ".", "x", "\0"] {
            let replaced = format!("{}{wrong}{}", &LEAST[..at], &LEAST[at + 1..]);
            let inserted = format!("{}{wrong}{}", &LEAST[..at], &LEAST[at..]);
            for text in [replaced, inserted] {
                if let Err(problems) = parse(&text) {
                    assert!(!problems.problems.is_empty(), "{text}");
                    assert!(!leaks(&format!("{problems} {problems:?}")), "{text}\n{problems}");
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn no_text_panics_the_reader(text in any::<String>()) {
        prop_assert!(parse(&text).is_err_and(|problems| !problems.problems.is_empty()));
    }

    #[test]
    fn no_mix_of_tokens_panics_the_reader(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "[", "]", "[[", "]]", "\n", " = ", "\"", "'", "{", "}", ",", ".", "1", "-", "\"x\"", "http", "listen",
                "api_keys", "asterisk", "name", "key", "key_file", "address", "tls", "originate", "variables", "я",
                "journal", "ring", "log", "filter", "\r", "\"\"\"", "#", "true", "0x", "1979-05-27", "\\u",
            ]),
            0..40,
        )
    ) {
        prop_assert!(parse(&words.concat()).is_err_and(|problems| !problems.problems.is_empty()));
    }
}

#[test]
fn list_entry_that_matches_no_number_is_a_warning() {
    let text =
        EXAMPLE.replace("# deny = [\"7900\", \"7809\"]", "deny = [\"7900\", \"007900\", \"+0\"]");
    let config = parse(&text).unwrap_or_else(|problems| panic!("{problems}"));
    let line = text.lines().position(|line| line.starts_with("deny")).unwrap() + 1;
    let warned: Vec<_> =
        config.warnings.iter().map(|warning| (warning.line, warning.text.as_str())).collect();
    let rest = "write prefixes without + and 00";
    let texts = ["007900", "0"]
        .map(|prefix| format!("limits.deny: no number begins with {prefix}: {rest}"));
    assert_eq!(warned, [(line, &*texts[0]), (line, &*texts[1])]);
    assert!(parse(EXAMPLE).unwrap_or_else(|problems| panic!("{problems}")).warnings.is_empty());
}

#[test]
fn national_form_is_read() {
    let text = EXAMPLE
        .replace("# country_code", "country_code")
        .replace("# national_prefix", "national_prefix");
    let numbers = parse(&text).unwrap_or_else(|problems| panic!("{problems}")).numbers;
    assert_eq!(numbers.read("8 999 123-45-67"), "+79991234567".parse());
}

#[test]
fn channel_without_n_is_accepted_with_a_warning() {
    let channel =
        |options: &str| format!("{LEAST}[originate]\nchannel = 'Local/{{number}}@out{options}'\n");
    for (options, is_warned) in
        [("", true), ("/j", true), ("/n", false), ("/nj", false), ("/jn", false)]
    {
        let config = parse(&channel(options)).unwrap();
        let lines: Vec<usize> = config.warnings.iter().map(|warning| warning.line).collect();
        assert_eq!(lines, if is_warned { vec![9] } else { vec![] }, "{options}");
        assert_eq!(config.originate.channel, format!("Local/{{number}}@out{options}"));
    }
}
