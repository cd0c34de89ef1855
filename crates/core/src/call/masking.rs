//! Masks a call's number in texts of gateways, bots and Asterisk.
//!
//! Gateways repeat the number in their replies, and bots use it as a room or a caller id, in any
//! spelling. So [`hide`] compares the digits backwards from the last one, and skips separators. `8
//! (999) 123-45-67` contains +79991234567, as the last seven digits match. A number with fewer than
//! seven digits must match completely, with no further digit beside it: otherwise a number such as
//! 404 would match inside longer numbers.

use std::borrow::Cow;

use super::Number;
use super::number::{HIDDEN, hidden};
use super::unicode::is_separator;

/// How many of the last digits must match. Seven are a local number without its prefix, which a
/// text rarely contains by chance.
const MIN_MATCH: usize = 7;

/// Replaces the digits of `number` in `text` that the masked number hides by `HIDDEN`. If `number`
/// is already masked, its middle is unknown, and any digits match there.
pub fn hide(number: Number, text: &str) -> Cow<'_, str> {
    let digits = number.digits();
    let hidden = hidden(digits.len());
    let known: Vec<Option<u8>> = digits
        .bytes()
        .enumerate()
        .map(|(place, b)| (!number.is_masked() || !hidden.contains(&place)).then_some(b))
        .collect();
    let needed = if number.is_masked() { known.len() } else { known.len().min(MIN_MATCH) };
    let mut places = Vec::new();
    for run in runs(text) {
        for end in 1..=run.len() {
            let backwards = run[..end].iter().rev().zip(known.iter().rev());
            let alike = backwards
                .take_while(|((_, digit), known)| known.is_none_or(|known| known == *digit))
                .count();
            let matched = &run[end - alike..end];
            if alike >= needed && (known.len() >= MIN_MATCH || stands_alone(text, matched)) {
                let first = known.len() - alike;
                let is_hidden = |place: &usize| hidden.contains(&(first + place));
                places.extend((0..alike).filter(is_hidden).map(|place| matched[place].0));
            }
        }
    }
    if places.is_empty() {
        return text.into();
    }
    places.sort_unstable();
    let show = |(place, c)| if places.binary_search(&place).is_ok() { HIDDEN } else { c };
    text.char_indices().map(show).collect::<String>().into()
}

/// A digit with its position in a text.
type Digit = (usize, u8);

/// The digits of a text in runs. Separators can be between the digits of one run; any other
/// character ends the run.
fn runs(text: &str) -> Vec<Vec<Digit>> {
    let mut runs = vec![Vec::new()];
    for (place, c) in text.char_indices() {
        match runs.last_mut() {
            Some(run) if c.is_ascii_digit() => run.push((place, c as u8)),
            Some(run) if !run.is_empty() && !is_separator(c) => runs.push(Vec::new()),
            _ => {}
        }
    }
    runs
}

/// Whether no further digit is directly before or after these.
fn stands_alone(text: &str, digits: &[Digit]) -> bool {
    let (Some((first, _)), Some((last, _))) = (digits.first(), digits.last()) else { return false };
    let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    let before = first.checked_sub(1).and_then(|place| text.as_bytes().get(place));
    !is_digit(before) && !is_digit(text.as_bytes().get(last + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hide(number: &str, text: &str) -> String {
        super::hide(Number::from_record(number).unwrap(), text).into_owned()
    }

    #[test]
    fn number_is_hidden_in_any_spelling() {
        for (text, hidden) in [
            ("SIP 404 +79991234567 not found", "SIP 404 +7999•••4567 not found"),
            ("sip:79991234567@host", "sip:7999•••4567@host"),
            ("8 (999) 123-45-67", "8 (999) •••-45-67"),
            ("00 7 999 123 45 67 and 79991234567", "00 7 999 ••• 45 67 and 7999•••4567"),
            ("call 1234567!", "call •••4567!"),
            ("500 79991234567", "500 7999•••4567"),
            ("room 79991234567 291", "room 7999•••4567 291"),
            ("79991234568 FLOOD_WAIT 291", "79991234568 FLOOD_WAIT 291"),
            ("", ""),
        ] {
            assert_eq!(hide("79991234567", text), hidden);
        }
    }

    #[test]
    fn short_number_is_hidden_where_it_stands_alone() {
        assert_eq!(hide("1234", "SIP 404 1234, 12345"), "SIP 404 •••4, 12345");
    }

    #[test]
    fn masked_number_hides_every_number_it_can_be() {
        assert_eq!(
            hide("+7999•••4567", "79991234567 or 79992224567, 1234567"),
            "7999•••4567 or 7999•••4567, 1234567"
        );
    }
}
