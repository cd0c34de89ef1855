//! `originatord room`: shows one room, and changes it or a participant.

mod order;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::builder::NonEmptyStringValueParser;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Uri};
use serde_json::Value;

use self::order::{Action, Order};
use super::terminal::connection::ConnectionArgs;
use super::terminal::room_table::{self, Members};
use super::terminal::short_id::ParticipantName;
use super::terminal::zone::ShownTimes;
use super::terminal::{CommandError, error_text, exit_codes, finish, note, print, print_json};
use originatord_core::escape::escaped;
use originatord_net::client::{Client, percent_encode, request};

/// The arguments of `originatord room`.
///
/// The action is an argument, not a subcommand of clap: so a room may be named `lock`, and options
/// may stand anywhere.
#[derive(Debug, clap::Args)]
pub(super) struct RoomArgs {
    /// The room. Capital letters do not matter.
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    room: String,
    /// The change to make; without it, the room is shown.
    action: Option<Action>,
    /// The participant: the id, or its last four characters or more.
    #[arg(value_name = "ID")]
    participant: Option<ParticipantName>,
    /// The room to move the participant to.
    #[arg(value_name = "OTHER", value_parser = NonEmptyStringValueParser::new())]
    target: Option<String>,
    /// Print the daemon's response as one line of JSON: the room, or the participant.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    times: ShownTimes,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// The usage of `room`.
pub(super) const USAGE: &str = "\
originatord room [OPTIONS] ROOM
       originatord room [OPTIONS] ROOM lock|unlock|mute|unmute|end
       originatord room [OPTIONS] ROOM kick|mute|unmute ID
       originatord room [OPTIONS] ROOM move ID OTHER";

/// The end of the help of `room`.
pub(super) const HELP: &str = exit_codes![
    "  0    the room is shown, or the change is made",
    "  1    there is no such room or participant, or the change was not made",
    ..
];

/// The exit code if there is no such room or participant, or the change was not made.
const NOT_DONE: u8 = 1;

/// Shows the room, or changes it.
pub(super) async fn run(args: RoomArgs) -> ExitCode {
    finish("room", show_or_change(&args).await)
}

async fn show_or_change(args: &RoomArgs) -> Result<u8, CommandError> {
    let Some(action) = args.action else { return show(args).await };
    let order = Order::new(action, args.participant.as_ref(), args.target.as_deref())?;
    let client = args.connection.client()?;
    let room = path(&args.room);
    let (path, subject) = match order.participant {
        None => (room, args.room.clone()),
        Some(name) => match find(&client, args, name).await? {
            Ok(id) => (format!("{room}/participants/{}", percent_encode(&id)), id),
            Err(why) => return Ok(not_done(&why)),
        },
    };
    let answer = client.fetch(order_request(&order, &path)?).await?;
    match answer.status() {
        StatusCode::OK => report(args, &order, &subject, &answer).map(|()| 0),
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Err(CommandError::of_answer(&answer))
        }
        _ => Ok(not_done(&format!("{subject}: {}", error_text(&answer)))),
    }
}

async fn show(args: &RoomArgs) -> Result<u8, CommandError> {
    let client = args.connection.client()?;
    let room = match fetch(&client, &args.room).await? {
        Ok(room) => room,
        Err(why) => return Ok(not_done(&why)),
    };
    if args.json {
        print_json(&[room])?;
    } else {
        print(&room_table::one(room, &args.times.zone()))?;
    }
    Ok(0)
}

fn not_done(why: &str) -> u8 {
    note(why);
    NOT_DONE
}

/// The path of a room in the API.
fn path(room: &str) -> String {
    format!("/api/rooms/{}", percent_encode(room))
}

fn uri(path: &str) -> Result<Uri, CommandError> {
    Uri::try_from(path).map_err(|error| CommandError::Usage(error.to_string()))
}

/// The room as the daemon shows it, or the reason why there is none.
async fn fetch(client: &Client, room: &str) -> Result<Result<Members, String>, CommandError> {
    let answer = client.fetch(request(Method::GET, uri(&path(room))?)).await?;
    match answer.status() {
        StatusCode::OK => serde_json::from_slice(answer.body())
            .map(Ok)
            .map_err(|_| CommandError::Unavailable("the response is not a room".into())),
        StatusCode::NOT_FOUND => Ok(Err(format!("{room}: {}", error_text(&answer)))),
        _ => Err(CommandError::of_answer(&answer)),
    }
}

/// Returns the id of the participant with this name, or the reason why not exactly one matches.
async fn find(
    client: &Client,
    args: &RoomArgs,
    name: &ParticipantName,
) -> Result<Result<String, String>, CommandError> {
    if let Some(id) = name.call_id() {
        return Ok(Ok(id.to_string()));
    }
    Ok(fetch(client, &args.room).await?.and_then(|room| {
        let participants = room.get("participants").and_then(Value::as_array);
        let ids = participants.into_iter().flatten().filter_map(|one| one.get("id")?.as_str());
        name.find(ids).map(str::to_owned)
    }))
}

/// The request of an order to this path.
fn order_request(order: &Order<'_>, path: &str) -> Result<Request<Full<Bytes>>, CommandError> {
    let uri = uri(path)?;
    let Some(body) = &order.body else { return Ok(request(Method::DELETE, uri)) };
    let mut request = request(Method::PATCH, uri);
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    *request.body_mut() = Full::from(Bytes::from(body.to_string()));
    Ok(request)
}

/// Prints what was done.
fn report(
    args: &RoomArgs,
    order: &Order<'_>,
    subject: &str,
    answer: &Response<Bytes>,
) -> Result<(), CommandError> {
    let body: Members = serde_json::from_slice(answer.body())
        .map_err(|_| CommandError::Unavailable("the response is not an object".into()))?;
    if args.json {
        return Ok(print_json(&[body])?);
    }
    let is_room = order.participant.is_none();
    let spelled = body.get("room").and_then(Value::as_str).filter(|_| is_room);
    writeln!(io::stdout(), "{}: {}", escaped(spelled.unwrap_or(subject)), escaped(&order.done))?;
    if is_room && body.get("live") == Some(&Value::Bool(false)) && body.contains_key("desired") {
        note("nobody is in the room; the daemon keeps this for the next conference");
    }
    Ok(())
}
