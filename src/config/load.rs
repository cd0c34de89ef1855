//! From the file's text to checked settings.

use std::collections::HashMap;
use std::env::VarError;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio_rustls::rustls::pki_types::ServerName;
use toml::de::DeTable;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use super::reader::{Found, Problem, Problems, Report, Table};
use super::{
    ApiKey, Asterisk, Auth, Config, History, Http, Journal, JournalFile, Log, LogFormat, Originate, Privacy, Role,
    ServerTls, Tls,
};
use crate::ami::action::MAX_LINE;
use crate::call::limits::{Limits, Policy};
use crate::tls::client_config;

/// Names that end up in a channel variable and in the log.
const NAME: &str = "1 to 32 letters, digits, _, - or .";

/// Shortest API key, in bytes.
const MIN_KEY: usize = 8;

/// What the secrets of our samples begin with.
const PLACEHOLDER: &str = "change-me";

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

impl Config {
    /// Reads and checks the file at `path`.
    ///
    /// # Errors
    ///
    /// Every problem of the file, with its line.
    pub fn load(path: &Path) -> Result<Self, Problems> {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| Problems {
            file: file.clone(),
            problems: vec![Problem { line: 1, text: format!("cannot be read: {error}") }],
        })?;
        Self::parse(&text, path.parent().unwrap_or(Path::new(""))).map_err(|problems| Problems { file, problems })
    }

    /// Checks `text`; relative paths in it are taken from `folder`.
    ///
    /// # Errors
    ///
    /// Every problem of the text, with its line.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, Vec<Problem>> {
        let mut report = Report::new(text);
        let (document, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            // Only the message: the error's Display shows the line, and with it perhaps a secret.
            report.add(&error.span().unwrap_or(0..0), format!("not TOML: {}", error.message()));
        }
        if !errors.is_empty() {
            return Err(report.finish());
        }
        let config = read(Table::root(&document), &mut report, folder);
        match (config, report.finish()) {
            (Some(config), problems) if problems.is_empty() => Ok(config),
            (_, problems) => Err(problems),
        }
    }
}

/// Reads the whole document; none only if something is missing, which is reported.
fn read(mut root: Table<'_>, report: &mut Report<'_>, folder: &Path) -> Option<Config> {
    let instance = root.parsed(report, "instance", NAME, name).unwrap_or_else(|| "originatord".to_owned());
    let http = http(root.table(report, "http"), report, folder);
    let keys = root.tables(report, "api_keys");
    if keys.is_empty() {
        report.add(root.span(), "at least one [[api_keys]] with name and key is needed");
    }
    let mut limits = limits(root.table(report, "limits"), report);
    let mut api_keys = Vec::new();
    for table in keys {
        let span = table.span().clone();
        if let Some((key, of_key)) = api_key(table, report, folder) {
            report_duplicate(&api_keys, &key, &span, report);
            if of_key != Limits::default() {
                limits.keys.insert(key.name.clone(), of_key);
            }
            api_keys.push(key);
        }
    }
    let mut servers = root.tables(report, "asterisk");
    if servers.len() != 1 {
        let span = servers.get(1).map_or(root.span(), |second| second.span()).clone();
        report.add(&span, "exactly one [[asterisk]] is needed");
    }
    let asterisk = servers.drain(..).next().and_then(|table| asterisk(table, report, folder));
    let originate = originate(root.table(report, "originate"), report);
    let log = log(root.table(report, "log"), report);
    let journal = journal(root.table(report, "journal"), report, folder);
    let history = history(root.table(report, "history"), report, folder);
    let privacy = privacy(root.table(report, "privacy"), report);
    root.end(report);
    // Somebody who tries it on one machine may start with the samples as they are.
    let placeholders = report.placeholders(!http.listen.ip().is_loopback());
    let (instance, asterisk, originate) = (instance.into(), asterisk?, originate?);
    Some(Config { instance, http, api_keys, asterisk, originate, limits, log, journal, history, privacy, placeholders })
}

fn http(mut table: Table<'_>, report: &mut Report<'_>, folder: &Path) -> Http {
    let what = "an address and port, as \"127.0.0.1:8080\"";
    let listen = table.parsed(report, "listen", what, |text| text.parse().ok());
    let http = Http {
        listen: listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8080))),
        // Bots wait for two seconds.
        reply_timeout: table.duration(report, "reply_timeout", 200 * MS..=1900 * MS, 1500 * MS).value,
        max_connections: table.number(report, "max_connections", 1..=1_000_000, 1024) as usize,
        drain_timeout: table.duration(report, "drain_timeout", 100 * MS..=HOUR, 10 * SECOND).value,
        tls: server_tls(&mut table, report, folder),
    };
    table.end(report);
    http
}

