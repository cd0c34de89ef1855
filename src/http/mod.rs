//! The HTTP server: the bots' endpoint, and the API and page of the operators.
//!
//! `routes` is the table of all endpoints. `endpoint` does what every request needs. Each resource
//! has a file with its handlers, and `error` has all refusals.

pub mod auth;
pub mod body;
mod calls;
mod conf;
mod conferences;
pub(crate) mod connection_limiter;
mod csv;
pub(crate) mod drain;
pub(crate) mod endpoint;
pub(crate) mod error;
mod events;
mod health;
mod history;
mod idle;
mod key_quota;
mod metrics;
mod page;
mod query;
pub(crate) mod reply;
mod rooms;
pub(crate) mod routes;
pub(crate) mod server;
mod session;
pub(crate) mod settings;
mod socket;
pub(crate) mod stats;
pub(crate) mod tls;

use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use self::auth::Authenticator;
use self::key_quota::{KeyQuota, StreamSlots};
use self::settings::ApiSettings;
use crate::handle::Handle;
use crate::history::History;
use crate::journal::Journal;
use crate::journal::sink::Eraser;
use crate::journal::wake_queue::WakeQueue;
use crate::state::State;
use crate::stats::Stats;

/// The parts of the daemon that the handlers use.
pub struct Services {
    /// The way to the engine.
    pub handle: Handle,
    /// The journal.
    pub journal: Journal,
    /// The history of ended calls, if one is configured.
    pub history: Option<History>,
    /// The writers of the journal and the history, which erase numbers.
    pub erasers: Vec<Eraser>,
    /// The daemon's promises.
    pub state: State,
}

/// The state that all handlers share.
pub struct Api {
    services: Services,
    settings: ApiSettings,
    authenticator: Authenticator,
    stats: Arc<Mutex<Stats>>,
    /// The slots for event streams.
    streams: StreamSlots,
    /// Wakes the readers of event streams.
    wake_queue: Arc<WakeQueue>,
    /// Limits the lists that are being sent to each key, in lists of 1000 calls.
    lists: KeyQuota,
    /// Limits the erasures of each key that run at once.
    erasures: KeyQuota,
}

impl Api {
    /// Builds the shared state.
    pub fn new(services: Services, authenticator: Authenticator, settings: ApiSettings) -> Self {
        Self {
            authenticator,
            stats: Arc::new(Mutex::new(Stats::new(SystemTime::now()))),
            // An event stream keeps its connection for as long as it lasts, so half of all connections
            // are left for bots.
            streams: StreamSlots::new(settings.max_connections / 2),
            wake_queue: WakeQueue::new(&services.journal),
            lists: KeyQuota::new(calls::MAX_LISTS),
            erasures: KeyQuota::new(history::MAX_ERASURES),
            services,
            settings,
        }
    }

    /// The keys and sessions.
    pub fn authenticator(&self) -> &Authenticator {
        &self.authenticator
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

    /// The daemon's promises.
    fn state(&self) -> &State {
        &self.services.state
    }

    fn history(&self) -> Option<&History> {
        self.services.history.as_ref()
    }
}
