//! `originatord tail`: the live log in a terminal.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use serde_json::{Map, Value};

use crate::client::live_log::{LiveLog, Refused, Told};
use crate::client::sse::Event;
use crate::client::{self, Client};
use crate::journal::sink::quoted;
use crate::lifecycle::{EX_IOERR, EX_NOINPUT, EX_NOPERM, EX_USAGE};

/// What `tail` can be told.
#[derive(Debug, clap::Args)]
pub struct TailArgs {
    /// Where the daemon is.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    url: String,
    /// A file that holds an API key; without it the variable ORIGINATORD_KEY.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// With https, the CA that signed the daemon's certificate, if the system does not trust it.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Print the records as JSON lines, as they are.
    #[arg(long)]
    json: bool,
    /// Begin after the record of this number, as far as the daemon remembers; 0 for all it does.
    #[arg(long, value_name = "SEQ")]
    since: Option<u64>,
}

/// Why it ends.
#[derive(Debug, thiserror::Error)]
enum TailError {
    #[error("{0}")]
    Usage(String),
    #[error("{0}: {1}")]
    KeyFile(String, io::Error),
    #[error("the daemon does not know this key; give one with --key-file or ORIGINATORD_KEY")]
    Unauthorized,
    #[error("the output cannot be written: {0}")]
    Output(#[from] io::Error),
}

impl From<Refused> for TailError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Unauthorized => Self::Unauthorized,
            Refused::Status(_) => Self::Usage(refused.to_string()),
        }
    }
}

/// Follows the log until it is interrupted.
pub async fn run(args: TailArgs) -> ExitCode {
    let mut output = anstream::stdout();
    let result = tokio::select! {
        result = follow(&args, &mut output) => result,
        _ = tokio::signal::ctrl_c() => return ExitCode::SUCCESS,
    };
    let Err(error) = result else { return ExitCode::SUCCESS };
    let code = match &error {
        // `tail | head` ends like this.
        TailError::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => return ExitCode::SUCCESS,
        TailError::Usage(_) => EX_USAGE,
        TailError::KeyFile(..) => EX_NOINPUT,
        TailError::Output(_) => EX_IOERR,
        TailError::Unauthorized => EX_NOPERM,
    };
    eprintln!("originatord tail: {error}");
    ExitCode::from(code)
}

async fn follow(args: &TailArgs, output: &mut impl Write) -> Result<(), TailError> {
    let key = client::key(args.key_file.as_deref()).map_err(|error| {
        let file = args.key_file.as_deref().unwrap_or(Path::new("ORIGINATORD_KEY"));
        TailError::KeyFile(file.display().to_string(), error)
    })?;
    let client =
        Client::new(&args.url, key, args.ca_file.as_deref()).map_err(|error| TailError::Usage(error.to_string()))?;
    let mut log = LiveLog::new(client, args.since);
    let mut said = Vec::new();
    loop {
        let lost = match log.next().await? {
            Told::Events(events) => {
                said.clear();
                events.iter().try_for_each(|event| print(output, event, args.json))?;
                continue;
            }
            Told::Lost(lost) => lost.to_string(),
        };
        // However often it is tried in vain: the same trouble is said once.
        if !said.contains(&lost) {
            let dim = Style::new().dimmed();
            let _ = writeln!(anstream::stderr(), "{dim}-- {lost}; trying again{dim:#}");
            said.push(lost);
        }
    }
}

fn print(output: &mut impl Write, event: &Event, json: bool) -> io::Result<()> {
    if event.data.is_empty() {
        // Only where the stream begins.
        return Ok(());
    }
    if json {
        writeln!(output, "{}", event.data)?;
    } else if let Ok(Value::Object(record)) = serde_json::from_str(&event.data) {
        writeln!(output, "{}", line(&record))?;
    }
    output.flush()
}

/// One aligned line: time, number, event, callee, room, key, and what the event adds.
fn line(record: &Map<String, Value>) -> String {
    let text = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or_default();
    let (event, dim) = (shown(text("event")), Style::new().dimmed());
    let style = style(&event, text("outcome"));
    // RFC 3339 in UTC: the time of day is from the 11th to the 23rd character.
    let is_time = |time: &&str| time.bytes().all(|b| b.is_ascii_digit() || b":.".contains(&b));
    let time = text("time").get(11..23).filter(is_time).unwrap_or_default();
    let seq = record.get("seq").and_then(Value::as_u64).map(|seq| format!("#{seq}")).unwrap_or_default();
    let mut line = format!("{dim}{time:<12} {seq:>7}{dim:#} {style}{event:<16}{style:#}");
    if record.contains_key("call_id") {
        let [number, room, key] = ["number", "room", "key"].map(|name| shown(text(name)));
        line.push_str(&format!(" {number:<16} {room:<16} {dim}{key:<14}{dim:#}"));
    }
    let told = ["seq", "time", "event", "call_id", "number", "room", "caller_id", "lang", "key"];
    for (name, value) in record.iter().filter(|(name, value)| !told.contains(&name.as_str()) && !value.is_null()) {
        let value = match value {
            Value::String(text) => quoted(text).into_owned(),
            other => other.to_string(),
        };
        line.push_str(&format!(" {dim}{}={dim:#}{value}", quoted(name)));
    }
    line
}

/// A word of somebody else's: in a terminal it must not be more than that.
fn shown(text: &str) -> String {
    if text.is_empty() { String::new() } else { quoted(text).into_owned() }
}

fn style(event: &str, outcome: &str) -> Style {
    let color = match (event, outcome) {
        ("gap" | "ami.disconnected", _) => return AnsiColor::Red.on_default().bold(),
        ("call.ended", "completed") => AnsiColor::Green,
        ("call.ended" | "call.refused", _) => AnsiColor::Yellow,
        ("call.answered" | "call.joined" | "ami.connected", _) => AnsiColor::Green,
        ("call.requested" | "call.queued" | "call.ringing", _) => AnsiColor::Cyan,
        _ => return Style::new(),
    };
    color.on_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn whatever_a_record_holds_it_is_one_line_and_has_no_colours_of_its_own() {
        let plain = json!({
            "seq": 7, "time": "2026-11-24T12:00:00.123Z", "event": "call.left", "call_id": "od-1", "number": "+7999",
            "room": "R1", "caller_id": "Bob", "lang": "ru", "key": "bot", "conference": "R1",
        });
        let escapes = |record: &Value| {
            let line = line(record.as_object().expect("an object"));
            assert!(!line.chars().any(|c| c.is_control() && c != '\u{1b}') && !line.contains('\u{202e}'), "{line:?}");
            line.matches('\u{1b}').count()
        };
        let mut all = plain.clone();
        for name in ["seq", "time", "event", "number", "room", "key", "conference", "more"] {
            let hostile = "\u{1b}[2J\u{1b}]0;x\u{7}aaaa\u{9b}2J\n12:00:00.000 \r\t\u{202e}";
            let mut one = plain.clone();
            one[name] = hostile.into();
            all[name] = hostile.into();
            // Another member comes with two styles, to begin and to end its name.
            let expected = escapes(&plain) + if name == "more" { 2 } else { 0 };
            assert!(escapes(&one) <= expected, "{name}");
        }
        all["a\u{1b}[1m\n"] = 1.into();
        assert!(escapes(&all) <= escapes(&plain) + 4);
    }
}
