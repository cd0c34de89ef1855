//! From the start of the daemon to its end: who is started in which order, and who is waited for.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use sd_notify::NotifyState;
use tokio::sync::watch;
use tokio::time::{Duration, Instant, sleep, timeout_at};

use crate::clock::Now;
use crate::config::{Config, JournalFile, Problem};
use crate::connector::Connector;
use crate::driver::Driver;
use crate::engine::{EarlierRuns, Engine};
use crate::exit::{EX_CONFIG, EX_OSERR, EX_UNAVAILABLE};
use crate::history::{History, HistorySink};
use crate::http::drain::Drain;
use crate::http::server::{self, Limits};
use crate::http::{self, Api};
use crate::journal::Journal;
use crate::journal::sink::{self, FileSink, Past, StdoutSink, Writer};
use crate::logging::{self, Logging};
use crate::metrics::ReaderKind;
use crate::open_files;
use crate::record::Event;
use crate::reload::{Fixed, Reload};
use crate::signals::{Asked, Signals};
use crate::tls;

/// The arguments of `originatord serve`.
#[derive(Debug, clap::Args)]
pub struct ServeArgs {
    /// The configuration; config.toml.example explains each key.
    #[arg(long, value_name = "FILE", default_value = "config.toml")]
    config: PathBuf,
}

/// The end of the help of `serve`.
pub const HELP: &str = "\
SIGTERM and SIGINT end it in order, a second one at once. SIGHUP has it read the configuration again.

Exit codes:
  0    ended as it was told to
  64   the command line is wrong
  69   the address is taken
  71   the operating system refuses
  78   the configuration is wrong";

/// How long a client may hold up its connection: by a TLS handshake, by a request's headers, by
/// sending nothing before it was served for a valid key, or by taking nothing in.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long clients may take at most, once the engine has answered everything, to send and take in
/// the rest. Bots wait no longer, and an operator's page that has stopped reading must not hold up
/// a restart.
const LAST_BYTES: Duration = Duration::from_secs(2);

/// How long the writers of the log are waited for at most, at the end.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Why the daemon does not start.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("cannot listen on {0}: {1}")]
    Listen(std::net::SocketAddr, io::Error),
    #[error("TLS: {0}")]
    Tls(io::Error),
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
}

/// Runs the daemon until a signal stops it.
pub async fn run(args: &ServeArgs) -> ExitCode {
    let config = match Config::load(&args.config) {
        Ok(config) => config,
        Err(problems) => {
            eprintln!("{problems}");
            return ExitCode::from(EX_CONFIG);
        }
    };
    let logging = Logging::start(&config.log);
    for Problem { line, text } in config.placeholders.iter().chain(&config.warnings) {
        tracing::warn!(line, "{text}");
    }
    match serve(&args.config, &config, logging).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("originatord: {error}");
            ExitCode::from(match error {
                StartError::Listen(..) => EX_UNAVAILABLE,
                StartError::Tls(_) => EX_CONFIG,
                StartError::System(_) => EX_OSERR,
            })
        }
    }
}

async fn serve(path: &Path, config: &Config, logging: Logging) -> Result<(), StartError> {
    let mut signals = Signals::new()?;
    let listen = config.http.listen;
    let listener = server::listen(listen).map_err(|error| StartError::Listen(listen, error))?;
    let connector = Connector::new(&config.asterisk.address, config.asterisk.tls.as_ref())
        .map_err(StartError::Tls)?;
    let tls =
        config.http.tls.as_ref().map(tls::server_config).transpose().map_err(StartError::Tls)?;
    let (tls, tls_taken) = tls.map(watch::channel).unzip();
    let past = config.journal.file.as_ref().map(past).unwrap_or_default();
    let history = config.history.clone().map(History::new);
    let (journal, writers) = journal(config, &past, history.as_ref())?;
    let started = Event::DaemonStarted {
        version: env!("CARGO_PKG_VERSION"),
        instance: config.instance.clone(),
    };
    journal.append([(SystemTime::now(), started, None)]);

    let mut engine = Engine::new(config.engine(), fastrand::Rng::new(), Now::read());
    let Past { last_heard, recorded_until, .. } = past;
    engine.remember(
        Now::read(),
        EarlierRuns { calls: past.open.into_calls(), last_heard, recorded_until },
    );
    engine.remember_attempts(Now::read(), &past.attempts);
    let (driver, handle) = Driver::new(engine, connector, journal.clone());
    let mut driver = tokio::spawn(driver.run());

    let max_connections = max_connections(config.http.max_connections);
    let mut api = Api::new(handle.clone(), journal.clone(), config, max_connections);
    api.history = history;
    api.erasers = writers.iter().map(Writer::eraser).collect();
    let api = Arc::new(api);
    tokio::spawn(http::stats::gather(
        journal.from_start().of_kind(ReaderKind::Stats),
        api.stats.clone(),
    ));
    let started_with = Fixed::of(config);
    let nudges = writers.iter().map(Writer::nudge).collect();
    let reload =
        Reload { path: path.to_owned(), api: api.clone(), tls, logging, nudges, started_with };
    let time = StopTime::within(config.http.drain_timeout);
    let limits = Limits {
        max_connections,
        patience: PATIENCE,
        keep_alive: config.http.keep_alive,
        drain_timeout: time.last_bytes,
    };
    let requests = Drain::default();
    tracing::info!(address = %listener.local_addr()?, "listening");
    let server = tokio::spawn(server::serve(
        listener,
        tls_taken,
        http::routes(api),
        limits,
        requests.clone(),
    ));
    notify(NotifyState::Ready);

    let signal = loop {
        match signals.next().await {
            Asked::Stop(signal) => break signal,
            Asked::Reload => {
                notify(NotifyState::Reloading);
                reload.reload();
                notify(NotifyState::Ready);
            }
        }
    };
    notify(NotifyState::Stopping);
    let give_up = Instant::now() + time.answers;
    journal.append([(SystemTime::now(), Event::DaemonStopping { reason: signal.into() }, None)]);
    let drain = async {
        // New calls are refused, requests under way answered; then the event streams end, and with
        // them the connections. The journal is open until then, as an erasure waits for its
        // writers.
        let _ = timeout_at(give_up, handle.stop()).await;
        let _ = timeout_at(give_up, &mut driver).await;
        let _ = timeout_at(give_up, requests.answered()).await;
        requests.give_up();
        journal.close();
        requests.end_connections();
        if let Ok(cut @ 1..) = server.await {
            tracing::warn!(cut, "connections were cut at the deadline");
        }
        finish(writers, time.last_words).await;
    };
    tokio::select! {
        () = drain => {}
        again = signals.stop() => tracing::warn!(signal = again, "told to stop again: leaving at once"),
    }
    Ok(())
}

