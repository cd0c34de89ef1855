//! An Asterisk that means ill, or whoever poses as one: however long it goes on, it costs the daemon no more memory and
//! no more files, bots are answered meanwhile, and calls are made as soon as it lets them be made.

mod support;

use std::time::{Duration, Instant};

use support::ami::{FakeAsterisk, OnOriginate};
use support::daemon::{Ami, Daemon};
use support::http::{KeptAlive, assert_error, post};
use support::resources::{forget_peak, open_files, peak, raise_open_files, resident};
use support::sim::Simulator;
use support::{eventually, pause};

const QUICK: &str = "[timing]\nwait = \"0s\"\nbeep = \"10ms\"\n";

/// By how much the daemon grew at most while this was done, in KiB.
fn grown(daemon: &Daemon, what: impl FnOnce()) -> u64 {
    let pid = daemon.child.id();
    forget_peak(pid);
    let (before, files) = (resident(pid), open_files(pid));
    what();
    assert!(open_files(pid) <= files + 8, "{} files are open, and were {files}", open_files(pid));
    peak(pid).saturating_sub(before)
}

/// What may become of a call.
const STATUSES: [u16; 3] = [200, 503, 504];

/// Calls the next number; whatever comes of it, the bot is told. Returns which of the statuses it was.
fn call(daemon: &Daemon, numbers: &mut impl Iterator<Item = u64>) -> usize {
    let reply = daemon.call(&numbers.next().expect("a number").to_string(), "R1");
    STATUSES.iter().position(|status| *status == reply.status).unwrap_or_else(|| panic!("{reply:?}"))
}

/// Calls until a call is made.
fn call_until_ok(daemon: &Daemon, numbers: &mut impl Iterator<Item = u64>) {
    eventually("a call is made", || (call(daemon, numbers) == 0).then_some(()));
}

#[test]
fn noise_takes_no_memory_however_long_it_is() {
    let simulator = Simulator::start("22", QUICK);
    let daemon = simulator.daemon(&[]);
    let mut numbers = 79_990_000_000..;
    // What grows once, and not again, has grown after these.
    call_until_ok(&daemon, &mut numbers);
    simulator.ask("Action: SimFault\r\nGarbage: 1000000", "Faults set");
    call_until_ok(&daemon, &mut numbers);
    for noise in ["Garbage: 4000000", "Endless_Line: 4000000", "Endless_Headers: 500000"] {
        let grown = grown(&daemon, || {
            for _ in 0..3 {
                simulator.ask(&format!("Action: SimFault\r\n{noise}"), "Faults set");
                // Once this is answered, the noise before it was heard.
                call_until_ok(&daemon, &mut numbers);
            }
        });
        println!("{noise}: {grown} KiB");
        assert!(grown < 2 * 1024, "{noise}: {grown} KiB more");
    }
}

#[test]
fn a_flood_of_others_events_takes_no_memory_however_long_it_lasts() {
    let simulator = Simulator::start("22", QUICK);
    let daemon = simulator.daemon(&[]);
    let (mut numbers, mut answered) = (79_990_000_000.., [0; 3]);
    let mut flood = |seconds| {
        grown(&daemon, || {
            simulator.ask("Action: SimFault\r\nFlood: 100000\r\nRepeat: 1.0", "Faults set");
            let began = Instant::now();
            while began.elapsed() < Duration::from_secs(seconds) {
                answered[call(&daemon, &mut numbers)] += 1;
                // Calls are kept as well; they are to be few.
                pause(Duration::from_millis(20));
            }
        })
    };
    let [first, second] = [flood(2), flood(4)];
    println!("{first} KiB, then {second} KiB; {answered:?} ok, down, late");
    assert!(first < 16 * 1024 && second < 4 * 1024, "{first} KiB, then {second} KiB more");
    simulator.ask("Action: SimFault", "Faults set");
    call_until_ok(&daemon, &mut numbers);
}

#[test]
fn an_asterisk_that_reads_nothing_is_owed_no_more_than_bots_can_be_told() {
    raise_open_files();
    let simulator = Simulator::start("22", QUICK);
    // It is borne with for as long as the test lasts, so that all piles up that can.
    let daemon = simulator.daemon(&[("asterisk", "keepalive = \"1h\"\naction_timeout = \"1h\"")]);
    simulator.ask("Action: SimFault\r\nStop_Reading: true", "Faults set");
    let mut bots: Vec<_> = (0..700).map(|_| KeptAlive::open(daemon.address)).collect();
    for bot in &mut bots {
        assert_eq!(bot.get("/healthz").status, 200);
    }
    let mut round = |from: u64| {
        grown(&daemon, || {
            for (bot, number) in bots.iter_mut().zip(from..) {
                bot.send(&post(&number.to_string()));
            }
            for bot in &mut bots {
                assert_error(&bot.reply(), 504, "nothing is known of the call");
            }
        })
    };
    let grown = [round(79_990_000_000), round(79_990_010_000), round(79_990_020_000), round(79_990_030_000)];
    println!("{grown:?} KiB");
    assert!(grown[0] < 16 * 1024 && grown[1..].iter().sum::<u64>() < 8 * 1024, "{grown:?}");
}

#[test]
fn what_is_said_of_our_own_calls_is_kept_no_longer_than_words_are() {
    let asterisk = FakeAsterisk::start(OnOriginate::Accept);
    let daemon = Daemon::start(
        &Ami { address: &asterisk.address.to_string(), secret: "secret" },
        &[("asterisk", "keepalive = \"1h\"")],
    );
    let id = daemon.call_ok("79990000000", "R1");
    let long = "x".repeat(60_000);
    let grown = grown(&daemon, || {
        for n in 0..200 {
            let leg = format!("{n}-{long}");
            asterisk.send(&[("Event", "Newchannel"), ("Uniqueid", &leg), ("Linkedid", &id)]);
            asterisk.send(&[("Event", "ConfbridgeJoin"), ("Uniqueid", &id), ("Linkedid", &id), ("Conference", &long)]);
            let tech = [("UserEvent", "OriginatordLeg"), ("Linkedid", &id), ("Tech", &long)];
            asterisk.send(&[&[("Event", "UserEvent")], &tech[..]].concat());
        }
        daemon.call_ok("79990000001", "R1");
    });
    println!("{grown} KiB");
    assert!(grown < 2 * 1024, "{grown} KiB more");
    assert!(daemon.output().len() < 200 * 1024, "{} bytes of log", daemon.output().len());
}
