//! Sample records of every kind, for tests.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{Event, Record};
use crate::call::machine::{State, Timestamps};
use crate::call::outcome::{Cause, End, Outcome};
use crate::call::progress::Progress;
use crate::call::{CallId, CallInfo, Refusal};
use crate::room::{ConferenceId, Guest, GuestChange, LeaveReason, Left, RoomChange};

/// The time of the first sample. Each further sample is a second later.
pub fn time() -> SystemTime {
    humantime::parse_rfc3339("2026-11-24T12:00:00.123Z").expect("a time")
}

/// The call that the samples are about.
pub fn call() -> CallInfo {
    CallInfo {
        id: CallId::new(time(), 1),
        number: "79991234567".parse().expect("a number"),
        room: "КОМНАТА1".parse().expect("a room"),
        caller_id: "Боб Smith".parse().expect("a caller id"),
        lang: "ru".parse().expect("a language"),
        key: "bot".into(),
    }
}

/// An end with this outcome and no further details.
pub fn end(outcome: Outcome) -> End {
    End {
        outcome,
        answered: matches!(outcome, Outcome::Completed | Outcome::NotJoined),
        cause: None,
        gateway_reply: None,
        ring: None,
        talk: None,
        hung_up_by: None,
        ended_between: None,
        timestamps: Timestamps::default(),
    }
}

/// A record of `call()`.
pub fn of_call(seq: u64, event: Event) -> Record {
    Record::new(seq, time() + Duration::from_secs(seq - 1), event, Some(Arc::new(call())))
}

/// A record about the daemon or the link, without a call.
pub fn of_daemon(seq: u64, event: Event) -> Record {
    Record { call: None, ..of_call(seq, event) }
}

/// Samples of all kinds, with several of those kinds whose members vary.
pub fn all() -> Vec<Record> {
    let cause = |code, text: &str| Some(Cause { code, text: text.into() });
    let conference: Arc<str> = "КОМНАТА1".into();
    let refused = [
        Refusal::InProgress { by: Some(call().id) },
        Refusal::InProgress { by: None },
        Refusal::LinkDown("login refused: Authentication failed".into()),
        Refusal::Overloaded,
        Refusal::Stopping,
        Refusal::Rejected("Extension does not exist.".into()),
    ];
    let ended = [
        End {
            cause: cause(16, "Normal Clearing"),
            ring: Some(Duration::from_millis(2500)),
            talk: Some(Duration::from_micros(61_000_999)),
            hung_up_by: Some("bot".into()),
            ..end(Outcome::Completed)
        },
        End {
            cause: cause(38, "Network out of order"),
            gateway_reply: Some("SIP 500 FLOOD_WAIT 291".into()),
            ring: Some(Duration::ZERO),
            ..end(Outcome::FloodWait)
        },
        End {
            ended_between: Some((time(), time() + Duration::from_secs(5))),
            ..end(Outcome::Unknown)
        },
    ];
    let mut all = vec![
        of_daemon(1, Event::DaemonStarted { version: "0.1.0", instance: "originatord".into() }),
        of_daemon(
            2,
            Event::AmiConnected {
                asterisk: "main".into(),
                banner: "Asterisk Call Manager/11.0.0".into(),
                live: 3,
            },
        ),
        of_daemon(
            3,
            Event::AmiDisconnected {
                asterisk: "main".into(),
                reason: "Asterisk closed the connection".into(),
            },
        ),
        of_call(4, Event::CallRequested),
        of_call(5, Event::CallQueued),
        of_call(6, Event::CallRinging),
        of_call(7, Event::CallAnswered { after: None }),
        of_call(8, Event::CallJoined { conference: conference.clone(), after: None }),
        of_call(9, Event::CallLeft { conference: conference.clone(), after: None, talked: None }),
    ];
    let timestamps = Timestamps {
        queued: Some(time()),
        answered: Some(time() + Duration::from_secs(2)),
        ..Timestamps::default()
    };
    for progress in
        [Progress::of(State::Joined), Progress { timestamps, ..Progress::of(State::Answered) }]
    {
        all.push(of_call(all.len() as u64 + 1, Event::CallAdopted(Box::new(progress))));
    }
    let endings = ended.map(|end| Event::CallEnded(Box::new(end)));
    for event in refused.map(Event::CallRefused).into_iter().chain(endings) {
        all.push(of_call(all.len() as u64 + 1, event));
    }
    for event in of_participants(&conference) {
        all.push(of_call(all.len() as u64 + 1, event));
    }
    for event in of_rooms_and_guests(&conference) {
        all.push(of_daemon(all.len() as u64 + 1, event));
    }
    all.push(of_daemon(all.len() as u64 + 1, Event::Erased));
    all.push(of_daemon(all.len() as u64 + 1, Event::DaemonStopping { reason: "SIGTERM".into() }));
    all
}

/// Samples of the events of a callee in a room.
fn of_participants(conference: &Arc<str>) -> Vec<Event> {
    let (conference, by): (_, Arc<str>) = (conference.clone(), "operator".into());
    vec![
        Event::CallMuted { conference: conference.clone(), by: Some(by.clone()) },
        Event::CallUnmuted { conference: conference.clone(), by: None },
        Event::CallKicked { conference: conference.clone(), by: by.clone() },
        Event::CallMoved { conference: conference.clone(), moved_to: "R2".into(), by },
        Event::CallJoined { conference: conference.clone(), after: Some(time()) },
        Event::CallLeft {
            conference,
            after: Some(time()),
            talked: Some(Duration::from_millis(1500)),
        },
    ]
}

/// A guest whose caller id is a number.
pub fn guest() -> Guest {
    Guest::new("1795521600.7", "79997654321", "<unknown>")
}

/// Samples of the events of rooms and guests.
fn of_rooms_and_guests(conference: &Arc<str>) -> Vec<Event> {
    let (id, guest) = (ConferenceId::new(time(), 2), Arc::new(guest()));
    let by: Option<Arc<str>> = Some("operator".into());
    let rooms = [
        RoomChange::Started { id, after: None },
        RoomChange::Started { id, after: Some(time()) },
        RoomChange::Locked { by: by.clone() },
        RoomChange::Unlocked { by: None },
        RoomChange::Muted { by: by.clone() },
        RoomChange::Unmuted { by: by.clone() },
        RoomChange::Ended { id, after: None, by: by.clone() },
        RoomChange::Ended { id, after: Some(time()), by: None },
    ];
    let left = Left {
        after: Some(time()),
        reason: Some(LeaveReason::Moved),
        by: by.clone(),
        moved_to: Some("R2".into()),
        talked: Some(Duration::from_secs(2)),
    };
    let guests = [
        GuestChange::Joined { after: None },
        GuestChange::Joined { after: Some(time()) },
        GuestChange::Muted { by: by.clone() },
        GuestChange::Unmuted { by },
        GuestChange::Left(Left::default()),
        GuestChange::Left(left),
    ];
    let of_room = |change| Event::Room { room: conference.clone(), change };
    let of_guest = |change| Event::Guest { guest: guest.clone(), room: conference.clone(), change };
    rooms.map(of_room).into_iter().chain(guests.map(of_guest)).collect()
}
