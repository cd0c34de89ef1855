//! `originatord calls`: the calls that live, or those that have ended.

use std::io::{self, Write};
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
use super::terminal::{CommandError, exit_codes, finish, note};
use crate::call::Room;
use crate::call::numbering::Spelling;
use crate::call::outcome::Outcome;
use crate::client::{Client, percent_encode, request};
use crate::clock::rfc3339;
use crate::escape;

/// How many calls the daemon gives at once: of those that live, and of those that have ended.
const AT_ONCE: [u32; 2] = [10_000, 1000];

/// How many calls that have ended are listed where nothing is said.
const DEFAULT_LIMIT: u32 = 100;

/// What `calls` can be told.
#[derive(Debug, clap::Args)]
pub struct CallsArgs {
    /// List calls that have ended, newest first, as far as the history reaches.
    #[arg(long)]
    ended: bool,
    /// List at most so many; without it, 100 that have ended, or all that live.
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
    /// Only calls asked for with this room.
    #[arg(long, value_name = "ROOM", help_heading = "Filter")]
    room: Option<Room>,
    /// With --ended, only calls that ended so.
    #[arg(long, value_name = "OUTCOME", requires = "ended", value_parser = outcomes(), help_heading = "Filter")]
    outcome: Option<String>,
    /// Only calls asked for with the key of this name.
    #[arg(long, value_name = "NAME", help_heading = "Filter")]
    key: Option<String>,
    /// Only calls asked for since then: so long ago, as 10m or 1h30m; at a time, as
    /// 2026-11-25T18:20:00Z; or on a day.
    #[arg(long, value_name = "WHEN", help_heading = "Filter")]
    from: Option<Moment>,
    /// Only calls asked for before then, or up to the end of a day.
    #[arg(long, value_name = "WHEN", help_heading = "Filter")]
    to: Option<Moment>,
    #[command(flatten)]
    times: ShownTimes,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// The end of the help of `calls`.
pub const HELP: &str = exit_codes!["  0    the calls are listed, also if there is none", ..];

fn outcomes() -> PossibleValuesParser {
    Outcome::ALL.map(Outcome::as_str).into()
}

/// Lists the calls.
pub async fn run(args: CallsArgs) -> ExitCode {
    finish("calls", list(&args).await.map(|()| 0))
}

async fn list(args: &CallsArgs) -> Result<(), CommandError> {
    let client = args.connection.client()?;
    let default = if args.ended { DEFAULT_LIMIT } else { AT_ONCE[0] };
    let (mut left, mut cursor) = (args.limit.unwrap_or(default), None);
    // A table's columns are as wide as the widest of all its calls.
    let mut calls = Vec::new();
    let mut is_first = true;
    loop {
        let page = Page::ask(&client, args, left, cursor.as_deref()).await?;
        if is_first {
            page.notes.iter().for_each(|text| note(text));
        }
        match page.body {
            Body::Csv(text) => {
                print(&escape::lines(if is_first { &text } else { without_head(&text) }))?
            }
            Body::Calls(some) if args.json => print(&json_lines(&some))?,
            Body::Calls(some) => calls.extend(some),
        }
        (left, cursor, is_first) = (left.saturating_sub(page.size), page.next, false);
        if left == 0 || cursor.is_none() {
            break;
        }
    }
    if !args.json && !args.csv {
        match &calls[..] {
            [] => note("there is none"),
            calls if args.ended => print(&table::ended(calls, &args.times.zone()))?,
            calls => print(&table::live(calls, SystemTime::now()))?,
        }
    }
    if cursor.is_some() && args.limit.is_none() {
        note("there may be more; --limit says how many are listed");
    }
    Ok(())
}

fn print(text: &str) -> io::Result<()> {
    let mut output = anstream::stdout();
    output.write_all(text.as_bytes())?;
    output.flush()
}

fn json_lines(calls: &[Call]) -> String {
    calls
        .iter()
        .map(|call| escape::json(serde_json::to_string(call).unwrap_or_default()) + "\n")
        .collect()
}

fn without_head(csv: &str) -> &str {
    csv.split_once("\r\n").map_or("", |(_, rows)| rows)
}

/// What the daemon gives at once.
struct Page {
    body: Body,
    /// How many there can be of it.
    size: u32,
    /// Where the next one begins, if there can be one.
    next: Option<String>,
    /// What else is to be said.
    notes: Vec<String>,
}

enum Body {
    Calls(Vec<Call>),
    Csv(String),
}

/// An answer of `GET /api/calls`.
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
        let size = left.min(AT_ONCE[usize::from(args.ended)]);
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
                    vec!["no history is kept: only calls that ended lately are known".to_owned()]
                }
                "ok" | "off" => Vec::new(),
                trouble => vec![format!("the history: {trouble}")],
            };
            (Body::Calls(if args.ended { ended } else { live }), notes)
        };
        Ok(Self { body, size, next, notes })
    }
}

/// Reads an answer of `GET /api/calls`.
pub(super) fn listed(answer: &Response<Bytes>) -> Result<Listed, CommandError> {
    serde_json::from_slice(answer.body())
        .map_err(|_| CommandError::Unavailable("what comes is no list of calls".into()))
}

/// What is asked for.
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
