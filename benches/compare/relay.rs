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
        let noted = originates.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // If Asterisk has ended, the daemon sees a closed connection.
                let Ok(server) = TcpStream::connect(&asterisk) else { continue };
                let noted = noted.clone();
                for stream in [&client, &server] {
                    stream.set_nodelay(true).expect("no delay");
                }
                let both = |stream: &TcpStream| stream.try_clone().expect("a clone");
                let (to_client, from_server) = (both(&client), both(&server));
                thread::spawn(move || pass_on(client, server, &noted));
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

fn pass_on(mut client: TcpStream, mut server: TcpStream, originates: &Mutex<Vec<Instant>>) {
    let (mut buffer, mut unended) = (vec![0; 64 * 1024], Vec::new());
    while let Ok(read @ 1..) = client.read(&mut buffer) {
        let now = Instant::now();
        unended.extend_from_slice(&buffer[..read]);
        let mut done = 0;
        while let Some(end) = memmem::find(&unended[done..], END) {
            let end = done + end + END.len();
            if unended[done..end].starts_with(b"Action: Originate\r\n") {
                originates.lock().expect("a lock").push(now);
            }
            done = end;
        }
        unended.drain(..done);
        if server.write_all(&buffer[..read]).is_err() {
            return;
        }
    }
}
