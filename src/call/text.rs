//! Room, caller id and language: text that holds nothing but what it is called.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::Invalid;

/// Longest room name or caller id, in bytes.
pub const MAX_TEXT: usize = 64;

/// Longest language tag, in bytes: what RFC 5646 (4.4.1) asks applications to have room for.
pub const MAX_LANG: usize = 35;

/// Makes a checked string type: parsed by `FromStr`, read by `as_str`, printed as it is.
macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $field:literal, $rule:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
        pub struct $name(Box<str>);

        impl $name {
            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Invalid;

            fn from_str(text: &str) -> Result<Self, Invalid> {
                let check: fn(&str) -> bool = $check;
                if check(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(Invalid { field: $field, rule: $rule })
                }
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
    /// A ConfBridge room. It becomes the extension of `conf-in`, so it must not be one that Asterisk itself
    /// jumps to (`h`, `failed`, …), nor hold what `ConfBridge(${EXTEN})` would split on.
    Room,
    "room_name",
    "must be 1 to 64 bytes of letters, digits, _, - and ., and none of a e h i o s t T fax talk failed",
    |text| {
        const SPECIAL: [&str; 11] = ["a", "e", "h", "i", "o", "s", "t", "T", "fax", "talk", "failed"];
        (1..=MAX_TEXT).contains(&text.len())
            && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
            && !SPECIAL.contains(&text)
    }
);

checked_text!(
    /// How the subscriber is presented; written to Asterisk as `CallerID: <…>`.
    CallerId,
    "caller_id",
    "must be 1 to 64 bytes without control characters and without < > \" \\ , ; & | $ { }",
    |text| {
        const FORBIDDEN: &str = "<>\"\\,;&|${}";
        (1..=MAX_TEXT).contains(&text.len())
            && !text.chars().any(|c| c.is_control() || FORBIDDEN.contains(c))
    }
);

checked_text!(
    /// The language of the prompts, the channel variable `LANG`. In AMI's `Variable:` a comma would start
    /// another variable, and a name ending in `)` would write a dialplan function.
    Lang,
    "lang",
    "must be a language tag: 2 or 3 letters, then groups of - or _ and 2 to 8 letters or digits",
    |text| {
        let mut groups = text.split(['-', '_']);
        let first = groups.next().unwrap_or_default();
        text.len() <= MAX_LANG
            && (2..=3).contains(&first.len())
            && first.bytes().all(|b| b.is_ascii_alphabetic())
            && groups.all(|g| (2..=8).contains(&g.len()) && g.bytes().all(|b| b.is_ascii_alphanumeric()))
    }
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms() {
        let long = "x".repeat(64);
        for good in ["R1", "КОМНАТА1", "a.b_c-d", "1", "H", "failed2", long.as_str()] {
            assert!(good.parse::<Room>().is_ok(), "{good:?}");
        }
        let too_long = "x".repeat(65);
        for bad in [
            "",
            "a",
            "h",
            "failed",
            "T",
            "R1,admin",
            "R 1",
            "R1\r\nX: y",
            "${X}",
            "R/1",
            "R@1",
            "R&1",
            "R;1",
            &too_long,
        ] {
            assert!(bad.parse::<Room>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn caller_ids() {
        for good in ["Боб", "+7 999", "Bob (work)", "a/b@c"] {
            assert!(good.parse::<CallerId>().is_ok(), "{good:?}");
        }
        for bad in ["", "a\nb", "a\0b", "<x>", "\"", "\\", "a,b", "a;b", "a&b", "a|b", "${x}", "\u{85}"] {
            assert!(bad.parse::<CallerId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn langs() {
        for good in ["ru", "eng", "pt-BR", "zh_Hans_CN"] {
            assert!(good.parse::<Lang>().is_ok(), "{good:?}");
        }
        for bad in ["", "r", "russ", "ru-", "ru-x", "ru,X=1", "FILE(/tmp/x)", "ru=1", "ру", "en--US"] {
            assert!(bad.parse::<Lang>().is_err(), "{bad:?}");
        }
    }
}
