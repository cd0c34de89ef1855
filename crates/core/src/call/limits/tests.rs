use std::time::SystemTime;

use proptest::prelude::*;

use super::*;
use crate::call::CallId;

const NOBODY: LiveCounts = LiveCounts { all: 0, of_key: 0 };
const MS: Duration = Duration::from_millis(1);

fn info(number: &str, key: &str) -> CallInfo {
    CallInfo {
        id: CallId::new(SystemTime::UNIX_EPOCH, 1),
        number: number.parse().unwrap(),
        room: "R1".parse().unwrap(),
        caller_id: "Bob".parse().unwrap(),
        lang: "ru".parse().unwrap(),
        key: key.into(),
    }
}

fn gate(policy: Policy) -> CallGate {
    let mut gate = CallGate::default();
    gate.set_policy(policy);
    gate
}

/// Asks for a call, and counts it if it is admitted.
fn admit(
    gate: &mut CallGate,
    now: Instant,
    latest: Instant,
    info: &CallInfo,
) -> Result<Instant, Refusal> {
    let turn = gate.admit(now, latest, info, NOBODY)?;
    assert_eq!(gate.count(now, info), turn);
    Ok(turn)
}

fn limited(result: Result<Instant, Refusal>) -> (&'static str, bool, Duration) {
    match result {
        Err(Refusal::Limited(limit)) => (limit.name, limit.key.is_some(), limit.retry_after),
        other => panic!("{other:?}"),
    }
}

#[test]
fn call_without_limits_gets_slot_at_once() {
    let (mut gate, now) = (gate(Policy::default()), Instant::now());
    for _ in 0..1000 {
        let alive = LiveCounts { all: usize::MAX, of_key: usize::MAX };
        assert_eq!(gate.admit(now, now, &info("7999", "bot"), alive), Ok(now));
        gate.count(now, &info("7999", "bot"));
    }
    assert!(gate.numbers.is_empty() && gate.keys.is_empty() && gate.attempts.is_empty());
}

/// `SECOND` and `RETRY_AFTER` are two constants: if they were one, a longer `Retry-After` would
/// lower all rates.
#[test]
fn retry_after_does_not_change_rates() {
    let ten = || Limits { calls_per_second: Some(10), ..Limits::default() };
    let now = Instant::now();
    let call = info("7999", "bot");
    let mut paced = gate(Policy { all: ten(), ..Policy::default() });
    for slot in 0..3 {
        assert_eq!(admit(&mut paced, now, now + SECOND, &call), Ok(now + 100 * slot * MS));
    }
    let mut windowed =
        gate(Policy { keys: HashMap::from([("bot".into(), ten())]), ..Policy::default() });
    for _ in 0..10 {
        assert_eq!(admit(&mut windowed, now, now, &call), Ok(now));
    }
    assert_eq!(limited(admit(&mut windowed, now, now, &call)).2, 1000 * MS);
    let full = gate(Policy {
        all: Limits { calls_alive: Some(0), ..Limits::default() },
        ..Policy::default()
    });
    assert_eq!(limited(full.admit(now, now, &call, NOBODY)).2, RETRY_AFTER);
}

#[test]
fn burst_is_paced_and_overlong_waits_are_refused() {
    let all = Limits { calls_per_second: Some(10), ..Limits::default() };
    let (mut gate, now) = (gate(Policy { all, ..Policy::default() }), Instant::now());
    let latest = now + SECOND;
    for turn in 0..=10 {
        assert_eq!(
            admit(&mut gate, now, latest, &info("7999", "bot")),
            Ok(now + turn * SECOND / 10)
        );
    }
    let refused = limited(admit(&mut gate, now, latest, &info("7999", "bot")));
    assert_eq!(refused, ("calls_per_second", false, SECOND / 10));
    let later = now + SECOND / 2;
    assert_eq!(
        admit(&mut gate, later, later + SECOND, &info("7999", "bot")),
        Ok(now + SECOND * 11 / 10)
    );
}

#[test]
fn key_stays_within_limit_in_any_second() {
    let keys =
        HashMap::from([("bot".into(), Limits { calls_per_second: Some(5), ..Limits::default() })]);
    let (mut gate, now) = (gate(Policy { keys, ..Policy::default() }), Instant::now());
    let bot = info("7999", "bot");
    for n in 0..5 {
        let at = now + 100 * MS * n;
        assert_eq!(admit(&mut gate, at, at, &bot), Ok(at));
    }
    let at = now + 999 * MS;
    assert_eq!(limited(admit(&mut gate, at, at, &bot)), ("calls_per_second", true, MS));
    assert_eq!(admit(&mut gate, at, at, &info("7999", "other")), Ok(at));
    // The first of the five calls is a second ago, so one more fits.
    let at = now + SECOND;
    assert_eq!(admit(&mut gate, at, at, &bot), Ok(at));
    assert_eq!(limited(admit(&mut gate, at, at, &bot)), ("calls_per_second", true, 100 * MS));
    let much_later = now + 10 * SECOND;
    assert_eq!(admit(&mut gate, much_later, much_later, &bot), Ok(much_later));
    assert_eq!(gate.keys["bot"].len(), 1, "old times are removed");
}

