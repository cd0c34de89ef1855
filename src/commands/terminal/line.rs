//! Prints records as lines with colours, or as JSON.

use std::io::{self, Write};
use std::time::SystemTime;

use anstyle::{AnsiColor, Style};
use serde_json::{Map, Value};

use super::short_id::short;
use super::width::padded;
use super::zone::Zone;
use originatord_core::call::outcome::Outcome;
use originatord_core::escape;
use originatord_core::escape::quoted;
use originatord_core::record::{EventKind, Line};
use originatord_net::client::sse::Event;

/// An event of the stream: a record, or a gap.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The JSON as received.
    json: String,
    /// The parsed members of the JSON.
    members: Map<String, Value>,
}

impl Entry {
    /// Parses an event of the stream; `None` if it has no data, only the position at which the
    /// stream begins.
    pub(crate) fn read(event: Event) -> Option<Self> {
        let members = serde_json::from_str(&event.data).unwrap_or_default();
        (!event.data.is_empty()).then_some(Self { json: event.data, members })
    }

    /// An entry with these members.
    pub(crate) fn of(json: String, members: Map<String, Value>) -> Self {
        Self { json, members }
    }

    /// A member that is a string; empty if there is none.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.members.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// Parses the JSON as a record; returns a record without members if it is none.
    pub(crate) fn record(&self) -> Line<'_> {
        Line::read(self.json.as_bytes()).unwrap_or_default()
    }

    /// The time of the record; gaps have none.
    pub(crate) fn time(&self) -> Option<SystemTime> {
        humantime::parse_rfc3339(self.text("time")).ok()
    }
}

/// Prints entries: as lines for people, or as JSON for programs.
pub(crate) struct Printer<W> {
    output: W,
    json: bool,
    zone: Zone,
    /// The day that was printed last, as `2026-11-25 UTC+03:00`.
    day: String,
}

impl<W: Write> Printer<W> {
    /// Prints to `output`. Lines show the time in `zone`.
    pub(crate) fn new(output: W, json: bool, zone: Zone) -> Self {
        Self { output, json, zone, day: String::new() }
    }

    /// Prints an entry.
    ///
    /// # Errors
    ///
    /// The output cannot be written.
    pub(crate) fn print(&mut self, entry: &Entry) -> io::Result<()> {
        match entry {
            Entry { json, .. } if self.json => {
                writeln!(self.output, "{}", escape::json(json.clone()))?
            }
            // The daemon sends no empty object.
            Entry { members, .. } if members.is_empty() => {}
            Entry { members, .. } => {
                self.print_day(entry)?;
                writeln!(self.output, "{}", line(members, &self.zone))?;
            }
        }
        self.output.flush()
    }

    /// Prints the day and the zone before the first line, and whenever one of them changes.
    fn print_day(&mut self, entry: &Entry) -> io::Result<()> {
        let Some(day) = entry.time().map(|time| self.zone.day(time)) else { return Ok(()) };
        if day != self.day {
            let dim = Style::new().dimmed();
            writeln!(self.output, "{dim}-- {day}{dim:#}")?;
            self.day = day;
        }
        Ok(())
    }
}

/// One aligned line: time, `seq`, event, number, room, key, the end of the call's or guest's id, and
/// the event's own members. Only records of calls, guests and rooms have the columns after the event,
/// and only those of calls and guests a key and an id.
fn line(record: &Map<String, Value>, zone: &Zone) -> String {
    let text = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or_default();
    let (event, dim) = (shown(text("event")), Style::new().dimmed());
    let style = style(text("event").parse().ok(), text("outcome"));
    let time = humantime::parse_rfc3339(text("time"))
        .map_or_else(|_| String::new(), |time| zone.clock(time));
    let seq =
        record.get("seq").and_then(Value::as_u64).map(|seq| format!("#{seq}")).unwrap_or_default();
    let is_call = record.contains_key("call_id");
    let is_guest = record.contains_key("guest_id");
    let has_room = is_call || record.contains_key("room");
    let is_shown = |name: &str| match name {
        "guest_id" => false,
        // A guest has come without being called, so the name tells more than a call's.
        "caller_id" => is_guest && !text(name).is_empty(),
        _ => !Line::COMMON.contains(&name),
    };
    let more: Vec<_> =
        record.iter().filter(|(name, value)| is_shown(name) && !value.is_null()).collect();
    // The last column is not padded.
    let width = |column: usize, is_last: bool| if is_last && more.is_empty() { 0 } else { column };
    let event_width = width(16, !has_room);
    let mut line = format!("{dim}{time:<12} {seq:>7}{dim:#} {style}{event:<event_width$}{style:#}");
    let column = |name, width| padded(&shown(text(name)), width);
    if has_room {
        let room = column("room", width(16, !is_call && !is_guest));
        line.push_str(&format!(" {} {room}", column("number", 16)));
    }
    if is_call || is_guest {
        let id = shown(short(text(if is_call { "call_id" } else { "guest_id" })));
        line.push_str(&format!(" {dim}{} {id}{dim:#}", column("key", 14)));
    }
    for (name, value) in more {
        let value = match value {
            Value::String(text) => quoted(text).into_owned(),
            other => other.to_string(),
        };
        line.push_str(&format!(" {dim}{}={dim:#}{value}", quoted(name)));
    }
    line
}

