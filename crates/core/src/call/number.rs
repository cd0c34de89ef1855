//! The number of a callee.

use std::fmt::{self, Write};
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::Invalid;
use super::numbering::{Numbering, Spelling};

/// Fewest digits of a number.
pub(super) const MIN_DIGITS: usize = 3;

/// Most digits of a number, in E.164.
pub(super) const MAX_DIGITS: usize = 15;

/// A callee's number in E.164: 3 to 15 digits, the first not 0, no `+`.
///
/// The integer has a guard `1` before the digits, which preserves leading zeros and the length:
/// 7999 is 17999. So a key in a map of a million numbers takes eight bytes instead of a string.
/// Only a number that an earlier build recorded can begin with 0.
///
/// The middle of a [masked](Self::masked) number is unknown. Masked numbers are read back from
/// records only; a request cannot contain one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Number(u64);

/// The bit that marks a masked number. The hidden digits of such a number are 0.
const MASKED: u64 = 1 << 63;

/// The character in place of each hidden digit.
pub(super) const HIDDEN: char = '•';

impl Number {
    /// The bare digits, for `Local/<digits>@…`.
    pub fn digits(self) -> String {
        self.text(&mut [0; MAX_DIGITS]).to_owned()
    }

    /// The bare digits, written into `buffer`.
    pub(super) fn text(self, buffer: &mut [u8; MAX_DIGITS]) -> &str {
        let (mut guarded, mut start) = (self.0 & !MASKED, MAX_DIGITS);
        while guarded > 1 && start > 0 {
            start -= 1;
            buffer[start] = b'0' + (guarded % 10) as u8;
            guarded /= 10;
        }
        // Digits are valid UTF-8.
        std::str::from_utf8(&buffer[start..]).unwrap_or_default()
    }

    /// Whether the number is masked.
    pub fn is_masked(self) -> bool {
        self.0 & MASKED != 0
    }

    /// The masked number: at least three digits in the middle are hidden, and at most four remain
    /// at each end.
    pub fn masked(self) -> Self {
        let digits = self.digits();
        let hidden = hidden(digits.len());
        let kept = digits
            .char_indices()
            .map(|(place, digit)| if hidden.contains(&place) { '0' } else { digit });
        let guarded =
            kept.fold(1, |number, digit| number * 10 + u64::from(digit.to_digit(10).unwrap_or(0)));
        Self(guarded | MASKED)
    }

    /// Whether both can be the same number: the digits that are visible in both must be equal.
    pub fn may_be(self, other: Self) -> bool {
        if self.is_masked() == other.is_masked() {
            return self == other;
        }
        let (whole, masked) = if self.is_masked() { (other, self) } else { (self, other) };
        whole.masked() == masked || whole.with_zeros().is_some_and(|old| old.masked() == masked)
    }

    /// All forms in which records of this build and earlier ones can have this number: whole and
    /// masked, each also with `00` in front.
    pub fn recorded_forms(self) -> Vec<String> {
        let whole = [Some(self), self.with_zeros()].into_iter().flatten();
        whole.flat_map(|number| [number.to_string(), number.masked().to_string()]).collect()
    }

    /// Reads a number from a record, masked or not.
    ///
    /// # Errors
    ///
    /// The text is not a number.
    pub fn from_record(text: &str) -> Result<Self, Invalid> {
        let spelling: Spelling = text.replace(HIDDEN, "0").parse()?;
        let number = if text.contains(HIDDEN) {
            Self::guarded(spelling.digits()).map(Self::masked)
        } else {
            Self::recorded(spelling.digits())
        };
        number.ok_or(NOT_RECORDED)
    }

    /// The number with these digits; `None` if they are no valid number.
    pub(super) fn from_digits(digits: impl IntoIterator<Item = u8>) -> Option<Self> {
        let mut digits = digits.into_iter().peekable();
        if digits.peek() == Some(&b'0') { None } else { Self::guarded_from(digits) }
    }

    /// The number that a record with these digits means. An earlier build treated `007999…` and
    /// `7999…` as two numbers, and `0999…` as a third.
    pub(super) fn recorded(digits: &[u8]) -> Option<Self> {
        let behind_zeros =
            digits.strip_prefix(b"00").and_then(|rest| Self::from_digits(rest.iter().copied()));
        behind_zeros.or_else(|| Self::guarded(digits))
    }

