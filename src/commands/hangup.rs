//! `originatord hangup`: hangs calls up.

use std::io::{self, Write};
use std::process::ExitCode;

use hyper::{Method, StatusCode, Uri};

use super::calls::listed;
use super::terminal::connection::ConnectionArgs;
use super::terminal::short_id::CallName;
use super::terminal::{CommandError, error_text, exit_codes, finish, note};
use originatord_core::call::CallId;
use originatord_net::client::{Client, request};

/// The arguments of `originatord hangup`.
#[derive(Debug, clap::Args)]
pub(super) struct HangupArgs {
    /// The ids of the calls, or the ends of the ids that originatord tail shows.
    #[arg(value_name = "ID", required = true)]
    calls: Vec<CallName>,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// The end of the help of `hangup`.
pub(super) const HELP: &str = exit_codes![
    "  0    all calls were hung up",
    "  1    a call was not hung up: it does not exist, has ended, or Asterisk failed to do it",
    ..
];

/// The exit code if some call was not hung up.
const NOT_ALL: u8 = 1;

/// Hangs the calls up, one after the other.
pub(super) async fn run(args: HangupArgs) -> ExitCode {
    finish("hangup", hang_up_all(&args).await)
}

async fn hang_up_all(args: &HangupArgs) -> Result<u8, CommandError> {
    let client = args.connection.client()?;
    let mut code = 0;
    for call in &args.calls {
        let hung_up = match find(&client, call).await? {
            Ok(id) => {
                hang_up(&client, id).await?.map(|()| id).map_err(|why| format!("{id}: {why}"))
            }
            Err(why) => Err(why),
        };
        match hung_up {
            Ok(id) => writeln!(io::stdout(), "{id}: hung up")?,
            Err(why) => {
                note(&why);
                code = NOT_ALL;
            }
        }
    }
    Ok(code)
}

/// Returns the id of the active call with this name, or the reason why not exactly one matches.
async fn find(client: &Client, name: &CallName) -> Result<Result<CallId, String>, CommandError> {
    if let Some(id) = name.id() {
        return Ok(Ok(id));
    }
    let answer = client
        .fetch(request(Method::GET, Uri::from_static("/api/calls?live=10000&limit=0")))
        .await?;
    if answer.status() != StatusCode::OK {
        return Err(CommandError::of_answer(&answer));
    }
    let live: Vec<_> = listed(&answer)?
        .live
        .iter()
        .filter_map(|call| call.get("call_id")?.as_str()?.parse().ok())
        .collect();
    let mut named = live.into_iter().filter(|id: &CallId| name.matches(&id.to_string()));
    Ok(match (named.next(), named.next()) {
        (Some(id), None) => Ok(id),
        (None, _) => Err(format!("{name}: no active call has an id that ends like this")),
        (Some(_), Some(_)) => {
            Err(format!("{name}: the ids of several calls end like this; give more characters"))
        }
    })
}

/// Hangs a call up, or returns the reason why that failed.
async fn hang_up(client: &Client, id: CallId) -> Result<Result<(), String>, CommandError> {
    // An id consists of letters, digits and "-", so the URI is valid.
    let uri = Uri::try_from(format!("/api/calls/{id}")).unwrap_or_default();
    let answer = client.fetch(request(Method::DELETE, uri)).await?;
    Ok(match answer.status() {
        StatusCode::OK => Ok(()),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            return Err(CommandError::of_answer(&answer));
        }
        _ => Err(error_text(&answer)),
    })
}