/// The text as one word, escaped and if necessary quoted for the terminal. An empty text stays
/// empty.
pub(crate) fn shown(text: &str) -> String {
    if text.is_empty() { String::new() } else { quoted(text).into_owned() }
}

/// The style of an event; `None` stands for an event that this version does not know.
pub(crate) fn style(event: Option<EventKind>, outcome: &str) -> Style {
    use EventKind::*;
    let color = match event {
        Some(Gap | AmiDisconnected) => return AnsiColor::Red.on_default().bold(),
        Some(CallEnded) if outcome == Outcome::Completed.as_str() => AnsiColor::Green,
        Some(CallEnded | CallRefused) => AnsiColor::Yellow,
        Some(CallKicked | RoomLocked | RoomMuted | CallMuted | GuestMuted) => AnsiColor::Yellow,
        Some(CallAnswered | CallJoined | GuestJoined | AmiConnected) => AnsiColor::Green,
        Some(CallRequested | CallQueued | CallAdopted | CallRinging) => AnsiColor::Cyan,
        Some(Erased) => return Style::new().dimmed(),
        Some(RoomStarted | RoomUnlocked | RoomUnmuted | CallUnmuted | GuestUnmuted | CallMoved) => {
            AnsiColor::Cyan
        }
        Some(
            DaemonStarted | DaemonStopping | CallLeft | GuestLeft | RoomEnded | CallCarried
            | RoomCarried | GuestCarried,
        )
        | None => return Style::new(),
    };
    color.on_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn day_and_zone_are_printed_when_they_change() {
        let mut printer = Printer::new(Vec::new(), false, Zone::UTC);
        let times = [
            "1999-12-31T23:59:59.000Z",
            "1999-12-31T23:59:59.999Z",
            "",
            "2000-01-01T00:00:00.000Z",
        ];
        for time in times {
            let members =
                json!({"time": time, "event": "call.left"}).as_object().expect("an object").clone();
            printer.print(&Entry::of(String::new(), members)).expect("it is printed");
        }
        let printed = String::from_utf8(printer.output).expect("text");
        let printed = anstream::adapter::strip_str(&printed).to_string();
        let lines: Vec<_> =
            printed.lines().map(|line| line.split("  ").next().unwrap_or_default()).collect();
        let expected = [
            "-- 1999-12-31 UTC",
            "23:59:59.000",
            "23:59:59.999",
            "",
            "-- 2000-01-01 UTC",
            "00:00:00.000",
        ];
        assert_eq!(lines, expected, "{printed}");
    }

    #[test]
    fn records_of_rooms_and_guests_have_columns() {
        let printed = |record: Value| {
            let line = line(record.as_object().expect("an object"), &Zone::UTC);
            anstream::adapter::strip_str(&line).to_string()
        };
        let blank = " ".repeat(18);
        assert_eq!(
            printed(
                json!({"seq": 1, "event": "room.started", "room": "R1", "conference_id": "cf-1"})
            ),
            format!(
                "{blank}#1 room.started                      R1               conference_id=cf-1"
            )
        );
        assert_eq!(
            printed(json!({"seq": 2, "event": "room.locked", "room": "R1"})),
            format!("{blank}#2 room.locked                       R1")
        );
        let id = format!("{:16} {:14} 521600.7", "R1", "");
        assert_eq!(
            printed(
                json!({"seq": 3, "event": "guest.left", "number": "+79997654321", "room": "R1",
                "caller_id": "Bob B", "reason": "moved", "guest_id": "1795521600.7", "moved_to": "R2"})
            ),
            format!(
                "{blank}#3 guest.left       +79997654321     {id} caller_id=\"Bob B\" reason=moved moved_to=R2"
            )
        );
        assert_eq!(
            printed(
                json!({"seq": 4, "event": "guest.muted", "room": "R1", "caller_id": "", "guest_id": "1795521600.7"})
            ),
            format!("{blank}#4 guest.muted      {:16} {id}", "")
        );
    }

    #[test]
    fn hostile_members_stay_one_plain_line() {
        let plain = json!({
            "seq": 7, "time": "2026-11-24T12:00:00.123Z", "event": "call.left", "call_id": "od-1", "number": "+7999",
            "room": "R1", "caller_id": "Bob", "lang": "ru", "key": "bot", "conference": "R1",
        });
        let escapes = |record: &Value| {
            let line = line(record.as_object().expect("an object"), &Zone::UTC);
            assert!(
                !line.chars().any(|c| c.is_control() && c != '\u{1b}')
                    && !line.contains('\u{202e}'),
                "{line:?}"
            );
            line.matches('\u{1b}').count()
        };
        let mut all = plain.clone();
        for name in
            ["seq", "time", "event", "call_id", "number", "room", "key", "conference", "more"]
        {
            let hostile = "\u{1b}[2J\u{1b}]0;x\u{7}aaaa\u{9b}2J\n12:00:00.000 \r\t\u{202e}";
            let mut one = plain.clone();
            one[name] = hostile.into();
            all[name] = hostile.into();
            // A further member adds two escape sequences, before and after its name.
            let expected = escapes(&plain) + if name == "more" { 2 } else { 0 };
            assert!(escapes(&one) <= expected, "{name}");
        }
        all["a\u{1b}[1m\n"] = 1.into();
        assert!(escapes(&all) <= escapes(&plain) + 4);
    }
}
