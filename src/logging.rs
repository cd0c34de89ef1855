//! What the daemon says of itself on stdout, beside the records of the live log.
//!
//! `error` is for what an operator has to mend, `warn` for what is odd, `info` for the daemon's own
//! life. Nothing that a peer can do at will is said at these levels, or at most once in a while.
//! With `debug` each request and each of Asterisk's messages is a line, within a span that has the
//! call's id.

use std::fmt;
use std::io::{self, Write};

use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

use crate::clock::rfc3339;
use crate::config::{Log, LogFormat};
use crate::escape;

/// What records are logged as; `[log] filter` can name it.
pub const RECORDS: &str = "originatord::journal";

/// Timestamps as the records have them.
struct Timestamp;

impl FormatTime for Timestamp {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        writer.write_str(&rfc3339(std::time::SystemTime::now()))
    }
}

/// Writes lines without what a terminal or an editor takes for more than text: errors may hold a
/// peer's words.
struct Escaping<W> {
    output: W,
    format: LogFormat,
}

impl<W: Write> Write for Escaping<W> {
    /// Takes whole lines, as tracing writes them.
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(lines);
        let escaped = match self.format {
            LogFormat::Text => escape::lines(&text),
            LogFormat::Json => escape::json(text.into_owned()),
        };
        self.output.write_all(escaped.as_bytes())?;
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

/// Logging under way. What is logged while nobody reads stdout is dropped rather than waited for;
/// the rest is written when this is dropped.
pub struct Logging {
    filter: Box<dyn Fn(EnvFilter) + Send + Sync>,
    _writer: WorkerGuard,
}

impl Logging {
    /// Starts logging as configured.
    pub fn start(log: &Log) -> Self {
        let (stdout, guard) = tracing_appender::non_blocking(std::io::stdout());
        let format = log.format;
        let writer = move || Escaping { output: stdout.clone(), format };
        let builder = tracing_subscriber::fmt()
            .with_env_filter(filter(log))
            .with_timer(Timestamp)
            .with_writer(writer);
        // The filter can only fail to be replaced once nothing is logged any longer.
        let filter: Box<dyn Fn(EnvFilter) + Send + Sync> = match log.format {
            LogFormat::Text => {
                let builder = builder.with_ansi(false).with_filter_reloading();
                let handle = builder.reload_handle();
                builder.init();
                Box::new(move |filter| _ = handle.reload(filter))
            }
            LogFormat::Json => {
                let builder = builder
                    .json()
                    .flatten_event(true)
                    .with_span_list(false)
                    .with_filter_reloading();
                let handle = builder.reload_handle();
                builder.init();
                Box::new(move |filter| _ = handle.reload(filter))
            }
        };
        Self { filter, _writer: guard }
    }

    /// Filters as configured anew.
    pub fn reload(&self, log: &Log) {
        (self.filter)(filter(log));
    }
}

/// The configuration was checked, so this is what it says.
fn filter(log: &Log) -> EnvFilter {
    EnvFilter::builder().parse_lossy(&log.filter)
}

/// Whether the filter lets the live log's records onto stdout.
pub fn shows_records() -> bool {
    tracing::enabled!(target: RECORDS, tracing::Level::INFO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_words_cannot_steer_a_terminal() {
        for (format, written) in
            [(LogFormat::Text, "a\\u{9b}2J\\u{202e}\n"), (LogFormat::Json, "a\\u009b2J\\u202e\n")]
        {
            let mut writer = Escaping { output: Vec::new(), format };
            writer.write_all("a\u{9b}2J\u{202e}\n".as_bytes()).expect("it is written");
            assert_eq!(writer.output, written.as_bytes());
        }
    }
}
