//! Connections: TCP and TLS to Asterisk and to a daemon, an HTTP client, the event stream.

#![warn(missing_docs)]

pub mod client;
pub mod connector;
pub mod tls;
