//! The query of `GET /api/calls`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use warp::http::HeaderMap;
use warp::http::header::ACCEPT;

use originatord_core::call::Number;
use originatord_core::call::filter::{Filter, time};
use originatord_core::call::numbering::Numbering;

/// `limit` of a query without one.
pub(in crate::http) const DEFAULT_LIMIT: usize = 100;

/// Largest `limit`.
pub(in crate::http) const MAX_LIMIT: usize = 1000;

/// Largest `live`.
const MAX_LIVE: usize = 10_000;

/// The known parameters, for error messages.
const KNOWN: &str = "limit, live, cursor, number, room, outcome, key, from, to and format";

/// A parsed query.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Query {
    /// The conditions for calls.
    pub filter: Filter,
    /// Most active calls; `limit` if it is missing.
    pub live: Option<usize>,
    /// Most ended calls; also most active ones if `live` is missing.
    pub limit: usize,
    /// Whether the response is CSV.
    pub csv: bool,
}

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
    pub(in crate::http) fn unknown(name: &str, known: &'static str) -> Self {
        Self::Unknown { name: name.chars().take(32).collect(), known }
    }
}

impl Query {
    /// Parses the parameters. Without `format`, the `Accept` header chooses the format.
    ///
    /// # Errors
    ///
    /// A parameter is unknown or has an invalid value.
    pub(super) fn parse(
        parameters: &[(String, String)],
        headers: &HeaderMap,
        numbering: &Numbering,
    ) -> Result<Self, BadQuery> {
        let mut query = Self {
            filter: Filter::default(),
            live: None,
            limit: DEFAULT_LIMIT,
            csv: accepts_csv(headers),
        };
        let mut to_is_day = false;
        for (name, value) in parameters {
            let filter = &mut query.filter;
            match &**name {
                "limit" => {
                    let limit = value.parse().ok().filter(|limit| *limit <= MAX_LIMIT);
                    query.limit =
                        limit.ok_or(BadQuery::Value("limit", "a number from 0 to 1000"))?;
                }
                "live" => {
                    let live = value.parse().ok().filter(|live| *live <= MAX_LIVE);
                    query.live =
                        Some(live.ok_or(BadQuery::Value("live", "a number from 0 to 10000"))?);
                }
                "cursor" => {
                    filter.before = Some(parsed(value, "cursor", "the `next` of the page before")?)
                }
                "number" => {
                    filter.number =
                        Some(number(value, numbering).ok_or(BadQuery::Value("number", NUMBER))?)
                }
                "room" => filter.room = Some(parsed(value, "room", "a room's name")?),
                "outcome" => {
                    filter.outcome = Some(parsed(value, "outcome", "one of the outcomes, as busy")?)
                }
                "key" => filter.key = Some((&**value).into()),
                "from" => {
                    filter.from = Some(time_in_query(value).ok_or(BadQuery::Value("from", TIME))?)
                }
                "to" => {
                    filter.to = Some(time_in_query(value).ok_or(BadQuery::Value("to", TIME))?);
                    to_is_day = is_day(value);
                }
                "format" => query.csv = format(value)?,
                _ => return Err(BadQuery::unknown(name, KNOWN)),
            }
        }
        query.filter.to = end_of_span(query.filter.from, query.filter.to, to_is_day)?;
        Ok(query)
    }

    /// How many lists of [`MAX_LIMIT`] calls this list counts as.
    pub(super) fn weight(&self) -> u32 {
        self.live.unwrap_or(self.limit).max(self.limit).div_ceil(MAX_LIMIT).max(1) as u32
    }
}

/// Whether `format` chooses CSV.
pub(in crate::http) fn format(value: &str) -> Result<bool, BadQuery> {
    match value {
        "csv" => Ok(true),
        "json" => Ok(false),
        _ => Err(BadQuery::Value("format", "json or csv")),
    }
}

/// Whether a time is a whole day, such as `2026-11-25`.
pub(in crate::http) fn is_day(time: &str) -> bool {
    time.len() == "2026-11-25".len()
}

/// Reads a number to search for. A query decodes `+` to a space, so a leading space was a `+`.
pub(in crate::http) fn number(value: &str, numbering: &Numbering) -> Option<Number> {
    match value.strip_prefix(' ') {
        Some(rest) => numbering.read_to_search(&format!("+{rest}")),
        None => numbering.read_to_search(value),
    }
    .ok()
}

pub(in crate::http) const NUMBER: &str = "3 to 15 digits, with or without +";

