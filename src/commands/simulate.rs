//! `originatord simulate`: a simulated Asterisk as a process.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use strum::VariantNames;
use tokio::net::TcpListener;

use crate::exit::{EX_CONFIG, EX_OSERR, EX_UNAVAILABLE};
use crate::signals::Signals;
use originatord_sim::AsteriskVersion;
use originatord_sim::scenario::Scenario;
use originatord_sim::server::serve;
use originatord_sim::session::User;
use originatord_sim::simulator::Settings;

/// The arguments of `originatord simulate`.
#[derive(Debug, Args)]
pub(super) struct SimulateArgs {
    /// IP address and port to listen on; port 0 selects a free port.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:5038")]
    listen: SocketAddr,
    /// Scenario file (TOML): callees, times and faults that differ from the defaults.
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// Asterisk version to simulate.
    #[arg(long, default_value = "22", value_parser = asterisk_version())]
    asterisk: AsteriskVersion,
    /// Seed of all random choices: the same seed gives the same order of events.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Name of the AMI user.
    #[arg(long, default_value = "originatord")]
    username: String,
    /// Secret of the AMI user; the default is that of the samples.
    #[arg(long, default_value = "change-me")]
    secret: String,
}

/// The end of the help of `simulate`.
pub(super) const HELP: &str = "\
The last three digits of a number choose what the callee does:
  404     is not on Telegram
  420     has a number that the gateway rejects
  480     rings for half a second, and nobody picks up
  486     is busy
  500     cannot be called: Telegram rate-limits the gateway for 291 s (FLOOD_WAIT)
  603     declines
  180     rings for ever
  408     never responds
  200     answers after 1 s, and hangs up 3 s later
  others  answer after 1 s and stay

A scenario file changes these defaults. Every part of it is optional:
  max_members = 10        # of each room; 0, the default, for no limit
  [timing]                # dial, wait (before the conference), beep, join, leave, refused, kicked,
  wait = \"0s\"             # lock_lingers; and talk and pause of participants with talk detection
  [[callee]]              # the first callee that matches the number is used
  number = \"7999*1\"       # ? stands for one digit, * for any number of digits
  ring_after = \"500ms\"    # without it, the telephone does not ring
  answer_after = \"4s\"     # or: sip = 503, words = \"Service Unavailable\", refuse_after = \"1s\",
                          # cause = 34
  talk = \"10s\"            # without it, the callee stays
  [[guest]]               # a telephone that dials into a room
  room = \"R1\"             # and after, stay, number, name, admin, marked, wait_marked, muted,
  after = \"5s\"            # talk_detection
  [faults]                # stop_reading, stop_writing, delay, cut_after, cut_before_receipt,
  drop = 0.01             # repeat, drop, reorder, garbage, endless_line, endless_headers, flood,
                          # refuse_all (as after `core stop gracefully`), no_call_events,
                          # no_room_events (as with the eventfilter lines of an earlier sample)
The AMI action SimFault sets the same faults at run time, and `Restart: true` restarts Asterisk.
SimGuest lets a telephone dial into a room: Room, and optionally CallerIDNum, CallerIDName, Uniqueid,
Channel, and Admin, Marked, WaitMarked, Muted, TalkDetection: yes. Hangup lets it leave. SimTalk lets
a participant talk: Channel (or its Uniqueid there), Talking: no if it stops.

Exit codes:
  0    stopped by SIGINT or SIGTERM
  64   the command line is wrong
  69   the address is in use
  71   the operating system refuses something
  78   the scenario is wrong";

/// Runs the simulator until SIGINT or SIGTERM.
pub(super) async fn run(args: SimulateArgs) -> ExitCode {
    let scenario = match args.scenario.as_deref().map(read_scenario).transpose() {
        Ok(scenario) => scenario.unwrap_or_default(),
        Err(problem) => {
            eprintln!("{problem}");
            return ExitCode::from(EX_CONFIG);
        }
    };
    let user = User { name: args.username, secret: args.secret };
    let settings = Settings { version: args.asterisk, user, scenario, seed: args.seed };
    let listener = match TcpListener::bind(args.listen).await {
        Ok(listener) => listener,
        Err(error) => {
            eprintln!("originatord: cannot listen on {}: {error}", args.listen);
            return ExitCode::from(EX_UNAVAILABLE);
        }
    };
    match play(listener, settings).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("originatord: {error}");
            ExitCode::from(EX_OSERR)
        }
    }
}

async fn play(listener: TcpListener, settings: Settings) -> io::Result<()> {
    let mut signals = Signals::new()?;
    let (version, address) = (settings.version.asterisk(), listener.local_addr()?);
    print_line(&format!("Asterisk {version} is simulated on {address}"));
    serve(listener, settings, async { _ = signals.stop().await }).await;
    Ok(())
}

/// Accepts the versions that the simulator knows, and lists them in the help.
fn asterisk_version() -> impl TypedValueParser<Value = AsteriskVersion> {
    PossibleValuesParser::new(AsteriskVersion::VARIANTS)
        .try_map(|version| version.parse::<AsteriskVersion>())
}

/// Reads a scenario file; the error names the file.
fn read_scenario(file: &Path) -> Result<Scenario, String> {
    let problem = match std::fs::read_to_string(file) {
        Ok(text) => match Scenario::parse(&text) {
            Ok(scenario) => return Ok(scenario),
            Err(error) => error.to_string(),
        },
        Err(error) => format!("cannot read it: {error}"),
    };
    Err(format!("{}: {}", file.display(), problem.trim_end()))
}

/// Prints a line and flushes it, so that a script that reads stdout through a pipe sees at once
/// that calls can be made.
fn print_line(line: &str) {
    let mut stdout = io::stdout().lock();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}
