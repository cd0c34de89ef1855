//! What a call is made of: values that are parsed once, at the border, and cannot be wrong afterwards.
//!
//! Each of them ends up in an AMI header, and from there in a dialplan that splits on commas, `&`, `@` and
//! `/`. The rules are those of the original API's fields, made tight enough that no value can be anything
//! but what it is called.

pub mod filter;
pub mod limits;
pub mod machine;
pub mod outcome;
pub mod refusal;
pub mod registry;
pub mod view;

use std::fmt::{self, Write};
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Serialize, Serializer};
use ulid::Ulid;

pub use refusal::Refusal;

/// Longest room name or caller id, in bytes.
pub const MAX_TEXT: usize = 64;

/// Most digits of a number, in E.164.
const MAX_DIGITS: usize = 15;

/// Longest language tag, in bytes: what RFC 5646 (4.4.1) asks applications to have room for.
pub const MAX_LANG: usize = 35;

/// Why a field was refused: the field's name in the API, and the rule it breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {rule}")]
pub struct Invalid {
    /// The field's name in `POST /api/conf`.
    pub field: &'static str,
    /// What the field has to be.
    pub rule: &'static str,
}

/// A callee's number in E.164: 3 to 15 digits, no `+`.
///
/// Kept as an integer whose first decimal digit is a guard `1`, so that leading zeros and length survive and
/// a map of a million numbers costs eight bytes a key.
///
/// Of a [masked](Self::masked) number the middle is not known. Such are only read back from what was written down; nobody
/// can ask for a call to one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Number(u64);

/// Set in a masked number, whose hidden digits are 0.
const MASKED: u64 = 1 << 63;

/// What stands for a digit that is hidden.
pub(crate) const HIDDEN: char = '•';

impl Number {
    /// The bare digits, as they go into `Local/<digits>@…`.
    pub fn digits(self) -> String {
        self.text(&mut [0; MAX_DIGITS]).to_owned()
    }

    /// The bare digits, in `buffer`.
    fn text(self, buffer: &mut [u8; MAX_DIGITS]) -> &str {
        let (mut guarded, mut start) = (self.0 & !MASKED, MAX_DIGITS);
        while guarded > 1 && start > 0 {
            start -= 1;
            buffer[start] = b'0' + (guarded % 10) as u8;
            guarded /= 10;
        }
        // Digits are text.
        std::str::from_utf8(&buffer[start..]).unwrap_or_default()
    }

    /// Whether its middle is hidden.
    pub fn is_masked(self) -> bool {
        self.0 & MASKED != 0
    }

    /// The number with its middle hidden, for those who need not know it: at least three digits, and at most four at
    /// each end are left.
    pub fn masked(self) -> Self {
        let digits = self.digits();
        let hidden = hidden(digits.len());
        let kept = digits.char_indices().map(|(place, digit)| if hidden.contains(&place) { '0' } else { digit });
        let guarded = kept.fold(1, |number, digit| number * 10 + u64::from(digit.to_digit(10).unwrap_or(0)));
        Self(guarded | MASKED)
    }

    /// Whether both can be one number: where one is masked, what is left of it has to be alike.
    pub fn may_be(self, other: Self) -> bool {
        self == other || (self.is_masked() != other.is_masked() && self.masked() == other.masked())
    }

    /// Reads a number as it was written down, masked or not.
    ///
    /// # Errors
    ///
    /// It is none.
    pub fn from_record(text: &str) -> Result<Self, Invalid> {
        let number: Self = text.replace(HIDDEN, "0").parse()?;
        Ok(if text.contains(HIDDEN) { number.masked() } else { number })
    }
}

/// The places of the digits that are hidden in a masked number of this length.
fn hidden(length: usize) -> std::ops::Range<usize> {
    let left = length - length.saturating_sub(8).max(3).min(length);
    let at_end = left.div_ceil(2).min(4);
    left - at_end..length - at_end
}

