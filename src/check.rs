//! `originatord check`: whether the configuration, and the Asterisk it names, are as they have to be.

mod probe;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};

use crate::config::{Config, Problem};
use crate::lifecycle::{self, EX_CONFIG};
use probe::{OF_A_CONFERENCE, OF_ANY_CALL, Probe};

/// The end of the help of `check`.
pub const HELP: &str = "\
Exit codes:
  0    all is as it has to be; there may be warnings
  64   the command line is wrong
  78   something has to be mended";

/// What one look has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// As it has to be.
    Ok,
    /// Nothing to judge.
    Note,
    /// It works, but not as well, or not as safely, as it could.
    Warning,
    /// It does not work.
    Failure,
}

/// Checks the file at `path`, and with `connect` the Asterisk that it names. Ends with 0 or 78.
pub async fn run(path: &Path, connect: bool) -> ExitCode {
    let config = match Config::load(path) {
        Ok(config) => config,
        Err(problems) => {
            eprintln!("{problems}");
            return ExitCode::from(EX_CONFIG);
        }
    };
    let mut report = Report { output: anstream::stdout(), failed: false };
    let keys = config.api_keys.len();
    report
        .line(Verdict::Ok, &format!("{}: {keys} API key(s), Asterisk at {}", path.display(), config.asterisk.address));
    for Problem { line, text } in &config.placeholders {
        report.line(Verdict::Failure, &format!("{}:{line}: {text}", path.display()));
    }
    if connect {
        look(&config, &mut report).await;
    }
    if report.failed { ExitCode::from(EX_CONFIG) } else { ExitCode::SUCCESS }
}

/// Tells line by line what is found.
struct Report<W> {
    output: W,
    failed: bool,
}

impl<W: Write> Report<W> {
    fn line(&mut self, verdict: Verdict, text: &str) {
        let (word, color) = match verdict {
            Verdict::Ok => ("ok", AnsiColor::Green),
            Verdict::Note => ("note", AnsiColor::Cyan),
            Verdict::Warning => ("warning", AnsiColor::Yellow),
            Verdict::Failure => ("failure", AnsiColor::Red),
        };
        let style: Style = color.on_default();
        self.failed |= verdict == Verdict::Failure;
        // Who no longer reads still gets the exit code.
        let _: io::Result<()> = writeln!(self.output, "{style}{word:<8}{style:#} {text}");
    }

    fn expect(&mut self, holds: bool, good: &str, otherwise: Verdict, bad: &str) {
        if holds { self.line(Verdict::Ok, good) } else { self.line(otherwise, bad) }
    }
}

/// Logs in and looks at everything that a call needs.
async fn look<W: Write>(config: &Config, report: &mut Report<W>) {
    let address = &config.asterisk.address;
    let connector = match lifecycle::connector(&config.asterisk) {
        Ok(connector) => connector,
        Err(error) => return report.line(Verdict::Failure, &format!("TLS: {error}")),
    };
    let mut probe = match Probe::connect(&connector, &config.asterisk).await {
        Ok(probe) => probe,
        Err(error) => return report.line(Verdict::Failure, &format!("{address}: {error}")),
    };
    report.line(Verdict::Ok, &format!("{address}: reachable, {}", probe.banner()));
    if let Err(error) = probe.log_in().await {
        return report.line(Verdict::Failure, &format!("user {}: {error}", config.asterisk.username));
    }
    report.line(Verdict::Ok, &format!("user {}: logged in", config.asterisk.username));
    if let Err(error) = look_inside(config, &mut probe, report).await {
        report.line(Verdict::Failure, &format!("{address}: {error}"));
    }
}

async fn look_inside<W: Write>(
    config: &Config,
    probe: &mut Probe,
    report: &mut Report<W>,
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
    for (action, class) in [("Command", "command"), ("Filter", "system"), ("UpdateConfig", "config"), ("AGI", "agi")] {
        let good = format!("the user may not use {action}");
        let bad = format!("the user may use {action}, and needs it not: take {class} from its write = {CHANGE}");
        report.expect(!probe.is_allowed(action).await?, &good, Verdict::Warning, &bad);
    }
    let dial_context = config.originate.channel.rsplit_once('@').map_or("", |(_, context)| context);
    let dial_context = dial_context.split('/').next().unwrap_or_default();
    for (name, context) in [("originate.context", &*config.originate.context), ("originate.channel's", dial_context)] {
        let good = format!("{name} {context} is in the dialplan");
        let bad = format!("{name} {context} is not in the dialplan: see asterisk/extensions.conf");
        match probe.has_context(context).await? {
            Some(exists) => report.expect(exists, &good, Verdict::Failure, &bad),
            None => report.line(Verdict::Warning, &format!("{name} {context}: the user may not look at the dialplan")),
        }
    }
    look_at_events(probe, report).await
}

async fn look_at_events<W: Write>(probe: &mut Probe, report: &mut Report<W>) -> Result<(), probe::ProbeError> {
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
        let text = format!("not tried, as only a real call shows them: the events {}", OF_A_CONFERENCE.join(", "));
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
