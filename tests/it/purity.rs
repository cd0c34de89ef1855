//! The core stays pure: protocol, calls and engine know no socket, no task, no clock and no random
//! source, so that they can be run on any order of inputs and any time.

use std::fs;
use std::path::{Path, PathBuf};

/// Files and folders below `src/` whose code is pure.
const PURE: &[&str] = &[
    "ami",
    "call",
    "client/reply.rs",
    "engine",
    "load/calls.rs",
    "load/latency.rs",
    "load/limit.rs",
    "load/numbers.rs",
    "load/record.rs",
    "load/report",
    "load/run.rs",
    "load/schedule.rs",
    "load/tally.rs",
    "load/timeline.rs",
    "stats.rs",
];

/// What pure code has no use for.
const IMPURE: &[&str] = &[
    "tokio::",
    "async ",
    ".await",
    "Instant::now",
    "SystemTime::now",
    "Now::read",
    "Rng::new",
    "fastrand::u",
    "std::net",
    "std::fs",
    "std::thread",
    "std::env",
    "Mutex",
    "mpsc",
    "oneshot",
];

fn files(path: &Path, found: &mut Vec<PathBuf>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).expect("a folder") {
            files(&entry.expect("an entry").path(), found);
        }
    } else if path.extension().is_some_and(|extension| extension == "rs")
        && !path.ends_with("tests.rs")
    {
        found.push(path.to_owned());
    }
}

/// The offences of a source, as line number and line; what only tests see does not count, nor do
/// comments.
fn offences(source: &str) -> Vec<(usize, &str)> {
    let product = source.lines().enumerate().take_while(|(_, line)| line.trim() != "mod tests {");
    let code = product.filter(|(_, line)| !line.trim_start().starts_with("//"));
    code.filter(|(_, line)| IMPURE.iter().any(|word| line.contains(word)))
        .map(|(n, line)| (n + 1, line))
        .collect()
}

#[test]
fn the_core_is_pure() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    for pure in PURE {
        let path = source.join(pure);
        assert!(path.exists(), "{pure} is no longer there");
        files(&path, &mut found);
    }
    assert!(found.len() > 10, "{found:?}");
    for path in found {
        let text = fs::read_to_string(&path).expect("a source");
        assert_eq!(offences(&text), [], "{}", path.display());
    }
}

#[test]
fn an_offence_would_be_seen() {
    assert_eq!(offences("// tokio::spawn\nlet a = 1;\n    let now = Instant::now();\n").len(), 1);
    assert_eq!(offences("#[cfg(test)]\nmod tests {\n    async fn f() {}\n}").len(), 0);
}
