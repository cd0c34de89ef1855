//! The rooms of a client whose request lasts longer than its key's settings.

use std::sync::Arc;

use tokio::sync::watch;
use warp::http::HeaderMap;

use super::{Authenticator, Keys};
use originatord_core::call::RoomPatterns;

/// The rooms that the client of an event stream may see. They follow the configuration.
pub struct RoomsOfClient {
    keys: watch::Receiver<Arc<Keys>>,
    headers: HeaderMap,
    rooms: Option<RoomPatterns>,
}

impl RoomsOfClient {
    /// The rooms of the client that sent these headers.
    pub fn new(authenticator: &Authenticator, headers: HeaderMap) -> Self {
        // Subscribe first, so that a change between the two is seen.
        let keys = authenticator.keys.subscribe();
        let mut client = Self { keys, headers, rooms: None };
        client.read(authenticator);
        client
    }

    /// The rooms now; none if the headers no longer authenticate.
    pub fn now(&mut self, authenticator: &Authenticator) -> Option<&RoomPatterns> {
        // The sender is the authenticator's, so the channel is open.
        if self.keys.has_changed().unwrap_or(true) {
            self.keys.mark_unchanged();
            self.read(authenticator);
        }
        self.rooms.as_ref()
    }

    fn read(&mut self, authenticator: &Authenticator) {
        self.rooms = authenticator.identify(&self.headers).map(|(caller, _)| caller.rooms);
    }
}
