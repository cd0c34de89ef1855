//! The whole simulator, still pure: connections around one world.

use std::collections::BTreeMap;
use std::time::Instant;

use bytes::BytesMut;

use super::faults::Faults;
use super::line::Line;
use super::pbx::{Event, Pbx};
use super::scenario::Scenario;
use super::session::{Session, User};
use super::wire::Headers;
use super::{Class, Version};
use originatord_core::clock::Now;

/// What is played.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Which Asterisk.
    pub version: Version,
    /// Who may log in.
    pub user: User,
    /// Who does what.
    pub scenario: Scenario,
    /// What chance is made of.
    pub seed: u64,
}

/// A connection's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnectionId(u64);

struct Connection {
    session: Session,
    line: Line,
}

/// The simulator.
pub struct Simulator {
    settings: Settings,
    pbx: Pbx,
    rng: fastrand::Rng,
    booted: Now,
    faults: Faults,
    connections: BTreeMap<ConnectionId, Connection>,
    next: u64,
}

impl Simulator {
    /// An Asterisk that was just started.
    pub fn new(settings: Settings, now: Now) -> Self {
        let pbx = Pbx::new(settings.version, settings.scenario.clone(), settings.seed);
        let rng = fastrand::Rng::with_seed(settings.seed.wrapping_add(1));
        let faults = settings.scenario.faults.clone();
        Self { settings, pbx, rng, booted: now, faults, connections: BTreeMap::new(), next: 0 }
    }

    /// Somebody connects.
    pub fn connect(&mut self, now: Now) -> ConnectionId {
        let id = ConnectionId(self.next);
        self.next += 1;
        let mut session =
            Session::new(self.settings.user.clone(), self.settings.version, now, self.booted);
        session.set_faults(&self.faults);
        let line = Line::new(self.faults.clone(), self.rng.u64(..), now.instant);
        self.connections.insert(id, Connection { session, line });
        self.tick(now);
        id
    }

    /// A connection is gone. Its calls go on.
    pub fn disconnect(&mut self, id: ConnectionId) {
        self.connections.remove(&id);
    }

    /// Takes what somebody sent.
    pub fn receive(&mut self, now: Now, id: ConnectionId, bytes: &[u8]) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.session.receive(now, &mut self.pbx, &mut self.rng, bytes);
        if let Some(action) = connection.session.take_faults() {
            match Faults::parse(&action) {
                Ok(faults) => {
                    connection.session.answer_faults(&action, None);
                    self.flush(now);
                    self.set_faults(now, faults);
                }
                Err(problem) => connection.session.answer_faults(&action, Some(&problem)),
            }
        }
        // The answer leaves before anything that comes of the action.
        self.flush(now);
        self.tick(now);
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Now) {
        self.pbx.tick(now);
        let events = self.pbx.take_events();
        for connection in self.connections.values_mut() {
            events.iter().for_each(|event| connection.session.hear(event));
            connection.session.tick(now);
            if connection.session.is_user() {
                connection.line.make_noise(now.instant);
                connection.line.flood(now.instant);
            }
        }
        self.flush(now);
    }

    /// When [`tick`](Self::tick) has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        let of_connection = |connection: &Connection| {
            let flood = connection.line.deadline();
            connection.session.deadline().into_iter().chain(flood).min()
        };
        self.connections.values().filter_map(of_connection).chain(self.pbx.deadline()).min()
    }

    /// What is to be written to a connection now, if anything; whoever writes it takes it from the
    /// front.
    pub fn output(&mut self, id: ConnectionId) -> Option<&mut BytesMut> {
        self.connections.get_mut(&id)?.line.output()
    }

    /// Whether a connection is read.
    pub fn reads(&self, id: ConnectionId) -> bool {
        self.connections.get(&id).is_some_and(|connection| connection.line.reads())
    }

    /// Whether a connection is at its end.
    pub fn is_over(&self, id: ConnectionId) -> bool {
        self.connections
            .get(&id)
            .is_none_or(|Connection { session, line }| line.is_over(session.is_closed()))
    }

    /// From now on this goes wrong, on every connection there is and will be.
    pub fn set_faults(&mut self, now: Now, faults: Faults) {
        if faults.restart {
            self.restart(now);
        }
        for connection in self.connections.values_mut() {
            connection.session.set_faults(&faults);
            connection.line.set(faults.clone(), now.instant);
        }
        // These are for once, not for every connection to come.
        self.faults =
            Faults { garbage: 0, endless_line: 0, endless_headers: 0, restart: false, ..faults };
        self.faults.cut_after = None;
        self.faults.cut_before_receipt = false;
    }

    /// Asterisk is started anew: all calls are gone, all connections cut.
    pub fn restart(&mut self, now: Now) {
        let headers = Headers::new().with("Event", "Shutdown").with("Privilege", "system,all");
        let event = Event {
            class: Class::SYSTEM,
            headers: headers.with("Shutdown", "Uncleanly").with("Restart", "False"),
        };
        self.connections.values_mut().for_each(|connection| connection.session.hear(&event));
        self.flush(now);
        self.connections.values_mut().for_each(|connection| connection.line.cut());
        self.pbx.restart();
        self.booted = now;
    }

    /// The world, to look at it or to place calls that are nobody's.
    pub fn pbx(&mut self) -> &mut Pbx {
        &mut self.pbx
    }

    fn flush(&mut self, now: Now) {
        for Connection { session, line } in self.connections.values_mut() {
            for message in session.take_output() {
                line.push(now.instant, message);
            }
            line.tick(now.instant);
        }
    }
}
