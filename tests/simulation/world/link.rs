//! The connections between the daemons and Asterisk. Bytes travel both ways, cut anywhere. When a
//! connection closes, Asterisk may still read the bytes on the way.

use std::time::Duration;

use bytes::Buf;
use originatord_core::ami::parser::Parser;

use super::World;
use super::daemon::Daemon;

/// The longest time until a resumed Asterisk reads what was sent before.
const MAX_UNREAD: Duration = Duration::from_millis(800);

impl World {
    /// Carries some bytes in each direction, cut anywhere.
    pub(super) fn carry(&mut self, daemon: usize) {
        let now = self.now();
        let most = if self.rng.u32(..4) == 0 { 30 } else { 4000 };
        if self.daemons[daemon].wants_to_connect {
            self.daemons[daemon].wants_to_connect = false;
            if self.rng.u32(..20) == 0 {
                self.disturb();
                self.daemons[daemon].engine.disconnected(now, "nobody listens");
            } else {
                let connection = self.asterisk.connect(now);
                let new = &mut self.daemons[daemon];
                (new.connection, new.parser, new.connected) =
                    (Some(connection), Parser::default(), self.time);
                new.from_asterisk.clear();
                new.engine.connected(now);
            }
            return self.settle(daemon);
        }
        let Some(connection) = self.daemons[daemon].connection else { return };
        if self.asterisk.reads(connection) && !self.daemons[daemon].to_asterisk.is_empty() {
            let bytes = &mut self.daemons[daemon].to_asterisk;
            let some = self.rng.usize(1..=most).min(bytes.len());
            let sent: Vec<u8> = bytes.drain(..some).collect();
            self.asterisk.receive(now, connection, &sent);
        }
        let received = match self.asterisk.output(connection) {
            Some(output) => {
                let some = self.rng.usize(1..=most).min(output.len());
                let bytes = output.split_to(some);
                self.daemons[daemon].from_asterisk.extend_from_slice(&bytes);
                some
            }
            None => 0,
        };
        if received > 0 {
            self.hear(daemon);
        } else if self.asterisk.is_over(connection) {
            self.asterisk.disconnect(connection);
            self.daemons[daemon].connection = None;
            self.lose(daemon);
        }
    }

    /// Carries all waiting bytes.
    pub(super) fn carry_all(&mut self) {
        for _ in 0..1000 {
            let is_idle = |world: &mut World, daemon: usize| {
                let Daemon { connection, wants_to_connect, to_asterisk, .. } =
                    &world.daemons[daemon];
                let Some(connection) = *connection else { return !wants_to_connect };
                let reads = !to_asterisk.is_empty() && world.asterisk.reads(connection);
                !reads
                    && world
                        .asterisk
                        .output(connection)
                        .is_none_or(|output| !output.has_remaining())
            };
            let busy: Vec<usize> =
                (0..self.daemons.len()).filter(|daemon| !is_idle(self, *daemon)).collect();
            if busy.is_empty() {
                return;
            }
            busy.into_iter().for_each(|daemon| self.carry(daemon));
        }
    }

    fn hear(&mut self, daemon: usize) {
        let now = self.now();
        loop {
            let Daemon { parser, from_asterisk, engine, .. } = &mut self.daemons[daemon];
            match parser.parse(from_asterisk) {
                Ok(Some(received)) => engine.receive(now, received),
                Ok(None) => return self.settle(daemon),
                Err(_) => {
                    self.give_up(daemon);
                    return self.lose(daemon);
                }
            }
        }
    }

    pub(super) fn lose(&mut self, daemon: usize) {
        let now = self.now();
        self.disturb();
        self.daemons[daemon].engine.disconnected(now, "the connection broke");
        self.settle(daemon);
    }

    /// Closes the connection. Asterisk loses the bytes on the way, or reads them later.
    pub(super) fn give_up(&mut self, daemon: usize) {
        let unread = std::mem::take(&mut self.daemons[daemon].to_asterisk);
        let Some(connection) = self.daemons[daemon].connection.take() else { return };
        if unread.is_empty() || self.rng.bool() {
            self.asterisk.disconnect(connection);
        } else {
            self.unread.push((connection, unread, None));
        }
    }

    /// Asterisk reads what a closed connection had sent.
    pub(super) fn read_the_unread(&mut self) {
        let now = self.now();
        for (connection, bytes, due) in std::mem::take(&mut self.unread) {
            // A resumed Asterisk reads all of them.
            let late = MAX_UNREAD.mul_f64(self.rng.f64());
            let due = due.or_else(|| self.asterisk.reads(connection).then_some(self.time + late));
            if due.is_none_or(|due| due > self.time) {
                self.unread.push((connection, bytes, due));
                continue;
            }
            self.tally.late_reads += 1;
            self.tell(|| format!("{} bytes are read late", bytes.len()));
            self.asterisk.receive(now, connection, &bytes);
            self.asterisk.disconnect(connection);
        }
    }
}
