//! The HTTP side: the bots' endpoint, and what operators watch calls with.
//!
//! `routes` is the table of all endpoints; `endpoint` does what every request needs; one file for
//! each resource has the handlers, and `error` the answers that refuse a request.

pub mod auth;
pub mod body;
mod calls;
mod conf;
pub mod drain;
pub mod endpoint;
pub mod error;
mod events;
mod health;
mod history;
mod idle;
mod metrics;
mod page;
pub mod places;
pub mod reply;
pub mod routes;
pub mod server;
mod session;
pub mod settings;
mod shares;
mod socket;
pub mod stats;
pub mod tls;

use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use self::auth::Door;
use self::settings::ApiSettings;
use self::shares::{KeyQuota, StreamSlots};
use crate::handle::Handle;
use crate::history::History;
use crate::journal::Journal;
use crate::journal::crowd::Crowd;
use crate::journal::sink::Eraser;
use crate::stats::Stats;

/// The parts of the daemon that the handlers use.
pub struct Services {
    /// The way to the engine.
    pub handle: Handle,
    /// The live log.
    pub journal: Journal,
    /// Calls that have ended, if a history is kept.
    pub history: Option<History>,
    /// Those who write the log down, to have numbers erased.
    pub erasers: Vec<Eraser>,
}

/// What the handlers share.
pub struct Api {
    services: Services,
    settings: ApiSettings,
    door: Door,
    stats: Arc<Mutex<Stats>>,
    /// The slots for event streams.
    streams: StreamSlots,
    /// The readers of event streams.
    crowd: Arc<Crowd>,
    /// Lists under way, counted in lists of 1000 calls.
    lists: KeyQuota,
    /// Erasures under way.
    erasures: KeyQuota,
}

impl Api {
    /// Puts together what the handlers need.
    pub fn new(services: Services, door: Door, settings: ApiSettings) -> Self {
        Self {
            door,
            stats: Arc::new(Mutex::new(Stats::new(SystemTime::now()))),
            // An event stream holds its connection for as long as it likes; the bots need some, too.
            streams: StreamSlots::new(settings.max_connections / 2),
            crowd: Crowd::new(&services.journal),
            lists: KeyQuota::new(calls::MAX_LISTS),
            erasures: KeyQuota::new(history::MAX_ERASURES),
            services,
            settings,
        }
    }

    /// Who may ask.
    pub fn door(&self) -> &Door {
        &self.door
    }

    /// The way to the engine.
    pub fn handle(&self) -> &Handle {
        &self.services.handle
    }

    /// The counts of the last hours.
    pub fn stats(&self) -> &Arc<Mutex<Stats>> {
        &self.stats
    }

    fn journal(&self) -> &Journal {
        &self.services.journal
    }

    fn history(&self) -> Option<&History> {
        self.services.history.as_ref()
    }
}
