//! The promises of the daemon, as assertions.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use originatord_core::call::CallId;
use originatord_core::call::machine::State;
use originatord_core::call::view::CallView;
use originatord_core::record::Event;
use originatord_sim::faults::Faults;

use super::journal::JournalOnDisk;
use super::{MAX_STEP, World};

/// The default `reply_timeout`.
pub(super) const REPLY_TIMEOUT: Duration = Duration::from_millis(1500);

/// The longest time from the end of a call until its number is free.
const FREED_WITHIN: Duration = Duration::from_secs(1);

/// The longest time until a daemon notices a dead link: two keepalives, and the delay of events.
pub(super) const MAX_LAG: Duration = Duration::from_secs(9);

/// The longest time until a daemon notices that Asterisk refuses everything: a keepalive and some
/// steps.
const REFUSAL_FOUND_WITHIN: Duration = Duration::from_millis(3500);

/// The longest time until a list of channels has corrected what missed events have left wrong.
const RECONCILED_WITHIN: Duration = Duration::from_secs(130);

impl World {
    /// Asserts what must hold at any moment.
    pub(super) fn check(&mut self) {
        let now = self.now().instant;
        let mut halves: HashMap<String, usize> = HashMap::new();
        let mut called: HashMap<(String, usize), HashSet<CallId>> = HashMap::new();
        let mut live = HashSet::new();
        for channel in self.asterisk.pbx().channels() {
            if let Some((number, half)) =
                channel.name.strip_prefix("Local/").and_then(|name| name.split_once('@'))
                && half.ends_with(";2")
            {
                *halves.entry(number.to_owned()).or_default() += 1;
                self.had_lock.extend(channel.linkedid.parse::<CallId>());
            }
            let call = channel.linkedid.parse::<CallId>();
            if let Some(maker) = call.as_ref().ok().and_then(|id| self.daemon_of.get(id))
                && channel.name.starts_with("PJSIP/telegram")
            {
                called.entry((channel.caller.number.clone(), *maker)).or_default().extend(call);
            }
            live.extend(call);
        }
        // A daemon cannot know a leg that no event or list has mentioned. Between daemons, Asterisk
        // holds the lock, which ends with the Local channel.
        let is_called_once = called.values().all(|calls| calls.len() == 1);
        assert!(is_called_once || self.has_dropped, "a callee is called twice: {called:?}");
        let with_half: HashSet<&String> = halves.keys().collect();
        self.tally.orphaned +=
            called.keys().filter(|(number, _)| !with_half.contains(number)).count() as u64;
        assert!(halves.values().all(|count| *count == 1), "two calls to one number: {halves:?}");
        self.known_to_asterisk.extend(live.iter().map(|id| (*id, self.time)));
        if self.faults != Faults::default() {
            self.mark_disturbed();
        }
        // Events of calls from before the last disturbance may be lost. The next list reconciles
        // these calls.
        let events_are_complete = |id: &CallId| {
            id.time() > UNIX_EPOCH + self.disturbed.saturating_duration_since(self.start)
        };
        for id in self.confirmed.drain(..) {
            assert!(
                self.had_lock.contains(&id),
                "{id} got ok, and Asterisk never had its lock channel"
            );
        }
        for daemon in &mut self.daemons {
            // The Ping of every three seconds notices this.
            let refuses =
                self.refuses_since.is_some_and(|since| self.time > since + REFUSAL_FOUND_WITHIN);
            assert!(
                !refuses || daemon.ready.is_none(),
                "the daemon is ready although Asterisk refuses everything"
            );
            for (bot, requested) in &daemon.waiting {
                assert!(
                    now - *requested <= REPLY_TIMEOUT,
                    "bot {bot} has no answer after {:?}",
                    now - *requested
                );
            }
            let (listed, counted) = (daemon.calls(), daemon.engine.stats());
            let is_live =
                |call: &CallView| call.state != State::Ended && call.timestamps.ended.is_none();
            assert!(
                listed.iter().all(is_live),
                "the list of live calls has an ended one: {listed:?}"
            );
            for (state, count) in State::LIVE.into_iter().zip(counted.live) {
                assert_eq!(
                    listed.iter().filter(|call| call.state == state).count(),
                    count,
                    "calls {state:?}"
                );
            }
            let Some(ready) = daemon.ready else {
                daemon.gone.clear();
                continue;
            };
            let believed: HashSet<CallId> = listed.iter().map(|call| call.info.id).collect();
            daemon.gone.retain(|id, _| believed.contains(id));
            let over =
                believed.difference(&live).filter(|id| self.known_to_asterisk.contains_key(id));
            for id in over {
                // A call that had ended before the link was up is not in its first list.
                let seen = self.known_to_asterisk[id] + MAX_STEP;
                let was_listed = seen >= daemon.connected || !daemon.has_accepted(id);
                assert!(
                    was_listed || self.time <= ready + FREED_WITHIN,
                    "{id} is live, and the list at {ready:?} did not have it"
                );
                if !events_are_complete(id) {
                    continue;
                }
                let since = *daemon.gone.entry(*id).or_insert(now);
                self.tally.slowest = self.tally.slowest.max(now - since);
                assert!(
                    now - since <= FREED_WITHIN,
                    "{id} is live, and has ended in Asterisk {:?} ago",
                    now - since
                );
            }
        }
    }

    /// Ends all faults and calls. After a while no call is left, and each accepted call has had one
    /// end.
    pub(crate) fn finish(&mut self) {
        self.clear_faults();
        self.pass(Duration::from_secs(30));
        let now = self.now();
        let channels: Vec<String> =
            self.asterisk.pbx().channels().map(|channel| channel.uniqueid.clone()).collect();
        for channel in channels {
            self.asterisk.pbx().hang_up(now, &channel, None);
        }
        self.pass(RECONCILED_WITHIN);
        self.daemons
            .iter_mut()
            .filter_map(|daemon| daemon.journal.as_mut())
            .for_each(JournalOnDisk::write_all);
        for daemon in &self.daemons {
            let left = daemon.calls();
            assert!(left.is_empty(), "{left:?}");
            assert!(daemon.ready.is_some() && daemon.engine.is_idle() && daemon.waiting.is_empty());
            daemon.recorded.assert_complete();
            if let Some(journal) = &daemon.journal {
                journal.written.assert_complete();
            }
            for id in &daemon.unconfirmed {
                assert!(daemon.is_over(id), "no record says how {id} ended");
            }
        }
    }
}

/// An unobserved end lies between the last time the call was seen and its record.
pub(super) fn check_span(event: &Event, seen: SystemTime, slack: Duration) {
    if let Event::CallEnded(end) = event
        && let Some((after, before)) = end.ended_between
    {
        assert!(after <= seen + slack && seen <= before, "{event:?}, and it was seen {seen:?}");
    }
}
