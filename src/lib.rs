//! `originatord` rings people into conference rooms of an Asterisk PBX.
//!
//! A bot requests a call over HTTP ([`http`]). The [`engine`] decides what happens, from the events
//! of Asterisk's manager interface ([`ami`]) about all calls ([`call`]). The [`driver`] is the one
//! task that carries out the engine's decisions, and each step of a call becomes a record of the
//! [`journal`]. `ARCHITECTURE.md` shows how the parts fit together.
//!
//! [`engine`]: originatord_core::engine
//! [`ami`]: originatord_core::ami
//! [`call`]: originatord_core::call

#![warn(missing_docs)]

pub mod commands;
pub mod config;
mod database;
mod driver;
pub mod exit;
mod files;
mod handle;
mod history;
pub mod http;
pub mod journal;
mod logging;
mod metrics;
mod open_files;
mod reload;
mod signals;
mod state;
mod stats;
