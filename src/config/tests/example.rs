//! Tests that `config.toml.example` can be used unchanged, and shows every key with its default.

use super::*;

/// The key that a line of the example sets, or would set if it were not a comment.
fn key(line: &str) -> Option<&str> {
    let (key, _) = line.strip_prefix("# ").unwrap_or(line).split_once(" = ")?;
    key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_').then_some(key)
}

/// The example with the line `index` changed.
fn changed(index: usize, change: impl Fn(&str) -> String) -> String {
    let lines = EXAMPLE.lines().enumerate();
    lines.map(|(i, line)| if i == index { change(line) } else { line.to_owned() } + "\n").collect()
}

#[test]
fn example_can_be_used_unchanged() {
    let config = parse(EXAMPLE).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(config.api_keys.len(), 1);
    assert!(
        config.asterisk.tls.is_none()
            && config.journal.file.is_none()
            && config.history.is_none()
            && config.originate.variables.is_empty()
    );
}

#[test]
fn example_shows_every_key_with_its_default() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["telegram-bot.key", "ami.secret", "asterisk-ca.pem"] {
        std::fs::write(folder.path().join(file), "from-a-file\n").unwrap();
    }
    let settings = |text: &str| {
        // Set the files of the journal and the history: without a file, its other settings are not
        // kept.
        let text = text
            .replace("\n# file = ", "\nfile = ")
            .replace("\nfile = \"/var/log/originatord/", "\nfile = \"");
        let config = Config::parse(&text, folder.path());
        format!("{:?}", config.unwrap_or_else(|problems| panic!("{problems:?}")))
    };
    let expected = settings(EXAMPLE);
    let no_default = [
        "key",
        "address",
        "username",
        "secret",
        "tls",
        "variables",
        "file",
        "key_env",
        "secret_env",
        "calls_per_second",
        "calls_alive",
        "attempts_per_number",
        "allow",
        "deny",
        "rooms",
        "country_code",
        "national_prefix",
        "national_digits",
    ];
    for (index, line) in EXAMPLE.lines().enumerate() {
        match key(line) {
            None => {}
            Some(key) if no_default.contains(&key) => {}
            // A secret may be given in one way only, so the other one is renamed.
            Some(way @ ("key_file" | "secret_file")) => {
                let plain = format!("\n{} = ", way.trim_end_matches("_file"));
                settings(
                    &changed(index, |line| line.trim_start_matches("# ").to_owned())
                        .replace(&plain, "\n# x = "),
                );
            }
            Some(_) if line.starts_with("# ") => {
                let text = changed(index, |line| line.trim_start_matches("# ").to_owned());
                assert_eq!(settings(&text), expected, "{line}");
            }
            // The name of an API key has no default.
            Some("name") => {}
            Some(_) => assert_eq!(
                settings(&changed(index, |line| format!("# {line}"))),
                expected,
                "{line}"
            ),
        }
    }
    // The message about an unknown key lists the known ones, which are all keys of the section.
    for (section, marker) in [
        ("", "instance"),
        ("[http]\n", "listen"),
        ("[[api_keys]]\n", "name"),
        ("[[asterisk]]\n", "address"),
        ("[limits]\n", "calls_alive"),
        ("[numbers]\n", "country_code"),
        ("[originate]\n", "channel"),
        ("[log]\n", "format"),
        ("[journal]\n", "ring"),
        ("[history]\n", "keep"),
        ("[state]\n", "file"),
        ("[rooms]\n", "keep"),
        ("[privacy]\n", "mask_numbers"),
    ] {
        let problems = parse(&format!("{section}qqqqqqqqqqqqqqqqq = 1")).unwrap_err().to_string();
        let known = problems
            .lines()
            .find_map(|line| line.split_once("known here: "))
            .map(|(_, known)| known);
        let known: Vec<_> = known.unwrap_or_else(|| panic!("{problems}")).split(", ").collect();
        assert!(known.contains(&marker), "{known:?}");
        for key in known {
            let shown = [format!("\n{key} = "), format!("\n# {key} = "), format!("[{key}]")];
            assert!(shown.iter().any(|text| EXAMPLE.contains(text)), "{key} is not in the example");
        }
    }
}
