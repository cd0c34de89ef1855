//! What an Asterisk says while calls go through it, as the simulator plays it on a clock of its
//! own.

use std::time::{Duration, Instant, SystemTime};

use bytes::BytesMut;
use originatord::call::{CallId, Number, lock_id};
use originatord::clock::Now;
use originatord::sim::AsteriskVersion;
use originatord::sim::channel::Party;
use originatord::sim::pbx::{Destination, Originate, Pbx};
use originatord::sim::scenario::Scenario;
use originatord::sim::wire::Headers;

/// How far the calls are apart: so many are under way at once that their events mix.
const APART: Duration = Duration::from_millis(7);

/// The events that get through the filters of `asterisk/manager.conf`.
pub const NEEDED: [&str; 7] = [
    "Newchannel",
    "Newstate",
    "Hangup",
    "OriginateResponse",
    "ConfbridgeJoin",
    "ConfbridgeLeave",
    "UserEvent",
];

/// Others, which the simulator leaves out. A real Asterisk sends about as many of them as of those
/// that are needed: 26 events and 11 kB a call in all.
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

/// One message, and what it is: the event's name, or `Response`.
pub struct Message {
    pub name: String,
    pub bytes: Vec<u8>,
}

/// All that is said of `count` calls to callees that `digits` choose, one after the other, with
/// every class of events on. Those that nobody needs are about the same channels, and as long, as
/// those that the simulator plays.
pub fn of_calls(count: usize, digits: &[&str]) -> Vec<Message> {
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
        messages.push(message(&receipt(&id)));
        pbx.originate(now, originate(&id, &number));
    }
    play(&mut pbx, &mut messages, None);
    messages
}

fn receipt(id: &str) -> Headers {
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
