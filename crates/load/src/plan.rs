//! The plan of a load test, with the limits of each value.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use hyper::Uri;
use serde::{Serialize, Serializer};

use super::numbers::NumberRange;
use super::record::CallMatcher;
use super::run::RunParams;
use super::schedule::Schedule;
use originatord_core::call::{CallerId, Invalid, Lang, Room};

/// Highest rate, in requests a second.
const MAX_RATE: f64 = 100_000.0;

/// Longest ramp or duration.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// The plan of a load test. [`Plan::check`] has to pass before it is used.
#[derive(Debug, Clone)]
pub struct Plan {
    pub url: String,
    pub numbers: NumberRange,
    pub rooms: u32,
    /// Beginning of the rooms' names.
    pub room_prefix: String,
    /// Caller id of the calls.
    pub caller_id: CallerId,
    /// Language of the prompts; none for the daemon's default.
    pub lang: Option<Lang>,
    /// Parameters of the run, or of the first run of a search.
    pub params: RunParams,
    /// How long a reply may take.
    pub timeout: Duration,
    /// Maximum of requests in all runs together.
    pub max_calls: u64,
    /// Conditions of a search for the limit; none for a single run.
    pub search: Option<SearchPlan>,
}

/// Conditions of a search for the highest rate.
#[derive(Debug, Clone, Copy)]
pub struct SearchPlan {
    /// Upper limit of the 99th percentile from POST to reply.
    pub p99: Duration,
    /// Highest rate to try.
    pub max_rate: Option<f64>,
}

