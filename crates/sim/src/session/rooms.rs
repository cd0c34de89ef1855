//! The AMI actions on conferences, and those of the simulator's own that let guests come and talk.

use super::super::channel::Party;
use super::super::pbx::{Answer, Guest, NO_CONFERENCES, UserProfile};
use super::super::wire::Headers;
use super::{ActionContext, Session};

impl Session {
    pub(super) fn confbridge_list_rooms(
        &mut self,
        context: &mut ActionContext<'_>,
        action: &Headers,
    ) {
        let rooms = context.pbx.list_rooms();
        if rooms.is_empty() {
            return self.error(action, NO_CONFERENCES);
        }
        let message = "Confbridge conferences will follow";
        self.list(action, message, rooms, "ConfbridgeListRoomsComplete", Headers::new());
    }

    pub(super) fn confbridge_list(&mut self, context: &mut ActionContext<'_>, action: &Headers) {
        let Some(conference) = self.conference_of(action) else { return };
        match context.pbx.list_members(context.now, conference) {
            Ok(members) => {
                let message = "Confbridge user list will follow";
                self.list(action, message, members, "ConfbridgeListComplete", Headers::new());
            }
            Err(problem) => self.error(action, problem),
        }
    }

    pub(super) fn confbridge_mute(
        &mut self,
        context: &mut ActionContext<'_>,
        action: &Headers,
        muted: bool,
    ) {
        let Some(conference) = self.conference_of(action) else { return };
        let Some(channel) = action.filled("Channel") else {
            return self.error(action, "No channel name provided.");
        };
        let answer = context.pbx.mute(conference, channel, muted);
        self.answer(action, answer);
    }

    pub(super) fn confbridge_kick(&mut self, context: &mut ActionContext<'_>, action: &Headers) {
        let Some(conference) = self.conference_of(action) else { return };
        // Without a channel Asterisk looks for one that has no name.
        let channel = action.get("Channel").unwrap_or_default();
        let answer = context.pbx.kick(context.now, conference, channel);
        self.answer(action, answer);
    }

    pub(super) fn confbridge_lock(
        &mut self,
        context: &mut ActionContext<'_>,
        action: &Headers,
        locked: bool,
    ) {
        let Some(conference) = self.conference_of(action) else { return };
        let answer = context.pbx.lock(conference, locked);
        self.answer(action, answer);
    }

    /// `SimGuest`: a telephone dials into the room `Room`. Further headers: `CallerIDNum`,
    /// `CallerIDName`, `Uniqueid`, `Channel`, and `Admin`, `Marked`, `WaitMarked`, `Muted`,
    /// `TalkDetection` with `yes`. The response has the guest's `Uniqueid`; Hangup lets it leave.
    pub(super) fn sim_guest(&mut self, context: &mut ActionContext<'_>, action: &Headers) {
        let of = |name| action.filled(name).map(ToOwned::to_owned);
        let is = |name| action.get(name).is_some_and(|value| value.eq_ignore_ascii_case("yes"));
        let profile = UserProfile {
            admin: is("Admin"),
            marked: is("Marked"),
            wait_marked: is("WaitMarked"),
            start_muted: is("Muted"),
            talk_detection: is("TalkDetection"),
        };
        let number = of("CallerIDNum").unwrap_or_default();
        let name = of("CallerIDName").unwrap_or_default();
        let guest = Guest {
            room: of("Room").unwrap_or_default(),
            caller: Party { number, name },
            uniqueid: of("Uniqueid"),
            channel: of("Channel"),
            profile,
            ..Guest::default()
        };
        match context.pbx.add_guest(context.now, guest) {
            Some(uniqueid) => {
                let headers = Headers::new().with("Message", "Guest dials");
                self.success(action, headers.with("Uniqueid", uniqueid));
            }
            None => self.error(action, "No such room, or the Uniqueid is in use"),
        }
    }

    /// `SimTalk`: the participant `Channel` (a name or unique id) begins to talk, or stops if
    /// `Talking` is `no`.
    pub(super) fn sim_talk(&mut self, context: &mut ActionContext<'_>, action: &Headers) {
        let channel = action.get("Channel").unwrap_or_default();
        let talking = !action.get("Talking").is_some_and(|value| value.eq_ignore_ascii_case("no"));
        let answer = match context.pbx.talk(channel, talking) {
            true => Ok("Talking set"),
            false => Err("No such participant"),
        };
        self.answer(action, answer);
    }

    /// The header `Conference`; sends the error if there is none.
    fn conference_of<'a>(&mut self, action: &'a Headers) -> Option<&'a str> {
        let conference = action.filled("Conference");
        if conference.is_none() {
            self.error(action, "No Conference name provided.");
        }
        conference
    }

    fn answer(&mut self, action: &Headers, answer: Answer) {
        match answer {
            Ok(message) => self.success(action, Headers::new().with("Message", message)),
            Err(problem) => self.error(action, problem),
        }
    }
}
