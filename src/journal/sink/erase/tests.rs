//! Erasing a number from the journal's files, and the report about it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;

const NUMBER: &str = "79991234567";

struct Case {
    folder: TempDir,
    settings: JournalFile,
}

impl Case {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let settings =
            JournalFile { path: folder.path().join("calls.jsonl"), max_size: 1 << 20, keep: 2 };
        Self { folder, settings }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(self, name: &str, text: impl AsRef<[u8]>) -> Self {
        fs::write(self.path(name), text).unwrap();
        self
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn erase(&self) -> Erased {
        erase_in_files(&self.settings, NUMBER.parse().unwrap())
    }
}

fn record(seq: u64, number: &str, caller_id: &str) -> String {
    format!(
        "{{\"seq\":{seq},\"time\":\"2026-11-24T12:00:00.000Z\",\"event\":\"call.queued\",\"number\":\"{number}\",\
         \"caller_id\":\"{caller_id}\",\"key\":\"bot\"}}\n"
    )
}

fn count(count: usize) -> Erased {
    Erased { count, ..Erased::default() }
}

#[test]
fn torn_line_loses_the_number_or_its_beginning() {
    let whole = record(1, "+79990000000", "x");
    for torn in [
        record(2, "+79991234567", "x").trim_end(),
        "{\"seq\":2,\"number\":\"+79991234567\",\"cal",
        "{\"seq\":2,\"number\":\"+79991234567",
        "{\"seq\":2,\"number\":\"+799912345",
    ] {
        let case = Case::new().file("calls.jsonl", whole.clone() + torn);
        assert_eq!(case.erase(), count(1), "{torn}");
        let text = case.text("calls.jsonl");
        assert!(!text.contains("7999123") && text.starts_with(&whole), "{text}");
        assert_eq!(text.len(), whole.len() + torn.len());
    }
}

#[test]
fn record_behind_nuls_becomes_an_erased_record() {
    let nuls = vec![0; 3 * TAIL as usize + 17];
    let text =
        [&nuls[..], record(7, "+79991234567", "x").as_bytes(), record(8, "+7998", "x").as_bytes()]
            .concat();
    let case = Case::new().file("calls.jsonl", &text);
    assert_eq!(case.erase(), count(1));
    let left = fs::read(case.path("calls.jsonl")).unwrap();
    assert_eq!(left.len(), text.len());
    let left = String::from_utf8(left).unwrap();
    assert!(
        !left.contains(NUMBER) && left.contains("{\"seq\":7,\"time\":") && left.contains("+7998"),
        "{left:?}"
    );
}

#[test]
fn line_that_is_no_record_loses_the_digits_only() {
    let lines =
        "copied by hand: +79991234567, 0079991234567, 7999•••4567\n179991234567 799912345678\n";
    let case = Case::new().file("calls.jsonl.1", lines);
    assert_eq!(case.erase(), count(1));
    let expected = "copied by hand: +xxxxxxxxxxx, 00xxxxxxxxxxx, xxxxxxxxxxxxxxxxx\n179991234567 799912345678\n";
    assert_eq!(case.text("calls.jsonl.1"), expected);
}

#[test]
fn number_is_found_where_a_long_line_is_read_in_parts() {
    for before in TAIL as usize - 12..=TAIL as usize + 1 {
        let case = Case::new().file("calls.jsonl", "x".repeat(before) + NUMBER + "y\n");
        case.erase();
        assert!(!case.text("calls.jsonl").contains(NUMBER), "{before}");
    }
}

#[test]
fn carried_line_without_a_number_of_its_own_is_erased() {
    let line = record(1, "+79991234567", "x").replace("\"seq\":1,", "");
    let case = Case::new().file("calls.jsonl", line);
    assert_eq!(case.erase(), count(1));
    let text = case.text("calls.jsonl");
    assert!(
        text.starts_with("{\"time\":\"2026-11-24T12:00:00.000Z\",\"event\":\"erased\"} "),
        "{text}"
    );
}

#[test]
fn other_calls_stay_and_their_mention_is_reported() {
    let other = record(79_991_234_567, "+7998", "call +79991234567 back");
    let numbered = record(79_991_234_567, "+7998", "x");
    let case = Case::new().file("calls.jsonl", other.clone() + &numbered);
    let erased = case.erase();
    assert_eq!((erased.count, erased.failed.len(), erased.kept.len()), (0, 0, 1), "{erased:?}");
    assert!(erased.kept[0].contains("1 records of other calls"), "{erased:?}");
    assert_eq!(case.text("calls.jsonl"), other + &numbered);
}

#[test]
fn every_rotated_file_is_cleaned_and_copies_are_named() {
    let line = record(1, "+79991234567", "x");
    let case = Case::new()
        .file("calls.jsonl", &line)
        .file("calls.jsonl.2", &line)
        // More than are kept now, and with a hole before it.
        .file("calls.jsonl.12", &line)
        .file("calls.jsonl-20261126", &line)
        .file("calls.jsonl-20261125", record(1, "+7998", "x"))
        .file("calls.jsonl.1.gz", "");
    let erased = case.erase();
    assert_eq!((erased.count, &*erased.failed), (3, &[][..]), "{erased:?}");
    let named = |name: &str| {
        erased.kept.iter().any(|kept| kept.contains(&format!("/{name} is not the daemon's")))
    };
    assert!(
        named("calls.jsonl-20261126") && named("calls.jsonl.1.gz") && erased.kept.len() == 2,
        "{erased:?}"
    );
    assert_eq!(case.text("calls.jsonl-20261126"), line);
}

#[test]
fn files_behind_a_link_are_cleaned_where_they_are() {
    let line = record(1, "+79991234567", "x");
    let case = Case::new();
    fs::create_dir(case.path("data")).unwrap();
    symlink("data/real.jsonl", case.path("calls.jsonl")).unwrap();
    let case = case.file("data/real.jsonl", &line).file("data/real.jsonl.1", &line);
    assert_eq!(case.erase(), count(2));
}

#[test]
fn one_file_that_cannot_be_changed_does_not_spare_the_others() {
    let line = record(1, "+79991234567", "x");
    let case = Case::new().file("calls.jsonl", &line).file("calls.jsonl.2", &line);
    fs::create_dir(case.path("calls.jsonl.1")).unwrap();
    let erased = case.erase();
    assert_eq!((erased.count, erased.failed.len()), (2, 1), "{erased:?}");
    assert!(
        erased.failed[0].contains("calls.jsonl.1 cannot be changed: it is a folder"),
        "{erased:?}"
    );
}

#[test]
fn file_that_cannot_be_written_matters_only_if_it_has_the_number() {
    // Nobody, not even root, can write to the file of a running program.
    let program = fs::read("/bin/sleep").unwrap();
    for (more, failed) in [("\n+79991234567\n", 1), ("\n+79991230000\n", 0)] {
        let case = Case::new().file("calls.jsonl", record(1, NUMBER, "x"));
        let path = case.path("calls.jsonl.1");
        fs::write(&path, [&program[..], more.as_bytes()].concat()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let mut running = std::process::Command::new(&path).arg("600").spawn().unwrap();
        let erased = case.erase();
        running.kill().unwrap();
        running.wait().unwrap();
        assert_eq!((erased.count, erased.failed.len()), (1, failed), "{erased:?}");
        assert!(
            erased.failed.iter().all(|left| left.contains("calls.jsonl.1 cannot be changed: ")),
            "{erased:?}"
        );
    }
}
