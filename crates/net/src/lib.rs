//! Connections to Asterisk and to a daemon: TCP, TLS, an HTTP client, and a reader of the event
//! stream.

#![warn(missing_docs)]

pub mod client;
pub mod connector;
pub mod tls;
