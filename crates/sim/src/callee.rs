//! How callees behave: the same table as in `asterisk/gateway.xml`, with which sipp simulates the
//! Telegram gateway.

use std::time::Duration;

/// How a callee behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behaviour {
    /// Time from the dialling to the gateway's `180 Ringing`; none if it does not send one.
    pub ring_after: Option<Duration>,
    /// How the call goes on.
    pub reaction: Reaction,
}

/// How a call goes on after it was dialled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reaction {
    /// The gateway sends nothing more.
    Silence,
    /// The callee answers.
    Answer {
        /// From the dialling to the answer.
        after: Duration,
        /// From the answer to the hangup by the callee; none if the callee stays.
        talk: Option<Duration>,
    },
    /// The gateway refuses the call.
    Refuse {
        /// From the dialling to the refusal.
        after: Duration,
        sip: u16,
        /// SIP reason phrase.
        words: String,
        /// Hangup cause that Asterisk derives from the status.
        cause: u8,
    },
}

/// Time from the dialling to `180 Ringing`.
const RING: Duration = Duration::from_millis(10);

/// Time from the dialling to a refusal without ringing.
const REFUSAL: Duration = Duration::from_millis(50);

impl Behaviour {
    /// The behaviour that the last three digits of a number select.
    pub fn of(number: &str) -> Self {
        let refuse = |sip, words: &str| Self {
            ring_after: None,
            reaction: Reaction::Refuse {
                after: REFUSAL,
                sip,
                words: words.into(),
                cause: cause_of_sip(sip),
            },
        };
        let answer = |talk| Self {
            ring_after: Some(RING),
            reaction: Reaction::Answer { after: Duration::from_secs(1), talk },
        };
        let last_three = number.char_indices().rev().nth(2).map_or("", |(at, _)| &number[at..]);
        match last_three {
            "404" => refuse(404, "Not Found"),
            "420" => refuse(420, "Bad Extension"),
            "486" => refuse(486, "Busy Here"),
            "500" => refuse(500, "FLOOD_WAIT 291"),
            "603" => refuse(603, "Decline"),
            "480" => {
                let (after, words) =
                    (Duration::from_millis(500), "Temporarily Unavailable".to_owned());
                Self {
                    ring_after: Some(RING),
                    reaction: Reaction::Refuse { after, sip: 480, words, cause: 19 },
                }
            }
            "180" => Self { ring_after: Some(RING), reaction: Reaction::Silence },
            "408" => Self { ring_after: None, reaction: Reaction::Silence },
            "200" => answer(Some(Duration::from_secs(3))),
            "201" => answer(Some(Duration::from_millis(500))),
            _ => answer(None),
        }
    }
}

/// The hangup cause that Asterisk derives from a SIP status (`hangup_sip2cause` in
/// `channels/chan_pjsip.c`).
pub(crate) fn cause_of_sip(status: u16) -> u8 {
    match status {
        401 | 403 | 407 | 603 => 21,
        404 | 410 | 485 | 604 => 1,
        408 => 18,
        409 => 41,
        420 => 3,
        480 | 483 => 19,
        484 => 28,
        486 | 600 => 17,
        488 | 606 => 58,
        500 => 38,
        501 => 29,
        502 => 27,
        504 => 102,
        505 => 127,
        503 | 506..600 => 34,
        _ => 127,
    }
}

/// Asterisk's text for a hangup cause (`main/channel.c`).
pub(crate) fn cause_text(cause: u8) -> &'static str {
    match cause {
        1 => "Unallocated (unassigned) number",
        3 => "No route to destination",
        16 => "Normal Clearing",
        17 => "User busy",
        18 => "No user responding",
        19 => "User alerting, no answer",
        20 => "Subscriber absent",
        21 => "Call Rejected",
        22 => "Number changed",
        27 => "Destination out of order",
        28 => "Invalid number format",
        29 => "Facility rejected",
        34 => "Circuit/channel congestion",
        38 => "Network out of order",
        41 => "Temporary failure",
        42 => "Switching equipment congestion",
        58 => "Bearer capability not available",
        102 => "Recover on timer expiry",
        127 => "Interworking, unspecified",
        _ => "Unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_three_digits_select_the_behaviour() {
        for (digits, expected) in
            [("404", 1), ("420", 3), ("480", 19), ("486", 17), ("500", 38), ("603", 21)]
        {
            let Reaction::Refuse { cause, sip, .. } =
                Behaviour::of(&format!("7999000{digits}")).reaction
            else {
                panic!()
            };
            assert_eq!((cause, sip.to_string()), (expected, digits.to_owned()));
        }
        assert_eq!(Behaviour::of("79990000180").reaction, Reaction::Silence);
        assert_eq!(
            Behaviour::of("79990000408"),
            Behaviour { ring_after: None, reaction: Reaction::Silence }
        );
        for leaves in ["79990000200", "79990000201"] {
            assert!(matches!(
                Behaviour::of(leaves).reaction,
                Reaction::Answer { talk: Some(_), .. }
            ));
        }
        for other in ["79990000001", "7", "", "яя", "4040", "40"] {
            assert!(
                matches!(Behaviour::of(other).reaction, Reaction::Answer { talk: None, .. }),
                "{other}"
            );
        }
    }

    /// sipp plays the gateway of this file in the tests with a real Asterisk.
    #[test]
    fn table_matches_the_sipp_gateway() {
        let gateway = include_str!("../../../asterisk/gateway.xml");
        for digits in ["404", "420", "480", "486", "500", "603"] {
            let Reaction::Refuse { words, .. } = Behaviour::of(digits).reaction else { panic!() };
            assert!(gateway.contains(&format!("SIP/2.0 {digits} {words}\n")), "{digits}");
        }
    }
}