/// The end of the time span. A day as `to` is included as a whole, as by `originatord calls --to`.
/// From midnight to the same midnight means that day as well. Any other span that ends before it
/// begins cannot contain a call, so it is an error.
pub(in crate::http) fn end_of_span(
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

/// Reads a time. A query decodes `+` to a space, so a space before the offset from UTC was a `+`.
pub(in crate::http) fn time_in_query(value: &str) -> Option<SystemTime> {
    time(value).or_else(|| {
        let (local, offset) = value.rsplit_once(' ')?;
        time(&format!("{local}+{offset}"))
    })
}

const DAY: Duration = Duration::from_secs(24 * 3600);

pub(in crate::http) const TIME: &str =
    "a time as 2026-11-25T18:20:00Z, or a day as 2026-11-25; in UTC";

pub(in crate::http) fn parsed<T: std::str::FromStr>(
    value: &str,
    name: &'static str,
    what: &'static str,
) -> Result<T, BadQuery> {
    value.parse().map_err(|_| BadQuery::Value(name, what))
}

/// Whether the client accepts CSV.
pub(in crate::http) fn accepts_csv(headers: &HeaderMap) -> bool {
    headers
        .get_all(ACCEPT)
        .iter()
        .any(|accepted| accepted.to_str().is_ok_and(|text| text.contains("text/csv")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(parameters: &[(&str, &str)]) -> Result<Query, String> {
        let owned: Vec<_> =
            parameters.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Query::parse(&owned, &HeaderMap::new(), &Numbering::default())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn plus_of_an_offset_may_arrive_as_a_space() {
        let from = |value: &str| parse(&[("from", value)]).map(|query| query.filter.from);
        let at = Ok(humantime::parse_rfc3339("2026-11-24T14:00:00Z").ok());
        assert_eq!(from("2026-11-25T00:00:00 10:00"), at);
        assert_eq!(from("2026-11-25T00:00:00+10:00"), at);
        for wrong in [
            "2026-11-25T00:00:00 -10:00",
            "2026-11-25T00:00:00  10:00",
            "2026-11-25 10:00",
            " ",
            "+10:00",
        ] {
            assert!(from(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn day_as_end_is_included() {
        let span = |from: &str, to: &str| {
            parse(&[("to", to), ("from", from)]).map(|query| query.filter.to)
        };
        let next = Ok(humantime::parse_rfc3339("2026-11-26T00:00:00Z").ok());
        assert_eq!(span("2026-11-25", "2026-11-25"), next);
        assert_eq!(span("2026-11-25T00:00:00.000Z", "2026-11-25T00:00:00.000Z"), next);
        assert_eq!(span("2026-11-24", "2026-11-25"), next);
        assert_eq!(span("2026-11-25", "2026-11-26T00:00:00Z"), next);
        for (from, to) in
            [("2026-11-26", "2026-11-25"), ("2026-11-25T18:20:00Z", "2026-11-25T18:20:00Z")]
        {
            assert_eq!(span(from, to), Err("to: must be later than from".to_owned()), "{from}");
        }
    }

    #[test]
    fn query_is_parsed_or_refused_by_name() {
        let query =
            parse(&[("number", " 7999"), ("from", "2026-11-25"), ("to", "2026-11-25T18:20:00.5Z")])
                .unwrap();
        assert_eq!(query.filter.number, "+7999".parse().ok());
        assert_eq!(query.filter.from, humantime::parse_rfc3339("2026-11-25T00:00:00Z").ok());
        assert_eq!((query.limit, query.csv), (100, false));
        assert!(parse(&[("format", "csv")]).unwrap().csv);
        let weight =
            |limit: &str, live: &str| parse(&[("limit", limit), ("live", live)]).unwrap().weight();
        assert_eq!(
            (query.weight(), weight("1000", "1"), weight("1", "1001"), weight("1", "10000")),
            (1, 1, 2, 10)
        );
        assert_eq!((weight("0", "0"), weight("0", "1001")), (1, 2));
        for (name, value) in [
            ("limit", "-1"),
            ("limit", "1001"),
            ("live", "-1"),
            ("live", "10001"),
            ("cursor", "x"),
            ("number", "12"),
            ("room", "a  b"),
            ("outcome", "BUSY"),
            ("from", "yesterday"),
            ("from", "25.11.2026"),
            ("to", ""),
            ("to", "9999-99-99"),
            ("to", "\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}"),
            ("format", "xml"),
        ] {
            let problem = parse(&[(name, value)]).unwrap_err();
            assert!(problem.starts_with(&format!("{name}: must be ")), "{name}={value}: {problem}");
        }
        assert!(
            parse(&[("nubmer", "7999")])
                .unwrap_err()
                .starts_with("unknown parameter \"nubmer\"; known are limit")
        );
    }
}
