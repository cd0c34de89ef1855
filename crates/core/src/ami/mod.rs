//! The part of Asterisk's manager interface (AMI) that the daemon uses.
//!
//! Bytes become frames in [`parser`], frames become typed messages in [`message`], an [`action`]
//! becomes a frame, and [`session`] handles login, action ids, deadlines and keepalive.
//! These modules touch neither a socket nor a clock.

pub mod action;
pub mod backoff;
pub mod frame;
pub mod message;
pub mod parser;
pub mod session;
pub mod settings;
