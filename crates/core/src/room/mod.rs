//! Rooms: ConfBridge conferences, and who is in them.
//!
//! A room is a conference by its name. ConfBridge compares names without regard to the case of ASCII
//! letters, and keeps the first spelling. A participant is a channel in a room: one of our calls, or a
//! guest, who came in some other way.

mod change;
mod guest;
mod id;
mod kept;
mod open;
mod view;

use std::borrow::Cow;

pub use change::{GuestChange, LeaveReason, Left, RoomChange};
pub use guest::Guest;
pub use id::{ConferenceId, NotAConferenceId};
pub use kept::KeptRoom;
pub use open::{OpenGuest, OpenRoom};
pub use view::{Desired, ParticipantView, RoomDetail, RoomView};

/// Longest name of a conference, in bytes: `MAX_CONF_NAME` in Asterisk's
/// `apps/confbridge/include/confbridge.h` is 80, with the NUL.
pub const MAX_CONFERENCE: usize = 79;

/// The form of a room's name under which it is found: ConfBridge ignores the case of ASCII letters.
/// Most names need no copy.
pub fn folded(room: &str) -> Cow<'_, str> {
    match room.bytes().any(|b| b.is_ascii_uppercase()) {
        true => room.to_ascii_lowercase().into(),
        false => room.into(),
    }
}
