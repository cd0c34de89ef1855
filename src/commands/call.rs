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
use super::terminal::follow::{CallEnd, Follower};
use super::terminal::line::Printer;
use super::terminal::zone::ShownTimes;
use super::terminal::{CommandError, exit_codes, finish, note};
use crate::exit::INTERRUPTED;
use originatord_core::call::numbering::Spelling;
use originatord_core::call::outcome::Outcome;
use originatord_core::call::{CallId, CallerId, Lang, Room};
use originatord_net::client::event_stream::{EventStream, Update};
use originatord_net::client::reply::{Reply, Verdict};
use originatord_net::client::{ClientError, request};

/// The arguments of `originatord call`.
#[derive(Debug, clap::Args)]
pub(super) struct CallArgs {
    /// The number to call, with or without +.
    number: Spelling,
    /// The room that the callee is put into.
    room: Room,
    /// The name or number under which the callee appears in the conference.
    #[arg(long, value_name = "TEXT", default_value = "originatord")]
    caller_id: CallerId,
    /// The language of the prompts; without it, the daemon's default.
    #[arg(long, value_name = "TAG")]
    lang: Option<Lang>,
    /// Print the call's records as JSON lines, unchanged. If its last record was missed, for
    /// example because the daemon restarted, the last line is the call as GET /api/calls/ID returns
    /// it.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    times: ShownTimes,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// The end of the help of `call`.
pub(super) const HELP: &str = exit_codes![
    "  0    completed: answered, joined the room, and ended later",
    "  1    not_joined: answered, but never joined the room; or completed, if joining was not seen",
    "  10   no_answer",
    "  11   busy",
    "  12   declined",
    "  13   not_on_telegram",
    "  14   invalid_number",
    "  15   flood_wait",
    "  16   congestion",
    "  17   canceled: hung up through the API before it was answered",
    "  18   failed",
    "  19   unknown: the call may have been made, and its end was not seen",
    "  20   refused: a call to this number is in progress",
    "  21   refused: this number must not be called",
    "  22   refused: a limit is reached",
    "  23   refused: by Asterisk, or there is no link to it, or the daemon is stopping",
    .."  130  Ctrl-C; the call continues, and the command to hang it up is printed",
];

/// The exit code if the callee answered, but was not seen in the room.
const NOT_JOINED: u8 = 1;

/// The exit code if the fate of the call is unknown.
const UNKNOWN: u8 = 19;

/// The exit code for the end of a call.
fn exit_code(end: &CallEnd) -> u8 {
    let outcome = match end {
        CallEnd::Ended { outcome, joined: true } if outcome == Outcome::Completed.as_str() => {
            return 0;
        }
        CallEnd::Ended { outcome, .. } => outcome.parse().unwrap_or(Outcome::Unknown),
        CallEnd::Refused(reason) => return refusal_code(reason),
        CallEnd::Forgotten => Outcome::Unknown,
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

/// The exit code for a refusal, by the reason in its record.
fn refusal_code(reason: &str) -> u8 {
    match reason {
        "in_progress" => 20,
        "not_allowed" => 21,
        "limited" => 22,
        _ => 23,
    }
}

/// Places the call, and follows it to its end.
pub(super) async fn run(args: CallArgs) -> ExitCode {
    finish("call", place_and_follow(&args).await)
}

async fn place_and_follow(args: &CallArgs) -> Result<u8, CommandError> {
    let stream = match until_ctrl_c(subscribe(&args.connection)).await {
        Some(stream) => stream?,
        None => return Ok(INTERRUPTED),
    };
    let Some(reply) = until_ctrl_c(request_call(args)).await else {
        note(&format!("the call may be in progress; {}", how_to_find(args)));
        return Ok(INTERRUPTED);
    };
    let id = match reply? {
        Requested::Call(id) => id,
        Requested::Code(code) => return Ok(code),
    };
    let printer = Printer::new(anstream::stdout(), args.json, args.times.zone());
    let follower = Follower::new(id, stream, args.connection.client()?, printer);
    match until_ctrl_c(follower.run()).await {
        Some(Ok(end)) => {
            let code = exit_code(&end);
            if code == NOT_JOINED && !end.is_not_joined() {
                // The outcome `completed` alone would look like a success.
                note("answered, but not seen in the room");
            }
            Ok(code)
        }
        Some(Err(error)) => {
            note(&may_continue(args, id));
            Err(error)
        }
        None => {
            note(&continues(args, id));
            Ok(INTERRUPTED)
        }
    }
}

/// Runs `work`; `None` if Ctrl-C comes first.
async fn until_ctrl_c<T>(work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        done = work => Some(done),
        _ = tokio::signal::ctrl_c() => None,
    }
}

/// Opens the event stream, and waits until it has begun, so that it contains every record of a call
/// that is requested afterwards.
async fn subscribe(connection: &ConnectionArgs) -> Result<EventStream, CommandError> {
    let mut stream = EventStream::new(connection.client()?, None);
    match stream.next().await? {
        Update::Events(_) => Ok(stream),
        Update::Lost(lost) => Err(CommandError::Unavailable(lost.to_string())),
    }
}

/// The result of the request.
enum Requested {
    /// The call was made, or its records will show whether it was.
    Call(CallId),
    /// There is no call to follow. Holds the exit code.
    Code(u8),
}

async fn request_call(args: &CallArgs) -> Result<Requested, CommandError> {
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
        Verdict::Accepted(id) => Requested::Call(id),
        Verdict::Unconfirmed(Some(id), reason) => {
            note(&reason);
            Requested::Call(id)
        }
        Verdict::Unconfirmed(None, reason) => unknown(args, &reason),
        Verdict::Refused(reason) => Requested::Code(match status {
            200 => print_refusal(&reason, "in_progress"),
            429 => print_refusal(&reason, "limited"),
            403 if !reason.starts_with("phone_number") => {
                return Err(CommandError::Forbidden(reason));
            }
            403 => print_refusal(&reason, "not_allowed"),
            502 | 503 => print_refusal(&reason, "rejected"),
            _ => return Err(CommandError::of_answer(&answer)),
        }),
    })
}

