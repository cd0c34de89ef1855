//! The writers of the journal: no value can forge a line of text, and no writer delays others.

use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use super::*;
use crate::journal::{Journal, JournalOptions};
use crate::logging::LogFormat;
use originatord_core::record::text::text_line;
use originatord_core::record::{Event, Gap, GapReason, Record, samples};

fn line(entry: &Entry) -> String {
    let mut line = String::new();
    text_line(entry, SystemTime::now(), &mut line);
    line
}

/// An output that waits for a permit before each write, and keeps the written text.
struct GatedOutput {
    permits: Receiver<io::Result<()>>,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    /// How many writes were begun.
    begun: AtomicUsize,
    written: Mutex<String>,
}

impl Write for GatedOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.seen.begun.fetch_add(1, Ordering::SeqCst);
        self.permits.recv().unwrap_or(Ok(()))?;
        self.seen.written.lock().unwrap().push_str(std::str::from_utf8(bytes).unwrap());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn gated_output() -> (GatedOutput, Sender<io::Result<()>>, Arc<Seen>) {
    let ((permit, permits), seen) = (channel(), Arc::<Seen>::default());
    (GatedOutput { permits, seen: seen.clone() }, permit, seen)
}

impl Seen {
    /// The number of each written line, or a gap's range.
    fn seqs(&self) -> Vec<String> {
        let parse = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
        let word = |line: serde_json::Value| match line.get("seq") {
            Some(seq) => seq.to_string(),
            None => format!("{} {}-{}", line["reason"].as_str().unwrap(), line["from"], line["to"]),
        };
        self.written.lock().unwrap().lines().map(|line| word(parse(line))).collect()
    }
}

fn append(journal: &Journal, count: usize) {
    let event = || Event::DaemonStopping { reason: "x".into() };
    journal.append((0..count).map(|_| (SystemTime::UNIX_EPOCH, event(), None)));
}

async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let patience = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), patience)
        .await
        .unwrap_or_else(|_| panic!("not so: {what}"));
}

#[tokio::test]
async fn stalled_writer_delays_nobody_and_writes_a_gap_later() {
    let journal = Journal::new(JournalOptions { capacity: 4, ..JournalOptions::default() });
    let (output, permit, seen) = gated_output();
    let writer = spawn(
        "gated_output",
        journal.from_start(),
        StdoutSink::new(output, LogFormat::Json, || true),
    )
    .unwrap();
    append(&journal, 1);
    eventually("the writer has one in hand", || seen.begun.load(Ordering::SeqCst) == 1).await;
    append(&journal, 100);
    // Other readers read meanwhile, and the writer has not continued.
    assert_eq!(journal.from_start().next_batch().await.len(), 4);
    assert_eq!(seen.seqs(), [""; 0]);
    drop(permit);
    journal.close();
    eventually("the writer ends with the journal", || writer.thread.is_finished()).await;
    assert_eq!(seen.seqs(), ["1", "overrun 2-97", "98", "99", "100", "101"]);
}

#[tokio::test]
async fn broken_pipe_ends_one_writer_alone() {
    let journal = Journal::new(JournalOptions { capacity: 4, ..JournalOptions::default() });
    let (output, permit, seen) = gated_output();
    let broken =
        spawn("broken", journal.from_start(), StdoutSink::new(output, LogFormat::Text, || true))
            .unwrap();
    let (output, _, other_seen) = gated_output();
    let _whole =
        spawn("whole", journal.from_start(), StdoutSink::new(output, LogFormat::Json, || true))
            .unwrap();
    permit.send(Err(io::ErrorKind::BrokenPipe.into())).unwrap();
    append(&journal, 1);
    eventually("the writer gives up", || broken.thread.is_finished()).await;
    append(&journal, 1);
    eventually("the other writes on", || other_seen.seqs() == ["1", "2"]).await;
    assert_eq!(*seen.written.lock().unwrap(), "");
    journal.close();
}

/// A disk that accepts 100 bytes, is full once, accepts 100 bytes again, and so on.
struct NearlyFullDisk {
    is_full: bool,
    written: Arc<Mutex<String>>,
}

impl Write for NearlyFullDisk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.is_full = !self.is_full;
        if self.is_full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let taken = bytes.len().min(100);
        self.written.lock().unwrap().push_str(std::str::from_utf8(&bytes[..taken]).unwrap());
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn writer_continues_where_a_full_disk_stopped_it() {
    let (journal, written) = (
        Journal::new(JournalOptions { capacity: 4, ..JournalOptions::default() }),
        Arc::<Mutex<String>>::default(),
    );
    let disk = NearlyFullDisk { is_full: false, written: written.clone() };
    let writer =
        spawn("full", journal.from_start(), StdoutSink::new(disk, LogFormat::Json, || true))
            .unwrap();
    append(&journal, 2);
    journal.close();
    eventually("all is written", || writer.thread.is_finished()).await;
    let expected: String = journal.from_start().next_batch().await.iter().map(json_line).collect();
    assert!(expected.len() > 100, "it takes several writes");
    assert_eq!(*written.lock().unwrap(), expected);
}