#[test]
fn number_stays_within_limit_in_any_minute() {
    let policy = Policy { attempts_per_number: Some(3), ..Policy::default() };
    let (mut gate, now) = (gate(policy), Instant::now());
    let [one, other, third] = ["7999", "7998", "7997"].map(|number| info(number, "bot"));
    for n in 0..3 {
        let at = now + 10 * SECOND * n;
        assert_eq!(admit(&mut gate, at, at, &one), Ok(at));
    }
    let at = now + 20 * SECOND;
    assert_eq!(
        limited(admit(&mut gate, at, at, &one)),
        ("attempts_per_number", false, 40 * SECOND)
    );
    assert_eq!(admit(&mut gate, at, at, &other), Ok(at));
    let at = now + MINUTE;
    assert_eq!(admit(&mut gate, at, at, &one), Ok(at));
    assert_eq!(
        limited(admit(&mut gate, at, at, &one)),
        ("attempts_per_number", false, 10 * SECOND)
    );
    let much_later = at + MINUTE;
    assert_eq!(admit(&mut gate, much_later, much_later, &third), Ok(much_later));
    assert_eq!((gate.numbers.len(), gate.attempts.len()), (1, 1), "old times are removed");
}

#[test]
fn changed_limit_counts_earlier_calls() {
    let policy = |limit| Policy { attempts_per_number: limit, ..Policy::default() };
    let (mut gate, now) = (gate(policy(Some(3))), Instant::now());
    let call = info("7999", "bot");
    for n in 0..3 {
        admit(&mut gate, now + n * SECOND, now + n * SECOND, &call).unwrap();
    }
    let at = now + 3 * SECOND;
    gate.set_policy(policy(Some(4)));
    assert_eq!(gate.admit(at, at, &call, NOBODY), Ok(at));
    gate.set_policy(policy(Some(1)));
    assert_eq!(
        limited(gate.admit(at, at, &call, NOBODY)),
        ("attempts_per_number", false, MINUTE - SECOND)
    );
    gate.set_policy(policy(None));
    assert_eq!(gate.admit(at, at, &call, NOBODY), Ok(at));
}

#[test]
fn large_limit_takes_no_memory_in_advance() {
    let keys = HashMap::from([(
        "bot".into(),
        Limits { calls_per_second: Some(100_000), ..Limits::default() },
    )]);
    let policy = Policy { keys, attempts_per_number: Some(10_000), ..Policy::default() };
    let (mut gate, now) = (gate(policy), Instant::now());
    admit(&mut gate, now, now, &info("7999", "bot")).unwrap();
    assert!(
        gate.keys["bot"].capacity() <= 8
            && gate.numbers.values().all(|window| window.capacity() <= 8)
    );
}

#[test]
fn calls_of_the_previous_run_count() {
    let keys =
        HashMap::from([("bot".into(), Limits { calls_per_second: Some(1), ..Limits::default() })]);
    let policy = Policy { keys, attempts_per_number: Some(2), ..Policy::default() };
    let (mut gate, now) = (gate(policy), Instant::now());
    let number = "7999".parse().unwrap();
    for at in [now, now + 10 * SECOND] {
        gate.remember(at, number, &"bot".into());
    }
    // A masked number can be any of a thousand numbers, so it has no count.
    gate.remember(now + 10 * SECOND, number.masked(), &"bot".into());
    let at = now + 10 * SECOND + 500 * MS;
    assert_eq!(limited(gate.admit(at, at, &info("7999", "bot"), NOBODY)).2, 49 * SECOND + 500 * MS);
    assert_eq!(
        limited(gate.admit(at, at, &info("7998", "bot"), NOBODY)),
        ("calls_per_second", true, 500 * MS)
    );
    assert_eq!(
        gate.admit(now + MINUTE, now + MINUTE, &info("7999", "bot"), NOBODY),
        Ok(now + MINUTE)
    );
}

#[test]
fn calls_alive_are_limited_for_all_and_for_each_key() {
    let of = |calls| Limits { calls_alive: Some(calls), ..Limits::default() };
    let keys = HashMap::from([("bot".into(), of(2))]);
    let (gate, now) = (gate(Policy { all: of(3), keys, ..Policy::default() }), Instant::now());
    let admit =
        |all, of_key| gate.admit(now, now, &info("7999", "bot"), LiveCounts { all, of_key });
    assert!(admit(2, 1).is_ok());
    assert_eq!(limited(admit(2, 2)), ("calls_alive", true, RETRY_AFTER));
    assert_eq!(limited(admit(3, 0)), ("calls_alive", false, RETRY_AFTER));
}

