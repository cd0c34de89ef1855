//! The messages that Asterisk sends during calls, from the simulator on virtual time.

use std::time::{Duration, Instant, SystemTime};

use bytes::BytesMut;
use originatord_core::call::{CallId, Number, lock_id};
use originatord_core::clock::Now;
use originatord_sim::AsteriskVersion;
use originatord_sim::channel::Party;
use originatord_sim::pbx::{Destination, Originate, Pbx};
use originatord_sim::scenario::Scenario;
use originatord_sim::wire::Headers;

/// Time between two calls, short enough that the events of many calls mix.
const APART: Duration = Duration::from_millis(7);

/// Events that pass the filters of `asterisk/manager.conf`.
pub(crate) const NEEDED: [&str; 9] = [
    "Newchannel",
    "Newstate",
    "Hangup",
    "OriginateResponse",
    "ConfbridgeJoin",
    "ConfbridgeLeave",
    "ConfbridgeStart",
    "ConfbridgeEnd",
    "UserEvent",
];

/// Other events, which the simulator does not send. On a real Asterisk they are about half of all:
/// 26 events and 11 kB a call in total.
const UNNEEDED: [&str; 13] = [
    "VarSet",
    "Newexten",
    "NewCallerid",
    "NewConnectedLine",
    "DialBegin",
    "DialState",
    "LocalBridge",
    "DialEnd",
    "BridgeCreate",
    "BridgeEnter",
    "MusicOnHoldStart",
    "BridgeLeave",
    "HangupRequest",
];

/// One message with the name of its event, or `Response`.
pub(crate) struct Message {
    pub name: String,
    pub bytes: Vec<u8>,
}

/// All messages of `count` calls to callees that `digits` select, one after the other, with every
/// class of events. Events that the daemon does not use belong to the same channels, and have the
/// same length, as those of the simulator.
pub(crate) fn of_calls(count: usize, digits: &[&str]) -> Vec<Message> {
    let began = Now {
        instant: Instant::now(),
        wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_000_000),
    };
    let at = |after: Duration| Now { instant: began.instant + after, wall: began.wall + after };
    let scenario =
        Scenario::parse("[timing]\nwait = \"10ms\"\nbeep = \"10ms\"").expect("a scenario");
    let (mut pbx, mut messages) = (Pbx::new(AsteriskVersion::V22, scenario, 1), Vec::new());
    let mut unneeded = UNNEEDED.iter().cycle();
    let mut take = |pbx: &mut Pbx, messages: &mut Vec<Message>| {
        for event in pbx.take_events() {
            messages.push(message(&event.headers));
            messages.push(message(
                &Headers::new()
                    .with("Event", unneeded.next().unwrap_or(&""))
                    .and(event.headers.into_iter().skip(1).collect()),
            ));
        }
    };
    let mut play = |pbx: &mut Pbx, messages: &mut Vec<Message>, until: Option<Instant>| {
        while let Some(deadline) =
            pbx.deadline().filter(|deadline| until.is_none_or(|until| *deadline <= until))
        {
            pbx.tick(at(deadline - began.instant));
            take(pbx, messages);
        }
    };
    for (index, digits) in (0..count).zip(digits.iter().cycle()) {
        let now = at(APART * index as u32);
        play(&mut pbx, &mut messages, Some(now.instant));
        let number = format!("79{:06}{digits}", index % 1_000_000);
        let id = CallId::new(now.wall, index as u128).to_string();
        messages.push(message(&response(&id)));
        pbx.originate(now, originate(&id, &number));
    }
    play(&mut pbx, &mut messages, None);
    messages
}

fn response(id: &str) -> Headers {
    let headers = Headers::new().with("Response", "Success").with("ActionID", id);
    headers.with("Message", "Originate successfully queued")
}

fn originate(id: &str, number: &str) -> Originate {
    Originate {
        action_id: Some(id.to_owned()),
        channel: format!("Local/{number}@telegram-out"),
        destination: Destination::Dialplan { context: "conf-in".into(), exten: "R1".into() },
        timeout: Duration::from_secs(30),
        caller: Party::parse("<Bob>"),
        variables: vec![("LANG".into(), "ru".into())],
        channel_id: Some(id.to_owned()),
        other_channel_id: Some(lock_id(number.parse::<Number>().expect("a number"))),
    }
}

fn message(headers: &Headers) -> Message {
    let name = headers.get("Event").unwrap_or("Response").to_owned();
    let mut bytes = BytesMut::new();
    headers.encode(&mut bytes);
    Message { name, bytes: bytes.to_vec() }
}