fn json_line(entry: &Entry) -> String {
    let level = if matches!(entry, Entry::Gap(_)) { "WARN" } else { "INFO" };
    format!("{{\"level\":\"{level}\",{}\n", &serde_json::to_string(entry).unwrap()[1..])
}

#[test]
fn stdout_has_the_configured_format_unless_filtered() {
    let entry = Entry::Record(Arc::new(samples::of_call(1, Event::CallQueued)));
    let written = |format: LogFormat, shows: fn() -> bool| {
        let (output, permit, seen) = gated_output();
        drop(permit);
        StdoutSink::new(output, format, shows).write(std::slice::from_ref(&entry)).unwrap();
        let written = seen.written.lock().unwrap();
        written.clone()
    };
    assert_eq!(written(LogFormat::Text, || true), line(&entry));
    assert_eq!(written(LogFormat::Json, || true), json_line(&entry));
    assert_eq!([written(LogFormat::Text, || false), written(LogFormat::Json, || false)], ["", ""]);
}

#[test]
fn each_kind_of_record_is_a_line_of_text() {
    let id = samples::call().id.to_string();
    let call =
        r#"call_id=ID number=+79991234567 room=КОМНАТА1 caller_id="Боб Smith" lang=ru key=bot"#;
    let expected = [
        "daemon.started seq=1 version=0.1.0 instance=originatord",
        "ami.connected seq=2 asterisk=main banner=\"Asterisk Call Manager/11.0.0\" live=3",
        "ami.disconnected seq=3 asterisk=main reason=\"Asterisk closed the connection\"",
        "call.requested seq=4 CALL",
        "call.queued seq=5 CALL",
        "call.ringing seq=6 CALL",
        "call.answered seq=7 CALL",
        "call.joined seq=8 CALL conference=КОМНАТА1",
        "call.left seq=9 CALL conference=КОМНАТА1",
        "call.adopted seq=10 CALL state=joined requested=2026-11-24T12:00:00.123Z",
        "call.adopted seq=11 CALL state=answered requested=2026-11-24T12:00:00.123Z queued=2026-11-24T12:00:00.123Z \
         answered=2026-11-24T12:00:02.123Z",
        "call.refused seq=12 CALL reason=in_progress text=\"call already in progress\" in_progress=ID",
        "call.refused seq=13 CALL reason=in_progress text=\"call already in progress\"",
        "call.refused seq=14 CALL reason=link_down \
         text=\"Asterisk is not reachable: login refused: Authentication failed\"",
        "call.refused seq=15 CALL reason=overloaded text=\"too many requests at once\"",
        "call.refused seq=16 CALL reason=stopping text=\"the daemon is stopping\"",
        "call.refused seq=17 CALL reason=rejected text=\"Asterisk refused the call: Extension does not exist.\"",
        "call.ended seq=18 CALL outcome=completed cause=16 cause_text=\"Normal Clearing\" ring_seconds=2.5 \
         talk_seconds=61.0 hung_up_by=bot",
        "call.ended seq=19 CALL outcome=flood_wait cause=38 cause_text=\"Network out of order\" \
         gateway_reply=\"SIP 500 FLOOD_WAIT 291\" flood_wait_seconds=291 ring_seconds=0.0",
        "call.ended seq=20 CALL outcome=unknown ended_after=2026-11-24T12:00:00.123Z \
         ended_before=2026-11-24T12:00:05.123Z",
        "call.muted seq=21 CALL conference=КОМНАТА1 by=operator",
        "call.unmuted seq=22 CALL conference=КОМНАТА1",
        "call.kicked seq=23 CALL conference=КОМНАТА1 by=operator",
        "call.moved seq=24 CALL conference=КОМНАТА1 moved_to=R2 by=operator",
        "call.joined seq=25 CALL conference=КОМНАТА1 after=2026-11-24T12:00:00.123Z",
        "call.left seq=26 CALL conference=КОМНАТА1 after=2026-11-24T12:00:00.123Z talked_seconds=1.5",
        "room.started seq=27 room=КОМНАТА1 conference_id=cf-01m86ptpkv0000000000000002",
        "room.started seq=28 room=КОМНАТА1 conference_id=cf-01m86ptpkv0000000000000002 \
         after=2026-11-24T12:00:00.123Z",
        "room.locked seq=29 room=КОМНАТА1 by=operator",
        "room.unlocked seq=30 room=КОМНАТА1",
        "room.muted seq=31 room=КОМНАТА1 by=operator",
        "room.unmuted seq=32 room=КОМНАТА1 by=operator",
        "room.ended seq=33 room=КОМНАТА1 conference_id=cf-01m86ptpkv0000000000000002 by=operator",
        "room.ended seq=34 room=КОМНАТА1 conference_id=cf-01m86ptpkv0000000000000002 \
         after=2026-11-24T12:00:00.123Z",
        "guest.joined seq=35 number=+79997654321 room=КОМНАТА1 caller_id=79997654321 guest_id=1795521600.7",
        "guest.joined seq=36 number=+79997654321 room=КОМНАТА1 caller_id=79997654321 guest_id=1795521600.7 \
         after=2026-11-24T12:00:00.123Z",
        "guest.muted seq=37 number=+79997654321 room=КОМНАТА1 caller_id=79997654321 guest_id=1795521600.7 \
         by=operator",
        "guest.unmuted seq=38 number=+79997654321 room=КОМНАТА1 caller_id=79997654321 guest_id=1795521600.7 \
         by=operator",
        "guest.left seq=39 number=+79997654321 room=КОМНАТА1 caller_id=79997654321 guest_id=1795521600.7",
        "guest.left seq=40 number=+79997654321 room=КОМНАТА1 caller_id=79997654321 reason=moved \
         guest_id=1795521600.7 moved_to=R2 by=operator after=2026-11-24T12:00:00.123Z talked_seconds=2.0",
        "erased seq=41",
        "daemon.stopping seq=42 reason=SIGTERM",
    ];
    let records = samples::all();
    assert_eq!(records.len(), expected.len());
    for (record, expected) in records.into_iter().zip(expected) {
        let expected = expected.replace("CALL", call).replace("ID", &id);
        let time = originatord_core::clock::rfc3339(record.time);
        let level = if record.event.name() == "ami.disconnected" { "WARN" } else { "INFO" };
        assert_eq!(line(&Entry::Record(record.into())), format!("{time}  {level} {expected}\n"));
    }
    let gap = line(&Entry::Gap(Gap { from: Some(3), to: Some(7), reason: GapReason::Overrun }));
    assert!(gap.ends_with("Z  WARN gap reason=overrun from=3 to=7\n"), "{gap}");
}