fn print_refusal(text: &str, reason: &str) -> u8 {
    note(&format!("refused: {text}"));
    refusal_code(reason)
}

fn unknown(args: &CallArgs, reason: &str) -> Requested {
    note(&format!("{reason}; the call may be in progress; {}", how_to_find(args)));
    Requested::Code(UNKNOWN)
}

fn how_to_find(args: &CallArgs) -> String {
    format!(
        "to find it: originatord calls --number {}{}",
        args.number,
        args.connection.as_options()
    )
}

fn continues(args: &CallArgs, id: CallId) -> String {
    format!(
        "the call continues; to hang it up: originatord hangup {id}{}",
        args.connection.as_options()
    )
}

/// The note for a call that can no longer be followed, because the daemon cannot be reached.
fn may_continue(args: &CallArgs, id: CallId) -> String {
    format!(
        "the call may continue; to hang it up: originatord hangup {id}{}",
        args.connection.as_options()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use originatord_core::call::Refusal;

    #[test]
    fn exit_codes_match_the_help() {
        let is_in_help = |code: u8, what: &str| {
            let line =
                HELP.lines().find(|line| line.split_whitespace().next() == Some(&code.to_string()));
            assert!(line.is_some_and(|line| line.contains(what)), "{code} {what}");
        };
        let ended = |outcome: Outcome, joined| CallEnd::Ended {
            outcome: outcome.as_str().to_owned(),
            joined,
        };
        for outcome in Outcome::ALL {
            is_in_help(exit_code(&ended(outcome, true)), outcome.as_str());
        }
        is_in_help(exit_code(&ended(Outcome::Completed, false)), "or completed");
        is_in_help(exit_code(&ended(Outcome::NotJoined, false)), "not_joined");
        is_in_help(exit_code(&CallEnd::Forgotten), "unknown");
        let future_outcome = CallEnd::Ended { outcome: "abducted".to_owned(), joined: true };
        assert_eq!(exit_code(&future_outcome), UNKNOWN);
        for (reason, _) in Refusal::CODES {
            is_in_help(exit_code(&CallEnd::Refused(reason.to_owned())), "refused");
        }
        is_in_help(INTERRUPTED, "Ctrl-C");
    }
}
