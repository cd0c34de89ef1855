//! Which call an event of Asterisk's is about, and what it says of it.

use super::{Registry, Told};
use crate::ami::action::ActionId;
use crate::ami::message::{Channel, ChannelState, Event};
use crate::call::machine::Fact;
use crate::call::{CallId, locked_number};
use crate::clock::Now;

/// Which channel of a call an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// `Local/…;1`, which enters the conference.
    Local1,
    /// `Local/…;2`, which holds the number's lock and dials.
    Local2,
    /// A leg towards the gateway.
    Leg,
}

impl Registry {
    /// Takes an event of Asterisk's to the call that it is about, and returns that call's id.
    pub fn hear(&mut self, now: Now, event: &Event<'_>, told: &mut Vec<Told>) -> Option<CallId> {
        let (key, fact) = self.understand(event)?;
        let id = self.calls[key].call.info.id;
        self.joins_arrive |= matches!(fact, Fact::Joined(_));
        self.apply(now, key, Some(fact), told);
        Some(id)
    }

    /// Remembers that this channel is a leg of the call towards the gateway.
    pub fn leg(&mut self, now: Now, id: CallId, uniqueid: &str, told: &mut Vec<Told>) {
        if let Some(&key) = self.by_id.get(&id).filter(|&&key| self.calls[key].call.takes_leg()) {
            self.by_leg.insert(uniqueid.into(), key);
            self.apply(now, key, Some(Fact::LegSeen(uniqueid.into())), told);
        }
    }

    fn understand(&mut self, event: &Event<'_>) -> Option<(usize, Fact)> {
        Some(match event {
            Event::Newchannel(channel) => match self.part(channel) {
                Some((key, Part::Local1)) => (key, Fact::Local1Seen),
                Some((key, Part::Local2)) => (key, Fact::Local2Seen),
                Some((key, Part::Leg)) => (key, Fact::LegSeen(channel.uniqueid.as_ref().into())),
                None => {
                    // Only at its birth does a channel's Linkedid say for whom it was made; in a conference
                    // the oldest Linkedid spreads to all.
                    let key = *self.by_id.get(&channel.linkedid.parse().ok()?)?;
                    if !self.calls[key].call.takes_leg() {
                        return None;
                    }
                    self.by_leg.insert(channel.uniqueid.as_ref().into(), key);
                    (key, Fact::LegSeen(channel.uniqueid.as_ref().into()))
                }
            },
            Event::Newstate(channel, state) => match (self.part(channel)?, state) {
                ((key, Part::Local2), _) => (key, Fact::Local2Seen),
                ((key, _), ChannelState::Ringing) => (key, Fact::Ringing),
                ((key, _), ChannelState::Up) => (key, Fact::Answered),
                _ => return None,
            },
            Event::Hangup(channel, cause) => match self.part(channel).or_else(|| self.unknown_leg(channel))? {
                (key, Part::Local1) => (key, Fact::Local1Gone(cause.clone())),
                (key, Part::Local2) => (key, Fact::Local2Gone(cause.clone())),
                (key, Part::Leg) => {
                    self.by_leg.remove(channel.uniqueid.as_ref());
                    (key, Fact::LegGone(channel.uniqueid.as_ref().into(), cause.clone()))
                }
            },
            Event::ConfbridgeJoin(channel, conference) => match self.part(channel)? {
                (key, Part::Local1) => (key, Fact::Joined(conference.as_ref().into())),
                _ => return None,
            },
            Event::ConfbridgeLeave(channel, conference) => match self.part(channel)? {
                (key, Part::Local1) => (key, Fact::Left(conference.as_ref().into())),
                _ => return None,
            },
            Event::OriginateResponse { id: Some(ActionId::Call(id)), result } => {
                (*self.by_id.get(id)?, Fact::Response(*result))
            }
            Event::GatewayReply { linkedid, tech } => {
                (*self.by_id.get(&linkedid.parse().ok()?)?, Fact::Tech(tech.as_ref().into()))
            }
            _ => return None,
        })
    }

    /// The call that is not answered yet and has this channel as a leg, though its birth was not heard of. Later the
    /// Linkedid proves nothing.
    fn unknown_leg(&self, channel: &Channel<'_>) -> Option<(usize, Part)> {
        let is_local = channel.uniqueid.parse::<CallId>().is_ok() || locked_number(&channel.uniqueid).is_some();
        let key = *self.by_id.get(&channel.linkedid.parse().ok()?)?;
        (!is_local && !self.calls[key].call.is_answered()).then_some((key, Part::Leg))
    }

    /// The call whose channel this is, and which of its channels.
    fn part(&self, channel: &Channel<'_>) -> Option<(usize, Part)> {
        if let Ok(id) = channel.uniqueid.parse() {
            return self.by_id.get(&id).map(|&key| (key, Part::Local1));
        }
        if let Some(number) = locked_number(&channel.uniqueid) {
            let key = *self.by_number.get(&number)?;
            // The lock of an earlier call, or of another daemon's, is no sign of ours.
            let of_another = channel.linkedid.parse().is_ok_and(|id| self.calls[key].call.info.id != id);
            return (!of_another).then_some((key, Part::Local2));
        }
        self.by_leg.get(channel.uniqueid.as_ref()).map(|&key| (key, Part::Leg))
    }
}
