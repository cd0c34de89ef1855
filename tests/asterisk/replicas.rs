//! Two or three daemons on one Asterisk get requests for the same numbers at the same instant. One
//! of them calls each number once, and the others answer that a call is in progress. This holds on
//! the simulator and on real Asterisks, with equal and with different instance names.
//!
//! `ROUNDS=100` repeats each race 100 times (default 10).

use std::collections::HashMap;
use std::sync::Barrier;
use std::thread;

use testkit::daemon::{Ami, Daemon};
use testkit::http::Reply;
use testkit::pbx::Pbx;
use testkit::sim::Simulator;
use testkit::{eventually, rounds};

/// How many numbers the daemons race for in each round.
const NUMBERS: usize = 5;

/// Instance names of replicas, which share one.
const SAME: [&str; 3] = ["a", "a", "a"];

/// Instance names of independent daemons on one Asterisk.
const DIFFERENT: [&str; 3] = ["a", "b", "c"];

fn start(ami: &Ami<'_>, instances: &[&str]) -> Vec<Daemon> {
    // The longest reply timeout that the configuration allows, as all daemons and Asterisk share
    // this machine.
    let patient = ("http", "reply_timeout = \"1900ms\"");
    let start =
        |name: &&str| Daemon::start(ami, &[("top", &format!("instance = \"{name}\"")), patient]);
    instances.iter().map(start).collect()
}

/// Requests every number from every daemon at once. The replies are in the order of the numbers,
/// then of the daemons.
fn race(daemons: &[Daemon], numbers: &[String]) -> Vec<Vec<Reply>> {
    let start = Barrier::new(daemons.len() * numbers.len());
    let ask = |daemon: &Daemon, number: &str| {
        start.wait();
        daemon.call(number, "R1")
    };
    thread::scope(|scope| {
        let asked: Vec<Vec<_>> = numbers
            .iter()
            .map(|number| {
                daemons.iter().map(|daemon| scope.spawn(|| ask(daemon, number))).collect()
            })
            .collect();
        let reply = |asked: thread::ScopedJoinHandle<'_, Reply>| asked.join().expect("a reply");
        asked.into_iter().map(|asked| asked.into_iter().map(reply).collect()).collect()
    })
}

/// Races for the same numbers in every round, and hangs up the calls after it. `calls_to` counts
/// the calls to each number in Asterisk.
fn assert_each_race_makes_one_call(
    daemons: &[Daemon],
    prefix: &str,
    calls_to: impl Fn(&[String]) -> HashMap<String, usize>,
) {
    let numbers: Vec<String> = (0..NUMBERS).map(|index| format!("{prefix}{index}001")).collect();
    let once: HashMap<String, usize> = numbers.iter().map(|number| (number.clone(), 1)).collect();
    for _ in 0..rounds(10) {
        let replies = race(daemons, &numbers);
        assert_eq!(calls_to(&numbers), once, "{replies:?}");
        let mut made = Vec::new();
        for of_number in &replies {
            let ok =
                of_number.iter().filter(|reply| reply.body == "{\"message\":\"ok\"}\n").count();
            let busy = of_number
                .iter()
                .filter(|reply| reply.body.contains("call already in progress"))
                .count();
            assert_eq!((ok, busy), (1, daemons.len() - 1), "{of_number:?}");
            made.extend(
                daemons
                    .iter()
                    .zip(of_number)
                    .filter_map(|(daemon, reply)| Some((daemon, reply.header("x-call-id")?))),
            );
        }
        for (daemon, id) in &made {
            assert_eq!(daemon.delete(&format!("/api/calls/{id}")).status, 200);
        }
        for (daemon, id) in &made {
            daemon.wait_for(id, "call.ended");
        }
        eventually("Asterisk has no channel of the numbers", || {
            calls_to(&numbers).values().all(|count| *count == 0).then_some(())
        });
    }
}

fn assert_one_call_on_asterisk(version: &'static str, prefix: &str, instances: &[&str]) {
    let pbx = Pbx::shared(version);
    let daemons = start(&pbx.ami(), instances);
    assert_each_race_makes_one_call(&daemons, prefix, |numbers| pbx.calls(numbers));
}

#[test]
fn two_daemons_call_a_number_once_on_22() {
    assert_one_call_on_asterisk("22", "799920", &DIFFERENT[..2]);
}

#[test]
fn three_daemons_call_a_number_once_on_22() {
    assert_one_call_on_asterisk("22", "799921", &DIFFERENT);
}

#[test]
fn three_daemons_of_one_name_agree_on_22() {
    assert_one_call_on_asterisk("22", "799922", &SAME);
}

#[test]
fn two_daemons_call_a_number_once_on_16() {
    assert_one_call_on_asterisk("16", "799923", &DIFFERENT[..2]);
}

#[test]
fn three_daemons_of_one_name_agree_on_16() {
    assert_one_call_on_asterisk("16", "799924", &SAME);
}

#[test]
fn three_daemons_call_a_number_once_when_simulated() {
    for (version, instances) in [("22", DIFFERENT), ("22", SAME), ("16", DIFFERENT)] {
        let simulator = Simulator::start(version, "");
        let daemons = start(&simulator.ami(), &instances);
        assert_each_race_makes_one_call(&daemons, "799930", |numbers| simulator.calls(numbers));
    }
}
