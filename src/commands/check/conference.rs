//! Provokes every event of a conference that the daemon uses, without calling anybody.
//!
//! A silent channel enters a conference of its own. Once it has joined, a second channel plays it a
//! tone, so that Asterisk reports speech; then it is muted, unmuted and hung up. All of this takes
//! about a tenth of a second, and its events come in this order on one link. So an event that has
//! not arrived when the channel is gone never will.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::probe::{Probe, ProbeError, is_of};
use originatord_core::ami::action::Action;
use originatord_core::ami::frame::Frame;
use originatord_core::ami::session::SessionEvent;

/// The time limit for the join. With `announce_only_user`, the participant joins only after an
/// announcement of about three seconds that nobody else is in the conference.
const JOIN_TIMEOUT: Duration = Duration::from_secs(8);

/// The time limit for the report of speech, which comes 0.1 s after the tone begins.
const TALK_TIMEOUT: Duration = Duration::from_secs(2);

/// The time limit for the end of the channels, once they are hung up.
const END_TIMEOUT: Duration = Duration::from_secs(2);

/// A channel that is up at once and rings no telephone: it sends audio to the discard port of
/// Asterisk's own machine.
const SILENT_CHANNEL: &str = "UnicastRTP/127.0.0.1:9";

/// The variable with the port on which such a channel receives audio.
const AUDIO_PORT: &str = "UNICASTRTP_LOCAL_PORT";

/// The application that plays a tone, and its module.
const TONE: (&str, &str) = ("Milliwatt", "app_milliwatt.so");

/// The events of a call that is answered and enters a conference, and the sample dialplan's own
/// event.
pub(super) const CONFERENCE_EVENTS: [&str; 4] =
    ["Newstate", "ConfbridgeJoin", "ConfbridgeLeave", "UserEvent"];

/// The events that show a room at once. Without them, the daemon lists the rooms.
pub(super) const ROOM_EVENTS: [&str; 4] =
    ["ConfbridgeStart", "ConfbridgeEnd", "ConfbridgeMute", "ConfbridgeUnmute"];

/// The event that reports who speaks.
pub(super) const TALKING: &str = "ConfbridgeTalking";

/// The events of a conference that have arrived.
pub(super) struct Provoked {
    pub(super) seen: HashSet<String>,
    /// Whether a tone was played, so that [`TALKING`] had to arrive.
    pub(super) has_talked: bool,
}

impl Probe {
    /// Puts a silent channel into a conference of its own, makes a second one send the dialplan's
    /// user event, and returns which events arrive. `None` if Asterisk cannot make such a channel.
    pub(super) async fn events_of_participant(&mut self) -> Result<Option<Provoked>, ProbeError> {
        let has_tone = self.is_true(&format!("IFMODULE({})", TONE.1)).await? != Some(false);
        let sender =
            self.originate(SILENT_CHANNEL, "UserEvent", "OriginatordLeg,Tech: check", &[])?;
        // Another check may run at the same time.
        let conference = format!("originatord-check-{:08x}", fastrand::u32(..));
        let talk = [("CONFBRIDGE(user,talk_detection_events)", "yes")];
        let participant = self.originate(SILENT_CHANNEL, "ConfBridge", &conference, &talk)?;
        let mut visit = Visit {
            conference,
            participant,
            sender,
            channel: String::new(),
            tone: None,
            has_tone,
            stage: Stage::Joining,
            deadline: Instant::now() + JOIN_TIMEOUT,
            seen: HashSet::new(),
            gone: HashSet::new(),
        };
        while !visit.is_complete() {
            match self.next_event(visit.deadline).await {
                Ok(SessionEvent::Event(frame)) if visit.has_failed(&frame) => return Ok(None),
                Ok(SessionEvent::Event(frame)) => visit.note(&frame, self)?,
                Ok(SessionEvent::Response((), response))
                    if response.frame.get("Variable") == Some(AUDIO_PORT.as_bytes()) =>
                {
                    visit.play_tone(&response.frame, self)?;
                }
                Ok(_) => {}
                Err(ProbeError::Timeout) if visit.stage == Stage::Ending => break,
                Err(ProbeError::Timeout) => visit.proceed(self)?,
                Err(error) => return Err(error),
            }
        }
        Ok(Some(Provoked { has_talked: visit.tone.is_some(), seen: visit.seen }))
    }
}

