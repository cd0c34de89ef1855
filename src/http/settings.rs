//! The settings of the HTTP server. `config` builds them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::tls::ServerTls;
use originatord_core::call::Lang;
use originatord_core::call::numbering::Numbering;

/// The settings of `[http]`.
#[derive(Debug)]
pub struct HttpSettings {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// Longest time until a bot is answered.
    pub reply_timeout: Duration,
    /// Most connections that are open at once.
    pub max_connections: usize,
    /// How long a connection can be idle once a valid key was shown on it, as in `Keep-Alive`.
    pub keep_alive: Duration,
    /// How long connections can stay open after the shutdown began.
    pub drain_timeout: Duration,
    /// The certificate, if the daemon speaks TLS.
    pub tls: Option<ServerTls>,
}

/// The settings that the handlers read.
#[derive(Debug, Clone)]
pub struct ApiSettings {
    /// Longest time until a bot is answered.
    pub reply_timeout: Duration,
    /// `lang` of a request without one.
    pub default_lang: Lang,
    /// The rules for reading numbers.
    pub numbering: Numbering,
    /// Whether numbers are shown without their middle digits.
    pub mask_numbers: bool,
    /// The name of this daemon among others on the same Asterisk.
    pub instance: Arc<str>,
    /// Whether the daemon speaks TLS itself.
    pub tls: bool,
    /// Most connections that are open at once. Half of them can be event streams.
    pub max_connections: usize,
}
