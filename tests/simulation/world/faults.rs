//! Faults of a connection, a daemon or Asterisk, and of the bytes between them.

use std::time::Duration;

use originatord_core::engine::EarlierRuns;
use originatord_sim::faults::Faults;

use super::World;

/// The longest delay of delayed events.
const MAX_DELAY: Duration = Duration::from_secs(3);

impl World {
    /// Breaks the connection. Asterisk may still read what the daemon has sent.
    pub(super) fn cut_link(&mut self, daemon: usize) {
        self.mark_disturbed();
        self.tally.cuts += 1;
        self.trace(|| format!("daemon {daemon} loses its connection"));
        if self.daemons[daemon].connection.is_some() {
            self.close_connection(daemon);
            self.link_lost(daemon);
        }
    }

    /// Kills the daemon, and starts it again with its journal.
    pub(super) fn crash(&mut self, daemon: usize) {
        self.mark_disturbed();
        self.tally.crashes += 1;
        self.trace(|| format!("daemon {daemon} crashes"));
        self.close_connection(daemon);
        self.restart(daemon);
    }

    /// Tells the daemon to stop. Once every bot has its answer, the next run starts.
    pub(super) fn stop(&mut self, daemon: usize) {
        self.mark_disturbed();
        self.tally.stops += 1;
        self.trace(|| format!("daemon {daemon} is told to stop"));
        self.daemons[daemon].is_stopping = true;
        self.daemons[daemon].engine.stop();
        self.apply_effects(daemon);
    }

    /// Starts the next run of a daemon, which reads the records of the run before.
    pub(super) fn restart(&mut self, daemon: usize) {
        let (now, new) = (self.now(), self.daemon(daemon));
        let old = std::mem::replace(&mut self.daemons[daemon], new);
        let new = &mut self.daemons[daemon];
        let last_event = Some(old.last_event);
        let mut earlier =
            EarlierRuns { calls: old.recorded.open(), last_event, ..EarlierRuns::default() };
        (new.recorded, new.unconfirmed, new.last_event) =
            (old.recorded, old.unconfirmed, old.last_event);
        if let Some(journal) = old.journal {
            let (journal, read) = journal.restart(now.wall);
            new.recorded = journal.written.clone();
            new.unconfirmed.retain(|id| new.recorded.calls.contains_key(id));
            (new.journal, earlier) = (Some(journal), read);
        }
        new.remembered = earlier.calls.iter().map(|call| call.info.id).collect();
        new.engine.remember(now, earlier);
        self.apply_effects(daemon);
    }

    /// Kills Asterisk, and starts it again without its calls.
    pub(super) fn restart_asterisk(&mut self) {
        self.mark_disturbed();
        self.tally.restarts += 1;
        self.trace(|| "Asterisk is restarted".to_owned());
        let now = self.now();
        for (connection, ..) in self.undelivered.drain(..) {
            self.asterisk.disconnect(connection);
        }
        self.asterisk.restart(now);
    }

    /// Gives every connection the same random fault.
    pub(super) fn inject_fault(&mut self) {
        self.mark_disturbed();
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
            // The garbage may make the next event unreadable, too.
            8 => (faults.garbage, self.has_dropped) = (self.rng.usize(..2000), true),
            // Asterisk hangs.
            9 => (faults.stop_reading, faults.stop_writing) = (true, true),
            10 => faults.refuse_all = true,
            _ => faults.flood = 50,
        }
        self.trace(|| format!("{faults:?}"));
        self.refuses_since = faults.refuse_all.then_some(self.time);
        self.faults = faults.clone();
        self.asterisk.set_faults(now, faults);
        self.transfer_all();
    }

    /// Ends all faults.
    pub(super) fn clear_faults(&mut self) {
        if self.faults != Faults::default() {
            self.trace(|| "all faults end".to_owned());
            let now = self.now();
            // An event that is delayed already still arrives late.
            self.disturbed = now.instant + MAX_DELAY;
            self.faults = Faults::default();
            self.refuses_since = None;
            self.asterisk.set_faults(now, Faults::default());
        }
    }

    /// Remembers that events may have been lost or delayed until now.
    pub(super) fn mark_disturbed(&mut self) {
        self.disturbed = self.disturbed.max(self.now().instant);
    }
}
