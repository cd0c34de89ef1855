//! Checks the context of `originate.channel`, and the gateways that it dials.

use super::dialplan::{Device, Dialplan, devices};
use super::probe::{Listing, Probe, ProbeError};
use super::report::{Report, Verdict};
use super::room_context::check_steps;
use crate::config::Config;

/// A sample number, used unless `limits.allow` has prefixes.
const NUMBER: &str = "79990001000";

/// The most devices that are checked.
const MAX_DEVICES: usize = 16;

/// Checks the context that dials, and the devices that it dials.
pub(super) async fn check(
    config: &Config,
    probe: &mut Probe,
    report: &mut Report,
) -> Result<(), ProbeError> {
    let context = config.originate.channel.rsplit_once('@').map_or("", |(_, context)| context);
    let context = context.split('/').next().unwrap_or_default();
    let dialplan = match probe.dialplan(context).await? {
        Listing::Listed(dialplan) => dialplan,
        Listing::Missing => {
            let text = format!(
                "originate.channel's {context} is not in the dialplan: see asterisk/extensions.conf"
            );
            report.line(Verdict::Failure, &text);
            return Ok(());
        }
        Listing::Unlisted => {
            let text = format!(
                "originate.channel's {context} and its gateway: not checked, because the user may not list the dialplan"
            );
            report.line(Verdict::Warning, &text);
            return Ok(());
        }
    };
    report.line(Verdict::Ok, &format!("originate.channel's {context} is in the dialplan"));
    check_number(config, context, probe, report).await?;
    check_steps(context, &dialplan, probe, report).await?;
    let devices = dialled_devices(&dialplan);
    if devices.is_empty() && !dialplan.leads_elsewhere() {
        let text = format!(
            "extensions.conf: [{context}] dials nobody; write Dial(PJSIP/+${{EXTEN}}@telegram)"
        );
        report.line(Verdict::Failure, &text);
    } else if devices.is_empty() {
        report.line(
            Verdict::Note,
            &format!("[{context}] continues in other contexts: its gateway is not checked"),
        );
    }
    for device in devices {
        match device {
            Device::Pjsip(endpoint) => check_pjsip(&endpoint, context, probe, report).await?,
            Device::Sip(peer) => check_sip(&peer, context, probe, report).await?,
            Device::Other(text) => {
                report.line(Verdict::Note, &format!("{text}, which [{context}] dials: not checked"))
            }
        }
    }
    check_hangup_handler(context, &dialplan, probe, report).await
}

/// The devices of all `Dial` steps, each once.
fn dialled_devices(dialplan: &Dialplan) -> Vec<Device> {
    let mut found = Vec::new();
    for device in dialplan.running("Dial").flat_map(|step| devices(&step.arguments)) {
        if found.len() < MAX_DEVICES && !found.contains(&device) {
            found.push(device);
        }
    }
    found
}

async fn check_number(
    config: &Config,
    context: &str,
    probe: &mut Probe,
    report: &mut Report,
) -> Result<(), ProbeError> {
    let allowed = config.limits.all.allow.first().map_or(NUMBER, |prefix| prefix);
    let number = format!("{allowed:0<width$}", width = NUMBER.len());
    match probe.is_true(&format!("DIALPLAN_EXISTS({context},{number},1)")).await? {
        Some(exists) => report.expect(
            exists,
            &format!("[{context}] accepts numbers such as {number}"),
            Verdict::Failure,
            &format!(
                "extensions.conf: [{context}] has no extension for {number}; write exten => _X.,1,…"
            ),
        ),
        None => report.line(
            Verdict::Note,
            &format!("[{context}]: not checked whether it accepts numbers such as {number}"),
        ),
    }
    Ok(())
}

