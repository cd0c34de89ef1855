//! `originatord load`: the command around the load generator.

mod args;

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

use secrecy::SecretString;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

pub(super) use self::args::{HELP, LoadArgs};
use super::terminal::CommandError;
use crate::exit::{EX_CANTCREAT, EX_OSERR, EX_UNAVAILABLE, EX_USAGE, INTERRUPTED};
use originatord_load::connect::{Interrupts, StartError};
use originatord_load::plan::{Plan, PlanError};
use originatord_load::progress::Progress;
use originatord_load::report::{self, Report};
use originatord_load::runner::{RunError, Runner};
use originatord_net::client::Client;

/// The exit code if a request was not accepted, a call failed, or calls were left alive.
const FAILURES: u8 = 1;

/// Why the load test has no result.
#[derive(Debug, thiserror::Error)]
enum LoadError {
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error("{0}: {1}")]
    Report(String, io::Error),
    #[error(transparent)]
    Daemon(#[from] CommandError),
    #[error(transparent)]
    Run(#[from] RunError),
}

impl LoadError {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Plan(_) => EX_USAGE,
            Self::Report(..) => EX_CANTCREAT,
            Self::Daemon(error) => error.exit_code(),
            Self::Run(RunError::Unreachable(_)) => EX_UNAVAILABLE,
            Self::Run(RunError::Abandoned(_)) => INTERRUPTED,
            Self::Run(RunError::System(_)) => EX_OSERR,
        }
    }
}

impl From<StartError> for LoadError {
    fn from(error: StartError) -> Self {
        Self::Daemon(match error {
            StartError::Client(error) => error.into(),
            StartError::Unauthorized => CommandError::Unauthorized,
            StartError::Unavailable(why) => CommandError::Unavailable(why),
        })
    }
}

/// Runs the load test, and prints its summary.
pub(super) async fn run(args: LoadArgs) -> ExitCode {
    match load(&args).await {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("originatord load: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

async fn load(args: &LoadArgs) -> Result<u8, LoadError> {
    let plan = Arc::new(args.plan().check(args.allow_host.as_deref())?);
    let mut progress = Progress::new(io::stderr(), io::stderr().is_terminal());
    progress.note(format!("originatord load\n{plan}").trim_end());
    if args.dry_run {
        return Ok(0);
    }
    let no_key =
        || CommandError::Usage("give an API key with --key-file or ORIGINATORD_KEY".into());
    let key = args.credentials.key()?.ok_or_else(no_key)?;
    // A report that cannot be written is an error before the load, not after it.
    for file in [&args.json, &args.html].into_iter().flatten() {
        can_be_written(file)
            .map_err(|error| LoadError::Report(file.display().to_string(), error))?;
    }
    let mut runner = runner(args, plan.clone(), key, progress).await?;
    let started = SystemTime::now();
    let report = match plan.search {
        None => Report::of_run(started, &plan, runner.run(plan.params, |_| false).await?),
        Some(search) => Report::of_search(started, &plan, runner.find_limit(search).await?),
    };
    runner.end_progress();
    let _: io::Result<()> = write!(io::stdout(), "{}", report::text(&report));
    for (file, write) in
        [(&args.json, report::json as fn(&Report) -> String), (&args.html, report::html)]
    {
        if let Some(file) = file {
            let written = std::fs::write(file, write(&report));
            written.map_err(|error| LoadError::Report(file.display().to_string(), error))?;
        }
    }
    Ok(match (report.interrupted, report.is_good()) {
        (true, _) => INTERRUPTED,
        (false, true) => 0,
        (false, false) => FAILURES,
    })
}

fn can_be_written(file: &Path) -> io::Result<()> {
    std::fs::OpenOptions::new().create(true).append(true).open(file).map(drop)
}

async fn runner(
    args: &LoadArgs,
    plan: Arc<Plan>,
    key: SecretString,
    progress: Progress,
) -> Result<Runner, LoadError> {
    let client = || Client::new(&args.url, Some(key.clone()), args.credentials.ca_file.as_deref());
    let interrupts = interrupts().map_err(RunError::System)?;
    Ok(Runner::connect(client, plan, &key, interrupts, progress).await?)
}

/// Sends a message for each SIGINT, SIGTERM and SIGHUP, which no longer end the process by
/// themselves.
///
/// A separate task waits for the signals, so that each turn of the runner polls one channel instead
/// of three signals.
fn interrupts() -> io::Result<Interrupts> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let (sender, interrupts) = mpsc::channel(2);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
            if sender.send(()).await.is_err() {
                return;
            }
        }
    });
    Ok(interrupts)
}

#[cfg(test)]
mod tests;
