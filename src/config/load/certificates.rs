//! Checks the certificate files that the configuration names. `Config::load` does this;
//! `Config::parse` opens no certificate.

use std::ops::Range;
use std::path::PathBuf;

use crate::config::reader::Report;
use crate::http::tls::{ServerTls, server_config};
use originatord_net::tls::client_config;

/// A certificate, and the position of its key in the configuration.
pub(in crate::config) struct NamedCertificate {
    /// The position at which problems with the certificate are reported.
    pub(in crate::config) span: Range<usize>,
    pub(in crate::config) certificate: Certificate,
}

/// The purpose of a certificate.
pub(in crate::config) enum Certificate {
    /// The daemon's own certificate, which it presents to bots and operators.
    Server(ServerTls),
    /// The CA that has signed Asterisk's certificate.
    Authority {
        /// The name of the configuration key, for messages.
        name: String,
        path: PathBuf,
    },
}

/// Reports certificates that cannot be used. Without this check, the first connection would fail.
pub(super) fn check(report: &mut Report<'_>) {
    for NamedCertificate { span, certificate } in report.take_certificates() {
        let problem = match &certificate {
            Certificate::Server(tls) => {
                server_config(tls).err().map(|error| format!("http.tls: {error}"))
            }
            Certificate::Authority { name, path } => client_config(Some(path))
                .err()
                .map(|error| format!("{name} cannot be used: {error}")),
        };
        if let Some(problem) = problem {
            report.add(&span, problem);
        }
    }
}
