//! Widths in terminal columns.

use unicode_width::UnicodeWidthStr;

/// The number of terminal columns that the text takes: two for each wide character, none for a
/// combining one.
pub(crate) fn columns(text: &str) -> usize {
    text.width()
}

/// Pads the text with spaces to `width` columns. `{:<width$}` would count characters instead.
pub(crate) fn padded(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(columns(text))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_and_combining_characters_keep_columns_aligned() {
        for text in ["room", "КОМН", "会议", "e\u{301}e\u{301}ee"] {
            assert_eq!(columns(&padded(text, 6)), 6, "{text}");
        }
        assert_eq!(padded("会议", 6), "会议  ");
        assert_eq!(padded("longer", 3), "longer");
    }
}
