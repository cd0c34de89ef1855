//! What `originatord` decides, without doing any of it.
//!
//! Nothing in this crate reads a socket, a file, the environment or a clock: bytes, requests and
//! the time come in as parameters, and what is to be done goes out as values.

#![warn(missing_docs)]

pub mod ami;
pub mod call;
pub mod clock;
pub mod engine;
pub mod escape;
pub mod record;
