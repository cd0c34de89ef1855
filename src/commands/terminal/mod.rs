//! The commands with which an operator looks at a running daemon, and places and ends calls:
//! `tail`, `call`, `calls` and `hangup`.
//!
//! What was asked for goes to stdout, for people or with `--json` for programs; what has to be said
//! beside it goes to stderr, in lines that begin with `--`.

pub mod connection;
pub mod filter;
pub mod follow;
pub mod line;
pub mod moment;
pub mod short_id;
pub mod table;
pub mod zone;

use std::io::{self, Write};
use std::process::ExitCode;

use anstyle::Style;
use hyper::body::Bytes;
use hyper::{Response, StatusCode};
use serde_json::Value;

use crate::client::ClientError;
use crate::client::event_stream::{Refused, StreamError};
use crate::escape::escaped;
use crate::exit::{EX_IOERR, EX_NOINPUT, EX_NOPERM, EX_UNAVAILABLE, EX_USAGE};

/// A table of exit codes for the end of a command's help, with those that all of these commands
/// have.
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

/// Why a command does not do what it is there for.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The command line is wrong, as far as the daemon is asked.
    #[error("{0}")]
    Usage(String),
    /// The key file cannot be read.
    #[error("{0}: {1}")]
    KeyFile(String, io::Error),
    /// The key is wrong, or missing.
    #[error("the daemon does not know this key; give one with --key-file or ORIGINATORD_KEY")]
    Unauthorized,
    /// The key is not good for that.
    #[error("{0}")]
    Forbidden(String),
    /// The daemon cannot be reached, or does not do it.
    #[error("{0}")]
    Unavailable(String),
    /// There is nowhere to print to.
    #[error("the output cannot be written: {0}")]
    Output(#[from] io::Error),
}

impl CommandError {
    /// Why an answer is not the one that was hoped for.
    pub(crate) fn of_answer(answer: &Response<Bytes>) -> Self {
        let (status, said) = (answer.status(), said(answer));
        match status {
            StatusCode::UNAUTHORIZED => Self::Unauthorized,
            StatusCode::FORBIDDEN => Self::Forbidden(said),
            StatusCode::BAD_REQUEST => Self::Usage(said),
            _ => Self::Unavailable(format!("the daemon says {status}: {said}")),
        }
    }

    /// Whether nobody reads on, as when `… | head` has seen enough.
    fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// What a command ends with.
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

/// What an answer says that is an error.
pub(crate) fn said(answer: &Response<Bytes>) -> String {
    let body: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    escaped(body["error"].as_str().unwrap_or("nothing that could be understood")).into_owned()
}

/// Says how a command has ended, if that is not as it was meant to.
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

/// Says something beside the output. Who no longer listens is not told.
pub(crate) fn note(text: &str) {
    let dim = Style::new().dimmed();
    let _ = writeln!(anstream::stderr(), "{dim}-- {}{dim:#}", escaped(text));
}

/// Says why the live log was lost. However often it is tried in vain: the same trouble is said
/// once.
#[derive(Default)]
pub(crate) struct Troubles(Vec<String>);

impl Troubles {
    pub(crate) fn lost(&mut self, lost: &StreamError) {
        let lost = lost.to_string();
        if !self.0.contains(&lost) {
            note(&format!("{lost}; trying again"));
            self.0.push(lost);
        }
    }

    pub(crate) fn over(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_daemon_says_cannot_get_at_the_terminal() {
        let mut answer =
            Response::new(Bytes::from_static(br#"{"error":"no: \u001b]0;x\u0007\nyes"}"#));
        *answer.status_mut() = StatusCode::BAD_GATEWAY;
        let error = CommandError::of_answer(&answer).to_string();
        assert_eq!(error, r"the daemon says 502 Bad Gateway: no: \u{1b}]0;x\u{7}\nyes");
    }
}
