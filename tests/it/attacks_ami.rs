//! A hostile Asterisk, or a server that poses as one. The daemon's memory and files stay bounded,
//! it still answers bots, and it places calls again as soon as that server accepts them.

use std::time::{Duration, Instant, SystemTime};

use originatord_core::call::CallId;

use testkit::ami::FakeAsterisk;
use testkit::daemon::Daemon;
use testkit::http::{KeptAlive, assert_error, post};
use testkit::resources::{open_files, peak, raise_open_files, reset_peak, resident};
use testkit::sim::{QUICK, Simulator};
use testkit::{eventually, pause};

/// Runs the attack; returns by how many KiB the daemon's memory grew at its peak. Panics if the
/// daemon has more than 8 further files open.
fn grown(daemon: &Daemon, attack: impl FnOnce()) -> u64 {
    let pid = daemon.child.id();
    reset_peak(pid);
    let (before, files) = (resident(pid), open_files(pid));
    attack();
    assert!(
        open_files(pid) <= files + 8,
        "{} files are open, {files} were before",
        open_files(pid)
    );
    peak(pid).saturating_sub(before)
}

/// The statuses that a request for a call may get: accepted, link down, fate unknown.
const STATUSES: [u16; 3] = [200, 503, 504];

/// Requests a call to the next number; returns the index of the reply's status in [`STATUSES`].
fn call(daemon: &Daemon, numbers: &mut impl Iterator<Item = u64>) -> usize {
    let reply = daemon.call(&numbers.next().expect("a number").to_string(), "R1");
    STATUSES
        .iter()
        .position(|status| *status == reply.status)
        .unwrap_or_else(|| panic!("{reply:?}"))
}

/// Requests calls until one is accepted.
fn call_until_ok(daemon: &Daemon, numbers: &mut impl Iterator<Item = u64>) {
    eventually("the daemon accepts a call", || (call(daemon, numbers) == 0).then_some(()));
}

#[test]
fn endless_noise_takes_no_memory() {
    let simulator = Simulator::start("22", QUICK);
    let daemon = simulator.daemon(&[]);
    let mut numbers = 79_990_000_000..;
    // Buffers that grow only once have grown after these calls.
    call_until_ok(&daemon, &mut numbers);
    simulator.ask("Action: SimFault\r\nGarbage: 1000000", "Faults set");
    call_until_ok(&daemon, &mut numbers);
    for noise in ["Garbage: 4000000", "Endless_Line: 4000000", "Endless_Headers: 500000"] {
        let grown = grown(&daemon, || {
            for _ in 0..3 {
                simulator.ask(&format!("Action: SimFault\r\n{noise}"), "Faults set");
                // An answered call proves that the daemon has read the noise before it.
                call_until_ok(&daemon, &mut numbers);
            }
        });
        println!("{noise}: {grown} KiB");
        assert!(grown < 2 * 1024, "{noise}: {grown} KiB more");
    }
}

