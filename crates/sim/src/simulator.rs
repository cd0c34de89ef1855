//! The whole simulator: AMI connections to one PBX. Pure code; `server.rs` adds the sockets and the
//! clock.

use std::collections::BTreeMap;
use std::time::Instant;

use bytes::BytesMut;

use super::faults::Faults;
use super::faulty_link::FaultyLink;
use super::pbx::{Event, Pbx};
use super::scenario::Scenario;
use super::session::{Session, User};
use super::wire::Headers;
use super::{AsteriskVersion, Class};
use originatord_core::clock::Now;

/// Settings of a simulated Asterisk.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The version to simulate.
    pub version: AsteriskVersion,
    /// The only AMI user.
    pub user: User,
    /// Callees, times and faults.
    pub scenario: Scenario,
    /// Seed of all random choices.
    pub seed: u64,
}

/// Identifies a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnectionId(u64);

struct Connection {
    session: Session,
    link: FaultyLink,
}

/// The simulator.
pub struct Simulator {
    settings: Settings,
    pbx: Pbx,
    rng: fastrand::Rng,
    booted: Now,
    faults: Faults,
    connections: BTreeMap<ConnectionId, Connection>,
    next_id: u64,
}

impl Simulator {
    /// A simulator whose Asterisk starts at `now`.
    pub fn new(settings: Settings, now: Now) -> Self {
        let mut pbx = Pbx::new(settings.version, settings.scenario.clone(), settings.seed);
        pbx.add_scenario_guests(now);
        let rng = fastrand::Rng::with_seed(settings.seed.wrapping_add(1));
        let faults = settings.scenario.faults.clone();
        Self { settings, pbx, rng, booted: now, faults, connections: BTreeMap::new(), next_id: 0 }
    }

    /// Accepts a connection.
    pub fn connect(&mut self, now: Now) -> ConnectionId {
        let id = ConnectionId(self.next_id);
        self.next_id += 1;
        let mut session =
            Session::new(self.settings.user.clone(), self.settings.version, now, self.booted);
        session.set_faults(&self.faults);
        let link = FaultyLink::new(self.faults.clone(), self.rng.u64(..), now.instant);
        self.connections.insert(id, Connection { session, link });
        self.tick(now);
        id
    }

    /// Removes a closed connection. The calls that its client originated go on.
    pub fn disconnect(&mut self, id: ConnectionId) {
        self.connections.remove(&id);
    }

    /// Handles bytes that a client sent.
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
        // The response is sent before the events that the action causes.
        self.flush(now);
        self.tick(now);
    }

    /// Performs everything that is due at `now`.
    pub fn tick(&mut self, now: Now) {
        self.pbx.tick(now);
        let events = self.pbx.take_events();
        for connection in self.connections.values_mut() {
            events.iter().for_each(|event| connection.session.send_event(event));
            connection.session.tick(now);
            if connection.session.is_logged_in() {
                connection.link.send_noise(now.instant);
                connection.link.flood(now.instant);
            }
        }
        self.flush(now);
    }

    /// When to call [`tick`](Self::tick) next; none if nothing is scheduled.
    pub fn deadline(&self) -> Option<Instant> {
        let of_connection = |connection: &Connection| {
            let flood = connection.link.deadline();
            connection.session.deadline().into_iter().chain(flood).min()
        };
        self.connections.values().filter_map(of_connection).chain(self.pbx.deadline()).min()
    }

    /// Bytes to write to the client now, if any. The caller removes the bytes that it wrote from
    /// the front.
    pub fn output(&mut self, id: ConnectionId) -> Option<&mut BytesMut> {
        self.connections.get_mut(&id)?.link.output()
    }

    /// Whether the simulator reads from this connection at the moment.
    pub fn reads(&self, id: ConnectionId) -> bool {
        self.connections.get(&id).is_some_and(|connection| connection.link.reads())
    }

    /// Whether the connection is to be closed now.
    pub fn is_over(&self, id: ConnectionId) -> bool {
        self.connections
            .get(&id)
            .is_none_or(|Connection { session, link }| link.is_over(session.is_closed()))
    }

    /// Replaces the faults, on the connections that exist and on later ones.
    pub fn set_faults(&mut self, now: Now, faults: Faults) {
        if faults.restart {
            self.restart(now);
        }
        for connection in self.connections.values_mut() {
            connection.session.set_faults(&faults);
            connection.link.set(faults.clone(), now.instant);
        }
        // These faults happen once, and not again on each later connection.
        self.faults =
            Faults { garbage: 0, endless_line: 0, endless_headers: 0, restart: false, ..faults };
        self.faults.cut_after = None;
        self.faults.cut_before_receipt = false;
    }

    /// Restarts Asterisk: cuts all connections after a Shutdown event, and drops all calls.
    pub fn restart(&mut self, now: Now) {
        let headers = Headers::new().with("Event", "Shutdown").with("Privilege", "system,all");
        let event = Event {
            class: Class::SYSTEM,
            headers: headers.with("Shutdown", "Uncleanly").with("Restart", "False"),
        };
        self.connections.values_mut().for_each(|connection| connection.session.send_event(&event));
        self.flush(now);
        self.connections.values_mut().for_each(|connection| connection.link.cut());
        self.pbx.restart();
        self.booted = now;
    }

    /// The PBX, for tests that inspect it or originate calls without AMI.
    pub fn pbx(&mut self) -> &mut Pbx {
        &mut self.pbx
    }

    fn flush(&mut self, now: Now) {
        for Connection { session, link } in self.connections.values_mut() {
            for message in session.take_output() {
                link.push(now.instant, message);
            }
            link.tick(now.instant);
        }
    }
}
