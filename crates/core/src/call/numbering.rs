//! Reads the spellings of a phone number.
//!
//! People write a number with `+` or `00` before the country code, without either, or in the
//! national form if one is configured ([`National`]). All spellings become one [`Number`]. The
//! lock, the lists of prefixes and the count of attempts use it, so another spelling does not
//! bypass them.

use std::fmt;
use std::str::FromStr;

use super::number::{MAX_DIGITS, MIN_DIGITS};
use super::unicode::is_separator;
use super::{Invalid, Number};

/// Most digits of a spelling: a number with `00` or a national prefix before it.
const MAX_SPELLED: usize = MAX_DIGITS + National::MAX_PREFIX;

/// Fewest digits after a national prefix that begins with 0, if their count is not configured.
const MIN_NATIONAL: usize = 7;

/// The rule that a phone number breaks.
const INVALID: Invalid = Invalid {
    field: "phone_number",
    rule: "must be an optional + or 00 and 3 to 15 digits, the first not 0; spaces, dashes, ., (, ) and / are ignored",
};

/// The spelling of a number without separators: an optional `+` and digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spelling {
    plus: bool,
    digits: [u8; MAX_SPELLED],
    length: usize,
}

impl Spelling {
    /// The digits.
    pub(super) fn digits(&self) -> &[u8] {
        &self.digits[..self.length]
    }
}

impl FromStr for Spelling {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let mut spelling = Self { plus: false, digits: [0; MAX_SPELLED], length: 0 };
        for c in text.trim().chars() {
            match c {
                '+' if !spelling.plus && spelling.length == 0 => spelling.plus = true,
                '0'..='9' if spelling.length < MAX_SPELLED => {
                    spelling.digits[spelling.length] = c as u8;
                    spelling.length += 1;
                }
                c if is_separator(c) => {}
                _ => return Err(INVALID),
            }
        }
        if spelling.length < MIN_DIGITS { Err(INVALID) } else { Ok(spelling) }
    }
}

impl fmt::Display for Spelling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.plus { "+" } else { "" })?;
        f.write_str(std::str::from_utf8(self.digits()).unwrap_or_default())
    }
}

/// The national form of a country, as `8 999 123-45-67` in Russia for `+7 999 123-45-67`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct National {
    country_code: Box<str>,
    prefix: Box<str>,
    /// How many digits follow the prefix; `None` if not configured.
    digits: Option<usize>,
}

/// The error for settings that are not a national form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a national form of a number")]
pub struct NotANationalForm;

impl National {
    /// Longest prefix, in digits.
    const MAX_PREFIX: usize = 4;

    /// The national form of the country with this code: the prefix replaces `+` and the code, and
    /// `digits` digits follow. Without a count, 7 digits or more can follow a prefix that begins
    /// with 0, as no other number begins with 0. Exactly 10 must follow any other prefix, so that a
    /// foreign or short number is not read as a national one.
    ///
    /// # Errors
    ///
    /// The code or the prefix is invalid, or the number would be too long.
    pub fn new(
        country_code: &str,
        prefix: &str,
        digits: Option<usize>,
    ) -> Result<Self, NotANationalForm> {
        let is_digits = |text: &str, most| {
            (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
        };
        let is_code = is_digits(country_code, 3) && !country_code.starts_with('0');
        // 00 is the prefix of international numbers.
        let is_prefix = is_digits(prefix, Self::MAX_PREFIX) && !prefix.starts_with("00");
        let fits =
            digits.is_none_or(|digits| digits > 0 && country_code.len() + digits <= MAX_DIGITS);
        if !(is_code && is_prefix && fits) {
            return Err(NotANationalForm);
        }
        Ok(Self { country_code: country_code.into(), prefix: prefix.into(), digits })
    }

    /// The number whose national form has these digits.
    fn number(&self, digits: &[u8]) -> Option<Number> {
        let rest = digits.strip_prefix(self.prefix.as_bytes())?;
        let fits = match self.digits {
            Some(count) => rest.len() == count,
            None if self.prefix.starts_with('0') => rest.len() >= MIN_NATIONAL,
            None => rest.len() == 10,
        };
        Number::from_digits(self.country_code.bytes().chain(rest.iter().copied())).filter(|_| fits)
    }
}

/// The rules for reading numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Numbering {
    national: Option<National>,
}

impl Numbering {
    /// Rules with this national form, or without one.
    pub fn new(national: Option<National>) -> Self {
        Self { national }
    }

    /// Reads the number of a new call.
    ///
    /// # Errors
    ///
    /// The text is no number.
    pub fn read(&self, text: &str) -> Result<Number, Invalid> {
        self.number(&text.parse()?).ok_or(INVALID)
    }