impl FromStr for Number {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        const INVALID: Invalid = Invalid {
            field: "phone_number",
            rule: "must be an optional + and 3 to 15 digits; spaces, -, ., ( and ) are ignored",
        };
        let mut guarded: u64 = 1;
        let mut digits = 0;
        let mut plus = false;
        for c in text.chars() {
            match c {
                ' ' | '-' | '.' | '(' | ')' => {}
                '+' if !plus && digits == 0 => plus = true,
                '0'..='9' if digits < MAX_DIGITS => {
                    guarded = guarded * 10 + (c as u64 - '0' as u64);
                    digits += 1;
                }
                _ => return Err(INVALID),
            }
        }
        if digits < 3 {
            return Err(INVALID);
        }
        Ok(Self(guarded))
    }
}

/// As a person reads it, with the `+`.
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut buffer = [0; MAX_DIGITS];
        let digits = self.text(&mut buffer);
        f.write_str("+")?;
        if !self.is_masked() {
            return f.write_str(digits);
        }
        let hidden = hidden(digits.len());
        let shown = |(place, digit)| if hidden.contains(&place) { HIDDEN } else { digit };
        digits.char_indices().map(shown).try_for_each(|c| f.write_char(c))
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Number({self})")
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

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

/// What a call id begins with, so that our channels are told from everybody else's.
const CALL_PREFIX: &str = "od-";

/// The beginning of the year 10000, in milliseconds of Unix time: RFC 3339 ends there.
const END_OF_TIME: u64 = 253_402_300_800_000;

/// What the id of a number's lock begins with. No call id can look like it: a ULID has no `-`.
const LOCK_PREFIX: &str = "od-lock-";

/// A call's id, sortable by time. It is the `Uniqueid` of the call's `Local/…;1` and the `Linkedid` of all its
/// legs, because the Originate asks for it as `ChannelId`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(Ulid);

impl CallId {
    /// An id for a call requested at `time`; `random` sets it apart from others of the same millisecond.
    pub fn new(time: SystemTime, random: u128) -> Self {
        let millis = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        Self(Ulid::from_parts(millis as u64, random))
    }

    /// What follows the prefix, written into `buffer`.
    fn ulid(self, buffer: &mut [u8; ulid::ULID_LEN]) -> &str {
        let text = self.0.array_to_str(buffer);
        text.make_ascii_lowercase();
        text
    }

    /// When the call was requested, to the millisecond.
    pub fn time(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.0.timestamp_ms())
    }
}

/// The text is no id of a call of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a call id")]
pub struct NotACallId;

impl FromStr for CallId {
    type Err = NotACallId;

    fn from_str(text: &str) -> Result<Self, NotACallId> {
        let ulid = text.strip_prefix(CALL_PREFIX).ok_or(NotACallId)?;
        let id = Self(Ulid::from_string(ulid).map_err(|_| NotACallId)?);
        // ULIDs have several spellings; only ours is the id. A time that cannot be written down was never ours.
        let is_ours = id.0.timestamp_ms() < END_OF_TIME && id.ulid(&mut [0; ulid::ULID_LEN]) == ulid;
        is_ours.then_some(id).ok_or(NotACallId)
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(CALL_PREFIX)?;
        f.write_str(self.ulid(&mut [0; ulid::ULID_LEN]))
    }
}

impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CallId({self})")
    }
}

impl Serialize for CallId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The `OtherChannelId` of every call to `number`. Asterisk refuses a second channel of that id, so this is a
/// lock held by Asterisk itself, across our restarts and between several daemons.
pub fn lock_id(number: Number) -> String {
    format!("{LOCK_PREFIX}{}", number.digits())
}

/// The number whose lock `uniqueid` is, if it is one.
pub fn locked_number(uniqueid: &str) -> Option<Number> {
    let digits = uniqueid.strip_prefix(LOCK_PREFIX)?;
    let number: Number = digits.parse().ok()?;
    (number.text(&mut [0; MAX_DIGITS]) == digits).then_some(number)
}

