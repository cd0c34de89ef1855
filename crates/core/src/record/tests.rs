//! The JSON of each kind of record, byte for byte, because programs read it.

use super::*;
use crate::record::samples;

/// The members that each record of the samples' call has after `event`.
const CALL: &str = r#""call_id":"ID","number":"+79991234567","room":"КОМНАТА1","caller_id":"Боб Smith","lang":"ru","key":"bot""#;

#[test]
fn each_record_kind_has_its_members_in_order() {
    let id = samples::call().id.to_string();
    let expected = [
        r#"{"seq":1,"time":"2026-11-24T12:00:00.123Z","event":"daemon.started","version":"0.1.0","instance":"originatord"}"#,
        r#"{"seq":2,"time":"2026-11-24T12:00:01.123Z","event":"ami.connected","asterisk":"main","banner":"Asterisk Call Manager/11.0.0","live":3}"#,
        r#"{"seq":3,"time":"2026-11-24T12:00:02.123Z","event":"ami.disconnected","asterisk":"main","reason":"Asterisk closed the connection"}"#,
        r#"{"seq":4,"time":"2026-11-24T12:00:03.123Z","event":"call.requested",CALL}"#,
        r#"{"seq":5,"time":"2026-11-24T12:00:04.123Z","event":"call.queued",CALL}"#,
        r#"{"seq":6,"time":"2026-11-24T12:00:05.123Z","event":"call.ringing",CALL}"#,
        r#"{"seq":7,"time":"2026-11-24T12:00:06.123Z","event":"call.answered",CALL}"#,
        r#"{"seq":8,"time":"2026-11-24T12:00:07.123Z","event":"call.joined",CALL,"conference":"КОМНАТА1"}"#,
        r#"{"seq":9,"time":"2026-11-24T12:00:08.123Z","event":"call.left",CALL,"conference":"КОМНАТА1"}"#,
        r#"{"seq":10,"time":"2026-11-24T12:00:09.123Z","event":"call.adopted",CALL,"state":"joined","requested":"2026-11-24T12:00:00.123Z"}"#,
        r#"{"seq":11,"time":"2026-11-24T12:00:10.123Z","event":"call.adopted",CALL,"state":"answered","requested":"2026-11-24T12:00:00.123Z","queued":"2026-11-24T12:00:00.123Z","answered":"2026-11-24T12:00:02.123Z"}"#,
        r#"{"seq":12,"time":"2026-11-24T12:00:11.123Z","event":"call.refused",CALL,"reason":"in_progress","text":"call already in progress","in_progress":"ID"}"#,
        r#"{"seq":13,"time":"2026-11-24T12:00:12.123Z","event":"call.refused",CALL,"reason":"in_progress","text":"call already in progress"}"#,
        r#"{"seq":14,"time":"2026-11-24T12:00:13.123Z","event":"call.refused",CALL,"reason":"link_down","text":"Asterisk is not reachable: login refused: Authentication failed"}"#,
        r#"{"seq":15,"time":"2026-11-24T12:00:14.123Z","event":"call.refused",CALL,"reason":"overloaded","text":"too many requests at once"}"#,
        r#"{"seq":16,"time":"2026-11-24T12:00:15.123Z","event":"call.refused",CALL,"reason":"stopping","text":"the daemon is stopping"}"#,
        r#"{"seq":17,"time":"2026-11-24T12:00:16.123Z","event":"call.refused",CALL,"reason":"rejected","text":"Asterisk refused the call: Extension does not exist."}"#,
        r#"{"seq":18,"time":"2026-11-24T12:00:17.123Z","event":"call.ended",CALL,"outcome":"completed","cause":16,"cause_text":"Normal Clearing","ring_seconds":2.5,"talk_seconds":61.0,"hung_up_by":"bot"}"#,
        r#"{"seq":19,"time":"2026-11-24T12:00:18.123Z","event":"call.ended",CALL,"outcome":"flood_wait","cause":38,"cause_text":"Network out of order","gateway_reply":"SIP 500 FLOOD_WAIT 291","flood_wait_seconds":291,"ring_seconds":0.0,"talk_seconds":null}"#,
        r#"{"seq":20,"time":"2026-11-24T12:00:19.123Z","event":"call.ended",CALL,"outcome":"unknown","cause":null,"cause_text":null,"ring_seconds":null,"talk_seconds":null,"ended_after":"2026-11-24T12:00:00.123Z","ended_before":"2026-11-24T12:00:05.123Z"}"#,
        r#"{"seq":21,"time":"2026-11-24T12:00:20.123Z","event":"call.muted",CALL,"conference":"КОМНАТА1","by":"operator"}"#,
        r#"{"seq":22,"time":"2026-11-24T12:00:21.123Z","event":"call.unmuted",CALL,"conference":"КОМНАТА1"}"#,
        r#"{"seq":23,"time":"2026-11-24T12:00:22.123Z","event":"call.kicked",CALL,"conference":"КОМНАТА1","by":"operator"}"#,
        r#"{"seq":24,"time":"2026-11-24T12:00:23.123Z","event":"call.moved",CALL,"conference":"КОМНАТА1","moved_to":"R2","by":"operator"}"#,
        r#"{"seq":25,"time":"2026-11-24T12:00:24.123Z","event":"call.joined",CALL,"conference":"КОМНАТА1","after":"2026-11-24T12:00:00.123Z"}"#,
        r#"{"seq":26,"time":"2026-11-24T12:00:25.123Z","event":"call.left",CALL,"conference":"КОМНАТА1","after":"2026-11-24T12:00:00.123Z","talked_seconds":1.5}"#,
        r#"{"seq":27,"time":"2026-11-24T12:00:26.123Z","event":"room.started","room":"КОМНАТА1","conference_id":"cf-01m86ptpkv0000000000000002"}"#,
        r#"{"seq":28,"time":"2026-11-24T12:00:27.123Z","event":"room.started","room":"КОМНАТА1","conference_id":"cf-01m86ptpkv0000000000000002","after":"2026-11-24T12:00:00.123Z"}"#,
        r#"{"seq":29,"time":"2026-11-24T12:00:28.123Z","event":"room.locked","room":"КОМНАТА1","by":"operator"}"#,
        r#"{"seq":30,"time":"2026-11-24T12:00:29.123Z","event":"room.unlocked","room":"КОМНАТА1"}"#,
        r#"{"seq":31,"time":"2026-11-24T12:00:30.123Z","event":"room.muted","room":"КОМНАТА1","by":"operator"}"#,
        r#"{"seq":32,"time":"2026-11-24T12:00:31.123Z","event":"room.unmuted","room":"КОМНАТА1","by":"operator"}"#,
        r#"{"seq":33,"time":"2026-11-24T12:00:32.123Z","event":"room.ended","room":"КОМНАТА1","conference_id":"cf-01m86ptpkv0000000000000002","by":"operator"}"#,
        r#"{"seq":34,"time":"2026-11-24T12:00:33.123Z","event":"room.ended","room":"КОМНАТА1","conference_id":"cf-01m86ptpkv0000000000000002","after":"2026-11-24T12:00:00.123Z"}"#,
        r#"{"seq":35,"time":"2026-11-24T12:00:34.123Z","event":"guest.joined","number":"+79997654321","room":"КОМНАТА1","caller_id":"79997654321","guest_id":"1795521600.7"}"#,
        r#"{"seq":36,"time":"2026-11-24T12:00:35.123Z","event":"guest.joined","number":"+79997654321","room":"КОМНАТА1","caller_id":"79997654321","guest_id":"1795521600.7","after":"2026-11-24T12:00:00.123Z"}"#,
        r#"{"seq":37,"time":"2026-11-24T12:00:36.123Z","event":"guest.muted","number":"+79997654321","room":"КОМНАТА1","caller_id":"79997654321","guest_id":"1795521600.7","by":"operator"}"#,
        r#"{"seq":38,"time":"2026-11-24T12:00:37.123Z","event":"guest.unmuted","number":"+79997654321","room":"КОМНАТА1","caller_id":"79997654321","guest_id":"1795521600.7","by":"operator"}"#,
        r#"{"seq":39,"time":"2026-11-24T12:00:38.123Z","event":"guest.left","number":"+79997654321","room":"КОМНАТА1","caller_id":"79997654321","guest_id":"1795521600.7"}"#,
        r#"{"seq":40,"time":"2026-11-24T12:00:39.123Z","event":"guest.left","number":"+79997654321","room":"КОМНАТА1","caller_id":"79997654321","reason":"moved","guest_id":"1795521600.7","moved_to":"R2","by":"operator","after":"2026-11-24T12:00:00.123Z","talked_seconds":2.0}"#,
        r#"{"seq":41,"time":"2026-11-24T12:00:40.123Z","event":"erased"}"#,
        r#"{"seq":42,"time":"2026-11-24T12:00:41.123Z","event":"daemon.stopping","reason":"SIGTERM"}"#,
    ];
    let records = samples::all();
    assert_eq!(records.len(), expected.len());
    for (record, expected) in records.iter().zip(expected) {
        let expected = expected.replace("CALL", CALL).replace("ID", &id);
        // An entry is written like its record.
        let entry = Entry::Record(Arc::new(record.clone()));
        assert_eq!(serde_json::to_string(&entry).unwrap(), expected);
        assert_eq!(serde_json::to_string(record).unwrap(), expected);
    }
}