fn server_tls(table: &mut Table<'_>, report: &mut Report<'_>, folder: &Path) -> Option<ServerTls> {
    table.get("tls")?;
    let mut tls = table.table(report, "tls");
    let mut path = |key| tls.parsed(report, key, "a path", |text| (!text.is_empty()).then(|| folder.join(text)));
    let (cert_file, key_file) = (path("cert_file"), path("key_file"));
    if cert_file.is_none() || key_file.is_none() {
        report.add(tls.span(), "http.tls needs cert_file and key_file");
    }
    tls.end(report);
    let tls = ServerTls { cert_file: cert_file?, key_file: key_file? };
    // A certificate that cannot be used must not be found out by who connects.
    if let Err(error) = crate::tls::server_config(&tls) {
        report.add(&table.get("tls")?.span, format!("http.tls: {error}"));
    }
    Some(tls)
}

fn api_key(mut table: Table<'_>, report: &mut Report<'_>, folder: &Path) -> Option<(ApiKey, Limits)> {
    let known_name = table.parsed(report, "name", NAME, name);
    let key = secret(&mut table, report, ["key", "key_file", "key_env"], folder);
    if table.get("name").is_none() {
        report.add(table.span(), "api_keys.name is missing: it stands for the key in the log");
    }
    if let Some(Found { value, span }) = &key
        && value.expose_secret().len() < MIN_KEY
    {
        report.add(span, format!("api_keys.key must be at least {MIN_KEY} bytes long"));
    }
    let role = table.parsed(report, "role", "\"call\" or \"watch\"", |text| match text {
        "call" => Some(Role::Call),
        "watch" => Some(Role::Watch),
        _ => None,
    });
    let limits = limits_of(&mut table, report);
    table.end(report);
    Some((ApiKey { name: known_name?.into(), key: key?.value, role: role.unwrap_or(Role::Call) }, limits))
}

/// `[limits]`: those of all keys together.
fn limits(mut table: Table<'_>, report: &mut Report<'_>) -> Policy {
    let all = limits_of(&mut table, report);
    let attempts_per_number = table.limit(report, "attempts_per_number", 10_000).map(|limit| limit as u32);
    table.end(report);
    Policy { all, keys: HashMap::new(), attempts_per_number }
}

/// The limits that all keys together and each of them can have.
fn limits_of(table: &mut Table<'_>, report: &mut Report<'_>) -> Limits {
    Limits {
        calls_per_second: table.limit(report, "calls_per_second", 100_000).map(|limit| limit as u32),
        calls_alive: table.limit(report, "calls_alive", 10_000_000).map(|limit| limit as usize),
        allow: prefixes(table, report, "allow"),
        deny: prefixes(table, report, "deny"),
    }
}

