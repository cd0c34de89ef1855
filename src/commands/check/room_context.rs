//! Checks the context of `originate.context`, which leads an answered callee into the room.

use super::dialplan::{Dialplan, Step};
use super::probe::{Listing, Probe, ProbeError};
use super::report::{Report, Verdict};
use crate::config::Config;

/// A sample room. Every room is an extension of the context.
const ROOM: &str = "originatord-check";

/// The context of `asterisk/extensions.conf` in which SIP telephones dial a room.
const DIAL_IN: &str = "rooms-dial-in";

/// The extensions that Asterisk enters by itself, and the consequence if the pattern for rooms
/// matches them.
const SPECIAL: [(&str, &str); 3] = [
    (
        "failed",
        "after a failed call, a channel without a callee joins a room of that name, and the number stays blocked meanwhile",
    ),
    ("h", "after a hangup, the channel runs the context for the room again"),
    ("T", "a call that reaches its absolute timeout enters a room of that name"),
];

/// The variables of a call that the context turns into options of `ConfBridge`: the name, the
/// consequence if it does not, and the step that does it.
const VARIABLES: [(&str, &str, &str); 2] = [
    (
        "OD_MUTED",
        "later joiners of a muted room are heard for a moment",
        "ExecIf($[\"${OD_MUTED}\" != \"\"]?Set(CONFBRIDGE(user,startmuted)=${IF($[\"${OD_MUTED}\" = \"1\"]?yes:no)}))",
    ),
    (
        "OD_TALK",
        "nobody is seen speaking, even with talk_detection",
        "ExecIf($[\"${OD_TALK}\" = \"1\"]?Set(CONFBRIDGE(user,talk_detection_events)=yes))",
    ),
];

/// Applications after which no further step runs.
const ENDS: [&str; 5] = ["Busy", "Congestion", "Goto", "Hangup", "Return"];

/// Checks the context that an answered callee enters.
pub(super) async fn check(
    config: &Config,
    probe: &mut Probe,
    report: &mut Report,
) -> Result<(), ProbeError> {
    let context = &*config.originate.context;
    let dialplan = match probe.dialplan(context).await? {
        Listing::Listed(dialplan) => dialplan,
        Listing::Missing => {
            let text = format!(
                "originate.context {context} is not in the dialplan: see asterisk/extensions.conf"
            );
            report.line(Verdict::Failure, &text);
            return Ok(());
        }
        Listing::Unlisted => {
            let text = format!(
                "originate.context {context}: not checked, because the user may not list the dialplan"
            );
            report.line(Verdict::Warning, &text);
            return Ok(());
        }
    };
    report.line(Verdict::Ok, &format!("originate.context {context} is in the dialplan"));
    check_room(context, config.originate.priority, probe, report).await?;
    check_steps(context, &dialplan, probe, report).await?;
    check_conference(context, &dialplan, report);
    check_variables(context, &dialplan, report);
    for (extension, consequence) in SPECIAL {
        check_special(context, extension, consequence, &dialplan, probe, report).await?;
    }
    if dialplan.steps.iter().any(|step| step.arguments.contains("${CONF_WAIT}")) {
        let is_set = probe.value("CONF_WAIT").await?.is_none_or(|value| !value.is_empty());
        report.expect(
            is_set,
            "CONF_WAIT is set",
            Verdict::Warning,
            "extensions.conf: CONF_WAIT is not set, so the callee hears the beep before the telephone is at the ear; \
             write CONF_WAIT = 3 in [globals]",
        );
    }
    Ok(())
}

/// Checks the sample's context for SIP telephones, if there is one.
pub(super) async fn check_dial_in(
    probe: &mut Probe,
    report: &mut Report,
) -> Result<(), ProbeError> {
    let Listing::Listed(dialplan) = probe.dialplan(DIAL_IN).await? else { return Ok(()) };
    let text = format!("[{DIAL_IN}] is in the dialplan: SIP telephones may join any room");
    report.line(Verdict::Ok, &text);
    check_steps(DIAL_IN, &dialplan, probe, report).await?;
    for (extension, consequence) in SPECIAL {
        check_special(DIAL_IN, extension, consequence, &dialplan, probe, report).await?;
    }
    Ok(())
}

