//! Short forms of call ids, for terminals: the end of an id.
//!
//! An id begins with the call's time, so the ids of one hour look alike. The end is random: eight
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

#[cfg(test)]
mod tests {
    use super::*;

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
