//! The daemon's own log on stdout, beside the records of the journal.
//!
//! `error` is for faults that an operator has to fix, `warn` for unusual events, `info` for the
//! daemon's start, reload and stop. Actions that a peer can repeat at will are not logged at these
//! levels, or are rate-limited. With `debug`, each request and each message of Asterisk is a line,
//! in a span with the call's id.

use std::fmt;
use std::io::{self, Write};

use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

use originatord_core::clock::rfc3339;
use originatord_core::escape;

/// The target under which records are logged; `[log] filter` can name it.
pub(crate) const RECORDS: &str = "originatord::journal";

/// Format of the lines on stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

/// The settings of `[log]`.
#[derive(Debug)]
pub struct LogSettings {
    /// Format of the lines.
    pub format: LogFormat,
    /// Which lines are written, as `tracing_subscriber::EnvFilter` directives.
    pub filter: String,
}

/// Timestamps in the format of the records.
struct Timestamp;

impl FormatTime for Timestamp {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        writer.write_str(&rfc3339(std::time::SystemTime::now()))
    }
}

/// Escapes control and direction characters in the log's lines, because an error may contain a
/// peer's text.
struct Escaping<W> {
    output: W,
    format: LogFormat,
}

impl<W: Write> Write for Escaping<W> {
    /// Expects whole lines: tracing writes each line with one call.
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

/// The running log. A thread writes its lines. If nobody reads stdout, the thread's queue fills,
/// and further lines are dropped, so that no task blocks. Dropping this value writes the queue.
pub(crate) struct Logging {
    filter: Box<dyn Fn(EnvFilter) + Send + Sync>,
    _writer: WorkerGuard,
}

impl Logging {
    /// Starts logging as configured.
    pub(crate) fn start(log: &LogSettings) -> Self {
        let (stdout, guard) = tracing_appender::non_blocking(std::io::stdout());
        let format = log.format;
        let writer = move || Escaping { output: stdout.clone(), format };
        let builder = tracing_subscriber::fmt()
            .with_env_filter(filter(log))
            .with_timer(Timestamp)
            .with_writer(writer);
        // Replacing the filter fails only after the subscriber is gone.
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

    /// Applies the filter of a reloaded configuration.
    pub(crate) fn reload(&self, log: &LogSettings) {
        (self.filter)(filter(log));
    }
}

/// Parses the filter. `Config` has checked it, so no directive is lost.
fn filter(log: &LogSettings) -> EnvFilter {
    EnvFilter::builder().parse_lossy(&log.filter)
}

/// Whether the filter shows records on stdout.
pub(crate) fn shows_records() -> bool {
    tracing::enabled!(target: RECORDS, tracing::Level::INFO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_of_peers_are_escaped() {
        for (format, written) in
            [(LogFormat::Text, "a\\u{9b}2J\\u{202e}\n"), (LogFormat::Json, "a\\u009b2J\\u202e\n")]
        {
            let mut writer = Escaping { output: Vec::new(), format };
            writer.write_all("a\u{9b}2J\u{202e}\n".as_bytes()).expect("it is written");
            assert_eq!(writer.output, written.as_bytes());
        }
    }
}
