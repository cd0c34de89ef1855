//! The arguments of `originatord load`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::commands::terminal::connection::CredentialArgs;
use originatord_core::call::{CallerId, Lang};
use originatord_load::numbers::NumberRange;
use originatord_load::plan::{Plan, SearchPlan};
use originatord_load::run::RunParams;
use originatord_load::schedule::Schedule;

/// The arguments of `originatord load`.
#[derive(Debug, Args)]
pub(crate) struct LoadArgs {
    /// URL of the daemon. It has no default, so that no daemon is put under load by mistake.
    #[arg(long)]
    pub url: String,
    /// Host of the URL once more; required unless it is this machine.
    #[arg(long, value_name = "HOST")]
    pub allow_host: Option<String>,
    /// Range of numbers to call, all of one length, at most 1 000 000. Each number is in one call
    /// at a time, and is called again once all others have been called.
    #[arg(long, value_name = "FROM-TO")]
    pub numbers: NumberRange,
    /// Maximum of calls in the whole test.
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub max_calls: u64,
    /// Print the plan and do nothing else.
    #[arg(long)]
    pub dry_run: bool,

    /// Calls to request per second.
    #[arg(long, value_name = "N", default_value_t = 10.0, help_heading = "Load")]
    pub rate: f64,
    /// How long the rate stays constant.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration, help_heading = "Load")]
    pub duration: Duration,
    /// How long the rate grows from zero before it stays constant.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = humantime::parse_duration, help_heading = "Load")]
    pub ramp: Duration,
    /// Maximum of simultaneous requests. The times of a request that has to wait count from its
    /// scheduled time.
    #[arg(long, value_name = "N", default_value_t = 256, help_heading = "Load")]
    pub concurrency: usize,
    /// How long a reply may take.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration, help_heading = "Load")]
    pub timeout: Duration,

    /// Number of rooms; the calls use them in turn.
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Calls")]
    pub rooms: u32,
    /// Prefix of the rooms' names; a number from 1 follows it.
    #[arg(long, value_name = "TEXT", default_value = "load-", help_heading = "Calls")]
    pub room_prefix: String,
    /// Name of the callees in the room.
    #[arg(long, value_name = "TEXT", default_value = "load", help_heading = "Calls")]
    pub caller_id: CallerId,
    /// Language of the prompts; without it, the daemon's default.
    #[arg(long, value_name = "TAG", help_heading = "Calls")]
    pub lang: Option<Lang>,
    /// Hang up each call this long after it was answered; by default, at the end of the test.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, help_heading = "Calls")]
    pub hold: Option<Duration>,
    /// How long calls may take, after the last request, to join their rooms or to end. Then the
    /// test hangs up the live ones.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = humantime::parse_duration, help_heading = "Calls")]
    pub linger: Duration,
    /// Leave live calls alone at the end. Ctrl-C still hangs them up.
    #[arg(long, conflicts_with = "find_limit", help_heading = "Calls")]
    pub leave_calls: bool,

    /// Find the highest rate at which nothing fails: double --rate until a request or call fails,
    /// then bisect to 5 %. Each step takes --ramp and --duration.
    #[arg(long, help_heading = "Limit")]
    pub find_limit: bool,
    /// With --find-limit, upper limit of the 99th percentile from POST to reply.
    #[arg(long, value_name = "TIME", default_value = "100ms", value_parser = humantime::parse_duration, help_heading = "Limit")]
    pub p99: Duration,
    /// With --find-limit, the highest rate to try.
    #[arg(long, value_name = "N", requires = "find_limit", help_heading = "Limit")]
    pub max_rate: Option<f64>,

    /// Write a report as JSON.
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    pub json: Option<PathBuf>,
    /// Write a report as an HTML page with charts, which loads nothing from elsewhere.
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    pub html: Option<PathBuf>,

    #[command(flatten)]
    pub credentials: CredentialArgs,
}

impl LoadArgs {
    /// The plan that these arguments describe, without its check.
    pub(crate) fn plan(&self) -> Plan {
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
pub(crate) const HELP: &str = "\
Ctrl-C stops the test: it sends no more requests, hangs up the calls that it started, and prints the \
summary. A second Ctrl-C exits at once.

Exit codes:
  0    all requests were accepted, and no call failed
  1    a request was not accepted, a call failed, or calls were left alive
  64   the command line is wrong, or does not allow the host
  66   the key file cannot be read
  69   the daemon cannot be reached, or cannot make calls
  73   a report cannot be written
  77   the daemon does not know this key
  130  stopped by Ctrl-C (or SIGTERM, SIGHUP)";
