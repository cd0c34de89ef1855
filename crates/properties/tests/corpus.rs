//! Replays the fuzzer's corpus: each property holds for every input that was kept.

use std::fs;
use std::path::Path;

fn replay(target: &str, property: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut count = 0;
    for entry in fs::read_dir(&folder).expect("a corpus") {
        let path = entry.expect("an entry").path();
        // If the property fails, this is the input.
        println!("{}", path.display());
        property(&fs::read(&path).expect("an input"));
        count += 1;
    }
    assert!(count > 0, "{} is empty", folder.display());
}

#[test]
fn codec() {
    replay("codec", properties::codec);
}

#[test]
fn message() {
    replay("message", properties::message);
}

#[test]
fn session() {
    replay("session", properties::session);
}

#[test]
fn body() {
    replay("body", properties::body);
}

#[test]
fn config() {
    replay("config", properties::config);
}
