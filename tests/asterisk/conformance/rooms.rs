//! Rooms with calls in them: mute, kick, lock, move.

use super::client::Client;
use super::frames::Frame;
use super::scene::{Scene, compare};

/// A call to the room, as the daemon makes it, with more variables.
fn call(id: &str, room: &str, variables: &str) -> String {
    format!(
        "Action: Originate\nActionID: {id}\nChannel: Local/7999001{id}@telegram-out/n\nContext: conf-in\n\
         Exten: {room}\nPriority: 1\nTimeout: 30000\nCallerID: <Bob>\nVariable: {variables}\nAsync: true\n\
         ChannelId: call-{id}\nOtherChannelId: lock-{id}"
    )
}

/// Lets a call join the room; returns the name of its channel.
fn join(client: &mut Client, id: &str, room: &str) -> String {
    client.send(&call(id, room, "LANG=en"));
    let uniqueid = format!("call-{id}");
    client.wait_for("ConfbridgeJoin", &uniqueid, 1);
    client.read_until_silent();
    client.channel(&uniqueid)
}

fn hang_up(client: &mut Client, id: &str) {
    client.send(&format!("Action: Hangup\nChannel: call-{id}\nCause: 16"));
    client.wait_for("Hangup", &format!("call-{id}"), 1);
    client.read_until_silent();
}

fn list(client: &mut Client, room: &str) {
    client.request("Action: ConfbridgeListRooms\nActionID: rooms");
    client.request(&format!("Action: ConfbridgeList\nActionID: members\nConference: {room}"));
}

pub(super) fn mutes_send_the_same_events(version: &'static str) {
    compare(version, "mute and unmute", |client| {
        let first = join(client, "1", "Room");
        join(client, "2", "rOOM");
        list(client, "ROOM");
        let prefix = first.to_lowercase();
        for channel in [&first, &first, &prefix[..12], "nobody", "participants", "ALL"] {
            for action in ["Mute", "Unmute"] {
                client.request(&format!(
                    "Action: Confbridge{action}\nActionID: 9\nConference: room\nChannel: {channel}"
                ));
            }
        }
        // The header Muted of the room stays No.
        client.request("Action: ConfbridgeMute\nConference: room\nChannel: participants");
        list(client, "room");
        for action in ["Mute\nConference: other\nChannel: all", "Kick\nConference: room"] {
            client.request(&format!("Action: Confbridge{action}"));
        }
        hang_up(client, "1");
        hang_up(client, "2");
        client.wait_for_the_end(2);
    });
}

/// Several channels leave at the same time, on threads of their own: their order, and what the
/// bridge counts then, is up to chance. Under another name their events are compared per channel.
fn leaving_at_once(frame: Frame) -> Option<Frame> {
    let tidy = |(name, value): (String, String)| match (&*name, &*value) {
        ("BridgeNumChannels", _) => None,
        ("Event", "ConfbridgeLeave") => Some((name, "Leave".to_owned())),
        _ => Some((name, value)),
    };
    Some(frame.into_iter().filter_map(tidy).collect())
}

pub(super) fn kicks_send_the_same_events(version: &'static str) {
    compare(version, "kick one after the other", |client| {
        let (first, second) = (join(client, "1", "R1"), join(client, "2", "R1"));
        let kick = |channel| {
            format!("Action: ConfbridgeKick\nActionID: 9\nConference: r1\nChannel: {channel}")
        };
        client.request(&kick(&first[..12]));
        client.request(&kick(&first));
        // It hears that it was kicked: it is listed, but cannot be kicked again.
        list(client, "R1");
        client.request(&kick(&first));
        client.wait_for("Hangup", "call-1", 1);
        client.read_until_silent();
        client.request("Action: ConfbridgeLock\nConference: R1");
        client.request(&kick(&second.to_uppercase()));
        list(client, "R1");
        client.wait_for_the_end(2);
    });
    compare(version, "hang up and move while the prompt plays", |client| {
        for (id, room) in [("1", "R1"), ("2", "R1"), ("3", "R2")] {
            join(client, id, room);
        }
        for (id, room) in [("1", "R1"), ("2", "R1"), ("3", "R2")] {
            let channel = client.channel(&format!("call-{id}"));
            client.request(&format!(
                "Action: ConfbridgeKick\nConference: {room}\nChannel: {channel}"
            ));
            if id == "1" {
                client.request(&format!(
                    "Action: Redirect\nChannel: {channel}\nContext: conf-in\nExten: R3\nPriority: 1"
                ));
                client.wait_for("ConfbridgeJoin", "call-1", 2);
                client.read_until_silent();
            } else {
                hang_up(client, id);
            }
        }
        hang_up(client, "1");
        client.wait_for_the_end(3);
    });
    for channel in ["all", "Participants"] {
        Scene { tidy: leaving_at_once, ..Scene::of(version, channel) }.compare(|client, _| {
            join(client, "1", "R1");
            join(client, "2", "R1");
            client.request(&format!("Action: ConfbridgeKick\nConference: r1\nChannel: {channel}"));
            client.wait_for_the_end(2);
        });
    }
}

