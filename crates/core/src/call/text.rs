//! Room, caller id and language: texts that Asterisk and a dialplan cannot misread.
//!
//! The parser makes an input safe if its meaning stays the same, and refuses it otherwise.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::masking::hide;
use super::number::HIDDEN;
use super::unicode::{is_control, is_invisible, is_mark, nfc};
use super::{Invalid, Number};

/// Longest room name or caller id, in bytes.
pub const MAX_TEXT: usize = 64;

/// Longest language tag, in bytes: the length that RFC 5646 (4.4.1) asks applications to support.
pub const MAX_LANG: usize = 35;

/// Defines a string type with `FromStr`, `as_str` and `Display`. `$check` converts an input to the
/// text of the value, or returns `None` to refuse it.
macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $field:literal, $rule:literal, $check:path) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
        pub struct $name(Box<str>);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Invalid;

            fn from_str(text: &str) -> Result<Self, Invalid> {
                let checked: Option<Cow<'_, str>> = $check(text);
                checked.map(|text| Self(text.into())).ok_or(Invalid { field: $field, rule: $rule })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

checked_text!(
    /// A ConfBridge room, in NFC. It becomes the extension in the context `conf-in`, so it must not
    /// be an extension that Asterisk itself jumps to (`h`, `failed`, …), nor contain a character at
    /// which `ConfBridge(${EXTEN})` would split.
    Room,
    "room_name",
    "must be 1 to 64 bytes of letters, digits, single spaces, _ - . # + and *, and none of a e h i o s t T fax talk failed",
    room
);

checked_text!(
    /// The name or number under which the callee appears in the conference, in NFC. The daemon sends
    /// it to Asterisk as `CallerID: <…>`, unless it is empty.
    CallerId,
    "caller_id",
    "must not hold line breaks or control characters",
    caller_id
);

checked_text!(
    /// The language of the prompts, the channel variable `LANG`. A comma in AMI's `Variable:` would
    /// set a second variable, and if that one's name ends in `)`, Asterisk would call a dialplan
    /// function.
    Lang,
    "lang",
    "must be a language tag: 2 or 3 letters, then groups of - or _ and 2 to 8 letters or digits",
    lang
);

impl Room {
    /// Reads a room from a record. It can contain a masked number, or be a special extension of
    /// Asterisk, which an earlier build accepted as a room.
    ///
    /// # Errors
    ///
    /// The text is not a valid room.
    pub fn from_record(text: &str) -> Result<Self, Invalid> {
        match room_text(&text.replace(HIDDEN, "0")) {
            Some(_) => Ok(Self(nfc(text).into())),
            None => text.parse(),
        }
    }

    /// The same room, with the number masked if the name contains it.
    pub(super) fn masked(&self, number: Number) -> Self {
        Self(hide(number, self.as_str()).into())
    }

    /// Whether both are one room for ConfBridge, which ignores the case of ASCII letters.
    pub fn is_same(&self, other: &str) -> bool {
        self.0.eq_ignore_ascii_case(other)
    }
}

impl CallerId {
    /// The same name, with the number masked if the name contains it.
    pub(super) fn masked(&self, number: Number) -> Self {
        Self(hide(number, self.as_str()).into())
    }
}

/// Checks a room. It changes only blanks at the ends and the encoding, as another name would be
/// another room.
fn room(text: &str) -> Option<Cow<'_, str>> {
    const SPECIAL: [&str; 11] = ["a", "e", "h", "i", "o", "s", "t", "T", "fax", "talk", "failed"];
    let name = room_text(text)?;
    // Asterisk ignores dashes when it searches an extension: `h-` matches `h`, and `-` matches no
    // extension (`ast_extension_match` in main/pbx.c; observed on 16 and 22).
    let extension = name.replace('-', "");
    (!extension.is_empty() && !SPECIAL.contains(&&*extension)).then_some(name)
}

/// The text in NFC, if it is a valid room name.
fn room_text(text: &str) -> Option<Cow<'_, str>> {
    let name = nfc(text.trim());
    let is_plain =
        |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '#' | '+' | '*' | ' ');
    let fits = (1..=MAX_TEXT).contains(&name.len())
        && name.chars().enumerate().all(|(place, c)| is_plain(c) || (place > 0 && is_mark(c)))
        && !name.contains("  ");
    fits.then_some(name)
}

/// Makes a display name safe instead of refusing it, so that no call fails for its name: characters
/// with a special meaning in Asterisk or a dialplan become spaces. It refuses control characters
/// only.
fn caller_id(text: &str) -> Option<Cow<'_, str>> {
    const SPECIAL: &str = "<>\"\\;,&|${}[]";
    let text = text.trim();
    if text.contains(is_control) {
        return None;
    }
    let text = nfc(text);
    let is_space = |c: char| c.is_whitespace() || SPECIAL.contains(c) || is_invisible(c);
    let is_safe = !text.contains(|c| c != ' ' && is_space(c))
        && !text.contains("  ")
        && text.len() <= MAX_TEXT;
    if is_safe {
        return Some(text);
    }
    let words: Vec<_> = text.split(is_space).filter(|word| !word.is_empty()).collect();
    let mut text = words.join(" ");
    let ends = text.char_indices().map(|(place, c)| place + c.len_utf8());
    text.truncate(ends.take_while(|end| *end <= MAX_TEXT).last().unwrap_or(0));
    text.truncate(text.trim_end().len());
    Some(text.into())
}

