//! `originatord check`: checks the configuration, and with `--connect` the Asterisk that it names.

mod conference;
mod dial_context;
mod dialplan;
mod events;
mod probe;
mod report;
mod room_context;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::config::{Config, Problem};
use crate::exit::EX_CONFIG;
use originatord_net::connector::Connector;
use probe::{Probe, ProbeError};
use report::{Report, Verdict};

/// The arguments of `originatord check`.
#[derive(Debug, clap::Args)]
pub(super) struct CheckArgs {
    /// The configuration to check.
    #[arg(long, value_name = "FILE", default_value = "config.toml")]
    config: PathBuf,
    /// Log in to Asterisk as well, and report what the AMI user may do.
    #[arg(long)]
    connect: bool,
}

/// The end of the help of `check`.
pub(super) const HELP: &str = "\
Exit codes:
  0    nothing failed; there may be warnings
  64   the command line is wrong
  78   something failed and has to be fixed";

/// Asterisk's answer to a second login with `allowmultiplelogin = no`.
const SECOND_LOGIN_REFUSED: &str = "Login Already In Use";

/// How to allow a second login.
const ALLOW_MULTIPLE_LOGIN: &str = "; write allowmultiplelogin = yes in [general] of manager.conf";

/// The password in `asterisk/pjsip.conf`.
const SAMPLE_PASSWORD: &str = "change-me";

/// Checks the configuration, and with `--connect` the Asterisk that it names. Exits with 0 or 78.
pub(super) async fn run(args: &CheckArgs) -> ExitCode {
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
    if config.state.is_none() {
        let text =
            "no [state], [history] or [journal] file: locks and mutes of rooms end with the daemon";
        report.line(Verdict::Note, text);
    }
    if args.connect {
        check_asterisk(&config, &mut report).await;
    }
    if report.has_failed() { ExitCode::from(EX_CONFIG) } else { ExitCode::SUCCESS }
}

/// Logs in, and checks everything that a call needs.
async fn check_asterisk(config: &Config, report: &mut Report) {
    let address = &config.asterisk.address;
    let connector = match Connector::new(&config.asterisk.address, config.asterisk.tls.as_ref()) {
        Ok(connector) => connector,
        Err(error) => return report.line(Verdict::Failure, &format!("TLS: {error}")),
    };
    let mut probe = match connect(&connector, config).await {
        Ok(probe) => probe,
        Err(error) => return report.line(Verdict::Failure, &format!("{address}: {error}")),
    };
    report.line(Verdict::Ok, &format!("{address}: reachable, {}", probe.banner()));
    let user = &config.asterisk.session.username;
    if let Err(error) = probe.log_in().await {
        // A running daemon may have the only login that Asterisk allows.
        let hint = if error.to_string().contains(SECOND_LOGIN_REFUSED) {
            ALLOW_MULTIPLE_LOGIN
        } else {
            ""
        };
        return report.line(Verdict::Failure, &format!("user {user}: {error}{hint}"));
    }
    report.line(Verdict::Ok, &format!("user {user}: logged in"));
    if let Err(error) = check_session(config, &mut probe, report).await {
        return report.line(Verdict::Failure, &format!("{address}: {error}"));
    }
    check_second_login(config, &connector, report).await;
}

/// Connects to Asterisk. If an address accepts the connection and sends no banner, the name's other
/// addresses are tried: a hanging process accepts connections as well.
async fn connect(connector: &Connector, config: &Config) -> Result<Probe, ProbeError> {
    let attempt = || Probe::connect(connector, &config.asterisk);
    let skip = || connector.report_end(false);
    try_addresses(connector.count_addresses(), attempt, skip).await
}

/// Calls `attempt` for each address, until it finds a banner or another error. Calls `skip` between
/// two attempts.
async fn try_addresses<T>(
    addresses: impl Future<Output = io::Result<usize>>,
    attempt: impl AsyncFn() -> Result<T, ProbeError>,
    skip: impl Fn(),
) -> Result<T, ProbeError> {
    let mut result = attempt().await;
    if matches!(result, Err(ProbeError::NoBanner)) {
        for _ in 1..addresses.await? {
            skip();
            result = attempt().await;
            if !matches!(result, Err(ProbeError::NoBanner)) {
                break;
            }
        }
    }
    result
}