pub(super) fn locked_rooms_refuse_in_the_same_way(version: &'static str) {
    compare(version, "lock and unlock", |client| {
        join(client, "1", "R1");
        for action in ["Lock", "Lock", "Unlock", "Unlock", "Lock"] {
            client.request(&format!("Action: Confbridge{action}\nActionID: 9\nConference: r1"));
            client.request("Action: ConfbridgeListRooms\nActionID: rooms");
        }
        client.send(&call("2", "R1", "LANG=en"));
        client.wait_for("Hangup", "call-2", 1);
        client.read_until_silent();
        // Somebody who is refused can be hung up, and moved.
        client.send(&call("3", "R1", "LANG=en"));
        client.wait_for("OriginateResponse", "call-3", 1);
        client
            .request("Action: Redirect\nChannel: call-3\nContext: conf-in\nExten: R2\nPriority: 1");
        client.wait_for("ConfbridgeJoin", "call-3", 1);
        client.read_until_silent();
        hang_up(client, "3");
        // The lock dies with the room.
        hang_up(client, "1");
        join(client, "4", "r1");
        list(client, "R1");
        hang_up(client, "4");
        client.wait_for_the_end(4);
    });
}

pub(super) fn moves_send_the_same_events(version: &'static str) {
    compare(version, "move to another room", |client| {
        join(client, "1", "R1");
        join(client, "2", "R1");
        client.request("Action: ConfbridgeMute\nConference: R1\nChannel: all");
        for id in ["1", "2"] {
            let channel = client.channel(&format!("call-{id}"));
            client.request(&format!(
                "Action: Redirect\nActionID: 9\nChannel: {channel}\nContext: conf-in\nExten: Other\nPriority: 1"
            ));
            client.wait_for("ConfbridgeJoin", &format!("call-{id}"), 2);
            client.read_until_silent();
        }
        list(client, "OTHER");
        client.request("Action: CoreShowChannels\nActionID: channels");
        hang_up(client, "2");
        hang_up(client, "1");
        client.wait_for_the_end(2);
    });
}

pub(super) fn variables_mute_from_the_start(version: &'static str) {
    compare(version, "OD_MUTED", |client| {
        client.send(&call("1", "R1", "LANG=en,OD_MUTED=1,OD_TALK=1"));
        client.wait_for("ConfbridgeJoin", "call-1", 1);
        client.read_until_silent();
        list(client, "R1");
        let channel = client.channel("call-1");
        // An option that the dialplan has set stays with the channel until the variable has another value.
        for (value, room) in [("", "R2"), ("0", "R3"), ("1", "R4")] {
            client.request(&format!(
                "Action: Setvar\nActionID: 9\nChannel: {channel}\nVariable: OD_MUTED\nValue: {value}"
            ));
            client.request("Action: GetVar\nActionID: 9\nChannel: call-1\nVariable: OD_MUTED");
            client.request(&format!(
                "Action: Redirect\nChannel: {channel}\nContext: conf-in\nExten: {room}\nPriority: 1"
            ));
            client.wait(room, |received| {
                received.matches("Event: ConfbridgeJoin\r\n").count()
                    == room[1..].parse().unwrap_or(0)
            });
            client.read_until_silent();
        }
        hang_up(client, "1");
        client.wait_for_the_end(1);
    });
}

/// Asterisk copies the language of `;1` to `;2` some time later; the simulator does not.
fn without_language(frame: Frame) -> Option<Frame> {
    Some(frame.into_iter().filter(|(name, _)| name != "Language").collect())
}

/// The join sound delays the ConfbridgeJoin of participants whose language is not the conference's.
const RUSSIAN: &str = "[timing]\nwait = \"0s\"\njoin = \"770ms\"\n";

pub(super) fn join_sound_delays_kicks_and_moves(version: &'static str) {
    let enter = |client: &mut Client, id: &str, room: &str| {
        client.send(&call(id, room, "LANG=ru"));
        client.wait("the room starts", |received| {
            received.contains(&format!(
                "Event: ConfbridgeStart\r\nPrivilege: call,all\r\nConference: {room}\r\n"
            ))
        });
    };
    let scene =
        |what| Scene { scenario: RUSSIAN, tidy: without_language, ..Scene::of(version, what) };
    scene("kick during the join sound").compare(|client, _| {
        enter(client, "1", "R1");
        let channel = client.channel("call-1");
        let kick = format!("Action: ConfbridgeKick\nConference: R1\nChannel: {channel}");
        for action in [
            &*kick,
            "Action: ConfbridgeMute\nConference: R1\nChannel: all",
            "Action: ConfbridgeListRooms",
        ] {
            client.send(action);
        }
        client.wait_for("ConfbridgeJoin", "call-1", 1);
        client.read_until_silent();
        client.request(&kick);
        list(client, "R1");
        hang_up(client, "1");
        client.wait_for_the_end(1);
    });
    // In the first milliseconds after ConfbridgeStart the sound does not play yet: a call that is
    // hung up then does not join at all.
    scene("hang up during the join sound").compare(|client, _| {
        enter(client, "1", "R1");
        client.read_until_silent();
        hang_up(client, "1");
        client.wait_for_the_end(1);
    });
    scene("move during the join sound").compare(|client, _| {
        enter(client, "1", "R1");
        client.read_until_silent();
        client.send("Action: Redirect\nChannel: call-1\nContext: conf-in\nExten: R2\nPriority: 1");
        client.wait_for("ConfbridgeJoin", "call-1", 2);
        client.read_until_silent();
        hang_up(client, "1");
        client.wait_for_the_end(1);
    });
}
