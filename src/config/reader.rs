//! Reads a TOML table key by key, and collects every problem with its line.
//!
//! All problems of a file are reported at once, so reading continues after each. The default that
//! replaces a wrong value is never used, because a file with problems is refused as a whole.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::load::certificates::{Certificate, NamedCertificate};
use super::load::paths::{NamedFile, Use};

/// A problem with one line of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1.
    pub line: usize,
    /// The problem, and what to write instead. The text contains no value of the file, because the
    /// value might be a secret.
    pub text: String,
}

/// All problems of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    /// The file's name.
    pub file: String,
    /// Its problems, in the order of their lines.
    pub problems: Vec<Problem>,
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Problem { line, text }) in self.problems.iter().enumerate() {
            let newline = if index == 0 { "" } else { "\n" };
            write!(f, "{newline}{}:{line}: {text}", self.file)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Collects the problems of one text.
pub(super) struct Report<'t> {
    text: &'t str,
    problems: Vec<Problem>,
    /// Secrets of the samples. They are problems only if the daemon does not listen on a loopback
    /// address.
    placeholders: Vec<Problem>,
    /// Settings that work, but should be changed.
    warnings: Vec<Problem>,
    /// The files that the configuration names.
    files: Vec<NamedFile>,
    /// The certificates that the configuration names.
    certificates: Vec<NamedCertificate>,
}

impl<'t> Report<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            text,
            problems: Vec::new(),
            placeholders: Vec::new(),
            files: Vec::new(),
            certificates: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Adds a problem with the text at `span`.
    pub(super) fn add(&mut self, span: &Range<usize>, text: impl Into<String>) {
        let line = self.line(span);
        self.problems.push(Problem { line, text: text.into() });
    }

    /// Adds the file at `path`, which the key `name` at `span` names.
    pub(super) fn add_file(&mut self, span: &Range<usize>, name: String, path: &Path, used: Use) {
        self.files.push(NamedFile { name, span: span.clone(), path: path.to_owned(), used });
    }

    /// Removes and returns the files that were added.
    pub(super) fn take_files(&mut self) -> Vec<NamedFile> {
        std::mem::take(&mut self.files)
    }

    /// Adds a certificate, which the key at `span` names.
    pub(super) fn add_certificate(&mut self, span: &Range<usize>, certificate: Certificate) {
        self.certificates.push(NamedCertificate { span: span.clone(), certificate });
    }

    /// Removes and returns the certificates that were added.
    pub(super) fn take_certificates(&mut self) -> Vec<NamedCertificate> {
        std::mem::take(&mut self.certificates)
    }

    /// Adds a warning about the setting at `span`, which works, but probably not as intended.
    pub(super) fn warn(&mut self, span: &Range<usize>, text: impl Into<String>) {
        let line = self.line(span);
        self.warnings.push(Problem { line, text: text.into() });
    }

    /// The warnings, in the order of their lines.
    pub(super) fn warnings(&mut self) -> Vec<Problem> {
        let mut warnings = std::mem::take(&mut self.warnings);
        warnings.sort_by_key(|warning| warning.line);
        warnings
    }

    /// Adds the secret `name` at `span`, which was copied from the samples.
    pub(super) fn add_placeholder(&mut self, span: &Range<usize>, name: &str) {
        let text = format!("{name} is the sample's, which everybody knows; choose another");
        self.placeholders.push(Problem { line: self.line(span), text });
    }

    /// Returns a warning for each secret that was copied from the samples. With `are_problems`,
    /// adds them to the problems instead and returns none.
    pub(super) fn placeholders(&mut self, are_problems: bool) -> Vec<Problem> {
        let placeholders = std::mem::take(&mut self.placeholders);
        if !are_problems {
            return placeholders;
        }
        self.problems.extend(placeholders);
        Vec::new()
    }

    fn line(&self, span: &Range<usize>) -> usize {
        let start = span.start.min(self.text.len());
        self.text.as_bytes()[..start].iter().filter(|byte| **byte == b'\n').count() + 1
    }

    /// The problems, in the order of their lines.
    pub(super) fn finish(mut self) -> Vec<Problem> {
        self.problems.sort_by_key(|problem| problem.line);
        self.problems
    }
}

/// A value, and its position in the text.
pub(super) struct Found<T> {
    pub(super) value: T,
    pub(super) span: Range<usize>,
}

/// A table that is read key by key.
pub(super) struct Table<'a> {
    /// The prefix of the keys' names in messages, such as `http.`.
    prefix: String,
    span: Range<usize>,
    entries: Option<&'a DeTable<'a>>,
    known: Vec<&'static str>,
}

impl<'a> Table<'a> {
    pub(super) fn root(table: &'a Spanned<DeTable<'a>>) -> Self {
        Self {
            prefix: String::new(),
            span: 0..0,
            entries: Some(table.get_ref()),
            known: Vec::new(),
        }
    }

    /// The table's position in the text.
    pub(super) fn span(&self) -> &Range<usize> {
        &self.span
    }

    /// The whole name of a key.
    pub(super) fn name(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// The value of `key`, if it is set.
    pub(super) fn get(&mut self, key: &'static str) -> Option<Found<&'a DeValue<'a>>> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        let value = self.entries?.get(key)?;
        Some(Found { value: value.get_ref(), span: value.span() })
    }

    /// The value of `key` as `convert` returns it. If that is `None`, reports that the value must
    /// be `what`.
    fn typed<T>(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
        what: &str,
        convert: impl Fn(&'a DeValue<'a>) -> Option<T>,
    ) -> Option<Found<T>> {
        let Found { value, span } = self.get(key)?;
        let converted = convert(value);
        if converted.is_none() {
            report.add(&span, format!("{} must be {what}", self.name(key)));
        }
        converted.map(|value| Found { value, span })
    }

    pub(super) fn string(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
    ) -> Option<Found<&'a str>> {
        self.typed(report, key, "a string in quotes", |value| value.as_str())
    }

