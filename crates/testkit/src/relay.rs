//! A TCP relay that can be cut, or hold bytes back. A cut closes the connection at both ends. While
//! bytes are held back, both ends believe that the connection is alive.

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
    to: Mutex<String>,
    whole: AtomicBool,
    tried: AtomicUsize,
    streams: Mutex<Vec<TcpStream>>,
    there: Gate,
    back: Gate,
    delay: Mutex<Duration>,
}

impl Relay {
    pub fn start(to: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            to: Mutex::new(to.to_owned()),
            whole: AtomicBool::new(true),
            tried: AtomicUsize::new(0),
            streams: Mutex::default(),
            there: Gate::default(),
            back: Gate::default(),
            delay: Mutex::default(),
        });
        let accepting = shared.clone();
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                accepting.tried.fetch_add(1, Ordering::SeqCst);
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

    /// How many connections were accepted so far.
    pub fn accepted(&self) -> usize {
        self.shared.tried.load(Ordering::SeqCst)
    }

    /// Cuts all connections, drops what is held back, and refuses new connections.
    pub fn cut(&self) {
        self.shared.whole.store(false, Ordering::SeqCst);
        for stream in self.shared.streams.lock().expect("a lock").drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        self.resume();
    }

    /// Accepts connections again.
    pub fn restore(&self) {
        self.shared.whole.store(true, Ordering::SeqCst);
    }

    /// Holds everything back in both directions, like a network that drops packets. Connections are
    /// neither cut nor made.
    pub fn hold(&self) {
        self.shared.there.close();
        self.shared.back.close();
    }

    /// Delays everything by this time in each direction, the end of a connection, too.
    pub fn delay(&self, time: Duration) {
        *self.shared.delay.lock().expect("a lock") = time;
    }

    /// Holds back what the far end sends.
    pub fn hold_replies(&self) {
        self.shared.back.close();
    }

    /// Forwards again, first what was held back: a network repeats what was not acknowledged.
    pub fn resume(&self) {
        self.shared.there.open();
        self.shared.back.open();
    }
}

impl Shared {
    fn join(self: Arc<Self>, near: TcpStream) {
        self.there.pass();
        let to = self.to.lock().expect("a lock").clone();
        let Ok(far) = TcpStream::connect(to) else { return };
        {
            // `cut` finds the streams in the list, or its flag is seen here.
            let mut streams = self.streams.lock().expect("a lock");
            if !self.whole.load(Ordering::SeqCst) {
                return;
            }
            streams.extend([clone(&near), clone(&far)]);
        }
        let (from, to, shared) = (clone(&far), clone(&near), self.clone());
        thread::spawn(move || carry(from, to, &shared.back, &shared.delay));
        carry(near, far, &self.there, &self.delay);
    }
}

/// Bytes wait here while the gate is closed.
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
