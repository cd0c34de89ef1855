//! The changes that `originatord room` can ask for.

use clap::ValueEnum;
use serde_json::{Value, json};

use crate::commands::terminal::CommandError;
use crate::commands::terminal::short_id::ParticipantName;

/// A change of a room or of a participant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Action {
    /// Let nobody else in, and refuse calls to the room.
    Lock,
    /// Let everybody in again.
    Unlock,
    /// Mute everybody but admins, later participants included; with ID, one participant.
    Mute,
    /// Let everybody be heard again; with ID, one participant.
    Unmute,
    /// End the conference for everybody.
    End,
    /// Take a participant out of the room.
    Kick,
    /// Move a participant to the room OTHER.
    Move,
}

/// A change that is complete: what the daemon is asked for, and what to print once it is done.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Order<'a> {
    /// The participant to change; none if the change is for the whole room.
    pub(super) participant: Option<&'a ParticipantName>,
    /// The body of a `PATCH`; without one, the request is a `DELETE`.
    pub(super) body: Option<Value>,
    /// The result in words, such as `locked`.
    pub(super) done: String,
}

impl<'a> Order<'a> {
    /// An action with its arguments.
    ///
    /// # Errors
    ///
    /// An argument is missing, or is one too many.
    pub(super) fn new(
        action: Action,
        participant: Option<&'a ParticipantName>,
        target: Option<&str>,
    ) -> Result<Self, CommandError> {
        let usage = |text: &str| Err(CommandError::Usage(text.to_owned()));
        if target.is_some() && action != Action::Move {
            return usage("only move takes a second room");
        }
        let (body, done) = match (action, participant, target) {
            (Action::Lock | Action::Unlock | Action::End, Some(_), _) => {
                return usage("lock, unlock and end are for the whole room, and take no ID");
            }
            (Action::Kick, None, _) => return usage("kick needs the ID of a participant"),
            (Action::Move, ..) if participant.is_none() || target.is_none() => {
                return usage("move needs the ID of a participant and the room OTHER");
            }
            (Action::Lock, ..) => (Some(json!({"locked": true})), "locked"),
            (Action::Unlock, ..) => (Some(json!({"locked": false})), "unlocked"),
            (Action::Mute, ..) => (Some(json!({"muted": true})), "muted"),
            (Action::Unmute, ..) => (Some(json!({"muted": false})), "unmuted"),
            (Action::End, ..) => (None, "ended"),
            (Action::Kick, ..) => (None, "kicked"),
            (Action::Move, ..) => (Some(json!({"room": target})), "moved to "),
        };
        let done = done.to_owned() + target.unwrap_or_default();
        Ok(Self { participant, body, done })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_action_takes_its_own_arguments() {
        let id: ParticipantName = "d5v9dh3y".parse().expect("a name");
        let order = |action, participant, target| {
            Order::new(action, participant, target)
                .map(|order| (order.body.map(|body| body.to_string()), order.done))
                .map_err(|error| error.to_string())
        };
        let done = |body: Option<&str>, done: &str| Ok((body.map(str::to_owned), done.to_owned()));
        use Action::{End, Kick, Lock, Move, Mute, Unlock, Unmute};
        assert_eq!(order(Lock, None, None), done(Some(r#"{"locked":true}"#), "locked"));
        assert_eq!(order(Unlock, None, None), done(Some(r#"{"locked":false}"#), "unlocked"));
        assert_eq!(order(End, None, None), done(None, "ended"));
        for participant in [None, Some(&id)] {
            assert_eq!(order(Mute, participant, None), done(Some(r#"{"muted":true}"#), "muted"));
            let unmuted = done(Some(r#"{"muted":false}"#), "unmuted");
            assert_eq!(order(Unmute, participant, None), unmuted);
        }
        assert_eq!(order(Kick, Some(&id), None), done(None, "kicked"));
        let moved = done(Some(r#"{"room":"R2"}"#), "moved to R2");
        assert_eq!(order(Move, Some(&id), Some("R2")), moved);
        for (action, participant, target, text) in [
            (Lock, Some(&id), None, "take no ID"),
            (End, Some(&id), None, "take no ID"),
            (Kick, None, None, "kick needs"),
            (Move, None, None, "move needs"),
            (Move, Some(&id), None, "move needs"),
            (Mute, Some(&id), Some("R2"), "only move"),
        ] {
            let refused = order(action, participant, target);
            assert!(refused.as_ref().is_err_and(|why| why.contains(text)), "{refused:?}");
        }
    }
}
