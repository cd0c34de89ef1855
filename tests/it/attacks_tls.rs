//! Endless or malformed TLS handshakes block no bot and take no memory.

use std::io::{Read, Write};
use std::net::TcpStream;

use originatord_net::tls::client_config;
use testkit::ami::{FakeAsterisk, OnOriginate};
use testkit::daemon::{Ami, Daemon};
use testkit::eventually;
use testkit::http::{self, post};
use testkit::resources::{peak, reset_peak, resident};
use testkit::tls::Ca;
use tokio_rustls::rustls::{ClientConnection, StreamOwned};

type TlsStream = StreamOwned<ClientConnection, TcpStream>;

fn start(ca: &Ca, max_connections: usize) -> (FakeAsterisk, Daemon) {
    let asterisk = FakeAsterisk::start(OnOriginate::Accept);
    let folder = tempfile::tempdir().expect("a folder");
    let (certificate, key) = ca.pem("localhost");
    std::fs::write(folder.path().join("http.crt"), certificate).expect("a written file");
    std::fs::write(folder.path().join("http.key"), key).expect("a written file");
    let tls = "tls = { cert_file = \"http.crt\", key_file = \"http.key\" }";
    let http = format!("{tls}\nmax_connections = {max_connections}");
    let ami = Ami { address: &asterisk.address.to_string(), secret: "secret" };
    let daemon = Daemon::start_in(folder, &ami, &[("http", &http)]);
    daemon.wait_for_event("ami.connected");
    (asterisk, daemon)
}

/// A connection with a completed handshake.
fn connect(daemon: &Daemon, ca: &Ca) -> TlsStream {
    let config = client_config(Some(&ca.file())).expect("a CA");
    let client =
        ClientConnection::new(config, "localhost".try_into().expect("a name")).expect("a client");
    let mut stream = StreamOwned::new(client, http::connect(daemon.address));
    stream.flush().expect("a handshake");
    stream
}

/// Requests a call over a connection of its own, which must succeed.
fn call(daemon: &Daemon, ca: &Ca, number: &str) {
    let mut stream = connect(daemon, ca);
    stream.write_all(&post(number)).expect("a sent request");
    let (mut reply, mut bytes) = (String::new(), [0; 4096]);
    while !reply.ends_with("}\n") {
        let read = stream.read(&mut bytes).expect("a reply");
        assert!(read > 0, "{reply}");
        reply.push_str(&String::from_utf8_lossy(&bytes[..read]));
    }
    assert!(
        reply.starts_with("HTTP/1.1 200 OK") && reply.ends_with("{\"message\":\"ok\"}\n"),
        "{reply}"
    );
}

/// A TLS record.
fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 3, 3], &(body.len() as u16).to_be_bytes()[..], body].concat()
}

#[test]
fn endless_handshakes_block_no_bot() {
    let ca = Ca::generate();
    let (_asterisk, daemon) = start(&ca, 4);
    // The first message of a client, which each connection cuts off at another byte.
    let mut hello = Vec::new();
    let config = client_config(Some(&ca.file())).expect("a CA");
    let mut client =
        ClientConnection::new(config, "localhost".try_into().expect("a name")).expect("a client");
    client.write_tls(&mut hello).expect("a hello");
    let cuts = [0, 1, 5, 9, 100, hello.len() - 1, hello.len()];
    // The daemon would wait ten seconds for each of these if no client needed a slot. The bot
    // connects last.
    let crowd: Vec<_> = cuts
        .iter()
        .cycle()
        .take(20)
        .map(|cut| {
            let mut stream = http::connect(daemon.address);
            stream.write_all(&hello[..*cut]).expect("a sent request");
            stream
        })
        .collect();
    let silent = connect(&daemon, &ca);
    call(&daemon, &ca, "79990000001");
    drop((crowd, silent));
}

#[test]
fn malformed_handshakes_take_no_memory() {
    let ca = Ca::generate();
    let (_asterisk, daemon) = start(&ca, 1024);
    call(&daemon, &ca, "79990000001");
    let (handshake, change_cipher, alert, data) = (22, 20, 21, 23);
    // A ClientHello that announces 16 MiB, and the beginning of its content.
    let endless = [&[1, 255, 255, 255][..], &[0; 16_000]].concat();
    let mut rng = fastrand::Rng::with_seed(1);
    let noise: Vec<u8> = (0..100_000).map(|_| rng.u8(..)).collect();
    let attacks = [
        [record(handshake, &endless), record(handshake, &[0; 16_000]).repeat(200)].concat(),
        record(handshake, &[]).repeat(10_000),
        record(change_cipher, &[1]).repeat(10_000),
        record(alert, &[1, 90]).repeat(10_000),
        record(data, &[0; 1000]).repeat(100),
        record(handshake, &noise[..16_000]).repeat(10),
        [&[22, 3, 1, 255, 255][..], &noise].concat(),
        noise,
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
    ];
    let pid = daemon.child.id();
    reset_peak(pid);
    let before = resident(pid);
    for attack in attacks.iter().cycle().take(3 * attacks.len()) {
        let mut stream = http::connect(daemon.address);
        // The daemon may close before it has read everything.
        let _ = stream.write_all(attack);
        let mut reply = Vec::new();
        let _ = stream.read_to_end(&mut reply);
        assert!(reply.len() < 100, "more than an alert: {reply:?}");
    }
    let grown = peak(pid).saturating_sub(before);
    println!("{grown} KiB");
    assert!(grown < 2 * 1024, "{grown} KiB more");
    call(&daemon, &ca, "79990000002");
}

#[test]
fn endless_key_renewal_is_cut_off() {
    let ca = Ca::generate();
    let (_asterisk, daemon) = start(&ca, 1024);
    let mut stream = connect(&daemon, &ca);
    let mut renew = || stream.conn.refresh_traffic_keys().is_ok() && stream.flush().is_ok();
    eventually("the daemon closes the connection", || (0..100).any(|_| !renew()).then_some(()));
    call(&daemon, &ca, "79990000001");
}
