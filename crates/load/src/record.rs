//! Reads the steps of the generator's calls from the records of the event stream.

use std::time::Instant;

use super::numbers::NumberRange;
use originatord_core::call::CallId;
use originatord_core::record::{EventKind, Line};
use originatord_net::client::sse::Event;

/// A step of a call that was observed in the event stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedStep {
    /// When the record arrived, on this machine's clock. The time in the record is the daemon's,
    /// perhaps of another machine, and has whole milliseconds.
    pub at: Instant,
    pub id: CallId,
    /// Place of the number in the range; none if the daemon masks numbers.
    pub number: Option<u32>,
    pub step: CallStep,
}

/// The steps that are measured or counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallStep {
    /// Asterisk made the channel.
    Queued,
    /// The callee answered.
    Answered,
    /// The callee joined the room.
    Joined,
    /// The call ended with this outcome.
    Ended(String),
    /// The daemon refused the request, so there is no call.
    Refused,
}

/// Recognises the calls of this generator by number, room and caller id. The user has to make sure
/// that no other client requests calls with all three.
#[derive(Debug, Clone)]
pub struct CallMatcher {
    /// Numbers that the generator calls.
    pub numbers: NumberRange,
    /// Beginning of the rooms' names.
    pub room_prefix: String,
    /// Caller id of the calls.
    pub caller_id: String,
}

impl CallMatcher {
    /// The step that an event records; none for other events and for calls of other clients.
    pub fn observe(&self, at: Instant, event: &Event) -> Option<ObservedStep> {
        // The stream carries the event's name outside of the record, so that records of other
        // events need not be parsed.
        let kind = event.event.parse().ok().filter(|kind| STEPS.contains(kind))?;
        let line = Line::read(event.data.as_bytes())?;
        let (caller_id, room) = (line.caller_id.as_deref()?, line.room.as_deref()?);
        if caller_id != self.caller_id || !room.starts_with(&self.room_prefix) {
            return None;
        }
        let step = match kind {
            EventKind::CallQueued => CallStep::Queued,
            EventKind::CallAnswered => CallStep::Answered,
            EventKind::CallJoined => CallStep::Joined,
            EventKind::CallRefused => CallStep::Refused,
            _ => CallStep::Ended(line.end?.outcome.into_owned()),
        };
        let number = match line.number? {
            number if number.is_masked() => None,
            number => Some(self.numbers.place(&number.to_string())?),
        };
        Some(ObservedStep { at, id: line.call_id?, number, step })
    }
}

/// The events that are steps.
const STEPS: [EventKind; 5] = [
    EventKind::CallQueued,
    EventKind::CallAnswered,
    EventKind::CallJoined,
    EventKind::CallRefused,
    EventKind::CallEnded,
];

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "od-01m86xdxhfb48v1e7mge9r1r7g";

    fn read(event: &str, data: &str) -> Option<(CallStep, Option<u32>)> {
        let matcher = CallMatcher {
            numbers: "1000-1999".parse().expect("a range"),
            room_prefix: "load-".to_owned(),
            caller_id: "Боб \\ B".to_owned(),
        };
        let event = Event { id: None, event: event.to_owned(), data: data.replace("ID", ID) };
        let observed = matcher.observe(Instant::now(), &event)?;
        assert_eq!(observed.id, ID.parse().expect("an id"));
        Some((observed.step, observed.number))
    }

    #[test]
    fn only_steps_of_matching_calls_are_read() {
        let data = r#"{"seq":1,"time":"x","event":"call.queued","call_id":"ID","number":"+1007","room":"load-3",
            "caller_id":"Боб \\ B","lang":"ru","key":"bot","outcome":"no_answer","cause":null}"#;
        for (event, step) in [
            ("call.queued", CallStep::Queued),
            ("call.answered", CallStep::Answered),
            ("call.joined", CallStep::Joined),
            ("call.refused", CallStep::Refused),
            ("call.ended", CallStep::Ended("no_answer".to_owned())),
        ] {
            assert_eq!(read(event, data), Some((step.clone(), Some(7))), "{event}");
            assert_eq!(read(event, &data.replace("+1007", "+1••7")), Some((step, None)), "{event}");
        }
        for event in ["call.requested", "call.left", "gap", "ami.connected", ""] {
            assert_eq!(read(event, data), None, "{event}");
        }
        for (matcher, foreign) in
            [("+1007", "+2007"), ("load-3", "R1"), ("Боб", "Bob"), ("ID", "od-x"), ("{", "[")]
        {
            assert_eq!(read("call.queued", &data.replace(matcher, foreign)), None, "{foreign}");
        }
    }
}
