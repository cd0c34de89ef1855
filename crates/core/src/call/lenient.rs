//! Reads text values from records that another build may have written.
//!
//! A value that this build cannot parse counts as unknown, so that one bad member does not make the
//! whole record unreadable: its `seq` still counts, and `erase` must still find its phone number.

use std::fmt;
use std::str::FromStr;

use serde::Deserializer;
use serde::de::{Error, Visitor};

use super::Number;

/// Reads a value by its `FromStr`; `None` for `null` and for text that `FromStr` refuses.
///
/// # Errors
///
/// The value is neither text nor `null`.
pub(crate) fn from_str<'de, D: Deserializer<'de>, T: FromStr>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    deserializer.deserialize_any(Text(|text: &str| text.parse().ok()))
}

/// Reads a phone number, masked or not; `None` for `null` and for text that is no number.
///
/// # Errors
///
/// The value is neither text nor `null`.
pub(crate) fn number<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Number>, D::Error> {
    deserializer.deserialize_any(Text(|text: &str| Number::from_record(text).ok()))
}

/// Reads a text by a function, and `null` as `None`.
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
