//! `originatord serve`: starts the parts of the daemon, and stops them after a signal.

mod journal;
mod stop;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

use sd_notify::NotifyState;
use tokio::sync::watch;
use tokio::time::Duration;

use self::stop::{Running, StopTimes};
use crate::config::{Config, Problem};
use crate::driver::Driver;
use crate::exit::{EX_CONFIG, EX_OSERR, EX_UNAVAILABLE};
use crate::history::History;
use crate::http::auth::{Authenticator, Keys};
use crate::http::drain::Drain;
use crate::http::routes::routes;
use crate::http::server::{self, Limits};
use crate::http::{self, Api, Services, tls};
use crate::journal::sink::{Replay, Writer};
use crate::logging::Logging;
use crate::metrics::ReaderKind;
use crate::open_files;
use crate::reload::{Reload, RestartOnly};
use crate::signals::{SignalAction, Signals};
use crate::state::{Started, State};
use originatord_core::clock::Now;
use originatord_core::engine::{EarlierRuns, Engine};
use originatord_core::record::Event;
use originatord_net::connector::Connector;

/// The arguments of `originatord serve`.
#[derive(Debug, clap::Args)]
pub(super) struct ServeArgs {
    /// The configuration; config.toml.example explains each key.
    #[arg(long, value_name = "FILE", default_value = "config.toml")]
    config: PathBuf,
}

/// The end of the help of `serve`.
pub(super) const HELP: &str = "\
SIGTERM and SIGINT stop the daemon in order; a second one stops it at once. SIGHUP makes it read the
configuration again.

Exit codes:
  0    stopped by a signal
  64   the command line is wrong
  69   the address cannot be used
  71   the operating system refuses something
  78   the configuration is wrong";

/// How long a client may keep a connection waiting: during a TLS handshake, for a request's
/// headers, before its first request with a valid key, or by not reading.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(10);

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
pub(super) async fn run(args: &ServeArgs) -> ExitCode {
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
    let (tls, tls_updates) = tls.map(watch::channel).unzip();
    let replay = config.journal.file.as_ref().map(journal::replay).unwrap_or_default();
    let history = config.history.clone().map(History::new);
    let (journal, writers) = journal::journal(config, &replay, history.as_ref())?;
    let started = Event::DaemonStarted {
        version: env!("CARGO_PKG_VERSION"),
        instance: config.instance.clone(),
    };
    journal.append([(SystemTime::now(), started, None)]);

    let mut engine = Engine::new(config.engine(), fastrand::Rng::new(), Now::read());
    let Replay { last_event, recorded_until, .. } = replay;
    engine.remember(
        Now::read(),
        EarlierRuns {
            calls: replay.open.into_calls(),
            rooms: replay.rooms.into_rooms(),
            last_event,
            recorded_until,
        },
    );
    engine.remember_attempts(Now::read(), &replay.attempts);
    let Started { state, rooms, thread: state_thread } =
        State::start(config.state.clone(), journal.clone())?;
    engine.keep_rooms(Now::read(), rooms);
    let (driver, handle) = Driver::new(engine, connector, journal.clone(), state.clone());
    let driver = tokio::spawn(driver.run());

    let max_connections = max_connections(config.http.max_connections);
    let services = Services {
        handle: handle.clone(),
        journal: journal.clone(),
        history,
        erasers: writers.iter().map(Writer::eraser).collect(),
        state: state.clone(),
    };
    let authenticator = Authenticator::new(Keys::new(&config.api_keys), listen);
    let api = Arc::new(Api::new(services, authenticator, config.api_settings(max_connections)));
    tokio::spawn(http::stats::gather(
        journal.from_start().of_kind(ReaderKind::Stats),
        api.stats().clone(),
    ));
    let started_with = RestartOnly::of(config);
    let file_checks = writers.iter().map(Writer::file_check).collect();
    let reload = Reload {
        path: path.to_owned(),
        api: api.clone(),
        tls,
        logging,
        file_checks,
        state: state.clone(),
        started_with,
    };
    let stop_times = StopTimes::within(config.http.drain_timeout);
    let limits = Limits {
        max_connections,
        client_timeout: CLIENT_TIMEOUT,
        keep_alive: config.http.keep_alive,
        drain_timeout: stop_times.clients,
    };
    let requests = Drain::default();
    tracing::info!(address = %listener.local_addr()?, "listening");
    let server =
        tokio::spawn(server::serve(listener, tls_updates, routes(api), limits, requests.clone()));
    notify(NotifyState::Ready);

    let signal = loop {
        match signals.next().await {
            SignalAction::Stop(signal) => break signal,
            SignalAction::Reload => {
                notify(NotifyState::Reloading);
                reload.reload();
                notify(NotifyState::Ready);
            }
        }
    };
    notify(NotifyState::Stopping);
    let threads = writers.into_iter().map(|writer| writer.thread).chain(state_thread).collect();
    let running = Running { handle, driver, server, requests, journal, state, threads };
    tokio::select! {
        () = running.stop(signal, stop_times) => {}
        signal = signals.stop() => tracing::warn!(signal, "second stop signal: exiting at once"),
    }
    Ok(())
}

/// The configured number of connections, or fewer if the system allows fewer open files.
fn max_connections(wanted: usize) -> usize {
    let max_connections = open_files::raise_limit(wanted);
    if max_connections < wanted {
        tracing::warn!(
            wanted,
            max_connections,
            "the system's limit on open files is too low for http.max_connections"
        );
    }
    max_connections
}

/// Reports the state of the daemon to the service manager, if there is one.
fn notify(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::debug!(%error, "the service manager cannot be notified");
    }
}
