//! `originatord` rings people into conference rooms of an Asterisk PBX.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod ami;
pub mod call;
pub mod clock;
pub mod config;
pub mod connector;
pub mod driver;
pub mod engine;
pub mod handle;
pub mod journal;
