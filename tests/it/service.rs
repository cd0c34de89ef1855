//! The systemd unit in `dist/` is valid, and systemd rates its exposure as low.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

fn analyze(args: &[&str], unit: &Path) -> (Option<i32>, String) {
    let output = Command::new("systemd-analyze")
        .args(args)
        .arg(unit)
        .output()
        .expect("systemd-analyze runs");
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn systemd_accepts_the_unit_as_well_sandboxed() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("dist/originatord.service");
    let text = std::fs::read_to_string(shipped).expect("a file");
    let folder = TempDir::new().expect("a folder");
    let unit = folder.path().join("originatord.service");
    let verify = |text: &str| {
        // The program is not installed, so the unit names the one under test.
        let text = text.replace("/usr/bin/originatord", env!("CARGO_BIN_EXE_originatord"));
        std::fs::write(&unit, text).expect("a written file");
        analyze(&["verify", "--man=no"], &unit)
    };
    assert_eq!(verify(&text), (Some(0), String::new()));
    assert_ne!(verify(&text.replace("LockPersonality", "LockPersonalty")).1, "");
    // systemd rates exposure from 0 to 100. A unit without sandbox settings has 96.
    let (code, report) = analyze(&["security", "--offline=yes", "--threshold=15"], &unit);
    assert_eq!(code, Some(0), "{report}");
}