/// Checks an endpoint of `pjsip.conf`: `DEVICE_STATE` is `INVALID` if it does not exist, and
/// `PJSIP_DIAL_CONTACTS` is empty if it has no address.
async fn check_pjsip(
    endpoint: &str,
    context: &str,
    probe: &mut Probe,
    report: &mut Report,
) -> Result<(), ProbeError> {
    if probe.is_true("IFMODULE(chan_pjsip.so)").await? == Some(false) {
        let text = format!(
            "[{context}] dials PJSIP/…@{endpoint}, but chan_pjsip.so is not loaded: see modules.conf"
        );
        report.line(Verdict::Failure, &text);
        return Ok(());
    }
    let state = probe
        .value(&format!("DEVICE_STATE(PJSIP/{endpoint})"))
        .await?
        .filter(|state| !state.is_empty());
    let Some(state) = state else {
        report.line(
            Verdict::Note,
            &format!("the endpoint {endpoint}, which [{context}] dials: not checked"),
        );
        return Ok(());
    };
    if state == "INVALID" {
        let text = format!(
            "pjsip.conf: there is no endpoint {endpoint}, which [{context}] dials, so no call gets through; write \
             [{endpoint}] with type = endpoint as in asterisk/pjsip.conf"
        );
        report.line(Verdict::Failure, &text);
        return Ok(());
    }
    let contacts = probe.value(&format!("PJSIP_DIAL_CONTACTS({endpoint})")).await?;
    match (contacts.as_deref(), &*state) {
        (None, _) => report
            .line(Verdict::Note, &format!("the endpoint {endpoint}: its address is not checked")),
        (Some(""), _) => {
            let text = format!(
                "pjsip.conf: the endpoint {endpoint} has no address to call, so no call gets through; write \
                 contact = sip:HOST:PORT in the section with type = aor that it names in aors"
            );
            report.line(Verdict::Failure, &text);
        }
        (Some(contacts), "UNAVAILABLE") => {
            let text = format!(
                "pjsip.conf: the endpoint {endpoint} does not answer at {contacts}: is the gateway up?"
            );
            report.line(Verdict::Warning, &text);
        }
        (Some(contacts), _) => {
            report.line(Verdict::Ok, &format!("the endpoint {endpoint} exists: {contacts}"))
        }
    }
    Ok(())
}

/// Checks a peer of `sip.conf`, which Asterisk before 21 supports.
async fn check_sip(
    peer: &str,
    context: &str,
    probe: &mut Probe,
    report: &mut Report,
) -> Result<(), ProbeError> {
    match probe.is_true("IFMODULE(chan_sip.so)").await? {
        Some(true) => {}
        Some(false) => {
            let text = format!(
                "extensions.conf: [{context}] dials SIP/…@{peer}, but chan_sip.so is not loaded (Asterisk 21 and later do \
                 not have it); write Dial(PJSIP/+${{EXTEN}}@{peer}) and see asterisk/pjsip.conf"
            );
            report.line(Verdict::Failure, &text);
            return Ok(());
        }
        None => {
            report.line(
                Verdict::Note,
                &format!("the peer {peer}, which [{context}] dials: not checked"),
            );
            return Ok(());
        }
    }
    let state = probe.value(&format!("DEVICE_STATE(SIP/{peer})")).await?.unwrap_or_default();
    report.expect(
        state != "INVALID",
        &format!("the peer {peer} exists"),
        Verdict::Failure,
        &format!(
            "sip.conf: there is no peer {peer}, which [{context}] dials: see asterisk/README.md"
        ),
    );
    Ok(())
}

/// Checks the hangup handler that reports the gateway's reason for a failed call.
async fn check_hangup_handler(
    context: &str,
    dialplan: &Dialplan,
    probe: &mut Probe,
    report: &mut Report,
) -> Result<(), ProbeError> {
    let handler =
        dialplan.steps.iter().find_map(|step| step.arguments.split_once("hangup_handler_push)="));
    let Some((_, target)) = handler else {
        let text = format!(
            "extensions.conf: [{context}] has no hangup handler, so a flood wait shows as congestion; write \
             Set(CHANNEL(hangup_handler_push)=telegram-hangup,s,1) before Dial, and [telegram-hangup] as in \
             asterisk/extensions.conf"
        );
        report.line(Verdict::Warning, &text);
        return Ok(());
    };
    let handler = target.split(',').next().unwrap_or_default().trim();
    match probe.dialplan(handler).await? {
        Listing::Listed(dialplan) => {
            report.line(Verdict::Ok, &format!("the hangup handler {handler} is in the dialplan"));
            check_steps(handler, &dialplan, probe, report).await?;
        }
        Listing::Missing => {
            let text = format!(
                "extensions.conf: the hangup handler {handler} of [{context}] does not exist, so a flood wait shows as \
                 congestion; write [{handler}] as in asterisk/extensions.conf"
            );
            report.line(Verdict::Warning, &text);
        }
        Listing::Unlisted => {}
    }
    Ok(())
}
