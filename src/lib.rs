//! `originatord` rings people into conference rooms of an Asterisk PBX.
//!
//! A bot requests a call over HTTP ([`http`]). The [`engine`] decides what happens, from the events
//! of Asterisk's manager interface ([`ami`]) about all calls ([`call`]). The [`driver`] is the one
//! task that carries out the engine's decisions, and each step of a call becomes a record of the
//! [`journal`]. `ARCHITECTURE.md` shows how the parts fit together.

#![warn(missing_docs)]

pub use originatord_core::{ami, call, clock, engine, escape, record};
pub use originatord_net::{client, connector, tls};

pub mod commands;
pub mod config;
pub mod driver;
pub mod exit;
pub mod files;
pub mod handle;
pub mod history;
pub mod http;
pub mod journal;
pub mod logging;
pub mod metrics;
pub mod open_files;
pub mod reload;
mod signals;
pub mod stats;
