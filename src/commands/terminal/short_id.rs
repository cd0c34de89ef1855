//! Short forms of the ids of calls and participants, for terminals: the end of an id.
//!
//! A call's id begins with the call's time, so the ids of one hour look alike. The end is random: eight
//! characters have 10¹² values.

use std::fmt;
use std::str::FromStr;

use originatord_core::call::CallId;

/// The length of a short id.
const SHORT: usize = 8;

/// The shortest end of an id that is accepted.
const MIN: usize = 4;

/// The short form of an id.
pub(crate) fn short(id: &str) -> &str {
    id.len().checked_sub(SHORT).and_then(|start| id.get(start..)).unwrap_or(id)
}

/// The name of a call on a command line: its id, or the end of its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CallName(String);

/// The error for a text that is neither an id nor the end of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a call's id, or its last {MIN} characters or more, as tail shows them")]
pub(crate) struct NotACallName;

impl fmt::Display for CallName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for CallName {
    type Err = NotACallName;

    fn from_str(text: &str) -> Result<Self, NotACallName> {
        let is_end =
            text.len() >= MIN && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let is_name = is_end || text.parse::<CallId>().is_ok();
        is_name.then(|| Self(text.to_owned())).ok_or(NotACallName)
    }
}

impl CallName {
    /// The id, if the name is a whole id.
    pub(crate) fn id(&self) -> Option<CallId> {
        self.0.parse().ok()
    }

    /// Whether this is a name of the call with this id.
    pub(crate) fn matches(&self, id: &str) -> bool {
        id.ends_with(&self.0)
    }
}

/// The name of a participant on a command line: the id of its call or, for a guest, of its channel,
/// or the end of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ParticipantName(String);

/// The error for a text that is too short for the end of an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a participant's id, or its last {MIN} characters or more, as room shows them")]
pub(crate) struct NotAParticipantName;

impl FromStr for ParticipantName {
    type Err = NotAParticipantName;

    fn from_str(text: &str) -> Result<Self, NotAParticipantName> {
        // Asterisk makes the ids of channels, which may be shorter and hold any character.
        (text.chars().count() >= MIN).then(|| Self(text.to_owned())).ok_or(NotAParticipantName)
    }
}

impl ParticipantName {
    /// The id, if the name is the whole id of a call.
    pub(crate) fn call_id(&self) -> Option<CallId> {
        self.0.parse().ok()
    }

    /// The id that this name means: the one that equals it, or else the only one that ends like it.
    ///
    /// # Errors
    ///
    /// None of the ids matches, or several do. The error is a text for the user.
    pub(crate) fn find<'i>(&self, ids: impl Iterator<Item = &'i str>) -> Result<&'i str, String> {
        let Self(name) = self;
        let matching: Vec<_> = ids.filter(|id| id.ends_with(name)).collect();
        match (matching.iter().find(|id| *id == name), &matching[..]) {
            (Some(id), _) | (None, [id]) => Ok(id),
            (None, []) => Err(format!("{name}: no participant has an id that ends like this")),
            (None, _) => Err(format!(
                "{name}: the ids of several participants end like this; give more characters"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn participant_is_found_by_the_end_of_its_id() {
        let ids = ["od-01m89yz9ajwm2xxqced5v9dh3y", "1795521600.7", "pbx-1795521600.7", "95.17"];
        let find = |name: &str| {
            let name: ParticipantName = name.parse().map_err(|_| "too short".to_owned())?;
            name.find(ids.into_iter())
        };
        assert_eq!(find("d5v9dh3y"), Ok(ids[0]));
        // A whole id is that one, though another ends like it.
        assert_eq!(find("1795521600.7"), Ok(ids[1]));
        assert_eq!(find("-1795521600.7"), Ok(ids[2]));
        for (name, why) in [("600.7", "several"), ("9999", "no participant"), ("0.7", "too short")]
        {
            assert!(find(name).is_err_and(|text| text.contains(why)), "{name}");
        }
    }

    #[test]
    fn end_of_id_names_its_call() {
        let id = "od-01m89yz9ajwm2xxqced5v9dh3y";
        assert_eq!(short(id), "d5v9dh3y");
        assert_eq!(short("x"), "x");
        for name in [id, short(id), "dh3y"] {
            assert!(name.parse::<CallName>().is_ok_and(|name| name.matches(id)), "{name}");
        }
        assert!("9999".parse::<CallName>().is_ok_and(|name| !name.matches(id)));
        for wrong in ["", "h3y", "x", "od-1", "D5V9DH3Y", "d5v9 dh3y", "d5v9/dh3y"] {
            assert!(wrong.parse::<CallName>().is_err(), "{wrong}");
        }
    }
}
