//! Lists of calls for the API, and erasing the ended calls to a number.

use std::cmp::Reverse;

use super::Registry;
use crate::call::filter::Filter;
use crate::call::machine::Call;
use crate::call::view::CallView;
use crate::call::{CallId, Number, RoomPatterns};

impl Registry {
    /// The newest `limit` live calls that the filter accepts, newest first.
    pub(crate) fn live(&self, filter: &Filter, limit: usize, stale: bool) -> Vec<CallView> {
        let newest_first = |a: &&Call, b: &&Call| b.info.id.cmp(&a.info.id);
        let mut calls: Vec<&Call> =
            self.calls().filter(|call| filter.matches(&call.info, None)).collect();
        // Sorting all calls to list a few would hold up the engine.
        if limit < calls.len() {
            calls.select_nth_unstable_by(limit, newest_first);
            calls.truncate(limit);
        }
        calls.sort_unstable_by(newest_first);
        calls.into_iter().map(|call| view(call, stale)).collect()
    }

    /// The number of live calls that were requested with one of these rooms.
    pub(crate) fn len_in(&self, rooms: &RoomPatterns) -> usize {
        if rooms.is_all() {
            return self.len();
        }
        self.calls().filter(|call| rooms.contains(call.info.room.as_str())).count()
    }

    /// The newest `limit` ended calls that the filter accepts, newest first.
    pub(crate) fn ended(&self, filter: &Filter, limit: usize) -> Vec<CallView> {
        let is_taken =
            |call: &&CallView| filter.matches(&call.info, call.end.as_ref().map(|end| end.outcome));
        let mut ended: Vec<&CallView> = self.ended.iter().filter(is_taken).collect();
        ended.sort_unstable_by_key(|call| Reverse(call.info.id));
        ended.into_iter().take(limit).cloned().collect()
    }

    /// One call, live or ended lately.
    pub(crate) fn show(&self, id: CallId, stale: bool) -> Option<CallView> {
        match self.get(id) {
            Some(call) => Some(view(call, stale)),
            None => self.ended.iter().rev().find(|ended| ended.info.id == id).cloned(),
        }
    }

    /// Forgets the ended calls to this number, unless one is live; returns whether one is.
    pub(crate) fn erase(&mut self, number: Number) -> bool {
        let is_in_call = self.calls().any(|call| call.info.number.may_be(number));
        if !is_in_call {
            self.ended.retain(|ended| !number.may_be(ended.info.number));
        }
        is_in_call
    }
}

/// A live call as the API shows it.
pub(super) fn view(call: &Call, stale: bool) -> CallView {
    CallView {
        info: call.info.clone(),
        state: call.state(),
        stale,
        requested: call.requested.wall,
        timestamps: call.timestamps(),
        end: None,
    }
}
