//! The filter of `tail`.

use std::str::FromStr;

use clap::builder::{PossibleValue, PossibleValuesParser};

use super::line::Entry;
use super::short_id::CallName;
use originatord_core::call::numbering::Numbering;
use originatord_core::call::outcome::Outcome;
use originatord_core::call::{Invalid, Number, Refusal, Room};
use originatord_core::record::{EventKind, Line};

/// A record passes if, for each given option, it matches one of the option's values.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct RecordFilter {
    /// Only calls to this number, and guests who have it, in international form, with or without +.
    /// The daemon may accept a national form; tail does not. Each filter can be repeated, to accept
    /// several values.
    #[arg(long, value_name = "NUMBER", help_heading = "Filter")]
    number: Vec<Sought>,
    /// Only this room: the calls into it, and what happens in it.
    #[arg(long, value_name = "ROOM", help_heading = "Filter")]
    room: Vec<Room>,
    /// Only the call with this id, or with an id that ends like this.
    #[arg(long, value_name = "ID", help_heading = "Filter")]
    call: Vec<CallName>,
    /// Only records of ended calls with this outcome (call.ended), or of refused calls
    /// (call.refused) with this reason; refused stands for all reasons.
    #[arg(long, value_name = "OUTCOME", value_parser = outcomes(), help_heading = "Filter")]
    outcome: Vec<String>,
    /// Only this event, for example call.ended, or this kind of event, for example call.* (or call,
    /// which no shell expands).
    ///
    /// With any filter, gaps and changes of the link to Asterisk (gap, ami.*) are still shown,
    /// because they explain why records are missing.
    #[arg(long, value_name = "EVENT", value_parser = events(), help_heading = "Filter")]
    event: Vec<String>,
}

/// The number of a filter, in international form as in records. The national form depends on the
/// daemon's configuration, which this command does not have.
#[derive(Debug, Clone, Copy)]
struct Sought(Number);

impl FromStr for Sought {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Numbering::default().read_to_search(text).map(Self)
    }
}

/// The value of `--outcome` for all refusals.
const REFUSED: &str = "refused";

/// The values of `--outcome`: all outcomes, `refused`, and all reasons of refusals.
fn outcomes() -> PossibleValuesParser {
    let mut words: Vec<_> = Outcome::ALL.map(Outcome::as_str).into();
    words.push(REFUSED);
    words.extend(Refusal::CODES.map(|(reason, _)| reason));
    // Several refusals share the reason `limited`.
    words.dedup();
    words.into()
}

/// The kinds of events.
const KINDS: [&str; 5] = ["daemon.*", "ami.*", "call.*", "room.*", "guest.*"];

/// The values of `--event`: all events, and their kinds with and without `.*`.
fn events() -> PossibleValuesParser {
    let names = EventKind::OF_RECORDS.into_iter().chain([EventKind::Gap]);
    let names = names.map(|kind| PossibleValue::new(kind.as_str()));
    let kinds = KINDS.into_iter().map(|kind| PossibleValue::new(kind).alias(prefix(kind)));
    names.chain(kinds).collect::<Vec<_>>().into()
}

/// The prefix that the names of all events of a kind share, without the dot.
fn prefix(kind: &str) -> &str {
    kind.strip_suffix(".*").unwrap_or(kind)
}

impl RecordFilter {
    /// Whether the entry passes.
    pub(crate) fn accepts(&self, entry: &Entry) -> bool {
        let record = entry.record();
        if concerns_all(&record) {
            return true;
        }
        let id = record.call_id.map(|id| id.to_string()).unwrap_or_default();
        // A call can be in another conference than it was made for.
        let rooms = [&record.room, &record.conference, &record.moved_to];
        let is_in = |wanted: &Room| rooms.into_iter().flatten().any(|room| wanted.is_same(room));
        is_any(&self.event, |wanted| is_of(&record.event, wanted))
            && is_any(&self.outcome, |wanted| has_outcome(&record, wanted))
            && is_any(&self.call, |wanted| wanted.matches(&id))
            && is_any(&self.room, is_in)
            && is_any(&self.number, |wanted| {
                record.number.is_some_and(|number| wanted.0.may_be(number))
            })
    }
}

/// Whether a record concerns all calls, so that no filter hides it.
pub(crate) fn concerns_all(record: &Line<'_>) -> bool {
    use EventKind::{AmiConnected, AmiDisconnected, Gap};
    matches!(record.kind(), Some(Gap | AmiConnected | AmiDisconnected))
}

/// Whether a record has this outcome, or is a refusal with this reason.
fn has_outcome(record: &Line<'_>, wanted: &str) -> bool {
    if record.kind() == Some(EventKind::CallRefused) {
        return wanted == REFUSED || record.reason.as_deref() == Some(wanted);
    }
    record.end.as_ref().is_some_and(|end| end.outcome == wanted)
}

/// Whether an event is the wanted one, or of the wanted kind.
fn is_of(event: &str, wanted: &str) -> bool {
    event == wanted || event.strip_prefix(prefix(wanted)).is_some_and(|rest| rest.starts_with('.'))
}

