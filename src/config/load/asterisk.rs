//! `[[asterisk]]` and `[originate]`: the link to Asterisk, and the calls made over it.

use std::path::Path;

use tokio_rustls::rustls::pki_types::ServerName;

use super::certificates::Certificate;
use super::paths::Use;
use super::values::{NAME, is_header_value, name, secret};
use super::{HOUR, MS, SECOND};
use crate::config::Asterisk;
use crate::config::reader::{Found, Report, Table};
use originatord_core::ami::backoff::Backoff;
use originatord_core::ami::settings::{Auth, SessionSettings};
use originatord_core::call::Lang;
use originatord_core::engine::OriginateSettings;
use originatord_net::tls::ClientTls;

/// Reads the only `[[asterisk]]`. Reports if there is none, or a second one.
pub(super) fn only_asterisk(
    root: &mut Table<'_>,
    report: &mut Report<'_>,
    folder: &Path,
) -> Option<Asterisk> {
    let mut servers = root.tables(report, "asterisk");
    if servers.len() != 1 {
        let span = servers.get(1).map_or(root.span(), |second| second.span()).clone();
        report.add(&span, "exactly one [[asterisk]] is needed");
    }
    servers.drain(..).next().and_then(|table| asterisk(table, report, folder))
}

fn asterisk(mut table: Table<'_>, report: &mut Report<'_>, folder: &Path) -> Option<Asterisk> {
    let known_name = table.parsed(report, "name", NAME, name).unwrap_or_else(|| "main".to_owned());
    let what = "a host and port, as \"127.0.0.1:5038\"";
    let address = table.parsed(report, "address", what, |text| {
        let (host, port) = text.rsplit_once(':')?;
        let is_host = ServerName::try_from(host.trim_matches(['[', ']'])).is_ok();
        let is_port = port.bytes().all(|b| b.is_ascii_digit())
            && port.parse::<u16>().is_ok_and(|port| port > 0);
        (is_host && is_port).then(|| text.to_owned())
    });
    let username = table.parsed(report, "username", "an AMI user's name", |text| {
        (!text.is_empty() && is_header_value(text)).then(|| text.to_owned())
    });
    for (key, value) in [("address", &address), ("username", &username)] {
        if value.is_none() && table.get(key).is_none() {
            report.add(table.span(), format!("{} is missing", table.name(key)));
        }
    }
    let secret = secret(&mut table, report, ["secret", "secret_file", "secret_env"], folder);
    let auth = table.parsed(report, "auth", "\"md5\", \"plain\" or \"auto\"", |text| match text {
        "md5" => Some(Auth::Md5),
        "plain" => Some(Auth::Plain),
        "auto" => Some(Auth::Auto),
        _ => None,
    });
    let tls = tls(&mut table, report, folder);
    let keepalive = table.duration(report, "keepalive", 100 * MS..=HOUR, 3 * SECOND).value;
    let connect_timeout =
        table.duration(report, "connect_timeout", 100 * MS..=HOUR, 5 * SECOND).value;
    let action_timeout =
        table.duration(report, "action_timeout", 100 * MS..=HOUR, 5 * SECOND).value;
    let backoff_min = table.duration(report, "backoff_min", MS..=HOUR, 200 * MS);
    let backoff_max = table.duration(report, "backoff_max", MS..=HOUR, 10 * SECOND).value;
    let backoff = Backoff::new(backoff_min.value, backoff_max);
    if backoff.is_err() {
        report.add(&backoff_min.span, "asterisk.backoff_min must not be longer than backoff_max");
    }
    table.end(report);
    Some(Asterisk {
        name: known_name.into(),
        address: address?,
        tls,
        session: SessionSettings {
            username: username?,
            secret: secret?.value,
            auth: auth.unwrap_or(Auth::Auto),
            keepalive,
            action_timeout,
        },
        connect_timeout,
        backoff: backoff.ok()?,
    })
}

