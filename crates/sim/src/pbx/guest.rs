//! Participants that no Originate brought: a telephone dials into a room (`rooms-dial-in` of the
//! samples).

use std::collections::BTreeMap;
use std::time::Duration;

use super::call::{Call, Step};
use super::{Channel, MAX_CALLS, Party, Pbx, State, UserProfile};
use crate::dialplan;
use crate::wire::Headers;
use originatord_core::clock::Now;

/// A telephone that dials into a room.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Guest {
    /// The room, which is the extension that it dials.
    pub room: String,
    /// `CallerIDNum` and `CallerIDName`.
    pub caller: Party,
    /// The channel's unique id; one as Asterisk makes it by default.
    pub uniqueid: Option<String>,
    /// The channel's name; `PJSIP/phone-…` by default.
    pub channel: Option<String>,
    /// The profile that the dialplan sets for it.
    pub profile: UserProfile,
    /// Time from now until it dials.
    pub after: Duration,
    /// Time from the dialling until it hangs up; without it, it stays.
    pub stay: Option<Duration>,
}

impl Pbx {
    /// Lets a guest dial into its room; returns the unique id of its channel. To let the guest
    /// leave, [hang it up](Self::hang_up). None if the id is in use, the room's name is none, or
    /// Asterisk has too many calls.
    pub fn add_guest(&mut self, now: Now, mut guest: Guest) -> Option<String> {
        let is_taken = guest.uniqueid.as_ref().is_some_and(|id| self.by_uniqueid.contains_key(id));
        let has_room = dialplan::enters_room(dialplan::DIAL_IN, &guest.room);
        if is_taken || !has_room || self.calls.len() >= MAX_CALLS {
            return None;
        }
        let uniqueid = guest.uniqueid.take().unwrap_or_else(|| self.uniqueid(now));
        guest.uniqueid = Some(uniqueid.clone());
        let (key, begins) = (self.next_key(), now.instant + guest.after);
        if let Some(stay) = guest.stay {
            self.schedule(begins + stay, key, Step::CalleeLeaves);
        }
        self.calls.insert(key, Call::of_guest(guest));
        self.schedule(begins, key, Step::Begin);
        Some(uniqueid)
    }

    /// Schedules the guests of the scenario.
    pub(crate) fn add_scenario_guests(&mut self, now: Now) {
        for guest in self.scenario.guest.clone() {
            self.add_guest(now, guest.into());
        }
    }

    /// The guest dials, and Asterisk answers.
    pub(super) fn begin_guest(&mut self, now: Now, key: u64, call: &mut Call, guest: Guest) {
        let uniqueid = guest.uniqueid.unwrap_or_default();
        if self.by_uniqueid.contains_key(&uniqueid) {
            return;
        }
        let name = guest.channel.unwrap_or_else(|| format!("PJSIP/phone-{:08x}", self.next_leg));
        self.next_leg = self.next_leg.wrapping_add(1);
        self.calls_so_far += 1;
        let channel = self.add_channel(Channel {
            call: key,
            name,
            linkedid: uniqueid.clone(),
            uniqueid,
            state: State::Ring,
            caller: guest.caller,
            connected: Party::default(),
            language: "en".into(),
            context: dialplan::DIAL_IN.into(),
            exten: guest.room,
            priority: 1,
            application: "",
            data: String::new(),
            bridge: String::new(),
            created: now.instant,
            variables: BTreeMap::new(),
        });
        let made = self.channel_event("Newchannel", Some(channel), Headers::new());
        let up = self.set_state(Some(channel), State::Up);
        self.events.extend(made.into_iter().chain(up));
        call.answered_guest(channel, guest.profile);
        self.run_room_dialplan(now, key, call, Duration::ZERO);
    }
}
