//! Turns the text of the file into checked settings.

mod access;
mod asterisk;
pub(super) mod certificates;
mod http;
mod numbers;
pub(super) mod paths;
mod values;

use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::de::DeTable;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use self::access::keys_and_limits;
use self::asterisk::{only_asterisk, originate};
use self::http::http;
use self::numbers::numbers;
use self::paths::Use;
use self::values::{NAME, name, size};
use super::reader::{Problem, Problems, Report, Table};
use super::{Config, Privacy};
use crate::history::HistorySettings;
use crate::journal::{JournalFile, JournalSettings};
use crate::logging::{LogFormat, LogSettings};
use crate::state::StateSettings;
use originatord_core::engine::RoomSettings;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

impl Config {
    /// Reads and checks the file at `path`, and the certificates that it names.
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
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::parse_file(&text, folder, Some(path)).map_err(|problems| Problems { file, problems })
    }

    /// Checks `text`, but no certificate that it names. Relative paths in it begin in `folder`.
    ///
    /// # Errors
    ///
    /// Every problem of the text, with its line.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, Vec<Problem>> {
        Self::parse_file(text, folder, None)
    }

    fn parse_file(text: &str, folder: &Path, path: Option<&Path>) -> Result<Self, Vec<Problem>> {
        let mut report = Report::new(text);
        let (document, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            // Print only the message: the error's Display prints the whole line, which may contain
            // a secret.
            report.add(&error.span().unwrap_or(0..0), format!("not TOML: {}", error.message()));
        }
        if !errors.is_empty() {
            return Err(report.finish());
        }
        let config = read(Table::root(&document), &mut report, folder);
        paths::check(&mut report, path);
        if path.is_some() {
            certificates::check(&mut report);
        }
        match (config, report.finish()) {
            (Some(config), problems) if problems.is_empty() => Ok(config),
            (_, problems) => Err(problems),
        }
    }
}

/// Reads the whole document; `None` only after a problem with a required key was reported.
fn read(mut root: Table<'_>, report: &mut Report<'_>, folder: &Path) -> Option<Config> {
    let instance =
        root.parsed(report, "instance", NAME, name).unwrap_or_else(|| "originatord".to_owned());
    let http = http(root.table(report, "http"), report, folder);
    let (api_keys, limits) = keys_and_limits(&mut root, report, folder);
    let asterisk = only_asterisk(&mut root, report, folder);
    let originate = originate(root.table(report, "originate"), report);
    let numbers = numbers(root.table(report, "numbers"), report);
    let log = log(root.table(report, "log"), report);
    let journal = journal(root.table(report, "journal"), report, folder);
    let history = history(root.table(report, "history"), report, folder);
    let written = [
        history.as_ref().map(|history| &history.file),
        journal.file.as_ref().map(|file| &file.path),
    ];
    let state = state(root.table(report, "state"), report, folder, written);
    let rooms = rooms(root.table(report, "rooms"), report);
    let privacy = privacy(root.table(report, "privacy"), report);
    root.end(report);
    // Secrets of the samples are allowed on a loopback address, so that you can try the daemon
    // without editing the samples.
    let placeholders = report.placeholders(!http.listen.ip().is_loopback());
    let warnings = report.warnings();
    let (originate, default_lang) = originate?;
    Some(Config {
        instance: instance.into(),
        http,
        api_keys,
        asterisk: asterisk?,
        originate,
        default_lang,
        limits,
        numbers,
        log,
        journal,
        history,
        state,
        rooms,
        privacy,
        placeholders,
        warnings,
    })
}

fn log(mut table: Table<'_>, report: &mut Report<'_>) -> LogSettings {
    let format = table.parsed(report, "format", "\"text\" or \"json\"", |text| match text {
        "text" => Some(LogFormat::Text),
        "json" => Some(LogFormat::Json),
        _ => None,
    });
    let what = "error, warn, info, debug or trace, for all or for a part as \"info,originatord::ami=debug\"";
    let filter =
        table.parsed(report, "filter", what, |text| is_filter(text).then(|| text.to_owned()));
    table.end(report);
    LogSettings {
        format: format.unwrap_or(LogFormat::Text),
        filter: filter.unwrap_or_else(|| "info".to_owned()),
    }
}

/// Whether the text is a filter for the log. `EnvFilter` takes a word that is no level for a
/// module, and would log only this module. The word is more likely a misspelt level, such as
/// "inof", so it is refused.
fn is_filter(text: &str) -> bool {
    let is_directive = |directive: &str| {
        directive.contains('=') || directive.trim().parse::<LevelFilter>().is_ok()
    };
    text.split(',').all(is_directive) && EnvFilter::builder().parse(text).is_ok()
}

fn journal(mut table: Table<'_>, report: &mut Report<'_>, folder: &Path) -> JournalSettings {
    let ring = table.number(report, "ring", 1..=10_000_000, 10_000) as usize;
    let max_size =
        table.parsed(report, "file_max_size", "a size from \"4KiB\", as \"64MiB\"", size);
    let keep = table.number(report, "file_keep", 0..=1000, 8) as usize;
    let path = table.path(report, "file", folder, Use::Journal(keep));
    table.end(report);
    let file = path.map(|path| JournalFile { path, max_size: max_size.unwrap_or(64 << 20), keep });
    JournalSettings { ring, file }
}

fn history(
    mut table: Table<'_>,
    report: &mut Report<'_>,
    folder: &Path,
) -> Option<HistorySettings> {
    let file = table.path(report, "file", folder, Use::Database);
    let keep = table.duration(report, "keep", HOUR..=100 * 365 * DAY, 90 * DAY).value;
    let what = "a size from \"1MiB\", as \"1GiB\"";
    let max_size =
        table.parsed(report, "max_size", what, |text| size(text).filter(|bytes| *bytes >= 1 << 20));
    table.end(report);
    Some(HistorySettings { file: file?, keep, max_size: max_size.unwrap_or(1 << 30) })
}

fn rooms(mut table: Table<'_>, report: &mut Report<'_>) -> RoomSettings {
    let default = RoomSettings::default();
    let keep = table.duration(report, "keep", Duration::ZERO..=365 * DAY, default.keep).value;
    let talk_detection = table.flag(report, "talk_detection", default.talk_detection);
    table.end(report);
    RoomSettings { keep, talk_detection }
}

/// The name of the state's file, beside a file that the daemon writes.
const STATE_FILE: &str = "state.db";

/// Reads `[state]`. Without a file of its own, the state is beside the first of the files in
/// `written`.
fn state(
    mut table: Table<'_>,
    report: &mut Report<'_>,
    folder: &Path,
    written: [Option<&PathBuf>; 2],
) -> Option<StateSettings> {
    let (span, name) = (table.span().clone(), table.name("file"));
    let file = table.path(report, "file", folder, Use::Database).or_else(|| {
        let path = written.into_iter().flatten().next()?.with_file_name(STATE_FILE);
        report.add_file(&span, name, &path, Use::Database);
        Some(path)
    });
    table.end(report);
    Some(StateSettings { file: file? })
}

fn privacy(mut table: Table<'_>, report: &mut Report<'_>) -> Privacy {
    let mask_numbers = table.flag(report, "mask_numbers", false);
    table.end(report);
    Privacy { mask_numbers }
}
