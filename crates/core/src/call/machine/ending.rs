//! The end of a call: the facts about it, and the outcome that follows.

use std::sync::Arc;
use std::time::SystemTime;

use super::{Call, State};
use crate::call::outcome::{Cause, End, Outcome, is_flood_wait};
use crate::clock::Now;

/// Facts about the end of a call. A call boxes them, as most active calls have none.
#[derive(Debug, Default)]
pub(super) struct Ending {
    pub(super) left: Option<Now>,
    pub(super) ended_at: Option<Now>,
    pub(super) local1: Option<Cause>,
    pub(super) local2: Option<Cause>,
    pub(super) leg: Option<Cause>,
    pub(super) gateway_reply: Option<Box<str>>,
    pub(super) hung_up_by: Option<Arc<str>>,
    pub(super) ended_between: Option<(SystemTime, SystemTime)>,
}

impl Ending {
    /// The leg's cause; without one, the cause of `;2` or `;1`, whichever is not 0 first.
    fn cause(&self) -> Option<&Cause> {
        let halves = [&self.local2, &self.local1];
        self.leg.as_ref().or_else(|| halves.into_iter().flatten().find(|cause| cause.code != 0))
    }
}

impl Call {
    /// Whether every fact that decides the outcome is known.
    pub(super) fn is_outcome_known(&self, ending: &Ending) -> bool {
        let Some(cause) = &ending.leg else { return false };
        let answer_known = self.is_answered() || self.response.is_some();
        // Cause 38 means any SIP 500. Only the gateway's reply tells a flood wait from other
        // errors.
        let reply_known = self.is_answered() || ending.gateway_reply.is_some() || cause.code != 38;
        answer_known && reply_known
    }

    /// Derives the end of the call from the known facts.
    pub(super) fn end(&self, ending: &Ending, ended_at: Now) -> End {
        let rang_from = self.ringing.or(self.queued.filter(|_| !self.queued_late));
        let rang_to = self.answered.unwrap_or(ended_at);
        let answer_seen = self.answered.is_some() && !self.answered_late;
        let end_seen = ending.ended_between.is_none();
        let rang_to_known = if self.answered.is_some() { answer_seen } else { end_seen };
        let talked_from = self.answered.filter(|_| answer_seen && end_seen);
        End {
            outcome: self.outcome(ending),
            answered: self.is_answered(),
            cause: ending.cause().cloned(),
            gateway_reply: ending.gateway_reply.clone().filter(|_| !self.is_answered()),
            ring: rang_from
                .filter(|_| rang_to_known)
                .map(|from| rang_to.instant.saturating_duration_since(from.instant)),
            talk: talked_from.map(|from| ended_at.instant.saturating_duration_since(from.instant)),
            hung_up_by: ending.hung_up_by.clone(),
            ended_between: ending.ended_between,
            timestamps: self.timestamps(),
        }
    }

    fn was_never_in_room(&self) -> bool {
        let no_visit_seen =
            self.joined.is_none() && self.left().is_none() && self.adopted_in < State::Joined;
        no_visit_seen && self.room.is_complete()
    }

    fn outcome(&self, ending: &Ending) -> Outcome {
        if ending.ended_between.is_some() {
            Outcome::Unknown
        } else if self.is_answered() {
            if self.was_never_in_room() { Outcome::NotJoined } else { Outcome::Completed }
        } else if ending.hung_up_by.is_some() {
            Outcome::Canceled
        } else if ending.gateway_reply.as_deref().is_some_and(is_flood_wait) {
            Outcome::FloodWait
        } else if let Some(outcome) =
            ending.leg.as_ref().and_then(|cause| Outcome::from_cause(cause.code))
        {
            outcome
        } else {
            // No leg had a cause that decides. Only these two causes of Local halves are never
            // wrong.
            let of_halves = ending.cause().and_then(|cause| Outcome::from_cause(cause.code));
            let of_response = self.response.and_then(Result::err).map(Outcome::from_reason);
            let is_reliable =
                |outcome: &Outcome| matches!(outcome, Outcome::Busy | Outcome::NoAnswer);
            of_halves.filter(is_reliable).or(of_response).or(of_halves).unwrap_or(Outcome::Failed)
        }
    }
}

/// The one of two legs' causes that says more about the callee, whichever came first. A busy
/// callee, for example, says more than a gateway without a free line.
pub(super) fn most_specific(kept: Option<Cause>, new: Cause) -> Cause {
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
