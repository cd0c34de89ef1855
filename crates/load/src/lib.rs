//! `originatord load`: puts an Asterisk under load through a running daemon, and tells what it
//! could take.
//!
//! The model is open: when requests leave is fixed beforehand ([`schedule`]), and no answer that is
//! late holds the next one up. Times count from the moment a request was to leave, so that what
//! waited is not left out. Each call is followed in the daemon's event stream to its end
//! ([`calls`]), on our own clock: a step has happened when its record has arrived here.
//!
//! What is decided is pure: [`mod@run`] says what to do when, and is told what came of it;
//! [`mod@runner`] does it.

pub mod calls;
pub mod connect;
pub mod counters;
mod find_limit;
pub mod latency;
pub mod limit;
pub mod numbers;
pub mod pacer;
pub mod plan;
pub mod progress;
pub mod record;
pub mod report;
pub mod requests;
pub mod run;
pub mod runner;
pub mod schedule;
pub mod timeline;
