use super::*;
use crate::call::CallId;

#[test]
fn originate_response_parses_as_event() {
    let id = CallId::new(std::time::UNIX_EPOCH, 5);
    let text =
        format!("Event: OriginateResponse\r\nActionID: {id}\r\nResponse: Failure\r\nReason: 8\r\n");
    let frame = Frame::new(text.into());
    let expected = Event::OriginateResponse { id: Some(ActionId::Call(id)), result: Err(8) };
    assert_eq!(Message::parse(&frame), Message::Event(expected));
}

#[test]
fn unused_messages_are_not_parsed() {
    for other in ["Event: VarSet\r\nUniqueid: 1", "Hello", "", "Uniqueid: 1\r\nEvent: Hangup"] {
        assert_eq!(Message::parse(&Frame::new(other.into())), Message::Other, "{other}");
    }
}