/// Who is called, where to, and on whose behalf: what never changes during a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CallInfo {
    /// The call's id.
    #[serde(rename = "call_id")]
    pub id: CallId,
    /// The callee.
    pub number: Number,
    /// The conference the callee joins.
    pub room: Room,
    /// How the callee is presented in it.
    pub caller_id: CallerId,
    /// The language of the prompts.
    pub lang: Lang,
    /// The name of the API key that asked.
    pub key: Arc<str>,
}

impl CallInfo {
    /// The same call, with its number masked.
    pub fn masked(&self) -> Self {
        Self { number: self.number.masked(), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_number_shows_its_ends_and_can_be_compared_with_what_it_may_be() {
        for (number, masked) in [
            ("79991234567", "+7999•••4567"),
            ("123", "+•••"),
            ("1234", "+•••4"),
            ("1234567", "+12•••67"),
            ("0012345678", "+001•••5678"),
            ("123456789012345", "+1234•••••••2345"),
        ] {
            let number: Number = number.parse().unwrap();
            assert_eq!(number.masked().to_string(), masked);
            assert_eq!(number.masked().masked(), number.masked());
            assert_eq!(Number::from_record(masked), Ok(number.masked()));
            assert_eq!(Number::from_record(&number.to_string()), Ok(number));
            assert!(masked.parse::<Number>().is_err(), "nobody can be called at {masked}");
            assert!(number.may_be(number) && number.may_be(number.masked()) && number.masked().may_be(number));
        }
        let [a, b, c] = ["79991234567", "79997654567", "79991234568"].map(|n| n.parse::<Number>().unwrap());
        assert!(!a.may_be(b) && a.masked().may_be(b) && !a.masked().may_be(c));
    }

    #[test]
    fn plus_and_punctuation_make_no_other_number() {
        let number: Number = "79991234567".parse().unwrap();
        for same in ["+79991234567", "+7 (999) 123-45-67", "7.999.123.45.67"] {
            assert_eq!(same.parse(), Ok(number), "{same}");
        }
        assert_eq!(number.digits(), "79991234567");
        assert_eq!(number.to_string(), "+79991234567");
    }

    #[test]
    fn zeros_and_length_tell_numbers_apart() {
        let [a, b, c] = ["007", "0007", "7999"].map(|n| n.parse::<Number>().unwrap());
        assert!(a != b && b != c);
        assert_eq!(a.digits(), "007");
        assert_eq!("999999999999999".parse::<Number>().unwrap().digits(), "999999999999999");
    }

    #[test]
    fn a_number_is_nothing_but_digits() {
        for bad in [
            "",
            "+",
            "12",
            "1234567890123456",
            "7999@x",
            "7&8999",
            "7/9999",
            "79+99",
            "++7999",
            "7999\n",
            "7,9999",
            "7999;1",
            "٧٩٩٩",
            "${EXTEN}",
            "7999\0",
            "7\u{a0}999",
        ] {
            assert!(bad.parse::<Number>().is_err(), "{bad:?}");
        }
    }

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

    #[test]
    fn call_ids_survive_the_way_through_asterisk() {
        let time = UNIX_EPOCH + Duration::from_millis(1_795_000_000_123);
        let id = CallId::new(time, 42);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.time(), time);
        assert!(CallId::new(time + Duration::from_millis(1), 0) > id);
        // RFC 3339 has no time after the year 9999.
        let beyond = CallId::new(UNIX_EPOCH + Duration::from_secs(253_402_300_800), 0).to_string();
        for bad in ["1795000000.12", "od-", "od-lock-7999", &id.to_string().to_uppercase(), &beyond] {
            assert!(bad.parse::<CallId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_lock_names_its_number() {
        let number = "+79991234567".parse().unwrap();
        assert_eq!(lock_id(number), "od-lock-79991234567");
        assert_eq!(locked_number("od-lock-79991234567"), Some(number));
        for bad in ["od-lock-+79991234567", "od-lock-7", "od-lock-", "79991234567"] {
            assert_eq!(locked_number(bad), None, "{bad}");
        }
    }
}
