//! `originatord calls`: lists active calls, or calls that have ended.

use std::process::ExitCode;
use std::time::SystemTime;

use clap::builder::PossibleValuesParser;
use hyper::body::Bytes;
use hyper::{Method, Response, StatusCode, Uri};
use serde::Deserialize;

use super::terminal::connection::ConnectionArgs;
use super::terminal::moment::Moment;
use super::terminal::table::{self, Call};
use super::terminal::zone::ShownTimes;
use super::terminal::{CommandError, exit_codes, finish, note, print, print_json};
use originatord_core::call::Room;
use originatord_core::call::numbering::Spelling;
use originatord_core::call::outcome::Outcome;
use originatord_core::clock::rfc3339;
use originatord_core::escape;
use originatord_net::client::{Client, percent_encode, request};

/// The most active calls that the daemon returns in one response.
const LIVE_PAGE: u32 = 10_000;

/// The most ended calls that the daemon returns in one response.
const ENDED_PAGE: u32 = 1000;

/// The number of ended calls that are listed without `--limit`.
const DEFAULT_LIMIT: u32 = 100;

/// The arguments of `originatord calls`.
#[derive(Debug, clap::Args)]
pub(super) struct CallsArgs {
    /// List ended calls, newest first, as far as the history goes back.
    #[arg(long)]
    ended: bool,
    /// List at most this many calls; without it, 100 ended ones, or all active ones.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Print the calls as JSON lines, each as GET /api/calls/ID shows it.
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print the calls as CSV, for spreadsheets.
    #[arg(long)]
    csv: bool,
    /// Only calls to this number, with or without +.
    #[arg(long, value_name = "NUMBER", help_heading = "Filter")]
    number: Option<Spelling>,
    /// Only calls into this room.
    #[arg(long, value_name = "ROOM", help_heading = "Filter")]
    room: Option<Room>,
    /// With --ended, only calls with this outcome.
    #[arg(long, value_name = "OUTCOME", requires = "ended", value_parser = outcomes(), help_heading = "Filter")]
    outcome: Option<String>,
    /// Only calls made with the API key of this name.
    #[arg(long, value_name = "NAME", help_heading = "Filter")]
    key: Option<String>,
    /// Only calls requested since this time: some time ago (10m, 1h30m), a time
    /// (2026-11-25T18:20:00Z) or a day.
    #[arg(long, value_name = "WHEN", help_heading = "Filter")]
    from: Option<Moment>,
    /// Only calls requested before this time, or up to the end of this day.
    #[arg(long, value_name = "WHEN", help_heading = "Filter")]
    to: Option<Moment>,
    #[command(flatten)]
    times: ShownTimes,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// The end of the help of `calls`.
pub(super) const HELP: &str =
    exit_codes!["  0    the calls are listed, even if there are none", ..];

fn outcomes() -> PossibleValuesParser {
    Outcome::ALL.map(Outcome::as_str).into()
}

/// Lists the calls.
pub(super) async fn run(args: CallsArgs) -> ExitCode {
    finish("calls", list(&args).await.map(|()| 0))
}

async fn list(args: &CallsArgs) -> Result<(), CommandError> {
    let client = args.connection.client()?;
    let default = if args.ended { DEFAULT_LIMIT } else { LIVE_PAGE };
    let mut left = args.limit.unwrap_or(default);
    let mut cursor = None;
    // The width of a table's columns depends on all of its calls, so they are collected first.
    let mut calls = Vec::new();
    let mut is_first = true;
    loop {
        let page = Page::ask(&client, args, left, cursor.as_deref()).await?;
        if is_first {
            page.notes.iter().for_each(|text| note(text));
        }
        match page.body {
            Body::Csv(text) => {
                print(&escape::lines(if is_first { &text } else { without_header(&text) }))?
            }
            Body::Calls(some) if args.json => print_json(&some)?,
            Body::Calls(some) => calls.extend(some),
        }
        left = left.saturating_sub(page.size);
        cursor = page.next;
        is_first = false;
        if left == 0 || cursor.is_none() {
            break;
        }
    }
    if !args.json && !args.csv {
        match &calls[..] {
            [] => note("no calls"),
            calls if args.ended => print(&table::ended(calls, &args.times.zone()))?,
            calls => print(&table::live(calls, SystemTime::now()))?,
        }
    }
    if cursor.is_some() && args.limit.is_none() {
        note("there may be more calls; use --limit to list more");
    }
    Ok(())
}

fn without_header(csv: &str) -> &str {
    csv.split_once("\r\n").map_or("", |(_, rows)| rows)
}

/// One response of the daemon.
struct Page {
    body: Body,
    /// The number of calls that were asked for.
    size: u32,
    /// The cursor of the next page, if there may be one.
    next: Option<String>,
    /// Notes for the user about the history.
    notes: Vec<String>,
}

enum Body {
    Calls(Vec<Call>),
    Csv(String),
}

/// A response of `GET /api/calls`.
#[derive(Deserialize)]
pub(super) struct Listed {
    pub(super) live: Vec<Call>,
    ended: Vec<Call>,
    history: String,
}

impl Page {
    async fn ask(
        client: &Client,
        args: &CallsArgs,
        left: u32,
        cursor: Option<&str>,
    ) -> Result<Self, CommandError> {
        let size = left.min(if args.ended { ENDED_PAGE } else { LIVE_PAGE });
        let uri = Uri::try_from(query(args, size, cursor))
            .map_err(|error| CommandError::Usage(error.to_string()))?;
        let answer = client.fetch(request(Method::GET, uri)).await?;
        if answer.status() != StatusCode::OK {
            return Err(CommandError::of_answer(&answer));
        }
        let next = answer
            .headers()
            .get("x-next-cursor")
            .and_then(|next| next.to_str().ok())
            .map(str::to_owned);
        let (body, notes) = if args.csv {
            (Body::Csv(String::from_utf8_lossy(answer.body()).into_owned()), Vec::new())
        } else {
            let Listed { live, ended, history } = listed(&answer)?;
            let notes = match &*history {
                "off" if args.ended => {
                    vec![
                        "there is no history: only calls that ended recently are listed".to_owned(),
                    ]
                }
                "ok" | "off" => Vec::new(),
                problem => vec![format!("the history: {problem}")],
            };
            (Body::Calls(if args.ended { ended } else { live }), notes)
        };
        Ok(Self { body, size, next, notes })
    }
}

/// Parses a response of `GET /api/calls`.
pub(super) fn listed(answer: &Response<Bytes>) -> Result<Listed, CommandError> {
    serde_json::from_slice(answer.body())
        .map_err(|_| CommandError::Unavailable("the response is not a list of calls".into()))
}

/// The path and query of the request.
fn query(args: &CallsArgs, size: u32, cursor: Option<&str>) -> String {
    let zone = args.times.zone();
    let (live, ended) = if args.ended { (0, size) } else { (size, 0) };
    let parameters = [
        ("live", Some(live.to_string())),
        ("limit", Some(ended.to_string())),
        ("format", args.csv.then(|| "csv".to_owned())),
        ("number", args.number.map(|number| number.to_string())),
        ("room", args.room.as_ref().map(|room| room.to_string())),
        ("outcome", args.outcome.clone()),
        ("key", args.key.clone()),
        ("from", args.from.map(|from| rfc3339(from.from(&zone)))),
        ("to", args.to.map(|to| rfc3339(to.until(&zone)))),
        ("cursor", cursor.map(str::to_owned)),
    ];
    let given = parameters
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name}={}", percent_encode(&value?))));
    format!("/api/calls?{}", given.collect::<Vec<_>>().join("&"))
}
