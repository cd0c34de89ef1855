//! Whether the cost of a request grows with the number of live calls: the engine alone, with an Asterisk that
//! answers at once, among 10 live calls and among 50 000, in turns.
//!
//! `cargo bench --bench engine`, with `--smoke` for a few rounds only.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use originatord::ami::codec::Received;
use originatord::ami::frame::Frame;
use originatord::call::filter::Filter;
use originatord::call::{CallId, Number, lock_id};
use originatord::clock::Now;
use originatord::config::Config;
use originatord::engine::{Effect, Engine, EngineSettings};
use originatord::handle::Request;

const CONFIG: &str = "
    [[api_keys]]
    name = 'bot'
    key = 'k3y-of-the-bot'
    [[asterisk]]
    address = '127.0.0.1:5038'
    username = 'originatord'
    secret = 'secret'
    auth = 'plain'
";

fn main() {
    let smoke = std::env::args().any(|arg| arg == "--smoke");
    let (many, rounds, calls) = if smoke { (1_000, 3, 50) } else { (50_000, 40, 1_000) };
    let (mut few, mut full) = (World::new(10), World::new(many));
    let (mut among_few, mut among_many) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        among_few.push(few.time(calls));
        among_many.push(full.time(calls));
    }
    let (among_few, among_many) = (median(among_few) / calls, median(among_many) / calls);
    let ratio = among_many.as_secs_f64() / among_few.as_secs_f64();
    println!("a whole call, from request to end, {rounds} rounds of {calls} in turns");
    println!("among     10 live calls   {among_few:>9.3?}");
    println!("among {many:>6} live calls   {among_many:>9.3?}");
    println!("ratio {ratio:.2}");
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// An engine with calls that live on.
struct World {
    engine: Engine<(), ()>,
    next: u64,
    answered: usize,
}

impl World {
    fn new(live: u64) -> Self {
        let config = Config::parse(CONFIG, Path::new("")).unwrap_or_else(|_| panic!("the configuration is good"));
        let settings = EngineSettings::new(&config).expect("the configuration is good");
        let engine = Engine::new(settings, fastrand::Rng::with_seed(1), Now::read());
        let mut world = Self { engine, next: 100_000_000, answered: 0 };
        world.log_in();
        for _ in 0..live {
            world.begin();
        }
        assert_eq!(world.engine.list(&Filter::default(), 0).live_total as u64, live);
        world
    }

    fn log_in(&mut self) {
        self.engine.tick(Now::read());
        self.engine.connected(Now::read());
        self.engine.receive(Now::read(), Received::Banner("Asterisk Call Manager/11.0.0".into()));
        self.settle();
        for answer in [
            "Response: Success\r\nActionID: 1",
            "Response: Success\r\nActionID: 2\r\nEventList: start",
            "Event: CoreShowChannelsComplete\r\nActionID: 2",
            "Response: Success\r\nActionID: 3",
        ] {
            self.receive(answer.to_owned());
        }
    }

    /// A call that Asterisk accepts; returns its id and its lock's.
    fn begin(&mut self) -> (String, String) {
        self.next += 1;
        let number: Number = self.next.to_string().parse().expect("a number");
        let request = Request {
            number,
            room: "R1".parse().expect("a room"),
            caller_id: "Bob".parse().expect("a caller id"),
            lang: "ru".parse().expect("a language"),
            key: "bot".into(),
        };
        self.engine.originate(Now::read(), request, ());
        let before = self.answered;
        let id = originated(&self.settle());
        let lock = lock_id(number);
        self.receive(format!("Response: Success\r\nActionID: {id}\r\nMessage: Originate successfully queued"));
        self.event("Newchannel", &id, &id);
        self.event("Newchannel", &lock, &id);
        assert_eq!(self.answered, before + 1);
        (id, lock)
    }

    fn end(&mut self, (id, lock): &(String, String)) {
        for (event, uniqueid) in
            [("Newchannel", &*format!("leg-{id}")), ("Hangup", &*format!("leg-{id}")), ("Hangup", id), ("Hangup", lock)]
        {
            self.event(event, uniqueid, id);
        }
        self.receive(format!("Event: OriginateResponse\r\nActionID: {id}\r\nResponse: Failure\r\nReason: 5"));
    }

    fn time(&mut self, calls: u32) -> Duration {
        let live = self.engine.list(&Filter::default(), 0).live_total;
        let began = Instant::now();
        for _ in 0..calls {
            let call = self.begin();
            self.end(&call);
        }
        let time = began.elapsed();
        assert_eq!(self.engine.list(&Filter::default(), 0).live_total, live, "every call has ended");
        time
    }

    fn event(&mut self, event: &str, uniqueid: &str, linkedid: &str) {
        self.receive(format!("Event: {event}\r\nUniqueid: {uniqueid}\r\nLinkedid: {linkedid}\r\nCause: 17"));
    }

    fn receive(&mut self, frame: String) {
        self.engine.receive(Now::read(), Received::Frame(Frame::new(frame.into())));
        self.settle();
    }

    /// Lets the engine do what is due; returns what it sends.
    fn settle(&mut self) -> Vec<u8> {
        self.engine.tick(Now::read());
        let output = self.engine.output().map(|output| output.split().to_vec()).unwrap_or_default();
        for effect in self.engine.take_effects() {
            if matches!(effect, Effect::Originated((), Ok(_))) {
                self.answered += 1;
            }
        }
        output
    }
}

/// The id of the call that this action makes.
fn originated(action: &[u8]) -> String {
    let text = std::str::from_utf8(action).expect("an action");
    let id = text.lines().find_map(|line| line.strip_prefix("ActionID: ")).expect("an id");
    assert!(id.parse::<CallId>().is_ok_and(|id| id.time() <= SystemTime::now()), "{text}");
    id.to_owned()
}
