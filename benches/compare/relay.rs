//! A relay between the daemon and Asterisk, which records the time of each Originate.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use memchr::memmem;

/// The end of an action.
const END: &[u8] = b"\r\n\r\n";

/// A relay to one Asterisk.
pub(crate) struct Relay {
    /// Address of the relay.
    pub address: SocketAddr,
    originates: Arc<Mutex<Vec<Instant>>>,
}

impl Relay {
    /// Relays connections to the Asterisk at `asterisk` until this process ends.
    pub(crate) fn start(asterisk: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (asterisk, originates) = (asterisk.to_owned(), Arc::new(Mutex::new(Vec::new())));
        let recorded = originates.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // If Asterisk has ended, the daemon sees a closed connection.
                let Ok(server) = TcpStream::connect(&asterisk) else { continue };
                let recorded = recorded.clone();
                for stream in [&client, &server] {
                    stream.set_nodelay(true).expect("no delay");
                }
                let to_client = client.try_clone().expect("a clone");
                let from_server = server.try_clone().expect("a clone");
                thread::spawn(move || relay_actions(client, server, &recorded));
                thread::spawn(move || io::copy(&mut &from_server, &mut &to_client));
            }
        });
        Self { address, originates }
    }

    /// The time of each Originate.
    pub(crate) fn originates(&self) -> Vec<Instant> {
        self.originates.lock().expect("a lock").clone()
    }
}

/// Copies bytes from the daemon to Asterisk, and records the time of each Originate among them.
fn relay_actions(mut client: TcpStream, mut server: TcpStream, originates: &Mutex<Vec<Instant>>) {
    let mut buffer = vec![0; 64 * 1024];
    // The beginning of an action whose end has not arrived.
    let mut incomplete = Vec::new();
    while let Ok(read @ 1..) = client.read(&mut buffer) {
        let now = Instant::now();
        incomplete.extend_from_slice(&buffer[..read]);
        let mut done = 0;
        while let Some(end) = memmem::find(&incomplete[done..], END) {
            let end = done + end + END.len();
            if incomplete[done..end].starts_with(b"Action: Originate\r\n") {
                originates.lock().expect("a lock").push(now);
            }
            done = end;
        }
        incomplete.drain(..done);
        if server.write_all(&buffer[..read]).is_err() {
            return;
        }
    }
}
