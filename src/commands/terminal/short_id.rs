//! Call ids as a terminal shows and takes them: the end of an id is enough.
//!
//! An id begins with the call's time, so calls of one hour look alike at first sight. Its end is
//! random: eight letters tell 10¹² calls apart.

use std::fmt;
use std::str::FromStr;

use crate::call::CallId;

/// How much of an id is shown, in characters.
const SHOWN: usize = 8;

/// The fewest characters that are taken for an id.
const FEWEST: usize = 4;

/// The end of this id, as it is shown.
pub fn short(id: &str) -> &str {
    id.len().checked_sub(SHOWN).and_then(|start| id.get(start..)).unwrap_or(id)
}

/// A call that somebody names: by its id, or by the end of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallName(String);

/// The text names no call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a call's id, or its last {FEWEST} characters or more, as tail shows them")]
pub struct NotACallName;

impl fmt::Display for CallName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for CallName {
    type Err = NotACallName;

    fn from_str(text: &str) -> Result<Self, NotACallName> {
        let is_end = text.len() >= FEWEST
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let is_name = is_end || text.parse::<CallId>().is_ok();
        is_name.then(|| Self(text.to_owned())).ok_or(NotACallName)
    }
}

impl CallName {
    /// The whole id, if that is what was given.
    pub fn id(&self) -> Option<CallId> {
        self.0.parse().ok()
    }

    /// Whether this is the call of this id.
    pub fn is(&self, id: &str) -> bool {
        id.ends_with(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_an_id_names_its_call() {
        let id = "od-01m89yz9ajwm2xxqced5v9dh3y";
        assert_eq!(short(id), "d5v9dh3y");
        assert_eq!(short("x"), "x");
        for name in [id, short(id), "dh3y"] {
            assert!(name.parse::<CallName>().is_ok_and(|name| name.is(id)), "{name}");
        }
        assert!("9999".parse::<CallName>().is_ok_and(|name| !name.is(id)));
        for wrong in ["", "h3y", "x", "od-1", "D5V9DH3Y", "d5v9 dh3y", "d5v9/dh3y"] {
            assert!(wrong.parse::<CallName>().is_err(), "{wrong}");
        }
    }
}
