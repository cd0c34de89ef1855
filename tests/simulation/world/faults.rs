//! Faults of a connection, a daemon or Asterisk, and of the bytes on the way.

use std::time::Duration;

use originatord_core::engine::EarlierRuns;
use originatord_sim::faults::Faults;

use super::World;

/// The longest delay of delayed events.
const MAX_DELAY: Duration = Duration::from_secs(3);

impl World {
    /// The connection breaks, and the bytes on the way are lost.
    pub(super) fn cut(&mut self, daemon: usize) {
        self.disturb();
        self.tally.cuts += 1;
        self.tell(|| format!("daemon {daemon} is cut off"));
        if self.daemons[daemon].connection.is_some() {
            self.give_up(daemon);
            self.lose(daemon);
        }
    }

    /// The daemon is killed and started again on its journal.
    pub(super) fn crash(&mut self, daemon: usize) {
        self.disturb();
        self.tally.crashes += 1;
        self.tell(|| format!("daemon {daemon} crashes"));
        self.give_up(daemon);
        self.start_anew(daemon);
    }

    /// The daemon is stopped. When every bot has its answer, another one is started.
    pub(super) fn stop(&mut self, daemon: usize) {
        self.disturb();
        self.tally.stops += 1;
        self.tell(|| format!("daemon {daemon} is to stop"));
        self.daemons[daemon].is_stopping = true;
        self.daemons[daemon].engine.stop();
        self.settle(daemon);
    }

    pub(super) fn start_anew(&mut self, daemon: usize) {
        let (now, new) = (self.now(), self.daemon(daemon));
        let old = std::mem::replace(&mut self.daemons[daemon], new);
        let new = &mut self.daemons[daemon];
        let last_event = Some(old.last_word);
        let mut earlier =
            EarlierRuns { calls: old.told.open(), last_event, ..EarlierRuns::default() };
        (new.told, new.unconfirmed, new.last_word) = (old.told, old.unconfirmed, old.last_word);
        if let Some(journal) = old.journal {
            let (journal, read) = journal.start_anew(now.wall);
            new.told = journal.written.clone();
            new.unconfirmed.retain(|id| new.told.calls.contains_key(id));
            (new.journal, earlier) = (Some(journal), read);
        }
        new.remembered = earlier.calls.iter().map(|call| call.info.id).collect();
        new.engine.remember(now, earlier);
        self.settle(daemon);
    }

    /// Asterisk is killed and started again, without its calls.
    pub(super) fn restart_asterisk(&mut self) {
        self.disturb();
        self.tally.restarts += 1;
        self.tell(|| "Asterisk is restarted".to_owned());
        let now = self.now();
        for (connection, ..) in self.unread.drain(..) {
            self.asterisk.disconnect(connection);
        }
        self.asterisk.restart(now);
    }

    /// Every connection gets a fault from now on.
    pub(super) fn misbehave(&mut self) {
        self.disturb();
        self.tally.faults += 1;
        let (now, mut faults) = (self.now(), Faults::default());
        match self.rng.u32(..12) {
            0 => faults.stop_reading = true,
            1 => faults.stop_writing = true,
            2 => faults.delay = Duration::from_millis(self.rng.u64(..MAX_DELAY.as_millis() as u64)),
            3 => faults.cut_after = Some(self.rng.u64(..5000)),
            4 => faults.cut_before_receipt = true,
            5 => faults.repeat = 0.3,
            6 => (faults.drop, self.has_dropped) = (0.2, true),
            7 => faults.reorder = 0.5,
            // The lost event may take the next one along.
            8 => (faults.garbage, self.has_dropped) = (self.rng.usize(..2000), true),
            // Asterisk hangs.
            9 => (faults.stop_reading, faults.stop_writing) = (true, true),
            10 => faults.refuse_all = true,
            _ => faults.flood = 50,
        }
        self.tell(|| format!("{faults:?}"));
        self.refuses_since = faults.refuse_all.then_some(self.time);
        self.faults = faults.clone();
        self.asterisk.set_faults(now, faults);
        self.carry_all();
    }

    /// All faults end.
    pub(super) fn behave(&mut self) {
        if self.faults != Faults::default() {
            self.tell(|| "all is in order".to_owned());
            let now = self.now();
            // Events that are already delayed stay so.
            self.disturbed = now.instant + MAX_DELAY;
            self.faults = Faults::default();
            self.refuses_since = None;
            self.asterisk.set_faults(now, Faults::default());
        }
    }

    pub(super) fn disturb(&mut self) {
        self.disturbed = self.disturbed.max(self.now().instant);
    }
}
