//! What `originatord load` can be told.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::call::{CallerId, Lang};
use crate::commands::terminal::connection::CredentialArgs;
use crate::load::numbers::NumberRange;
use crate::load::plan::{Plan, SearchPlan};
use crate::load::run::RunParams;
use crate::load::schedule::Schedule;

/// The arguments of `originatord load`.
#[derive(Debug, Args)]
pub struct LoadArgs {
    /// Where the daemon is. There is no default: what is put under load is named.
    #[arg(long)]
    pub url: String,
    /// The host of the URL once more, if it is another machine than this one: that it is to be put
    /// under load on purpose.
    #[arg(long, value_name = "HOST")]
    pub allow_host: Option<String>,
    /// The numbers to call, all of one length, at most 1 000 000. Each is in one call at a time,
    /// and is called again when all others have been.
    #[arg(long, value_name = "FROM-TO")]
    pub numbers: NumberRange,
    /// Refuse to ask for more calls than this in all.
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub max_calls: u64,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    pub dry_run: bool,

    /// Calls asked for per second.
    #[arg(long, value_name = "N", default_value_t = 10.0, help_heading = "Load")]
    pub rate: f64,
    /// How long the rate stays.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration, help_heading = "Load")]
    pub duration: Duration,
    /// How long the rate grows from nothing before that.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = humantime::parse_duration, help_heading = "Load")]
    pub ramp: Duration,
    /// Most requests under way at once. Those that have to wait for it count from when they were to
    /// leave.
    #[arg(long, value_name = "N", default_value_t = 256, help_heading = "Load")]
    pub concurrency: usize,
    /// How long an answer may take.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration, help_heading = "Load")]
    pub timeout: Duration,

    /// Rooms that the calls are spread over, in turns.
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Calls")]
    pub rooms: u32,
    /// What the rooms' names begin with; a number follows.
    #[arg(long, value_name = "TEXT", default_value = "load-", help_heading = "Calls")]
    pub room_prefix: String,
    /// How the callees are presented.
    #[arg(long, value_name = "TEXT", default_value = "load", help_heading = "Calls")]
    pub caller_id: CallerId,
    /// The language of the prompts; without it the daemon's default.
    #[arg(long, value_name = "TAG", help_heading = "Calls")]
    pub lang: Option<Lang>,
    /// Hang up each call this long after it was answered; without it, at the end.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, help_heading = "Calls")]
    pub hold: Option<Duration>,
    /// How long calls may take, after the last request, to come into their rooms or to end. Then
    /// all that live are hung up.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = humantime::parse_duration, help_heading = "Calls")]
    pub linger: Duration,
    /// Leave alone what still lives at the end. Ctrl-C hangs it up all the same.
    #[arg(long, conflicts_with = "find_limit", help_heading = "Calls")]
    pub leave_calls: bool,

    /// Find the highest rate at which nothing fails: doubles --rate until something does, then
    /// halves the distance, to 5 %. Each step takes --ramp and --duration.
    #[arg(long, help_heading = "Limit")]
    pub find_limit: bool,
    /// With --find-limit, what the 99th percentile from POST to reply must not be over.
    #[arg(long, value_name = "TIME", default_value = "100ms", value_parser = humantime::parse_duration, help_heading = "Limit")]
    pub p99: Duration,
    /// With --find-limit, the highest rate that is tried.
    #[arg(long, value_name = "N", requires = "find_limit", help_heading = "Limit")]
    pub max_rate: Option<f64>,

    /// Write a report for programs.
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    pub json: Option<PathBuf>,
    /// Write a report for people: one page with charts, which asks nobody for anything.
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    pub html: Option<PathBuf>,

    #[command(flatten)]
    pub credentials: CredentialArgs,
}

impl LoadArgs {
    /// The plan that these arguments ask for, not checked yet.
    pub fn plan(&self) -> Plan {
        let schedule = Schedule { rate: self.rate, ramp: self.ramp, duration: self.duration };
        let search = SearchPlan { p99: self.p99, max_rate: self.max_rate };
        Plan {
            url: self.url.clone(),
            numbers: self.numbers,
            rooms: self.rooms,
            room_prefix: self.room_prefix.clone(),
            caller_id: self.caller_id.clone(),
            lang: self.lang.clone(),
            params: RunParams {
                schedule,
                concurrency: self.concurrency,
                hold: self.hold,
                linger: self.linger,
                leaves_calls: self.leave_calls,
            },
            timeout: self.timeout,
            max_calls: self.max_calls,
            search: self.find_limit.then_some(search),
        }
    }
}

/// The end of the help of `load`.
pub const HELP: &str = "\
Ctrl-C ends it in order: nothing more is asked for, what was started is hung up, and the summary is \
printed. A second one leaves at once.

Exit codes:
  0    all requests were accepted, and no call failed
  1    some were not, or did, or calls were left behind
  64   the command line is wrong, or names nothing on purpose
  66   the key file cannot be read
  69   the daemon cannot be reached, or can make no calls
  73   a report cannot be written
  77   the daemon does not know this key
  130  ended by Ctrl-C (or SIGTERM, SIGHUP)";
