//! Finds the call that an event of Asterisk is about, and the fact about it.

use super::{CallChange, Registry};
use crate::ami::action::ActionId;
use crate::ami::message::{Channel, ChannelState, Event};
use crate::call::machine::Fact;
use crate::call::{CallId, locked_number};
use crate::clock::Now;

/// Which channel of a call an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CallPart {
    /// The first Local half, `Local/…;1`, which enters the conference.
    Local1,
    /// The second Local half, `Local/…;2`: the number's lock channel, which dials.
    Local2,
    /// A leg towards the gateway.
    Leg,
}

impl Registry {
    /// Applies an event to the call that it is about, and returns that call's id.
    pub(crate) fn handle_event(
        &mut self,
        now: Now,
        event: &Event<'_>,
        changes: &mut Vec<CallChange>,
    ) -> Option<CallId> {
        let (key, fact) = self.classify(event)?;
        let id = self.calls[key].call.info.id;
        self.joins_arrive |= matches!(fact, Fact::Joined { .. });
        self.apply(now, key, Some(fact), changes);
        Some(id)
    }

    /// Adds these channels, which Asterisk lists, as legs of the call towards the gateway.
    pub(crate) fn add_legs(
        &mut self,
        now: Now,
        id: CallId,
        listed: &[Box<str>],
        changes: &mut Vec<CallChange>,
    ) {
        let Some(&key) = self.by_id.get(&id).filter(|&&key| self.calls[key].call.accepts_leg())
        else {
            return;
        };
        for uniqueid in listed {
            if let Some(fact) = self.add_leg(key, uniqueid.clone()) {
                self.apply(now, key, Some(fact), changes);
            }
        }
    }

    /// The call that this channel is known to be a leg of.
    pub(crate) fn call_of_leg(&self, uniqueid: &str) -> Option<CallId> {
        self.by_leg.get(uniqueid).map(|&key| self.calls[key].call.info.id)
    }

    /// The key of the call that an event is about, and the fact about it.
    fn classify(&mut self, event: &Event<'_>) -> Option<(usize, Fact)> {
        Some(match event {
            Event::Newchannel(channel) => match self.part(channel) {
                Some((key, CallPart::Local1)) => (key, Fact::Local1Seen),
                Some((key, CallPart::Local2)) => (key, Fact::Local2Seen),
                Some((key, CallPart::Leg)) => {
                    (key, Fact::LegSeen(channel.uniqueid.as_ref().into()))
                }
                // Only at a channel's creation does its Linkedid name the call that it was made
                // for; in a conference the oldest Linkedid spreads to all channels.
                None => self.new_leg(channel)?,
            },
            Event::Newstate(channel, state) => match (self.part(channel), state) {
                (Some((key, CallPart::Local2)), _) => (key, Fact::Local2Seen),
                (Some((key, _)), ChannelState::Ringing) => (key, Fact::Ringing),
                (Some((key, _)), ChannelState::Up) => (key, Fact::Answered),
                (Some(_), ChannelState::Other) => return None,
                // The channel's Newchannel was missed.
                (None, _) => {
                    self.unknown_leg(channel)?;
                    self.new_leg(channel)?
                }
            },
            Event::Hangup(channel, cause) => {
                match self.part(channel).or_else(|| self.unknown_leg(channel))? {
                    (key, CallPart::Local1) => (key, Fact::Local1Gone(cause.clone())),
                    (key, CallPart::Local2) => (key, Fact::Local2Gone(cause.clone())),
                    (key, CallPart::Leg) => {
                        self.by_leg.remove(channel.uniqueid.as_ref());
                        (key, Fact::LegGone(channel.uniqueid.as_ref().into(), cause.clone()))
                    }
                }
            }
            Event::ConfbridgeJoin(member) => match self.part(&member.channel)? {
                (key, CallPart::Local1) => {
                    let conference = member.conference.as_ref().into();
                    (key, Fact::Joined { conference, after: None })
                }
                _ => return None,
            },
            Event::ConfbridgeLeave(channel, conference) => match self.part(channel)? {
                (key, CallPart::Local1) => (key, Fact::Left(conference.as_ref().into())),
                _ => return None,
            },
            Event::OriginateResponse { id: Some(ActionId::Call(id)), result } => {
                (*self.by_id.get(id)?, Fact::Response(*result))
            }
            Event::GatewayReply { linkedid, tech } => (
                *self.by_id.get(&linkedid.parse().ok()?)?,
                Fact::GatewayReply(tech.as_ref().into()),
            ),
            _ => return None,
        })
    }

    /// The fact of a new channel, if it was created for a call and is not a half of one.
    fn new_leg(&mut self, channel: &Channel<'_>) -> Option<(usize, Fact)> {
        let key = *self.by_id.get(&channel.linkedid.parse().ok()?)?;
        if is_half(&channel.uniqueid) {
            return None;
        }
        let fact = match self.calls[key].call.accepts_leg() {
            true => self.add_leg(key, channel.uniqueid.as_ref().into())?,
            false => Fact::DialledOn,
        };
        Some((key, fact))
    }

    /// Adds a leg, unless the call has it already or has as many as it may have.
    fn add_leg(&mut self, key: usize, uniqueid: Box<str>) -> Option<Fact> {
        let call = &self.calls[key].call;
        if !call.has_room_for_leg() || call.legs().any(|known| *known == *uniqueid) {
            return None;
        }
        self.by_leg.insert(uniqueid.clone(), key);
        Some(Fact::LegSeen(uniqueid))
    }

    /// The unanswered call that this channel, whose Newchannel was missed, is a leg of. After the
    /// answer a channel of somebody else can have the call's Linkedid.
    fn unknown_leg(&self, channel: &Channel<'_>) -> Option<(usize, CallPart)> {
        let key = *self.by_id.get(&channel.linkedid.parse().ok()?)?;
        (!is_half(&channel.uniqueid) && !self.calls[key].call.is_answered())
            .then_some((key, CallPart::Leg))
    }

    /// The call whose channel this is, and the part that the channel plays in it.
    fn part(&self, channel: &Channel<'_>) -> Option<(usize, CallPart)> {
        if let Ok(id) = channel.uniqueid.parse() {
            return self.by_id.get(&id).map(|&key| (key, CallPart::Local1));
        }
        if let Some(number) = locked_number(&channel.uniqueid) {
            let key = *self.by_number.get(&number)?;
            // The lock channel of an earlier call, or of another daemon's call, proves nothing.
            let is_foreign =
                channel.linkedid.parse().is_ok_and(|id| self.calls[key].call.info.id != id);
            return (!is_foreign).then_some((key, CallPart::Local2));
        }
        self.by_leg.get(channel.uniqueid.as_ref()).map(|&key| (key, CallPart::Leg))
    }
}

/// Whether this is the Uniqueid of a half of any call's Local channel.
fn is_half(uniqueid: &str) -> bool {
    uniqueid.parse::<CallId>().is_ok() || locked_number(uniqueid).is_some()
}
