//! `originatord call`: places a call, and follows it to its end.

use std::future::Future;
use std::process::ExitCode;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Uri};
use secrecy::ExposeSecret;
use serde_json::json;

use super::terminal::connection::ConnectionArgs;
use super::terminal::follow::{End, Follower};
use super::terminal::line::Printer;
use super::terminal::zone::ShownTimes;
use super::terminal::{CommandError, exit_codes, finish, note};
use crate::call::numbering::Spelling;
use crate::call::outcome::Outcome;
use crate::call::{CallId, CallerId, Lang, Room};
use crate::client::event_stream::{EventStream, Update};
use crate::client::reply::{Reply, Verdict};
use crate::client::{ClientError, request};
use crate::exit::INTERRUPTED;

/// What `call` can be told.
#[derive(Debug, clap::Args)]
pub struct CallArgs {
    /// The number to call, with or without +.
    number: Spelling,
    /// The room that whoever answers is put into.
    room: Room,
    /// How the callee is presented.
    #[arg(long, value_name = "TEXT", default_value = "originatord")]
    caller_id: CallerId,
    /// The language of the prompts; without it, the daemon's default.
    #[arg(long, value_name = "TAG")]
    lang: Option<Lang>,
    /// Print the call's records as JSON lines, as they are. If its end was missed, as after a
    /// restart of the daemon, the last line is the call as GET /api/calls/ID shows it.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    times: ShownTimes,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// The end of the help of `call`.
pub const HELP: &str = exit_codes![
    "  0    completed: answered, in the room, and hung up later by whoever",
    "  1    not_joined: answered, and never in the room; or completed, where that is not known",
    "  10   no_answer",
    "  11   busy",
    "  12   declined",
    "  13   not_on_telegram",
    "  14   invalid_number",
    "  15   flood_wait",
    "  16   congestion",
    "  17   canceled: hung up through the API before it was answered",
    "  18   failed",
    "  19   unknown: the call may have been made, and nobody saw how it ended",
    "  20   refused: a call to this number is in progress",
    "  21   refused: this number must not be called",
    "  22   refused: a limit is reached",
    "  23   refused: by Asterisk, or there is no link to it, or the daemon is stopping",
    .."  130  Ctrl-C; the call goes on, and it is said how to hang it up",
];

/// The exit code of a call that was answered, and did not bring the callee into the room as far as
/// is known.
const NOT_JOINED: u8 = 1;

/// The exit code where nobody knows what has become of the call.
const UNKNOWN: u8 = 19;

/// The exit code for an end.
fn exit_code(end: &End) -> u8 {
    let outcome = match end {
        End::Ended { outcome, joined: true } if outcome == Outcome::Completed.as_str() => return 0,
        End::Ended { outcome, .. } => outcome.parse().unwrap_or(Outcome::Unknown),
        End::Refused(reason) => return refused(reason),
        End::Forgotten => Outcome::Unknown,
    };
    match outcome {
        Outcome::Completed | Outcome::NotJoined => NOT_JOINED,
        Outcome::NoAnswer => 10,
        Outcome::Busy => 11,
        Outcome::Declined => 12,
        Outcome::NotOnTelegram => 13,
        Outcome::InvalidNumber => 14,
        Outcome::FloodWait => 15,
        Outcome::Congestion => 16,
        Outcome::Canceled => 17,
        Outcome::Failed => 18,
        Outcome::Unknown => UNKNOWN,
    }
}

/// The exit code for a refusal, by its reason in the log.
fn refused(reason: &str) -> u8 {
    match reason {
        "in_progress" => 20,
        "not_allowed" => 21,
        "limited" => 22,
        _ => 23,
    }
}

/// Places the call, and follows it.
pub async fn run(args: CallArgs) -> ExitCode {
    finish("call", place(&args).await)
}

async fn place(args: &CallArgs) -> Result<u8, CommandError> {
    let log = match or_interrupted(subscribe(&args.connection)).await {
        Some(log) => log?,
        None => return Ok(INTERRUPTED),
    };
    let Some(reply) = or_interrupted(ask(args)).await else {
        note(&format!("the call may be made; {}", how_to_find(args)));
        return Ok(INTERRUPTED);
    };
    let id = match reply? {
        Answered::Call(id) => id,
        Answered::Code(code) => return Ok(code),
    };
    let printer = Printer::new(anstream::stdout(), args.json, args.times.zone());
    let follower = Follower::new(id, log, args.connection.client()?, printer);
    match or_interrupted(follower.run()).await {
        Some(Ok(end)) => {
            let code = exit_code(&end);
            if code == NOT_JOINED && !end.is_not_joined() {
                // The outcome alone looks like success.
                note("answered, but not seen in the room");
            }
            Ok(code)
        }
        Some(Err(error)) => {
            note(&may_go_on(args, id));
            Err(error)
        }
        None => {
            note(&goes_on(args, id));
            Ok(INTERRUPTED)
        }
    }
}

/// What comes of it, or nothing if Ctrl-C comes first.
async fn or_interrupted<T>(work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        done = work => Some(done),
        _ = tokio::signal::ctrl_c() => None,
    }
}

