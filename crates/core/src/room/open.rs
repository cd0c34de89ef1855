//! A live room of an earlier run, from which a later run continues.

use std::sync::Arc;
use std::time::SystemTime;

use super::{ConferenceId, Guest};

/// A room that had not ended when an earlier run did. The calls in it are
/// [`OpenCall`](crate::call::progress::OpenCall)s.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenRoom {
    /// The conference. Its id has the time at which it started.
    pub id: ConferenceId,
    /// The name, as Asterisk spells it.
    pub room: Arc<str>,
    /// Set if a list showed the conference after an outage: it started after this time.
    pub started_after: Option<SystemTime>,
    /// The guests in it, in the order in which they came.
    pub guests: Vec<OpenGuest>,
}

/// A guest in an [`OpenRoom`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenGuest {
    /// The person.
    pub guest: Arc<Guest>,
    /// When the guest came in, or was found there.
    pub joined: Option<SystemTime>,
    /// Set if a list showed the guest after an outage: they came after this time.
    pub joined_after: Option<SystemTime>,
    /// Whether the guest is not heard.
    pub muted: bool,
}