    /// Reads a number to search for. It can begin with 0, as an earlier build called and recorded
    /// such numbers.
    ///
    /// # Errors
    ///
    /// The text is no number.
    pub fn read_to_search(&self, text: &str) -> Result<Number, Invalid> {
        let spelling: Spelling = text.parse()?;
        self.number(&spelling).or_else(|| Number::recorded(spelling.digits())).ok_or(INVALID)
    }

    fn number(&self, spelling: &Spelling) -> Option<Number> {
        let international = match spelling.digits() {
            digits if spelling.plus => digits,
            [b'0', b'0', rest @ ..] => rest,
            digits => match self.national.as_ref().and_then(|national| national.number(digits)) {
                Some(number) => return Some(number),
                None => digits,
            },
        };
        Number::from_digits(international.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn russia() -> Numbering {
        Numbering::new(National::new("7", "8", None).ok())
    }

    #[test]
    fn every_spelling_means_one_number() {
        let number = "+79991234567".parse::<Number>();
        for same in [
            "79991234567",
            "0079991234567",
            "+7 (999) 123-45-67",
            " 7.999.123.45.67\n",
            "(+7) 999/123/45/67",
            "00 7 999 123 45 67",
            "\u{200e}+7\u{a0}999\u{2011}123\u{2212}45\u{2013}67\u{202c}",
            "\u{feff}7\u{200b}9991234567",
        ] {
            assert_eq!(same.parse(), number, "{same:?}");
            assert_eq!(russia().read(same), number, "{same:?}");
        }
        for national in ["89991234567", "8 (999) 123-45-67"] {
            assert_eq!(russia().read(national), number);
            assert_ne!(national.parse(), number);
        }
    }

    #[test]
    fn national_form_leaves_other_numbers_unchanged() {
        // These are too short or too long for the national form, or begin with +, 00 or the code.
        for other in
            ["8123", "861012345678", "8999123456", "+89991234567", "0089991234567", "79991234567"]
        {
            assert_eq!(russia().read(other), other.parse(), "{other}");
        }
        let germany = Numbering::new(National::new("49", "0", None).ok());
        assert_eq!(germany.read("030 1234567"), "+49301234567".parse());
        assert_eq!(germany.read("0049 30 1234567"), "+49301234567".parse());
        for short in ["0110", "01234"] {
            assert!(germany.read(short).is_err(), "{short}");
        }
        let belarus = Numbering::new(National::new("375", "80", Some(9)).ok());
        assert_eq!(belarus.read("8 029 123-45-67"), "+375291234567".parse());
        for (code, prefix, digits) in [
            ("", "8", None),
            ("07", "8", None),
            ("7", "", None),
            ("7", "00", None),
            ("7", "8x", None),
            ("7", "8", Some(15)),
        ] {
            assert!(National::new(code, prefix, digits).is_err(), "{code} {prefix} {digits:?}");
        }
    }

    #[test]
    fn search_accepts_numbers_of_earlier_records() {
        let sought =
            |text: &str| Numbering::default().read_to_search(text).map(|number| number.to_string());
        assert_eq!(sought("+00799912301").as_deref(), Ok("+799912301"));
        assert_eq!(sought("0799912301").as_deref(), Ok("+0799912301"));
        assert!(sought("12").is_err() && sought("7999@x").is_err());
    }

    #[test]
    fn text_with_other_characters_is_no_number() {
        for bad in [
            "",
            "+",
            "12",
            "+12",
            "0012",
            "1234567890123456",
            "001234567890123456",
            "7999@x",
            "7&8999",
            "79+99",
            "++7999",
            "+0079991234567",
            "0799912345",
            "000799912345",
            "7999\n1",
            "7999\t1",
            "7,9999",
            "7999;1",
            "٧٩٩٩",
            "７９９９",
            "${EXTEN}",
            "7999\0",
            "7999\u{85}1",
            "7999\u{2028}1",
            "tel:7999",
        ] {
            assert!(bad.parse::<Number>().is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn every_spelling_of_a_number_reads_back(text in "[ +0-9()./\u{a0}\u{2011}\u{200e}-]{0,24}") {
            if let Ok(number) = russia().read(&text) {
                let digits = number.digits();
                prop_assert!((3..=15).contains(&digits.len()) && !digits.starts_with('0'));
                prop_assert_eq!(russia().read(&number.to_string()), Ok(number));
                prop_assert_eq!(Number::from_record(&number.to_string()), Ok(number));
                prop_assert_eq!(russia().read(&format!("00{digits}")), Ok(number));
            }
        }
    }
}
