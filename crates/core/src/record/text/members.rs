//! A serializer that writes the members of a [`Line`](crate::record::Line) as text.

use std::fmt::{Display, Write};

use serde::de::value::Error;
use serde::ser::{Error as _, Impossible, SerializeMap};
use serde::{Serialize, Serializer};

use crate::escape;

/// The members that already stand at the beginning of the line, without their names.
const IN_FRONT: [&str; 2] = ["time", "event"];

/// Appends ` name=value` for each member that has a value and is not [`IN_FRONT`].
///
/// It serializes one map whose values are text, numbers or `None`. A record has no others.
pub(super) struct TextMembers<'l> {
    line: &'l mut String,
    /// Whether the text to write is the name of a member. Names need no quotes.
    is_name: bool,
}

impl<'l> TextMembers<'l> {
    pub(super) fn new(line: &'l mut String) -> Self {
        Self { line, is_name: false }
    }
}

impl SerializeMap for TextMembers<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_entry<K, V>(&mut self, name: &K, value: &V) -> Result<(), Error>
    where
        K: Serialize + ?Sized,
        V: Serialize + ?Sized,
    {
        let line = &mut *self.line;
        let start = line.len();
        line.push(' ');
        name.serialize(TextMembers { line, is_name: true })?;
        if IN_FRONT.contains(&&line[start + 1..]) {
            line.truncate(start);
            return Ok(());
        }
        line.push('=');
        let value_start = line.len();
        value.serialize(TextMembers::new(line))?;
        // An empty text would have added two quotes, so the value is `None`.
        if line.len() == value_start {
            line.truncate(start);
        }
        Ok(())
    }

    fn serialize_key<T: Serialize + ?Sized>(&mut self, _: &T) -> Result<(), Error> {
        Err(unsupported())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, _: &T) -> Result<(), Error> {
        Err(unsupported())
    }

    fn end(self) -> Result<(), Error> {
        Ok(())
    }
}

fn unsupported() -> Error {
    Error::custom("no member of a record is of this type")
}

/// Writes numbers as JSON does.
macro_rules! numbers {
    ($($method:ident: $number:ty),*) => {$(
        fn $method(self, number: $number) -> Result<(), Error> {
            write!(self.line, "{number:?}").map_err(Error::custom)
        }
    )*};
}

macro_rules! unsupported {
    ($($method:ident($($argument:ty),*) -> $ok:ty;)*) => {$(
        fn $method(self, $(_: $argument),*) -> Result<$ok, Error> {
            Err(unsupported())
        }
    )*};
}

impl Serializer for TextMembers<'_> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Impossible<(), Error>;
    type SerializeTuple = Impossible<(), Error>;
    type SerializeTupleStruct = Impossible<(), Error>;
    type SerializeTupleVariant = Impossible<(), Error>;
    type SerializeMap = Self;
    type SerializeStruct = Impossible<(), Error>;
    type SerializeStructVariant = Impossible<(), Error>;

    fn serialize_map(self, _: Option<usize>) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_str(self, text: &str) -> Result<(), Error> {
        let start = self.line.len();
        self.line.push_str(text);
        if !self.is_name {
            escape::quote_from(start, self.line);
        }
        Ok(())
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<(), Error> {
        let start = self.line.len();
        write!(self.line, "{value}").map_err(Error::custom)?;
        escape::quote_from(start, self.line);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Error> {
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self)
    }

    numbers! {
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64,
        serialize_f32: f32, serialize_f64: f64
    }

    unsupported! {
        serialize_bool(bool) -> ();
        serialize_char(char) -> ();
        serialize_bytes(&[u8]) -> ();
        serialize_unit() -> ();
        serialize_unit_struct(&'static str) -> ();
        serialize_unit_variant(&'static str, u32, &'static str) -> ();
        serialize_seq(Option<usize>) -> Self::SerializeSeq;
        serialize_tuple(usize) -> Self::SerializeTuple;
        serialize_tuple_struct(&'static str, usize) -> Self::SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Self::SerializeTupleVariant;
        serialize_struct(&'static str, usize) -> Self::SerializeStruct;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Self::SerializeStructVariant;
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), Error> {
        Err(unsupported())
    }
}
