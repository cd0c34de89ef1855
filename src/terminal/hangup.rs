//! `originatord hangup`: ends calls.

use std::io::{self, Write};
use std::process::ExitCode;

use hyper::{Method, StatusCode, Uri};

use super::connection::Connection;
use super::{TerminalError, exit_codes, finish, note, said};
use crate::call::CallId;
use crate::client::{Client, request};

/// What `hangup` can be told.
#[derive(Debug, clap::Args)]
pub struct HangupArgs {
    /// The ids of the calls, as `originatord calls` lists them.
    #[arg(value_name = "ID", required = true)]
    ids: Vec<CallId>,
    #[command(flatten)]
    connection: Connection,
}

/// The end of the help of `hangup`.
pub const HELP: &str = exit_codes![
    "  0    all calls are hung up",
    "  1    some are not: there is no such call, it is over, or Asterisk did not do it",
    ..
];

/// Some call was not hung up.
const LEFT: u8 = 1;

/// Hangs the calls up, one after the other.
pub async fn run(args: HangupArgs) -> ExitCode {
    finish("hangup", hang_up_all(&args).await)
}

async fn hang_up_all(args: &HangupArgs) -> Result<u8, TerminalError> {
    let client = args.connection.client()?;
    let mut code = 0;
    for id in &args.ids {
        match hang_up(&client, *id).await? {
            Ok(()) => writeln!(io::stdout(), "{id}: hung up")?,
            Err(why) => {
                note(&format!("{id}: {why}"));
                code = LEFT;
            }
        }
    }
    Ok(code)
}

/// Hangs a call up, or says why it is not.
async fn hang_up(client: &Client, id: CallId) -> Result<Result<(), String>, TerminalError> {
    // An id is letters, digits and "-".
    let uri = Uri::try_from(format!("/api/calls/{id}")).unwrap_or_default();
    let answer = client.ask(request(Method::DELETE, uri)).await?;
    Ok(match answer.status() {
        StatusCode::OK => Ok(()),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(TerminalError::of_answer(&answer)),
        _ => Err(said(&answer)),
    })
}
