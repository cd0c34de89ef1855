//! One fault and the calls that it hits: two in each phase. One of them outlives the fault, the
//! other ends during it, if the fault allows that.

mod truth;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use super::faults::{Fault, Phase, Span};
use testkit::daemon::{Ami, Daemon};
use testkit::http::PendingReply;
use testkit::journal_file::JournalFile;
use testkit::pbx::Pbx;
use testkit::relay::Relay;
use testkit::{eventually, measured, pause};

/// With these settings the daemon notices a dead link after 2 s, and then tries to connect at least
/// twice a second.
const LINK: &str =
    "keepalive = \"1s\"\nconnect_timeout = \"2s\"\nbackoff_min = \"50ms\"\nbackoff_max = \"500ms\"";

/// The gateway may ring for longer than a scene takes, so that no call ends by itself.
const RING: &str = "ring_timeout = \"120s\"";

/// The test's knowledge of a call.
struct Call {
    phase: Phase,
    index: usize,
    number: String,
    /// The call id in the reply to the bot, also if the reply was a 504.
    id: Option<String>,
    /// The time span in which Asterisk ended it; `None` if it outlives the fault.
    ended: Option<Span>,
}

/// A daemon behind a relay to Asterisk, one fault, and the calls.
pub(crate) struct Scene<'a> {
    fault: Fault,
    pbx: &'a Pbx,
    relay: Relay,
    daemon: Daemon,
    /// The journal file.
    journal: PathBuf,
    /// The beginning of all numbers in this scene.
    numbers: String,
    calls: Vec<Call>,
    /// Ids of the calls made after the recovery.
    later: Vec<String>,
    slowest_answer: Duration,
    /// The longest time from the end of the fault to a correct answer, by phase.
    recovered: BTreeMap<String, Duration>,
}

impl<'a> Scene<'a> {
    /// Starts a daemon that is connected by a relay. `numbers` must be unique.
    pub(crate) fn new(fault: Fault, pbx: &'a Pbx, numbers: String) -> Self {
        let relay = Relay::start(pbx.setting("AMI_ADDRESS"));
        let ami = Ami { address: &relay.address.to_string(), secret: pbx.setting("AMI_SECRET") };
        let instance = format!("instance = \"d{numbers}\"");
        let daemon = Daemon::start(
            &ami,
            &[
                ("top", &instance),
                ("asterisk", LINK),
                ("originate", RING),
                ("journal", "file = \"calls.jsonl\""),
            ],
        );
        Self {
            fault,
            pbx,
            relay,
            journal: daemon.folder.path().join("calls.jsonl"),
            daemon,
            numbers,
            calls: Vec::new(),
            later: Vec::new(),
            slowest_answer: Duration::ZERO,
            recovered: BTreeMap::new(),
        }
    }

    /// Plays the scene. The fault occurs this long `after` all calls are in their phases.
    pub(crate) fn play(mut self, after: Duration) {
        self.start_calls();
        let pending = self.request_without_replies();
        pause(after);
        let began = SystemTime::now();
        self.begin_fault();
        self.request_during_fault(pending);
        if self.fault.leaves_asterisk_alone() {
            self.end_half_of_calls();
        }
        let over = self.end_fault();
        if self.fault.ends_calls() {
            let span = (began, SystemTime::now());
            self.calls.iter_mut().for_each(|call| call.ended = Some(span));
        }
        self.request_after_recovery(over);
        self.hang_up();
        self.check_journal();
        for (phase, time) in &self.recovered {
            measured(&format!("{}, {phase}: recovered", self.fault), *time);
        }
        measured(&format!("{}: slowest answer", self.fault), self.slowest_answer);
    }

    /// A call to a number of its own, whose callee stays in this phase.
    fn call(&self, phase: Phase, index: usize) -> Call {
        let number = format!("{}{}{index}{}", self.numbers, phase as u8, phase.digits());
        Call { phase, index, number, id: None, ended: None }
    }

    /// Starts two calls in each phase that the daemon can observe.
    fn start_calls(&mut self) {
        for (phase, index) in Phase::OBSERVED.into_iter().flat_map(|phase| [(phase, 0), (phase, 1)])
        {
            let call = self.call(phase, index);
            let id = Some(self.daemon.call_ok(&call.number, "R1"));
            self.calls.push(Call { id, ..call });
        }
        for call in &self.calls {
            let (id, event) = (call.id.as_deref().unwrap_or_default(), call.phase.event());
            eventually("the journal file has the record of the phase", || {
                JournalFile::read(&self.journal).has(id, event).then_some(())
            });
        }
    }

    /// Requests two more calls. Asterisk makes them, but the relay keeps its replies from the daemon.
    fn request_without_replies(&mut self) -> Vec<PendingReply> {
        if self.fault == Fault::AsteriskRestarted {
            // The daemon has to receive the event by which Asterisk announces its end.
            return Vec::new();
        }
        self.relay.hold_replies();
        let calls = [0, 1].map(|index| self.call(Phase::Unanswered, index));
        let pending = calls.each_ref().map(|call| self.daemon.ask(&call.number, "R1"));
        for call in calls {
            eventually("Asterisk makes the call", || self.is_alive(&call.number).then_some(()));
            self.calls.push(call);
        }
        pending.into()
    }

    fn begin_fault(&mut self) {
        match self.fault {
            Fault::DaemonKilled => self.daemon.crash(),
            Fault::AsteriskKilled => {
                self.pbx.kill();
                self.relay.cut();
            }
            Fault::AsteriskRestarted => {
                self.pbx.rx("core restart now");
                self.daemon.wait_for_event("ami.disconnected");
                // Asterisk is back before the test has sent all requests, so cut the relay until
                // then.
                self.relay.cut();
            }
            Fault::AsteriskStopped => self.pbx.stop(),
            Fault::LinkCut | Fault::LinkCutDaemonKilled => self.relay.cut(),
            Fault::LinkSilent => self.relay.hold(),
        }
    }

    /// Makes Asterisk end one of the two calls in each phase, unobserved by the daemon.
    fn end_half_of_calls(&mut self) {
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

    /// Ends the fault, and waits until the daemon has reconciled. Returns the time at which the
    /// fault ended.
    fn end_fault(&mut self) -> Instant {
        if self.fault == Fault::LinkCutDaemonKilled {
            // The second run cannot connect, but it writes its start to the journal.
            self.restart_daemon();
            let starts = |journal: JournalFile| journal.count("daemon.started") == 2;
            eventually("the journal file has the second start", || {
                starts(JournalFile::read(&self.journal)).then_some(())
            });
            self.restart_daemon();
        }
        match self.fault {
            Fault::AsteriskKilled => self.pbx.start_again(),
            Fault::AsteriskStopped => self.pbx.resume(),
            _ => {}
        }
        let over = Instant::now();
        self.relay.restore();
        self.relay.resume();
        if self.fault == Fault::DaemonKilled {
            self.restart_daemon();
        }
        self.daemon.wait_ready();
        over
    }

    /// Hangs up the live calls.
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
            // If the daemon died before its answer, the call's id is unknown.
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