    /// A boolean.
    pub(super) fn flag(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
        default: bool,
    ) -> bool {
        self.typed(report, key, "true or false", DeValue::as_bool)
            .map_or(default, |found| found.value)
    }

    /// A whole number within `range`.
    pub(super) fn number(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
        range: std::ops::RangeInclusive<u64>,
        default: u64,
    ) -> u64 {
        self.optional_number(report, key, range).unwrap_or(default)
    }

    /// A whole number from 1 to `most`, if it is set.
    pub(super) fn limit(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
        most: u64,
    ) -> Option<u64> {
        self.optional_number(report, key, 1..=most)
    }

    fn optional_number(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
        range: std::ops::RangeInclusive<u64>,
    ) -> Option<u64> {
        let what = format!("a whole number from {} to {}", range.start(), range.end());
        let number = self.typed(report, key, &what, |value| {
            let integer = value.as_integer()?;
            let number = u64::from_str_radix(integer.as_str(), integer.radix()).ok()?;
            range.contains(&number).then_some(number)
        });
        number.map(|found| found.value)
    }

    /// An array of strings that `convert` accepts; `what` describes the array in messages.
    pub(super) fn strings<T>(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
        what: &str,
        convert: impl Fn(&str) -> Option<T>,
    ) -> Option<Vec<T>> {
        let strings = self.typed(report, key, what, |value| {
            value.as_array()?.iter().map(|item| convert(item.get_ref().as_str()?)).collect()
        });
        strings.map(|found| found.value)
    }

    /// A duration as `"1500ms"` or `"30s"`, within `range`.
    pub(super) fn duration(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
        range: std::ops::RangeInclusive<Duration>,
        default: Duration,
    ) -> Found<Duration> {
        let show = humantime::format_duration;
        let what =
            format!("a duration from \"{}\" to \"{}\"", show(*range.start()), show(*range.end()));
        let duration = self.typed(report, key, &what, |value| {
            humantime::parse_duration(value.as_str()?)
                .ok()
                .filter(|duration| range.contains(duration))
        });
        duration.unwrap_or(Found { value: default, span: self.span.clone() })
    }

    /// A string that `convert` accepts; `what` describes it in messages.
    pub(super) fn parsed<T>(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
        what: &str,
        convert: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        self.typed(report, key, what, |value| convert(value.as_str()?)).map(|found| found.value)
    }

    /// The path of a file; a relative path begins in `folder`.
    pub(super) fn path(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
        folder: &Path,
        used: Use,
    ) -> Option<PathBuf> {
        let path = |value: &DeValue<'_>| {
            value.as_str().filter(|text| !text.is_empty()).map(|text| folder.join(text))
        };
        let Found { value, span } = self.typed(report, key, "a path", path)?;
        report.add_file(&span, self.name(key), &value, used);
        Some(value)
    }

    /// The table of this key; an empty one if it is not set.
    pub(super) fn table(&mut self, report: &mut Report<'_>, key: &'static str) -> Table<'a> {
        let found = self.typed(report, key, "a table", DeValue::as_table);
        let prefix = format!("{}.", self.name(key));
        match found {
            Some(Found { value, span }) => {
                Table { prefix, span, entries: Some(value), known: Vec::new() }
            }
            None => Table { prefix, span: self.span.clone(), entries: None, known: Vec::new() },
        }
    }

    /// The tables of `[[key]]`.
    pub(super) fn tables(&mut self, report: &mut Report<'_>, key: &'static str) -> Vec<Table<'a>> {
        let what = format!("tables, each begun by [[{key}]]");
        let tables = self.typed(report, key, &what, |value| {
            let tables = value
                .as_array()?
                .iter()
                .map(|item| Some((item.get_ref().as_table()?, item.span())));
            tables.collect::<Option<Vec<_>>>()
        });
        let prefix = format!("{}.", self.name(key));
        let tables = tables.map(|found| found.value).unwrap_or_default().into_iter();
        tables
            .map(|(table, span)| Table {
                prefix: prefix.clone(),
                span,
                entries: Some(table),
                known: Vec::new(),
            })
            .collect()
    }

    /// Removes and returns all keys and values, for a table whose keys can have any name.
    pub(super) fn entries(&mut self) -> Vec<(Found<&'a str>, &'a DeValue<'a>)> {
        let entries = self.entries.take().into_iter().flatten();
        entries
            .map(|(key, value)| {
                (Found { value: key.get_ref().as_ref(), span: key.span() }, value.get_ref())
            })
            .collect()
    }

    /// Reports the keys that were not read, each with the most similar known key.
    pub(super) fn end(self, report: &mut Report<'_>) {
        for (key, _) in self.entries.into_iter().flatten() {
            let name: &str = key.get_ref();
            if self.known.contains(&name) {
                continue;
            }
            let distance = |known: &&&str| strsim::damerau_levenshtein(known, name);
            let nearest = self.known.iter().min_by_key(distance);
            let advice = match nearest.filter(|known| distance(known) <= name.len().max(4) / 2) {
                Some(known) => format!("did you mean {known}?"),
                None => format!("known here: {}", self.known.join(", ")),
            };
            report.add(
                &key.span(),
                format!("unknown key {}{}; {advice}", self.prefix, name.escape_debug()),
            );
        }
    }
}