/// As many connections as configured, or as the system lets us have files open.
fn max_connections(wanted: usize) -> usize {
    let max_connections = open_files::make_room(wanted);
    if max_connections < wanted {
        tracing::warn!(
            wanted,
            max_connections,
            "the system's limit on open files is too low for http.max_connections"
        );
    }
    max_connections
}

/// What a stop spends its time on, one after the other.
#[derive(Debug, Clone, Copy)]
struct StopTime {
    /// Answers that are still due.
    answers: Duration,
    /// Clients that take in the rest.
    last_bytes: Duration,
    /// Those who write the log.
    last_words: Duration,
}

impl StopTime {
    /// All of it within `drain_timeout`.
    fn within(drain_timeout: Duration) -> Self {
        let (last_bytes, last_words) =
            (LAST_BYTES.min(drain_timeout / 4), LAST_WORDS.min(drain_timeout / 4));
        Self { answers: drain_timeout - last_bytes - last_words, last_bytes, last_words }
    }
}

/// What earlier runs wrote down. A disk that fails keeps nobody from calling.
fn past(file: &JournalFile) -> Past {
    const UNREADABLE: &str = "the log of earlier runs cannot be read";
    let past = Past::read(file).unwrap_or_else(|error| {
        tracing::error!(path = %file.path.display(), %error, "{UNREADABLE}");
        Past::default()
    });
    for (path, error) in &past.unreadable {
        tracing::error!(path = %path.display(), %error, "{UNREADABLE}");
    }
    past
}

/// The log, and the threads that write it down.
fn journal(
    config: &Config,
    past: &Past,
    history: Option<&History>,
) -> io::Result<(Journal, Vec<Writer>)> {
    let file = config.journal.file.as_ref();
    let boot = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
    let journal = Journal::new(config.journal.ring, past.last_seq + 1, boot, past.is_whole);
    let journal = journal.masking(config.privacy.mask_numbers);
    let mut writers = Vec::new();
    let stdout = StdoutSink::new(io::stdout(), config.log.format, logging::shows_records);
    writers.push(sink::spawn(
        "journal-stdout",
        journal.from_start().of_kind(ReaderKind::Stdout),
        stdout,
    )?);
    if let Some(file) = file {
        let file = FileSink::new(file.clone(), journal.clone()).carrying(past.open.clone());
        writers.push(sink::spawn(
            "journal-file",
            journal.from_start().of_kind(ReaderKind::File),
            file,
        )?);
    }
    if let Some(history) = history {
        let sink = HistorySink::new(history.clone(), journal.clone(), past.last_time);
        writers.push(sink::spawn(
            "history",
            journal.from_start().of_kind(ReaderKind::History),
            sink,
        )?);
    }
    Ok((journal, writers))
}

/// Gives the log's writers the time to write the rest; one that is held up is left behind.
async fn finish(writers: Vec<Writer>, time: Duration) {
    let give_up = Instant::now() + time;
    while Instant::now() < give_up && !writers.iter().all(|writer| writer.thread.is_finished()) {
        sleep(Duration::from_millis(5)).await;
    }
}

/// Without a service manager there is nobody to notify.
fn notify(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::debug!(%error, "the service manager cannot be notified");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_takes_no_longer_than_it_may() {
        for drain_timeout in [100, 1_000, 4_000, 10_000, 3_600_000].map(Duration::from_millis) {
            let StopTime { answers, last_bytes, last_words } = StopTime::within(drain_timeout);
            assert_eq!(answers + last_bytes + last_words, drain_timeout);
            assert!(
                answers >= drain_timeout / 2
                    && last_bytes <= LAST_BYTES
                    && last_words <= LAST_WORDS
            );
        }
    }
}
