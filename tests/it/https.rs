//! HTTPS, and a certificate that is renewed while the daemon runs.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use testkit::ami::{FakeAsterisk, OnOriginate};
use testkit::daemon::{Ami, Daemon, KEY};
use testkit::program::{Program, command, run};
use testkit::tls::Ca;
use testkit::{eventually, http};

/// Writes a new certificate of this CA to the daemon's files.
fn renew(folder: &Path, ca: &Ca) {
    let (certificate, key) = ca.pem("localhost");
    fs::write(folder.join("http.crt"), certificate).expect("a written file");
    fs::write(folder.join("http.key"), key).expect("a written file");
}

fn start(ca: &Ca) -> (FakeAsterisk, Daemon) {
    let asterisk = FakeAsterisk::start(OnOriginate::Accept);
    let folder = tempfile::tempdir().expect("a folder");
    renew(folder.path(), ca);
    let tls = "tls = { cert_file = \"http.crt\", key_file = \"http.key\" }";
    let ami = Ami { address: &asterisk.address.to_string(), secret: "secret" };
    (asterisk, Daemon::start_in(folder, &ami, &[("http", tls)]))
}

/// A `tail` over HTTPS that trusts this CA.
fn tail(daemon: &Daemon, ca: &Ca) -> std::process::Command {
    let (url, ca) = (format!("https://localhost:{}", daemon.address.port()), ca.file());
    let mut tail = command(&[
        "tail",
        "--json",
        "--since",
        "0",
        "--url",
        &url,
        "--ca-file",
        ca.to_str().expect("a path"),
    ]);
    tail.env("ORIGINATORD_KEY", KEY);
    tail
}

#[test]
fn tail_works_over_tls_and_renewed_certificates() {
    let (old, new) = (Ca::generate(), Ca::generate());
    let (_asterisk, daemon) = start(&old);
    let before = Program::start(tail(&daemon, &old));
    before.wait_for("ami.connected");

    renew(daemon.folder.path(), &new);
    daemon.signal("-HUP");
    eventually("the daemon reloads", || {
        daemon.output().contains("configuration reloaded").then_some(())
    });
    Program::start(tail(&daemon, &new)).wait_for("ami.connected");
    let stranger = Program::start(tail(&daemon, &old));
    let said = eventually("tail reports the fault", || stranger.stderr().first().cloned());
    assert!(said.contains("TLS") && stranger.stdout().is_empty(), "{said}");

    // The daemon refuses a malformed certificate, and connected clients stay connected.
    fs::write(daemon.folder.path().join("http.crt"), "none").expect("a written file");
    daemon.signal("-HUP");
    eventually("the daemon refuses the reload", || {
        daemon.output().contains("not reloaded").then_some(())
    });
    Program::start(tail(&daemon, &new)).wait_for("ami.connected");
    assert!(before.stderr().is_empty(), "{:?}", before.stderr());
}

#[test]
fn plain_client_gets_nothing_and_blocks_nothing() {
    let ca = Ca::generate();
    let (_asterisk, daemon) = start(&ca);
    let mut plain = http::connect(daemon.address);
    std::io::Write::write_all(&mut plain, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        .expect("a sent request");
    let mut answer = Vec::new();
    let _ = std::io::Read::read_to_end(&mut plain, &mut answer);
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    Program::start(tail(&daemon, &ca)).wait_for("ami.connected");
}

#[test]
fn stream_closed_over_tls_frees_its_slot() {
    let ca = Ca::generate();
    let asterisk = FakeAsterisk::start(OnOriginate::Accept);
    let folder = tempfile::tempdir().expect("a folder");
    renew(folder.path(), &ca);
    let http = "max_connections = 2\ntls = { cert_file = \"http.crt\", key_file = \"http.key\" }";
    let ami = Ami { address: &asterisk.address.to_string(), secret: "secret" };
    let daemon = Daemon::start_in(folder, &ami, &[("http", http)]);
    let (url, ca) = (format!("https://localhost:{}/api/events", daemon.address.port()), ca.file());
    // curl sends close_notify before it closes the connection.
    let watch = || {
        let mut curl = std::process::Command::new("curl");
        curl.args([
            "-sN",
            "--max-time",
            "0.3",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            "--cacert",
        ]);
        let output = curl
            .arg(&ca)
            .arg("-H")
            .arg(format!("X-Api-Key: {KEY}"))
            .arg(&url)
            .output()
            .expect("curl runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let began = Instant::now();
    for _ in 0..10 {
        eventually("a slot is free", || (watch() == "200").then_some(()));
    }
    assert!(began.elapsed() < Duration::from_secs(100), "{:?}", began.elapsed());
}

#[test]
fn check_names_an_unusable_certificate() {
    let (a, b) = (Ca::generate().pem("localhost"), Ca::generate().pem("localhost"));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("config.toml");
    let config = "[http]\ntls = { cert_file = \"c\", key_file = \"k\" }\n[[api_keys]]\nname = \"a\"\nkey = \"s3cret-key\"\n\
                  [[asterisk]]\naddress = \"a:1\"\nusername = \"u\"\nsecret = \"s\"\n";
    fs::write(&path, config).expect("a written file");
    for (certificate, key, is_good) in
        [(&a.0, &a.1, true), (&a.0, &b.1, false), (&a.1, &a.1, false), (&a.0, &a.0, false)]
    {
        fs::write(folder.path().join("c"), certificate).expect("a written file");
        fs::write(folder.path().join("k"), key).expect("a written file");
        let ended = run(command(&["check", "--config", path.to_str().expect("a path")]));
        assert_eq!(ended.code, Some(if is_good { 0 } else { 78 }), "{ended:?}");
        assert!(is_good || ended.stderr.contains(":2: http.tls: "), "{ended:?}");
        assert!(!ended.stderr.contains("PRIVATE"), "{ended:?}");
    }
}
