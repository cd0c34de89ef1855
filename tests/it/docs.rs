//! The documents: every link leads somewhere, and every test that they name as proof exists.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files with this extension in a folder and, if `deep`, below it.
fn files(folder: &Path, extension: &str, deep: bool) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && deep {
            found.extend(files(&path, extension, deep));
        } else if path.extension().is_some_and(|of_path| of_path == extension) {
            found.push(path);
        }
    }
    found
}

/// The anchor that a Markdown viewer gives a heading: lower case, spaces as dashes, no punctuation.
fn anchor(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, '_' | '-' | ' ');
    heading.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")
}

/// The words of a document in backticks, outside of code blocks.
fn code_words(text: &str) -> impl Iterator<Item = &str> {
    prose(text).flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// The lines of a document that are not in a code block.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    text.split("```").step_by(2).flat_map(str::lines)
}

fn anchors(document: &Path) -> HashSet<String> {
    let text = fs::read_to_string(document).expect("a file");
    let headings = prose(&text).filter(|line| line.starts_with('#'));
    headings.map(|line| anchor(line.trim_start_matches('#').trim())).collect()
}

#[test]
fn links_between_documents_lead_somewhere() {
    let folders = [root().to_owned(), root().join("docs"), root().join("asterisk")];
    let documents: Vec<_> = folders.iter().flat_map(|folder| files(folder, "md", false)).collect();
    assert!(documents.len() > 12, "{documents:?}");
    for document in documents {
        let text = fs::read_to_string(&document).expect("a file");
        let links = prose(&text).flat_map(|line| line.split("](").skip(1));
        for link in links.filter_map(|rest| rest.split(')').next()) {
            if link.starts_with("http") {
                continue;
            }
            let (path, fragment) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => document.clone(),
                path => document.parent().expect("a folder").join(path),
            };
            assert!(target.exists(), "{}: {link}", document.display());
            let is_there = fragment.is_empty() || anchors(&target).contains(fragment);
            assert!(is_there, "{}: {link}", document.display());
        }
    }
}

#[test]
fn paths_named_in_documents_exist() {
    const FOLDERS: [&str; 8] =
        ["src/", "crates/", "tests/", "docs/", "dist/", "asterisk/", "benches/", "fuzz/"];
    let mut named = 0;
    for document in ["ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"] {
        let text = fs::read_to_string(root().join(document)).expect("a file");
        let is_path = |word: &&str| FOLDERS.iter().any(|folder| word.starts_with(folder));
        for path in code_words(&text).filter(is_path).filter(|path| !path.contains(['*', ' '])) {
            assert!(root().join(path).exists(), "{document}: {path}");
            named += 1;
        }
    }
    assert!(named > 20, "only {named}");
}

#[test]
fn tests_named_as_proof_exist() {
    let sources = files(&root().join("tests"), "rs", true);
    let mut named = 0;
    for document in ["SECURITY.md", "docs/reliability.md"] {
        let text = fs::read_to_string(root().join(document)).expect("a file");
        for name in code_words(&text).filter(|word| word.contains("::")) {
            let (modules, last) = name.rsplit_once("::").expect("a path");
            let exists = sources.iter().any(|source| {
                let path = source.with_extension("");
                let is_in = |module: &str| path.iter().any(|part| part == module);
                modules.split("::").all(is_in)
                    && (is_in(last)
                        || fs::read_to_string(source)
                            .is_ok_and(|code| code.contains(&format!("fn {last}("))))
            });
            assert!(exists, "{document}: {name}");
            named += 1;
        }
    }
    assert!(named > 30, "only {named}");
}
