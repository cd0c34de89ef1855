//! The number of a callee.

use std::fmt::{self, Write};
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::Invalid;

/// Most digits of a number, in E.164.
pub(super) const MAX_DIGITS: usize = 15;

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
    pub(super) fn text(self, buffer: &mut [u8; MAX_DIGITS]) -> &str {
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
}
