//! The rooms that an API key is limited to.

use std::sync::Arc;

use serde::{Serialize, Serializer};
use wildmatch::WildMatch;

/// The rooms that an API key may see, run and invite into: all of them, or those whose names match a
/// pattern. In a pattern, `*` stands for any characters and `?` for one. The case of ASCII letters
/// does not count, as for ConfBridge.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RoomPatterns(Option<Arc<[Pattern]>>);

/// A pattern as it was configured, and folded for comparing.
#[derive(Debug, PartialEq)]
struct Pattern {
    text: Box<str>,
    folded: WildMatch,
}

// `WildMatch` holds text only, but does not implement `Eq`.
impl Eq for RoomPatterns {}

impl RoomPatterns {
    /// The rooms that match one of these patterns.
    pub fn new(patterns: impl IntoIterator<Item = Box<str>>) -> Self {
        let pattern =
            |text: Box<str>| Pattern { folded: WildMatch::new(&text.to_ascii_lowercase()), text };
        Self(Some(patterns.into_iter().map(pattern).collect()))
    }

    /// Whether these are all rooms.
    pub fn is_all(&self) -> bool {
        self.0.is_none()
    }

    /// Whether the room of this name is one of them.
    pub fn contains(&self, room: &str) -> bool {
        let Some(patterns) = &self.0 else { return true };
        let room = room.to_ascii_lowercase();
        patterns.iter().any(|pattern| pattern.folded.matches(&room))
    }
}

impl Serialize for RoomPatterns {
    /// A list of the patterns, or `null` for all rooms.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Some(patterns) => serializer.collect_seq(patterns.iter().map(|pattern| &pattern.text)),
            None => serializer.serialize_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_ignore_the_case_of_ascii_letters_alone() {
        let rooms = RoomPatterns::new(["TG-*".into(), "R?".into(), "зал".into()]);
        for inside in ["tg-", "tg-1", "Tg-a*b", "r1", "Rы", "зал"] {
            assert!(rooms.contains(inside), "{inside}");
        }
        for outside in ["", "tg", "xtg-1", "r", "r12", "ЗАЛ", "tg\u{2010}1"] {
            assert!(!rooms.contains(outside), "{outside}");
        }
        // The Kelvin sign's small letter is the letter k.
        assert!(!RoomPatterns::new(["k".into()]).contains("\u{212a}"));
        assert!(RoomPatterns::default().contains("") && !rooms.is_all());
        assert!(!RoomPatterns::new([]).contains("R1"));
    }
}
