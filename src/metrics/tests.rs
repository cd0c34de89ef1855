//! Every event is counted in a series that existed before.

use super::*;
use originatord_core::call::outcome::End;
use originatord_core::call::refusal::Limit;
use originatord_core::record::samples;

fn series(metrics: &Metrics) -> usize {
    metrics.prometheus().lines().filter(|line| !line.starts_with('#')).count()
}

#[test]
fn every_event_is_counted_in_an_existing_series() {
    let metrics = Metrics::default();
    let before = series(&metrics);
    for record in samples::all() {
        metrics.record(record.time, &record.event, record.call.as_deref());
    }
    for limit in ["calls_per_second", "calls_alive", "attempts_per_number"] {
        let limit = Limit {
            name: limit,
            key: Some("bot".into()),
            value: 1,
            retry_after: Duration::from_secs(1),
        };
        for refusal in [Refusal::Limited(limit), Refusal::NotAllowed { of_key: None }] {
            metrics.record(samples::time(), &Event::CallRefused(refusal), Some(&samples::call()));
        }
    }
    for outcome in Outcome::ALL {
        let ended = Event::CallEnded(Box::new(samples::end(outcome)));
        metrics.record(samples::time(), &ended, Some(&samples::call()));
    }
    for (outcome, talk) in
        [(Outcome::NotJoined, Some(Duration::from_secs(3))), (Outcome::Unknown, None)]
    {
        let ended =
            Event::CallEnded(Box::new(End { answered: true, talk, ..samples::end(outcome) }));
        metrics.record(samples::time(), &ended, Some(&samples::call()));
    }
    metrics.record(
        samples::time(),
        &Event::CallAnswered { after: Some(samples::time()) },
        Some(&samples::call()),
    );
    for event in ["Newchannel", "RTCPSent", "", "\"} 1\nforged 2"] {
        metrics.ami_event(event.as_bytes());
    }
    assert_eq!(series(&metrics), before);
    let text = metrics.open_metrics();
    for line in [
        "originatord_records_total{event=\"call.refused\"} 12",
        "originatord_calls_refused_total{reason=\"limited\",limit=\"calls_alive\"} 1",
        "originatord_calls_refused_total{reason=\"not_allowed\",limit=\"\"} 3",
        "originatord_calls_ended_total{outcome=\"flood_wait\"} 2",
        "originatord_calls_ended_answered_total{outcome=\"completed\"} 2",
        "originatord_calls_ended_answered_total{outcome=\"not_joined\"} 2",
        "originatord_calls_ended_answered_total{outcome=\"unknown\"} 1",
        "originatord_call_talk_seconds_count 1",
        "originatord_call_answer_delay_seconds_count 1",
        "originatord_ami_events_total{event=\"other\"} 3",
        "originatord_ami_connections_total 1",
    ] {
        assert!(text.contains(&format!("\n{line}\n")), "{line} is not in\n{text}");
    }
}

#[test]
fn delays_count_from_the_request() {
    let metrics = Metrics::default();
    let call = samples::call();
    let answered = Event::CallAnswered { after: None };
    let answered_after =
        |time: Duration| metrics.record(call.id.time() + time, &answered, Some(&call));
    answered_after(Duration::from_secs(4));
    // The clock was set back by a minute.
    metrics.record(call.id.time() - Duration::from_secs(60), &answered, Some(&call));
    let text = metrics.open_metrics();
    for line in ["bucket{le=\"2.5\"} 1", "bucket{le=\"5.0\"} 2", "sum 4.0", "count 2"] {
        assert!(
            text.contains(&format!("\noriginatord_call_answer_delay_seconds_{line}\n")),
            "{line}: {text}"
        );
    }
}