async fn check_room(
    context: &str,
    priority: u32,
    probe: &mut Probe,
    report: &mut Report,
) -> Result<(), ProbeError> {
    match probe.is_true(&format!("DIALPLAN_EXISTS({context},{ROOM},{priority})")).await? {
        Some(exists) => report.expect(
            exists,
            &format!("[{context}] accepts any room"),
            Verdict::Warning,
            &format!(
                "extensions.conf: [{context}] has no step {priority} for a room such as {ROOM}; rooms that it does not \
                 name are refused; for any room write exten => _.!,{priority},… as in asterisk/extensions.conf"
            ),
        ),
        None => report.line(Verdict::Note, &format!("[{context}]: not checked whether it accepts any room")),
    }
    Ok(())
}

/// Checks for misspelt applications, and for modules that are not loaded.
pub(super) async fn check_steps(
    context: &str,
    dialplan: &Dialplan,
    probe: &mut Probe,
    report: &mut Report,
) -> Result<(), ProbeError> {
    for (Step { context, extension, priority, application, .. }, meant) in dialplan.misspelt() {
        let text = format!(
            "extensions.conf: [{context}] {extension},{priority} runs {application}, which Asterisk does not have: \
             write {meant}"
        );
        report.line(Verdict::Failure, &text);
    }
    for module in dialplan.modules() {
        // An Asterisk that does not know IFMODULE answers with neither 0 nor 1.
        if probe.is_true(&format!("IFMODULE({module})")).await? == Some(false) {
            let text = format!("[{context}] needs {module}, which is not loaded: see modules.conf");
            report.line(Verdict::Failure, &text);
        }
    }
    Ok(())
}

fn check_conference(context: &str, dialplan: &Dialplan, report: &mut Report) {
    if let Some(step) = dialplan.running("ConfBridge").next() {
        let text =
            format!("[{context}] leads into a conference at {},{}", step.extension, step.priority);
        report.line(Verdict::Ok, &text);
    } else if dialplan.leads_elsewhere() {
        let text = format!(
            "[{context}] continues in other contexts: not checked whether it leads into a conference"
        );
        report.line(Verdict::Note, &text);
    } else {
        let text = format!(
            "extensions.conf: [{context}] runs no ConfBridge, so nobody is seen joining a room; write \
             same => n,ConfBridge(${{CUT(EXTEN,\\,,1)}})"
        );
        report.line(Verdict::Warning, &text);
    }
}

/// Checks that the context uses the variables for options of the conference.
fn check_variables(context: &str, dialplan: &Dialplan, report: &mut Report) {
    for (variable, consequence, step) in VARIABLES {
        let is_used = dialplan.steps.iter().any(|step| step.arguments.contains(variable));
        if is_used {
            report.line(Verdict::Ok, &format!("[{context}] uses {variable}"));
        } else if dialplan.leads_elsewhere() {
            let text = format!(
                "[{context}] continues in other contexts: not checked whether it uses {variable}"
            );
            report.line(Verdict::Note, &text);
        } else {
            let text = format!(
                "extensions.conf: [{context}] does not use {variable}, so that {consequence}; write same => n,{step} \
                 before ConfBridge"
            );
            report.line(Verdict::Warning, &text);
        }
    }
}

/// Checks that an extension that Asterisk enters by itself ends the call.
async fn check_special(
    context: &str,
    extension: &str,
    consequence: &str,
    dialplan: &Dialplan,
    probe: &mut Probe,
    report: &mut Report,
) -> Result<(), ProbeError> {
    let write = format!("write exten => {extension},1,Hangup()");
    let next = match dialplan.last_of(extension) {
        Some(last) if ENDS.iter().any(|end| last.application.eq_ignore_ascii_case(end)) => {
            report.line(Verdict::Ok, &format!("[{context}] ends at {extension}"));
            return Ok(());
        }
        Some(last) => last.priority.saturating_add(1),
        None => 1,
    };
    let problem =
        match probe.is_true(&format!("DIALPLAN_EXISTS({context},{extension},{next})")).await? {
            Some(true) if next == 1 => {
                format!("has no extension {extension}, and its pattern matches it")
            }
            Some(true) => format!(
                "{extension} does not end after its step {}, and its pattern continues",
                next - 1
            ),
            Some(false) => return Ok(()),
            None => {
                report.line(Verdict::Note, &format!("[{context}] {extension}: not checked"));
                return Ok(());
            }
        };
    let text = format!("extensions.conf: [{context}] {problem}: {consequence}; {write}");
    report.line(Verdict::Warning, &text);
    Ok(())
}
