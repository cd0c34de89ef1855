//! Reads text values out of records that another build may have written.
//!
//! A value that this build cannot parse counts as unknown. One bad member must not cost the whole
//! record: its number still counts, and a number that is erased must still be found.

use std::fmt;
use std::str::FromStr;

use serde::Deserializer;
use serde::de::{Error, Visitor};

use super::Number;

/// Reads a value by its `FromStr`; `None` for `null` and for text that is no such value.
///
/// # Errors
///
/// The value is neither text nor `null`.
pub(crate) fn from_str<'de, D: Deserializer<'de>, T: FromStr>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    deserializer.deserialize_any(Text(|text: &str| text.parse().ok()))
}

/// Reads a number as a record has it, masked or not.
///
/// # Errors
///
/// The value is neither text nor `null`.
pub(crate) fn number<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Number>, D::Error> {
    deserializer.deserialize_any(Text(|text: &str| Number::from_record(text).ok()))
}

struct Text<F>(F);

impl<T, F: FnOnce(&str) -> Option<T>> Visitor<'_> for Text<F> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text or null")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Option<T>, E> {
        Ok(self.0(text))
    }

    fn visit_unit<E: Error>(self) -> Result<Option<T>, E> {
        Ok(None)
    }
}
