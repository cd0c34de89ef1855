//! How a call ends: what is known of it, and which outcome follows.

use std::sync::Arc;
use std::time::SystemTime;

use super::{Call, State};
use crate::call::outcome::{Cause, End, Outcome, is_flood_wait};
use crate::clock::Now;

/// What is known of how a call ends. Most calls are far from their end, and need no room for it.
#[derive(Debug, Default)]
pub(super) struct Ending {
    pub(super) left: Option<Now>,
    pub(super) over: Option<Now>,
    pub(super) local1: Option<Cause>,
    pub(super) local2: Option<Cause>,
    pub(super) leg: Option<Cause>,
    pub(super) tech: Option<Box<str>>,
    pub(super) hung_up_by: Option<Arc<str>>,
    pub(super) unseen: Option<(SystemTime, SystemTime)>,
}

impl Ending {
    /// The leg's cause, else the first of the Local halves' that says anything.
    fn cause(&self) -> Option<&Cause> {
        let halves = [&self.local2, &self.local1];
        self.leg.as_ref().or_else(|| halves.into_iter().flatten().find(|cause| cause.code != 0))
    }
}

impl Call {
    /// Whether all that tells the outcome is known.
    pub(super) fn is_told(&self, ending: &Ending) -> bool {
        let Some(cause) = &ending.leg else { return false };
        let answer_known = self.is_answered() || self.response.is_some();
        // 38 stands for every SIP 500; which one it was is only in the gateway's own words.
        let words_known = self.is_answered() || ending.tech.is_some() || cause.code != 38;
        answer_known && words_known
    }

    /// How it ended, as far as is known.
    pub(super) fn end(&self, ending: &Ending, over: Now) -> End {
        let rang_from = self.ringing.or(self.queued.filter(|_| !self.queued_late));
        let rang_to = self.answered.unwrap_or(over);
        let answer_seen = self.answered.is_some() && !self.answered_late;
        let end_seen = ending.unseen.is_none();
        let rang_to_known = if self.answered.is_some() { answer_seen } else { end_seen };
        let talked_from = self.answered.filter(|_| answer_seen && end_seen);
        End {
            outcome: self.outcome(ending),
            answered: self.is_answered(),
            cause: ending.cause().cloned(),
            tech: ending.tech.clone().filter(|_| !self.is_answered()),
            ring: rang_from
                .filter(|_| rang_to_known)
                .map(|from| rang_to.instant.saturating_duration_since(from.instant)),
            talk: talked_from.map(|from| over.instant.saturating_duration_since(from.instant)),
            hung_up_by: ending.hung_up_by.clone(),
            unseen: ending.unseen,
            moments: self.moments(),
        }
    }

    fn was_never_in_room(&self) -> bool {
        let no_visit_seen =
            self.joined.is_none() && self.left().is_none() && self.met_as < State::Joined;
        no_visit_seen && self.room.is_complete()
    }

    fn outcome(&self, ending: &Ending) -> Outcome {
        if ending.unseen.is_some() {
            Outcome::Unknown
        } else if self.is_answered() {
            if self.was_never_in_room() { Outcome::NotJoined } else { Outcome::Completed }
        } else if ending.hung_up_by.is_some() {
            Outcome::Canceled
        } else if ending.tech.as_deref().is_some_and(is_flood_wait) {
            Outcome::FloodWait
        } else if let Some(outcome) =
            ending.leg.as_ref().and_then(|cause| Outcome::from_cause(cause.code))
        {
            outcome
        } else {
            // The leg was not heard of. Of the Local halves' causes only these two are never wrong.
            let of_halves = ending.cause().and_then(|cause| Outcome::from_cause(cause.code));
            let of_response = self.response.and_then(Result::err).map(Outcome::from_reason);
            let is_true = |outcome: &Outcome| matches!(outcome, Outcome::Busy | Outcome::NoAnswer);
            of_halves.filter(is_true).or(of_response).or(of_halves).unwrap_or(Outcome::Failed)
        }
    }
}

/// Of two legs' causes the one that says more of the callee, whichever came first.
pub(super) fn more_telling(kept: Option<Cause>, new: Cause) -> Cause {
    let rank = |cause: &Cause| match Outcome::from_cause(cause.code) {
        Some(Outcome::Busy) => 0,
        Some(Outcome::Declined) => 1,
        Some(Outcome::NoAnswer) => 2,
        Some(Outcome::NotOnTelegram) => 3,
        Some(Outcome::InvalidNumber) => 4,
        Some(Outcome::Congestion) => 5,
        Some(_) => 6,
        None => 7,
    };
    match kept {
        Some(kept) if (rank(&kept), kept.code) <= (rank(&new), new.code) => kept,
        _ => new,
    }
}