/// Whether a value of an option matches; true if the option is not given.
fn is_any<T>(wanted: &[T], matches: impl Fn(&T) -> bool) -> bool {
    wanted.is_empty() || wanted.iter().any(matches)
}

#[cfg(test)]
mod tests {
    use clap::{Args, Command, FromArgMatches};
    use serde_json::{Value, json};

    use super::*;

    fn filter(args: &[&str]) -> Result<RecordFilter, clap::Error> {
        let matches = RecordFilter::augment_args(Command::new("x").no_binary_name(true))
            .try_get_matches_from(args)?;
        RecordFilter::from_arg_matches(&matches)
    }

    fn entry(record: &Value) -> Entry {
        Entry::of(record.to_string(), record.as_object().expect("a record").clone())
    }

    /// The indices of the records that pass.
    fn accepted(args: &[&str]) -> Vec<usize> {
        let filter = filter(args).expect("a filter");
        let records = [
            json!({"event": "call.queued", "number": "+79991230001", "room": "R1"}),
            json!({"event": "call.ended", "number": "+79991230001", "room": "R1", "outcome": "busy"}),
            json!({"event": "call.ended", "number": "+7999•••0002", "room": "КОМНАТА", "outcome": "completed"}),
            json!({"event": "call.refused", "number": "+79991230003", "room": "R1", "reason": "in_progress"}),
            json!({"event": "daemon.stopping", "reason": "in_progress"}),
            json!({"event": "erased"}),
        ];
        let all = records.iter().enumerate();
        all.filter(|(_, record)| filter.accepts(&entry(record))).map(|(n, _)| n).collect()
    }

    #[test]
    fn record_matches_one_value_of_each_option() {
        assert_eq!(accepted(&[]), [0, 1, 2, 3, 4, 5]);
        assert_eq!(accepted(&["--number", "7999 123-00-01"]), [0, 1]);
        // A masked number passes if it may be the wanted one.
        assert_eq!(accepted(&["--number", "79991230002", "--number", "79991230003"]), [2, 3]);
        assert_eq!(accepted(&["--room", "КОМНАТА"]), [2]);
        assert_eq!(accepted(&["--outcome", "busy"]), [1]);
        assert_eq!(accepted(&["--outcome", "busy", "--outcome", "in_progress"]), [1, 3]);
        assert_eq!(accepted(&["--outcome", "refused", "--room", "R1"]), [3]);
        assert_eq!(accepted(&["--outcome", "limited"]), [] as [usize; 0]);
        assert_eq!(accepted(&["--event", "call.ended"]), [1, 2]);
        assert_eq!(accepted(&["--event", "call.*"]), [0, 1, 2, 3]);
        assert_eq!(accepted(&["--event", "daemon", "--event", "erased"]), [4, 5]);
        assert_eq!(
            accepted(&["--event", "call.ended", "--outcome", "busy", "--number", "79991230002"]),
            [] as [usize; 0]
        );
    }

    #[test]
    fn room_selects_its_records_guests_and_moves() {
        let filter = filter(&["--room", "r1"]).expect("a filter");
        for (record, passes) in [
            (json!({"event": "room.started", "room": "R1", "conference_id": "cf-x"}), true),
            (json!({"event": "room.started", "room": "R2"}), false),
            (json!({"event": "guest.joined", "room": "R1", "guest_id": "1.2"}), true),
            (
                json!({"event": "guest.left", "room": "R2", "guest_id": "1.2", "moved_to": "R1"}),
                true,
            ),
            (json!({"event": "call.joined", "room": "R2", "conference": "R1"}), true),
            (
                json!({"event": "call.moved", "room": "R2", "conference": "R2", "moved_to": "R1"}),
                true,
            ),
            (
                json!({"event": "call.moved", "room": "R2", "conference": "R2", "moved_to": "R3"}),
                false,
            ),
        ] {
            assert_eq!(filter.accepts(&entry(&record)), passes, "{record}");
        }
    }

    #[test]
    fn each_event_has_exactly_one_kind() {
        for name in EventKind::OF_RECORDS
            .map(EventKind::as_str)
            .into_iter()
            .filter(|name| name.contains('.'))
        {
            assert_eq!(KINDS.iter().filter(|kind| is_of(name, kind)).count(), 1, "{name}");
        }
    }

    #[test]
    fn gaps_and_link_records_pass_every_filter() {
        for args in [
            &["--number", "7999"][..],
            &["--room", "R"],
            &["--outcome", "busy"],
            &["--event", "call.ended"],
        ] {
            let filter = filter(args).expect("a filter");
            for event in ["gap", "ami.connected", "ami.disconnected"] {
                let record = json!({"event": event, "reason": "overrun"});
                assert!(filter.accepts(&entry(&record)), "{args:?} {event}");
            }
        }
    }

    #[test]
    fn impossible_values_are_rejected() {
        for args in [
            ["--event", "call.end"],
            ["--event", "erased.*"],
            ["--outcome", "BUSY"],
            ["--number", "12"],
        ] {
            assert!(filter(&args).is_err(), "{args:?}");
        }
    }
}
