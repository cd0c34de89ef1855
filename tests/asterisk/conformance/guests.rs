//! Participants that the samples do not make: admins, leaders and those who wait for them, and
//! somebody who talks.
//!
//! A dialplan of the test lets them into the real Asterisk's rooms, and the action SimGuest into the
//! simulator's. The test compares what Asterisk tells of conferences, without the headers that show
//! how the participant came.

use std::sync::Once;

use super::SCENARIO;
use super::client::Client;
use super::frames::Frame;
use super::scene::{Scene, Server};
use testkit::pbx::Pbx;

/// Enters the room that is the extension, with the profile that the variables describe.
const DIALPLAN: &str = "\
[guests]
exten => _.!,1,Answer()
 same => n,ExecIf($[\"${ADMIN}\" = \"1\"]?Set(CONFBRIDGE(user,admin)=yes))
 same => n,ExecIf($[\"${MARKED}\" = \"1\"]?Set(CONFBRIDGE(user,marked)=yes))
 same => n,ExecIf($[\"${WAIT}\" = \"1\"]?Set(CONFBRIDGE(user,wait_marked)=yes))
 same => n,ExecIf($[\"${TALK}\" = \"1\"]?Set(CONFBRIDGE(user,talk_detection_events)=yes))
 same => n,ConfBridge(${EXTEN})
 same => n,Hangup()
exten => h,1,Hangup()
exten => failed,1,Hangup()

[tone]
exten => _X.,1,Answer()
 same => n,Playtones(440/60000)
 same => n,Wait(600)
";

/// Adds the dialplan to the instance of this version, which all scenes share.
fn add_dialplan(version: &str, pbx: &Pbx) {
    static ADDED: [Once; 2] = [const { Once::new() }; 2];
    ADDED[usize::from(version == "16")].call_once(|| {
        pbx.add_to("extensions.conf", DIALPLAN);
        pbx.rx("dialplan reload");
    });
}

/// Somebody who comes into a room.
struct Guest {
    id: &'static str,
    room: &'static str,
    /// The header of SimGuest, and the variable of the dialplan; if any.
    profile: Option<(&'static str, &'static str)>,
}

impl Guest {
    fn dial(&self, client: &mut Client, server: &Server<'_>) {
        let Self { id, room, profile } = self;
        client.send(&match server {
            Server::Real(_) => {
                let variable = profile.map_or("X", |(_, variable)| variable);
                let channel = match variable {
                    "TALK" => "Local/440@tone/n".to_owned(),
                    _ => "PJSIP/+79990300001@telegram".to_owned(),
                };
                format!(
                    "Action: Originate\nChannel: {channel}\nContext: guests\nExten: {room}\nPriority: 1\nAsync: true\n\
                     CallerID: Bob <12345678>\nChannelId: {id}\nVariable: {variable}=1"
                )
            }
            Server::Simulator => format!(
                "Action: SimGuest\nRoom: {room}\nUniqueid: {id}\nCallerIDName: Bob\nCallerIDNum: 12345678\n{}",
                profile.map_or_else(|| "X: y".to_owned(), |(header, _)| format!("{header}: yes"))
            ),
        });
    }

    /// Dials and joins.
    fn join(&self, client: &mut Client, server: &Server<'_>) -> String {
        self.dial(client, server);
        client.wait_for("ConfbridgeJoin", self.id, 1);
        client.read_until_silent();
        client.channel(self.id)
    }
}

/// Keeps what is told of conferences.
fn of_conferences(frame: Frame) -> Option<Frame> {
    const OF_THE_WAY: [&str; 9] = [
        "Channel",
        "ConnectedLineNum",
        "ConnectedLineName",
        "CallerIDNum",
        "CallerIDName",
        "Context",
        "Priority",
        "Linkedid",
        "AccountCode",
    ];
    let (name, value) = frame.first()?;
    let is_reply = name == "Response" && frame.iter().any(|(name, _)| name == "ActionID");
    (is_reply || value.starts_with("Confbridge"))
        .then(|| frame.into_iter().filter(|(name, _)| !OF_THE_WAY.contains(&&**name)).collect())
}

fn scene(version: &'static str, what: &'static str) -> Scene {
    Scene { version, what, scenario: SCENARIO, tidy: of_conferences }
}

/// Sends a conference action whose reply is compared.
fn act(client: &mut Client, action: &str) {
    client.request(&format!("Action: Confbridge{action}\nActionID: 9"));
}

/// Waits until the guests have hung up.
fn wait_for_the_end(client: &mut Client, ids: &[&str]) {
    for id in ids {
        client.wait_for("Hangup", id, 1);
    }
    client.read_until_silent();
}

pub(super) fn admins_and_waiting_users_are_equal(version: &'static str) {
    scene(version, "an admin").compare(|client, server| {
        if let Server::Real(pbx) = server {
            add_dialplan(version, pbx);
        }
        Guest { id: "admin", room: "R1", profile: Some(("Admin", "ADMIN")) }.join(client, server);
        for action in ["Mute", "Unmute", "Kick"] {
            act(client, &format!("{action}\nConference: R1\nChannel: participants"));
        }
        Guest { id: "plain", room: "r1", profile: None }.join(client, server);
        for channel in ["participants", "all"] {
            act(client, &format!("Mute\nConference: R1\nChannel: {channel}"));
            act(client, "List\nConference: R1");
        }
        act(client, "Lock\nConference: R1");
        Guest { id: "other", room: "R1", profile: Some(("Admin", "ADMIN")) }.join(client, server);
        act(client, "Kick\nConference: R1\nChannel: participants");
        wait_for_the_end(client, &["plain"]);
        act(client, "ListRooms");
        client.send("Action: Hangup\nChannel: other");
        wait_for_the_end(client, &["other"]);
        act(client, "Kick\nConference: R1\nChannel: all");
        wait_for_the_end(client, &["admin"]);
    });
    // Asterisk tells a waiting user to wait before it joins; the simulator does not.
    scene(version, "waiting for the leader").compare(|client, server| {
        Guest { id: "waits", room: "R1", profile: Some(("WaitMarked", "WAIT")) }
            .join(client, server);
        act(client, "ListRooms");
        act(client, "List\nConference: R1");
        act(client, "Mute\nConference: R1\nChannel: participants");
        act(client, "Unmute\nConference: R1\nChannel: participants");
        Guest { id: "leads", room: "R1", profile: Some(("Marked", "MARKED")) }.join(client, server);
        act(client, "ListRooms");
        act(client, "List\nConference: R1");
        for id in ["waits", "leads"] {
            client.send(&format!("Action: Hangup\nChannel: {id}"));
            wait_for_the_end(client, &[id]);
        }
    });
}

pub(super) fn talking_is_reported_equally(version: &'static str) {
    scene(version, "somebody talks").compare(|client, server| {
        if let Server::Real(pbx) = server {
            add_dialplan(version, pbx);
        }
        let guest = Guest { id: "talks", room: "R1", profile: Some(("TalkDetection", "TALK")) };
        let channel = guest.join(client, server);
        if let Server::Simulator = server {
            client.send("Action: SimTalk\nChannel: talks");
        }
        client.wait_for("ConfbridgeTalking", "talks", 1);
        client.read_until_silent();
        act(client, "List\nConference: R1");
        act(client, &format!("Mute\nConference: R1\nChannel: {channel}"));
        client.wait_for("ConfbridgeTalking", "talks", 2);
        client.read_until_silent();
        act(client, "List\nConference: R1");
        client.send("Action: Hangup\nChannel: talks");
        wait_for_the_end(client, &["talks"]);
    });
}