/// Checks that Asterisk accepts a second login of the same user. The daemon needs it to reconnect
/// while Asterisk still keeps the lost connection.
async fn check_second_login(config: &Config, connector: &Connector, report: &mut Report) {
    let user = &config.asterisk.session.username;
    let second = async { Probe::connect(connector, &config.asterisk).await?.log_in().await };
    match second.await {
        Ok(()) => report.line(
            Verdict::Ok,
            &format!("user {user}: a second login is accepted, as after a lost connection"),
        ),
        Err(error) => {
            let text = format!(
                "user {user}: a second login is refused, as after a lost connection: {error}"
            );
            report.line(Verdict::Warning, &(text + ALLOW_MULTIPLE_LOGIN));
        }
    }
}

/// Checks what a logged-in session can see and do.
async fn check_session(
    config: &Config,
    probe: &mut Probe,
    report: &mut Report,
) -> Result<(), ProbeError> {
    check_actions(probe, report).await?;
    room_context::check(config, probe, report).await?;
    dial_context::check(config, probe, report).await?;
    room_context::check_dial_in(probe, report).await?;
    check_telephone(probe, report).await?;
    events::check(probe, report).await
}

/// Checks that the sample's SIP telephone, if it is configured, has a password of its own: with the
/// sample's, anybody could register as the telephone and join any room.
async fn check_telephone(probe: &mut Probe, report: &mut Report) -> Result<(), ProbeError> {
    let password = probe.value("AST_CONFIG(pjsip.conf,phone-auth,password)").await?;
    match password.as_deref() {
        None | Some("") => {}
        Some(password) => report.expect(
            !password.starts_with(SAMPLE_PASSWORD),
            "the SIP telephone has a password of its own",
            Verdict::Failure,
            "pjsip.conf: the password in [phone-auth] is the sample's, which everybody knows; choose another",
        ),
    }
    Ok(())
}

/// Checks that the AMI user may use the actions that the daemon uses, and no dangerous ones.
async fn check_actions(probe: &mut Probe, report: &mut Report) -> Result<(), ProbeError> {
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
    let good = "the user may use ConfbridgeListRooms";
    let bad = format!(
        "the user may not use ConfbridgeListRooms, so that what happens in rooms while the daemon is not connected \
         remains unknown: add reporting to its write = {CHANGE}"
    );
    let may_list = probe.is_allowed("ConfbridgeListRooms").await?;
    report.expect(may_list, good, Verdict::Warning, &bad);
    // With the class system, an Originate could run shell commands.
    for (action, class) in
        [("Command", "command"), ("Filter", "system"), ("UpdateConfig", "config"), ("AGI", "agi")]
    {
        let good = format!("the user may not use {action}");
        let bad = format!(
            "the user may use {action} without need: remove {class} from its write = {CHANGE}"
        );
        report.expect(!probe.is_allowed(action).await?, &good, Verdict::Warning, &bad);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Tries addresses; the first `mute` of them send no banner. Returns whether one of the others
    /// was found, and how many addresses were skipped.
    async fn attempts(addresses: usize, mute: usize) -> (bool, usize) {
        let skipped = Cell::new(0);
        let attempt =
            async || if skipped.get() < mute { Err(ProbeError::NoBanner) } else { Ok(()) };
        let found =
            try_addresses(async { Ok(addresses) }, attempt, || skipped.set(skipped.get() + 1))
                .await;
        (found.is_ok(), skipped.get())
    }

    #[tokio::test]
    async fn address_without_banner_is_skipped() {
        assert_eq!(attempts(1, 0).await, (true, 0));
        assert_eq!(attempts(3, 2).await, (true, 2));
        assert_eq!(attempts(3, 3).await, (false, 2));
    }

    #[tokio::test]
    async fn other_errors_end_the_search() {
        let attempt = async || Err::<(), _>(ProbeError::Closed);
        let found =
            try_addresses(async { Ok(3) }, attempt, || panic!("the address must not be skipped"))
                .await;
        assert!(matches!(found, Err(ProbeError::Closed)));
    }
}
