//! The query of `GET /api/calls`.

use warp::http::HeaderMap;

use crate::http::query::{
    BadQuery, DEFAULT_LIMIT, MAX_LIMIT, accepts_csv, end_of_span, format, is_day, limit, number,
    parsed, time,
};
use originatord_core::call::filter::Filter;
use originatord_core::call::numbering::Numbering;

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
                "limit" => query.limit = limit(value)?,
                "live" => {
                    let live = value.parse().ok().filter(|live| *live <= MAX_LIVE);
                    query.live =
                        Some(live.ok_or(BadQuery::Value("live", "a number from 0 to 10000"))?);
                }
                "cursor" => {
                    filter.before = Some(parsed(value, "cursor", "the `next` of the page before")?)
                }
                "number" => filter.number = Some(number(value, numbering)?),
                "room" => filter.room = Some(parsed(value, "room", "a room's name")?),
                "outcome" => {
                    filter.outcome = Some(parsed(value, "outcome", "one of the outcomes, as busy")?)
                }
                "key" => filter.key = Some((&**value).into()),
                "from" => filter.from = Some(time("from", value)?),
                "to" => {
                    filter.to = Some(time("to", value)?);
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
