//! `[numbers]`: how bots write numbers.

use crate::config::reader::{Found, Report, Table};
use originatord_core::call::numbering::{National, Numbering};

/// The rule for the national form of a number.
const WHAT: &str = "country_code is 1 to 3 digits, as \"7\", national_prefix 1 to 4, as \"8\", and a number has at most 15";

pub(super) fn numbers(mut table: Table<'_>, report: &mut Report<'_>) -> Numbering {
    let country_code = table.string(report, "country_code");
    let prefix = table.string(report, "national_prefix");
    let digits = table.limit(report, "national_digits", 14).map(|digits| digits as usize);
    let national = match (country_code, prefix) {
        (Some(Found { value: code, span }), Some(prefix)) => {
            let national = National::new(code, prefix.value, digits);
            if national.is_err() {
                report.add(&span, format!("numbers: {WHAT}"));
            }
            national.ok()
        }
        (None, None) if digits.is_none() => None,
        _ => {
            report.add(
                table.span(),
                "numbers: country_code and national_prefix need each other, national_digits both",
            );
            None
        }
    };
    table.end(report);
    Numbering::new(national)
}
