//! What the daemon says of itself on stdout, beside the records of the live log.

use std::fmt;

use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

use crate::config::{Log, LogFormat};
use crate::journal::record::rfc3339;

/// What records are logged as; `[log] filter` can name it.
pub const RECORDS: &str = "originatord::journal";

/// Timestamps as the records have them.
struct Timestamp;

impl FormatTime for Timestamp {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        writer.write_str(&rfc3339(std::time::SystemTime::now()))
    }
}

/// Starts logging as configured. What is logged while nobody reads stdout is dropped rather than waited for; the
/// guard writes the rest when it is dropped.
pub fn start(log: &Log) -> WorkerGuard {
    let (writer, guard) = tracing_appender::non_blocking(std::io::stdout());
    // The configuration was checked, so this is what it says.
    let filter = EnvFilter::builder().parse_lossy(&log.filter);
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_timer(Timestamp).with_writer(writer);
    match log.format {
        LogFormat::Text => builder.with_ansi(false).init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
    guard
}

/// Whether the filter lets the live log's records onto stdout.
pub fn shows_records() -> bool {
    tracing::enabled!(target: RECORDS, tracing::Level::INFO)
}
