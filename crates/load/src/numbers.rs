//! The numbers that may be called, and which of them are free.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;

use originatord_core::call::Number;

/// Maximum of numbers in a range. A longer range is probably a typing error.
const MAX_COUNT: u64 = 1_000_000;

/// Consecutive numbers of one length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NumberRange {
    first: u64,
    count: u32,
    digits: usize,
}

/// Why a text is not a range of numbers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRange {
    /// The text is not two numbers.
    #[error("must be two numbers as FROM-TO, for example 79990000000-79990000999")]
    Shape,
    /// The two numbers cannot be the ends of a range.
    #[error("FROM and TO must have the same number of digits, and TO must not be below FROM")]
    Order,
    /// The range has too many numbers.
    #[error("a range has at most {MAX_COUNT} numbers; this one has {0}")]
    TooLong(u64),
}

impl FromStr for NumberRange {
    type Err = InvalidRange;

    fn from_str(text: &str) -> Result<Self, InvalidRange> {
        let end = |text: &str| {
            text.parse::<Number>().map(Number::digits).map_err(|_| InvalidRange::Shape)
        };
        let (from, to) = text.split_once('-').ok_or(InvalidRange::Shape)?;
        let (from, to) = (end(from)?, end(to)?);
        let value = |digits: &str| digits.parse::<u64>().map_err(|_| InvalidRange::Shape);
        let (first, last) = (value(&from)?, value(&to)?);
        if from.len() != to.len() || last < first {
            return Err(InvalidRange::Order);
        }
        let count = last - first + 1;
        let short = u32::try_from(count).ok().filter(|_| count <= MAX_COUNT);
        Ok(Self { first, count: short.ok_or(InvalidRange::TooLong(count))?, digits: from.len() })
    }
}

impl NumberRange {
    /// Count of numbers in the range.
    pub fn count(self) -> u32 {
        self.count
    }

    /// The digits of the number at this place, counted from 0.
    pub fn digits(self, place: u32) -> String {
        format!("{:0width$}", self.first + u64::from(place), width = self.digits)
    }

    /// The place of a number, which records write with a `+`; none if it is not in the range.
    pub fn place(self, number: &str) -> Option<u32> {
        let digits = number.strip_prefix('+').filter(|digits| digits.len() == self.digits)?;
        let place = digits.parse::<u64>().ok()?.checked_sub(self.first)?;
        u32::try_from(place).ok().filter(|place| *place < self.count)
    }
}

impl fmt::Display for NumberRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{} to +{}", self.digits(0), self.digits(self.count - 1))
    }
}

/// The numbers of a range that are in no call of this generator, by their places in the range.
#[derive(Debug)]
pub struct Numbers {
    range: NumberRange,
    never_called: u32,
    released: VecDeque<u32>,
}

impl Numbers {
    /// All numbers of the range.
    pub fn new(range: NumberRange) -> Self {
        Self { range, never_called: 0, released: VecDeque::new() }
    }

    /// A free number: one that was never called, else the one whose call ended first.
    pub(crate) fn claim(&mut self) -> Option<u32> {
        if self.never_called < self.range.count {
            self.never_called += 1;
            return Some(self.never_called - 1);
        }
        self.released.pop_front()
    }

    /// Makes a number free again, after its call has ended.
    pub fn release(&mut self, place: u32) {
        self.released.push_back(place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn range_is_two_numbers_of_one_length() {
        let range: NumberRange = "+79990-0079993".parse().unwrap();
        assert_eq!(
            (range.count(), range.digits(0), range.digits(3)),
            (4, "79990".into(), "79993".into())
        );
        assert_eq!(range.to_string(), "+79990 to +79993");
        assert_eq!("7999-7999".parse::<NumberRange>().unwrap().count(), 1);
        for shape in
            ["", "7999", "7999-", "-7999", "7999-8xyz", "12-13", "0999-1000", "1234567890123456-9"]
        {
            assert_eq!(shape.parse::<NumberRange>(), Err(InvalidRange::Shape), "{shape}");
        }
        for order in ["7999-7998", "999-1000"] {
            assert_eq!(order.parse::<NumberRange>(), Err(InvalidRange::Order), "{order}");
        }
        assert!("7000000-7999999".parse::<NumberRange>().is_ok());
        for long in ["7000000-8000000", "100000000000000-999999999999999"] {
            assert!(matches!(long.parse::<NumberRange>(), Err(InvalidRange::TooLong(_))), "{long}");
        }
    }

    #[test]
    fn numbers_outside_the_range_have_no_place() {
        let range: NumberRange = "79990-80010".parse().unwrap();
        for place in 0..range.count() {
            assert_eq!(range.place(&format!("+{}", range.digits(place))), Some(place));
        }
        for other in ["+79989", "+80011", "+079990", "79990", "+7999x", "+", "", "+799900"] {
            assert_eq!(range.place(other), None, "{other}");
        }
    }

    #[test]
    fn number_that_is_free_for_longest_comes_first() {
        let mut numbers = Numbers::new("1000-1002".parse().unwrap());
        assert_eq!([numbers.claim(), numbers.claim()], [Some(0), Some(1)]);
        numbers.release(1);
        numbers.release(0);
        assert_eq!(
            [numbers.claim(), numbers.claim(), numbers.claim(), numbers.claim()],
            [Some(2), Some(1), Some(0), None]
        );
        numbers.release(2);
        assert_eq!([numbers.claim(), numbers.claim()], [Some(2), None]);
    }
}
