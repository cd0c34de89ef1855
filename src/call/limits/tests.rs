use std::time::SystemTime;

use proptest::prelude::*;

use super::*;
use crate::call::CallId;

const NOBODY: Alive = Alive { all: 0, of_key: 0 };
const SECOND: Duration = Duration::from_secs(1);

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

fn gate(policy: Policy) -> Gate {
    let mut gate = Gate::default();
    gate.set_policy(policy);
    gate
}

fn limited(result: Result<Instant, Refusal>) -> (&'static str, bool, Duration) {
    match result {
        Err(Refusal::Limited(limit)) => (limit.name, limit.key.is_some(), limit.retry_after),
        other => panic!("{other:?}"),
    }
}

#[test]
fn without_limits_everything_passes_at_once() {
    let (mut gate, now) = (gate(Policy::default()), Instant::now());
    for _ in 0..1000 {
        let alive = Alive { all: usize::MAX, of_key: usize::MAX };
        assert_eq!(gate.admit(now, now, &info("7999", "bot"), alive), Ok(now));
    }
    assert!(gate.numbers.is_empty() && gate.keys.is_empty() && gate.forget.is_empty());
}

#[test]
fn a_burst_is_paced_and_what_would_wait_too_long_is_refused() {
    let all = Limits { calls_per_second: Some(10), ..Limits::default() };
    let (mut gate, now) = (gate(Policy { all, ..Policy::default() }), Instant::now());
    let latest = now + SECOND;
    for turn in 0..=10 {
        assert_eq!(gate.admit(now, latest, &info("7999", "bot"), NOBODY), Ok(now + turn * SECOND / 10));
    }
    let refused = limited(gate.admit(now, latest, &info("7999", "bot"), NOBODY));
    assert_eq!(refused, ("calls_per_second", false, SECOND / 10));
    let later = now + SECOND / 2;
    assert_eq!(gate.admit(later, later + SECOND, &info("7999", "bot"), NOBODY), Ok(now + SECOND * 11 / 10));
}

#[test]
fn a_key_may_use_up_its_second_at_once_and_no_other_key_suffers() {
    let keys = HashMap::from([("bot".into(), Limits { calls_per_second: Some(5), ..Limits::default() })]);
    let (mut gate, now) = (gate(Policy { keys, ..Policy::default() }), Instant::now());
    for _ in 0..5 {
        assert_eq!(gate.admit(now, now, &info("7999", "bot"), NOBODY), Ok(now));
    }
    assert_eq!(limited(gate.admit(now, now, &info("7999", "bot"), NOBODY)), ("calls_per_second", true, SECOND / 5));
    assert_eq!(gate.admit(now, now, &info("7999", "other"), NOBODY), Ok(now));
    let later = now + SECOND / 5;
    assert_eq!(gate.admit(later, later, &info("7999", "bot"), NOBODY), Ok(later));
    assert!(gate.admit(later, later, &info("7999", "bot"), NOBODY).is_err());
}

#[test]
fn attempts_at_one_number_are_counted_for_it_alone_and_forgotten() {
    let policy = Policy { attempts_per_number: Some(3), ..Policy::default() };
    let (mut gate, now) = (gate(policy), Instant::now());
    for _ in 0..3 {
        assert_eq!(gate.admit(now, now, &info("7999", "bot"), NOBODY), Ok(now));
    }
    let refused = limited(gate.admit(now, now, &info("7999", "bot"), NOBODY));
    assert_eq!(refused, ("attempts_per_number", false, MINUTE / 3));
    assert_eq!(gate.admit(now, now, &info("7998", "bot"), NOBODY), Ok(now));
    let later = now + MINUTE / 3;
    assert_eq!(gate.admit(later, later, &info("7999", "bot"), NOBODY), Ok(later));
    let much_later = later + 2 * MINUTE;
    assert_eq!(gate.admit(much_later, much_later, &info("7997", "bot"), NOBODY), Ok(much_later));
    assert_eq!((gate.numbers.len(), gate.forget.len()), (1, 1), "what is over takes no room");
}

#[test]
fn calls_alive_are_limited_for_all_and_for_each_key() {
    let of = |calls| Limits { calls_alive: Some(calls), ..Limits::default() };
    let keys = HashMap::from([("bot".into(), of(2))]);
    let (mut gate, now) = (gate(Policy { all: of(3), keys, ..Policy::default() }), Instant::now());
    let mut admit = |all, of_key| gate.admit(now, now, &info("7999", "bot"), Alive { all, of_key });
    assert!(admit(2, 1).is_ok());
    assert_eq!(limited(admit(2, 2)), ("calls_alive", true, LATER));
    assert_eq!(limited(admit(3, 0)), ("calls_alive", false, LATER));
}

#[test]
fn numbers_are_allowed_by_prefix_and_denied_all_the_same() {
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
    /// However calls come, Asterisk never sees more of them in any stretch of time than the pace allows.
    #[test]
    fn the_pace_holds_for_any_arrivals(gaps in proptest::collection::vec(0u64..300, 1..200), rate in 1u32..50) {
        let all = Limits { calls_per_second: Some(rate), ..Limits::default() };
        let mut gate = gate(Policy { all, ..Policy::default() });
        let (mut now, mut sent) = (Instant::now(), Vec::new());
        for gap in gaps {
            now += Duration::from_millis(gap);
            if let Ok(turn) = gate.admit(now, now + SECOND, &info("7999", "bot"), NOBODY) {
                prop_assert!(turn >= now && turn <= now + SECOND);
                sent.push(turn);
            }
        }
        for pair in sent.windows(2) {
            prop_assert!(pair[1] - pair[0] >= SECOND / rate);
        }
    }

    /// Nor does it when we are held up and everything comes late.
    #[test]
    fn the_pace_holds_however_late_we_come(steps in proptest::collection::vec((0u64..400, 0usize..30), 1..60), rate in 1u32..500) {
        let all = Limits { calls_per_second: Some(rate), ..Limits::default() };
        let mut gate = gate(Policy { all, ..Policy::default() });
        let (mut now, mut waiting, mut sent) = (Instant::now(), VecDeque::new(), Vec::new());
        for (gap, calls) in steps {
            now += Duration::from_millis(gap);
            for _ in 0..calls {
                if let Ok(turn) = gate.admit(now, now + SECOND, &info("7999", "bot"), NOBODY) {
                    waiting.push_back((turn, gate.late()));
                }
            }
            while let Some((turn, late)) = waiting.front().copied() {
                if let Err(later) = gate.take(now, turn, late) {
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
}
