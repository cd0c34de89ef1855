//! The load generator: requests calls from a running daemon at a given rate, and measures how the
//! daemon and its Asterisk cope.
//!
//! The model is open: the schedule ([`schedule`]) is fixed beforehand, and a late reply never
//! delays the next request. A closed model, which sends the next request after the reply to the
//! last one, would slow down together with the daemon and so hide most of a stall. Latencies count
//! from the scheduled time of a request, so the time that it waited to be sent is part of them.
//!
//! Each call is followed in the daemon's event stream to its end (`calls`). A step counts when
//! its record arrives, on the generator's own clock.
//!
//! Decisions are pure code: [`mod@run`] chooses the next task and handles the results;
//! [`mod@runner`] sends the requests and reads the stream.

mod calls;
pub mod connect;
mod counters;
mod find_limit;
mod latency;
mod limit;
pub mod numbers;
mod pacer;
pub mod plan;
pub mod progress;
mod record;
pub mod report;
mod requests;
pub mod run;
pub mod runner;
pub mod schedule;
mod timeline;
