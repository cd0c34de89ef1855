//! A panic in any task ends the process with a message, so that no daemon continues without one of
//! its tasks.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

use testkit::ami::{FakeAsterisk, OnOriginate};
use testkit::daemon::{Ami, Daemon};
use testkit::eventually;
use testkit::resources::address_space;

#[test]
fn panic_in_a_task_ends_the_daemon() {
    let asterisk = FakeAsterisk::start(OnOriginate::Accept);
    // Looking up a name starts a thread, which ends after a pause.
    let address = format!("localhost:{}", asterisk.address.port());
    let with_stderr = ["sh", "-c", "exec \"$@\" 2>&1", "sh"];
    let mut daemon =
        Daemon::start_under(&with_stderr, &Ami { address: &address, secret: "secret" }, &[]);
    daemon.call_ok("79990000001", "R1");
    let pid = daemon.child.id();
    let threads =
        || std::fs::read_dir(format!("/proc/{pid}/task")).expect("a running process").count();
    let most = threads();
    eventually("the thread is gone", || (threads() < most).then_some(()));
    // Without memory for another thread, the runtime panics in the task that needs one: the driver,
    // when it connects.
    let limit = format!("--as={}", (address_space(pid) + 1024) * 1024);
    assert!(
        Command::new("prlimit")
            .args(["--pid", &pid.to_string(), &limit])
            .status()
            .expect("prlimit runs")
            .success()
    );
    asterisk.cut();
    let status = eventually("the daemon ends", || daemon.child.try_wait().expect("a child"));
    assert_eq!(status.signal(), Some(6), "{status}");
    eventually("the panic message is printed", || {
        daemon.output().contains("OS can't spawn worker thread").then_some(())
    });
    assert!(daemon.output().contains("panicked at"), "{}", daemon.output());
}

#[test]
fn panic_aborts_in_every_build_profile() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let manifest: toml::Table =
        std::fs::read_to_string(manifest).expect("the manifest").parse().expect("TOML");
    for profile in ["dev", "release"] {
        assert_eq!(manifest["profile"][profile]["panic"].as_str(), Some("abort"), "{profile}");
    }
    // Other profiles inherit from these two.
    let own = |(_, profile): (&String, &toml::Value)| profile.get("inherits").is_some();
    assert!(!manifest["profile"].as_table().expect("profiles").iter().any(own));
}
