//! A TCP relay between a near end, which connects to it, and a far end. It can cut connections, or
//! hold bytes back. A cut closes a connection at both ends; while the relay holds bytes back, both
//! ends believe that the connection is alive.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

/// The relay.
pub struct Relay {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    /// Address of the far end.
    to: Mutex<String>,
    /// New connections are relayed.
    accepts: AtomicBool,
    /// Number of connections so far.
    accepted: AtomicUsize,
    streams: Mutex<Vec<TcpStream>>,
    to_far: Gate,
    to_near: Gate,
    delay: Mutex<Duration>,
}

impl Relay {
    pub fn start(to: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            to: Mutex::new(to.to_owned()),
            accepts: AtomicBool::new(true),
            accepted: AtomicUsize::new(0),
            streams: Mutex::default(),
            to_far: Gate::default(),
            to_near: Gate::default(),
            delay: Mutex::default(),
        });
        let accepting = shared.clone();
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                accepting.accepted.fetch_add(1, Ordering::SeqCst);
                let shared = accepting.clone();
                thread::spawn(move || shared.join(near));
            }
        });
        Self { address, shared }
    }

    /// Forwards new connections to another address.
    pub fn forward_to(&self, to: SocketAddr) {
        *self.shared.to.lock().expect("a lock") = to.to_string();
    }

    /// Number of connections that were accepted so far.
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// Cuts all connections, drops the bytes that are held back, and refuses new connections.
    pub fn cut(&self) {
        self.shared.accepts.store(false, Ordering::SeqCst);
        for stream in self.shared.streams.lock().expect("a lock").drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        self.resume();
    }

    /// Accepts connections again.
    pub fn restore(&self) {
        self.shared.accepts.store(true, Ordering::SeqCst);
    }

    /// Holds all bytes back in both directions, like a network that drops packets. Connections stay
    /// open, and new ones wait.
    pub fn hold(&self) {
        self.shared.to_far.close();
        self.shared.to_near.close();
    }

    /// Delays all bytes, and the end of a connection, by this time in each direction.
    pub fn delay(&self, time: Duration) {
        *self.shared.delay.lock().expect("a lock") = time;
    }

    /// Holds back the bytes that the far end sends.
    pub fn hold_replies(&self) {
        self.shared.to_near.close();
    }

    /// Forwards again, beginning with the bytes that were held back: TCP repeats bytes that were
    /// not acknowledged.
    pub fn resume(&self) {
        self.shared.to_far.open();
        self.shared.to_near.open();
    }
}

impl Shared {
    fn join(self: Arc<Self>, near: TcpStream) {
        self.to_far.pass();
        let to = self.to.lock().expect("a lock").clone();
        let Ok(far) = TcpStream::connect(to) else { return };
        {
            // A concurrent `cut` finds these streams in the list, or this thread sees its flag.
            let mut streams = self.streams.lock().expect("a lock");
            if !self.accepts.load(Ordering::SeqCst) {
                return;
            }
            streams.extend([clone(&near), clone(&far)]);
        }
        let (from, to, shared) = (clone(&far), clone(&near), self.clone());
        thread::spawn(move || carry(from, to, &shared.to_near, &shared.delay));
        carry(near, far, &self.to_far, &self.delay);
    }
}

/// A gate, at which bytes wait while it is closed.
#[derive(Default)]
struct Gate {
    is_closed: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn close(&self) {
        *self.is_closed.lock().expect("a lock") = true;
    }

    fn open(&self) {
        *self.is_closed.lock().expect("a lock") = false;
        self.opened.notify_all();
    }

    fn pass(&self) {
        let is_closed = self.is_closed.lock().expect("a lock");
        drop(self.opened.wait_while(is_closed, |is_closed| *is_closed).expect("a lock"));
    }
}

fn clone(stream: &TcpStream) -> TcpStream {
    stream.try_clone().expect("a clone")
}

fn carry(mut from: TcpStream, mut to: TcpStream, gate: &Gate, delay: &Mutex<Duration>) {
    let mut buffer = [0; 16 * 1024];
    loop {
        let count = from.read(&mut buffer).unwrap_or(0);
        gate.pass();
        let delay = *delay.lock().expect("a lock");
        if !delay.is_zero() {
            crate::pause(delay);
        }
        if count == 0 || to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
