//! Whole runs on virtual time, against a daemon that replies as the test says.

use std::collections::BTreeMap;
use std::time::UNIX_EPOCH;

use super::*;
use crate::record::CallStep;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn params(rate: f64, seconds: u64) -> RunParams {
    RunParams {
        schedule: Schedule { rate, ramp: Duration::ZERO, duration: SECOND * seconds as u32 },
        concurrency: 1000,
        hold: None,
        linger: SECOND * 30,
        leaves_calls: false,
    }
}

fn numbers(count: u32) -> Numbers {
    Numbers::new(format!("1000000-{}", 1_000_000 + count - 1).parse().expect("a range"))
}

fn reply(status: u16, verdict: Verdict) -> Result<Reply, Unanswered> {
    Ok(Reply { status, verdict })
}

fn id(n: u64) -> CallId {
    CallId::new(UNIX_EPOCH, u128::from(n))
}

/// The coming events of a run, by time. The second number keeps events of one time in their order.
type Agenda = BTreeMap<(Duration, u64), Upcoming>;

enum Upcoming {
    Reply(u64, u32, Result<Reply, Unanswered>),
    Step(ObservedStep),
    HungUp(CallId),
}

/// Drives a run to its end in steps of a millisecond, and calls `each_step` after each. `answer`
/// gets the index and the time of a request; it returns the time of the reply, and the reply. The
/// callee of each accepted call answers and joins 2 s later, and stays. Returns the result and the
/// time at which each request was sent.
fn play(
    mut run: Run<'_>,
    start: Instant,
    mut answer: impl FnMut(u64, Duration) -> (Duration, Result<Reply, Unanswered>),
    mut each_step: impl FnMut(&mut Run<'_>, Instant),
) -> (FinishedRun, Vec<Duration>) {
    let (mut agenda, mut count, mut sent_at) = (Agenda::new(), 0, Vec::new());
    let mut callees = BTreeMap::new();
    let mut plan = |agenda: &mut Agenda, at: Duration, what: Upcoming| {
        count += 1;
        agenda.insert((at, count), what);
    };
    for now in (0u32..).map(|ms| MS * ms) {
        assert!(now < SECOND * 200, "it does not end");
        while let Some(entry) = agenda.first_entry().filter(|entry| entry.key().0 <= now) {
            match entry.remove() {
                Upcoming::Reply(n, number, reply) => run.replied(n, number, start + now, reply),
                Upcoming::Step(seen) => run.observe(vec![seen]),
                Upcoming::HungUp(id) => match callees.get(&id) {
                    None => run.hung_up(id, HangUpOutcome::AlreadyOver, start + now),
                    Some(number) => {
                        run.hung_up(id, HangUpOutcome::Accepted, start + now);
                        let (at, step) = (now + MS, CallStep::Ended("completed".to_owned()));
                        plan(
                            &mut agenda,
                            at,
                            Upcoming::Step(ObservedStep {
                                at: start + at,
                                id,
                                number: Some(*number),
                                step,
                            }),
                        );
                    }
                },
            }
        }
        while let Some(task) = run.next_task(start + now) {
            match task {
                Task::HangUp(id) => plan(&mut agenda, now + MS, Upcoming::HungUp(id)),
                Task::Post { number, n } => {
                    sent_at.push(now);
                    let (at, reply) = answer(n, now);
                    if let Ok(Reply { verdict: Verdict::Accepted(id), .. }) = &reply {
                        callees.insert(*id, number);
                        for (after, step) in [
                            (MS, CallStep::Queued),
                            (SECOND * 2, CallStep::Answered),
                            (SECOND * 2, CallStep::Joined),
                        ] {
                            let seen = ObservedStep {
                                at: start + at + after,
                                id: *id,
                                number: Some(number),
                                step,
                            };
                            plan(&mut agenda, at + after, Upcoming::Step(seen));
                        }
                    }
                    plan(&mut agenda, at, Upcoming::Reply(n, number, reply));
                }
            }
        }
        each_step(&mut run, start + now);
        if run.is_over() {
            return (run.finish(start + now), sent_at);
        }
    }
    unreachable!()
}

#[test]
fn requests_follow_the_schedule_without_replies() {
    let (start, mut numbers) = (Instant::now(), numbers(1000));
    let run = Run::new(params(100.0, 2), &mut numbers, start);
    // No reply arrives during the first 5 s.
    let (finished, sent_at) =
        play(run, start, |n, _| (SECOND * 5, reply(200, Verdict::Accepted(id(n)))), |_, _| {});
    assert_eq!(sent_at, (0..200).map(|n| MS * 10 * n).collect::<Vec<_>>());
    let FinishedRun { counters, sent_for, .. } = finished;
    assert_eq!((counters.sent, counters.accepted, sent_for), (200, 200, SECOND * 2));
    assert_eq!(counters.outcomes.of("completed"), 200);
    // The first reply took 5 s from its scheduled time, the last one a little over 3 s.
    let quantile = |part| counters.reply.quantile(part).expect("a time");
    assert!(quantile(0.001) >= MS * 3000 && quantile(0.001) < MS * 3030, "{:?}", quantile(0.001));
    assert!(quantile(0.5) >= MS * 3990 && quantile(0.5) < MS * 4030, "{:?}", quantile(0.5));
}

#[test]
fn stall_counts_for_every_request_during_it() {
    // One connection, and each reply after 1 ms but for one stall of a second. A closed model would
    // count the stall once.
    let (start, mut numbers) = (Instant::now(), numbers(10_000));
    let run = Run::new(RunParams { concurrency: 1, ..params(100.0, 10) }, &mut numbers, start);
    let answer = |n, sent_at| {
        let stall = if n == 300 { SECOND } else { MS };
        (sent_at + stall, reply(200, Verdict::Accepted(id(n))))
    };
    let (FinishedRun { counters, .. }, sent_at) = play(run, start, answer, |_, _| {});
    assert_eq!((counters.sent, counters.accepted), (1000, 1000));
    // Requests 301 to 400 were scheduled during the stall. They are sent after it, one every
    // millisecond.
    assert_eq!((sent_at[300], sent_at[301]), (SECOND * 3, SECOND * 4));
    let waited = counters.reply.count_above(MS * 100);
    assert!((95..=105).contains(&waited), "{waited}");
    let late = counters.send_delay.count_above(MS * 100);
    assert!((95..=105).contains(&late), "{late}");
    assert_eq!(counters.reply.max().map(|max| max.as_millis()), Some(1000));
}

#[test]
fn numbers_are_called_again_once_they_are_free() {
    let (start, mut numbers) = (Instant::now(), numbers(50));
    let run = Run::new(RunParams { hold: Some(SECOND), ..params(10.0, 20) }, &mut numbers, start);
    let (FinishedRun { counters, .. }, sent_at) = play(
        run,
        start,
        |n, sent_at| (sent_at + MS, reply(200, Verdict::Accepted(id(n)))),
        |_, _| {},
    );
    // Each call lives for 3 s, so 30 are alive at a time.
    assert_eq!(
        (sent_at.len(), counters.accepted, counters.outcomes.of("completed"), counters.held_back),
        (200, 200, 200, 0)
    );

    let mut numbers = Numbers::new("1000000-1000019".parse().expect("a range"));
    let run = Run::new(RunParams { hold: Some(SECOND), ..params(10.0, 20) }, &mut numbers, start);
    let (FinishedRun { counters, .. }, _) = play(
        run,
        start,
        |n, sent_at| (sent_at + MS, reply(200, Verdict::Accepted(id(n)))),
        |_, _| {},
    );
    // With 20 numbers, 10 requests of 30 find none.
    assert_eq!(counters.sent + counters.held_back, 200);
    assert!((55..=70).contains(&counters.held_back), "{}", counters.held_back);
    assert_eq!(counters.outcomes.of("completed"), counters.accepted);
}

#[test]
fn refused_and_lost_requests_do_not_delay_others() {
    let (start, mut numbers) = (Instant::now(), numbers(1000));
    let run = Run::new(params(100.0, 1), &mut numbers, start);
    let answer = |n: u64, sent_at| {
        let answer = match n % 5 {
            0 => reply(429, Verdict::Refused("limit".to_owned())),
            1 => Err(Unanswered::ConnectFailed("cannot connect".to_owned())),
            2 => Err(Unanswered::Lost("closed".to_owned())),
            3 => reply(504, Verdict::Unconfirmed(Some(id(n)), "late".to_owned())),
            _ => reply(200, Verdict::Accepted(id(n))),
        };
        (sent_at + MS, answer)
    };
    let (FinishedRun { counters, took, .. }, _) = play(run, start, answer, |_, _| {});
    assert_eq!(
        (counters.sent, counters.accepted, counters.statuses[&429], counters.statuses[&504]),
        (100, 20, 20, 20)
    );
    assert_eq!((counters.refused.of("limit"), counters.refused.of("cannot connect")), (20, 20));
    assert_eq!((counters.unanswered.of("closed"), counters.unanswered.of("late")), (20, 20));
    assert_eq!((counters.outcomes.of("completed"), counters.leftover.unknown), (20, 40));
    assert_eq!((counters.reply.count(), counters.refusal.count()), (20, 40));
    assert!(took < SECOND * 65, "{took:?}");
}

#[test]
fn interrupted_run_hangs_up_its_calls() {
    let (start, mut numbers) = (Instant::now(), numbers(1000));
    let run = Run::new(RunParams { leaves_calls: true, ..params(100.0, 10) }, &mut numbers, start);
    // The replies to the last ten requests arrive after the interrupt.
    let (FinishedRun { counters, took, sent_for, interrupted, live, .. }, sent_at) = play(
        run,
        start,
        |n, sent_at| (sent_at + MS * 100, reply(200, Verdict::Accepted(id(n)))),
        |run, now| {
            if now == start + SECOND && !run.is_interrupted() {
                run.interrupt(now);
            }
        },
    );
    assert_eq!((sent_at.len(), counters.accepted, interrupted, sent_for), (101, 101, true, SECOND));
    assert_eq!((counters.outcomes.of("completed"), live), (101, 0));
    assert!(took < SECOND * 2, "{took:?}");
}

#[test]
fn calls_are_left_alive_only_on_request() {
    for leaves_calls in [true, false] {
        let (start, mut numbers) = (Instant::now(), numbers(100));
        let run = Run::new(RunParams { leaves_calls, ..params(10.0, 1) }, &mut numbers, start);
        let (FinishedRun { counters, took, live, .. }, _) = play(
            run,
            start,
            |n, sent_at| (sent_at + MS, reply(200, Verdict::Accepted(id(n)))),
            |_, _| {},
        );
        // The run follows all calls until they have joined.
        assert_eq!((counters.joined.count(), counters.accepted), (10, 10));
        assert!(took >= MS * 2900 && took < MS * 3100, "{took:?}");
        let expected = if leaves_calls { (0, 10, 10) } else { (10, 0, 0) };
        assert_eq!((counters.outcomes.total(), counters.leftover.alive, live), expected);
    }
}