/// The event that the participant waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Joining,
    Talking,
    Ending,
}

/// The participant's visit to the conference.
struct Visit {
    conference: String,
    participant: String,
    sender: String,
    /// The participant's channel name; empty until the channel exists.
    channel: String,
    /// The id of the channel that plays the tone.
    tone: Option<String>,
    has_tone: bool,
    stage: Stage,
    deadline: Instant,
    seen: HashSet<String>,
    /// The ids of the channels that have hung up.
    gone: HashSet<String>,
}

impl Visit {
    fn is_complete(&self) -> bool {
        [&self.participant, &self.sender].iter().all(|id| self.gone.contains(*id))
    }

    fn has_failed(&self, frame: &Frame) -> bool {
        let is_ours = is_of(frame, &self.participant) || is_of(frame, &self.sender);
        is_ours
            && frame.event_name() == Some(b"OriginateResponse")
            && frame.get("Response") != Some(b"Success")
    }

    /// Stores an event, and takes the step that it allows.
    fn note(&mut self, frame: &Frame, probe: &mut Probe) -> Result<(), ProbeError> {
        let ids = [Some(&self.participant), Some(&self.sender), self.tone.as_ref()];
        let id = ids.into_iter().flatten().find(|id| is_of(frame, id)).cloned();
        // The start and the end of a conference are events of no channel.
        let is_of_conference = frame.get("Conference") == Some(self.conference.as_bytes());
        if id.is_none() && !is_of_conference {
            return Ok(());
        }
        let event = frame.text("Event").unwrap_or_default().into_owned();
        match &*event {
            "Newchannel" if id.as_ref() == Some(&self.participant) => {
                self.channel = frame.text("Channel").unwrap_or_default().into_owned();
            }
            "ConfbridgeJoin" if self.stage == Stage::Joining => self.proceed(probe)?,
            TALKING if self.stage == Stage::Talking => self.proceed(probe)?,
            "Hangup" => self.gone.extend(id),
            _ => {}
        }
        self.seen.insert(event);
        Ok(())
    }

    /// Enters the next stage.
    fn proceed(&mut self, probe: &mut Probe) -> Result<(), ProbeError> {
        if self.stage == Stage::Joining && self.has_tone {
            (self.stage, self.deadline) = (Stage::Talking, Instant::now() + TALK_TIMEOUT);
            let headers = [("Channel", &*self.participant), ("Variable", AUDIO_PORT)];
            return probe.send("GetVar", &headers);
        }
        (self.stage, self.deadline) = (Stage::Ending, Instant::now() + END_TIMEOUT);
        let headers = [("Conference", &*self.conference), ("Channel", &*self.channel)];
        for action in ["ConfbridgeMute", "ConfbridgeUnmute"] {
            probe.send(action, &headers)?;
        }
        for id in [Some(&self.participant), self.tone.as_ref()].into_iter().flatten() {
            probe.send_action(&Action::Hangup { channel: id.clone() })?;
        }
        Ok(())
    }

    /// Plays a tone to the participant, whose channel receives audio on the port in this response.
    fn play_tone(&mut self, response: &Frame, probe: &mut Probe) -> Result<(), ProbeError> {
        if self.stage != Stage::Talking {
            return Ok(());
        }
        match response.text("Value").and_then(|port| port.parse::<u16>().ok()) {
            Some(port) => {
                let channel = format!("UnicastRTP/127.0.0.1:{port}");
                self.tone = Some(probe.originate(&channel, TONE.0, "", &[])?);
                Ok(())
            }
            None => self.proceed(probe),
        }
    }
}
