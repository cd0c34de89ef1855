//! `originatord load`: puts an Asterisk under load through a running daemon, and tells what it
//! could take.
//!
//! The model is open: when requests leave is fixed beforehand ([`schedule`]), and no answer that is
//! late holds the next one up. Times count from the moment a request was to leave, so that what
//! waited is not left out. Each call is followed in the daemon's event stream to its end
//! ([`calls`]), on our own clock: a step has happened when its record has arrived here.
//!
//! What is decided is pure: [`mod@run`] says what to do when, and is told what came of it;
//! [`mod@runner`] does it.

pub mod args;
pub mod calls;
pub mod latency;
pub mod limit;
pub mod numbers;
pub mod pacer;
pub mod plan;
pub mod progress;
pub mod record;
pub mod report;
pub mod requests;
pub mod run;
pub mod runner;
pub mod schedule;
pub mod tally;
pub mod timeline;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use secrecy::SecretString;

pub use self::args::{EXIT_CODES, LoadArgs};
use self::limit::Search;
use self::numbers::Numbers;
use self::plan::{Plan, PlanError, SearchPlan};
use self::progress::Progress;
use self::report::{Found, Report, Step};
use self::requests::Requests;
use self::run::Course;
use self::runner::{Broken, FromLog, Interrupts, Runner, follow};
use self::schedule::Schedule;
use self::tally::Tally;
use crate::client::live_log::{LiveLog, Refused};
use crate::client::pool::Pool;
use crate::client::{self, Client, ClientError};
use crate::exit::{EX_CANTCREAT, EX_NOINPUT, EX_NOPERM, EX_OSERR, EX_UNAVAILABLE, EX_USAGE};

/// Some request was not accepted, or some call failed.
const FAILURES: u8 = 1;

/// As a shell says it of a program that SIGINT has ended.
const INTERRUPTED: u8 = 130;

/// How long an Asterisk may rest between two steps of a search.
const REST: Duration = Duration::from_secs(1);

/// Longest reason for not being ready that is taken, in bytes.
const MAX_REASON: usize = 16 * 1024;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
enum LoadError {
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error("give an API key with --key-file or ORIGINATORD_KEY")]
    NoKey,
    #[error("{0}")]
    Usage(ClientError),
    #[error("{0}: {1}")]
    KeyFile(String, io::Error),
    #[error("{0}: {1}")]
    Report(String, io::Error),
    #[error("the daemon does not know this key; give one with --key-file or ORIGINATORD_KEY")]
    Unauthorized,
    #[error("{0}")]
    Unavailable(String),
    #[error(transparent)]
    Broken(#[from] Broken),
}

impl LoadError {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Plan(_) | Self::NoKey | Self::Usage(_) => EX_USAGE,
            Self::KeyFile(..) => EX_NOINPUT,
            Self::Report(..) => EX_CANTCREAT,
            Self::Unauthorized => EX_NOPERM,
            Self::Unavailable(_) | Self::Broken(Broken::Unreachable(_)) => EX_UNAVAILABLE,
            Self::Broken(Broken::Abandoned(_)) => INTERRUPTED,
            Self::Broken(Broken::System(_)) => EX_OSERR,
        }
    }
}

