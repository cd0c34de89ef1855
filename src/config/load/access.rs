//! `[[api_keys]]` and `[limits]`: API keys, limits, and lists of numbers.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

use secrecy::ExposeSecret;

use super::values::{NAME, name, secret};
use crate::config::reader::{Found, Report, Table};
use crate::http::auth::{ApiKey, Role};
use originatord_core::call::RoomPatterns;
use originatord_core::call::limits::{Limits, Policy};
use originatord_core::room::MAX_CONFERENCE;

/// Shortest API key, in bytes.
const MIN_KEY: usize = 8;

/// Reads all API keys, and the limits: those of all keys together, and those of each key.
pub(super) fn keys_and_limits(
    root: &mut Table<'_>,
    report: &mut Report<'_>,
    folder: &Path,
) -> (Vec<ApiKey>, Policy) {
    let tables = root.tables(report, "api_keys");
    if tables.is_empty() {
        report.add(root.span(), "at least one [[api_keys]] with name and key is needed");
    }
    let mut limits = limits(root.table(report, "limits"), report);
    let mut keys = Vec::new();
    for table in tables {
        let span = table.span().clone();
        if let Some((key, of_key)) = api_key(table, report, folder) {
            report_duplicate(&keys, &key, &span, report);
            if of_key != Limits::default() {
                limits.keys.insert(key.name.clone(), of_key);
            }
            keys.push(key);
        }
    }
    (keys, limits)
}

fn api_key(
    mut table: Table<'_>,
    report: &mut Report<'_>,
    folder: &Path,
) -> Option<(ApiKey, Limits)> {
    let known_name = table.parsed(report, "name", NAME, name);
    let key = secret(&mut table, report, ["key", "key_file", "key_env"], folder);
    if table.get("name").is_none() {
        report.add(table.span(), "api_keys.name is missing: records name the key by it");
    }
    if let Some(Found { value, span }) = &key
        && value.expose_secret().len() < MIN_KEY
    {
        report.add(span, format!("api_keys.key must be at least {MIN_KEY} bytes long"));
    }
    let role = table.parsed(report, "role", "\"call\" or \"watch\"", |text| match text {
        "call" => Some(Role::Call),
        "watch" => Some(Role::Watch),
        _ => None,
    });
    let rooms = rooms(&mut table, report);
    let limits = limits_of(&mut table, report);
    table.end(report);
    let role = role.unwrap_or(Role::Call);
    Some((ApiKey { name: known_name?.into(), key: key?.value, role, rooms }, limits))
}

/// The rooms that a key is limited to; all rooms without the setting.
fn rooms(table: &mut Table<'_>, report: &mut Report<'_>) -> RoomPatterns {
    let what = "a list of rooms or patterns of rooms, as [\"tg-*\"], each of 1 to 79 bytes";
    let patterns = table.strings(report, "rooms", what, |text| {
        (1..=MAX_CONFERENCE).contains(&text.len()).then(|| text.into())
    });
    let Some(patterns): Option<Vec<Box<str>>> = patterns else { return RoomPatterns::default() };
    if patterns.is_empty()
        && let Some(Found { span, .. }) = table.get("rooms")
    {
        report.add(&span, "api_keys.rooms is empty: the key could see nothing");
    }
    RoomPatterns::new(patterns)
}

/// `[limits]`: the limits of all keys together.
fn limits(mut table: Table<'_>, report: &mut Report<'_>) -> Policy {
    let all = limits_of(&mut table, report);
    let attempts_per_number =
        table.limit(report, "attempts_per_number", 10_000).map(|limit| limit as u32);
    table.end(report);
    Policy { all, keys: HashMap::new(), attempts_per_number }
}

/// The limits that exist both for all keys together and for each key.
fn limits_of(table: &mut Table<'_>, report: &mut Report<'_>) -> Limits {
    Limits {
        calls_per_second: table
            .limit(report, "calls_per_second", 100_000)
            .map(|limit| limit as u32),
        calls_alive: table.limit(report, "calls_alive", 10_000_000).map(|limit| limit as usize),
        allow: prefixes(table, report, "allow"),
        deny: prefixes(table, report, "deny"),
    }
}

fn prefixes(table: &mut Table<'_>, report: &mut Report<'_>, key: &'static str) -> Vec<Box<str>> {
    let what = "a list of prefixes of numbers, as [\"7\", \"375\"], each of 1 to 15 digits";
    let prefixes = table.strings(report, key, what, |text| {
        let digits = text.strip_prefix('+').unwrap_or(text);
        let fits = (1..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        fits.then(|| digits.into())
    });
    let prefixes: Vec<Box<str>> = prefixes.unwrap_or_default();
    // In earlier versions, 007999… and 7999… were two numbers, so a list had to contain both
    // prefixes.
    for prefix in prefixes.iter().filter(|prefix| prefix.starts_with('0')) {
        if let Some(Found { span, .. }) = table.get(key) {
            let name = table.name(key);
            report.warn(
                &span,
                format!("{name}: no number begins with {prefix}: write prefixes without + and 00"),
            );
        }
    }
    prefixes
}

/// Reports a key that has the name or the secret of an earlier one. Records could not distinguish
/// two keys with one name, and the name of the second key with one secret would never be used.
fn report_duplicate(
    earlier: &[ApiKey],
    key: &ApiKey,
    span: &Range<usize>,
    report: &mut Report<'_>,
) {
    if earlier.iter().any(|other| other.name == key.name) {
        report.add(span, "api_keys.name is that of an earlier key; choose another");
    }
    if earlier.iter().any(|other| other.key.expose_secret() == key.key.expose_secret()) {
        report.add(span, "api_keys.key is that of an earlier key; choose another");
    }
}
