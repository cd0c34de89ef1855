//! The shell around the simulator: `originatord simulate` listens, and plays it in real time.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use clap::{Args, ValueEnum};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::sleep_until;

use super::Version;
use super::scenario::Scenario;
use super::session::User;
use super::simulator::{Settings, Simulator};
use crate::clock::Now;
use crate::exit::{EX_CONFIG, EX_OSERR, EX_UNAVAILABLE};
use crate::signals::Signals;

/// Most connections at once; further ones wait.
const MAX_CONNECTIONS: usize = 256;

/// How much is read at once, in bytes.
const READ_BUFFER: usize = 16 * 1024;

/// The arguments of `originatord simulate`.
#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// IP address and port to listen on; port 0 is any that is free.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:5038")]
    listen: SocketAddr,
    /// Numbers that behave otherwise, other times, and faults; a TOML file.
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// The version that is played.
    #[arg(long, value_enum, default_value = "22")]
    asterisk: Played,
    /// What chance is made of: the same seed gives the same order of events.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The AMI user.
    #[arg(long, default_value = "originatord")]
    username: String,
    /// Its secret; the default is that of the samples.
    #[arg(long, default_value = "change-me")]
    secret: String,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Played {
    #[value(name = "22")]
    V22,
    #[value(name = "16")]
    V16,
}

/// The end of the help of `simulate`.
pub const HELP: &str = "\
The last three digits of a number choose what the callee does:
  404     is not on Telegram
  420     has a number that the gateway does not take
  480     rings for half a second, and nobody picks up
  486     is busy
  500     cannot be called: Telegram rate-limits the gateway for 291 s (FLOOD_WAIT)
  603     declines
  180     rings for ever
  408     is never heard of
  200     answers after 1 s, and hangs up 3 s later
  others  answer after 1 s and stay

A scenario file changes that. All of it can be left out:
  [timing]                # dial, wait (before the conference), beep, leave, lock_lingers
  wait = \"0s\"
  [[callee]]              # the first that matches counts
  number = \"7999*1\"       # digits, ? for any one, * for any others
  ring_after = \"500ms\"    # without it, it does not ring
  answer_after = \"4s\"     # or: sip = 503, words = \"Service Unavailable\", refuse_after = \"1s\",
                          # cause = 34
  talk = \"10s\"            # without it, the callee stays
  [faults]                # stop_reading, stop_writing, delay, cut_after, cut_before_receipt,
  drop = 0.01             # repeat, drop, reorder, garbage, endless_line, endless_headers, flood,
                          # refuse_all (as after `core stop gracefully`), no_call_events
The AMI action SimFault sets the same faults while it runs, and `Restart: true` starts Asterisk
anew.

Exit codes:
  0    ended by SIGINT or SIGTERM
  64   the command line is wrong
  69   the address is taken
  71   the operating system refuses
  78   the scenario is wrong";

/// Plays until SIGINT or SIGTERM.
pub async fn run(args: SimulateArgs) -> ExitCode {
    let scenario = match args.scenario.as_deref().map(Scenario::load).transpose() {
        Ok(scenario) => scenario.unwrap_or_default(),
        Err(error) => {
            let file = args.scenario.unwrap_or_default();
            eprintln!("{}: {}", file.display(), error.to_string().trim_end());
            return ExitCode::from(EX_CONFIG);
        }
    };
    let version = match args.asterisk {
        Played::V22 => Version::V22,
        Played::V16 => Version::V16,
    };
    let user = User { name: args.username, secret: args.secret };
    let settings = Settings { version, user, scenario, seed: args.seed };
    let listener = match TcpListener::bind(args.listen).await {
        Ok(listener) => listener,
        Err(error) => {
            eprintln!("originatord: cannot listen on {}: {error}", args.listen);
            return ExitCode::from(EX_UNAVAILABLE);
        }
    };
    match serve(listener, settings).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("originatord: {error}");
            ExitCode::from(EX_OSERR)
        }
    }
}

async fn serve(listener: TcpListener, settings: Settings) -> io::Result<()> {
    let mut signals = Signals::new()?;
    say(&format!(
        "Asterisk {} is simulated on {}",
        settings.version.asterisk(),
        listener.local_addr()?
    ));
    let world = World::new(Simulator::new(settings, Now::read()));
    let clock = tokio::spawn(keep_time(world.clone()));
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let accept = async {
        while let Ok(slot) = slots.clone().acquire_owned().await {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let world = world.clone();
                    tokio::spawn(async move {
                        converse(world, stream).await;
                        drop(slot);
                    });
                }
                // Out of descriptors, most likely; some come back.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    };
    tokio::select! {
        () = accept => {}
        _ = signals.stop() => {}
    }
    clock.abort();
    Ok(())
}

/// Tells whoever waits for it, even through a pipe, that calls can be made.
fn say(line: &str) {
    use std::io::Write;
    let mut stdout = io::stdout().lock();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

/// The simulator, shared by all connections, and a sign for them when something has changed.
#[derive(Clone)]
struct World {
    simulator: Arc<Mutex<Simulator>>,
    changed: watch::Sender<()>,
}

impl World {
    fn new(simulator: Simulator) -> Self {
        Self { simulator: Arc::new(Mutex::new(simulator)), changed: watch::Sender::new(()) }
    }

    /// Never held while anything is waited for.
    fn lock(&self) -> MutexGuard<'_, Simulator> {
        self.simulator.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Simulator) -> T) -> T {
        let changed = change(&mut self.lock());
        self.changed.send_replace(());
        changed
    }
}

async fn keep_time(world: World) {
    let mut changed = world.changed.subscribe();
    loop {
        let deadline = world.lock().deadline();
        let due = async {
            match deadline {
                Some(deadline) => sleep_until(deadline.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = due => world.change(|simulator| simulator.tick(Now::read())),
            _ = changed.changed() => {}
        }
    }
}

async fn converse(world: World, mut stream: TcpStream) {
    // Asterisk does so as well: an event is not to wait for the next one.
    let _ = stream.set_nodelay(true);
    let mut changed = world.changed.subscribe();
    let id = world.change(|simulator| simulator.connect(Now::read()));
    let (mut reader, mut writer) = stream.split();
    let (mut input, mut output) = (vec![0; READ_BUFFER], BytesMut::new());
    loop {
        let (reads, is_over) = {
            let mut simulator = world.lock();
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
                Ok(count) => world.change(|simulator| simulator.receive(Now::read(), id, &input[..count])),
            },
            written = writer.write(&output), if !output.is_empty() => match written {
                Ok(0) | Err(_) => break,
                Ok(count) => output.advance(count),
            },
            _ = changed.changed() => {}
        }
    }
    world.change(|simulator| simulator.disconnect(id));
}