    fn guarded(digits: &[u8]) -> Option<Self> {
        Self::guarded_from(digits.iter().copied())
    }

    fn guarded_from(digits: impl Iterator<Item = u8>) -> Option<Self> {
        let (mut guarded, mut count) = (1_u64, 0);
        for digit in digits {
            count += 1;
            if count > MAX_DIGITS {
                return None;
            }
            guarded = guarded * 10 + u64::from(digit.wrapping_sub(b'0'));
        }
        (count >= MIN_DIGITS).then_some(Self(guarded))
    }

    /// The number with `00` in front. An earlier build recorded a number so if a bot requested it
    /// so. `None` if the result would be longer than 15 digits, or this number already begins with
    /// 0.
    fn with_zeros(self) -> Option<Self> {
        let digits = self.digits();
        let can_have_zeros = !self.is_masked() && !digits.starts_with('0');
        can_have_zeros.then(|| Self::guarded_from("00".bytes().chain(digits.bytes()))).flatten()
    }
}

/// The rule that the number of a record breaks.
const NOT_RECORDED: Invalid = Invalid { field: "phone_number", rule: "must be 3 to 15 digits" };

/// The positions of the hidden digits in a masked number of this length, by the rule of
/// [`Number::masked`].
pub(super) fn hidden(length: usize) -> std::ops::Range<usize> {
    let left = length - length.saturating_sub(8).max(3).min(length);
    let at_end = left.div_ceil(2).min(4);
    left - at_end..length - at_end
}

/// Reads a number as [`Numbering`] does without a national form.
impl FromStr for Number {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Numbering::default().read(text)
    }
}

/// Writes the number with a `+`.
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
    fn masked_number_shows_ends_and_matches_candidates() {
        for (number, masked) in [
            ("79991234567", "+7999•••4567"),
            ("123", "+•••"),
            ("1234", "+•••4"),
            ("1234567", "+12•••67"),
            ("123456789012345", "+1234•••••••2345"),
        ] {
            let number: Number = number.parse().unwrap();
            assert_eq!(number.masked().to_string(), masked);
            assert_eq!(number.masked().masked(), number.masked());
            assert_eq!(Number::from_record(masked), Ok(number.masked()));
            assert_eq!(Number::from_record(&number.to_string()), Ok(number));
            assert!(masked.parse::<Number>().is_err(), "a request cannot contain {masked}");
            assert!(
                number.may_be(number)
                    && number.may_be(number.masked())
                    && number.masked().may_be(number)
            );
        }
        let [a, b, c] =
            ["79991234567", "79997654567", "79991234568"].map(|n| n.parse::<Number>().unwrap());
        assert!(!a.may_be(b) && a.masked().may_be(b) && !a.masked().may_be(c));
    }

    #[test]
    fn earlier_record_with_zeros_has_bare_number() {
        let number: Number = "799912301".parse().unwrap();
        assert_eq!(Number::from_record("+00799912301"), Ok(number));
        let masked = Number::from_record("+0079•••2301").unwrap();
        assert_eq!(masked.to_string(), "+0079•••2301");
        assert!(
            number.may_be(masked)
                && masked.may_be(number)
                && !masked.may_be("799912302".parse().unwrap())
        );
        let forms = ["+799912301", "+799•••301", "+00799912301", "+0079•••2301"];
        assert_eq!(number.recorded_forms(), forms);
        // A number of 15 digits was too long with zeros in front.
        let long: Number = "123456789012345".parse().unwrap();
        assert_eq!(long.recorded_forms(), ["+123456789012345", "+1234•••••••2345"]);
        // A single 0 is a digit of another number.
        let national = Number::from_record("+0799912301").unwrap();
        assert_eq!(national.to_string(), "+0799912301");
        assert_ne!(national, number);
    }

    #[test]
    fn numbers_of_different_length_are_different() {
        let [a, b] = ["799900", "7999000"].map(|n| n.parse::<Number>().unwrap());
        assert_ne!(a, b);
        assert_eq!([a.digits(), b.digits()], ["799900", "7999000"]);
        assert_eq!("999999999999999".parse::<Number>().unwrap().digits(), "999999999999999");
    }
}
