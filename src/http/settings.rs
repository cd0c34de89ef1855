//! The settings of the HTTP side, which the configuration builds.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::tls::ServerTls;
use crate::call::Lang;
use crate::call::numbering::Numbering;

/// `[http]`
#[derive(Debug)]
pub struct HttpSettings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// How long a bot waits for its answer at most.
    pub reply_timeout: Duration,
    /// How many connections are open at once at most.
    pub max_connections: usize,
    /// How long a connection that was served for a valid key may be idle, as clients are told.
    pub keep_alive: Duration,
    /// How long a stop may take.
    pub drain_timeout: Duration,
    /// TLS, where asked for.
    pub tls: Option<ServerTls>,
}

/// The settings that the handlers read.
#[derive(Debug, Clone)]
pub struct ApiSettings {
    /// How long a bot waits for its answer at most.
    pub reply_timeout: Duration,
    /// `lang` for those who give none.
    pub default_lang: Lang,
    /// How numbers are written here.
    pub numbering: Numbering,
    /// Whether numbers are shown without their middle.
    pub mask_numbers: bool,
    /// What tells this daemon from others.
    pub instance: Arc<str>,
    /// Whether the daemon speaks TLS itself.
    pub tls: bool,
    /// How many connections are open at once at most. Half of them may be event streams.
    pub max_connections: usize,
}
