//! One fault and the calls that it meets: some in each phase, of which one outlives the fault and
//! another ends in it, as far as the fault allows.

mod truth;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use super::faults::{Fault, Phase, Span};
use testkit::daemon::{Ami, Daemon};
use testkit::http::Sent;
use testkit::log::Log;
use testkit::pbx::Pbx;
use testkit::relay::Relay;
use testkit::{eventually, measured, pause};

/// A dead link is found after two keepalives, and tried again at least twice a second.
const LINK: &str =
    "keepalive = \"1s\"\nconnect_timeout = \"2s\"\nbackoff_min = \"50ms\"\nbackoff_max = \"500ms\"";

/// No call ends of its own accord in a test.
const RING: &str = "ring_timeout = \"120s\"";

/// A call, and what is known of it.
struct Call {
    phase: Phase,
    index: usize,
    number: String,
    /// As the bot was told; of a call whose fate is not known yet, too.
    id: Option<String>,
    /// When Asterisk ended it, if it did.
    ended: Option<Span>,
}

/// The scene.
pub struct Scene<'a> {
    fault: Fault,
    pbx: &'a Pbx,
    relay: Relay,
    daemon: Daemon,
    log: PathBuf,
    /// What the numbers of this scene begin with.
    numbers: String,
    calls: Vec<Call>,
    /// Calls made when all was in order again.
    later: Vec<String>,
    slowest_answer: Duration,
    recovered: BTreeMap<String, Duration>,
}

impl<'a> Scene<'a> {
    /// A daemon, connected by a relay. `numbers` has to be different for each scene.
    pub fn new(fault: Fault, pbx: &'a Pbx, numbers: String) -> Self {
        let relay = Relay::start(pbx.setting("AMI_ADDRESS"));
        let ami = Ami { address: &relay.address.to_string(), secret: pbx.setting("AMI_SECRET") };
        let instance = format!("instance = \"d{numbers}\"");
        let journal = ("journal", "file = \"calls.jsonl\"");
        let daemon = Daemon::start(
            &ami,
            &[("top", &instance), ("asterisk", LINK), ("originate", RING), journal],
        );
        let log = daemon.folder.path().join("calls.jsonl");
        let (calls, later, slowest_answer, recovered) = Default::default();
        Self { fault, pbx, relay, daemon, log, numbers, calls, later, slowest_answer, recovered }
    }

    /// Plays it, with the fault striking `after` everything is in place.
    pub fn play(mut self, after: Duration) {
        self.call_everybody();
        let asked = self.ask_unheard();
        pause(after);
        let began = SystemTime::now();
        self.strike();
        self.ask_meanwhile(asked);
        if self.fault.leaves_asterisk_alone() {
            self.let_some_end();
        }
        let over = self.mend();
        if self.fault.ends_calls() {
            let span = (began, SystemTime::now());
            self.calls.iter_mut().for_each(|call| call.ended = Some(span));
        }
        self.ask_when_recovered(over);
        self.hang_up();
        self.read_log();
        for (phase, time) in &self.recovered {
            measured(&format!("{}, {phase}: recovered", self.fault), *time);
        }
        measured(&format!("{}: slowest answer", self.fault), self.slowest_answer);
    }

    /// A call to a number of its own that gets as far as this phase.
    fn call(&self, phase: Phase, index: usize) -> Call {
        let number = format!("{}{}{index}{}", self.numbers, phase as u8, phase.digits());
        Call { phase, index, number, id: None, ended: None }
    }

    fn call_everybody(&mut self) {
        for (phase, index) in Phase::HEARD.into_iter().flat_map(|phase| [(phase, 0), (phase, 1)]) {
            let call = self.call(phase, index);
            let id = Some(self.daemon.call_ok(&call.number, "R1"));
            self.calls.push(Call { id, ..call });
        }
        for call in &self.calls {
            let (id, event) = (call.id.as_deref().unwrap_or_default(), call.phase.event());
            eventually("it is in the log file", || {
                Log::read(&self.log).has(id, event).then_some(())
            });
        }
    }

    /// Two more calls are asked for, and made, and not heard of.
    fn ask_unheard(&mut self) -> Vec<Sent> {
        if self.fault == Fault::AsteriskRestarted {
            // It will say goodbye, and is to be heard.
            return Vec::new();
        }
        self.relay.hold_answers();
        let calls = [0, 1].map(|index| self.call(Phase::Asked, index));
        let sent = calls.each_ref().map(|call| self.daemon.ask(&call.number, "R1"));
        for call in calls {
            eventually("Asterisk makes the call", || self.lives(&call.number).then_some(()));
            self.calls.push(call);
        }
        sent.into()
    }

    fn strike(&mut self) {
        match self.fault {
            Fault::DaemonKilled => self.daemon.crash(),
            Fault::AsteriskKilled => {
                self.pbx.kill();
                self.relay.cut();
            }
            Fault::AsteriskRestarted => {
                self.pbx.rx("core restart now");
                self.daemon.wait_for_event("ami.disconnected");
                // It is back before all is asked that is to be asked meanwhile.
                self.relay.cut();
            }
            Fault::AsteriskStopped => self.pbx.stop(),
            Fault::LinkCut | Fault::LinkCutDaemonKilled => self.relay.cut(),
            Fault::LinkSilent => self.relay.hold(),
        }
    }

    /// Asterisk ends a call of each phase, which nobody sees.
    fn let_some_end(&mut self) {
        for call in self.calls.iter_mut().filter(|call| call.index == 1) {
            let began = SystemTime::now();
            self.pbx.end_call_to(&call.number);
            call.ended = Some((began, SystemTime::now()));
        }
    }

    fn restart_daemon(&mut self) {
        self.daemon.crash();
        self.daemon = self.daemon.successor();
    }

    /// All is in order again, and the daemon has found out what lives. Returns since when it could.
    fn mend(&mut self) -> Instant {
        if self.fault == Fault::LinkCutDaemonKilled {
            // The second run hears nothing of Asterisk, and writes something down.
            self.restart_daemon();
            let starts = |log: Log| log.count("daemon.started") == 2;
            eventually("the second start is in the log file", || {
                starts(Log::read(&self.log)).then_some(())
            });
            self.restart_daemon();
        }
        match self.fault {
            Fault::AsteriskKilled => self.pbx.start_again(),
            Fault::AsteriskStopped => self.pbx.go_on(),
            _ => {}
        }
        let over = Instant::now();
        self.relay.mend();
        self.relay.go_on();
        if self.fault == Fault::DaemonKilled {
            self.restart_daemon();
        }
        self.daemon.wait_ready();
        over
    }

    /// Hangs up what lives.
    fn hang_up(&mut self) {
        let live =
            self.daemon.get("/api/calls").json()["live"].as_array().cloned().unwrap_or_default();
        let known: Vec<_> = self
            .later
            .iter()
            .chain(self.calls.iter().filter_map(|call| call.id.as_ref()))
            .collect();
        for call in &live {
            let (id, number) = (call["call_id"].as_str().expect("an id"), &call["number"]);
            // Of a call whose daemon died before it could answer, only the number is known.
            let is_ours = |call: &Call| call.id.is_none() && *number == format!("+{}", call.number);
            let is_known = known.iter().any(|known| *known == id) || self.calls.iter().any(is_ours);
            assert!(is_known, "{}: {call}", self.fault);
            assert_eq!(self.daemon.delete(&format!("/api/calls/{id}")).status, 200);
            self.daemon.wait_for(id, "call.ended");
        }
        let numbers = &self.numbers;
        eventually("all channels are gone", || {
            (!self.pbx.channels().contains(numbers)).then_some(())
        });
    }
}