#[test]
fn denied_prefix_overrides_allowed_one() {
    let lists = |allow: &[&str], deny: &[&str]| Limits {
        allow: allow.iter().map(|prefix| (*prefix).into()).collect(),
        deny: deny.iter().map(|prefix| (*prefix).into()).collect(),
        ..Limits::default()
    };
    let keys = HashMap::from([("bot".into(), lists(&["79"], &[]))]);
    let gate = gate(Policy { all: lists(&["7", "375"], &["7900"]), keys, ..Policy::default() });
    let of_key = |key: &str| Err(Refusal::NotAllowed { of_key: Some(key.into()) });
    let at_all = Err(Refusal::NotAllowed { of_key: None });
    for (number, key, expected) in [
        ("+79991234567", "bot", Ok(())),
        ("79001234567", "bot", at_all.clone()),
        ("78121234567", "bot", of_key("bot")),
        ("78121234567", "other", Ok(())),
        ("375291234567", "other", Ok(())),
        ("18005551234", "other", at_all),
    ] {
        assert_eq!(gate.permits(&info(number, key)), expected, "{number} {key}");
    }
}

proptest! {
    /// Asterisk never receives calls faster than the pace, for any arrivals.
    #[test]
    fn pace_holds_for_any_arrivals(gaps in proptest::collection::vec(0u64..300, 1..200), rate in 1u32..50) {
        let all = Limits { calls_per_second: Some(rate), ..Limits::default() };
        let mut gate = gate(Policy { all, ..Policy::default() });
        let (mut now, mut sent) = (Instant::now(), Vec::new());
        for gap in gaps {
            now += Duration::from_millis(gap);
            if let Ok(turn) = admit(&mut gate, now, now + SECOND, &info("7999", "bot")) {
                prop_assert!(turn >= now && turn <= now + SECOND);
                sent.push(turn);
            }
        }
        for pair in sent.windows(2) {
            prop_assert!(pair[1] - pair[0] >= SECOND / rate);
        }
    }

    /// The pace also holds if the process stalls and claims every slot late.
    #[test]
    fn pace_holds_for_any_stalls(steps in proptest::collection::vec((0u64..400, 0usize..30), 1..60), rate in 1u32..500) {
        let all = Limits { calls_per_second: Some(rate), ..Limits::default() };
        let mut gate = gate(Policy { all, ..Policy::default() });
        let (mut now, mut waiting, mut sent) = (Instant::now(), VecDeque::new(), Vec::new());
        for (gap, calls) in steps {
            now += Duration::from_millis(gap);
            for _ in 0..calls {
                if let Ok(turn) = admit(&mut gate, now, now + SECOND, &info("7999", "bot")) {
                    waiting.push_back((turn, gate.slip()));
                }
            }
            while let Some((turn, late)) = waiting.front().copied() {
                if let Err(later) = gate.claim_slot(now, turn, late) {
                    prop_assert!(later > now);
                    break;
                }
                waiting.pop_front();
                sent.push(now);
            }
        }
        for (first, from) in sent.iter().enumerate() {
            let within = sent[first..].partition_point(|at| *at < *from + SECOND) as u32;
            prop_assert!(within <= rate + rate / 100 + 2, "{within} of {rate}");
        }
    }

    /// For any arrivals and stalls, no second has more calls of a key than its limit, and no minute
    /// more calls to a number. A call after `retry_after` is admitted, and one before it is not.
    #[test]
    fn windows_hold_for_any_arrivals_and_stalls(
        steps in proptest::collection::vec((0u64..400, 0usize..6, 0u64..3), 1..80),
        of_key in 1u32..8,
        of_number in 1u32..20,
        pace in proptest::option::of(1u32..40),
    ) {
        let keys = HashMap::from([("bot".into(), Limits { calls_per_second: Some(of_key), ..Limits::default() })]);
        let all = Limits { calls_per_second: pace, ..Limits::default() };
        let mut gate = gate(Policy { all, keys, attempts_per_number: Some(of_number) });
        let (mut now, mut waiting, mut sent) = (Instant::now(), VecDeque::new(), Vec::new());
        for (gap, calls, number) in steps {
            now += Duration::from_millis(gap * gap / 100);
            while let Some((turn, late, number)) = waiting.front().copied() {
                if gate.claim_slot(now, turn, late).is_err() {
                    break;
                }
                waiting.pop_front();
                sent.push((now, number));
            }
            for _ in 0..calls {
                let call = info(&format!("799{number}"), "bot");
                match gate.admit(now, now + SECOND, &call, NOBODY) {
                    Ok(turn) => {
                        gate.count(now, &call);
                        if pace.is_some() {
                            waiting.push_back((turn, gate.slip(), number));
                        } else {
                            sent.push((now, number));
                        }
                    }
                    Err(Refusal::Limited(limit)) => {
                        let free = now + limit.retry_after;
                        prop_assert!(gate.admit(free, free + SECOND, &call, NOBODY).is_ok(), "{:?}", limit);
                        let early = free - Duration::from_nanos(1);
                        prop_assert!(gate.admit(early, early + SECOND, &call, NOBODY).is_err(), "{:?}", limit);
                    }
                    Err(other) => prop_assert!(false, "{:?}", other),
                }
            }
        }
        for (first, (from, number)) in sent.iter().enumerate() {
            let within = |span| sent[first..].iter().filter(move |(at, _)| *at < *from + span);
            prop_assert!(within(SECOND).count() <= of_key as usize);
            prop_assert!(within(MINUTE).filter(|(_, other)| other == number).count() <= of_number as usize);
        }
    }
}
