//! The parameters that the queries of several lists share.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use warp::http::HeaderMap;
use warp::http::header::ACCEPT;

use originatord_core::call::Number;
use originatord_core::call::filter;
use originatord_core::call::numbering::Numbering;

/// `limit` of a query without one.
pub(super) const DEFAULT_LIMIT: usize = 100;

/// Largest `limit`.
pub(super) const MAX_LIMIT: usize = 1000;

/// The error for an invalid query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadQuery {
    /// No parameter has this name. If it were ignored, the list would have other calls than the
    /// client expects.
    #[error("unknown parameter {name:?}; known are {known}")]
    Unknown {
        /// The beginning of its name.
        name: String,
        /// The names of the known ones.
        known: &'static str,
    },
    /// The parameter's value breaks this rule.
    #[error("{0}: must be {1}")]
    Value(&'static str, &'static str),
}

impl BadQuery {
    /// The error for a parameter with this name; `known` names the others.
    pub(super) fn unknown(name: &str, known: &'static str) -> Self {
        Self::Unknown { name: name.chars().take(32).collect(), known }
    }
}

/// The value of `limit`.
pub(super) fn limit(value: &str) -> Result<usize, BadQuery> {
    let limit = value.parse().ok().filter(|limit| *limit <= MAX_LIMIT);
    limit.ok_or(BadQuery::Value("limit", "a number from 0 to 1000"))
}

/// Whether `format` chooses CSV.
pub(super) fn format(value: &str) -> Result<bool, BadQuery> {
    match value {
        "csv" => Ok(true),
        "json" => Ok(false),
        _ => Err(BadQuery::Value("format", "json or csv")),
    }
}

/// Whether a time is a whole day, such as `2026-11-25`.
pub(super) fn is_day(time: &str) -> bool {
    time.len() == "2026-11-25".len()
}

/// Reads a number to search for. A query decodes `+` to a space, so a leading space was a `+`.
pub(super) fn number(value: &str, numbering: &Numbering) -> Result<Number, BadQuery> {
    let number = match value.strip_prefix(' ') {
        Some(rest) => numbering.read_to_search(&format!("+{rest}")),
        None => numbering.read_to_search(value),
    };
    number.map_err(|_| BadQuery::Value("number", "3 to 15 digits, with or without +"))
}

/// The end of the time span. A day as `to` is included as a whole, as by `originatord calls --to`.
/// From midnight to the same midnight means that day as well. Any other span that ends before it
/// begins cannot contain a call, so it is an error.
pub(super) fn end_of_span(
    from: Option<SystemTime>,
    to: Option<SystemTime>,
    to_is_day: bool,
) -> Result<Option<SystemTime>, BadQuery> {
    let Some(end) = to else { return Ok(None) };
    let is_midnight =
        end.duration_since(UNIX_EPOCH).is_ok_and(|t| t.as_nanos() % DAY.as_nanos() == 0);
    let includes_day = to_is_day || (from == to && is_midnight);
    let end = if includes_day { end.checked_add(DAY).unwrap_or(end) } else { end };
    if from.is_some_and(|begin| begin >= end) {
        return Err(BadQuery::Value("to", "later than from"));
    }
    Ok(Some(end))
}

/// Reads the time in the parameter `name`. A query decodes `+` to a space, so a space before the
/// offset from UTC was a `+`.
pub(super) fn time(name: &'static str, value: &str) -> Result<SystemTime, BadQuery> {
    let with_plus = || {
        let (local, offset) = value.rsplit_once(' ')?;
        filter::time(&format!("{local}+{offset}"))
    };
    let time = filter::time(value).or_else(with_plus);
    let rule = "a time as 2026-11-25T18:20:00Z, or a day as 2026-11-25; in UTC";
    time.ok_or(BadQuery::Value(name, rule))
}

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Parses the value of the parameter `name`, which must be `what`.
pub(super) fn parsed<T: std::str::FromStr>(
    value: &str,
    name: &'static str,
    what: &'static str,
) -> Result<T, BadQuery> {
    value.parse().map_err(|_| BadQuery::Value(name, what))
}

/// Whether the client accepts CSV.
pub(super) fn accepts_csv(headers: &HeaderMap) -> bool {
    headers
        .get_all(ACCEPT)
        .iter()
        .any(|accepted| accepted.to_str().is_ok_and(|text| text.contains("text/csv")))
}