/// Reads `tls`, which is true, false or a table.
fn tls(table: &mut Table<'_>, report: &mut Report<'_>, folder: &Path) -> Option<ClientTls> {
    match table.get("tls")?.value.as_bool() {
        Some(true) => return Some(ClientTls { ca_file: None, server_name: None }),
        Some(false) => return None,
        None => {}
    }
    let mut tls = table.table(report, "tls");
    let ca_file = tls.string(report, "ca_file").map(|Found { value, span }| {
        let path = folder.join(value);
        report.add_file(&span, tls.name("ca_file"), &path, Use::Read);
        let name = tls.name("ca_file");
        report.add_certificate(&span, Certificate::Authority { name, path: path.clone() });
        path
    });
    let server_name = tls.parsed(report, "server_name", "a host name or address", |text| {
        ServerName::try_from(text).is_ok().then(|| text.to_owned())
    });
    tls.end(report);
    Some(ClientTls { ca_file, server_name })
}

/// The warning about a channel without the option `n`.
const NO_N: &str = "originate.channel does not end in /n: Asterisk removes the call's Local channel as soon as a \
    participant is transferred or parked, and with it the lock that keeps the number from being called twice; add /n";

/// Whether the Local channel has the option `n`, which keeps Asterisk from removing the channel
/// during the call.
fn keeps_local(channel: &str) -> bool {
    let options = channel.rsplit_once('@').and_then(|(_, rest)| rest.split_once('/'));
    options.is_some_and(|(_, options)| options.contains('n'))
}

/// Reads `[originate]`: how calls are made, and the language of a call whose bot gives none.
pub(super) fn originate(
    mut table: Table<'_>,
    report: &mut Report<'_>,
) -> Option<(OriginateSettings, Lang)> {
    // Only a Local channel has the second half that holds the number's lock.
    let what = "a Local channel with one {number}, as \"Local/{number}@telegram-out/n\"";
    let channel = table.parsed(report, "channel", what, |text| {
        let fits = text.starts_with("Local/")
            && text.matches("{number}").count() == 1
            && is_header_value(text);
        fits.then(|| text.to_owned())
    });
    if let Some(span) = table.get("channel").map(|found| found.span)
        && channel.as_deref().is_some_and(|channel| !keeps_local(channel))
    {
        report.warn(&span, NO_N);
    }
    let context = table.parsed(report, "context", "a context of the dialplan", |text| {
        (!text.is_empty() && is_header_value(text)).then(|| text.to_owned())
    });
    let lang =
        table.parsed(report, "default_lang", "a language tag, as \"ru\"", |text| text.parse().ok());
    let priority = table.number(report, "priority", 1..=10_000, 1) as u32;
    let ring_timeout = table.duration(report, "ring_timeout", SECOND..=HOUR, 30 * SECOND).value;
    let variables = variables(table.table(report, "variables"), report);
    table.end(report);
    let settings = OriginateSettings {
        channel: channel.unwrap_or_else(|| "Local/{number}@telegram-out/n".to_owned()),
        context: context.unwrap_or_else(|| "conf-in".to_owned()),
        priority,
        ring_timeout,
        variables,
    };
    Some((settings, lang.or_else(|| "ru".parse().ok())?))
}

fn variables(mut table: Table<'_>, report: &mut Report<'_>) -> Vec<(String, String)> {
    let mut variables = Vec::new();
    for (Found { value: name, span }, value) in table.entries() {
        let is_name =
            name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !name.is_empty();
        if !is_name {
            report.add(&span, "originate.variables: a name is made of letters, digits and _");
        } else if ["LANG", "ORIGINATORD"].contains(&name.trim_start_matches('_')) {
            report.add(&span, format!("originate.variables.{name} is set by originatord itself"));
        }
        match value.as_str().filter(|text| is_header_value(text) && !text.contains(',')) {
            Some(text) => variables.push((name.to_owned(), text.to_owned())),
            None => report.add(
                &span,
                "originate.variables: a value is a string without line breaks and commas",
            ),
        }
    }
    variables
}