#[test]
fn endless_foreign_events_take_no_memory() {
    let simulator = Simulator::start("22", QUICK);
    let daemon = simulator.daemon(&[]);
    let (mut numbers, mut answered) = (79_990_000_000.., [0; 3]);
    let mut flood = |seconds| {
        grown(&daemon, || {
            simulator.ask("Action: SimFault\r\nFlood: 100000\r\nRepeat: 1.0", "Faults set");
            let began = Instant::now();
            while began.elapsed() < Duration::from_secs(seconds) {
                answered[call(&daemon, &mut numbers)] += 1;
                // Ended calls take memory, too, so there must be few.
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
fn unread_actions_take_bounded_memory() {
    raise_open_files();
    let simulator = Simulator::start("22", QUICK);
    // The timeouts are longer than the test, so that all actions pile up.
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
    let grown = [
        round(79_990_000_000),
        round(79_990_010_000),
        round(79_990_020_000),
        round(79_990_030_000),
    ];
    println!("{grown:?} KiB");
    assert!(grown[0] < 16 * 1024 && grown[1..].iter().sum::<u64>() < 8 * 1024, "{grown:?}");
}

#[test]
fn long_texts_about_calls_are_truncated() {
    let (asterisk, daemon) = FakeAsterisk::with_daemon(&[("asterisk", "keepalive = \"1h\"")]);
    let id = daemon.call_ok("79990000000", "R1");
    let long = "x".repeat(60_000);
    let grown = grown(&daemon, || {
        for n in 0..200 {
            let leg = format!("{n}-{long}");
            asterisk.send(&[("Event", "Newchannel"), ("Uniqueid", &leg), ("Linkedid", &id)]);
            asterisk.send(&[
                ("Event", "ConfbridgeJoin"),
                ("Uniqueid", &id),
                ("Linkedid", &id),
                ("Conference", &long),
            ]);
            let tech = [("UserEvent", "OriginatordLeg"), ("Linkedid", &id), ("Tech", &long)];
            asterisk.send(&[&[("Event", "UserEvent")], &tech[..]].concat());
        }
        daemon.call_ok("79990000001", "R1");
    });
    println!("{grown} KiB");
    assert!(grown < 2 * 1024, "{grown} KiB more");
    assert!(daemon.output().len() < 200 * 1024, "{} bytes of output", daemon.output().len());
}

/// The number of answered calls that the server invents, each to a number of its own. Half of their
/// ids are one hour old, the other half one hour ahead of the clock.
const INVENTED: u64 = 195_000;

/// The list entries of the invented calls, two channels each.
fn invented() -> Vec<String> {
    let (now, hour) = (SystemTime::now(), Duration::from_secs(3600));
    let mut frames = Vec::new();
    for n in 0..INVENTED {
        let time = if n % 2 == 0 { now - hour } else { now + hour };
        let id = CallId::new(time, n.into());
        let number = 70_000_000_000 + n;
        frames.push(format!("Uniqueid: {id}\r\nLinkedid: {id}\r\nChannelStateDesc: Up"));
        frames
            .push(format!("Uniqueid: od-lock-{number}\r\nLinkedid: {id}\r\nChannelStateDesc: Up"));
    }
    frames
}

/// Makes Asterisk list these channels on a new connection, and waits until the daemon has
/// reconciled them.
fn relist(asterisk: &FakeAsterisk, daemon: &Daemon, frames: Vec<String>) {
    let connected = || daemon.output().matches("\"ami.connected\"").count();
    let before = connected();
    asterisk.list(frames);
    asterisk.cut();
    eventually("the daemon has reconciled the calls", || (connected() > before).then_some(()));
}

#[test]
fn invented_calls_take_no_memory_and_no_records() {
    // Without a journal, the daemon cannot tell invented calls from those of its last run, so it
    // adopts a bounded number of them.
    for (journal, most_adopted) in [("file = \"calls.jsonl\"", 0), ("", 10_000)] {
        let settings = [("journal", journal), ("asterisk", "keepalive = \"1h\"")];
        let (asterisk, daemon) = FakeAsterisk::with_daemon(&settings);
        daemon.wait_for_event("ami.connected");
        let daemon = daemon.crash_and_restart();
        asterisk.variable("originatord/tester/ru/R1/Bob");
        let frames = invented();
        let grown = grown(&daemon, || relist(&asterisk, &daemon, frames));
        relist(&asterisk, &daemon, Vec::new());
        let output = daemon.output();
        let count = |event: &str| output.matches(&format!("\"event\":\"{event}\"")).count();
        println!(
            "{grown} KiB, {} adopted, {} bytes of output",
            count("call.adopted"),
            output.len()
        );
        assert!(
            count("call.adopted") <= most_adopted && count("call.ended") <= most_adopted,
            "{most_adopted}"
        );
        // 195 000 calls would take some 160 MiB.
        assert!(grown < 8 * 1024 + 3 * most_adopted as u64, "{grown} KiB more");
        daemon.call_ok("79990000000", "R1");
    }
}

#[test]
fn flapping_link_does_not_fill_the_journal() {
    let (asterisk, daemon) = FakeAsterisk::with_daemon(&[(
        "asterisk",
        "backoff_min = \"10ms\"\nbackoff_max = \"20ms\"",
    )]);
    let began = Instant::now();
    for logins in 2..300 {
        asterisk.wait_for("Ping", logins);
        asterisk.cut();
    }
    let output = daemon.output();
    let records = output.matches("\"event\":\"ami.").count();
    // The daemon records a hundred changes of the link at once, then one every ten seconds.
    let most = 101 + began.elapsed().as_secs() / 10;
    assert!(records as u64 <= most, "{records} records, {most} at most");
}