#[test]
fn gap_names_missing_records_and_reason() {
    let gap =
        |from, to, reason| serde_json::to_string(&Entry::Gap(Gap { from, to, reason })).unwrap();
    assert_eq!(
        gap(Some(3), Some(7), GapReason::Overrun),
        r#"{"event":"gap","reason":"overrun","from":3,"to":7}"#
    );
    assert_eq!(
        gap(None, None, GapReason::Restarted),
        r#"{"event":"gap","reason":"restarted","from":null,"to":null}"#
    );
}

#[test]
fn every_outcome_has_its_word() {
    use crate::call::outcome::Outcome::*;
    let all = [
        (Completed, "completed"),
        (NotJoined, "not_joined"),
        (NoAnswer, "no_answer"),
        (Busy, "busy"),
        (Declined, "declined"),
        (NotOnTelegram, "not_on_telegram"),
        (InvalidNumber, "invalid_number"),
        (FloodWait, "flood_wait"),
        (Congestion, "congestion"),
        (Canceled, "canceled"),
        (Failed, "failed"),
        (Unknown, "unknown"),
    ];
    for (outcome, word) in all {
        let record = samples::of_call(1, Event::CallEnded(Box::new(samples::end(outcome))));
        assert_eq!(serde_json::to_value(&record).unwrap()["outcome"], word);
        // The API's calls use the same words.
        assert_eq!(serde_json::to_value(outcome).unwrap(), word);
    }
}

