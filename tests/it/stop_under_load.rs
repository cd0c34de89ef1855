//! A stop while a thousand bots wait: each of them gets an answer, and the daemon ends.

use std::time::Instant;

use testkit::ami::{FakeAsterisk, OnOriginate};
use testkit::daemon::{Ami, Daemon};
use testkit::http::{KeptAlive, assert_error, post};
use testkit::measured;
use testkit::resources::raise_open_files;
use testkit::sim::Simulator;

const BOTS: usize = 1000;

/// A drain timeout longer than any test waits: a stop that needs it fails the test.
const LONG_DRAIN: (&str, &str) = ("http", "drain_timeout = \"1h\"\nreply_timeout = \"1900ms\"");

fn number(bot: usize) -> String {
    // The last digits choose a callee that answers and stays.
    format!("7999{bot:03}0001")
}

/// Each bot requests a call, and the daemon is stopped meanwhile. Returns the status of each reply.
fn stop_in_the_middle(daemon: &mut Daemon, wait_for_the_middle: impl Fn()) -> Vec<u16> {
    let mut bots: Vec<_> = (0..BOTS).map(|_| KeptAlive::open(daemon.address)).collect();
    for bot in &mut bots {
        assert_eq!(bot.get("/healthz").status, 200);
    }
    for (n, bot) in bots.iter_mut().enumerate() {
        bot.send(&post(&number(n)));
    }
    wait_for_the_middle();
    daemon.signal("-TERM");
    let began = Instant::now();
    let answer = |bot: &mut KeptAlive| {
        let reply = bot.reply();
        if reply.status != 200 {
            assert_error(&reply, reply.status, "a refusal");
        }
        assert_eq!(bot.wait_close(), "");
        reply.status
    };
    let statuses = bots.iter_mut().map(answer).collect();
    assert_eq!(daemon.wait_exit(), Some(0));
    measured("a stop while 1000 bots wait", began.elapsed());
    statuses
}

#[test]
fn stop_answers_a_thousand_bots_without_asterisk() {
    raise_open_files();
    let asterisk = FakeAsterisk::start(OnOriginate::Silence);
    let ami = Ami { address: &asterisk.address.to_string(), secret: "secret" };
    let mut daemon = Daemon::start(&ami, &[LONG_DRAIN]);
    let statuses = stop_in_the_middle(&mut daemon, || _ = asterisk.wait_for("Originate", BOTS));
    assert!(statuses.iter().all(|status| *status == 504), "{statuses:?}");
    assert_eq!(asterisk.actions("Originate").len(), BOTS);
    asterisk.wait_for("Logoff", 1);
}

#[test]
fn stop_answers_a_thousand_bots_truthfully() {
    raise_open_files();
    let simulator = Simulator::start("22", "");
    let mut daemon = simulator.daemon(&[LONG_DRAIN]);
    simulator.ask("Action: SimFault\r\nDelay: 300ms", "Faults set");
    let statuses = stop_in_the_middle(&mut daemon, || ());
    let calls = simulator.calls(&(0..BOTS).map(number).collect::<Vec<_>>());
    for (n, status) in statuses.iter().enumerate() {
        let called = calls[&number(n)];
        // "ok" means that there is a call, 503 that there is none, and 504 that there may be one.
        match status {
            200 => assert_eq!(called, 1, "{}", number(n)),
            503 => assert_eq!(called, 0, "{}", number(n)),
            504 => assert!(called <= 1, "{}", number(n)),
            _ => panic!("{status}"),
        }
    }
    let [ok, refused] = [200, 503].map(|status| statuses.iter().filter(|s| **s == status).count());
    println!("{ok} ok, {refused} refused, {} of unknown fate", BOTS - ok - refused);
}
