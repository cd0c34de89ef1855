//! What one list can make us keep.

use std::time::UNIX_EPOCH;

use super::*;

#[test]
fn no_more_is_taken_from_a_list_than_an_asterisk_can_carry() {
    let ours = CallId::new(UNIX_EPOCH, u128::MAX);
    let mut round = Round {
        began: Now { instant: Instant::now(), wall: UNIX_EPOCH },
        expected: [ours].into(),
        found: BTreeMap::new(),
        listed: false,
        to_ask: VecDeque::new(),
        asked: HashSet::new(),
    };
    let taken = (0..MAX_TAKEN_IN as u128 + 1000).filter(|n| round.entry(CallId::new(UNIX_EPOCH, *n)).is_some());
    assert_eq!(taken.count(), MAX_TAKEN_IN + 1);
    // Whatever else is listed, what we know is not overlooked, nor what was listed before.
    assert!(round.entry(ours).is_some());
    assert!(round.entry(CallId::new(UNIX_EPOCH, 0)).is_some());
    assert_eq!(round.found.len(), MAX_TAKEN_IN + 2);
}
