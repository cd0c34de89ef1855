//! The simulator behind a TCP listener, in real time: the only part of `sim` that uses tokio.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::sleep_until;

use super::simulator::{Settings, Simulator};
use originatord_core::clock::Now;

/// Maximum of simultaneous connections; further ones wait in the listener's backlog.
const MAX_CONNECTIONS: usize = 256;

/// Size of the read buffer of a connection, in bytes.
const READ_BUFFER: usize = 16 * 1024;

/// Accepts AMI connections and serves the simulator on them until `shutdown` resolves.
pub async fn serve(listener: TcpListener, settings: Settings, shutdown: impl Future<Output = ()>) {
    let shared = SharedSimulator::new(Simulator::new(settings, Now::read()));
    let clock = tokio::spawn(run_clock(shared.clone()));
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let accept = async {
        while let Ok(slot) = slots.clone().acquire_owned().await {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let shared = shared.clone();
                    tokio::spawn(async move {
                        serve_connection(shared, stream).await;
                        drop(slot);
                    });
                }
                // Most likely all file descriptors are in use; some will be closed.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    };
    tokio::select! {
        () = accept => {}
        () = shutdown => {}
    }
    clock.abort();
}

/// The simulator, shared by all connections; each change notifies them and the clock.
#[derive(Clone)]
struct SharedSimulator {
    simulator: Arc<Mutex<Simulator>>,
    changed: watch::Sender<()>,
}

impl SharedSimulator {
    fn new(simulator: Simulator) -> Self {
        Self { simulator: Arc::new(Mutex::new(simulator)), changed: watch::Sender::new(()) }
    }

    /// Callers do not hold the lock across an await.
    fn lock(&self) -> MutexGuard<'_, Simulator> {
        self.simulator.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Simulator) -> T) -> T {
        let changed = change(&mut self.lock());
        self.changed.send_replace(());
        changed
    }
}

async fn run_clock(shared: SharedSimulator) {
    let mut changed = shared.changed.subscribe();
    loop {
        let deadline = shared.lock().deadline();
        let due = async {
            match deadline {
                Some(deadline) => sleep_until(deadline.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = due => shared.change(|simulator| simulator.tick(Now::read())),
            _ = changed.changed() => {}
        }
    }
}

async fn serve_connection(shared: SharedSimulator, mut stream: TcpStream) {
    // Like Asterisk, send each event at once, without waiting for more.
    let _ = stream.set_nodelay(true);
    let mut changed = shared.changed.subscribe();
    let id = shared.change(|simulator| simulator.connect(Now::read()));
    let (mut reader, mut writer) = stream.split();
    let (mut input, mut output) = (vec![0; READ_BUFFER], BytesMut::new());
    loop {
        let (reads, is_over) = {
            let mut simulator = shared.lock();
            if output.is_empty()
                && let Some(more) = simulator.output(id)
            {
                output = more.split();
            }
            (simulator.reads(id), simulator.is_over(id))
        };
        if is_over && output.is_empty() {
            break;
        }
        tokio::select! {
            read = reader.read(&mut input), if reads => match read {
                Ok(0) | Err(_) => break,
                Ok(count) => shared.change(|simulator| simulator.receive(Now::read(), id, &input[..count])),
            },
            written = writer.write(&output), if !output.is_empty() => match written {
                Ok(0) | Err(_) => break,
                Ok(count) => output.advance(count),
            },
            _ = changed.changed() => {}
        }
    }
    shared.change(|simulator| simulator.disconnect(id));
}
