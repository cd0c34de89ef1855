//! Prepares frames for the comparison: masks values that differ from run to run.

use std::collections::BTreeMap;

pub(super) type Frame = Vec<(String, String)>;

/// Masks times, versions, and the ids that Asterisk generates.
pub(super) fn mask(received: &str) -> String {
    let is_hex = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let lines = received.split("\r\n").map(|line| {
        let Some((name, value)) = line.split_once(": ") else { return line.to_owned() };
        let value = match name {
            "Timestamp" | "Challenge" | "Uptime" | "LastReload" | "Duration" | "AnsweredTime"
            | "AsteriskVersion" | "CoreStartupDate" | "CoreStartupTime" | "CoreReloadDate"
            | "CoreReloadTime" | "CoreProcessedCalls" => "~".to_owned(),
            "BridgeUniqueid" | "BridgeId" if !value.is_empty() => {
                assert_eq!(value.len(), 36, "{line}");
                "~".to_owned()
            }
            "Uniqueid" | "Linkedid" => match value.split_once('.') {
                Some((seconds, count)) if is_hex(seconds) && is_hex(count) => "~".to_owned(),
                _ => value.to_owned(),
            },
            "Channel" => match value.rsplit_once('-') {
                Some((name, number)) if is_hex(number.split(';').next().unwrap_or_default()) => {
                    let half = number.split_once(';').map_or("", |(_, half)| half);
                    format!("{name}-~{half}")
                }
                _ => value.to_owned(),
            },
            _ => value.to_owned(),
        };
        format!("{name}: {value}")
    });
    lines.collect::<Vec<_>>().join("\r\n")
}

/// The events of each channel in their order. Asterisk sends `OriginateResponse` and
/// `HangupRequest` from other threads, at any time, so these have groups of their own; as have the
/// events of a conference, which keep their order among each other, but not towards a Hangup.
pub(super) fn by_channel(frames: &[Frame]) -> BTreeMap<String, Vec<String>> {
    let mut channels = BTreeMap::<String, Vec<String>>::new();
    for frame in frames {
        let get = |name: &str| frame.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value);
        // Legs of several calls have the same masked name.
        let channel = format!("{} {}", get("Channel"), get("Linkedid"));
        let key = match get("Event") {
            "" => "replies".to_owned(),
            event @ ("OriginateResponse" | "HangupRequest") => format!("{event} of {channel}"),
            event if event.starts_with("Confbridge") && !event.starts_with("ConfbridgeList") => {
                "conferences".to_owned()
            }
            _ => channel,
        };
        let lines: Vec<_> = frame.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        channels.entry(key).or_default().push(lines.join("\n"));
    }
    channels
}
