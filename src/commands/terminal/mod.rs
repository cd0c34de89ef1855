//! The parts that the commands for a running daemon share.
//!
//! Commands print results to stdout, for people or with `--json` for programs, and notes to stderr,
//! in lines that begin with `--`.

pub(super) mod connection;
pub(super) mod filter;
pub(super) mod follow;
pub(super) mod line;
pub(super) mod moment;
pub(super) mod room_table;
pub(super) mod short_id;
pub(super) mod table;
pub(super) mod width;
pub(super) mod zone;

use std::io::{self, Write};
use std::process::ExitCode;

use anstyle::Style;
use hyper::body::Bytes;
use hyper::{Response, StatusCode};
use serde_json::{Map, Value};

use crate::exit::{EX_IOERR, EX_NOINPUT, EX_NOPERM, EX_UNAVAILABLE, EX_USAGE};
use originatord_core::escape::{self, escaped};
use originatord_net::client::ClientError;
use originatord_net::client::event_stream::{Refused, StreamError};

/// The list of exit codes at the end of a command's help: the command's own codes, the codes that
/// all commands for a running daemon share, and one more of its own.
macro_rules! exit_codes {
    ($($own:literal,)* .. $($last:literal,)?) => {
        concat!(
            "Exit codes:\n",
            $($own, "\n",)*
            "  64   the command line is wrong\n",
            "  66   the key file cannot be read\n",
            "  69   the daemon cannot be reached, or cannot serve it now\n",
            "  74   the output cannot be written\n",
            "  77   the daemon does not know this key, or the key may not do that",
            $("\n", $last,)?
        )
    };
}
pub(crate) use exit_codes;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum CommandError {
    /// An argument is wrong.
    #[error("{0}")]
    Usage(String),
    /// The key file cannot be read.
    #[error("{0}: {1}")]
    KeyFile(String, io::Error),
    /// The key is wrong, or missing.
    #[error("the daemon does not know this key; give one with --key-file or ORIGINATORD_KEY")]
    Unauthorized,
    /// The key has no right for the request.
    #[error("{0}")]
    Forbidden(String),
    /// The daemon cannot be reached, or fails.
    #[error("{0}")]
    Unavailable(String),
    /// The output cannot be written.
    #[error("the output cannot be written: {0}")]
    Output(#[from] io::Error),
}

impl CommandError {
    /// The error for a response that is no success.
    pub(crate) fn of_answer(answer: &Response<Bytes>) -> Self {
        let status = answer.status();
        let text = error_text(answer);
        match status {
            StatusCode::UNAUTHORIZED => Self::Unauthorized,
            StatusCode::FORBIDDEN => Self::Forbidden(text),
            StatusCode::BAD_REQUEST => Self::Usage(text),
            _ => Self::Unavailable(format!("the daemon answers {status}: {text}")),
        }
    }

    /// Whether the reader of stdout has closed the pipe, as `head` does.
    fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// The command's exit code.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => EX_USAGE,
            Self::KeyFile(..) => EX_NOINPUT,
            Self::Unauthorized | Self::Forbidden(_) => EX_NOPERM,
            Self::Unavailable(_) => EX_UNAVAILABLE,
            Self::Output(_) => EX_IOERR,
        }
    }
}

impl From<ClientError> for CommandError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Url(_) | ClientError::Tls(_) => Self::Usage(error.to_string()),
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

impl From<Refused> for CommandError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Unauthorized => Self::Unauthorized,
            Refused::Status(_) => Self::Usage(refused.to_string()),
        }
    }
}

/// The `error` in a response's body, escaped for the terminal.
pub(crate) fn error_text(answer: &Response<Bytes>) -> String {
    let body: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    escaped(body["error"].as_str().unwrap_or("the response has no error text")).into_owned()
}

/// Prints the error of a command, if there is one, and returns the exit code.
pub(crate) fn finish(command: &str, result: Result<u8, CommandError>) -> ExitCode {
    match result {
        Ok(code) => code.into(),
        Err(error) if error.is_closed_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("originatord {command}: {error}");
            error.exit_code().into()
        }
    }
}

/// Prints a text to stdout, with colours if it is a terminal.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut output = anstream::stdout();
    output.write_all(text.as_bytes())?;
    output.flush()
}

/// Prints objects of the API to stdout, each as one line of JSON.
pub(crate) fn print_json(objects: &[Map<String, Value>]) -> io::Result<()> {
    // serde_json fails only on keys that are not text, and all of these are.
    let json = |object| escape::json(serde_json::to_string(object).unwrap_or_default()) + "\n";
    print(&objects.iter().map(json).collect::<String>())
}

/// Prints a note to stderr.
pub(crate) fn note(text: &str) {
    let dim = Style::new().dimmed();
    // The output may be closed; the exit code still tells the result.
    let _ = writeln!(anstream::stderr(), "{dim}-- {}{dim:#}", escaped(text));
}

/// Prints why the event stream was lost: each reason once during one outage, however often a
/// reconnect fails.
#[derive(Default)]
pub(crate) struct LostNotes(Vec<String>);

impl LostNotes {
    pub(crate) fn print(&mut self, lost: &StreamError) {
        let lost = lost.to_string();
        if !self.0.contains(&lost) {
            note(&format!("{lost}; trying again"));
            self.0.push(lost);
        }
    }

    /// Ends the outage.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_texts_of_daemon_are_escaped() {
        let mut answer =
            Response::new(Bytes::from_static(br#"{"error":"no: \u001b]0;x\u0007\nyes"}"#));
        *answer.status_mut() = StatusCode::BAD_GATEWAY;
        let error = CommandError::of_answer(&answer).to_string();
        assert_eq!(error, r"the daemon answers 502 Bad Gateway: no: \u{1b}]0;x\u{7}\nyes");
    }
}
