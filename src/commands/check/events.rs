//! Checks that the events of calls and conferences arrive.

use super::conference::{CONFERENCE_EVENTS, Provoked, ROOM_EVENTS, TALKING};
use super::probe::{CALL_EVENTS, Probe, ProbeError};
use super::report::{Report, Verdict};

/// Checks each event that the daemon uses, and names what it loses without one.
pub(super) async fn check(probe: &mut Probe, report: &mut Report) -> Result<(), ProbeError> {
    let seen = probe.events_of_failed_call().await?;
    for event in CALL_EVENTS {
        let good = format!("the event {event} arrives");
        let bad = format!(
            "the event {event} does not arrive: add call to the user's read =, and let its eventfilter through"
        );
        report.expect(seen.contains(event), &good, Verdict::Failure, &bad);
    }
    // Without the events of calls, a missing conference event proves nothing.
    let others = if CALL_EVENTS.iter().all(|event| seen.contains(*event)) {
        probe.events_of_participant().await?
    } else {
        None
    };
    let Some(provoked) = others else {
        let events = [&CONFERENCE_EVENTS[..], &ROOM_EVENTS[..], &[TALKING]].concat();
        let text = format!(
            "not tested, because only a real call shows them: the events {}",
            events.join(", ")
        );
        report.line(Verdict::Note, &text);
        return Ok(());
    };
    check_conference_events(&provoked, report);
    let version = probe.value("VERSION()").await?.unwrap_or_default();
    check_room_events(&provoked, &version, report);
    Ok(())
}

fn check_conference_events(provoked: &Provoked, report: &mut Report) {
    for event in CONFERENCE_EVENTS {
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
        report.expect(provoked.seen.contains(event), &good, Verdict::Warning, &bad);
    }
}

/// Checks the events that a filter of an earlier sample does not let through. The user may read
/// their class, because the events of calls have arrived.
fn check_room_events(provoked: &Provoked, version: &str, report: &mut Report) {
    let talking = provoked.has_talked.then_some(TALKING);
    for event in ROOM_EVENTS.into_iter().chain(talking) {
        let lost = match event {
            "ConfbridgeStart" => "the start of a room is seen up to a minute late",
            "ConfbridgeEnd" => "the end of a room is seen up to a minute late",
            "ConfbridgeMute" => "a mute by somebody else is seen up to a minute late",
            "ConfbridgeUnmute" => "an unmute by somebody else is seen up to a minute late",
            _ => "nobody is seen speaking, even with talk_detection",
        };
        let good = format!("the event {event} arrives");
        let bad = format!(
            "the event {event} does not arrive, so that {lost}: add the line {} to the user in manager.conf",
            filter_line(version, event)
        );
        report.expect(provoked.seen.contains(event), &good, Verdict::Warning, &bad);
    }
    if talking.is_none() {
        report.line(
            Verdict::Note,
            &format!("not tested, because Asterisk cannot play a tone: the event {TALKING}"),
        );
    }
}

/// The line of `manager.conf` that lets an event through, as in the sample for this version. The
/// older form works in every version.
fn filter_line(version: &str, event: &str) -> String {
    let mut numbers = version.split(['.', '+', '~', '-']).map(|part| part.parse().unwrap_or(0));
    let version: [u32; 2] = [(); 2].map(|()| numbers.next().unwrap_or(0));
    if version >= [22, 1] {
        format!("eventfilter(action(include),name({event})) =")
    } else {
        format!("eventfilter = Event: {event}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filter_line_fits_the_version() {
        let older = "eventfilter = Event: ConfbridgeEnd";
        let newer = "eventfilter(action(include),name(ConfbridgeEnd)) =";
        for (version, line) in [
            ("16.28.0~dfsg-0+deb11u10", older),
            ("20.11.0", older),
            ("22.0.0", older),
            ("22", older),
            ("22.1.0", newer),
            ("22.10.1+dfsg+~cs6.17.60671434-1", newer),
            ("23.0.0", newer),
            ("GIT-master-1a2b", older),
            ("", older),
        ] {
            assert_eq!(filter_line(version, "ConfbridgeEnd"), line, "{version}");
        }
    }
}
