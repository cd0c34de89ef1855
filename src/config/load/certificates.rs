//! Checks the certificates that keys of the configuration name. Parsing a text opens no
//! certificate; only loading a file does.

use std::ops::Range;
use std::path::PathBuf;

use crate::config::reader::Report;
use crate::http::tls::{ServerTls, server_config};
use originatord_net::tls::client_config;

/// A certificate, and where the configuration names it.
pub(in crate::config) struct NamedCertificate {
    /// Where a problem with it is reported.
    pub(in crate::config) span: Range<usize>,
    pub(in crate::config) certificate: Certificate,
}

/// The purpose of a certificate.
pub(in crate::config) enum Certificate {
    /// The daemon shows it to bots and operators.
    Server(ServerTls),
    /// It belongs to the CA of Asterisk's certificate.
    Authority {
        /// The key, as in messages.
        name: String,
        path: PathBuf,
    },
}

/// Reports certificates that cannot be used, so that this does not show only when a client
/// connects.
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
