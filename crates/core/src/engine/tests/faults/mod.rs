//! Failures in unlikely orders.

mod ends;
mod lists;
mod slots;

use super::*;
use crate::call::outcome::End;

/// The channels that `CoreShowChannels` lists for a call in a conference.
fn listed(id: &str, number: &str) -> [String; 2] {
    let conference = "Application: ConfBridge\nApplicationData: R1\nBridgeId: b";
    [
        format!("Uniqueid: {id}\nLinkedid: {id}\nChannelStateDesc: Up\n{conference}"),
        format!("Uniqueid: {}\nLinkedid: {id}\nChannelStateDesc: Up", lock(number)),
    ]
}

impl Bench {
    /// The link breaks, and is back and logged in after `duration` or a little more.
    pub(super) fn reconnect(&mut self, duration: Duration) {
        self.engine.disconnected(self.now(), "cut");
        self.pass(duration);
        let before = self.connects;
        while self.connects == before {
            self.pass(Duration::from_millis(10));
        }
        self.log_in();
    }

    fn ends(&self) -> Vec<&End> {
        let ends = self.records.iter().filter_map(|(event, _)| match event {
            Event::CallEnded(end) => Some(&**end),
            _ => None,
        });
        ends.collect()
    }

    fn pace(&mut self, calls_per_second: u32) {
        let all = Limits { calls_per_second: Some(calls_per_second), ..Limits::default() };
        self.engine.set_policy(Policy { all, ..Policy::default() });
    }
}

#[test]
fn random_inputs_leave_nothing_behind() {
    const EVENTS: [&str; 18] = [
        "Newchannel",
        "Newstate",
        "Hangup",
        "ConfbridgeJoin",
        "ConfbridgeLeave",
        "ConfbridgeStart",
        "ConfbridgeEnd",
        "ConfbridgeMute",
        "ConfbridgeUnmute",
        "ConfbridgeTalking",
        "ConfbridgeListRooms",
        "ConfbridgeListRoomsComplete",
        "ConfbridgeList",
        "ConfbridgeListComplete",
        "OriginateResponse",
        "UserEvent",
        "CoreShowChannel",
        "CoreShowChannelsComplete",
    ];
    for seed in 0..100 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut bench = Bench::ready();
        bench.pace(100);
        let mut ids = vec!["1795.1".to_owned(), CallId::new(UNIX_EPOCH, 1).to_string()];
        for step in 0..300 {
            let number = format!("700{}", rng.u32(..4));
            let pick = |rng: &mut fastrand::Rng| rng.choice(&ids).cloned().unwrap_or_default();
            match rng.u32(..20) {
                0 => {
                    bench.originate(step, &number);
                    ids.push(
                        bench.records[bench.records.len() - 1]
                            .1
                            .as_ref()
                            .map_or(lock("7000"), |i| i.id.to_string()),
                    );
                }
                1 => bench.pass(Duration::from_millis(rng.u64(..700))),
                2 => {
                    let (call, now) = (pick(&mut rng), bench.now());
                    call.parse()
                        .into_iter()
                        .for_each(|call| bench.engine.hang_up(now, call, "k".into(), step));
                }
                3..6 => {
                    let answered = if rng.bool() { "Success" } else { "Error" };
                    let id = if rng.bool() { pick(&mut rng) } else { rng.u32(..40).to_string() };
                    let value = "originatord/bot/ru/R1/c";
                    bench.receive(&format!(
                        "Response: {answered}\nActionID: {id}\nMessage: No such channel\nValue: {value}"
                    ));
                }
                _ => {
                    let event = rng.choice(EVENTS).unwrap_or_default();
                    let uniqueid = if rng.u32(..3) == 0 { lock(&number) } else { pick(&mut rng) };
                    let (linkedid, id) = (pick(&mut rng), pick(&mut rng));
                    let state = rng.choice(["Up", "Ringing", "Down"]).unwrap_or_default();
                    let result = rng.choice(["Success", "Failure"]).unwrap_or_default();
                    bench.event(
                        event,
                        &uniqueid,
                        &linkedid,
                        &format!(
                            "ActionID: {id}\nResponse: {result}\nChannelStateDesc: {state}\nConference: R1\nCause: {}\n\
                             UserEvent: OriginatordLeg\nTech: SIP 500\nApplication: ConfBridge\nApplicationData: R1\nBridgeId: b",
                            rng.u8(..40)
                        ),
                    );
                }
            }
        }
        bench.reconnect(Duration::from_secs(60));
        bench.list(&[]);
        bench.list_no_rooms();
        while !bench.engine.registry.is_empty() {
            bench.idle(Duration::from_secs(3));
            bench.list(&[]);
        }
        bench.pass(Duration::from_secs(2));
        assert_nothing_left(&bench);
        let ended: Vec<_> =
            bench.records.iter().filter(|(event, _)| event.name() == "call.ended").collect();
        let calls: std::collections::HashSet<_> =
            ended.iter().filter_map(|(_, info)| Some(info.as_ref()?.id)).collect();
        assert_eq!(ended.len(), calls.len(), "seed {seed}");
    }
}
