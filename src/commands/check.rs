//! `originatord check`: whether the configuration, and the Asterisk it names, are as they have to
//! be.

mod dialling;
mod dialplan;
mod entry;
mod probe;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;

use crate::config::{Config, Problem};
use crate::connector::Connector;
use crate::exit::EX_CONFIG;
use probe::{OF_A_CONFERENCE, OF_ANY_CALL, Probe};
use report::{Report, Verdict};

/// The arguments of `originatord check`.
#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    /// The configuration to check.
    #[arg(long, value_name = "FILE", default_value = "config.toml")]
    config: PathBuf,
    /// Log in to Asterisk as well, and report what the AMI user may do.
    #[arg(long)]
    connect: bool,
}

/// The end of the help of `check`.
pub const HELP: &str = "\
Exit codes:
  0    all is as it has to be; there may be warnings
  64   the command line is wrong
  78   something has to be mended";

/// Asterisk's answer to a second login where `allowmultiplelogin = no`.
const IN_USE: &str = "Login Already In Use";

/// The advice that goes with it.
const MULTIPLE_LOGIN: &str = "; write allowmultiplelogin = yes in [general] of manager.conf";

/// Checks the configuration, and with `--connect` the Asterisk that it names. Exits with 0 or 78.
pub async fn run(args: &CheckArgs) -> ExitCode {
    let path = &args.config;
    let config = match Config::load(path) {
        Ok(config) => config,
        Err(problems) => {
            eprintln!("{problems}");
            return ExitCode::from(EX_CONFIG);
        }
    };
    let mut report = Report::to_stdout();
    let keys = config.api_keys.len();
    report.line(
        Verdict::Ok,
        &format!("{}: {keys} API key(s), Asterisk at {}", path.display(), config.asterisk.address),
    );
    for Problem { line, text } in &config.placeholders {
        report.line(Verdict::Failure, &format!("{}:{line}: {text}", path.display()));
    }
    for Problem { line, text } in &config.warnings {
        report.line(Verdict::Warning, &format!("{}:{line}: {text}", path.display()));
    }
    if args.connect {
        look(&config, &mut report).await;
    }
    if report.has_failed() { ExitCode::from(EX_CONFIG) } else { ExitCode::SUCCESS }
}

/// Logs in and looks at everything that a call needs.
async fn look(config: &Config, report: &mut Report) {
    let address = &config.asterisk.address;
    let connector = match Connector::new(&config.asterisk.address, config.asterisk.tls.as_ref()) {
        Ok(connector) => connector,
        Err(error) => return report.line(Verdict::Failure, &format!("TLS: {error}")),
    };
    let mut probe = match Probe::connect(&connector, &config.asterisk).await {
        Ok(probe) => probe,
        Err(error) => return report.line(Verdict::Failure, &format!("{address}: {error}")),
    };
    report.line(Verdict::Ok, &format!("{address}: reachable, {}", probe.banner()));
    let user = &config.asterisk.session.username;
    if let Err(error) = probe.log_in().await {
        // A daemon that runs already has the only login there may be.
        let hint = if error.to_string().contains(IN_USE) { MULTIPLE_LOGIN } else { "" };
        return report.line(Verdict::Failure, &format!("user {user}: {error}{hint}"));
    }
    report.line(Verdict::Ok, &format!("user {user}: logged in"));
    if let Err(error) = look_inside(config, &mut probe, report).await {
        return report.line(Verdict::Failure, &format!("{address}: {error}"));
    }
    look_at_second_login(config, &connector, report).await;
}

/// Logs in beside the first login, as a reconnect does while Asterisk still keeps the connection
/// that was lost.
async fn look_at_second_login(config: &Config, connector: &Connector, report: &mut Report) {
    let user = &config.asterisk.session.username;
    let second = async { Probe::connect(connector, &config.asterisk).await?.log_in().await };
    match second.await {
        Ok(()) => report.line(
            Verdict::Ok,
            &format!("user {user}: a second login is let in, as after a lost connection"),
        ),
        Err(error) => {
            let text = format!(
                "user {user}: a second login is not let in, as after a lost connection: {error}"
            );
            report.line(Verdict::Warning, &(text + MULTIPLE_LOGIN));
        }
    }
}

async fn look_inside(
    config: &Config,
    probe: &mut Probe,
    report: &mut Report,
) -> Result<(), probe::ProbeError> {
    const CHANGE: &str = "in manager.conf";
    for (action, class) in [
        ("Originate", "originate"),
        ("Hangup", "call"),
        ("GetVar", "call or reporting"),
        ("CoreShowChannels", "call or reporting"),
    ] {
        let good = format!("the user may use {action}");
        let bad = format!("the user may not use {action}: add {class} to its write = {CHANGE}");
        report.expect(probe.is_allowed(action).await?, &good, Verdict::Failure, &bad);
    }
    // With system, an Originate may run commands of the shell.
    for (action, class) in
        [("Command", "command"), ("Filter", "system"), ("UpdateConfig", "config"), ("AGI", "agi")]
    {
        let good = format!("the user may not use {action}");
        let bad = format!(
            "the user may use {action}, and needs it not: take {class} from its write = {CHANGE}"
        );
        report.expect(!probe.is_allowed(action).await?, &good, Verdict::Warning, &bad);
    }
    entry::look(config, probe, report).await?;
    dialling::look(config, probe, report).await?;
    look_at_events(probe, report).await
}

async fn look_at_events(probe: &mut Probe, report: &mut Report) -> Result<(), probe::ProbeError> {
    let seen = probe.events_of_a_call_to_nowhere().await?;
    for event in OF_ANY_CALL {
        let good = format!("the event {event} arrives");
        let bad = format!(
            "the event {event} does not arrive: add call to the user's read =, and let its eventfilter through"
        );
        report.expect(seen.contains(event), &good, Verdict::Failure, &bad);
    }
    // Without those, nothing could be told of the others.
    let others = if OF_ANY_CALL.iter().all(|event| seen.contains(*event)) {
        probe.events_of_a_participant().await?
    } else {
        None
    };
    let Some(seen) = others else {
        let text = format!(
            "not tried, as only a real call shows them: the events {}",
            OF_A_CONFERENCE.join(", ")
        );
        report.line(Verdict::Note, &text);
        return Ok(());
    };
    for event in OF_A_CONFERENCE {
        let (lost, class) = match event {
            "Newstate" => ("no call is seen ringing", "call"),
            "ConfbridgeJoin" => ("nobody is seen joining", "call"),
            "ConfbridgeLeave" => ("nobody is seen leaving", "call"),
            _ => ("a flood wait shows as congestion", "user"),
        };
        let good = format!("the event {event} arrives");
        let bad = format!(
            "the event {event} does not arrive, so that {lost}: add {class} to the user's read =, and let its \
             eventfilter through"
        );
        report.expect(seen.contains(event), &good, Verdict::Warning, &bad);
    }
    Ok(())
}