#[test]
fn no_value_breaks_the_line_or_the_object() {
    for hostile in
        ["a\nb", "a\r\nb", "\",\"event\":\"call.ended", "\u{1b}[2J", "\u{2028}", "\0", "\\"]
    {
        let event = Event::AmiDisconnected { asterisk: "main".into(), reason: hostile.into() };
        let line =
            serde_json::to_string(&Record { call: None, ..samples::of_call(1, event) }).unwrap();
        assert!(!line.contains(['\n', '\r', '\u{1b}', '\0']), "{line}");
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            (&read["event"], &read["reason"]),
            (&"ami.disconnected".into(), &hostile.into())
        );
    }
}

#[test]
fn record_read_back_is_written_the_same() {
    for record in samples::all() {
        let json = record.json();
        let line = Line::read(json.as_bytes()).expect("a record");
        assert_eq!(line.json(), json);
        assert_eq!(line.kind(), Some(record.event.kind()));
        assert_eq!(line.call().as_ref(), record.call.as_deref());
        let adopted = match &record.event {
            Event::CallAdopted(progress) => Some(**progress),
            _ => None,
        };
        assert_eq!(line.progress(), adopted);
    }
}

#[test]
fn later_builds_members_and_words_are_skipped() {
    let json = r#"{"seq":7,"time":"2026-11-24T12:00:00Z","event":"call.recorded","more":{"a":[1]},
        "call_id":"x","number":"+7999•••4567","room":null,"state":"flying","outcome":"eaten","cause":null}"#;
    let line = Line::read(json.as_bytes()).expect("a record");
    assert_eq!((line.seq, &*line.event, line.kind()), (Some(7), "call.recorded", None));
    assert_eq!(line.time.map(|time| time.to_string()).as_deref(), Some("2026-11-24T12:00:00.000Z"));
    assert!(line.number.is_some_and(Number::is_masked));
    assert_eq!((line.call(), line.progress(), line.outcome()), (None, None, None));
    assert_eq!(line.end.map(|end| end.outcome).as_deref(), Some("eaten"));
}

#[test]
fn record_kinds_have_distinct_positions_and_names() {
    for (position, kind) in EventKind::OF_RECORDS.into_iter().enumerate() {
        assert_eq!((kind as usize, kind.as_str().parse()), (position, Ok(kind)));
    }
    for kind in
        [EventKind::Gap, EventKind::CallCarried, EventKind::RoomCarried, EventKind::GuestCarried]
    {
        assert_eq!(kind.as_str().parse(), Ok(kind));
    }
}
