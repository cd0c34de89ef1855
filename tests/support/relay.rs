//! A TCP relay that can be cut and mended, to take the link away from both ends at once.

use std::io::copy;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// The relay.
pub struct Relay {
    pub address: SocketAddr,
    to: Arc<Mutex<String>>,
    whole: Arc<AtomicBool>,
    tried: Arc<AtomicUsize>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
}

impl Relay {
    pub fn start(to: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (whole, streams) = (Arc::new(AtomicBool::new(true)), Arc::new(Mutex::new(Vec::new())));
        let (to, tried) = (Arc::new(Mutex::new(to.to_owned())), Arc::new(AtomicUsize::new(0)));
        let (is_whole, kept, goal, count) = (whole.clone(), streams.clone(), to.clone(), tried.clone());
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                count.fetch_add(1, Ordering::SeqCst);
                let goal = goal.lock().expect("a lock").clone();
                let far = if is_whole.load(Ordering::SeqCst) { TcpStream::connect(goal).ok() } else { None };
                if let Some(far) = far {
                    kept.lock().expect("a lock").extend([clone(&near), clone(&far)]);
                    pass(clone(&near), clone(&far));
                    pass(far, near);
                }
            }
        });
        Self { address, to, whole, tried, streams }
    }

    /// Lets connections from now on through to somewhere else.
    pub fn turn_to(&self, to: SocketAddr) {
        *self.to.lock().expect("a lock") = to.to_string();
    }

    /// How many connections were tried so far.
    pub fn tried(&self) -> usize {
        self.tried.load(Ordering::SeqCst)
    }

    /// Cuts what is connected, and lets nobody through.
    pub fn cut(&self) {
        self.whole.store(false, Ordering::SeqCst);
        for stream in self.streams.lock().expect("a lock").drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Lets connections through again.
    pub fn mend(&self) {
        self.whole.store(true, Ordering::SeqCst);
    }
}

fn clone(stream: &TcpStream) -> TcpStream {
    stream.try_clone().expect("a clone")
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    thread::spawn(move || {
        let _ = copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
}
