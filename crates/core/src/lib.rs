//! All decisions of `originatord`, without input and output.
//!
//! The engine of this crate reads no socket, file, environment or clock: bytes, requests and the
//! time come in as parameters, and the effects to carry out go out as values.

#![warn(missing_docs)]

pub mod ami;
pub mod call;
pub mod clock;
pub mod engine;
pub mod escape;
pub mod record;
pub mod room;
mod timed_ulid;