/// The live log, once it is followed: who asks for a call after that misses nothing of it.
async fn subscribe(connection: &ConnectionArgs) -> Result<EventStream, CommandError> {
    let mut log = EventStream::new(connection.client()?, None);
    match log.next().await? {
        Update::Events(_) => Ok(log),
        Update::Lost(lost) => Err(CommandError::Unavailable(lost.to_string())),
    }
}

/// What was answered to the request.
enum Answered {
    /// The call is made, or its fate will be in the log.
    Call(CallId),
    /// There is nothing to follow.
    Code(u8),
}

async fn ask(args: &CallArgs) -> Result<Answered, CommandError> {
    let key = args.connection.credentials.key()?.ok_or(CommandError::Unauthorized)?;
    let mut body = json!({
        "api_key": key.expose_secret(),
        "phone_number": args.number.to_string(),
        "room_name": args.room,
        "caller_id": args.caller_id,
    });
    if let Some(lang) = &args.lang {
        body["lang"] = lang.as_str().into();
    }
    let mut request = request(Method::POST, Uri::from_static("/api/conf"));
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    *request.body_mut() = Full::from(Bytes::from(body.to_string()));
    let answer = match args.connection.client()?.fetch(request).await {
        Ok(answer) => answer,
        Err(error @ ClientError::Connect(..)) => return Err(error.into()),
        Err(error) => return Ok(unknown(args, &error.to_string())),
    };
    let Reply { status, verdict } = Reply::read(&answer);
    Ok(match verdict {
        Verdict::Accepted(id) => Answered::Call(id),
        Verdict::Unconfirmed(Some(id), reason) => {
            note(&reason);
            Answered::Call(id)
        }
        Verdict::Unconfirmed(None, reason) => unknown(args, &reason),
        Verdict::Refused(reason) => Answered::Code(match status {
            200 => say_refused(&reason, "in_progress"),
            429 => say_refused(&reason, "limited"),
            403 if !reason.starts_with("phone_number") => {
                return Err(CommandError::Forbidden(reason));
            }
            403 => say_refused(&reason, "not_allowed"),
            502 | 503 => say_refused(&reason, "rejected"),
            _ => return Err(CommandError::of_answer(&answer)),
        }),
    })
}

fn say_refused(text: &str, reason: &str) -> u8 {
    note(&format!("refused: {text}"));
    refused(reason)
}

fn unknown(args: &CallArgs, reason: &str) -> Answered {
    note(&format!("{reason}; the call may be made; {}", how_to_find(args)));
    Answered::Code(UNKNOWN)
}

fn how_to_find(args: &CallArgs) -> String {
    format!(
        "look for it: originatord calls --number {}{}",
        args.number,
        args.connection.as_options()
    )
}

fn goes_on(args: &CallArgs, id: CallId) -> String {
    format!(
        "the call goes on; to hang it up: originatord hangup {id}{}",
        args.connection.as_options()
    )
}

/// The daemon can no longer be asked.
fn may_go_on(args: &CallArgs, id: CallId) -> String {
    format!(
        "the call may go on; to hang it up: originatord hangup {id}{}",
        args.connection.as_options()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Refusal;

    #[test]
    fn each_end_has_the_exit_code_that_the_help_says() {
        let says = |code: u8, what: &str| {
            let line =
                HELP.lines().find(|line| line.split_whitespace().next() == Some(&code.to_string()));
            assert!(line.is_some_and(|line| line.contains(what)), "{code} {what}");
        };
        let ended =
            |outcome: Outcome, joined| End::Ended { outcome: outcome.as_str().to_owned(), joined };
        for outcome in Outcome::ALL {
            says(exit_code(&ended(outcome, true)), outcome.as_str());
        }
        says(exit_code(&ended(Outcome::Completed, false)), "or completed");
        says(exit_code(&ended(Outcome::NotJoined, false)), "not_joined");
        says(exit_code(&End::Forgotten), "unknown");
        let of_later = End::Ended { outcome: "abducted".to_owned(), joined: true };
        assert_eq!(exit_code(&of_later), UNKNOWN);
        for (reason, _) in Refusal::CODES {
            says(exit_code(&End::Refused(reason.to_owned())), "refused");
        }
        says(INTERRUPTED, "Ctrl-C");
    }
}