fn prefixes(table: &mut Table<'_>, report: &mut Report<'_>, key: &'static str) -> Vec<Box<str>> {
    let what = "a list of what numbers begin with, as [\"7\", \"375\"]: 1 to 15 digits each";
    let prefixes = table.strings(report, key, what, |text| {
        let digits = text.strip_prefix('+').unwrap_or(text);
        let fits = (1..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        fits.then(|| digits.into())
    });
    prefixes.unwrap_or_default()
}

/// Two keys of one name could not be told apart in the log; of two equal keys one would never be named.
fn report_duplicate(earlier: &[ApiKey], key: &ApiKey, span: &Range<usize>, report: &mut Report<'_>) {
    if earlier.iter().any(|other| other.name == key.name) {
        report.add(span, "api_keys.name is that of an earlier key; choose another");
    }
    if earlier.iter().any(|other| other.key.expose_secret() == key.key.expose_secret()) {
        report.add(span, "api_keys.key is that of an earlier key; choose another");
    }
}

fn asterisk(mut table: Table<'_>, report: &mut Report<'_>, folder: &Path) -> Option<Asterisk> {
    let known_name = table.parsed(report, "name", NAME, name).unwrap_or_else(|| "main".to_owned());
    let what = "a host and port, as \"127.0.0.1:5038\"";
    let address = table.parsed(report, "address", what, |text| {
        let (host, port) = text.rsplit_once(':')?;
        let is_host = ServerName::try_from(host.trim_matches(['[', ']'])).is_ok();
        let is_port = port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0);
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
    let connect_timeout = table.duration(report, "connect_timeout", 100 * MS..=HOUR, 5 * SECOND).value;
    let action_timeout = table.duration(report, "action_timeout", 100 * MS..=HOUR, 5 * SECOND).value;
    let backoff_min = table.duration(report, "backoff_min", MS..=HOUR, 200 * MS);
    let backoff_max = table.duration(report, "backoff_max", MS..=HOUR, 10 * SECOND).value;
    if backoff_min.value > backoff_max {
        report.add(&backoff_min.span, "asterisk.backoff_min must not be longer than backoff_max");
    }
    table.end(report);
    Some(Asterisk {
        name: known_name.into(),
        address: address?,
        username: username?,
        secret: secret?.value,
        tls,
        auth: auth.unwrap_or(Auth::Auto),
        keepalive,
        connect_timeout,
        action_timeout,
        backoff_min: backoff_min.value,
        backoff_max,
    })
}

/// `tls = true`, or a table of its own.
fn tls(table: &mut Table<'_>, report: &mut Report<'_>, folder: &Path) -> Option<Tls> {
    match table.get("tls")?.value.as_bool() {
        Some(true) => return Some(Tls { ca_file: None, server_name: None }),
        Some(false) => return None,
        None => {}
    }
    let mut tls = table.table(report, "tls");
    let ca_file = tls.string(report, "ca_file").map(|Found { value, span }| {
        let path = folder.join(value);
        if let Err(error) = client_config(Some(&path)) {
            report.add(&span, format!("{} cannot be used: {error}", tls.name("ca_file")));
        }
        path
    });
    let server_name = tls.parsed(report, "server_name", "a host name or address", |text| {
        ServerName::try_from(text).is_ok().then(|| text.to_owned())
    });
    tls.end(report);
    Some(Tls { ca_file, server_name })
}

fn originate(mut table: Table<'_>, report: &mut Report<'_>) -> Option<Originate> {
    // Only a Local channel has the second half that holds the number's lock.
    let what = "a Local channel with one {number}, as \"Local/{number}@telegram-out\"";
    let channel = table.parsed(report, "channel", what, |text| {
        let fits = text.starts_with("Local/") && text.matches("{number}").count() == 1 && is_header_value(text);
        fits.then(|| text.to_owned())
    });
    let context = table.parsed(report, "context", "a context of the dialplan", |text| {
        (!text.is_empty() && is_header_value(text)).then(|| text.to_owned())
    });
    let lang = table.parsed(report, "default_lang", "a language tag, as \"ru\"", |text| text.parse().ok());
    let priority = table.number(report, "priority", 1..=10_000, 1) as u32;
    let ring_timeout = table.duration(report, "ring_timeout", SECOND..=HOUR, 30 * SECOND).value;
    let variables = variables(table.table(report, "variables"), report);
    table.end(report);
    Some(Originate {
        channel: channel.unwrap_or_else(|| "Local/{number}@telegram-out".to_owned()),
        context: context.unwrap_or_else(|| "conf-in".to_owned()),
        priority,
        ring_timeout,
        default_lang: lang.or_else(|| "ru".parse().ok())?,
        variables,
    })
}

fn variables(mut table: Table<'_>, report: &mut Report<'_>) -> Vec<(String, String)> {
    let mut variables = Vec::new();
    for (Found { value: name, span }, value) in table.entries() {
        let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !name.is_empty();
        if !is_name {
            report.add(&span, "originate.variables: a name is made of letters, digits and _");
        } else if ["LANG", "ORIGINATORD"].contains(&name.trim_start_matches('_')) {
            report.add(&span, format!("originate.variables.{name} is set by originatord itself"));
        }
        match value.as_str().filter(|text| is_header_value(text) && !text.contains(',')) {
            Some(text) => variables.push((name.to_owned(), text.to_owned())),
            None => report.add(&span, "originate.variables: a value is a string without line breaks and commas"),
        }
    }
    variables
}

fn log(mut table: Table<'_>, report: &mut Report<'_>) -> Log {
    let format = table.parsed(report, "format", "\"text\" or \"json\"", |text| match text {
        "text" => Some(LogFormat::Text),
        "json" => Some(LogFormat::Json),
        _ => None,
    });
    let what = "error, warn, info, debug or trace, for all or for a part as \"info,originatord::ami=debug\"";
    let filter = table.parsed(report, "filter", what, |text| is_filter(text).then(|| text.to_owned()));
    table.end(report);
    Log { format: format.unwrap_or(LogFormat::Text), filter: filter.unwrap_or_else(|| "info".to_owned()) }
}

/// Whether the text says what is logged. A lone word that is no level names a part, all of which would be logged and
/// nothing else: that is a slip of the key, as "inof".
fn is_filter(text: &str) -> bool {
    let is_meant = |directive: &str| directive.contains('=') || directive.trim().parse::<LevelFilter>().is_ok();
    text.split(',').all(is_meant) && EnvFilter::builder().parse(text).is_ok()
}

fn journal(mut table: Table<'_>, report: &mut Report<'_>, folder: &Path) -> Journal {
    let ring = table.number(report, "ring", 1..=10_000_000, 10_000) as usize;
    let path = table.parsed(report, "file", "a path", |text| (!text.is_empty()).then(|| folder.join(text)));
    let max_size = table.parsed(report, "file_max_size", "a size from \"4KiB\", as \"64MiB\"", size);
    let keep = table.number(report, "file_keep", 0..=1000, 8) as usize;
    table.end(report);
    let file = path.map(|path| JournalFile { path, max_size: max_size.unwrap_or(64 << 20), keep });
    Journal { ring, file }
}

fn history(mut table: Table<'_>, report: &mut Report<'_>, folder: &Path) -> Option<History> {
    let file = table.parsed(report, "file", "a path", |text| (!text.is_empty()).then(|| folder.join(text)));
    let keep = table.duration(report, "keep", HOUR..=100 * 365 * DAY, 90 * DAY).value;
    let what = "a size from \"1MiB\", as \"1GiB\"";
    let max_size = table.parsed(report, "max_size", what, |text| size(text).filter(|bytes| *bytes >= 1 << 20));
    table.end(report);
    Some(History { file: file?, keep, max_size: max_size.unwrap_or(1 << 30) })
}

fn privacy(mut table: Table<'_>, report: &mut Report<'_>) -> Privacy {
    let mask_numbers = table.flag(report, "mask_numbers", false);
    table.end(report);
    Privacy { mask_numbers }
}

/// A secret, given in exactly one of three ways: as it is, in a file, or in the environment.
fn secret(
    table: &mut Table<'_>,
    report: &mut Report<'_>,
    [plain, file, env]: [&'static str; 3],
    folder: &Path,
) -> Option<Found<SecretString>> {
    let ways = [plain, file, env].map(|key| table.get(key).map(|found| (key, found.span)));
    let given: Vec<_> = ways.into_iter().flatten().collect();
    let [(key, span)] = &given[..] else {
        let name = table.name(plain);
        let span = given.get(1).map_or(table.span(), |(_, second)| second);
        report.add(span, format!("exactly one of {name}, {file} and {env} is needed"));
        return None;
    };
    let value = table.string(report, key)?.value;
    let secret = if *key == file {
        let path: PathBuf = folder.join(value);
        std::fs::read_to_string(&path)
            .map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
            .map_err(|error| format!("{} cannot be read: {error}", table.name(key)))
    } else if *key == env {
        std::env::var(value).map_err(|error| match error {
            VarError::NotPresent => format!("{} names a variable that is not set", table.name(key)),
            VarError::NotUnicode(_) => format!("{} names a variable that is not UTF-8", table.name(key)),
        })
    } else {
        Ok(value.to_owned())
    };
    let secret = secret.and_then(|secret| match secret {
        empty if empty.is_empty() => Err(format!("{} is empty", table.name(key))),
        bad if !is_header_value(&bad) => Err(format!("{} holds a line break or NUL, or is too long", table.name(key))),
        good => Ok(good),
    });
    match secret {
        Ok(secret) => {
            if secret.starts_with(PLACEHOLDER) {
                report.add_placeholder(span, &table.name(key));
            }
            Some(Found { value: secret.into(), span: span.clone() })
        }
        Err(text) => {
            report.add(span, text);
            None
        }
    }
}

fn name(text: &str) -> Option<String> {
    let fits = (1..=32).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    fits.then(|| text.to_owned())
}

/// Whether the text can stand in a line of AMI, with room for the rest of that line.
fn is_header_value(text: &str) -> bool {
    text.len() < MAX_LINE / 2 && !text.contains(['\r', '\n', '\0'])
}

/// Bytes, as `64MiB`, `64 MB` or `4096`.
fn size(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim() {
        "" | "B" => 1,
        "kB" => 1000,
        "KiB" => 1 << 10,
        "MB" => 1_000_000,
        "MiB" => 1 << 20,
        "GB" => 1_000_000_000,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor).filter(|bytes| *bytes >= 4096)
}
