//! Erases a number from one line of a journal file.

use memchr::memmem;
use serde_json::Value;

use crate::journal::sink::replay::without_nuls;
use originatord_core::call::Number;
use originatord_core::record::Line;
use originatord_core::room::Guest;

/// The erasure's result for one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cleaned {
    /// The line does not have the number.
    Nothing,
    /// The line had the number, which is erased now.
    Changed,
    /// The line is a record of another call that has the number in a text. It stays as it is.
    Mention,
}

/// Fewest digits at the end of a torn line that are taken for the beginning of a number.
const MIN_TORN: usize = 3;

/// Finds one number in texts, and erases it from lines.
pub struct Cleaner {
    number: Number,
    digits: String,
    /// The masked form, without the `+`.
    masked: String,
}

impl Cleaner {
    /// A cleaner for this number.
    pub fn new(number: Number) -> Self {
        let masked = number.masked().to_string().trim_start_matches('+').to_owned();
        Self { number, digits: number.digits(), masked }
    }

    /// Whether the number is in this text.
    pub fn is_in(&self, text: &str) -> bool {
        !self.places(text.as_bytes()).is_empty()
    }

    /// Whether this guest has the number, or is named by it.
    pub fn is_of(&self, guest: &Guest) -> bool {
        guest.number.is_some_and(|number| self.number.may_be(number))
            || self.is_in(&guest.caller_id)
    }

    /// Erases the number from a line, and keeps the line's length.
    pub(super) fn clean(&self, line: &mut [u8]) -> Cleaned {
        let start = line.len() - without_nuls(line).len();
        let end = line.len() - usize::from(line.ends_with(b"\n"));
        let text = &line[start..end];
        let record = Line::read(text);
        if let Some(record) = &record
            && (record.number.is_some_and(|found| self.number.may_be(found))
                || record.guest().is_some_and(|guest| self.is_of(&guest)))
        {
            let erased = record.erased().json();
            return overwrite(&mut line[..end], erased.as_bytes());
        }
        let mut mentions = self.places(text);
        if end == line.len() {
            mentions.extend(self.torn_place(text));
        }
        if mentions.is_empty() {
            return Cleaned::Nothing;
        }
        match serde_json::from_slice::<Value>(text) {
            Ok(Value::Object(record)) => {
                let texts =
                    record.iter().filter(|(name, _)| !Line::NO_FREE_TEXT.contains(&&***name));
                let mut texts = texts.filter_map(|(_, value)| value.as_str());
                if texts.any(|text| self.is_in(text)) { Cleaned::Mention } else { Cleaned::Nothing }
            }
            _ => {
                for (place, length) in mentions {
                    line[start + place..start + place + length].fill(b'x');
                }
                Cleaned::Changed
            }
        }
    }

    /// Place and length of the number's beginning, if the text ends in the middle of the number.
    fn torn_place(&self, text: &[u8]) -> Option<(usize, usize)> {
        let length = text.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        let place = text.len() - length;
        let is_beginning = length >= MIN_TORN && length < self.digits.len();
        (is_beginning && self.digits.as_bytes().starts_with(&text[place..]))
            .then_some((place, length))
    }

    /// Place and length of each occurrence of the number in a text: as a whole sequence of digits,
    /// with or without `00` before it, or masked.
    fn places(&self, text: &[u8]) -> Vec<(usize, usize)> {
        let is_digit = |place: Option<&u8>| place.is_some_and(u8::is_ascii_digit);
        let is_whole_number = |place: usize, length: usize| {
            let before = &text[..place];
            let before = before.strip_suffix(b"00").unwrap_or(before);
            !is_digit(before.last()) && !is_digit(text.get(place + length))
        };
        let of = |needle: &str| {
            let length = needle.len();
            memmem::find_iter(text, needle.as_bytes())
                .map(move |place| (place, length))
                .collect::<Vec<_>>()
        };
        let mut places = of(&self.digits);
        places.retain(|(place, length)| is_whole_number(*place, *length));
        if self.masked != self.digits {
            places.extend(of(&self.masked));
        }
        places
    }
}

/// Overwrites all of `place`, with blanks behind the text. Every record of a call is longer than
/// one that is erased.
fn overwrite(place: &mut [u8], text: &[u8]) -> Cleaned {
    place.fill(b' ');
    let length = text.len().min(place.len());
    place[..length].copy_from_slice(&text[..length]);
    Cleaned::Changed
}
