//! `[http]`.

use std::net::SocketAddr;
use std::path::Path;

use super::certificates::Certificate;
use super::paths::Use;
use super::{HOUR, MS, SECOND};
use crate::config::reader::{Report, Table};
use crate::http::settings::HttpSettings;
use crate::http::tls::ServerTls;

pub(super) fn http(mut table: Table<'_>, report: &mut Report<'_>, folder: &Path) -> HttpSettings {
    let what = "an address and port, as \"127.0.0.1:8080\"";
    let listen = table.parsed(report, "listen", what, |text| text.parse().ok());
    let http = HttpSettings {
        listen: listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8080))),
        // Bots wait for a response for two seconds.
        reply_timeout: table
            .duration(report, "reply_timeout", 200 * MS..=1900 * MS, 1500 * MS)
            .value,
        // With one connection, an event stream would leave none for bots.
        max_connections: table.number(report, "max_connections", 2..=1_000_000, 1024) as usize,
        // Longer than nginx as a proxy keeps idle connections (60 s), so that it does not send a
        // request over a connection that the daemon is closing.
        keep_alive: table.duration(report, "keep_alive", SECOND..=HOUR, 75 * SECOND).value,
        drain_timeout: table.duration(report, "drain_timeout", 100 * MS..=HOUR, 10 * SECOND).value,
        tls: server_tls(&mut table, report, folder),
    };
    table.end(report);
    http
}

fn server_tls(table: &mut Table<'_>, report: &mut Report<'_>, folder: &Path) -> Option<ServerTls> {
    table.get("tls")?;
    let mut tls = table.table(report, "tls");
    let mut path = |key| tls.path(report, key, folder, Use::Read);
    let (cert_file, key_file) = (path("cert_file"), path("key_file"));
    if cert_file.is_none() || key_file.is_none() {
        report.add(tls.span(), "http.tls needs cert_file and key_file");
    }
    tls.end(report);
    let tls = ServerTls { cert_file: cert_file?, key_file: key_file? };
    report.add_certificate(&table.get("tls")?.span, Certificate::Server(tls.clone()));
    Some(tls)
}
