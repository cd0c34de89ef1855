//! The members of a record, as they are written one by one: into JSON, or into a line of text.

use std::fmt::Display;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// What a member says.
#[derive(Clone, Copy)]
pub enum Value<'a> {
    /// Words.
    Text(&'a str),
    /// What is words once it is shown, as a number of a callee or a moment.
    Shown(&'a dyn Display),
    /// A count.
    Number(u64),
    /// A duration, to the millisecond.
    Seconds(f64),
    /// Nothing is known.
    Null,
}

impl<'a> Value<'a> {
    /// These words, if there are any.
    pub fn text_or_null(text: Option<&'a str>) -> Self {
        text.map_or(Value::Null, Value::Text)
    }
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Text(text) => serializer.serialize_str(text),
            Value::Shown(shown) => serializer.collect_str(shown),
            Value::Number(number) => serializer.serialize_u64(*number),
            Value::Seconds(seconds) => serializer.serialize_f64(*seconds),
            Value::Null => serializer.serialize_none(),
        }
    }
}

/// Takes the members in their order.
pub trait Members {
    /// Why one cannot be taken.
    type Error;

    /// Takes the next one.
    fn put(&mut self, name: &'static str, value: Value<'_>) -> Result<(), Self::Error>;
}

/// Puts members into a serialized map.
pub struct IntoMap<'m, M>(pub &'m mut M);

impl<M: SerializeMap> Members for IntoMap<'_, M> {
    type Error = M::Error;

    fn put(&mut self, name: &'static str, value: Value<'_>) -> Result<(), M::Error> {
        self.0.serialize_entry(name, &value)
    }
}
