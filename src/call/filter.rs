//! Which calls somebody wants to see.

use std::sync::Arc;
use std::time::SystemTime;

use super::outcome::Outcome;
use super::{CallId, CallInfo, Number, Room};

/// What a call has to be like; without any of it, all calls are taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// It is to this number.
    pub number: Option<Number>,
    /// It was asked for with this room.
    pub room: Option<Room>,
    /// It ended so; a call that lives has no outcome.
    pub outcome: Option<Outcome>,
    /// It was asked for with the key of this name.
    pub key: Option<Arc<str>>,
    /// It was asked for at this time, or later.
    pub from: Option<SystemTime>,
    /// It was asked for before this time.
    pub to: Option<SystemTime>,
    /// It was asked for before this call: where the page before ended.
    pub before: Option<CallId>,
}

impl Filter {
    /// The ids between which the times and the page's beginning lie, each if there is one: from the first on, and up to
    /// the second, which is not taken. Ids are in the order of their times.
    pub fn ids(&self) -> (Option<CallId>, Option<CallId>) {
        let first = |time: SystemTime| CallId::new(time, 0);
        let until = self.to.map(first).into_iter().chain(self.before).min();
        (self.from.map(first), until)
    }

    /// Whether it takes this call, which ended so if it has.
    pub fn takes(&self, call: &CallInfo, outcome: Option<Outcome>) -> bool {
        let (from, until) = self.ids();
        from.is_none_or(|from| from <= call.id)
            && until.is_none_or(|until| call.id < until)
            && self.number.is_none_or(|number| number.may_be(call.number))
            && self.room.as_ref().is_none_or(|room| *room == call.room)
            && self.key.as_ref().is_none_or(|key| *key == call.key)
            && self.outcome.is_none_or(|wanted| outcome == Some(wanted))
    }
}
