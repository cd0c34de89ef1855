//! `originatord rooms`: lists the rooms.

use std::process::ExitCode;

use hyper::{Method, StatusCode, Uri};
use serde::Deserialize;

use super::terminal::connection::ConnectionArgs;
use super::terminal::room_table::{self, Members};
use super::terminal::zone::ShownTimes;
use super::terminal::{CommandError, exit_codes, finish, note, print, print_json};
use originatord_net::client::request;

/// The arguments of `originatord rooms`.
#[derive(Debug, clap::Args)]
pub(super) struct RoomsArgs {
    /// Print the rooms as JSON lines, each as GET /api/rooms shows it.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    times: ShownTimes,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// The end of the help of `rooms`.
pub(super) const HELP: &str =
    exit_codes!["  0    the rooms are listed, even if there are none", ..];

/// The request, with the most rooms that the daemon returns in one response.
const LIST: &str = "/api/rooms?limit=10000";

/// A response of `GET /api/rooms`.
#[derive(Deserialize)]
struct Listed {
    rooms: Vec<Members>,
    /// The number of rooms, even if not all of them are in the response.
    total: usize,
    /// Whether locks and mutes outlive a restart of the daemon: `ok`, `off`, or a problem.
    state: String,
}

/// Lists the rooms.
pub(super) async fn run(args: RoomsArgs) -> ExitCode {
    finish("rooms", list(&args).await.map(|()| 0))
}

async fn list(args: &RoomsArgs) -> Result<(), CommandError> {
    let client = args.connection.client()?;
    let answer = client.fetch(request(Method::GET, Uri::from_static(LIST))).await?;
    if answer.status() != StatusCode::OK {
        return Err(CommandError::of_answer(&answer));
    }
    let Listed { rooms, total, state } = serde_json::from_slice(answer.body())
        .map_err(|_| CommandError::Unavailable("the response is not a list of rooms".into()))?;
    if !matches!(&*state, "ok" | "off") {
        note(&format!("the state: {state}"));
    }
    match &rooms[..] {
        rooms if args.json => print_json(rooms)?,
        [] => note("no rooms"),
        rooms => print(&room_table::rooms(rooms, &args.times.zone()))?,
    }
    if total > rooms.len() {
        note(&format!("only the first {} of {total} rooms are listed", rooms.len()));
    }
    Ok(())
}