/// Why a plan is refused.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The host is another machine, and was not allowed explicitly.
    #[error("{0} is not this machine; to put it under load, add --allow-host {0}")]
    Host(String),
    /// A host was allowed that is not the one of the URL.
    #[error("--allow-host {0} is not the host of {1}")]
    OtherHost(String, String),
    /// The URL is invalid.
    #[error("{0} is not a URL like http://127.0.0.1:8080")]
    Url(String),
    /// A value is out of its bounds.
    #[error("{0} must be {1}")]
    Bounds(&'static str, String),
    /// The prefix does not give valid names of rooms.
    #[error("--room-prefix: a {0}")]
    Room(#[from] Invalid),
    /// The plan has more requests than allowed.
    #[error("this asks for {0} calls, which is more than --max-calls {1}")]
    TooMany(u64, u64),
}

impl Plan {
    /// Checks every value, and brings the URL and the rooms' prefix into the form that the daemon
    /// uses. `allowed_host` names the host of the URL once more, if that is not this machine.
    ///
    /// # Errors
    ///
    /// A value is out of its bounds, or the host was not allowed.
    pub fn check(mut self, allowed_host: Option<&str>) -> Result<Self, PlanError> {
        check_host(&self.url, allowed_host)?;
        let RunParams { schedule, concurrency, linger, .. } = self.params;
        let bounds = |holds: bool, name, range: &str| match holds {
            true => Ok(()),
            false => Err(PlanError::Bounds(name, range.to_owned())),
        };
        let is_rate = |rate: f64| rate > 0.0 && rate <= MAX_RATE;
        let max_rate = self.search.and_then(|search| search.max_rate);
        bounds(is_rate(schedule.rate), "--rate", "over 0 and at most 100000")?;
        bounds(max_rate.is_none_or(is_rate), "--max-rate", "over 0 and at most 100000")?;
        bounds(
            !schedule.duration.is_zero() && schedule.duration <= LONGEST,
            "--duration",
            "over 0s and at most 24h",
        )?;
        bounds(schedule.ramp <= LONGEST, "--ramp", "at most 24h")?;
        bounds((1..=10_000).contains(&concurrency), "--concurrency", "1 to 10000")?;
        let timeouts = Duration::from_millis(1)..=Duration::from_secs(25);
        bounds(timeouts.contains(&self.timeout), "--timeout", "1ms to 25s")?;
        bounds((1..=1_000_000).contains(&self.rooms), "--rooms", "1 to 1000000")?;
        bounds(linger <= LONGEST, "--linger", "at most 24h")?;
        // The daemon composes a room's name and trims white space before it, so the records carry
        // the prefix in that form.
        let last_room: Room = format!("{}{}", self.room_prefix, self.rooms).parse()?;
        self.room_prefix =
            last_room.as_str().strip_suffix(&self.rooms.to_string()).unwrap_or_default().to_owned();
        if schedule.count() > self.max_calls {
            return Err(PlanError::TooMany(schedule.count(), self.max_calls));
        }
        self.url.truncate(self.url.trim_end_matches('/').len());
        Ok(self)
    }

    /// The room of the nth call.
    pub fn room(&self, n: u64) -> String {
        format!("{}{}", self.room_prefix, n % u64::from(self.rooms) + 1)
    }

    /// Recognises the calls of this plan in the event stream.
    pub(crate) fn call_matcher(&self) -> CallMatcher {
        let caller_id = self.caller_id.as_str().to_owned();
        CallMatcher { numbers: self.numbers, room_prefix: self.room_prefix.clone(), caller_id }
    }
}

/// Allows only this machine, or another one that the user named twice, so that no machine is put
/// under load by mistake.
fn check_host(url: &str, allowed: Option<&str>) -> Result<(), PlanError> {
    let uri: Uri = url.parse().map_err(|_| PlanError::Url(url.to_owned()))?;
    let host = uri.host().ok_or_else(|| PlanError::Url(url.to_owned()))?;
    let bare = |host: &str| host.trim_matches(['[', ']']).to_ascii_lowercase();
    match allowed {
        Some(allowed) if bare(allowed) == bare(host) => Ok(()),
        Some(allowed) => Err(PlanError::OtherHost(allowed.to_owned(), url.to_owned())),
        None if is_this_machine(&bare(host)) => Ok(()),
        None => Err(PlanError::Host(host.to_owned())),
    }
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost"
        || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Describes the plan for the user, before the test begins.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RunParams {
            schedule: Schedule { rate, ramp, duration },
            concurrency,
            hold,
            linger,
            leaves_calls,
        } = self.params;
        let time = |time: Duration| humantime::format_duration(time).to_string();
        let line = |f: &mut fmt::Formatter<'_>, name: &str, text: String| {
            writeln!(f, "  {name:<8} {text}")
        };
        line(f, "POST to", format!("{}/api/conf", self.url))?;
        let last = match self.rooms {
            1 => String::new(),
            rooms => format!(" to {}{rooms}", self.room_prefix),
        };
        line(f, "numbers", format!("{} ({})", self.numbers, self.numbers.count()))?;
        line(f, "into", format!("{}1{last}, as {}", self.room_prefix, self.caller_id))?;
        let ramp =
            if ramp.is_zero() { String::new() } else { format!("a ramp of {} and ", time(ramp)) };
        match self.search {
            None => {
                let calls = self.params.schedule.count();
                line(
                    f,
                    "load",
                    format!("{rate} calls a second, for {ramp}{}: {calls} calls", time(duration)),
                )?;
            }
            Some(SearchPlan { p99, max_rate }) => {
                let highest =
                    max_rate.map(|rate| format!(" to at most {rate}")).unwrap_or_default();
                let each = format!("{ramp}{} for each step", time(duration));
                line(
                    f,
                    "load",
                    format!(
                        "from {rate} calls a second{highest}, {each}; at most {} calls",
                        self.max_calls
                    ),
                )?;
                line(
                    f,
                    "until",
                    format!(
                        "a request or call fails, or p99 from POST to reply is over {}",
                        time(p99)
                    ),
                )?;
            }
        }
        line(
            f,
            "at once",
            format!("at most {concurrency} requests, each for at most {}", time(self.timeout)),
        )?;
        let hold =
            hold.map(|hold| format!("{} after the answer; ", time(hold))).unwrap_or_default();
        let end = if leaves_calls { "no call at the end" } else { "all calls at the end" };
        line(f, "hang up", format!("{hold}{end}"))?;
        let linger = time(linger);
        line(
            f,
            "end",
            format!("once all calls have joined or ended, at most {linger} after the last request"),
        )
    }
}

/// The plan in the JSON report.
impl Serialize for Plan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Shown<'a> {
            url: &'a str,
            numbers: String,
            rooms: u32,
            room_prefix: &'a str,
            caller_id: &'a CallerId,
            lang: &'a Option<Lang>,
            rate: f64,
            ramp_seconds: f64,
            duration_seconds: f64,
            concurrency: usize,
            hold_seconds: Option<f64>,
            linger_seconds: f64,
            leaves_calls: bool,
            timeout_seconds: f64,
            max_calls: u64,
        }
        let Schedule { rate, ramp, duration } = self.params.schedule;
        Shown {
            url: &self.url,
            numbers: format!(
                "{}-{}",
                self.numbers.digits(0),
                self.numbers.digits(self.numbers.count() - 1)
            ),
            rooms: self.rooms,
            room_prefix: &self.room_prefix,
            caller_id: &self.caller_id,
            lang: &self.lang,
            rate,
            ramp_seconds: ramp.as_secs_f64(),
            duration_seconds: duration.as_secs_f64(),
            concurrency: self.params.concurrency,
            hold_seconds: self.params.hold.map(|hold| hold.as_secs_f64()),
            linger_seconds: self.params.linger.as_secs_f64(),
            leaves_calls: self.params.leaves_calls,
            timeout_seconds: self.timeout.as_secs_f64(),
            max_calls: self.max_calls,
        }
        .serialize(serializer)
    }
}
