//! CSV (RFC 4180), for spreadsheets.

use originatord_core::escape;

/// Appends a row with these cells.
pub(super) fn push_row(cells: impl IntoIterator<Item = String>, table: &mut String) {
    for (index, cell) in cells.into_iter().enumerate() {
        if index > 0 {
            table.push(',');
        }
        push_cell(&cell, table);
    }
    table.push_str("\r\n");
}

/// Appends a cell, in quotes if necessary. A text that a spreadsheet would run as a formula gets an
/// apostrophe in front, as OWASP advises ("CSV Injection").
fn push_cell(text: &str, table: &mut String) {
    let is_formula =
        text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    if !is_formula && text.chars().all(is_plain) {
        return table.push_str(text);
    }
    table.push('"');
    if is_formula {
        table.push('\'');
    }
    for c in text.chars() {
        if c == '"' {
            table.push('"');
        }
        escape::push(c, table);
    }
    table.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_leaves_its_cell_or_runs() {
        for (text, cell) in [
            ("КОМНАТА1", "КОМНАТА1"),
            ("2026-11-25T18:20:00.123Z", "2026-11-25T18:20:00.123Z"),
            ("Bob, \"the\" 1st", "\"Bob, \"\"the\"\" 1st\""),
            ("=cmd|' /C calc'!A0", "\"'=cmd|' /C calc'!A0\""),
            ("+7 999", "\"'+7 999\""),
            ("-1", "\"'-1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("＝1", "\"'＝1\""),
            ("\t=1", "\"'\\u{9}=1\""),
            ("a\r\n=1", "\"a\\u{d}\\u{a}=1\""),
            ("a\u{9b}2J\u{202e}", "\"a\\u{9b}2J\\u{202e}\""),
            ("a;b", "\"a;b\""),
            ("", ""),
        ] {
            let mut table = String::new();
            push_cell(text, &mut table);
            assert_eq!(table, cell);
        }
    }
}
