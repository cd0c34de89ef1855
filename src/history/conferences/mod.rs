//! The story of each conference: when it was, who was in it and how each left, who was muted, and
//! when it was locked.
//!
//! The history's sink writes it from the records as they come, so a conference that is not over is a
//! row without an end, and a restarted daemon continues it. Records name the room, not the
//! conference; [`Tracker`] finds the conference that is open in that room.

mod erase;
mod read;
mod tracker;
mod view;
mod write;

pub(super) use erase::{erase, mentions};
pub(super) use read::{find, page};
pub(super) use tracker::{Step, Tracker};
pub(crate) use view::{ConferenceDetail, ConferenceView};
pub(super) use write::{apply, close_lost};

use std::sync::Arc;
use std::time::SystemTime;

use originatord_core::call::Number;
use originatord_core::room::ConferenceId;

/// Conditions for conferences; those that are not set are fulfilled by all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ConferenceFilter {
    /// The conference was in this room, in any case of letters.
    pub(crate) room: Option<Arc<str>>,
    /// Somebody with this number was in it.
    pub(crate) number: Option<Number>,
    /// It started at this time or later.
    pub(crate) from: Option<SystemTime>,
    /// It started before this time.
    pub(crate) to: Option<SystemTime>,
    /// It started before this one, the last of the previous page.
    pub(crate) before: Option<ConferenceId>,
}