/// Does what was asked for, and prints what came of it.
pub async fn run(args: LoadArgs) -> ExitCode {
    match load(&args).await {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("originatord load: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

async fn load(args: &LoadArgs) -> Result<u8, LoadError> {
    let plan = Arc::new(Plan::new(args)?);
    progress::say(&format!("originatord load\n{plan}"));
    if args.dry_run {
        return Ok(0);
    }
    let key = client::key(args.key_file.as_deref()).map_err(|error| {
        let file = args.key_file.as_deref().unwrap_or(Path::new("ORIGINATORD_KEY"));
        LoadError::KeyFile(file.display().to_string(), error)
    })?;
    let key = key.ok_or(LoadError::NoKey)?;
    // Better now than after the load.
    for file in [&args.json, &args.html].into_iter().flatten() {
        can_be_written(file)
            .map_err(|error| LoadError::Report(file.display().to_string(), error))?;
    }
    let mut runner = runner(args, plan.clone(), key).await?;
    let started = SystemTime::now();
    let report = match plan.search {
        None => Report::of_run(started, &plan, runner.run(plan.course, |_| false).await?),
        Some(search) => {
            let found = find_limit(&mut runner, search).await?;
            Report::of_search(started, &plan, found)
        }
    };
    runner.progress.end();
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

/// Everything that runs need, once the daemon says that calls can be made.
async fn runner(args: &LoadArgs, plan: Arc<Plan>, key: SecretString) -> Result<Runner, LoadError> {
    let client = || {
        Client::new(&args.url, Some(key.clone()), args.ca_file.as_deref()).map_err(LoadError::Usage)
    };
    let interrupts = Interrupts::new().map_err(Broken::System)?;
    be_ready(&client()?).await?;
    let mut from_log = follow(LiveLog::new(client()?, None), plan.ours());
    // Only once the log is followed is nothing missed.
    match from_log.recv().await {
        Some(FromLog::Steps(_)) => {}
        Some(FromLog::Refused(Refused::Unauthorized)) => return Err(LoadError::Unauthorized),
        Some(FromLog::Refused(refused)) => return Err(LoadError::Unavailable(refused.to_string())),
        Some(FromLog::Lost(lost)) => return Err(LoadError::Unavailable(lost)),
        Some(FromLog::Gap) | None => {
            return Err(LoadError::Unavailable("the log is not to be had".to_owned()));
        }
    }
    let requests = Requests::new(&plan, Pool::new(client()?), &key);
    let (numbers, progress) = (Numbers::new(plan.numbers), Progress::to_stderr());
    Ok(Runner { plan, requests, from_log, is_deaf: false, interrupts, progress, numbers })
}

/// Asks the daemon whether calls can be made.
async fn be_ready(client: &Client) -> Result<(), LoadError> {
    let unavailable = |error: ClientError| LoadError::Unavailable(error.to_string());
    let mut request = Request::new(Full::from(Bytes::new()));
    *request.uri_mut() = "/readyz".parse().unwrap_or_default();
    let response = client.send(request).await.map_err(unavailable)?;
    if response.status() == StatusCode::OK {
        return Ok(());
    }
    let status = response.status();
    let body = Limited::new(response.into_body(), MAX_REASON).collect().await;
    let body = body
        .map(|body| String::from_utf8_lossy(&body.to_bytes()).trim().to_owned())
        .unwrap_or_default();
    Err(LoadError::Unavailable(format!("the daemon is not ready: {status} {body}")))
}

/// Tries rate after rate.
async fn find_limit(runner: &mut Runner, plan: SearchPlan) -> Result<Found, LoadError> {
    let course = runner.plan.course;
    let mut search = Search::new(course.schedule.rate, plan.max_rate);
    let (mut found, mut asked) = (Found::default(), 0);
    while let Some(rate) = search.next() {
        let course = Course { schedule: Schedule { rate, ..course.schedule }, ..course };
        let count = course.schedule.count();
        if asked + count > runner.plan.max_calls {
            runner.progress.note(&format!(
                "-- the search ends here: {count} calls more would be over --max-calls"
            ));
            break;
        }
        runner.progress.begin(format!("{rate:>9.1}/s "));
        // A step that is lost is not played to its end.
        let is_lost =
            |tally: &Tally| tally.failures() > 0 || tally.reply.count_above(plan.p99) * 100 > count;
        let finished = match runner.run(course, is_lost).await {
            // The daemon has not outlived the last step: that is a result.
            Err(Broken::Unreachable(why)) if !found.steps.is_empty() => {
                runner.progress.note(&format!("-- the search ends here: {why}"));
                break;
            }
            finished => finished?,
        };
        asked += finished.tally.sent;
        let step = Step::of(&finished, plan.p99);
        runner.progress.note(&step.to_string());
        search.took(step.held);
        found.interrupted = finished.interrupted;
        let has_too_few_numbers = finished.tally.held_back > 0;
        found.add(step, finished);
        if found.interrupted || has_too_few_numbers {
            break;
        }
        tokio::select! {
            () = tokio::time::sleep(REST) => {}
            () = runner.interrupts.next() => {
                found.interrupted = true;
                break;
            }
        }
    }
    Ok(found)
}
