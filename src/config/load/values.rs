//! Values that occur in several sections.

use std::env::VarError;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::paths::Use;
use crate::config::reader::{Found, Report, Table};
use originatord_core::ami::action::MAX_LINE;

/// Describes names that become part of a channel variable and of records.
pub(super) const NAME: &str = "1 to 32 letters, digits, _, - or .";

/// The beginning of each secret in our samples.
const PLACEHOLDER: &str = "change-me";

/// Reads a secret, given in exactly one of three ways: in the configuration, in a file, or in the
/// environment.
pub(super) fn secret(
    table: &mut Table<'_>,
    report: &mut Report<'_>,
    [plain, file, env]: [&'static str; 3],
    folder: &Path,
) -> Option<Found<SecretString>> {
    let ways = [plain, file, env].map(|key| table.get(key).map(|found| (key, found.span)));
    let given: Vec<_> = ways.into_iter().flatten().collect();
    let [(key, span)] = &given[..] else {
        let name = table.name(plain);
        let span = given.get(1).map_or(table.span(), |(_, second)| second);
        report.add(span, format!("exactly one of {name}, {file} and {env} is needed"));
        return None;
    };
    let value = table.string(report, key)?.value;
    let secret = if *key == file {
        let path: PathBuf = folder.join(value);
        report.add_file(span, table.name(key), &path, Use::Read);
        std::fs::read_to_string(&path)
            .map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
            .map_err(|error| format!("{} cannot be read: {error}", table.name(key)))
    } else if *key == env {
        std::env::var(value).map_err(|error| match error {
            VarError::NotPresent => format!("{} names a variable that is not set", table.name(key)),
            VarError::NotUnicode(_) => {
                format!("{} names a variable that is not UTF-8", table.name(key))
            }
        })
    } else {
        Ok(value.to_owned())
    };
    let secret = secret.and_then(|secret| match secret {
        empty if empty.is_empty() => Err(format!("{} is empty", table.name(key))),
        bad if !is_header_value(&bad) => {
            Err(format!("{} holds a line break or NUL, or is too long", table.name(key)))
        }
        good => Ok(good),
    });
    match secret {
        Ok(secret) => {
            if secret.starts_with(PLACEHOLDER) {
                report.add_placeholder(span, &table.name(key));
            }
            Some(Found { value: secret.into(), span: span.clone() })
        }
        Err(text) => {
            report.add(span, text);
            None
        }
    }
}

/// Accepts a name as [`NAME`] describes it.
pub(super) fn name(text: &str) -> Option<String> {
    let fits = (1..=32).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    fits.then(|| text.to_owned())
}

/// Whether the text fits into an AMI header, with room for the rest of its line.
pub(super) fn is_header_value(text: &str) -> bool {
    text.len() < MAX_LINE / 2 && !text.contains(['\r', '\n', '\0'])
}

/// Reads a size in bytes, as `64MiB`, `64 MB` or `4096`, which is the least.
pub(super) fn size(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim() {
        "" | "B" => 1,
        "kB" => 1000,
        "KiB" => 1 << 10,
        "MB" => 1_000_000,
        "MiB" => 1 << 20,
        "GB" => 1_000_000_000,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor).filter(|bytes| *bytes >= 4096)
}