fn lang(text: &str) -> Option<Cow<'_, str>> {
    let text = text.trim();
    let mut groups = text.split(['-', '_']);
    let first = groups.next().unwrap_or_default();
    let fits = text.len() <= MAX_LANG
        && (2..=3).contains(&first.len())
        && first.bytes().all(|b| b.is_ascii_alphabetic())
        && groups
            .all(|g| (2..=8).contains(&g.len()) && g.bytes().all(|b| b.is_ascii_alphanumeric()));
    fits.then_some(Cow::Borrowed(text))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn valid_room_stays_unchanged() {
        let long = "x".repeat(64);
        for good in [
            "R1",
            "КОМНАТА1",
            "a.b_c-d",
            "1",
            "H",
            "failed2",
            "Room 1",
            "#5",
            "+1",
            "*",
            "a+b*c#",
            "हिन्दी",
            &long,
        ] {
            assert_eq!(good.parse::<Room>().map(|room| room.to_string()), Ok(good.to_owned()));
        }
        assert_eq!(" R1\u{a0}\n".parse::<Room>().unwrap().as_str(), "R1");
        // The decomposed form, as macOS writes file names.
        let composed = "Зай".parse::<Room>().unwrap();
        assert_eq!("Заи\u{306}".parse(), Ok(composed));
    }

    #[test]
    fn room_with_second_meaning_is_refused() {
        let too_long = "x".repeat(65);
        for bad in [
            "",
            " ",
            "-",
            "h-",
            "-T",
            "fail-ed",
            "a",
            "h",
            " failed ",
            "T",
            "R1,admin",
            "R  1",
            "R\t1",
            "R\u{a0}1",
            "R1\r\nX: y",
            "${X}",
            "R/1",
            "R@1",
            "R&1",
            "R;1",
            "R\u{202e}1",
            "R\u{200d}1",
            "\u{301}R",
            "R1\0",
            "R|1",
            "R(1)",
            "R=1",
            "R•1",
            &too_long,
        ] {
            assert!(bad.parse::<Room>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn rooms_match_in_any_ascii_case() {
        let room: Room = "Room я".parse().unwrap();
        assert!(room.is_same("rOOM я") && !room.is_same("Room Я"));
    }

    #[test]
    fn caller_id_loses_special_characters() {
        for (text, kept) in [
            ("Боб", "Боб"),
            ("+7 999", "+7 999"),
            ("Bob (work)", "Bob (work)"),
            ("a/b@c", "a/b@c"),
            ("Tom & Jerry", "Tom Jerry"),
            ("Иванов, Пётр", "Иванов Пётр"),
            ("  \"Bob\" <7999>; ", "Bob 7999"),
            ("${SHELL(id)}", "SHELL(id)"),
            ("$[1+1]", "1+1"),
            ("a\\b|c", "a b c"),
            ("a\u{202e}b\u{200b}c", "a b c"),
            ("a\u{a0}\u{2003}b", "a b"),
            ("Bob\r\n", "Bob"),
            ("", ""),
            ("<>", ""),
            (" \u{200e} ", ""),
        ] {
            assert_eq!(
                text.parse::<CallerId>().map(|id| id.to_string()),
                Ok(kept.to_owned()),
                "{text:?}"
            );
        }
        let long: CallerId = "я".repeat(40).parse().unwrap();
        assert_eq!(long.as_str(), "я".repeat(32));
        let ends_in_space: CallerId = format!("{} tail", "x".repeat(63)).parse().unwrap();
        assert_eq!(ends_in_space.as_str(), "x".repeat(63));
        for bad in ["a\nb", "a\rb", "a\0b", "a\tb", "a\u{85}b", "a\u{9b}b", "a\u{2028}b", "\u{7f}a"]
        {
            assert!(bad.parse::<CallerId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn only_language_tags_are_langs() {
        for good in ["ru", "eng", "pt-BR", "zh_Hans_CN", " ru "] {
            assert!(good.parse::<Lang>().is_ok(), "{good:?}");
        }
        for bad in
            ["", "r", "russ", "ru-", "ru-x", "ru,X=1", "FILE(/tmp/x)", "ru=1", "ру", "en--US"]
        {
            assert!(bad.parse::<Lang>().is_err(), "{bad:?}");
        }
    }

    proptest! {
        /// Otherwise a record could not be read back.
        #[test]
        fn parsed_text_parses_to_itself(text in "(\\PC|[ <>&,\u{200b}\u{301}\u{a0}R1#+*-]){0,70}") {
            if let Ok(room) = text.parse::<Room>() {
                prop_assert_eq!(Room::from_record(room.as_str()), Ok(room));
            }
            if let Ok(id) = text.parse::<CallerId>() {
                prop_assert!(id.as_str().len() <= MAX_TEXT);
                prop_assert_eq!(id.as_str().parse(), Ok(id));
            }
        }
    }
}
