//! The query of `GET /api/conferences`.

use warp::http::HeaderMap;

use crate::history::ConferenceFilter;
use crate::http::query::{
    BadQuery, DEFAULT_LIMIT, accepts_csv, end_of_span, format, is_day, limit, number, parsed, time,
};
use originatord_core::call::numbering::Numbering;
use originatord_core::room::MAX_CONFERENCE;

/// The known parameters, for error messages.
const KNOWN: &str = "limit, cursor, room, number, from, to and format";

/// A parsed query.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Query {
    /// The conditions for conferences.
    pub(super) filter: ConferenceFilter,
    /// Most conferences.
    pub(super) limit: usize,
    /// Whether the response is CSV.
    pub(super) csv: bool,
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
        let csv = accepts_csv(headers);
        let mut query = Self { filter: ConferenceFilter::default(), limit: DEFAULT_LIMIT, csv };
        let mut to_is_day = false;
        for (name, value) in parameters {
            let filter = &mut query.filter;
            match &**name {
                "limit" => query.limit = limit(value)?,
                "cursor" => {
                    filter.before = Some(parsed(value, "cursor", "the `next` of the page before")?)
                }
                "room" => {
                    // Guests come into rooms that the daemon itself does not call into.
                    let is_name = (1..=MAX_CONFERENCE).contains(&value.len());
                    let name = is_name.then(|| (&**value).into());
                    filter.room = Some(name.ok_or(BadQuery::Value("room", "a room's name"))?);
                }
                "number" => filter.number = Some(number(value, numbering)?),
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_is_parsed_or_refused_by_name() {
        let parse = |parameters: &[(&str, &str)]| {
            let owned: Vec<_> =
                parameters.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
            Query::parse(&owned, &HeaderMap::new(), &Numbering::default())
                .map_err(|error| error.to_string())
        };
        let query = parse(&[("room", "a  b"), ("number", " 7999"), ("from", "2026-11-25")]);
        let query = query.unwrap();
        assert_eq!((query.limit, query.csv), (100, false));
        assert_eq!(query.filter.room.as_deref(), Some("a  b"));
        assert_eq!(query.filter.number, "+7999".parse().ok());
        assert!(parse(&[("format", "csv")]).unwrap().csv);
        for (name, value) in [
            ("limit", "1001"),
            ("cursor", "od-01m8ckmtsvzrtjagw9qz270m9k"),
            ("room", ""),
            ("room", &"x".repeat(80)),
            ("number", "12"),
            ("from", "yesterday"),
            ("to", ""),
            ("format", "xml"),
        ] {
            let problem = parse(&[(name, value)]).unwrap_err();
            assert!(problem.starts_with(&format!("{name}: must be ")), "{name}={value}: {problem}");
        }
        let unknown = parse(&[("outcome", "busy")]).unwrap_err();
        assert!(unknown.starts_with("unknown parameter \"outcome\"; known are limit"), "{unknown}");
    }
}
