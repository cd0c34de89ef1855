//! The connections between the daemons and Asterisk. Bytes arrive in pieces of random length. After
//! a daemon has closed its connection, Asterisk may still read what the daemon had sent.

use std::time::Duration;

use bytes::Buf;
use originatord_core::ami::parser::Parser;

use super::World;
use super::daemon::Daemon;

/// The longest time until Asterisk reads the bytes of a closed connection.
const MAX_LATE: Duration = Duration::from_millis(800);

impl World {
    /// Connects the daemon if it wants to, and else transfers a random number of bytes in each
    /// direction.
    pub(super) fn transfer(&mut self, daemon: usize) {
        let now = self.now();
        let max = if self.rng.u32(..4) == 0 { 30 } else { 4000 };
        if self.daemons[daemon].wants_to_connect {
            self.daemons[daemon].wants_to_connect = false;
            if self.rng.u32(..20) == 0 {
                self.mark_disturbed();
                self.daemons[daemon].engine.disconnected(now, "connection refused");
            } else {
                let connection = self.asterisk.connect(now);
                let new = &mut self.daemons[daemon];
                new.connection = Some(connection);
                new.parser = Parser::default();
                new.connected = self.time;
                new.from_asterisk.clear();
                new.engine.connected(now);
            }
            return self.apply_effects(daemon);
        }
        let Some(connection) = self.daemons[daemon].connection else { return };
        if self.asterisk.reads(connection) && !self.daemons[daemon].to_asterisk.is_empty() {
            let bytes = &mut self.daemons[daemon].to_asterisk;
            let count = self.rng.usize(1..=max).min(bytes.len());
            let sent: Vec<u8> = bytes.drain(..count).collect();
            self.asterisk.receive(now, connection, &sent);
        }
        let received = match self.asterisk.output(connection) {
            Some(output) => {
                let count = self.rng.usize(1..=max).min(output.len());
                let bytes = output.split_to(count);
                self.daemons[daemon].from_asterisk.extend_from_slice(&bytes);
                count
            }
            None => 0,
        };
        if received > 0 {
            self.decode_input(daemon);
        } else if self.asterisk.is_over(connection) {
            self.asterisk.disconnect(connection);
            self.daemons[daemon].connection = None;
            self.link_lost(daemon);
        }
    }

    /// Transfers all waiting bytes.
    pub(super) fn transfer_all(&mut self) {
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
            busy.into_iter().for_each(|daemon| self.transfer(daemon));
        }
    }

    /// Decodes the bytes from Asterisk, and gives the messages to the engine.
    fn decode_input(&mut self, daemon: usize) {
        let now = self.now();
        loop {
            let Daemon { parser, from_asterisk, engine, .. } = &mut self.daemons[daemon];
            match parser.parse(from_asterisk) {
                Ok(Some(received)) => engine.receive(now, received),
                Ok(None) => return self.apply_effects(daemon),
                Err(_) => {
                    self.close_connection(daemon);
                    return self.link_lost(daemon);
                }
            }
        }
    }

    /// Tells the engine that its connection has broken.
    pub(super) fn link_lost(&mut self, daemon: usize) {
        let now = self.now();
        self.mark_disturbed();
        self.daemons[daemon].engine.disconnected(now, "the connection broke");
        self.apply_effects(daemon);
    }

    /// Closes the connection. Asterisk reads the bytes that the daemon had sent later, or never.
    pub(super) fn close_connection(&mut self, daemon: usize) {
        let undelivered = std::mem::take(&mut self.daemons[daemon].to_asterisk);
        let Some(connection) = self.daemons[daemon].connection.take() else { return };
        if undelivered.is_empty() || self.rng.bool() {
            self.asterisk.disconnect(connection);
        } else {
            self.undelivered.push((connection, undelivered, None));
        }
    }

    /// Lets Asterisk read the bytes of closed connections that are due.
    pub(super) fn deliver_late(&mut self) {
        let now = self.now();
        for (connection, bytes, due) in std::mem::take(&mut self.undelivered) {
            // They become due some time after Asterisk has begun to read again.
            let late = MAX_LATE.mul_f64(self.rng.f64());
            let due = due.or_else(|| self.asterisk.reads(connection).then_some(self.time + late));
            if due.is_none_or(|due| due > self.time) {
                self.undelivered.push((connection, bytes, due));
                continue;
            }
            self.tally.late_reads += 1;
            self.trace(|| format!("Asterisk reads {} bytes of a closed connection", bytes.len()));
            self.asterisk.receive(now, connection, &bytes);
            self.asterisk.disconnect(connection);
        }
    }
}
