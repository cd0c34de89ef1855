//! AMI over TLS: the daemon logs in only to a server that proves its name.

use testkit::ami::{FakeAsterisk, OnOriginate};
use testkit::daemon::{Ami, Daemon, KEY};
use testkit::eventually;
use testkit::http::Reply;
use testkit::program::{command, run};
use testkit::tls::{Ca, TlsRelay};

const NAME: &str = "pbx.example.org";

const SECRET: &str = "hush-hush-secret";

/// The setting that trusts `ca` and expects this server name.
fn trusting(ca: &Ca, name: Option<&str>) -> String {
    let name = name.map(|name| format!(", server_name = \"{name}\"")).unwrap_or_default();
    format!("tls = {{ ca_file = \"{}\"{name} }}", ca.file().display())
}

/// Starts a daemon that must not log in. Asserts that its record, `/readyz` and its reply to a bot
/// give this reason, and that it sends and prints no secret.
fn assert_refused(asterisk: &FakeAsterisk, address: &str, settings: &str, why: &str) {
    // A plain login would send the secret itself.
    let settings = format!("auth = \"plain\"\n{settings}");
    let daemon =
        Daemon::start_unready(&Ami { address, secret: SECRET }, &[("asterisk", &settings)]);
    let record = daemon.wait_for_event("ami.disconnected");
    assert!(record["reason"].as_str().is_some_and(|reason| reason.contains(why)), "{record}");
    let says_why =
        |reply: &Reply| reply.json()["error"].as_str().is_some_and(|error| error.contains(why));
    let ready = eventually("the daemon is not ready and gives the reason", || {
        Some(daemon.get("/readyz")).filter(says_why)
    });
    assert_eq!(ready.status, 503, "{ready:?}");
    let bot = daemon.call("79990000001", "R1");
    assert!(bot.status == 503 && says_why(&bot), "{bot:?}");
    assert!(
        !daemon.output().contains(SECRET) && !daemon.output().contains(KEY),
        "{}",
        daemon.output()
    );
    assert!(asterisk.actions("Login").is_empty() && asterisk.actions("Challenge").is_empty());
}

#[test]
fn link_over_tls_is_reconnected() {
    let asterisk = FakeAsterisk::start(OnOriginate::Accept);
    let ca = Ca::generate();
    let relay = TlsRelay::start(ca.server(NAME, false), asterisk.address);
    let ami = Ami { address: &relay.address.to_string(), secret: SECRET };
    let daemon = Daemon::start(&ami, &[("asterisk", &trusting(&ca, Some(NAME)))]);
    daemon.call_ok("79990000001", "R1");
    assert_eq!(
        asterisk.wait_for("Originate", 1).get("Channel"),
        Some("Local/79990000001@telegram-out/n")
    );

    asterisk.cut();
    daemon.wait_for_event("ami.disconnected");
    daemon.wait_ready();
    daemon.call_ok("79990000002", "R1");
    assert!(!daemon.output().contains(SECRET));

    // A killed Asterisk closes the connection without close_notify. That is no fault of its own.
    drop(relay);
    let reasons = || {
        daemon
            .records()
            .iter()
            .filter_map(|record| record["reason"].as_str().map(str::to_owned))
            .collect()
    };
    let reasons: Vec<String> = eventually("the link is lost", || {
        Some(reasons()).filter(|found: &Vec<_>| found.len() >= 2)
    });
    assert!(!reasons[1].contains("close_notify"), "{reasons:?}");
}

#[test]
fn address_gives_the_expected_server_name() {
    let asterisk = FakeAsterisk::start(OnOriginate::Accept);
    let ca = Ca::generate();
    let relay = TlsRelay::start(ca.server("127.0.0.1", false), asterisk.address);
    let ami = Ami { address: &relay.address.to_string(), secret: SECRET };
    Daemon::start(&ami, &[("asterisk", &trusting(&ca, None))]).call_ok("79990000001", "R1");
}

#[test]
fn server_without_valid_certificate_gets_no_login() {
    let asterisk = FakeAsterisk::start(OnOriginate::Accept);
    let (ca, other) = (Ca::generate(), Ca::generate());
    for (server, name, why) in [
        (other.server(NAME, false), Some(NAME), "UnknownIssuer"),
        (
            ca.server("other.example.org", false),
            Some(NAME),
            "certificate not valid for name \"pbx.example.org\"",
        ),
        (ca.server(NAME, false), None, "certificate not valid for name \"127.0.0.1\""),
        (ca.server(NAME, true), Some(NAME), "certificate expired"),
    ] {
        let relay = TlsRelay::start(server, asterisk.address);
        let address = relay.address.to_string();
        let why = format!("cannot connect to {address}: TLS: invalid peer certificate: {why}");
        assert_refused(&asterisk, &address, &trusting(&ca, name), &why);
    }
}

#[test]
fn port_without_tls_gets_no_login() {
    let asterisk = FakeAsterisk::start(OnOriginate::Accept);
    let address = asterisk.address.to_string();
    let why = format!("cannot connect to {address}: TLS: received corrupt message");
    assert_refused(&asterisk, &address, &trusting(&Ca::generate(), None), &why);
}

#[test]
fn port_with_tls_gets_no_plain_login() {
    let asterisk = FakeAsterisk::start(OnOriginate::Accept);
    let relay = TlsRelay::start(Ca::generate().server(NAME, false), asterisk.address);
    let settings = "connect_timeout = \"200ms\"";
    assert_refused(
        &asterisk,
        &relay.address.to_string(),
        settings,
        "the peer does not greet as Asterisk does",
    );
}

#[test]
fn check_names_tls_faults_and_knows_system_cas() {
    let asterisk = FakeAsterisk::start(OnOriginate::Accept);
    let (ca, other) = (Ca::generate(), Ca::generate());
    let relay = TlsRelay::start(ca.server("127.0.0.1", false), asterisk.address);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("config.toml");
    let config = format!(
        "[[api_keys]]\nname = \"bot\"\nkey = \"hush-hush-key\"\n[[asterisk]]\naddress = \"{}\"\n\
         username = \"me\"\nsecret = \"{SECRET}\"\ntls = true\n",
        relay.address
    );
    std::fs::write(&path, config).expect("a written file");
    let check = |system: &Ca| {
        let mut command =
            command(&["check", "--connect", "--config", path.to_str().expect("a path")]);
        command.env("SSL_CERT_FILE", system.file());
        let ended = run(command);
        assert!(!format!("{ended:?}").contains("hush"), "{ended:?}");
        ended
    };
    assert!(check(&ca).stdout.contains("ok       user me: logged in\n"));
    let refused = check(&other);
    assert_eq!(refused.code, Some(78));
    let expected =
        format!("failure  {}: TLS: invalid peer certificate: UnknownIssuer\n", relay.address);
    assert!(refused.stdout.ends_with(&expected), "{refused:?}");
}
