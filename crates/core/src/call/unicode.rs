//! Character classes for the rules of the fields, and the composed form (NFC) of names.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

/// The composed form, in which `й` written as one character or as two is the same.
pub(super) fn nfc(text: &str) -> Cow<'_, str> {
    if text.is_ascii() { Cow::Borrowed(text) } else { Cow::Owned(text.nfc().collect()) }
}

/// Whether the character is invisible, or changes the direction of the text beside it.
///
/// These are the format characters (Cf), which include all bidi controls, and the rest of
/// Default_Ignorable_Code_Point in `DerivedCoreProperties.txt` of Unicode 16.
pub(crate) fn is_invisible(c: char) -> bool {
    !c.is_ascii()
        && (c.general_category() == GeneralCategory::Format
            || matches!(c,
                '\u{34f}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
                | '\u{2065}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}'
                | '\u{e0000}'..='\u{e0fff}'))
}

/// Whether the character ends a line (`Zl`, `Zp`), or is a control character.
pub fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Whether people write the character between the digits of a number: a space, a dash, an invisible
/// character, or one of `. ( ) /`. Control characters, including line breaks, are not separators.
///
/// The dashes are the property Dash in `PropList.txt` of Unicode 16, and the modifier letter
/// U+02D7.
pub(super) fn is_separator(c: char) -> bool {
    if c.is_ascii() {
        return matches!(c, ' ' | '-' | '.' | '(' | ')' | '/');
    }
    matches!(
        c.general_category(),
        GeneralCategory::SpaceSeparator | GeneralCategory::DashPunctuation
    ) || matches!(c, '\u{2d7}' | '\u{2053}' | '\u{207b}' | '\u{208b}' | '\u{2212}')
        || is_invisible(c)
}

/// Whether the character belongs to the letter or digit before it, as the vowel signs of Indic
/// scripts do.
pub(super) fn is_mark(c: char) -> bool {
    unicode_normalization::char::is_combining_mark(c) && !is_invisible(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bidi_controls_and_zero_width_characters_are_invisible() {
        let bidi =
            ['\u{61c}', '\u{200e}', '\u{200f}', '\u{202a}', '\u{202e}', '\u{2066}', '\u{2069}'];
        for c in bidi.into_iter().chain(['\u{200b}', '\u{200d}', '\u{feff}', '\u{ad}', '\u{e0041}'])
        {
            assert!(is_invisible(c), "{c:?}");
        }
        for c in ['a', ' ', '\u{a0}', '-', '\n', 'я', '\u{301}', '😀'] {
            assert!(!is_invisible(c), "{c:?}");
        }
    }

    #[test]
    fn every_space_and_dash_separates_digits() {
        for c in
            " \u{a0}\u{2009}\u{202f}\u{3000}-\u{2010}\u{2011}\u{2012}\u{2013}\u{2014}\u{2015}\u{2212}\u{fe63}\u{ff0d}"
                .chars()
        {
            assert!(is_separator(c), "{c:?}");
        }
        for c in "\n\r\t\0\u{85}\u{2028}\u{2029}+,;&@_a٧".chars() {
            assert!(!is_separator(c), "{c:?}");
        }
    }
}
