//! A participant who is not in a call of ours.

use std::sync::Arc;

use crate::call::{Number, hide};

/// Fewest digits of a caller id that is a number. Shorter ones are extensions of a PBX.
const MIN_DIGITS: usize = 7;

/// A person who came into a room without a call of the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guest {
    /// The Uniqueid of the guest's channel.
    pub id: Arc<str>,
    /// The number of the guest, if Asterisk has one.
    pub number: Option<Number>,
    /// The guest's name or, without one, the caller id's number as Asterisk has it.
    pub caller_id: Arc<str>,
}

impl Guest {
    /// A guest with these values of `CallerIDNum` and `CallerIDName`.
    pub fn new(id: &str, caller_number: &str, caller_name: &str) -> Self {
        let known = |text: &str| !text.is_empty() && text != "<unknown>";
        let digits = caller_number.bytes().filter(u8::is_ascii_digit).count();
        let number = (digits >= MIN_DIGITS).then(|| caller_number.parse().ok()).flatten();
        let caller_id = if known(caller_name) {
            caller_name
        } else if known(caller_number) {
            caller_number
        } else {
            ""
        };
        Self { id: id.into(), number, caller_id: caller_id.into() }
    }

    /// The same guest, with the number masked.
    pub fn masked(&self) -> Self {
        let Some(number) = self.number else { return self.clone() };
        Self {
            id: self.id.clone(),
            number: Some(number.masked()),
            caller_id: hide(number, &self.caller_id).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_long_numbers_are_numbers() {
        let guest = Guest::new("1.3", "79991234567", "<unknown>");
        assert_eq!(guest.number, "79991234567".parse().ok());
        assert_eq!(&*guest.caller_id, "79991234567");
        assert_eq!(&*guest.masked().caller_id, "7999•••4567");
        let phone = Guest::new("1.4", "101", "Reception");
        assert_eq!((phone.number, &*phone.caller_id), (None, "Reception"));
        let unknown = Guest::new("1.5", "<unknown>", "<unknown>");
        assert_eq!((unknown.number, &*unknown.caller_id), (None, ""));
    }
}