#[test]
fn no_value_forges_a_line_or_controls_the_terminal() {
    // A caller id that the contract allows, and a reason that Asterisk could give.
    let hostile = [
        "x\n2026-11-24T12:00:00.123Z  INFO call.ended",
        "a\r\nb",
        "\u{1b}[31m\u{1b}]0;title\u{7}",
        "\u{9b}31m",
        "a\tb",
        "x room=admin",
        "\" room=\"admin",
        "room=admin",
        "\u{202e}drowssap\u{202c}",
        "\u{2066}a\u{2069}\u{200f}\u{61c}",
        "\u{2028}a\u{2029}\u{85}",
        "\u{200b}\u{feff}",
        "\0",
        "\\",
        "",
    ];
    for text in hostile {
        let mut call = samples::call();
        if let Ok(caller_id) = text.parse() {
            call.caller_id = caller_id;
        }
        let event = Event::CallJoined { conference: text.into(), after: None };
        let record = Record::new(1, samples::time(), event, Some(Arc::new(call)));
        let line = line(&Entry::Record(record.into()));
        let body = line.strip_suffix('\n').unwrap();
        // A terminal gets nothing but letters, printable ASCII and blanks.
        let printable = |c: char| c == ' ' || c.is_alphanumeric() || c.is_ascii_graphic();
        assert!(body.chars().all(printable), "{body:?}");
        // Each name appears once outside of quotes.
        let outside: String =
            body.replace("\\\\", "").replace("\\\"", "").split('"').step_by(2).collect();
        for name in [" room=", " conference=", "call.joined", "  INFO "] {
            assert_eq!(outside.matches(name).count(), 1, "{name} in {body}");
        }
        assert!(!outside.contains("admin") && !outside.contains("call.ended"), "{body}");
    }
}

/// A sink that counts its batches, and gets an empty one after this time.
struct CountingSink(Duration, Arc<AtomicUsize>);

impl Sink for CountingSink {
    fn write(&mut self, _: &[Entry]) -> io::Result<()> {
        self.1.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn erase(&mut self, _: Number) -> Erased {
        Erased::default()
    }

    fn check_interval(&self) -> Duration {
        self.0
    }
}

#[tokio::test]
async fn sink_checks_its_file_when_idle_and_on_request() {
    let (often, seldom) = (Duration::from_millis(5), Duration::from_secs(600));
    for (check_interval, is_requested) in [(often, false), (seldom, true)] {
        let (journal, looks) = (
            Journal::new(JournalOptions { capacity: 4, ..JournalOptions::default() }),
            Arc::<AtomicUsize>::default(),
        );
        let writer =
            spawn("looking", journal.from_start(), CountingSink(check_interval, looks.clone()))
                .unwrap();
        let file_check = writer.file_check();
        eventually("it looks more than once", || {
            if is_requested {
                file_check.start();
            }
            looks.load(Ordering::SeqCst) > 1
        })
        .await;
        journal.close();
        eventually("it ends with the journal", || writer.thread.is_finished()).await;
    }
}
